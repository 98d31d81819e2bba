// SEND_ZC and SENDMSG_ZC: prep in the kernel's order (the order decides between one CQE and two), issue, failure, cleanup.
//
//   before the notification exists   an error is one CQE without F_MORE         (spec 2.2 B)
//   after it exists                  an error is two CQEs, the first with F_MORE (spec 2.2 C, D)
//
// Older releases do some of this elsewhere: see docs/profiles.md, B_ZC_* and the other behaviours asked for here.
//
// Inline issue flushes the notification itself, so a request that got to the protocol has its notification queued before
// its own completion is freed; every other way to the end flushes in cleanup, after the CQE was posted (2.3, A03, A12).
import { ITER_BVEC, iterVec, kvecBase, kvecLen } from "../mm/iov_iter";
import { EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, ENOTSOCK, EOPNOTSUPP, ERESTARTSYS } from "../abi/errno";
import { PAGE_SHIFT } from "../abi/layout";
import { MAX_RW_COUNT, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, MSG_ZEROCOPY } from "../abi/socket";
import { COPY_EMPTY, CQES_ONE, TR_NOTIF_CQES, TR_NOTIF_REQ, TRACE_ZC } from "../abi/trace";
import {
  IORING_CQE_F_MORE, IORING_OP_SENDMSG_ZC, IORING_RECVSEND_FIXED_BUF, IORING_SEND_VECTORIZED, IORING_SEND_ZC_REPORT_USAGE,
  SQE_OFF_ADDR, SQE_OFF_ADDR2, SQE_OFF_ADDR3, SQE_OFF_ADDR_LEN, SQE_OFF_FILE_INDEX, SQE_OFF_IOPRIO, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_PAD2, SQE_OFF_PAD3,
} from "../abi/uapi";
import {
  B_BUF_LOOKUP_AT_ISSUE, B_FAIL_KEEPS_PARTIAL, B_IMPORT_AT_PREP, B_NOTIF_USER_DATA, B_SENDMSG_ZC_ACCT, B_ZC_ACCT_AT_PREP, B_ZC_FAIL_NOTIF, B_ZC_FIXED_VEC,
  B_ZC_FLUSH_IN_CLEANUP, B_ZC_IOPRIO_LATE, B_ZC_SUPPORT_CHECK, ROW_SENDMSG_ZC, ROW_ZC, SW_TWO_CQE_SEP_UD,
  SW_ZC_SKIP_SUCCESS,
} from "../abi/profile";
import { anySwitch, has, switchOn, validFlags } from "../lib/profile";
import { choose } from "../lib/rng";
import { S_IOWQ_TURN, nil } from "../lib/state";
import { trace, traceOn } from "../lib/trace";
import { accountMem } from "../kernel/task";
import { FILE_SOCKET } from "../fs/file";
import { copyDebug } from "../net/copy_debug";
import { SOCK_F_SUPPORT_ZC, Sock } from "../net/sock";
import {
  SEND_F_IMPORT, importLater, netRetry, pollFirst, sendAlloc, sendCall, sendCleanup, sendImport, sendMsg, sendResult, sendSetupAddr, sendSetupBuf, sendmsgSetup, sleepOrIntr,
} from "./net";
import { sendzcIoprio } from "./dialect";
import { vecTake } from "./net_vec";
import { allocNotif, notifFlush } from "./notif";
import { holdBufNode, nodeCovers } from "./rsrc_buffers";
import { RsrcNode } from "./rsrc_node";
import { runTaskWork } from "./tw";
import { ZC_PROPOSED, letGo, zcComplete, zcFailed, zcPolicy } from "./zc_cqes";
import {
  IO_URING_F_NONBLOCK, IO_URING_F_UNLOCKED, IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_CQE_SKIP, REQ_F_NEED_CLEANUP, REQ_F_NOWAIT, Req, reqIter, reqUarg, setFail,
  setRes,
} from "./types";

/** zc_flags bit of ours: the registered buffer has been imported (once, however often issue runs: A35). */
const ZC_IMPORTED: u32 = 0x10000;

/** May addr3 name the notification's own user_data? */
function notifUserData(): bool { return has(B_NOTIF_USER_DATA) || switchOn(SW_TWO_CQE_SEP_UD) != 0; }

