// What sendmsg(2) and recvmsg(2) take from user space and give back: addresses, iovec arrays, struct msghdr, ancillary
// data. Everything is copied in once, checked, and never looked at in user memory again; lengths are clipped so that no
// sum of them can overflow. The order of the checks is observable and follows send-zc.md 2.2 (C5..C10).
//
// A control buffer is the exception: only its address is kept, because Linux copies it when the message is really sent
// (an io_uring request may wait for room between the two).
import { ITER_IOVEC, IovIter, KVEC_SIZE, iterUbuf, iterVec, kvecBase, kvecLen } from "../mm/iov_iter";
import {
  CMSGHDR_OFF_LEN, CMSGHDR_OFF_LEVEL, CMSGHDR_OFF_TYPE, CMSGHDR_SIZE, MAX_RW_COUNT, MSG_CTRUNC, MSGHDR_OFF_CONTROLLEN, MSGHDR_OFF_FLAGS,
  MSGHDR_OFF_NAMELEN, SOCKADDR_STORAGE_SIZE, UIO_MAXIOV,
} from "../abi/socket";
import { EFAULT, EINVAL, EMSGSIZE, ENOBUFS } from "../abi/errno";
import { PROT_READ, accessOk, copyFromUser, copyToUser, userSpan } from "../mm/vma";
import { MsgHdr } from "./sock";
import { CONTROL_MAX, SCRATCH_CONTROL, SCRATCH_ERRHDR, SCRATCH_NAME } from "./scratch";

/** struct user_msghdr (LP64) as copied in. */
@unmanaged @final export class UserMsg {
  name: u64;
  namelen: i32;
  pad: u32;
  iov: u64;
  iovlen: u64;
  control: u64;
  controllen: u64;
  flags: u32;
  pad2: u32;
}
export const USER_MSG_SIZE: u32 = 56;
if (offsetof<UserMsg>() != USER_MSG_SIZE) ERROR("UserMsg must be 56 bytes");
if (offsetof<UserMsg>("flags") != 48) ERROR("UserMsg must have the layout of struct user_msghdr");

const SSIZE_MAX: u64 = 0x7fffffffffffffff;
const INT_MAX: u64 = 0x7fffffff;

/** move_addr_to_kernel(): 0, -EINVAL (length), -EFAULT. `to` has room for SOCKADDR_STORAGE_SIZE bytes. */
export function importSockaddr(to: usize, uaddr: u64, len: i32): i32 {
  if (len < 0 || len > (SOCKADDR_STORAGE_SIZE as i32)) return -EINVAL;
  return len ? copyFromUser(to, uaddr, len) : 0;
}

/**
 * import_iovec(): copies `nr` segments to `to` (KVEC_SIZE bytes each) and returns the sum of their lengths. A segment that
 * would bring the sum over MAX_RW_COUNT is cut. -EINVAL: too many, or a length that is negative as ssize_t; -EFAULT: array
 * unreadable, or a segment that cannot be user memory.
 */
export function importIovec(uiov: u64, nr: u64, to: usize): i32 {
  if (nr > (UIO_MAXIOV as u64)) return -EINVAL;
  const n = nr as u32, readable = userSpan(uiov, n * 16, PROT_READ);
  for (let i: u32 = 0; i < n; i++) { // one by one: a bad length counts before a bad page further on
    if ((i + 1) * 16 > readable) return -EFAULT;
    const from = (uiov as usize) + ((i * 16) as usize), seg = to + i * KVEC_SIZE;
    store<u64>(seg, load<u64>(from));
    store<u64>(seg, load<u64>(from, 8), 8);
    if (load<u64>(seg, 8) > SSIZE_MAX) return -EINVAL;
  }
  let total: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const seg = to + i * KVEC_SIZE;
    let len = load<u64>(seg, 8);
    const room = (MAX_RW_COUNT - total) as u64;
    if (n == 1 && len > room) len = room; // a single segment is cut before it is checked
    if (!accessOk(load<u64>(seg), len)) return -EFAULT;
    if (len > room) len = room;
    store<u64>(seg, len, 8);
    total += len as u32;
  }
  return total as i32;
}

/** The plainest iterator over `nr` imported segments with `total` bytes. */
export function iterFromKvec(it: IovIter, kvec: usize, nr: u32, total: u32): void {
  if (nr == 1) iterUbuf(it, kvecBase(kvec, 0), kvecLen(kvec, 0));
  else iterVec(it, ITER_IOVEC, kvec, nr, total);
}

