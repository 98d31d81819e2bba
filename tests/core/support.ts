// What the tests of the core start from: a machine's memory with nothing in it, and the small objects they need.
import {
  ASYNC_SIZE, CHUNK_BASE, COUNTERS_BASE, CTX_SIZE, FILE_SIZE, NODE_SIZE, OVERFLOW_SIZE, PAGE_PROT_BASE, PAGE_SIZE, POOLS_BASE, REQ_SIZE,
  SHINFO_SIZE, SKB_SIZE, SMALL_SIZE, SOCK_SIZE, STATE_BASE, TASK_SIZE, TIMER_SIZE, TRACE_BASE, USER_BASE,
} from "../../assembly/abi/layout";
import {
  POOL_ASYNC, POOL_CTX, POOL_FILE, POOL_NODE, POOL_OVERFLOW, POOL_REQ, POOL_SHINFO, POOL_SKB, POOL_SMALL, POOL_SOCK, POOL_TASK, POOL_TIMER,
  poolInit,
} from "../../assembly/lib/pool";
import { PROFILE_DEFAULT } from "../../assembly/abi/profile";
import { profileInit } from "../../assembly/lib/profile";
import { S_CURRENT } from "../../assembly/lib/state";
import { traceInit } from "../../assembly/lib/trace";
import { PROT_READ, PROT_WRITE, vmInit, vmMap } from "../../assembly/mm/vma";
import { taskCreate } from "../../assembly/kernel/task";
import { SKBFL_DONT_ORPHAN, SKBFL_ZEROCOPY_FRAG, UBUF_SIZE, UbufInfo } from "../../assembly/net/ubuf_info";

/** Objects per pool: enough for any test here, and few enough that running out can be tested. */
export const POOL_COUNT: u32 = 256;
/** The part of the user region that tests may write to. */
const USER_BYTES: usize = 1 << 20;

/** A machine after power-on: pools, an empty user region, one task, no device and no ring. */
export function reset(): void {
  // The runner never frees what it allocates, and the machine starts where its room ends (as-pect.config.js).
  assert(heap.alloc(16) < (STATE_BASE as usize), "the test runner has outgrown its memory");
  heap.reset();
  memory.fill(STATE_BASE, 0, PAGE_PROT_BASE - STATE_BASE);
  memory.fill(PAGE_PROT_BASE, 0, TRACE_BASE - PAGE_PROT_BASE);
  profileInit(PROFILE_DEFAULT);
  let at: usize = POOLS_BASE;
  at = poolInit(POOL_REQ, at, REQ_SIZE, POOL_COUNT);
  at = poolInit(POOL_ASYNC, at, ASYNC_SIZE, POOL_COUNT);
  at = poolInit(POOL_SKB, at, SKB_SIZE, POOL_COUNT);
  at = poolInit(POOL_SHINFO, at, SHINFO_SIZE, POOL_COUNT);
  at = poolInit(POOL_SOCK, at, SOCK_SIZE, POOL_COUNT);
  at = poolInit(POOL_FILE, at, FILE_SIZE, POOL_COUNT);
  at = poolInit(POOL_CTX, at, CTX_SIZE, POOL_COUNT);
  at = poolInit(POOL_TASK, at, TASK_SIZE, POOL_COUNT);
  at = poolInit(POOL_TIMER, at, TIMER_SIZE, POOL_COUNT);
  at = poolInit(POOL_NODE, at, NODE_SIZE, POOL_COUNT);
  at = poolInit(POOL_SMALL, at, SMALL_SIZE, POOL_COUNT);
  at = poolInit(POOL_OVERFLOW, at, OVERFLOW_SIZE, POOL_COUNT);
  assert(at < (CHUNK_BASE as usize), "the pools overlap the kernel data");
  memory.fill(POOLS_BASE, 0, at - POOLS_BASE);
  memory.fill(USER_BASE, 0, USER_BYTES);
  traceInit();
  vmInit();
  store<u32>(S_CURRENT, changetype<usize>(taskCreate(1)) as u32);
}

export function counter(offset: u32): u32 { return load<u32>(COUNTERS_BASE + offset); }

/** `count` mapped pages of the user region, every byte of them different from its neighbours. */
export function userPages(count: u32): usize {
  const at = vmMap((count * PAGE_SIZE) as usize, PROT_READ | PROT_WRITE) as usize;
  for (let i: usize = 0; i < count * PAGE_SIZE; i++) store<u8>(at + i, pattern(i as u32));
  return at;
}

/** The byte at offset `i` of userPages(). */
export function pattern(i: u32): u8 { return (i * 7 + (i >> 8) * 13 + 1) as u8; }

// An owner of zero-copy pages that only counts what it is told. It has no link_skb: nothing can be chained to it.

/** Where owners live: inside the machine's state, in the part that system calls use as scratch. */
const OWNERS: usize = 0x14000;
const COPIED: usize = 0x1c000; // u32 per owner: completions with success = false
const USED: usize = 0x1c100; // u32 per owner: completions with success = true

function complete(_skb: usize, uarg: usize, success: u32, _reason: u32): void {
  const owner = changetype<UbufInfo>(uarg);
  assert(owner.refcnt > 0, "the owner was told once too often");
  owner.refcnt--;
  const slot = (success ? USED : COPIED) + ((uarg - OWNERS) / UBUF_SIZE) * 4;
  store<u32>(slot, load<u32>(slot) + 1);
}

/** Owner `i` with the one reference of its request. */
export function newOwner(i: u32): UbufInfo {
  const owner = changetype<UbufInfo>(OWNERS + (i as usize) * UBUF_SIZE);
  owner.complete = complete.index;
  owner.link_skb = 0;
  owner.refcnt = 1;
  owner.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN;
  owner.user_data = i;
  return owner;
}

/** How often the owner heard that its pages were copied. */
export function timesCopied(owner: UbufInfo): u32 { return load<u32>(COPIED + ((changetype<usize>(owner) - OWNERS) / UBUF_SIZE) * 4); }
/** How often it heard that an skb let go of them uncopied. */
export function timesUsed(owner: UbufInfo): u32 { return load<u32>(USED + ((changetype<usize>(owner) - OWNERS) / UBUF_SIZE) * 4); }
