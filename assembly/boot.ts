// Boot: lays the pools out in zeroed memory, installs the hooks that let lower layers call upper ones, creates task 1 with
// its three standard descriptors, and the first network namespace with its `lo`.
import {
  ASYNC_MAX, ASYNC_SIZE, CHUNK_BASE, CTX_MAX, CTX_SIZE, DEV_MAX, DEV_SIZE, FILE_MAX, FILE_SIZE, KBUF_MAX, KBUF_SIZE, NODE_MAX, NODE_SIZE, OVERFLOW_MAX, OVERFLOW_SIZE,
  POOLS_BASE, REQ_MAX, REQ_SIZE, SHINFO_MAX, SHINFO_SIZE, SKB_MAX, SKB_SIZE, SMALL_MAX, SMALL_SIZE, SOCK_MAX, SOCK_SIZE, TASK_MAX, TASK_SIZE,
  PAGE_PROT_BASE, STATE_BASE, TIMER_HEAP_BASE, TIMER_MAX, TIMER_SIZE, TRACE_BASE, TRACE_CAPACITY, TRACE_HDR_BASE,
} from "./abi/layout";
import { BUG_POOL_RANGE } from "./abi/bug";
import { TRACE_HDR_HEAD } from "./abi/trace";
import { bugOn } from "./lib/bug";
import {
  POOL_ASYNC, POOL_CTX, POOL_DEV, POOL_FILE, POOL_KBUF, POOL_NODE, POOL_OVERFLOW, POOL_REQ, POOL_SHINFO, POOL_SKB, POOL_SMALL, POOL_SOCK, POOL_TASK, POOL_TIMER,
  poolHiwater, poolInit, poolsClear,
} from "./lib/pool";
import { profileInit } from "./lib/profile";
import { rngInit } from "./lib/rng";
import { S_CURRENT, S_HOOK_TASK_WORK, S_TASK1 } from "./lib/state";
import { traceInit } from "./lib/trace";
import { pagesClear } from "./mm/page";
import { vmClear, vmInit } from "./mm/vma";
import { taskCreate } from "./kernel/task";
import { FILE_NULL, FMODE_NOWAIT, FMODE_POS, fdInstall, fileNew } from "./fs/file";
import { nullRw } from "./fs/memfile";
import { opdefInit } from "./io_uring/opdef";
import { runTaskWork } from "./io_uring/tw";
import { tcpInit } from "./net/tcp";
import { driversInit, netNsCreate } from "./drivers/rtnetlink";

/**
 * `seed` 0 is the schedule recorded on Linux; any other value draws where Linux leaves an order open. `profile`: PROFILE_* of
 * abi/profile.ts.
 */
export function bootMachine(seed: u32, profile: u32): void {
  let at: usize = POOLS_BASE;
  at = poolInit(POOL_REQ, at, REQ_SIZE, REQ_MAX);
  at = poolInit(POOL_ASYNC, at, ASYNC_SIZE, ASYNC_MAX);
  at = poolInit(POOL_SKB, at, SKB_SIZE, SKB_MAX);
  at = poolInit(POOL_SHINFO, at, SHINFO_SIZE, SHINFO_MAX);
  at = poolInit(POOL_SOCK, at, SOCK_SIZE, SOCK_MAX);
  at = poolInit(POOL_FILE, at, FILE_SIZE, FILE_MAX);
  at = poolInit(POOL_CTX, at, CTX_SIZE, CTX_MAX);
  at = poolInit(POOL_TASK, at, TASK_SIZE, TASK_MAX);
  at = poolInit(POOL_TIMER, at, TIMER_SIZE, TIMER_MAX);
  at = poolInit(POOL_DEV, at, DEV_SIZE, DEV_MAX);
  at = poolInit(POOL_NODE, at, NODE_SIZE, NODE_MAX);
  at = poolInit(POOL_SMALL, at, SMALL_SIZE, SMALL_MAX);
  at = poolInit(POOL_OVERFLOW, at, OVERFLOW_SIZE, OVERFLOW_MAX);
  at = poolInit(POOL_KBUF, at, KBUF_SIZE, KBUF_MAX);
  bugOn(at > (CHUNK_BASE as usize), BUG_POOL_RANGE, at, CHUNK_BASE);
  rngInit(seed as u64);
  profileInit(profile);
  traceInit();
  vmInit();
  const task = taskCreate(1);
  store<u32>(S_TASK1, changetype<usize>(task) as u32);
  store<u32>(S_CURRENT, changetype<usize>(task) as u32);
  for (let fd = 0; fd < 3; fd++) {
    const f = fileNew(FILE_NULL, 0, 0, 0, 0);
    f.mode |= FMODE_NOWAIT | FMODE_POS;
    f.rw = nullRw.index;
    fdInstall(task, f);
  }
  store<u32>(S_HOOK_TASK_WORK, runTaskWork.index);
  opdefInit();
  driversInit();
  tcpInit();
  netNsCreate();
}

/**
 * Zeroes all that this machine has written, so that it can boot again in the same memory. What was never handed out is
 * zero still: the pools, the chunks, the timer heap and the user region each know how far they were used.
 */
export function clearMachine(): void {
  const timers = poolHiwater(POOL_TIMER); // no more can have been armed at once
  poolsClear();
  memory.fill(TIMER_HEAP_BASE, 0, timers << 2);
  const records = load<u32>(TRACE_HDR_BASE + TRACE_HDR_HEAD);
  memory.fill(TRACE_BASE, 0, (records < TRACE_CAPACITY ? records : TRACE_CAPACITY) << 5);
  pagesClear();
  vmClear();
  memory.fill(STATE_BASE, 0, PAGE_PROT_BASE - STATE_BASE); // last: it says how far
}
