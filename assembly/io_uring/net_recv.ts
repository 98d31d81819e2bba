// RECV and RECVMSG: into the buffer of the SQE, a provided one, or a bundle; once, or multishot: a CQE with F_MORE for each
// receive, until the stream ends, an error, a full CQ or the limit of bytes. RECVMSG multishot: net_recvmsg.ts.
//
// What a receive left in the socket (msg_inq) decides whether there is another in the same turn: a bundle adds it to its CQE
// once, a multishot request receives up to 33 times before others have their turn.
// Man pages: io_uring_prep_recv_multishot(3), io_uring_prep_recv(3); observed: tests/scenarios/pbuf-6.18.json.
import { iterUbuf } from "../mm/iov_iter";
import { EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, ENOTSOCK, ERESTARTSYS } from "../abi/errno";
import { AF_INET, MAX_RW_COUNT, MSG_CTRUNC, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_TRUNC, MSG_WAITALL, SOCK_DGRAM, SOCK_STREAM } from "../abi/socket";
import {
  IORING_CQE_F_BUF_MORE, IORING_CQE_F_MORE, IORING_CQE_F_SOCK_NONEMPTY, IORING_OP_RECV, IORING_OP_RECVMSG, IORING_RECVSEND_BUNDLE, IORING_RECVSEND_POLL_FIRST, IORING_RECV_MULTISHOT,
  SQE_OFF_ADDR, SQE_OFF_ADDR2, SQE_OFF_FILE_INDEX, SQE_OFF_IOPRIO, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS,
} from "../abi/uapi";
import { B_IMPORT_AT_PREP, B_RECV_LIMIT, ROW_RECV } from "../abi/profile";
import { has, validFlags } from "../lib/profile";
import { nil } from "../lib/state";
import { accessOk } from "../mm/vma";
import { FILE_SOCKET } from "../fs/file";
import { exportMsghdr, msgInit, setRecvControl } from "../net/msg_import";
import { SCRATCH_MSG, SCRATCH_NAME } from "../net/scratch";
import { MsgHdr, SHUTDOWN_RCV, Sock } from "../net/sock";
import { sockRecvmsg } from "../net/socket";
import { BufGroup, bufSel, doBufferSelect, putKbufs, recycleKbuf } from "./kbuf";
import { SEND_F_IMPORT, netRetry, pollFirst, sendAlloc, sendResult, sleepOrIntr, userMsg } from "./net";
import {
  RECV_F_DONE, RECV_F_LIMIT, RECV_F_NO_RETRY, RECV_F_PER_CQE, RECV_F_RETRY, bundleNbufs, commitPartial, netState, recvSelect,
} from "./net_bundle";
import { recvmsgSelect, recvmsgSetup, recvmsgWriteOut } from "./net_recvmsg";
import { vecGive, vecTake } from "./net_vec";
import { reqPostCqe } from "./req";
import {
  IO_URING_F_MULTISHOT, IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_REQUEUE, IOU_WOULD_SLEEP, REQ_F_APOLL_MULTISHOT, REQ_F_BL_EMPTY, REQ_F_BUFFER_SELECT, REQ_F_NOWAIT, Req, reqIter,
  setFail, setRes,
} from "./types";

/** Receives in a row, besides the first, before a multishot request lets others have their turn. */
const MSHOT_RETRY: u32 = 32;
/** CQE flags that are those of a bundle's last receive; the buffer is that of the first. */
const CQE_F_MASK: u32 = IORING_CQE_F_MORE | IORING_CQE_F_SOCK_NONEMPTY | IORING_CQE_F_BUF_MORE;
/** receive() has to be called again at once. */
const AGAIN: i32 = 1;

function prepCommon(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  const len = load<u32>(sqe, SQE_OFF_LEN), limit = load<u32>(sqe, SQE_OFF_FILE_INDEX);
  if (load<u64>(sqe, SQE_OFF_ADDR2)) return -EINVAL;
  if ((len as i32) < 0) return -EINVAL;
  req.zc_flags = load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  if (req.zc_flags & ~validFlags(ROW_RECV)) return -EINVAL;
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  if (req.msg_flags & MSG_DONTWAIT) req.flags |= REQ_F_NOWAIT;
  if (req.zc_flags & IORING_RECVSEND_BUNDLE && req.opcode == IORING_OP_RECVMSG) return -EINVAL;
  const s = netState(req);
  if (req.zc_flags & IORING_RECV_MULTISHOT) {
    if (!(req.flags & REQ_F_BUFFER_SELECT) || req.msg_flags & MSG_WAITALL) return -EINVAL;
    if (limit && (req.opcode != IORING_OP_RECV || !has(B_RECV_LIMIT))) return -EINVAL;
    if (limit) req.zc_flags |= RECV_F_LIMIT;
    s.mshot_left = limit;
    s.loops = 0;
    req.flags |= REQ_F_APOLL_MULTISHOT;
  } else if (limit) {
    return -EINVAL;
  }
  req.cmd_len = len;
  s.mshot_len = req.opcode == IORING_OP_RECV ? len : 0;
  s.inq = 0;
  s.segs = 1;
  if (req.ctx.vec_cache) vecTake(req);
  return 0;
}