/**
 * Copies a struct msghdr in: -EFAULT, -EINVAL (negative namelen), or 0. A longer namelen is cut to
 * SOCKADDR_STORAGE_SIZE; without a name its length does not count.
 */
export function copyMsghdr(um: UserMsg, uaddr: u64): i32 {
  return copyFromUser(changetype<usize>(um), uaddr, USER_MSG_SIZE) ? -EFAULT : fixNamelen(um);
}

/** The rules for the length of a name, after the header was copied as it is. 0 or -EINVAL. */
export function fixNamelen(um: UserMsg): i32 {
  if (!um.name) um.namelen = 0;
  if (um.namelen < 0) return -EINVAL;
  if (um.namelen > (SOCKADDR_STORAGE_SIZE as i32)) um.namelen = SOCKADDR_STORAGE_SIZE;
  return 0;
}

/**
 * Everything that a send needs from a struct msghdr except the control data (importControl()): fills `um`, copies the
 * name to `name` (128 bytes) and the segments to `kvec` (UIO_MAXIOV of them), sets up `it`. Bytes to send, or -EFAULT,
 * -EINVAL, -EMSGSIZE (too many segments).
 */
export function importMsghdr(um: UserMsg, uaddr: u64, name: usize, kvec: usize, it: IovIter): i32 {
  const err = copyMsghdr(um, uaddr);
  if (err) return err;
  if (um.namelen && copyFromUser(name, um.name, um.namelen)) return -EFAULT;
  return importMsghdrIov(um, kvec, it);
}

/** The second half, all that a receive needs: the segments. */
export function importMsghdrIov(um: UserMsg, kvec: usize, it: IovIter): i32 {
  if (um.iovlen > (UIO_MAXIOV as u64)) return -EMSGSIZE;
  const total = importIovec(um.iov, um.iovlen, kvec);
  if (total >= 0) iterFromKvec(it, kvec, um.iovlen as u32, total);
  return total;
}

/** Clears `msg` and makes it a message over `it`, without name, control data or owner of pages. */
export function msgInit(msg: MsgHdr, it: IovIter, flags: u32): void {
  memory.fill(changetype<usize>(msg), 0, offsetof<MsgHdr>());
  msg.iter = it;
  msg.flags = flags;
}

/**
 * Copies the control data of a send to `to` (CONTROL_MAX bytes), right before the protocol sees it: 0, -ENOBUFS, -EFAULT.
 * DEVIATION (control-size): Linux takes up to net.core.optmem_max bytes, here CONTROL_MAX.
 */
export function importControl(msg: MsgHdr, control: u64, controllen: u64, to: usize = SCRATCH_CONTROL): i32 {
  msg.control = 0;
  msg.controllen = 0;
  if (!controllen) return 0;
  if (controllen > (CONTROL_MAX as u64)) return -ENOBUFS;
  if (copyFromUser(to, control, controllen as u32)) return -EFAULT;
  msg.control = to;
  msg.controllen = controllen as u32;
  return 0;
}

// Walking the control data of a send: for (let off = cmsgFirst(msg); off != CMSG_END; off = cmsgNext(msg, off)) ----------

export const CMSG_END: u32 = 0xffffffff;

/** Offset of the first header, or CMSG_END: less than a header is no control data at all. */
@inline export function cmsgFirst(msg: MsgHdr): u32 { return msg.controllen >= CMSGHDR_SIZE ? 0 : CMSG_END; }

/** CMSG_OK(): does the header's length make sense? Protocols answer -EINVAL if not. */
export function cmsgOk(msg: MsgHdr, off: u32): bool {
  const len = load<u64>(msg.control + (off as usize), CMSGHDR_OFF_LEN);
  return len >= (CMSGHDR_SIZE as u64) && len <= ((msg.controllen - off) as u64);
}

/** The header after one that cmsgOk() accepted. */
export function cmsgNext(msg: MsgHdr, off: u32): u32 {
  const next = off + ((load<u32>(msg.control + (off as usize), CMSGHDR_OFF_LEN) + 7) & ~7);
  return next + CMSGHDR_SIZE > msg.controllen ? CMSG_END : next;
}

