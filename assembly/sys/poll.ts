// poll(2), ppoll(2) and nanosleep(2): waiting for several files, and for nothing.
import { POLLERR, POLLFD_OFF_EVENTS, POLLFD_OFF_FD, POLLFD_OFF_REVENTS, POLLFD_SIZE, POLLHUP, POLLNVAL } from "../abi/socket";
import { EFAULT, EINVAL, EWAITFOREVER } from "../abi/errno";
import { WAIT_POLL } from "../abi/wait";
import { SCRATCH_TIMESPEC, nowNs } from "../lib/state";
import { exportTimespec, importTimespecStrict } from "../mm/timespec";
import { userReadable, userWritable } from "../mm/vma";
import { FOREVER } from "../kernel/sched";
import { FD_MAX } from "../kernel/task";
import { fdFile, filePoll } from "../fs/file";
import { sleepMore, sysReturn, waitForever } from "./call";

const MSEC: u64 = 1000000;

export function sys_poll(fds: usize, n: u32, timeoutMs: i32): i32 {
  return sysReturn(poll(fds, n, timeoutMs < 0 ? FOREVER : nowNs() + (timeoutMs as u64) * MSEC));
}

/** ppoll(2); the signal mask means nothing here but its size is checked. The time that is left is written back. */
export function sys_ppoll(fds: usize, n: u32, uts: u64, sigmask: u64, sigsetsize: u64): i32 {
  return sysReturn(ppoll(fds, n, uts, sigmask, sigsetsize));
}

function ppoll(fds: usize, n: u32, uts: u64, sigmask: u64, sigsetsize: u64): i32 {
  let deadline = FOREVER;
  if (uts) {
    const err = importTimespecStrict(uts);
    if (err) return err;
    deadline = nowNs() + load<u64>(SCRATCH_TIMESPEC);
  }
  if (sigmask) {
    if (sigsetsize != 8) return -EINVAL;
    if (userReadable(sigmask, 8)) return -EFAULT;
  }
  const ret = poll(fds, n, deadline);
  if (uts) exportTimespec(uts, deadline > nowNs() ? deadline - nowNs() : 0); // what cannot be written is not
  return ret;
}

function poll(fds: usize, n: u32, deadline: u64): i32 {
  if (n > FD_MAX) return -EINVAL;
  const size = n * POLLFD_SIZE;
  if (size && userReadable(fds as u64, size)) return -EFAULT;
  const started = nowNs();
  let ready = pollOnce(fds, n), slept: i32 = 0;
  while (!ready && !slept && deadline > started) {
    slept = sleepMore(deadline, started);
    if (slept == -EWAITFOREVER) return waitForever(WAIT_POLL, n ? load<i32>(fds, POLLFD_OFF_FD) : -1, 1, 0);
    ready = pollOnce(fds, n);
  }
  return ready;
}

/** Looks at every file once and fills in revents: how many have any, or -EFAULT. */
function pollOnce(fds: usize, n: u32): i32 {
  if (n && userWritable(fds as u64, n * POLLFD_SIZE)) return -EFAULT;
  let ready: i32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const p = fds + ((i * POLLFD_SIZE) as usize), fd = load<i32>(p, POLLFD_OFF_FD);
    let mask: u32 = 0;
    if (fd >= 0) {
      const f = fdFile(fd);
      mask = f ? filePoll(f) & ((load<u16>(p, POLLFD_OFF_EVENTS) as u32) | POLLERR | POLLHUP) : POLLNVAL;
    }
    store<u16>(p, mask as u16, POLLFD_OFF_REVENTS);
    if (mask) ready++;
  }
  return ready;
}

/** Sleeps for `ns` of virtual time; whatever is due meanwhile happens. */
export function sys_nanosleep(ns: u64): i32 {
  const started = nowNs(), deadline = started + ns;
  if (ns) while (sleepMore(deadline, started) == 0) {}
  return sysReturn(0);
}
