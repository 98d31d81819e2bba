// The system calls of descriptors: close(2), dup(2), fcntl(2), ioctl(2), pipe2(2), memfd_create(2), ftruncate(2), lseek(2).
import { FD_CLOEXEC, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_GETPIPE_SZ, F_SETFD, F_SETFL, F_SETPIPE_SZ, O_APPEND, O_CLOEXEC, O_DIRECT, O_LARGEFILE, O_NONBLOCK, O_RDWR, O_TMPFILE } from "../abi/fcntl";
import { AF_INET, FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, IPPROTO_TCP } from "../abi/socket";
import { EBADF, EFAULT, EINVAL, EMFILE, ENOTTY, ENXIO, ESPIPE } from "../abi/errno";
import { nowNs } from "../lib/state";
import { copyFromUser, copyToUser } from "../mm/vma";
import { current, fdCloexec, fdEnd, fdSetCloexec, fdSlot } from "../kernel/task";
import {
  FILE_EVENTFD, FILE_MEM, FILE_NULL, FILE_PIPE, FILE_SOCKET, FMODE_POS, FMODE_READ, FMODE_WRITE, File, fdClose, fdFile, fdInstall,
  fdReplace, fget, filePos, fileSetPos, fput,
} from "../fs/file";
import { eventFdCreate } from "../fs/eventfd";
import { memFileCreate, memFileOf, memFileTruncate } from "../fs/memfile";
import { pipeBytes, pipeCreate, pipeOf, pipeResize, pipeSize } from "../fs/pipe";
import { SCRATCH_WORDS } from "../net/scratch";
import { sockIoctl } from "../net/sock_ioctl";
import { SOCK_F_LINGER, Sock, sockHold, sockPut } from "../net/sock";
import { TCP_CLOSING, TCP_FIN_WAIT1, TCP_LAST_ACK } from "../net/tcp_states";
import { deadlineAfter, sleepMore, sysReturn } from "./call";

/** What F_SETFL can change and anything here looks at. */
const SETFL_MASK: u32 = O_NONBLOCK | O_APPEND | O_DIRECT;
const SEC: u64 = 1000000000;

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
  return sysReturn(f ? dupFrom(f, 0, false) : -EBADF);
}

/** A second descriptor for `f`, not below `min`. */
function dupFrom(f: File, min: u32, cloexec: bool): i32 {
  const t = current();
  if (min) {
    const end = fdEnd();
    while (min < end && load<u32>(fdSlot(t, min))) min++;
    if (min == end) return -EMFILE;
    fdReplace(t, min, fget(f), cloexec);
    return min;
  }
  const fd = fdInstall(t, fget(f), cloexec);
  if (fd < 0) fput(f);
  return fd;
}

/** dup2(2): the same descriptor twice is none of dup3(2)'s errors. */
export function sys_dup2(fd: i32, to: i32): i32 {
  if (fd == to) return sysReturn(fdFile(fd) ? to : -EBADF);
  return sysReturn(dupTo(fd, to, false));
}

export function sys_dup3(fd: i32, to: i32, flags: u32): i32 {
  if (flags & ~O_CLOEXEC || fd == to) return sysReturn(-EINVAL);
  return sysReturn(dupTo(fd, to, flags != 0));
}

function dupTo(fd: i32, to: i32, cloexec: bool): i32 {
  const f = fdFile(fd);
  if (!f || (to as u32) >= fdEnd()) return -EBADF;
  const old = fdReplace(current(), to as u32, fget(f), cloexec);
  if (old) fput(old);
  return to;
}

export function sys_fcntl(fd: i32, cmd: u32, arg: u32): i32 {
  const f = fdFile(fd);
  return sysReturn(f ? fcntl(fd, f, cmd, arg) : -EBADF);
}

/** ioctl(2): what all files have, and how much there is to read. */
export function sys_ioctl(fd: i32, cmd: u32, arg: u64): i32 {
  const f = fdFile(fd);
  return sysReturn(f ? ioctl(fd, f, cmd, arg) : -EBADF);
}

function ioctl(fd: i32, f: File, cmd: u32, arg: u64): i32 {
  if (cmd == FIOCLEX || cmd == FIONCLEX) {
    fdSetCloexec(current(), fd, cmd == FIOCLEX);
    return 0;
  }
  if (cmd == FIONBIO) {
    if (copyFromUser(SCRATCH_WORDS, arg, 4)) return -EFAULT;
    f.flags = load<u32>(SCRATCH_WORDS) ? f.flags | O_NONBLOCK : f.flags & ~O_NONBLOCK;
    return 0;
  }
  let n: i32 = 0;
  if (f.kind == FILE_SOCKET) {
    n = sockIoctl(changetype<Sock>(f.priv), cmd);
    if (n < 0) return n;
  } else if (cmd == FIONREAD && f.kind == FILE_PIPE) {
    n = pipeBytes(pipeOf(f)) as i32;
  } else if (cmd == FIONREAD && f.kind == FILE_MEM) {
    n = (memFileOf(f).size as i32) - (filePos(f) as i32);
  } else {
    return -ENOTTY;
  }
  store<i32>(SCRATCH_WORDS, n);
  return copyToUser(arg, SCRATCH_WORDS, 4);
}