function traceUse(req: Req, notif: Req): void {
  const fixed = req.zc_flags & IORING_RECVSEND_FIXED_BUF;
  trace(TRACE_ZC, TR_NOTIF_REQ, changetype<usize>(reqUarg(notif)), req.user_data, changetype<usize>(req) as u32, fixed);
}

/** B1-B3, C1: what both opcodes check first. `valid`: the ioprio bits that this kernel knows. */
function prepCommon(req: Req, sqe: usize, valid: u32): i32 {
  req.done_io = 0;
  const other = load<u64>(sqe, SQE_OFF_ADDR3);
  if (load<u64>(sqe, SQE_OFF_PAD2) || (other && !notifUserData())) return -EINVAL;
  if (req.flags & REQ_F_CQE_SKIP && !switchOn(SW_ZC_SKIP_SUCCESS)) return -EINVAL; // a skipped CQE could not say F_MORE
  const changed = anySwitch();
  req.zc_flags = changed ? sendzcIoprio(sqe) : load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  const bad = (req.zc_flags & ~valid) != 0;
  if (bad && !has(B_ZC_IOPRIO_LATE)) return -EINVAL;
  const notif = allocNotif(req.ctx, req.user_data);
  if (!notif) return -ENOMEM;
  req.notif = notif;
  req.flags |= REQ_F_NEED_CLEANUP;
  if (changed || other) req.zc_flags |= zcPolicy(req, other);
  if (traceOn(TRACE_ZC)) traceUse(req, notif);
  if (bad) return -EINVAL;
  if (req.zc_flags & IORING_SEND_ZC_REPORT_USAGE) notif.zc_report = 1;
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS) | MSG_NOSIGNAL | MSG_ZEROCOPY;
  if (req.msg_flags & MSG_DONTWAIT) req.flags |= REQ_F_NOWAIT;
  if (req.ctx.vec_cache) vecTake(req);
  return 0;
}

@inline export function sendZcPrep(req: Req, sqe: usize): i32 {
  let err = prepCommon(req, sqe, validFlags(ROW_ZC));
  if (err) return err;
  if (req.zc_flags & IORING_RECVSEND_FIXED_BUF && !has(B_BUF_LOOKUP_AT_ISSUE) && !lookupEarly(req)) return -EFAULT;
  if (load<u16>(sqe, SQE_OFF_PAD3)) return -EINVAL;
  if (!has(B_IMPORT_AT_PREP)) return importLater(req, sqe);
  const to = load<u64>(sqe, SQE_OFF_ADDR2);
  if (to) {
    err = sendSetupAddr(req, to, load<u16>(sqe, SQE_OFF_ADDR_LEN));
    if (err) return err;
  }
  const addr = load<u64>(sqe, SQE_OFF_ADDR);
  let len = load<u32>(sqe, SQE_OFF_LEN);
  if (req.zc_flags & IORING_RECVSEND_FIXED_BUF) {
    if (req.zc_flags & IORING_SEND_VECTORIZED) return has(B_ZC_FIXED_VEC) ? sendSetupBuf(req, addr, len) : -EINVAL;
    if (len > MAX_RW_COUNT) len = MAX_RW_COUNT;
    req.cmd_addr = addr;
    req.cmd_len = len;
    return 0; // looked up at issue; its pages are accounted already
  }
  err = sendSetupBuf(req, addr, len);
  return err ? err : accountAtPrep(req);
}

