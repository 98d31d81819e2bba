// eventfd(2): a counter that is read to zero (or by one, EFD_SEMAPHORE) and written to by adding. man: eventfd(2).
import { O_CLOEXEC, O_NONBLOCK } from "../abi/fcntl";
import { POLLERR, POLLIN, POLLOUT } from "../abi/socket";
import { EAGAIN, EFAULT, EINVAL, ENFILE, ENOMEM } from "../abi/errno";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { SCRATCH_COUNT } from "../lib/state";
import { IovIter, copyFromIter, copyToIter, kvecLen } from "../mm/iov_iter";
import { wakeUp } from "../kernel/wait";
import { FILE_EVENTFD, FMODE_NOWAIT, FMODE_READ, FMODE_WAITING_WRITE, FMODE_WRITE, File, RW_WRITE, fileNew } from "./file";

export const EFD_SEMAPHORE: u32 = 1;

@unmanaged @final export class EventFd {
  pad: u32;
  semaphore: u32;
  count: u64;
  wq_head: usize;
  wq_tail: usize;
}
@inline function eventFdOf(f: File): EventFd { return changetype<EventFd>(f.priv); }
@inline function eventFdWq(e: EventFd): usize { return changetype<usize>(e) + offsetof<EventFd>("wq_head"); }

/** An open eventfd as its address, or -errno. */
export function eventFdCreate(initial: u32, flags: u32): i32 {
  if (flags & ~(EFD_SEMAPHORE | O_NONBLOCK | O_CLOEXEC)) return -EINVAL;
  const e = changetype<EventFd>(poolAlloc(POOL_SMALL));
  if (!e) return -ENOMEM;
  e.semaphore = flags & EFD_SEMAPHORE;
  e.count = initial as u64;
  e.wq_head = 0;
  e.wq_tail = 0;
  const f = fileNew(FILE_EVENTFD, changetype<usize>(e), eventFdRelease.index, eventFdPoll.index, eventFdWq(e));
  if (!f) {
    poolFree(POOL_SMALL, changetype<usize>(e));
    return -ENFILE;
  }
  f.flags = flags & O_NONBLOCK;
  f.mode = FMODE_READ | FMODE_WRITE | FMODE_NOWAIT | FMODE_WAITING_WRITE;
  f.rw = eventFdRw.index;
  return changetype<usize>(f) as i32;
}

function eventFdRelease(f: File): void {
  wakeUp(eventFdWq(eventFdOf(f)), 16); // EPOLLHUP
  poolFree(POOL_SMALL, f.priv);
}

function eventFdPoll(f: File): u32 {
  const count = eventFdOf(f).count;
  let mask: u32 = 0;
  if (count) mask |= POLLIN;
  if (count == u64.MAX_VALUE) mask |= POLLERR;
  if (count < u64.MAX_VALUE - 1) mask |= POLLOUT;
  return mask;
}

/** File.rw: eight bytes, -EINVAL (fewer), -EAGAIN, -EFAULT. */
function eventFdRw(f: File, it: IovIter, pos: u64, flags: u32): i32 {
  const e = eventFdOf(f);
  if (flags & RW_WRITE) return eventFdWrites(e, it);
  if (it.count < 8) return -EINVAL;
  if (!e.count) return -EAGAIN;
  const value = e.semaphore ? 1 : e.count;
  e.count -= value;
  wakeUp(eventFdWq(e), POLLOUT);
  store<u64>(SCRATCH_COUNT, value);
  return copyToIter(SCRATCH_COUNT, 8, it) == 8 ? 8 : -EFAULT; // the count is gone in any case
}

/** An eventfd takes no vectors: each segment is a write of its own, an empty one too. What was written before an error counts. */
function eventFdWrites(e: EventFd, it: IovIter): i32 {
  let done = 0;
  do {
    const len = it.iov ? kvecLen(it.iov, it.seg) - it.off : it.count;
    const ret = len == 8 ? eventFdWrite(e, it) : -EINVAL;
    if (ret < 0) return done ? done : ret;
    done += ret;
    if (it.iov && it.off >= kvecLen(it.iov, it.seg)) {
      it.seg++;
      it.off = 0;
    }
  } while (it.count);
  return done;
}

function eventFdWrite(e: EventFd, it: IovIter): i32 {
  const base = it.off, seg = it.seg;
  if (copyFromIter(SCRATCH_COUNT, 8, it) != 8) return -EFAULT;
  const value = load<u64>(SCRATCH_COUNT);
  if (value == u64.MAX_VALUE) return -EINVAL;
  if (u64.MAX_VALUE - e.count <= value) {
    it.off = base; // to be tried again
    it.seg = seg;
    it.count += 8;
    return -EAGAIN;
  }
  e.count += value;
  wakeUp(eventFdWq(e), POLLIN);
  return 8;
}

/** eventfd_signal_mask(): the kernel adds one; the counter stops at its maximum. `mask`: what the waiters are told besides. */
export function eventFdSignal(f: File, mask: u32): void {
  const e = eventFdOf(f);
  if (e.count < u64.MAX_VALUE) e.count++;
  wakeUp(eventFdWq(e), POLLIN | mask);
}