function fcntl(fd: i32, f: File, cmd: u32, arg: u32): i32 {
  switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return arg >= fdEnd() ? -EINVAL : dupFrom(f, arg, cmd == F_DUPFD_CLOEXEC);
    case F_GETFD:
      return fdCloexec(current(), fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      fdSetCloexec(current(), fd, (arg & FD_CLOEXEC) != 0);
      return 0;
    case F_GETFL:
      return (f.flags & SETFL_MASK) | (accessMode(f));
    case F_SETFL:
      if (f.kind != FILE_PIPE && arg & O_DIRECT) return -EINVAL;
      f.flags = (f.flags & ~SETFL_MASK) | (arg & SETFL_MASK);
      return 0;
    case F_SETPIPE_SZ:
      return f.kind == FILE_PIPE ? pipeResize(pipeOf(f), arg) : -EBADF;
    case F_GETPIPE_SZ:
      return f.kind == FILE_PIPE ? pipeSize(pipeOf(f)) : -EBADF;
    default:
      return -EINVAL;
  }
}

/** The part of F_GETFL that F_SETFL does not change. */
function accessMode(f: File): u32 {
  if (f.kind == FILE_MEM) return O_RDWR | O_LARGEFILE | O_TMPFILE;
  if (f.kind == FILE_NULL) return O_RDWR | O_LARGEFILE;
  const mode = f.mode & (FMODE_READ | FMODE_WRITE);
  return mode == (FMODE_READ | FMODE_WRITE) ? O_RDWR : mode - 1;
}

export function sys_pipe(fds: usize, flags: u32): i32 { return sysReturn(flags & ~(O_NONBLOCK | O_CLOEXEC | O_DIRECT) ? -EINVAL : pipe(fds, flags)); }

function pipe(fds: usize, flags: u32): i32 {
  const err = pipeCreate(SCRATCH_WORDS, flags);
  if (err) return err;
  const r = changetype<File>(load<u32>(SCRATCH_WORDS) as usize), w = changetype<File>(load<u32>(SCRATCH_WORDS, 4) as usize), t = current();
  const cloexec = (flags & O_CLOEXEC) != 0;
  const rfd = fdInstall(t, r, cloexec), wfd = rfd < 0 ? rfd : fdInstall(t, w, cloexec);
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

export function sys_memfd(size: u32): i32 { return sysReturn(installNew(memFileCreate(size))); }
export function sys_eventfd2(initial: u32, flags: u32): i32 { return sysReturn(installNew(eventFdCreate(initial, flags), (flags & O_CLOEXEC) != 0)); }

/** A descriptor for a file that was just made (its address, or -errno). */
export function installNew(made: i32, cloexec: bool = false): i32 {
  if (made < 0) return made;
  const f = changetype<File>(made as usize), fd = fdInstall(current(), f, cloexec);
  if (fd < 0) fput(f);
  return fd;
}

export function sys_ftruncate(fd: i32, size: u64): i32 {
  if ((size as i64) < 0) return sysReturn(-EINVAL);
  const f = fdFile(fd);
  if (!f) return sysReturn(-EBADF);
  return sysReturn(f.kind != FILE_MEM || !(f.mode & FMODE_WRITE) ? -EINVAL : memFileTruncate(memFileOf(f), size as i64));
}

const SEEK_CUR: u32 = 1;
const SEEK_END: u32 = 2;

/** Positions above 2 GiB do not fit the result: -EINVAL. */
export function sys_lseek(fd: i32, offset: u64, whence: u32): i32 {
  const f = fdFile(fd);
  if (!f) return sysReturn(-EBADF);
  if (whence > 4) return sysReturn(-EINVAL);
  if (f.kind == FILE_EVENTFD || f.kind == FILE_NULL) return sysReturn(0); // accepted, without effect
  return sysReturn(f.mode & FMODE_POS ? lseek(f, offset as i64, whence) : -ESPIPE);
}

function lseek(f: File, offset: i64, whence: u32): i32 {
  const size = memFileOf(f).size as i64;
  if (whence > SEEK_END) { // SEEK_DATA, SEEK_HOLE
    if (offset < 0 || offset >= size) return -ENXIO;
    if (whence == 4) offset = size;
  } else if (whence == SEEK_END) {
    offset += size;
  } else if (whence == SEEK_CUR) {
    offset += filePos(f) as i64;
  }
  if (offset < 0 || offset > (i32.MAX_VALUE as i64)) return -EINVAL;
  fileSetPos(f, offset as u64);
  return offset as i32;
}
