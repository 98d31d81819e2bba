// The system calls of descriptors: read(2), write(2), close(2), dup(2), fcntl(2), pipe(2), memfd_create(2).
import { F_DUPFD, F_GETFL, F_SETFL, IPPROTO_TCP, MAX_RW_COUNT, AF_INET, O_RDWR } from "../abi/socket";
import { EAGAIN, EBADF, EFAULT, EINVAL, EMFILE } from "../abi/errno";
import { WAIT_RECV, WAIT_SEND } from "../abi/wait";
import { nowNs } from "../lib/state";
import { copyToUser } from "../mm/vma";
import { FOREVER } from "../kernel/sched";
import { FD_MAX, current, fdSlot } from "../kernel/task";
import { FILE_MEM, FILE_PIPE, FILE_SOCKET, File, O_NONBLOCK, fdClose, fdFile, fdInstall, fget, fput } from "../fs/file";
import { memFileCreate, memFileOf, memFileRead, memFileWrite } from "../fs/memfile";
import { pipeCreate, pipeOf, pipeRead, pipeWrite } from "../fs/pipe";
import { IovIter, iterUbuf } from "../net/iov_iter";
import { msgInit } from "../net/msg_import";
import { SCRATCH_WORDS, SYS_ITER, SYS_MSG } from "../net/scratch";
import { MsgHdr, SOCK_F_LINGER, Sock, sockHold, sockPut } from "../net/sock";
import { TCP_CLOSING, TCP_FIN_WAIT1, TCP_LAST_ACK } from "../net/tcp_states";
import { deadlineAfter, sleepMore, sysReturn, waitForever } from "./call";
import { recvWait, sendWait } from "./xfer";

const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_DUPFD_CLOEXEC: u32 = 1030;
const O_LARGEFILE: u32 = 0x8000;
const SEC: u64 = 1000000000;

export function sys_read(fd: i32, buf: usize, len: u32): i32 {
  const f = fdFile(fd);
  if (!f || !(f.mode & 1)) return sysReturn(-EBADF);
  if (len > MAX_RW_COUNT) len = MAX_RW_COUNT;
  if (f.kind == FILE_SOCKET) {
    // A read of nothing does not even look at the socket.
    return sysReturn(len ? recvWait(fd, f, plainMsg(buf, len)) : 0);
  }
  if (f.kind == FILE_MEM) return sysReturn(memFileRead(memFileOf(f), buf as u64, len));
  if (f.kind != FILE_PIPE) return sysReturn(-EINVAL);
  const ret = pipeRead(pipeOf(f), buf as u64, len);
  return sysReturn(ret == -EAGAIN && !(f.flags & O_NONBLOCK) ? pipeReadSleep(fd, f, buf, len) : ret);
}

export function sys_write(fd: i32, buf: usize, len: u32): i32 {
  const f = fdFile(fd);
  if (!f || !(f.mode & 2)) return sysReturn(-EBADF);
  if (len > MAX_RW_COUNT) len = MAX_RW_COUNT;
  if (f.kind == FILE_SOCKET) return sysReturn(sendWait(fd, f, plainMsg(buf, len)));
  if (f.kind == FILE_MEM) return sysReturn(memFileWrite(memFileOf(f), buf as u64, len));
  if (f.kind != FILE_PIPE) return sysReturn(-EINVAL);
  const ret = pipeWrite(pipeOf(f), buf as u64, len);
  if (f.flags & O_NONBLOCK || (ret != -EAGAIN && (ret < 0 || (ret as u32) == len))) return sysReturn(ret);
  return sysReturn(pipeWriteSleep(fd, f, buf, len, ret));
}

function plainMsg(buf: usize, len: u32): MsgHdr {
  const m = changetype<MsgHdr>(SYS_MSG), it = changetype<IovIter>(SYS_ITER);
  iterUbuf(it, buf as u64, len);
  msgInit(m, it, 0);
  return m;
}

function pipeReadSleep(fd: i32, f: File, buf: usize, len: u32): i32 {
  fget(f);
  const started = nowNs();
  let ret: i32 = -EAGAIN;
  while (ret == -EAGAIN) {
    if (sleepMore(FOREVER, started)) ret = waitForever(WAIT_RECV, fd, len, 0);
    else ret = pipeRead(pipeOf(f), buf as u64, len);
  }
  fput(f);
  return ret;
}

