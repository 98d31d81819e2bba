// sendto(2), recvfrom(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2): importing the message, and giving addresses, lengths and flags back.
import { IovIter, iterUbuf } from "../mm/iov_iter";
import {
  MAX_RW_COUNT, MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_NO_SHARED_FRAGS, MSG_SENDPAGE_DECRYPTED, MSG_SENDPAGE_NOPOLICY, MSG_SPLICE_PAGES, UIO_MAXIOV,
} from "../abi/socket";
import { EAGAIN, EFAULT, EINVAL } from "../abi/errno";
import { SCRATCH_TIMESPEC, nowNs } from "../lib/state";
import { exportTimespec, importTimespecStrict } from "../mm/timespec";
import { copyToUser } from "../mm/vma";
import { FOREVER } from "../kernel/sched";
import { fget, fput } from "../fs/file";
import {
  UserMsg, copyMsghdr, exportMsghdr, exportSockaddr, importControl, importMsghdr, importMsghdrIov, importSockaddr, msgInit, setRecvControl,
} from "../net/msg_import";
import { SCRATCH_WORDS, SYS_CONTROL, SYS_ITER, SYS_KVEC, SYS_MSG, SYS_NAME, SYS_USER_MSG } from "../net/scratch";
import { MsgHdr, Sock, sockError } from "../net/sock";
import { endsRun, sysReturn } from "./call";
import { fdSocket, fdSockError } from "./socket";
import { recvWait, sendWait } from "./xfer";

/** Flags that only the kernel's own callers may set: cleared. */
const MSG_INTERNAL_SENDMSG: u32 = MSG_SPLICE_PAGES | MSG_SENDPAGE_NOPOLICY | MSG_SENDPAGE_DECRYPTED | MSG_NO_SHARED_FRAGS;
/** A flag of 32-bit programs: refused. */
const MSG_CMSG_COMPAT: u32 = 0x80000000;
const MSG_WAITFORONE: u32 = 0x10000;

@inline function msg(): MsgHdr { return changetype<MsgHdr>(SYS_MSG); }
@inline function iter(): IovIter { return changetype<IovIter>(SYS_ITER); }
@inline function userMsg(): UserMsg { return changetype<UserMsg>(SYS_USER_MSG); }
@inline function clip(len: u32): u32 { return len < MAX_RW_COUNT ? len : MAX_RW_COUNT; }

export function sys_sendto(fd: i32, buf: usize, len: u32, flags: u32, addr: usize, addrlen: i32): i32 {
  const f = fdSocket(fd);
  if (!f) return sysReturn(fdSockError(fd));
  const m = msg();
  iterUbuf(iter(), buf as u64, clip(len));
  msgInit(m, iter(), flags & ~MSG_INTERNAL_SENDMSG);
  if (addr) {
    const err = importSockaddr(SYS_NAME, addr as u64, addrlen);
    if (err) return sysReturn(err);
    m.name = SYS_NAME;
    m.namelen = addrlen;
  }
  return sysReturn(sendWait(fd, f, m));
}

export function sys_recvfrom(fd: i32, buf: usize, len: u32, flags: u32, addr: usize, lenp: usize): i32 {
  const f = fdSocket(fd);
  if (!f) return sysReturn(fdSockError(fd));
  const m = msg();
  iterUbuf(iter(), buf as u64, clip(len));
  msgInit(m, iter(), flags);
  if (addr) m.name = SYS_NAME;
  const ret = recvWait(fd, f, m);
  if (ret < 0 || !addr) return sysReturn(ret);
  const err = exportSockaddr(SYS_NAME, m.namelen, addr as u64, lenp as u64);
  return sysReturn(err ? err : ret);
}

export function sys_sendmsg(fd: i32, umsg: usize, flags: u32): i32 { return sysReturn(sendmsg(fd, umsg as u64, flags)); }

function sendmsg(fd: i32, umsg: u64, flags: u32): i32 {
  if (flags & MSG_CMSG_COMPAT) return -EINVAL;
  const f = fdSocket(fd);
  if (!f) return fdSockError(fd);
  const um = userMsg(), total = importMsghdr(um, umsg, SYS_NAME, SYS_KVEC, iter());
  if (total < 0) return total;
  const m = msg();
  msgInit(m, iter(), flags & ~MSG_INTERNAL_SENDMSG);
  if (um.namelen) {
    m.name = SYS_NAME;
    m.namelen = um.namelen;
  }
  if (um.controllen) {
    const err = importControl(m, um.control, um.controllen, SYS_CONTROL);
    if (err) return err;
  }
  return sendWait(fd, f, m);
}