export function recvPrep(req: Req, sqe: usize): i32 {
  const err = prepCommon(req, sqe);
  if (err) return err;
  if (req.flags & REQ_F_BUFFER_SELECT) return req.zc_flags & IORING_RECVSEND_BUNDLE && !sendAlloc(req) ? -ENOMEM : 0;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  return importOrLater(req);
}

/** Before 6.10 not before the first issue (net.ts SEND_F_IMPORT). */
function importOrLater(req: Req): i32 {
  req.zc_flags |= SEND_F_IMPORT;
  return has(B_IMPORT_AT_PREP) ? recvImport(req) : 0;
}

/** The buffer, or the msghdr, that the SQE points to; once. 0 or -errno. */
export function recvImport(req: Req): i32 {
  if (!(req.zc_flags & SEND_F_IMPORT)) return 0;
  req.zc_flags &= ~SEND_F_IMPORT;
  if (req.opcode == IORING_OP_RECVMSG) return sendAlloc(req) ? recvmsgSetup(req) : -ENOMEM;
  const len = min<u32>(req.cmd_len, MAX_RW_COUNT);
  if (!accessOk(req.cmd_addr, len as u64)) return -EFAULT;
  iterUbuf(reqIter(req), req.cmd_addr, len);
  return 0;
}

export function recvmsgPrep(req: Req, sqe: usize): i32 {
  const err = prepCommon(req, sqe);
  if (err) return err;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  return importOrLater(req);
}

/** Unlike the others, RECV polls first and looks what it polled afterwards. */
export function recvIssue(req: Req, issueFlags: u32): i32 {
  if (pollFirst(req)) return -EAGAIN;
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  if (req.zc_flags & SEND_F_IMPORT) {
    const err = recvImport(req);
    if (err) return err;
  }
  const sk = changetype<Sock>(req.file.priv);
  let ret: i32;
  do {
    let group = nil<BufGroup>(), err: i32 = 0;
    if (doBufferSelect(req)) {
      err = recvSelect(req, issueFlags);
      group = bufSel().group;
    }
    ret = receive(req, sk, issueFlags, group, err);
  } while (ret == AGAIN);
  return ret;
}

export function recvmsgIssue(req: Req, issueFlags: u32): i32 {
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  if (req.zc_flags & SEND_F_IMPORT) {
    const err = recvImport(req);
    if (err) return err;
  }
  if (pollFirst(req)) return -EAGAIN;
  const sk = changetype<Sock>(req.file.priv);
  let ret: i32;
  do {
    let group = nil<BufGroup>();
    if (doBufferSelect(req)) {
      const err = recvmsgSelect(req, issueFlags);
      if (err) return err;
      group = bufSel().group;
    }
    ret = receive(req, sk, issueFlags, group, 0);
  } while (ret == AGAIN);
  return ret;
}

/** The protocol's receive, with what RECVMSG gives back besides the bytes. Bytes or -errno. */
function recvCall(req: Req, sk: Sock, msg: MsgHdr, flags: u32): i32 {
  msgInit(msg, reqIter(req), flags);
  msg.inq = -1;
  if (req.opcode == IORING_OP_RECV) return sockRecvmsg(sk, msg);
  const um = userMsg(req), multishot = (req.flags & REQ_F_APOLL_MULTISHOT) != 0;
  msg.name = multishot ? (um.namelen ? SCRATCH_NAME : 0) : um.name ? SCRATCH_NAME : 0;
  setRecvControl(msg, um);
  const ret = sockRecvmsg(sk, msg);
  if (ret < 0 || multishot) return ret;
  const err = exportMsghdr(msg, um, req.cmd_addr);
  return err ? err : ret;
}

/** Control data comes with the first part: there is no second. */
@inline function hasControl(req: Req): bool { return req.opcode == IORING_OP_RECVMSG && userMsg(req).controllen != 0; }

/** A worker that would wait for datagrams after shutdown(2) gets the end of them. */
@inline function recvEnded(sk: Sock): bool { return sk.type == SOCK_DGRAM && (sk.shutdown & SHUTDOWN_RCV) != 0; }

