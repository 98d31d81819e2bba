// SEND and SENDMSG: prep, issue, and what provided buffers and bundles add. A bundle sends all buffers of its group, up to
// 256 at a time, a CQE with F_MORE for each round.
//
// Spec: send-zc.md 2.2-2.4; bug-history A06, A10, A11, A15, A25; man io_uring_prep_send_bundle(3).
import { EAGAIN, EINTR, EINVAL, ENOMEM, ENOTSOCK, ERESTARTSYS } from "../abi/errno";
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL } from "../abi/socket";
import {
  IORING_CQE_F_MORE, IORING_RECVSEND_BUNDLE, SQE_OFF_ADDR, SQE_OFF_ADDR2, SQE_OFF_FILE_INDEX, SQE_OFF_IOPRIO,
  SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_PAD3,
} from "../abi/uapi";
import { SQE_OFF_NOTIFICATION_IDX } from "../abi/notif_slots";
import { B_IMPORT_AT_PREP, B_NOTIF_SLOTS, B_SEND_ADDR, ROW_SEND, SW_SEND_ADDR } from "../abi/profile";
import { has, switchOn, validFlags } from "../lib/profile";
import { nil } from "../lib/state";
import { FILE_SOCKET } from "../fs/file";
import { Sock } from "../net/sock";
import { UbufInfo } from "../net/ubuf_info";
import { BufGroup, doBufferSelect, putKbufs } from "./kbuf";
import {
  SEND_F_IMPORT, importLater, netRetry, pollFirst, sendAddrLen, sendAlloc, sendCall, sendImport, sendMsg, sendResult, sendSetup, sendSetupAddr, sendmsgSetup, sleepOrIntr,
} from "./net";
import { bundleNbufs, sendSelect } from "./net_bundle";
import { vecGive, vecTake } from "./net_vec";
import { reqPostCqe } from "./req";
import {
  IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_BL_EMPTY, REQ_F_BUFFER_RING, REQ_F_BUFFER_SELECT, REQ_F_BUFFER_SELECTED, REQ_F_MULTISHOT,
  REQ_F_NOWAIT, REQ_F_POLLED, Req, reqIter, setFail, setRes,
} from "./types";

function prepCommon(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (load<i32>(sqe, SQE_OFF_LEN) < 0) return -EINVAL;
  req.zc_flags = load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  if (req.zc_flags & ~validFlags(ROW_SEND)) return -EINVAL;
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS) | MSG_NOSIGNAL;
  if (req.msg_flags & MSG_DONTWAIT) req.flags |= REQ_F_NOWAIT;
  if (req.ctx.vec_cache) vecTake(req);
  return 0;
}

/**
 * Before 6.1 SEND was prepared like SENDMSG: no destination, and nothing in the fields that it has now. In the slot era the length
 * of an address stands where zero-copy sends have it, and the slot's number before it.
 */
function badAddress(sqe: usize): bool {
  if (has(B_SEND_ADDR)) return false;
  if (!switchOn(SW_SEND_ADDR)) return load<u64>(sqe, SQE_OFF_ADDR2) != 0 || load<u32>(sqe, SQE_OFF_FILE_INDEX) != 0;
  return has(B_NOTIF_SLOTS) && load<u16>(sqe, SQE_OFF_NOTIFICATION_IDX) != 0;
}

export function sendPrep(req: Req, sqe: usize): i32 {
  if (badAddress(sqe)) return -EINVAL;
  const err = prepCommon(req, sqe);
  if (err) return err;
  if (req.zc_flags & IORING_RECVSEND_BUNDLE) {
    req.msg_flags |= MSG_WAITALL; // a buffer is sent completely before the next
    req.flags |= REQ_F_MULTISHOT;
  }
  return req.flags & REQ_F_BUFFER_SELECT ? sendPrepSelect(req, sqe) : sendSetup(req, sqe);
}

/** The buffer comes later; the address is taken now. sqe.addr is not looked at. */
function sendPrepSelect(req: Req, sqe: usize): i32 {
  if (load<u16>(sqe, SQE_OFF_PAD3)) return -EINVAL;
  if (!sendAlloc(req)) return -ENOMEM;
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  return sendSetupAddr(req, load<u64>(sqe, SQE_OFF_ADDR2), sendAddrLen(sqe));
}

export function sendmsgPrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_ADDR2) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const err = prepCommon(req, sqe);
  if (err) return err;
  if (req.zc_flags & IORING_RECVSEND_BUNDLE) return -EINVAL;
  return has(B_IMPORT_AT_PREP) ? sendmsgSetup(req, load<u64>(sqe, SQE_OFF_ADDR)) : importLater(req, sqe);
}

export function sendIssue(req: Req, issueFlags: u32): i32 {
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  if (req.zc_flags & SEND_F_IMPORT) {
    const err = sendImport(req);
    if (err) return err;
  }
  if (pollFirst(req)) return -EAGAIN;
  const sk = changetype<Sock>(req.file.priv);
  let flags = req.msg_flags;
  if (issueFlags & IO_URING_F_NONBLOCK) flags |= MSG_DONTWAIT;
  do {
    if (doBufferSelect(req)) {
      const err = sendSelect(req, issueFlags);
      if (err) return err;
    }
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
  } while (req.flags & (REQ_F_BUFFER_RING | REQ_F_BUFFER_SELECTED | REQ_F_MULTISHOT) && sendMore(req));
  if (req.ctx.vec_cache) vecGive(req, issueFlags);
  return IOU_COMPLETE;
}
export function sendmsgIssue(req: Req, issueFlags: u32): i32 { return sendIssue(req, issueFlags); }

/** Gives the flags of the CQE their buffer. True: a bundle has posted it, and goes on. */
function sendMore(req: Req): bool {
  const bundle = (req.zc_flags & IORING_RECVSEND_BUNDLE) != 0;
  req.cflags = putKbufs(req, req.res, nil<BufGroup>(), bundle ? bundleNbufs(req, req.res) : 1);
  // Who had to wait for poll gets one CQE, however much is left.
  if (!bundle || req.res <= 0 || req.flags & (REQ_F_BL_EMPTY | REQ_F_POLLED)) return false;
  if (!reqPostCqe(req, req.res, req.cflags | IORING_CQE_F_MORE)) return false;
  req.done_io = 0;
  req.cmd_len = 0; // sqe.len is the first round's only
  return true;
}
