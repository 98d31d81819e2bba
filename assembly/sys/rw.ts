// read(2), write(2) and their relatives: vectors, positions, flags. What would have to wait sleeps, unless the file says
// otherwise; a blocking write goes on until everything is taken.
import { O_NONBLOCK } from "../abi/fcntl";
import { MAX_RW_COUNT, MSG_DONTWAIT, MSG_EOR, SOCK_SEQPACKET, UIO_MAXIOV } from "../abi/socket";
import { EAGAIN, EBADF, EFAULT, EINVAL, ESPIPE } from "../abi/errno";
import { WAIT_RECV, WAIT_SEND } from "../abi/wait";
import { nowNs } from "../lib/state";
import { accessOk } from "../mm/vma";
import { IovIter, iterUbuf } from "../mm/iov_iter";
import { FOREVER } from "../kernel/sched";
import {
  FILE_MEM, FILE_SOCKET, FMODE_POS, FMODE_READ, FMODE_WRITE, File, RW_APPEND, RW_NOWAIT, RW_WRITE, fdFile, fget, filePos, fileRw,
  fileSetPos, fput,
} from "../fs/file";
import { memFileOf } from "../fs/memfile";
import { rwFlags } from "../fs/rwf";
import { importIovec, iterFromKvec, msgInit } from "../net/msg_import";
import { SYS_ITER, SYS_KVEC, SYS_MSG } from "../net/scratch";
import { MsgHdr, Sock } from "../net/sock";
import { sleepMore, sysReturn, waitForever } from "./call";
import { recvWait, sendWait } from "./xfer";

/** No position named: the file's own. */
const CUR_POS: u64 = u64.MAX_VALUE;

@inline function iter(): IovIter { return changetype<IovIter>(SYS_ITER); }

export function sys_read(fd: i32, buf: u64, len: u64): i32 { return sysReturn(range(fd, buf, len, CUR_POS, 0)); }
export function sys_write(fd: i32, buf: u64, len: u64): i32 { return sysReturn(range(fd, buf, len, CUR_POS, RW_WRITE)); }
export function sys_pread64(fd: i32, buf: u64, len: u64, pos: u64): i32 { return sysReturn((pos as i64) < 0 ? -EINVAL : range(fd, buf, len, pos, 0)); }
export function sys_pwrite64(fd: i32, buf: u64, len: u64, pos: u64): i32 {
  return sysReturn((pos as i64) < 0 ? -EINVAL : range(fd, buf, len, pos, RW_WRITE));
}
export function sys_readv(fd: i32, iov: u64, nr: u64): i32 { return sysReturn(vector(fd, iov, nr, CUR_POS, 0, 0)); }
export function sys_writev(fd: i32, iov: u64, nr: u64): i32 { return sysReturn(vector(fd, iov, nr, CUR_POS, RW_WRITE, 0)); }
export function sys_preadv2(fd: i32, iov: u64, nr: u64, pos: u64, flags: u32): i32 { return sysReturn(vectorAt(fd, iov, nr, pos, 0, flags)); }
export function sys_pwritev2(fd: i32, iov: u64, nr: u64, pos: u64, flags: u32): i32 { return sysReturn(vectorAt(fd, iov, nr, pos, RW_WRITE, flags)); }

function vectorAt(fd: i32, iov: u64, nr: u64, pos: u64, write: u32, rwf: u32): i32 {
  return pos != CUR_POS && (pos as i64) < 0 ? -EINVAL : vector(fd, iov, nr, pos, write, rwf);
}

/** The file, open for that and with a position if one is named; -errno as a small number. */
function fileFor(fd: i32, pos: u64, write: u32): i32 {
  const f = fdFile(fd);
  if (!f) return -EBADF;
  if (pos != CUR_POS && !(f.mode & FMODE_POS)) return -ESPIPE;
  return f.mode & (write ? FMODE_WRITE : FMODE_READ) ? (changetype<usize>(f) as i32) : -EBADF;
}

function range(fd: i32, buf: u64, len: u64, pos: u64, write: u32): i32 {
  const f = fileFor(fd, pos, write);
  if (f < 0) return f;
  if (!accessOk(buf, len)) return -EFAULT;
  iterUbuf(iter(), buf, len < (MAX_RW_COUNT as u64) ? (len as u32) : MAX_RW_COUNT);
  return transfer(fd, changetype<File>(f as usize), pos, rwFlags(changetype<File>(f as usize), 0, write));
}

function vector(fd: i32, iov: u64, nr: u64, pos: u64, write: u32, rwf: u32): i32 {
  const fp = fileFor(fd, pos, write), f = changetype<File>(fp as usize);
  if (fp < 0) return fp;
  if (nr > (UIO_MAXIOV as u64)) return -EINVAL;
  const total = importIovec(iov, nr, SYS_KVEC);
  if (total < 0) return total;
  iterFromKvec(iter(), SYS_KVEC, nr as u32, total);
  if (!total) return 0;
  const flags = rwFlags(f, rwf, write);
  return flags < 0 ? flags : transfer(fd, f, pos, flags as u32);
}

function transfer(fd: i32, f: File, pos: u64, flags: u32): i32 {
  const it = iter(), write = (flags & RW_WRITE) != 0;
  if (f.kind == FILE_SOCKET) return socketTransfer(fd, f, flags);
  const at = pos == CUR_POS ? filePos(f) : pos;
  if ((at as i64) < 0 || (at as i64) + (it.count as i64) < 0) return -EINVAL;
  const want = it.count;
  let ret = fileRw(f, it, at, flags & ~RW_NOWAIT);
  if (!(f.flags & O_NONBLOCK) && !(flags & RW_NOWAIT) && f.wq && (ret == -EAGAIN || (write && ret >= 0 && (ret as u32) < want))) {
    ret = sleepFor(fd, f, it, want, ret, flags);
  }
  if (pos == CUR_POS && ret > 0 && f.kind == FILE_MEM) fileSetPos(f, flags & RW_APPEND ? memFileOf(f).size : at + (ret as u64));
  return ret;
}

function socketTransfer(fd: i32, f: File, flags: u32): i32 {
  const it = iter(), m = changetype<MsgHdr>(SYS_MSG), write = (flags & RW_WRITE) != 0;
  if (!write && !it.count) return 0; // a read of nothing does not even look at the socket
  msgInit(m, it, flags & RW_NOWAIT ? MSG_DONTWAIT : 0);
  if (!write) return recvWait(fd, f, m);
  if (changetype<Sock>(f.priv).type == SOCK_SEQPACKET) m.flags |= MSG_EOR;
  return sendWait(fd, f, m);
}

/** Sleeps and tries again: a read until there is something, a write until all of it is taken. */
function sleepFor(fd: i32, f: File, it: IovIter, want: u32, ret: i32, flags: u32): i32 {
  fget(f); // task work may close the descriptor
  const started = nowNs(), write = (flags & RW_WRITE) != 0;
  let done: u32 = ret > 0 ? ret : 0;
  for (;;) {
    if (sleepMore(FOREVER, started)) {
      fput(f);
      return waitForever(write ? WAIT_SEND : WAIT_RECV, fd, want, done);
    }
    ret = fileRw(f, it, 0, flags);
    if (ret == -EAGAIN) continue;
    if (ret > 0) done += ret;
    if (ret < 0 || !write || done >= want) break;
  }
  fput(f);
  return done ? (done as i32) : ret;
}