/** One receive and what follows from it; `err`: no buffer could be taken for it. */
function receive(req: Req, sk: Sock, issueFlags: u32, group: BufGroup, err: i32): i32 {
  const msg = changetype<MsgHdr>(SCRATCH_MSG), s = netState(req);
  let flags = req.msg_flags, ret = err, ended = true;
  if (issueFlags & IO_URING_F_NONBLOCK) flags |= MSG_DONTWAIT;
  if (!err) {
    const minRet: i32 = flags & MSG_WAITALL && !(flags & MSG_ERRQUEUE) && !hasControl(req) ? reqIter(req).count as i32 : 0;
    const before = reqIter(req).count;
    ret = recvCall(req, sk, msg, flags);
    if (flags & MSG_TRUNC && sk.family == AF_INET && sk.type == SOCK_STREAM) reqIter(req).count = before; // TCP threw it away: nothing is filled
    if (ret == -EAGAIN && !(flags & MSG_DONTWAIT) && recvEnded(sk)) ret = 0;
    ended = ret <= 0;
    s.inq = ret < 0 ? -1 : (msg.inq as i32);
    if (ret >= 0 && req.opcode == IORING_OP_RECVMSG && req.flags & REQ_F_APOLL_MULTISHOT) {
      ret = recvmsgWriteOut(req, msg, ret);
      if (ret < 0) ended = true;
    }
    if (ret < minRet) {
      if (ret == -EAGAIN) {
        if (issueFlags & IO_URING_F_NONBLOCK) {
          recycleKbuf(req, group);
          return -EAGAIN;
        }
        if (!(flags & MSG_DONTWAIT)) return sleepOrIntr(req);
      } else if (ret > 0 && netRetry(sk, flags)) {
        req.done_io += ret;
        commitPartial(req, group, ret);
        return issueFlags & IO_URING_F_NONBLOCK ? -EAGAIN : IOU_WOULD_SLEEP;
      }
      if (ret == -ERESTARTSYS) ret = -EINTR;
      setFail(req);
    } else if (flags & MSG_WAITALL && msg.out_flags & (MSG_TRUNC | MSG_CTRUNC)) {
      setFail(req);
    }
  } else {
    s.inq = -1;
    setFail(req);
  }
  if (ret <= 0 && !req.done_io) recycleKbuf(req, group);
  return finish(req, sendResult(req, ret), ended, group, issueFlags);
}

/** AGAIN, IOU_COMPLETE, or (multishot, waiting for more) -EAGAIN or IOU_REQUEUE. */
function finish(req: Req, ret: i32, ended: bool, group: BufGroup, issueFlags: u32): i32 {
  const s = netState(req);
  let cflags: u32 = s.inq > 0 ? IORING_CQE_F_SOCK_NONEMPTY : 0;
  if (ret > 0 && req.zc_flags & RECV_F_LIMIT) {
    s.mshot_left -= min<u32>(ret, s.mshot_left);
    if (!s.mshot_left) {
      req.zc_flags |= RECV_F_DONE;
      ended = true;
    }
  }
  if (req.zc_flags & IORING_RECVSEND_BUNDLE) {
    const now = ret - (req.done_io as i32);
    cflags |= putKbufs(req, now, group, bundleNbufs(req, now));
    if (req.zc_flags & RECV_F_RETRY) cflags = req.cflags | (cflags & CQE_F_MASK);
    if (ended || req.flags & REQ_F_BL_EMPTY) return complete(req, ret, cflags, issueFlags);
    if (!(req.zc_flags & RECV_F_PER_CQE) && s.inq > 1 && now > 0 && !reqIter(req).count) {
      req.cflags = cflags & ~CQE_F_MASK;
      req.cmd_len = s.inq;
      req.done_io += now;
      req.zc_flags |= RECV_F_RETRY;
      return AGAIN;
    }
  } else {
    cflags |= putKbufs(req, ret, group, 1);
  }
  if (!(req.flags & REQ_F_APOLL_MULTISHOT) || ended || !reqPostCqe(req, ret, cflags | IORING_CQE_F_MORE)) return complete(req, ret, cflags, issueFlags);
  return nextShot(req, issueFlags);
}

function complete(req: Req, ret: i32, cflags: u32, issueFlags: u32): i32 {
  setRes(req, ret, cflags);
  if (req.ctx.vec_cache) vecGive(req, issueFlags);
  return IOU_COMPLETE;
}

/** Multishot, after a CQE: receive again at once, or wait for the next event. */
function nextShot(req: Req, issueFlags: u32): i32 {
  const s = netState(req);
  req.flags &= ~REQ_F_BL_EMPTY;
  req.zc_flags &= ~RECV_F_PER_CQE;
  req.done_io = 0;
  req.cmd_len = s.mshot_len;
  if (!s.inq) return -EAGAIN; // there is nothing left
  if (s.loops++ < MSHOT_RETRY && !(req.zc_flags & RECV_F_DONE)) return AGAIN;
  s.loops = 0;
  return issueFlags & IO_URING_F_MULTISHOT ? IOU_REQUEUE : -EAGAIN;
}
