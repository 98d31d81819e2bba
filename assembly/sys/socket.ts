// The system calls of sockets, except sending and receiving (sys/message.ts). man: socket(2), socketpair(2), bind(2),
// listen(2), connect(2), accept(2), getsockname(2), setsockopt(2), shutdown(2).
import { O_NONBLOCK } from "../abi/fcntl";
import { AF_INET, AF_UNIX, SOCK_CLOEXEC, SOCK_TYPE_MASK } from "../abi/socket";
import { EAGAIN, EALREADY, EBADF, EFAULT, EINPROGRESS, EINVAL, ENFILE, ENOTSOCK, EWAITFOREVER } from "../abi/errno";
import { WAIT_ACCEPT, WAIT_CONNECT } from "../abi/wait";
import { nil, nowNs } from "../lib/state";
import { userWritable } from "../mm/vma";
import { current } from "../kernel/task";
import { FILE_SOCKET, File, fdClose, fdFile, fdFree, fdInstall, fget, fput } from "../fs/file";
import { inetConnectDone, inetConnectPending } from "../net/inet";
import { acceptFile } from "../net/accept";
import { exportSockaddr, importSockaddr } from "../net/msg_import";
import { SCRATCH_WORDS, SYS_NAME } from "../net/scratch";
import { Sock } from "../net/sock";
import {
  sockAcceptEnded, sockBind, sockConnect, sockCreate, sockFile, sockFlagsCheck, sockGetname, sockListen, sockPair, sockRelease, sockShutdown,
} from "../net/socket";
import { sockGetsockopt, sockSetsockopt } from "../net/sockopt";
import { deadlineAfter, sleepMore, sysReturn, waitForever } from "./call";

/** The socket file behind `fd`; nil with the errno that the call returns from fdSockError(). */
@inline export function fdSocket(fd: i32): File {
  const f = fdFile(fd);
  return f && f.kind == FILE_SOCKET ? f : nil<File>();
}
@inline export function fdSockError(fd: i32): i32 { return fdFile(fd) ? -ENOTSOCK : -EBADF; }
@inline function sockOf(f: File): Sock { return changetype<Sock>(f.priv); }

/** Gives a socket without a file one, and a descriptor: the descriptor, or -errno and the socket is gone. */
function installSock(sk: Sock, flags: u32): i32 {
  const f = sockFile(sk, flags);
  if (!f) {
    sockRelease(sk);
    return -ENFILE;
  }
  const fd = fdInstall(current(), f, (flags & SOCK_CLOEXEC) != 0);
  if (fd < 0) fput(f);
  return fd;
}

export function sys_socket(domain: u32, type: u32, protocol: i32): i32 {
  const flags = type & ~SOCK_TYPE_MASK;
  if (sockFlagsCheck(flags)) return sysReturn(-EINVAL);
  const sk = sockCreate(domain, type & SOCK_TYPE_MASK, protocol);
  return sysReturn(sk < 0 ? sk : installSock(changetype<Sock>(sk as usize), flags));
}

export function sys_socketpair(domain: u32, type: u32, protocol: i32, fds: usize): i32 {
  return sysReturn(socketpair(domain, type, protocol, fds));
}

function socketpair(domain: u32, type: u32, protocol: i32, fds: usize): i32 {
  const flags = type & ~SOCK_TYPE_MASK;
  if (sockFlagsCheck(flags)) return -EINVAL;
  if (userWritable(fds as u64, 8)) return -EFAULT;
  const err = sockPair(domain, type & SOCK_TYPE_MASK, protocol, SCRATCH_WORDS);
  if (err) return err;
  const second = changetype<Sock>(load<u32>(SCRATCH_WORDS, 4) as usize);
  const a = installSock(changetype<Sock>(load<u32>(SCRATCH_WORDS) as usize), flags);
  if (a < 0) {
    sockRelease(second);
    return a;
  }
  const b = installSock(second, flags);
  if (b < 0) {
    fdClose(current(), a);
    return b;
  }
  store<i32>(fds, a);
  store<i32>(fds, b, 4);
  return 0;
}

export function sys_bind(fd: i32, addr: usize, len: i32): i32 {
  const f = fdSocket(fd);
  if (!f) return sysReturn(fdSockError(fd));
  const err = importSockaddr(SYS_NAME, addr as u64, len);
  return sysReturn(err ? err : sockBind(sockOf(f), SYS_NAME, len));
}

export function sys_listen(fd: i32, backlog: i32): i32 {
  const f = fdSocket(fd);
  return sysReturn(f ? sockListen(sockOf(f), backlog) : fdSockError(fd));
}

