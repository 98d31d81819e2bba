// sendto(2), recvfrom(2), sendmsg(2), recvmsg(2): importing the message, and giving addresses, lengths and flags back.
import {
  MAX_RW_COUNT, MSG_CMSG_CLOEXEC, MSG_NO_SHARED_FRAGS, MSG_SENDPAGE_DECRYPTED, MSG_SENDPAGE_NOPOLICY, MSG_SPLICE_PAGES,
} from "../abi/socket";
import { EINVAL } from "../abi/errno";
import { IovIter, iterUbuf } from "../net/iov_iter";
import {
  UserMsg, copyMsghdr, exportMsghdr, exportSockaddr, importControl, importMsghdr, importMsghdrIov, importSockaddr, msgInit, setRecvControl,
} from "../net/msg_import";
import { SYS_CONTROL, SYS_ITER, SYS_KVEC, SYS_MSG, SYS_NAME, SYS_USER_MSG } from "../net/scratch";
import { MsgHdr } from "../net/sock";
import { sysReturn } from "./call";
import { fdSocket, fdSockError } from "./socket";
import { recvWait, sendWait } from "./xfer";

/** Flags that only the kernel's own callers may set: cleared. */
const MSG_INTERNAL_SENDMSG: u32 = MSG_SPLICE_PAGES | MSG_SENDPAGE_NOPOLICY | MSG_SENDPAGE_DECRYPTED | MSG_NO_SHARED_FRAGS;
/** A flag of 32-bit programs: refused. */
const MSG_CMSG_COMPAT: u32 = 0x80000000;

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

export function sys_sendmsg(fd: i32, umsg: usize, flags: u32): i32 { return sysReturn(sendmsg(fd, umsg, flags)); }

function sendmsg(fd: i32, umsg: usize, flags: u32): i32 {
  if (flags & MSG_CMSG_COMPAT) return -EINVAL;
  const f = fdSocket(fd);
  if (!f) return fdSockError(fd);
  const um = userMsg(), total = importMsghdr(um, umsg as u64, SYS_NAME, SYS_KVEC, iter());
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

export function sys_recvmsg(fd: i32, umsg: usize, flags: u32): i32 { return sysReturn(recvmsg(fd, umsg, flags)); }

function recvmsg(fd: i32, umsg: usize, flags: u32): i32 {
  if (flags & MSG_CMSG_COMPAT) return -EINVAL;
  const f = fdSocket(fd);
  if (!f) return fdSockError(fd);
  const um = userMsg();
  const err = copyMsghdr(um, umsg as u64);
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
  const back = exportMsghdr(m, um, umsg as u64, SYS_NAME);
  return back ? back : ret;
}
