// Wait queues. An entry is called back when something happens to the object it watches; blocking system calls do not use
// entries: they run the machine's events and look again (kernel/sched.ts).
//
// A queue is two words in its owner, head and tail of a doubly linked list of entries.
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { SMALL_SIZE } from "../abi/layout";

@unmanaged @final export class WaitEntry {
  pad: u32;
  next: WaitEntry;
  prev: WaitEntry;
  queue: usize; // address of the queue it is on, 0 = none
  fn: u32; // table index of (entry: WaitEntry, mask: u32) => void
  arg: usize;
  mask: u32; // events it wants
  exclusive: u32; // a wake-up of one ends with it
}
if (offsetof<WaitEntry>() > SMALL_SIZE) ERROR("WaitEntry does not fit its pool");

@inline function head(q: usize): WaitEntry { return changetype<WaitEntry>(load<u32>(q) as usize); }

/** In the mask of a wake-up that comes from io_uring itself: who would answer it with another one must stop there. */
export const EPOLL_URING_WAKE: u32 = 0x8000000;

export function waitEntryNew(fn: u32, arg: usize, mask: u32): WaitEntry {
  const e = changetype<WaitEntry>(poolAlloc(POOL_SMALL));
  if (!e) return e;
  e.queue = 0;
  e.fn = fn;
  e.arg = arg;
  e.mask = mask;
  e.exclusive = 0;
  return e;
}

/** Adds at the head: who waits last is woken first, as with poll on Linux. */
export function waitAdd(q: usize, e: WaitEntry): void {
  const first = head(q);
  e.queue = q;
  e.prev = changetype<WaitEntry>(0);
  e.next = first;
  if (first) first.prev = e;
  else store<u32>(q, changetype<usize>(e) as u32, 4);
  store<u32>(q, changetype<usize>(e) as u32);
}

/** Adds at the end, as one of those of whom a wake-up calls only the first that wants it. */
export function waitAddExclusive(q: usize, e: WaitEntry): void {
  const last = changetype<WaitEntry>(load<u32>(q, 4) as usize);
  e.queue = q;
  e.exclusive = 1;
  e.next = changetype<WaitEntry>(0);
  e.prev = last;
  if (last) last.next = e;
  else store<u32>(q, changetype<usize>(e) as u32);
  store<u32>(q, changetype<usize>(e) as u32, 4);
}

export function waitRemove(e: WaitEntry): void {
  if (!e.queue) return;
  const q = e.queue;
  if (e.prev) e.prev.next = e.next;
  else store<u32>(q, changetype<usize>(e.next) as u32);
  if (e.next) e.next.prev = e.prev;
  else store<u32>(q, changetype<usize>(e.prev) as u32, 4);
  e.queue = 0;
}

export function waitEntryFree(e: WaitEntry): void {
  waitRemove(e);
  poolFree(POOL_SMALL, changetype<usize>(e));
}

/**
 * Calls every entry that wants one of `mask`, of the exclusive ones only the first; all of them when the mask says that
 * the object's state has changed (u32.MAX_VALUE). An entry may remove itself, nobody else's.
 */
@inline export function wakeUp(q: usize, mask: u32): void {
  if (load<u32>(q)) wakeUpSlow(q, mask);
}

function wakeUpSlow(q: usize, mask: u32): void {
  let e = head(q);
  while (e) {
    const next = e.next;
    if (e.mask & mask) {
      const last = e.exclusive != 0 && mask != u32.MAX_VALUE;
      call_indirect<void>(e.fn, e, mask);
      if (last) return;
    }
    e = next;
  }
}