export function sys_connect(fd: i32, addr: usize, len: i32): i32 {
  const f = fdSocket(fd);
  if (!f) return sysReturn(fdSockError(fd));
  const err = importSockaddr(SYS_NAME, addr as u64, len);
  if (err) return sysReturn(err);
  const ret = sockConnect(sockOf(f), SYS_NAME, len);
  const wait = (ret == -EINPROGRESS || ret == -EALREADY || ret == -EAGAIN) && !(f.flags & O_NONBLOCK);
  return sysReturn(wait ? connectSleep(fd, f, len, ret) : ret);
}

/** Waits for a handshake to end (TCP), or for room in a listener's queue (AF_UNIX). `ret`: the answer if time runs out. */
function connectSleep(fd: i32, f: File, len: i32, ret: i32): i32 {
  fget(f);
  const sk = sockOf(f), started = nowNs(), deadline = deadlineAfter(sk.sndtimeo);
  for (;;) {
    if (sk.family == AF_INET && !inetConnectPending(sk)) {
      ret = inetConnectDone(sk);
      break;
    }
    const slept = sleepMore(deadline, started);
    if (slept == -EWAITFOREVER) {
      ret = waitForever(WAIT_CONNECT, fd, 0, 0);
      break;
    }
    if (sk.family == AF_UNIX) {
      ret = sockConnect(sk, SYS_NAME, len);
      if (ret != -EAGAIN) break;
    }
    if (slept) break;
  }
  fput(f);
  return ret;
}

export function sys_accept4(fd: i32, addr: usize, lenp: usize, flags: u32): i32 {
  return sysReturn(accept4(fd, addr, lenp, flags));
}

function accept4(fd: i32, addr: usize, lenp: usize, flags: u32): i32 {
  const f = fdFile(fd);
  if (!f) return -EBADF;
  if (sockFlagsCheck(flags)) return -EINVAL;
  const free = fdFree(current());
  if (free < 0) return free;
  if (f.kind != FILE_SOCKET) return -ENOTSOCK;
  let got = acceptFile(sockOf(f), addr as u64, lenp as u64, flags);
  if (got == -EAGAIN && !(f.flags & O_NONBLOCK)) got = acceptSleep(fd, f, addr, lenp, flags);
  return got < 0 ? got : fdInstall(current(), changetype<File>(got as usize), (flags & SOCK_CLOEXEC) != 0);
}

function acceptSleep(fd: i32, f: File, addr: usize, lenp: usize, flags: u32): i32 {
  fget(f);
  const sk = sockOf(f), started = nowNs(), deadline = deadlineAfter(sk.rcvtimeo);
  let ret: i32 = -EAGAIN;
  while (ret == -EAGAIN) {
    if (sockAcceptEnded(sk)) {
      ret = -EINVAL;
      break;
    }
    const slept = sleepMore(deadline, started);
    if (slept == -EWAITFOREVER) {
      ret = waitForever(WAIT_ACCEPT, fd, 1, 0);
      break;
    }
    ret = acceptFile(sk, addr as u64, lenp as u64, flags);
    if (slept) break;
  }
  fput(f);
  return ret;
}

export function sys_getsockname(fd: i32, addr: usize, lenp: usize): i32 { return sysReturn(getname(fd, addr, lenp, false)); }
export function sys_getpeername(fd: i32, addr: usize, lenp: usize): i32 { return sysReturn(getname(fd, addr, lenp, true)); }

function getname(fd: i32, addr: usize, lenp: usize, peer: bool): i32 {
  const f = fdSocket(fd);
  if (!f) return fdSockError(fd);
  const len = sockGetname(sockOf(f), SYS_NAME, peer);
  return len < 0 ? len : exportSockaddr(SYS_NAME, len, addr as u64, lenp as u64);
}

export function sys_setsockopt(fd: i32, level: i32, name: i32, val: usize, len: i32): i32 {
  const f = fdSocket(fd);
  return sysReturn(f ? sockSetsockopt(sockOf(f), level, name, val as u64, len) : fdSockError(fd));
}

export function sys_getsockopt(fd: i32, level: i32, name: i32, val: usize, lenp: usize): i32 {
  const f = fdSocket(fd);
  return sysReturn(f ? sockGetsockopt(sockOf(f), level, name, val as u64, lenp as u64) : fdSockError(fd));
}

export function sys_shutdown(fd: i32, how: u32): i32 {
  const f = fdSocket(fd);
  return sysReturn(f ? sockShutdown(sockOf(f), how) : fdSockError(fd));
}
