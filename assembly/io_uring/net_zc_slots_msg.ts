// SENDMSGZC of the slot era, which never was: a proposal of the thread (switch sendmsg_zc). A struct msghdr with name, segments and
// control data, all copied at submission, sent to a slot like SENDZC. Its opcode is that of the later SENDMSG_ZC.
//
// Spec: notif-slots.md 6 (i).
import { EINVAL, EFAULT, EMSGSIZE, ENOMEM } from "../abi/errno";
import { CHUNK_SIZE } from "../abi/layout";
import { SQE_OFF_SENDZC_ADDR_LEN } from "../abi/notif_slots";
import { SENDZC_FIXED_BUF, SENDZC_MSG } from "../abi/profile";
import { UIO_MAXIOV } from "../abi/socket";
import { SQE_OFF_ADDR, SQE_OFF_ADDR2 } from "../abi/uapi";
import { sendzcFlags } from "../lib/profile";
import { SCRATCH_SEND_MSG } from "../lib/state";
import { KVEC_SIZE } from "../mm/iov_iter";
import { chunkAlloc } from "../mm/page";
import { copyFromUser } from "../mm/vma";
import { copyMsghdr, importControl, importIovec, iterFromKvec } from "../net/msg_import";
import { MsgHdr } from "../net/sock";
import { CONTROL_MAX } from "../net/scratch";
import { AD_IOV, AD_NAME, NR_INLINE, sendAlloc, sendState, userMsg } from "./net";
import { sendzcIoprio } from "./dialect";
import { sendzcName, sendzcPrep } from "./net_zc_slots";
import { REQ_F_NEED_CLEANUP, Req, reqIter } from "./types";

/** In the request's chunk: a long vector, then the control data. */
const CONTROL: usize = (UIO_MAXIOV * KVEC_SIZE) as usize;
if (CONTROL + (CONTROL_MAX as usize) > (CHUNK_SIZE as usize)) ERROR("a message does not fit a chunk");

export function sendmsgzcPrep(req: Req, sqe: usize): i32 {
  if (sendzcFlags(sendzcIoprio(sqe)) & SENDZC_FIXED_BUF) return -EINVAL;
  if (load<u64>(sqe, SQE_OFF_ADDR2) || load<u16>(sqe, SQE_OFF_SENDZC_ADDR_LEN)) return -EINVAL;
  const err = sendzcPrep(req, sqe);
  if (err) return err;
  if (req.cmd_len > 1) return -EINVAL;
  req.zc_flags |= SENDZC_MSG;
  return sendAlloc(req) ? readMsg(req, load<u64>(sqe, SQE_OFF_ADDR)) : -ENOMEM;
}

/** Everything that the header names: 0, -EFAULT, -EINVAL, -EMSGSIZE (segments), -ENOBUFS (control data), -ENOMEM. */
function readMsg(req: Req, at: u64): i32 {
  const um = userMsg(req), ad = req.async_data;
  let err = copyMsghdr(um, at);
  if (err) return err;
  if (um.namelen && copyFromUser(ad + AD_NAME, um.name, um.namelen)) return -EFAULT;
  sendzcName(req, um.namelen as u32);
  if (um.iovlen > (UIO_MAXIOV as u64)) return -EMSGSIZE;
  let kvec = ad + AD_IOV;
  if (um.iovlen > NR_INLINE || um.controllen) {
    const chunk = chunkAlloc();
    if (!chunk) return -ENOMEM;
    sendState(req).iov_chunk = chunk;
    req.flags |= REQ_F_NEED_CLEANUP;
    err = importControl(changetype<MsgHdr>(SCRATCH_SEND_MSG), um.control, um.controllen, chunk + CONTROL);
    if (err) return err;
    kvec = chunk;
  }
  const total = importIovec(um.iov, um.iovlen, kvec);
  if (total < 0) return total;
  iterFromKvec(reqIter(req), kvec, um.iovlen as u32, total as u32);
  return 0;
}

/** The control data of an attempt. */
export function sendmsgzcControl(req: Req, msg: MsgHdr): void {
  const um = userMsg(req);
  if (!um.controllen) return;
  msg.control = sendState(req).iov_chunk + CONTROL;
  msg.controllen = um.controllen as u32;
}
