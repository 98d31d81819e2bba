// SEND and SENDMSG, and what all sends share: import of address, buffer and message, the retry rules, the result.
//
// Spec: send-zc.md 2.2-2.4; bug-history A06, A10, A11, A15, A25.
import { NOT_MODELLED_FORM } from "../abi/not_modelled";
import { ASYNC_SIZE } from "../abi/layout";
import { EAGAIN, EFAULT, EINTR, EINVAL, EMSGSIZE, ENOMEM, ENOTSOCK, ERESTARTSYS } from "../abi/errno";
import { MAX_RW_COUNT, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, SOCK_SEQPACKET, SOCK_STREAM, UIO_MAXIOV } from "../abi/socket";
import {
  IORING_RECVSEND_BUNDLE, IORING_RECVSEND_POLL_FIRST, IORING_SEND_VECTORIZED, SQE_OFF_ADDR, SQE_OFF_ADDR2, SQE_OFF_ADDR_LEN,
  SQE_OFF_FILE_INDEX, SQE_OFF_IOPRIO, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_PAD3,
} from "../abi/uapi";
import { notModelled } from "../lib/not_modelled";
import { SCRATCH_SEND_MSG, nil } from "../lib/state";
import { chunkAlloc, putPage } from "../mm/page";
import { accessOk, copyFromUser } from "../mm/vma";
import { FILE_SOCKET } from "../fs/file";
import { iterUbuf } from "../net/iov_iter";
import { UserMsg, copyMsghdr, importControl, importIovec, importSockaddr, iterFromKvec, msgInit } from "../net/msg_import";
import { MsgHdr, Sock } from "../net/sock";
import { sockSendmsg } from "../net/socket";
import { UbufInfo } from "../net/ubuf_info";
import { reqAsyncData } from "./req";
import { IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_BUFFER_SELECT, REQ_F_CANCELLED, REQ_F_NEED_CLEANUP, REQ_F_NOWAIT, REQ_F_POLLED, Req, reqIter, setFail, setRes } from "./types";

export const MSG_INTERNAL: u32 = 0x8000000 | 0x10000 | 0x100000 | 0x80000; // stripped from the user's flags

// Async data block: what of a send or receive outlives its submission.
//   0 address (128) | 128 vector, 8 segments (128) | 256 state
export const AD_NAME: usize = 0;
const AD_IOV: usize = 128;
const AD_STATE: usize = 256;
const NR_INLINE: u64 = 8;
@unmanaged @final export class SendState {
  msg: u64; // UserMsg, 56 bytes
  m1: u64; m2: u64; m3: u64; m4: u64; m5: u64; m6: u64;
  iov_chunk: usize; // kernel chunk with a long vector, 0 = inline or none
  has_name: u32;
}
if (ASYNC_SIZE < 256 + offsetof<SendState>()) ERROR("async data block too small");
@inline export function sendState(req: Req): SendState { return changetype<SendState>(req.async_data + AD_STATE); }
@inline export function userMsg(req: Req): UserMsg { return changetype<UserMsg>(req.async_data + AD_STATE); }

/** The block with a cleared state, or false (ENOMEM). */
export function sendAlloc(req: Req): bool {
  const ad = reqAsyncData(req);
  if (!ad) return false;
  memory.fill(ad + AD_STATE, 0, offsetof<SendState>());
  return true;
}

const SENDMSG_FLAGS: u32 = IORING_RECVSEND_POLL_FIRST | IORING_RECVSEND_BUNDLE | IORING_SEND_VECTORIZED;

function prepCommon(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  req.zc_flags = load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  if (req.zc_flags & ~SENDMSG_FLAGS) return -EINVAL;
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS) | MSG_NOSIGNAL;
  if (req.msg_flags & MSG_DONTWAIT) req.flags |= REQ_F_NOWAIT;
  return 0;
}

export function sendPrep(req: Req, sqe: usize): i32 {
  const err = prepCommon(req, sqe);
  if (err) return err;
  if (req.zc_flags & IORING_RECVSEND_BUNDLE && !(req.flags & REQ_F_BUFFER_SELECT)) return -EINVAL;
  if (req.flags & REQ_F_BUFFER_SELECT) return notModelled(NOT_MODELLED_FORM | req.opcode);
  return sendSetup(req, sqe);
}

export function sendmsgPrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_ADDR2) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const err = prepCommon(req, sqe);
  if (err) return err;
  if (req.zc_flags & IORING_RECVSEND_BUNDLE) return -EINVAL;
  return sendmsgSetup(req, sqe);
}

/** SEND's buffer and optional address, from the SQE (spec 2.2 C4-C9 without the zero-copy parts). */
export function sendSetup(req: Req, sqe: usize): i32 {
  if (load<u16>(sqe, SQE_OFF_PAD3)) return -EINVAL;
  const err = sendSetupAddr(req, sqe);
  if (err) return err;
  return sendSetupBuf(req, load<u64>(sqe, SQE_OFF_ADDR), load<u32>(sqe, SQE_OFF_LEN));
}

export function sendSetupAddr(req: Req, sqe: usize): i32 {
  const addr = load<u64>(sqe, SQE_OFF_ADDR2);
  if (!addr) return 0;
  if (!req.async_data && !sendAlloc(req)) return -ENOMEM;
  const len = load<u16>(sqe, SQE_OFF_ADDR_LEN) as i32;
  const err = importSockaddr(req.async_data + AD_NAME, addr, len);
  if (err) return err;
  userMsg(req).namelen = len;
  sendState(req).has_name = 1;
  return 0;
}