export function sendmsgZcPrep(req: Req, sqe: usize): i32 {
  let err = prepCommon(req, sqe, validFlags(ROW_SENDMSG_ZC));
  if (err) return err;
  if (!has(B_IMPORT_AT_PREP)) return load<u64>(sqe, SQE_OFF_ADDR2) || load<u32>(sqe, SQE_OFF_FILE_INDEX) ? -EINVAL : importLater(req, sqe);
  if (!sendAlloc(req)) return -ENOMEM;
  if (load<u64>(sqe, SQE_OFF_ADDR2) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  err = sendmsgSetup(req, load<u64>(sqe, SQE_OFF_ADDR));
  if (err) return err;
  return req.zc_flags & IORING_RECVSEND_FIXED_BUF ? 0 : accountAtPrep(req);
}

// C11: pages charged to the ring's user until the notification completes; before 6.18 at issue, and up to 6.14 not those of
// SENDMSG_ZC (A36).
@inline function accountAtPrep(req: Req): i32 { return req.ctx.acct && has(B_ZC_ACCT_AT_PREP) ? account(req) : 0; }

function accountAtIssue(req: Req): i32 {
  if (req.notif.account_pages || req.zc_flags & IORING_RECVSEND_FIXED_BUF || has(B_ZC_ACCT_AT_PREP)) return 0;
  return req.opcode == IORING_OP_SENDMSG_ZC && !has(B_SENDMSG_ZC_ACCT) ? 0 : account(req);
}

function account(req: Req): i32 {
  const ctx = req.ctx, pages = (reqIter(req).count >> PAGE_SHIFT) + 2;
  if (accountMem(ctx.task, pages)) return -ENOMEM;
  req.notif.account_pages = pages;
  return 0;
}

/**
 * Before 6.13: the buffer is taken at submission, so it can be unregistered before the request is issued. False: there is no
 * such slot. An empty slot is found out at issue.
 */
function lookupEarly(req: Req): bool {
  if (req.buf_index >= req.ctx.buf_nr) return false;
  req.big0 = changetype<usize>(holdBufNode(req.notif, req.ctx, req.buf_index)) as u32;
  return true;
}
@inline function lookup(req: Req): RsrcNode {
  return has(B_BUF_LOOKUP_AT_ISSUE) ? holdBufNode(req.notif, req.ctx, req.buf_index) : changetype<RsrcNode>(req.big0 as usize);
}

/** D5 for SEND_ZC: the registered buffer; the notification keeps it from now on (A07). */
function importFixed(req: Req): i32 {
  if (req.zc_flags & ZC_IMPORTED) return 0;
  const node = lookup(req);
  if (!node || !nodeCovers(node, req.cmd_addr, req.cmd_len as u64)) return -EFAULT;
  const it = reqIter(req);
  iterVec(it, ITER_BVEC, 0, 1, req.cmd_len);
  it.base = req.cmd_addr;
  req.zc_flags |= ZC_IMPORTED;
  return 0;
}

/** D5 for a vector: every segment must lie in the registered buffer; an empty one is EFAULT, too. */
function importFixedVec(req: Req): i32 {
  if (req.zc_flags & ZC_IMPORTED) return 0;
  const node = holdBufNode(req.notif, req.ctx, req.buf_index), it = reqIter(req);
  if (!node) return -EFAULT;
  if (!it.iov) {
    if (!it.count || !nodeCovers(node, it.base, it.count as u64)) return -EFAULT;
  }
  for (let i: u32 = 0; it.iov && i < it.nr_segs; i++) {
    const len = kvecLen(it.iov, i);
    if (!len || !nodeCovers(node, kvecBase(it.iov, i), len as u64)) return -EFAULT;
  }
  it.kind = ITER_BVEC;
  req.zc_flags |= ZC_IMPORTED;
  return 0;
}

export function sendZcIssue(req: Req, issueFlags: u32): i32 {
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  const sk = changetype<Sock>(req.file.priv);
  if (!(sk.flags & SOCK_F_SUPPORT_ZC) && has(B_ZC_SUPPORT_CHECK)) return -EOPNOTSUPP;
  const err = beforeFirst(req);
  if (err) return err;
  if (pollFirst(req)) return -EAGAIN;
  if (req.zc_flags & IORING_RECVSEND_FIXED_BUF) {
    const err = req.zc_flags & IORING_SEND_VECTORIZED ? importFixedVec(req) : importFixed(req);
    if (err) return err;
  }
  return issue(req, sk, issueFlags);
}

export function sendmsgZcIssue(req: Req, issueFlags: u32): i32 {
  if (req.zc_flags & IORING_RECVSEND_FIXED_BUF) {
    const err = importFixedVec(req);
    if (err) return err;
  }
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  const sk = changetype<Sock>(req.file.priv);
  if (!(sk.flags & SOCK_F_SUPPORT_ZC)) return -EOPNOTSUPP;
  const err = beforeFirst(req);
  if (err) return err;
  if (pollFirst(req)) return -EAGAIN;
  return issue(req, sk, issueFlags);
}

/** What older releases did at the first issue. */
@inline function beforeFirst(req: Req): i32 {
  if (req.zc_flags & SEND_F_IMPORT) {
    const err = sendImport(req);
    if (err) return err;
  }
  return req.ctx.acct ? accountAtIssue(req) : 0;
}

function issue(req: Req, sk: Sock, issueFlags: u32): i32 {
  let flags = req.msg_flags;
  if (issueFlags & IO_URING_F_NONBLOCK) flags |= MSG_DONTWAIT;
  const minRet: i32 = flags & MSG_WAITALL ? reqIter(req).count as i32 : 0;
  const managed: u32 = req.zc_flags & IORING_RECVSEND_FIXED_BUF ? 1 : 0;
  let ret = sendMsg(req, flags, reqUarg(req.notif), managed);
  if (!ret) ret = sendCall(sk);
  if (!ret) copyDebug(reqUarg(req.notif), 0, COPY_EMPTY);
  if (ret < minRet) {
    if (ret == -EAGAIN) {
      if (issueFlags & IO_URING_F_NONBLOCK) return -EAGAIN;
      if (!(flags & MSG_DONTWAIT)) {
        ret = sleepOrIntr(req);
        if (ret) return ret;
        if (req.zc_flags & ZC_PROPOSED) return zcComplete(req, req.res, issueFlags);
        announce(req);
        return IOU_COMPLETE;
      }
    } else if (ret > 0 && netRetry(sk, flags)) {
      req.done_io += ret;
      return issueFlags & IO_URING_F_NONBLOCK ? -EAGAIN : IOU_WOULD_SLEEP;
    }
    if (ret == -ERESTARTSYS) ret = -EINTR;
    setFail(req);
  }
  if (req.zc_flags & ZC_PROPOSED) return zcComplete(req, sendResult(req, ret), issueFlags);
  setRes(req, sendResult(req, ret), 0);
  announce(req);
  // A worker may not flush: the notification could overtake the CQE that it belongs to (A03).
  if (!(issueFlags & IO_URING_F_UNLOCKED)) flush(req);
  else if (!has(B_ZC_FLUSH_IN_CLEANUP)) flushInWorker(req);
  return IOU_COMPLETE;
}

/** The CQE says that a notification follows; 6.0: unless the request has failed. */
@inline function announce(req: Req): void {
  if (req.res >= 0 || has(B_ZC_FAIL_NOTIF)) req.cflags |= IORING_CQE_F_MORE;
}

/** 6.0: the notification of a failed request ends without a CQE (A12). */
@inline function silence(req: Req): void {
  const notif = req.notif;
  if (req.cflags & IORING_CQE_F_MORE || has(B_ZC_FAIL_NOTIF) || notif.flags & REQ_F_CQE_SKIP) return;
  notif.flags |= REQ_F_CQE_SKIP;
  trace(TRACE_ZC, TR_NOTIF_CQES, changetype<usize>(reqUarg(notif)), req.user_data, CQES_ONE, 0);
}

@inline function flush(req: Req): void {
  silence(req);
  letGo(req, 0);
}

/** 6.0: the submitter may be faster with the notification's CQE than the worker with that of the request. */
function flushInWorker(req: Req): void {
  flush(req);
  req.notif = nil<Req>();
  if (load<u32>(S_IOWQ_TURN) && choose(2)) runTaskWork();
}

/**
 * The request fails elsewhere (bad file, cancelled, prep): partial progress counts, and the notification is announced. True: it
 * completes later (zc_cqes.ts).
 */
export function sendZcFail(req: Req): bool {
  if (req.done_io && has(B_FAIL_KEEPS_PARTIAL)) req.res = req.done_io as i32;
  if (!(req.flags & REQ_F_NEED_CLEANUP)) return false;
  if (req.zc_flags & ZC_PROPOSED || has(B_ZC_FAIL_NOTIF)) return zcFailed(req);
  if (req.notif) silence(req);
  return false;
}

export function sendZcCleanup(req: Req): void {
  sendCleanup(req);
  req.flags &= ~REQ_F_NEED_CLEANUP;
  if (req.notif) {
    if (!(req.zc_flags & ZC_PROPOSED)) silence(req);
    const notif = req.notif;
    if (req.flags & REQ_F_CQE_SKIP) notif.nd_main_posted = 1; // by a worker, or it counts as posted (I2)
    req.notif = nil<Req>();
    notifFlush(notif);
  }
}
