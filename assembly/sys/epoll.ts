// epoll_create1(2), epoll_ctl(2), epoll_pwait(2).
import { EBADF, EFAULT, EINVAL } from "../abi/errno";
import { WAIT_POLL } from "../abi/wait";
import { SCRATCH_EPOLL, nowNs } from "../lib/state";
import { copyFromUser } from "../mm/vma";
import { FOREVER } from "../kernel/sched";
import { EPOLL_CTL_DEL, EPOLL_EVENT_SIZE, epollCheck, epollCreate, epollCtl, epollSend } from "../fs/epoll";
import { fdFile, fget, fput } from "../fs/file";
import { sleepMore, sysReturn, waitForever } from "./call";
import { installNew } from "./file";

const EPOLL_CLOEXEC: u32 = 0x80000;
const MSEC: u64 = 1000000;
const SIGSET_SIZE: u64 = 8;

export function sys_epoll_create1(flags: u32): i32 { return sysReturn(flags & ~EPOLL_CLOEXEC ? -EINVAL : installNew(epollCreate(), flags != 0)); }

export function sys_epoll_ctl(epfd: i32, op: u32, fd: i32, event: u64): i32 {
  store<u64>(SCRATCH_EPOLL, 0);
  if (op != EPOLL_CTL_DEL && copyFromUser(SCRATCH_EPOLL, event, EPOLL_EVENT_SIZE)) return sysReturn(-EFAULT);
  const epf = fdFile(epfd), f = fdFile(fd);
  return sysReturn(epf && f ? epollCtl(epf, op, fd, f, load<u32>(SCRATCH_EPOLL), load<u64>(SCRATCH_EPOLL, 4)) : -EBADF);
}

export function sys_epoll_pwait(epfd: i32, events: u64, max: i32, timeoutMs: i32, sigmask: u64, sigsetsize: u64): i32 {
  if (sigmask && sigsetsize != SIGSET_SIZE) return sysReturn(-EINVAL);
  return sysReturn(epollWait(epfd, events, max, timeoutMs));
}

function epollWait(epfd: i32, events: u64, max: i32, timeoutMs: i32): i32 {
  const f = fdFile(epfd);
  if (!f) return -EBADF;
  const err = epollCheck(f, events, max);
  if (err) return err;
  const started = nowNs(), deadline = timeoutMs < 0 ? FOREVER : started + (timeoutMs as u64) * MSEC;
  fget(f);
  let ret = epollSend(f, events, max);
  while (!ret && timeoutMs) {
    const slept = sleepMore(deadline, started);
    ret = epollSend(f, events, max);
    if (ret || !slept) continue;
    if (timeoutMs < 0) ret = waitForever(WAIT_POLL, epfd, 1, 0);
    break;
  }
  fput(f);
  return ret;
}
