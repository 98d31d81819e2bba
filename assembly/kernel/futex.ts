// futex(2): words of user memory that tasks and requests wait on. A waiter is known by the word's address and by whether it
// said that the futex is private to its process: private and shared waiters of one word do not see each other.
import { FUTEX2_SIZE_MASK, FUTEX2_NUMA, FUTEX2_MPOL, FUTEX2_PRIVATE } from "../abi/futex";
import { EAGAIN, EFAULT, EINVAL, ENOMEM } from "../abi/errno";
import { SMALL_SIZE } from "../abi/layout";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { S_FUTEX_HEAD, S_FUTEX_TAIL, nil } from "../lib/state";
import { PROT_WRITE, PROT_READ, accessOk, userSpan } from "../mm/vma";

@unmanaged @final export class FutexQ {
  pad: u32;
  next: FutexQ; // all waiters, in the order in which they came
  prev: FutexQ;
  addr: u32;
  shared: u32;
  bitset: u32;
  woken: u32; // 1: no longer on the list
  wake: u32; // table index of (q: FutexQ) => void, 0: nobody needs to be told
  owner: usize;
  index: u32; // of several futexes that one waiter waits for
  sibling: FutexQ;
}
if (offsetof<FutexQ>() > SMALL_SIZE) ERROR("FutexQ does not fit its pool");

// FUTEX2_* flags
export const FUTEX2_VALID: u32 = FUTEX2_SIZE_MASK | FUTEX2_NUMA | FUTEX2_MPOL | FUTEX2_PRIVATE;
const NUMA_NO_NODE: u32 = u32.MAX_VALUE;

/**
 * Is `uaddr` a futex? 0, -EINVAL (not aligned), -EFAULT. A shared one must be mapped, a private one is just an address. With
 * FUTEX2_NUMA the word behind it names its node, of which there is one; "none" is replaced by it.
 */
export function futexKey(uaddr: u64, flags: u32): i32 {
  const shared = (flags & FUTEX2_PRIVATE) == 0, numa = (flags & FUTEX2_NUMA) != 0;
  if (uaddr & (numa ? 7 : 3)) return -EINVAL;
  if (!accessOk(uaddr, numa ? 8 : 4)) return -EFAULT;
  if (numa) {
    if (userSpan(uaddr, 8, PROT_READ | PROT_WRITE) != 8) return -EFAULT;
    const node = load<u32>(uaddr as usize, 4);
    if (node == NUMA_NO_NODE) store<u32>(uaddr as usize, 0, 4);
    else if (node) return -EINVAL;
  }
  return shared && userSpan(uaddr, 4, PROT_READ | PROT_WRITE) != 4 ? -EFAULT : 0;
}

/** Starts to wait if the word has the expected value: a FutexQ as its address; -EAGAIN (another value), -EFAULT, -ENOMEM. */
export function futexQueue(uaddr: u64, flags: u32, value: u32, bitset: u32, wake: u32, owner: usize): i32 {
  const err = futexKey(uaddr, flags);
  if (err) return err;
  if (userSpan(uaddr, 4, PROT_READ) != 4) return -EFAULT;
  if (load<u32>(uaddr as usize) != value) return -EAGAIN;
  const q = changetype<FutexQ>(poolAlloc(POOL_SMALL));
  if (!q) return -ENOMEM;
  const last = changetype<FutexQ>(load<u32>(S_FUTEX_TAIL) as usize);
  q.next = nil<FutexQ>();
  q.prev = last;
  q.addr = uaddr as u32;
  q.shared = (flags & FUTEX2_PRIVATE) ^ FUTEX2_PRIVATE;
  q.bitset = bitset;
  q.woken = 0;
  q.wake = wake;
  q.owner = owner;
  q.index = 0;
  q.sibling = nil<FutexQ>();
  if (last) last.next = q;
  else store<u32>(S_FUTEX_HEAD, changetype<usize>(q) as u32);
  store<u32>(S_FUTEX_TAIL, changetype<usize>(q) as u32);
  return changetype<usize>(q) as i32;
}

function unqueue(q: FutexQ): void {
  if (q.woken) return;
  q.woken = 1;
  if (q.prev) q.prev.next = q.next;
  else store<u32>(S_FUTEX_HEAD, changetype<usize>(q.next) as u32);
  if (q.next) q.next.prev = q.prev;
  else store<u32>(S_FUTEX_TAIL, changetype<usize>(q.prev) as u32);
}

/** Ends a wait, whether it was woken or not. */
export function futexFree(q: FutexQ): void {
  unqueue(q);
  poolFree(POOL_SMALL, changetype<usize>(q));
}

/** Wakes up to `nr` (at least one) waiters that share a bit with `bitset`: how many, -EINVAL, -EFAULT. */
export function futexWake(uaddr: u64, flags: u32, nr: i32, bitset: u32): i32 {
  if (!bitset) return -EINVAL;
  const err = futexKey(uaddr, flags);
  if (err) return err;
  let n: i32 = 0;
  let q = changetype<FutexQ>(load<u32>(S_FUTEX_HEAD) as usize);
  while (q) {
    let next = q.next;
    if ((q.addr as u64) == uaddr && q.shared == ((flags & FUTEX2_PRIVATE) ^ FUTEX2_PRIVATE) && q.bitset & bitset) {
      const owner = q.owner;
      unqueue(q);
      while (next && owner && next.owner == owner) next = next.next; // goes with it
      if (q.wake) call_indirect<void>(q.wake, q);
      if (++n >= nr) break;
    }
    q = next;
  }
  return n;
}