/** A plain range (clamped to MAX_RW_COUNT; EFAULT outside of user space), or the vector it points to. */
export function sendSetupBuf(req: Req, addr: u64, len: u32): i32 {
  if (req.zc_flags & IORING_SEND_VECTORIZED) {
    if (!req.async_data && !sendAlloc(req)) return -ENOMEM;
    return len > UIO_MAXIOV ? -EINVAL : setupVec(req, addr, len as u64);
  }
  if (len > MAX_RW_COUNT) len = MAX_RW_COUNT;
  if (!accessOk(addr, len as u64)) return -EFAULT;
  iterUbuf(reqIter(req), addr, len);
  return 0;
}

/** Copies a vector of `nr` <= UIO_MAXIOV segments in and points the iterator at it. */
export function setupVec(req: Req, uiov: u64, nr: u64): i32 {
  let to = req.async_data + AD_IOV;
  if (nr > NR_INLINE) {
    to = chunkAlloc();
    if (!to) return -ENOMEM;
    sendState(req).iov_chunk = to;
    req.flags |= REQ_F_NEED_CLEANUP;
  }
  const total = importIovec(uiov, nr, to);
  if (total < 0) return total;
  iterFromKvec(reqIter(req), to, nr as u32, total as u32);
  return 0;
}

/** SENDMSG's msghdr: name, vector, control pointer (spec C10). */
export function sendmsgSetup(req: Req, sqe: usize): i32 {
  if (!req.async_data && !sendAlloc(req)) return -ENOMEM;
  const um = userMsg(req);
  const err = copyMsghdr(um, load<u64>(sqe, SQE_OFF_ADDR));
  if (err) return err;
  if (um.namelen) {
    if (copyFromUser(req.async_data + AD_NAME, um.name, um.namelen)) return -EFAULT;
    sendState(req).has_name = 1;
  }
  return um.iovlen > (UIO_MAXIOV as u64) ? -EMSGSIZE : setupVec(req, um.iov, um.iovlen);
}

/** The MsgHdr of this issue. 0 or -errno (control data is read from user space each time, A25). */
export function sendMsg(req: Req, flags: u32, ubuf: UbufInfo, managed: u32): i32 {
  const msg = changetype<MsgHdr>(SCRATCH_SEND_MSG);
  msgInit(msg, reqIter(req), flags & ~MSG_INTERNAL);
  msg.ubuf = ubuf;
  msg.managed = managed;
  if (!req.async_data) return 0;
  const um = userMsg(req);
  if (sendState(req).has_name) {
    msg.name = req.async_data + AD_NAME;
    msg.namelen = um.namelen;
  }
  return um.controllen ? importControl(msg, um.control, um.controllen) : 0;
}

/** Runs the protocol's sendmsg with the MsgHdr prepared by sendMsg(). */
@inline export function sendCall(sk: Sock): i32 { return sockSendmsg(sk, changetype<MsgHdr>(SCRATCH_SEND_MSG)); }

/** io_net_retry(): with MSG_WAITALL a stream continues after a short send. */
@inline export function netRetry(sk: Sock, flags: u32): bool {
  return (flags & MSG_WAITALL) != 0 && (sk.type == SOCK_STREAM || sk.type == SOCK_SEQPACKET);
}

/** A blocking issue finds no room or data: the worker sleeps, unless a cancellation has interrupted it. */
export function sleepOrIntr(req: Req): i32 {
  if (!(req.flags & REQ_F_CANCELLED)) return IOU_WOULD_SLEEP;
  setFail(req);
  setRes(req, sendResult(req, -EINTR), 0);
  return IOU_COMPLETE;
}

/** POLL_FIRST: the first issue goes straight to poll. */
@inline export function pollFirst(req: Req): bool {
  return (req.zc_flags & IORING_RECVSEND_POLL_FIRST) != 0 && (req.flags & REQ_F_POLLED) == 0;
}

export function sendIssue(req: Req, issueFlags: u32): i32 {
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  if (pollFirst(req)) return -EAGAIN;
  const sk = changetype<Sock>(req.file.priv);
  let flags = req.msg_flags;
  if (issueFlags & IO_URING_F_NONBLOCK) flags |= MSG_DONTWAIT;
  const minRet: i32 = flags & MSG_WAITALL ? reqIter(req).count as i32 : 0;
  let ret = sendMsg(req, flags, nil<UbufInfo>(), 0);
  if (!ret) ret = sendCall(sk);
  if (ret < minRet) {
    if (ret == -EAGAIN) {
      if (issueFlags & IO_URING_F_NONBLOCK) return -EAGAIN;
      if (!(flags & MSG_DONTWAIT)) return sleepOrIntr(req);
    } else if (ret > 0 && netRetry(sk, flags)) {
      req.done_io += ret;
      return issueFlags & IO_URING_F_NONBLOCK ? -EAGAIN : IOU_WOULD_SLEEP;
    }
    if (ret == -ERESTARTSYS) ret = -EINTR;
    setFail(req);
  }
  setRes(req, sendResult(req, ret), 0);
  return IOU_COMPLETE;
}
export function sendmsgIssue(req: Req, issueFlags: u32): i32 { return sendIssue(req, issueFlags); }

/** Progress made wins over a later error (A10, A11). */
@inline export function sendResult(req: Req, ret: i32): i32 {
  if (ret >= 0) return ret + (req.done_io as i32);
  return req.done_io ? (req.done_io as i32) : ret;
}

export function sendrecvFail(req: Req): void {
  if (req.done_io) req.res = req.done_io as i32;
}

export function sendCleanup(req: Req): void {
  if (req.async_data && sendState(req).iov_chunk) {
    putPage(sendState(req).iov_chunk);
    sendState(req).iov_chunk = 0;
  }
}
