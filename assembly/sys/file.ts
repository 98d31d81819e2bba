// The system calls of descriptors: close(2), dup(2), fcntl(2), pipe2(2), memfd_create(2), ftruncate(2), lseek(2).
import { F_DUPFD, F_GETFL, F_SETFL, IPPROTO_TCP, AF_INET, O_RDWR } from "../abi/socket";
import { EBADF, EFAULT, EINVAL, EMFILE, ENXIO, ESPIPE } from "../abi/errno";
import { nowNs } from "../lib/state";
import { copyToUser } from "../mm/vma";
import { FD_MAX, current, fdSlot } from "../kernel/task";
import {
  FILE_EVENTFD, FILE_MEM, FILE_PIPE, FILE_SOCKET, FMODE_POS, FMODE_WRITE, File, O_APPEND, O_NONBLOCK, fdClose, fdFile, fdInstall, fget, filePos, fileSetPos, fput,
} from "../fs/file";
import { eventFdCreate } from "../fs/eventfd";
import { memFileCreate, memFileOf, memFileTruncate } from "../fs/memfile";
import { O_DIRECT, pipeCreate, pipeOf, pipeResize, pipeSize } from "../fs/pipe";
import { SCRATCH_WORDS } from "../net/scratch";
import { SOCK_F_LINGER, Sock, sockHold, sockPut } from "../net/sock";
import { TCP_CLOSING, TCP_FIN_WAIT1, TCP_LAST_ACK } from "../net/tcp_states";
import { deadlineAfter, sleepMore, sysReturn } from "./call";

const F_GETFD: u32 = 1;
const F_SETFD: u32 = 2;
const F_DUPFD_CLOEXEC: u32 = 1030;
const F_SETPIPE_SZ: u32 = 1031;
const F_GETPIPE_SZ: u32 = 1032;
const O_CLOEXEC: u32 = 0x80000;
/** What F_SETFL can change and anything here looks at. */
const SETFL_MASK: u32 = O_NONBLOCK | O_APPEND | O_DIRECT;
const O_LARGEFILE: u32 = 0x8000;
const O_TMPFILE: u32 = 0x410000;
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
      return (f.flags & SETFL_MASK) | (f.kind == FILE_MEM ? O_RDWR | O_LARGEFILE | (f.priv ? O_TMPFILE : 0) : (f.mode & 3) == 3 ? O_RDWR : (f.mode & 3) - 1);
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

export function sys_pipe(fds: usize, flags: u32): i32 { return sysReturn(flags & ~(O_NONBLOCK | O_CLOEXEC | O_DIRECT) ? -EINVAL : pipe(fds, flags)); }

function pipe(fds: usize, flags: u32): i32 {
  const err = pipeCreate(SCRATCH_WORDS, flags);
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

export function sys_memfd(size: u32): i32 { return sysReturn(installNew(memFileCreate(size))); }
export function sys_eventfd2(initial: u32, flags: u32): i32 { return sysReturn(installNew(eventFdCreate(initial, flags))); }

/** A descriptor for a file that was just made (its address, or -errno). */
export function installNew(made: i32): i32 {
  if (made < 0) return made;
  const f = changetype<File>(made as usize), fd = fdInstall(current(), f);
  if (fd < 0) fput(f);
  return fd;
}

export function sys_ftruncate(fd: i32, size: u64): i32 {
  if ((size as i64) < 0) return sysReturn(-EINVAL);
  const f = fdFile(fd);
  if (!f) return sysReturn(-EBADF);
  return sysReturn(f.kind != FILE_MEM || !(f.mode & FMODE_WRITE) || !f.priv ? -EINVAL : memFileTruncate(memFileOf(f), size as i64));
}

const SEEK_CUR: u32 = 1;
const SEEK_END: u32 = 2;

/** Positions above 2 GiB do not fit the result: -EINVAL. */
export function sys_lseek(fd: i32, offset: u64, whence: u32): i32 {
  const f = fdFile(fd);
  if (!f) return sysReturn(-EBADF);
  if (whence > 4) return sysReturn(-EINVAL);
  if (f.kind == FILE_EVENTFD) return sysReturn(0); // accepted, without effect
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
