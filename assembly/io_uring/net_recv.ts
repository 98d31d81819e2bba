// RECV and RECVMSG, single shot into the buffer of the SQE. Multishot and provided buffers are not modelled yet.
import { NOT_MODELLED_FORM } from "../abi/not_modelled";
import { EAGAIN, EINTR, EINVAL, EFAULT, EMSGSIZE, ENOMEM, ENOTSOCK, ERESTARTSYS } from "../abi/errno";
import { MAX_RW_COUNT, MSG_CTRUNC, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_TRUNC, MSG_WAITALL, UIO_MAXIOV } from "../abi/socket";
import {
  IORING_CQE_F_SOCK_NONEMPTY, IORING_OP_RECVMSG, IORING_RECVSEND_BUNDLE, IORING_RECVSEND_POLL_FIRST, IORING_RECV_MULTISHOT, SQE_OFF_ADDR, SQE_OFF_ADDR2,
  SQE_OFF_FILE_INDEX, SQE_OFF_IOPRIO, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS,
} from "../abi/uapi";
import { notModelled } from "../lib/not_modelled";
import { accessOk } from "../mm/vma";
import { FILE_SOCKET } from "../fs/file";
import { iterUbuf } from "../net/iov_iter";
import { copyMsghdr, exportMsghdr, msgInit, setRecvControl } from "../net/msg_import";
import { SCRATCH_MSG, SCRATCH_NAME } from "../net/scratch";
import { MsgHdr, Sock } from "../net/sock";
import { sockRecvmsg } from "../net/socket";
import { netRetry, pollFirst, sendAlloc, sendResult, setupVec, sleepOrIntr, userMsg } from "./net";
import { IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_BUFFER_SELECT, REQ_F_NOWAIT, Req, reqIter, setFail, setRes } from "./types";

const RECVMSG_FLAGS: u32 = IORING_RECVSEND_POLL_FIRST | IORING_RECV_MULTISHOT | IORING_RECVSEND_BUNDLE;

function prepCommon(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (load<u64>(sqe, SQE_OFF_ADDR2) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  req.zc_flags = load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  if (req.zc_flags & ~RECVMSG_FLAGS) return -EINVAL;
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  if (req.msg_flags & MSG_DONTWAIT) req.flags |= REQ_F_NOWAIT;
  if (req.zc_flags & IORING_RECV_MULTISHOT && (!(req.flags & REQ_F_BUFFER_SELECT) || req.msg_flags & MSG_WAITALL)) return -EINVAL;
  if (req.zc_flags & IORING_RECVSEND_BUNDLE && req.opcode == IORING_OP_RECVMSG) return -EINVAL;
  if (req.flags & REQ_F_BUFFER_SELECT) return notModelled(NOT_MODELLED_FORM | req.opcode);
  return 0;
}

export function recvPrep(req: Req, sqe: usize): i32 {
  const err = prepCommon(req, sqe);
  if (err) return err;
  const addr = load<u64>(sqe, SQE_OFF_ADDR);
  let len = load<u32>(sqe, SQE_OFF_LEN);
  if (len > MAX_RW_COUNT) len = MAX_RW_COUNT;
  if (!accessOk(addr, len as u64)) return -EFAULT;
  iterUbuf(reqIter(req), addr, len);
  return 0;
}

export function recvmsgPrep(req: Req, sqe: usize): i32 {
  let err = prepCommon(req, sqe);
  if (err) return err;
  if (!sendAlloc(req)) return -ENOMEM;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  const um = userMsg(req);
  err = copyMsghdr(um, req.cmd_addr);
  if (err) return err;
  return um.iovlen > (UIO_MAXIOV as u64) ? -EMSGSIZE : setupVec(req, um.iov, um.iovlen);
}

export function recvIssue(req: Req, issueFlags: u32): i32 {
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  if (pollFirst(req)) return -EAGAIN;
  const msg = changetype<MsgHdr>(SCRATCH_MSG);
  msgInit(msg, reqIter(req), 0);
  return receive(req, changetype<Sock>(req.file.priv), msg, issueFlags);
}

export function recvmsgIssue(req: Req, issueFlags: u32): i32 {
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  if (pollFirst(req)) return -EAGAIN;
  const msg = changetype<MsgHdr>(SCRATCH_MSG), um = userMsg(req);
  msgInit(msg, reqIter(req), 0);
  msg.name = um.name ? SCRATCH_NAME : 0;
  setRecvControl(msg, um);
  return receive(req, changetype<Sock>(req.file.priv), msg, issueFlags);
}

function receive(req: Req, sk: Sock, msg: MsgHdr, issueFlags: u32): i32 {
  let flags = req.msg_flags;
  if (issueFlags & IO_URING_F_NONBLOCK) flags |= MSG_DONTWAIT;
  msg.flags = flags;
  const minRet: i32 = flags & MSG_WAITALL && !(flags & MSG_ERRQUEUE) ? reqIter(req).count as i32 : 0;
  let ret = sockRecvmsg(sk, msg);
  if (ret >= 0 && req.opcode == IORING_OP_RECVMSG) {
    const err = exportMsghdr(msg, userMsg(req), req.cmd_addr);
    if (err) ret = err;
  }
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
  } else if (flags & MSG_WAITALL && msg.out_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    setFail(req);
  }
  setRes(req, sendResult(req, ret), ret >= 0 && (msg.inq as i32) > 0 ? IORING_CQE_F_SOCK_NONEMPTY : 0);
  return IOU_COMPLETE;
}