@inline export function cmsgLevel(msg: MsgHdr, off: u32): i32 { return load<i32>(msg.control + (off as usize), CMSGHDR_OFF_LEVEL); }
@inline export function cmsgType(msg: MsgHdr, off: u32): i32 { return load<i32>(msg.control + (off as usize), CMSGHDR_OFF_TYPE); }
/** Bytes of data behind the header. */
@inline export function cmsgDataLen(msg: MsgHdr, off: u32): u32 {
  return load<u32>(msg.control + (off as usize), CMSGHDR_OFF_LEN) - CMSGHDR_SIZE;
}
@inline export function cmsgData(msg: MsgHdr, off: u32): usize { return msg.control + ((off + CMSGHDR_SIZE) as usize); }

// Giving back ------------------------------------------------------------------------------------------------------------

/**
 * put_cmsg(): appends one control message to what a receive gives back. What does not fit is cut and MSG_CTRUNC set.
 * 0 or -EFAULT; callers ignore it, as in Linux: the data of the receive is not lost over it.
 */
export function putCmsg(msg: MsgHdr, level: i32, type: i32, data: usize, len: u32): i32 {
  const room = msg.controllen - msg.out_controllen;
  if (!msg.control || room < CMSGHDR_SIZE) {
    msg.out_flags |= MSG_CTRUNC;
    return 0;
  }
  let cmsgLen = CMSGHDR_SIZE + len;
  if (room < cmsgLen) {
    msg.out_flags |= MSG_CTRUNC;
    cmsgLen = room;
  }
  store<u64>(SCRATCH_ERRHDR, cmsgLen as u64, CMSGHDR_OFF_LEN);
  store<i32>(SCRATCH_ERRHDR, level, CMSGHDR_OFF_LEVEL);
  store<i32>(SCRATCH_ERRHDR, type, CMSGHDR_OFF_TYPE);
  const to = (msg.control as u64) + (msg.out_controllen as u64);
  if (copyToUser(to, SCRATCH_ERRHDR, CMSGHDR_SIZE)) return -EFAULT;
  if (copyToUser(to + (CMSGHDR_SIZE as u64), data, cmsgLen - CMSGHDR_SIZE)) return -EFAULT;
  const space = (CMSGHDR_SIZE + len + 7) & ~7;
  msg.out_controllen += space < room ? space : room;
  return 0;
}

/**
 * move_addr_to_user(): writes `len` bytes of an address to a caller that has room for *ulenp, and the true length to
 * *ulenp. 0, -EFAULT, -EINVAL (negative room).
 */
export function exportSockaddr(from: usize, len: u32, uaddr: u64, ulenp: u64): i32 {
  if (copyFromUser(SCRATCH_ERRHDR, ulenp, 4)) return -EFAULT;
  let room = load<i32>(SCRATCH_ERRHDR);
  if (room < 0) return -EINVAL;
  if (room > (len as i32)) room = len;
  if (room && copyToUser(uaddr, from, room)) return -EFAULT;
  store<u32>(SCRATCH_ERRHDR, len);
  return copyToUser(ulenp, SCRATCH_ERRHDR, 4);
}

/**
 * What recvmsg(2) writes back to the struct msghdr at `uaddr`: the sender's address (from `name`), lengths, flags.
 * 0 or -errno.
 */
export function exportMsghdr(msg: MsgHdr, um: UserMsg, uaddr: u64, name: usize = SCRATCH_NAME): i32 {
  if (um.name) {
    const err = exportSockaddr(name, msg.namelen, um.name, uaddr + (MSGHDR_OFF_NAMELEN as u64));
    if (err) return err;
  }
  store<u64>(SCRATCH_ERRHDR, msg.out_controllen as u64);
  store<u32>(SCRATCH_ERRHDR, msg.out_flags, 8);
  if (copyToUser(uaddr + (MSGHDR_OFF_FLAGS as u64), SCRATCH_ERRHDR + 8, 4)) return -EFAULT;
  return copyToUser(uaddr + (MSGHDR_OFF_CONTROLLEN as u64), SCRATCH_ERRHDR, 8);
}

/** Where recvmsg(2) puts control data. What cannot be an address is replaced by one that faults as well. */
export function setRecvControl(msg: MsgHdr, um: UserMsg): void {
  if (!um.control || !um.controllen) return;
  msg.control = um.control <= (u32.MAX_VALUE as u64) ? (um.control as usize) : 1;
  msg.controllen = um.controllen < INT_MAX ? (um.controllen as u32) : (INT_MAX as u32);
}