/** A blocking write to a pipe writes everything. */
function pipeWriteSleep(fd: i32, f: File, buf: usize, len: u32, ret: i32): i32 {
  fget(f);
  const started = nowNs();
  let done: u32 = ret > 0 ? ret : 0;
  while (done < len) {
    if (sleepMore(FOREVER, started)) {
      fput(f);
      return waitForever(WAIT_SEND, fd, len, done);
    }
    ret = pipeWrite(pipeOf(f), (buf as u64) + (done as u64), len - done);
    if (ret > 0) done += ret;
    else if (ret != -EAGAIN) break;
  }
  fput(f);
  return done ? (done as i32) : ret;
}

export function sys_close(fd: i32): i32 {
  const f = fdFile(fd);
  if (f && f.refs == 1 && f.kind == FILE_SOCKET && lingers(changetype<Sock>(f.priv))) return sysReturn(closeLinger(fd, f));
  return sysReturn(fdClose(current(), fd));
}

function lingers(sk: Sock): bool {
  return (sk.flags & SOCK_F_LINGER) != 0 && sk.lingertime != 0 && sk.family == AF_INET && sk.protocol == IPPROTO_TCP;
}

/** SO_LINGER: close(2) waits for data and FIN to be acknowledged, at most for the time given, also when nonblocking. */
function closeLinger(fd: i32, f: File): i32 {
  const sk = changetype<Sock>(f.priv);
  sockHold(sk);
  const ret = fdClose(current(), fd), started = nowNs();
  const deadline = deadlineAfter((sk.lingertime as u64) * SEC);
  while (sk.state == TCP_FIN_WAIT1 || sk.state == TCP_CLOSING || sk.state == TCP_LAST_ACK) if (sleepMore(deadline, started)) break;
  sockPut(sk);
  return ret;
}

export function sys_dup(fd: i32): i32 {
  const f = fdFile(fd);
  return sysReturn(f ? dupFrom(f, 0) : -EBADF);
}

/** A second descriptor for `f`, not below `min`. */
function dupFrom(f: File, min: u32): i32 {
  const t = current();
  if (!min) {
    const fd = fdInstall(t, fget(f));
    if (fd < 0) fput(f);
    return fd;
  }
  for (let fd = min; fd < FD_MAX; fd++) {
    if (load<u32>(fdSlot(t, fd))) continue;
    store<u32>(fdSlot(t, fd), changetype<usize>(fget(f)) as u32);
    return fd;
  }
  return -EMFILE;
}

export function sys_fcntl(fd: i32, cmd: u32, arg: u32): i32 {
  const f = fdFile(fd);
  return sysReturn(f ? fcntl(f, cmd, arg) : -EBADF);
}

function fcntl(f: File, cmd: u32, arg: u32): i32 {
  switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return arg >= FD_MAX ? -EINVAL : dupFrom(f, arg);
    case F_GETFD: // close-on-exec has no meaning without exec
    case F_SETFD:
      return 0;
    case F_GETFL:
      return (f.flags & O_NONBLOCK) | (f.kind == FILE_MEM ? O_RDWR | O_LARGEFILE : f.mode == 3 ? O_RDWR : f.mode - 1);
    case F_SETFL:
      f.flags = (f.flags & ~O_NONBLOCK) | (arg & O_NONBLOCK);
      return 0;
    default:
      return -EINVAL;
  }
}

export function sys_pipe(fds: usize): i32 { return sysReturn(pipe(fds)); }

function pipe(fds: usize): i32 {
  const err = pipeCreate(SCRATCH_WORDS);
  if (err) return err;
  const r = changetype<File>(load<u32>(SCRATCH_WORDS) as usize), w = changetype<File>(load<u32>(SCRATCH_WORDS, 4) as usize), t = current();
  const rfd = fdInstall(t, r), wfd = rfd < 0 ? rfd : fdInstall(t, w);
  if (wfd < 0) {
    if (rfd < 0) fput(r);
    else fdClose(t, rfd);
    fput(w);
    return wfd;
  }
  store<i32>(SCRATCH_WORDS, rfd);
  store<i32>(SCRATCH_WORDS, wfd, 4);
  if (!copyToUser(fds as u64, SCRATCH_WORDS, 8)) return 0;
  fdClose(t, rfd);
  fdClose(t, wfd);
  return -EFAULT;
}

export function sys_memfd(size: u32): i32 {
  const f = memFileCreate(size);
  if (f < 0) return sysReturn(f);
  const fd = fdInstall(current(), changetype<File>(f as usize));
  if (fd < 0) fput(changetype<File>(f as usize));
  return sysReturn(fd);
}
