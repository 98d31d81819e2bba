// RECVMSG's struct msghdr, and multishot's way of giving everything back in the provided buffer:
//
//   struct io_uring_recvmsg_out | name, msg_namelen bytes | control data, msg_controllen bytes | payload
//
// The msghdr of a multishot request only gives the two lengths; it is not written to.  Man page: io_uring_recvmsg_out(3).
import { iterUbuf } from "../mm/iov_iter";
import { EFAULT, EINVAL, EMSGSIZE, EOVERFLOW } from "../abi/errno";
import { UIO_MAXIOV } from "../abi/socket";
import {
  IORING_RECV_MULTISHOT, RECVMSG_OUT_CONTROLLEN, RECVMSG_OUT_FLAGS, RECVMSG_OUT_NAMELEN, RECVMSG_OUT_PAYLOADLEN, RECVMSG_OUT_SIZE,
} from "../abi/uapi";
import { copyFromUser, copyToUser } from "../mm/vma";
import { USER_MSG_SIZE, copyMsghdr, fixNamelen } from "../net/msg_import";
import { SCRATCH_NAME, SCRATCH_WORDS } from "../net/scratch";
import { MsgHdr } from "../net/sock";
import { bufSel, bufferSelect, recycleKbuf } from "./kbuf";
import { setupVec, userMsg } from "./net";
import { REQ_F_BUFFER_SELECT, Req, reqIter } from "./types";

const INT_MAX: u64 = 0x7fffffff;

/** Copies the msghdr in. With provided buffers its iovec gives the length alone. 0 or -errno. */
export function recvmsgSetup(req: Req): i32 {
  const um = userMsg(req);
  if (!(req.flags & REQ_F_BUFFER_SELECT)) {
    const err = copyMsghdr(um, req.cmd_addr);
    if (err) return err;
    return um.iovlen > (UIO_MAXIOV as u64) ? -EMSGSIZE : setupVec(req, um.iov, um.iovlen);
  }
  if (copyFromUser(changetype<usize>(um), req.cmd_addr, USER_MSG_SIZE)) return -EFAULT;
  const namelen = um.namelen, err = fixNamelen(um);
  if (err) return err;
  if (um.iovlen > (UIO_MAXIOV as u64)) return -EMSGSIZE;
  if (um.iovlen > 1) return -EINVAL;
  req.cmd_len = 0;
  if (um.iovlen) {
    if (copyFromUser(SCRATCH_WORDS, um.iov, 16)) return -EFAULT;
    req.cmd_len = load<u32>(SCRATCH_WORDS, 8);
  }
  if (!(req.zc_flags & IORING_RECV_MULTISHOT)) return 0;
  um.namelen = namelen; // however long, and whether there is a pointer or not
  if (namelen < 0 || um.controllen > INT_MAX || (RECVMSG_OUT_SIZE as u64) + (namelen as u64) + um.controllen > INT_MAX) return -EOVERFLOW;
  return 0;
}

/** Takes a buffer and points the iterator (and multishot's control data) into it. 0, -ENOBUFS, -EFAULT: too small. */
export function recvmsgSelect(req: Req, issueFlags: u32): i32 {
  const err = bufferSelect(req, req.cmd_len, issueFlags), sel = bufSel();
  if (err) return err;
  let room: u32 = 0;
  if (req.zc_flags & IORING_RECV_MULTISHOT) {
    const um = userMsg(req);
    room = RECVMSG_OUT_SIZE + um.namelen + (um.controllen as u32);
    if (sel.len < room) {
      recycleKbuf(req, sel.group);
      return -EFAULT;
    }
    um.control = sel.addr + (RECVMSG_OUT_SIZE as u64) + (um.namelen as u64);
  }
  iterUbuf(reqIter(req), sel.addr + (room as u64), sel.len - room);
  return 0;
}

/** Writes the header and the name in front of `ret` received bytes. Bytes of the buffer that are used, or -EFAULT. */
export function recvmsgWriteOut(req: Req, msg: MsgHdr, ret: i32): i32 {
  const um = userMsg(req), room = RECVMSG_OUT_SIZE + um.namelen + (um.controllen as u32), it = reqIter(req);
  const to = it.base - (room as u64), out = SCRATCH_WORDS, name = min<u32>(msg.namelen, um.namelen);
  store<u32>(out, um.namelen ? msg.namelen : 0, RECVMSG_OUT_NAMELEN);
  store<u32>(out, msg.out_controllen, RECVMSG_OUT_CONTROLLEN);
  store<u32>(out, ret, RECVMSG_OUT_PAYLOADLEN);
  store<u32>(out, msg.out_flags, RECVMSG_OUT_FLAGS);
  if (copyToUser(to, out, RECVMSG_OUT_SIZE) || copyToUser(to + (RECVMSG_OUT_SIZE as u64), SCRATCH_NAME, name)) return -EFAULT;
  const payload = min<u32>(ret, it.total);
  return (room + payload) as i32;
}