const MMSGHDR_SIZE: u64 = 64;
const MMSGHDR_OFF_LEN: u64 = 56;

/** sendmmsg(2): one message after the other, as far as it goes. How many, or -errno of the first. */
export function sys_sendmmsg(fd: i32, uvec: u64, vlen: u32, flags: u32): i32 { return sysReturn(sendmmsg(fd, uvec, vlen, flags)); }

function sendmmsg(fd: i32, uvec: u64, vlen: u32, flags: u32): i32 {
  if (flags & MSG_CMSG_COMPAT) return -EINVAL;
  if (!fdSocket(fd)) return fdSockError(fd);
  if (vlen > UIO_MAXIOV) vlen = UIO_MAXIOV;
  let done: u32 = 0, err: i32 = 0;
  for (; done < vlen; done++, uvec += MMSGHDR_SIZE) {
    err = sendmsg(fd, uvec, flags);
    if (err >= 0) err = putLength(uvec, err);
    if (err) break;
  }
  return done && !endsRun(err) ? (done as i32) : err;
}

function putLength(uvec: u64, len: i32): i32 {
  store<i32>(SCRATCH_WORDS, len);
  return copyToUser(uvec + MMSGHDR_OFF_LEN, SCRATCH_WORDS, 4);
}

export function sys_recvmmsg(fd: i32, uvec: u64, vlen: u32, flags: u32, uts: u64): i32 { return sysReturn(recvmmsg(fd, uvec, vlen, flags, uts)); }

/** recvmmsg(2). The timeout is looked at between two messages only; an error behind the first one waits for the next call. */
function recvmmsg(fd: i32, uvec: u64, vlen: u32, flags: u32, uts: u64): i32 {
  if (flags & MSG_CMSG_COMPAT) return -EINVAL;
  let deadline = FOREVER;
  if (uts) {
    const err = importTimespecStrict(uts);
    if (err) return err;
    deadline = nowNs() + load<u64>(SCRATCH_TIMESPEC);
  }
  const f = fdSocket(fd);
  if (!f) return fdSockError(fd);
  const sk = changetype<Sock>(f.priv);
  let err: i32 = flags & MSG_ERRQUEUE ? 0 : sockError(sk);
  if (err) return err;
  let done: u32 = 0;
  fget(f);
  while (done < vlen) {
    err = recvmsg(fd, uvec, flags & ~MSG_WAITFORONE);
    if (err >= 0) err = putLength(uvec, err);
    if (err) break;
    done++;
    uvec += MMSGHDR_SIZE;
    if (flags & MSG_WAITFORONE) flags |= MSG_DONTWAIT;
    if (deadline <= nowNs()) break;
  }
  if (endsRun(err)) done = 0;
  if (uts && done && exportTimespec(uts, deadline > nowNs() ? deadline - nowNs() : 0)) {
    done = 0;
    err = -EFAULT;
  }
  if (done && err && err != -EAGAIN) sk.err = -err;
  fput(f);
  return done ? (done as i32) : err;
}

export function sys_recvmsg(fd: i32, umsg: usize, flags: u32): i32 { return sysReturn(recvmsg(fd, umsg as u64, flags)); }

function recvmsg(fd: i32, umsg: u64, flags: u32): i32 {
  if (flags & MSG_CMSG_COMPAT) return -EINVAL;
  const f = fdSocket(fd);
  if (!f) return fdSockError(fd);
  const um = userMsg();
  const err = copyMsghdr(um, umsg);
  if (err) return err;
  const total = importMsghdrIov(um, SYS_KVEC, iter());
  if (total < 0) return total;
  const m = msg();
  msgInit(m, iter(), flags);
  if (um.name) m.name = SYS_NAME;
  m.out_flags = flags & MSG_CMSG_CLOEXEC;
  setRecvControl(m, um);
  const ret = recvWait(fd, f, m);
  if (ret < 0) return ret;
  const back = exportMsghdr(m, um, umsg, SYS_NAME);
  return back ? back : ret;
}
