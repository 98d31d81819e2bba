// TIMEOUT (by time, or by number of completions; once, or again and again), TIMEOUT_REMOVE with its updates, and LINK_TIMEOUT.
// Expiry only queues task work.
//
// Request fields used: cmd_addr = time in ns, cmd_len = completion count or repetitions, done_io = number of completions that ends it,
// zc_flags = repetitions left, msg_flags = IORING_TIMEOUT_*, big0 = Timer, nd_head = the request that a LINK_TIMEOUT guards.
// man: io_uring_enter(2), io_uring_prep_timeout(3), io_uring_prep_timeout_update(3).
import { ECANCELED, EINVAL, ENOENT, ETIME } from "../abi/errno";
import {
  IORING_CQE_F_MORE, IORING_LINK_TIMEOUT_UPDATE, IORING_OP_LINK_TIMEOUT, IORING_TIMEOUT_ABS, IORING_TIMEOUT_BOOTTIME,
  IORING_TIMEOUT_ETIME_SUCCESS, IORING_TIMEOUT_IMMEDIATE_ARG, IORING_TIMEOUT_MULTISHOT, IORING_TIMEOUT_REALTIME, IORING_TIMEOUT_UPDATE, SQE_OFF_ADDR, SQE_OFF_ADDR2,
  SQE_OFF_ADDR3, SQE_OFF_BUF_INDEX, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_OFF, SQE_OFF_PAD2, SQE_OFF_TIMEOUT_FLAGS,
} from "../abi/uapi";
import { ROW_TIMEOUT } from "../abi/profile";
import { validFlags } from "../lib/profile";
import { SCRATCH_TIMESPEC, nil, nowNs } from "../lib/state";
import { Timer, timerArm, timerCancel, timerFree, timerNew } from "../lib/timer";
import { TIME_MOST, importTimespec } from "../mm/timespec";
import { CLOCK_MONOTONIC_START, CLOCK_REALTIME_START, fromClock } from "../kernel/sched";
import { cancelByData } from "./cancel";
import {
  CANCEL_LTIMEOUT, CANCEL_TIMEOUT, cancelFirst, cancelLast, cancelListAdd, cancelListDel, cancelListInsert,
} from "./cancel_list";
import { completeDefer, reqPostCqe, reqPut, taskComplete } from "./req";
import { reqTaskWorkAdd } from "./tw";
import {
  IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, REQ_F_ARM_LTIMEOUT, REQ_F_BUFFER_SELECT, REQ_F_FIXED_FILE, REQ_F_LINK_TIMEOUT, REQ_F_NEED_CLEANUP,
  REQ_F_REFCOUNT, Req, RingCtx, setFail, setRes,
} from "./types";

const CLOCKS: u32 = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME;
const UPDATES: u32 = IORING_TIMEOUT_UPDATE | IORING_LINK_TIMEOUT_UPDATE;
/** Flags of a TIMEOUT; UPDATE and LINK_TIMEOUT_UPDATE are TIMEOUT_REMOVE's. */
@inline function timeoutFlags(): u32 { return validFlags(ROW_TIMEOUT) & ~UPDATES; }

/** The time that `arg` points to, or (7.1, IMMEDIATE_ARG) is, as ns in SCRATCH_TIMESPEC. 0, -EFAULT, -EINVAL. */
function timeArg(flags: u32, arg: u64): i32 {
  if (!(flags & IORING_TIMEOUT_IMMEDIATE_ARG)) return importTimespec(arg);
  if ((arg as i64) < 0) return -EINVAL;
  store<u64>(SCRATCH_TIMESPEC, min<u64>(arg, TIME_MOST));
  return 0;
}

function prep(req: Req, sqe: usize, isLink: bool): i32 {
  if (load<u64>(sqe, SQE_OFF_ADDR3) || load<u64>(sqe, SQE_OFF_PAD2)) return -EINVAL;
  if (load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_LEN) != 1 || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const off = load<u64>(sqe, SQE_OFF_OFF) as u32;
  if (off && isLink) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_TIMEOUT_FLAGS);
  if (flags & ~timeoutFlags() || (flags & CLOCKS) == CLOCKS) return -EINVAL;
  if (flags & IORING_TIMEOUT_MULTISHOT && flags & IORING_TIMEOUT_ABS) return -EINVAL;
  const err = timeArg(flags, load<u64>(sqe, SQE_OFF_ADDR));
  if (err) return err;
  req.msg_flags = flags;
  req.cmd_addr = load<u64>(SCRATCH_TIMESPEC);
  req.cmd_len = off;
  req.zc_flags = off;
  req.big0 = changetype<usize>(timerNew(timeoutExpired.index, changetype<usize>(req))) as u32;
  req.flags |= REQ_F_NEED_CLEANUP;
  return 0;
}

export function timeoutPrep(req: Req, sqe: usize): i32 { return prep(req, sqe, false); }

/** Must follow the request it guards in a chain; one each. */
export function linkTimeoutPrep(req: Req, sqe: usize): i32 {
  const ctx = req.ctx;
  const err = prep(req, sqe, true);
  if (err) return err;
  if (!ctx.link_head || ctx.link_last.opcode == IORING_OP_LINK_TIMEOUT) {
    return -EINVAL;
  }
  req.nd_head = ctx.link_last;
  ctx.link_last.flags |= REQ_F_ARM_LTIMEOUT;
  return 0;
}

/** When `ns` is, on the machine's own clock. */
function whenIs(flags: u32, ns: u64): u64 {
  if (!(flags & IORING_TIMEOUT_ABS)) return nowNs() + ns;
  return fromClock(ns, flags & IORING_TIMEOUT_REALTIME ? CLOCK_REALTIME_START : CLOCK_MONOTONIC_START);
}

/** Starts the clock. A time that has come already interrupts at once. */
function startTimer(req: Req): void {
  const at = whenIs(req.msg_flags, req.cmd_addr);
  if (at > nowNs()) timerArm(changetype<Timer>(req.big0 as usize), at);
  else timeoutExpired(changetype<usize>(req));
}

/** Cleanup of either kind: it may end before it was ever armed. */
export function timeoutCleanup(req: Req): void {
  if (!req.big0) return;
  cancelListDel(req);
  timerFree(changetype<Timer>(req.big0 as usize));
  req.big0 = 0;
}

// TIMEOUT ----------------------------------------------------------------------------------------------------------------

/** Does it wait for the clock alone? */
@inline function noSeq(req: Req): bool { return !req.cmd_len || (req.msg_flags & IORING_TIMEOUT_MULTISHOT) != 0; }

/** CQEs so far, without those of timeouts. */
@inline function seqNow(ctx: RingCtx): u32 { return ctx.cached_cq_tail - ctx.cq_timeouts; }

export function timeoutIssue(req: Req): i32 {
  const ctx = req.ctx;
  let prev = cancelLast(ctx, CANCEL_TIMEOUT);
  if (!noSeq(req)) { // sorted by the completion that ends it, all before those without
    const seq = seqNow(ctx);
    req.done_io = seq + req.cmd_len;
    ctx.cq_last_tm_flush = seq;
    while (prev && (noSeq(prev) || req.cmd_len < prev.done_io - seq)) prev = prev.cancel_prev;
    ctx.timeouts_active++;
  }
  cancelListInsert(req, CANCEL_TIMEOUT, prev);
  startTimer(req);
  return IOU_ISSUE_SKIP_COMPLETE;
}

/** Off the list, the clock stopped. */
function unlist(req: Req): void {
  if (!noSeq(req)) req.ctx.timeouts_active--;
  cancelListDel(req);
  timerCancel(changetype<Timer>(req.big0 as usize));
}

/** The time has come, for either kind. */
function timeoutExpired(p: usize): void {
  const req = changetype<Req>(p);
  if (req.opcode == IORING_OP_LINK_TIMEOUT) {
    linkTimeoutExpired(req);
    return;
  }
  unlist(req);
  req.ctx.cq_timeouts++;
  if (!(req.msg_flags & IORING_TIMEOUT_ETIME_SUCCESS)) setFail(req);
  setRes(req, -ETIME, 0);
  reqTaskWorkAdd(req, taskExpired.index);
}

function taskExpired(req: Req): void {
  if (!isLast(req) && reqPostCqe(req, -ETIME, IORING_CQE_F_MORE)) {
    cancelListAdd(req, CANCEL_TIMEOUT);
    startTimer(req);
    return;
  }
  completeDefer(req);
}

/** Counts a repetition; a multishot timeout without a number goes on for ever. */
function isLast(req: Req): bool {
  if (!(req.msg_flags & IORING_TIMEOUT_MULTISHOT)) return true;
  if (!req.cmd_len) return false;
  return --req.zc_flags == 0;
}

/**
 * Completion-count timeouts whose number of CQEs has been posted complete with 0. Timeouts' own CQEs do not count. They are
 * taken off the count before they are posted: between the two, and while they wait on the overflow list, the count is
 * lower than at the last look, and the difference, being unsigned, ends whatever is next.
 */
export function flushTimeouts(ctx: RingCtx): void {
  const seq = seqNow(ctx), last = ctx.cq_last_tm_flush;
  ctx.cq_last_tm_flush = seq;
  for (;;) {
    const req = cancelFirst(ctx, CANCEL_TIMEOUT);
    if (!req || noSeq(req) || seq - last < req.done_io - last) return;
    unlist(req);
    ctx.cq_timeouts++;
    setRes(req, 0, 0);
    reqTaskWorkAdd(req, taskComplete.index);
  }
}

/** A cancelled TIMEOUT fails with ECANCELED from task work. */
export function timeoutCancel(req: Req): void {
  unlist(req);
  setFail(req);
  setRes(req, -ECANCELED, 0);
  reqTaskWorkAdd(req, taskComplete.index);
}

// TIMEOUT_REMOVE ---------------------------------------------------------------------------------------------------------

/** cmd_addr = user_data to look for, iter = new time in ns, msg_flags = IORING_TIMEOUT_*. */
export function timeoutRemovePrep(req: Req, sqe: usize): i32 {
  if (req.flags & (REQ_F_FIXED_FILE | REQ_F_BUFFER_SELECT)) return -EINVAL;
  if (load<u64>(sqe, SQE_OFF_ADDR3) || load<u64>(sqe, SQE_OFF_PAD2)) return -EINVAL;
  if (load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_LEN) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_TIMEOUT_FLAGS);
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.msg_flags = flags;
  if (!(flags & UPDATES)) return flags ? -EINVAL : 0;
  if ((flags & CLOCKS) == CLOCKS || flags & ~(UPDATES | IORING_TIMEOUT_ABS | (validFlags(ROW_TIMEOUT) & IORING_TIMEOUT_IMMEDIATE_ARG))) return -EINVAL;
  const err = timeArg(flags, load<u64>(sqe, SQE_OFF_ADDR2));
  if (err) return err;
  req.iter = load<u64>(SCRATCH_TIMESPEC);
  return 0;
}

/** Cancels a TIMEOUT, or gives a TIMEOUT or LINK_TIMEOUT another time. 0 or ENOENT. */
export function timeoutRemove(req: Req): i32 {
  const ctx = req.ctx, flags = req.msg_flags;
  const timeout = findTimeout(ctx, flags & IORING_LINK_TIMEOUT_UPDATE ? CANCEL_LTIMEOUT : CANCEL_TIMEOUT, req.cmd_addr);
  const ret: i32 = timeout ? 0 : -ENOENT;
  if (ret) setFail(req);
  else if (!(flags & UPDATES)) timeoutCancel(timeout);
  else update(timeout, req.iter, flags & IORING_TIMEOUT_ABS);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

function findTimeout(ctx: RingCtx, kind: u32, data: u64): Req {
  let req = cancelFirst(ctx, kind);
  while (req && req.user_data != data) req = req.cancel_next;
  return req;
}

/** The new time counts from now (or is absolute, on the timeout's own clock); a number of completions is forgotten. */
function update(req: Req, ns: u64, abs: u32): void {
  req.cmd_addr = ns;
  req.msg_flags = (req.msg_flags & ~IORING_TIMEOUT_ABS) | abs;
  if (req.on_cancel == CANCEL_TIMEOUT) {
    unlist(req);
    req.cmd_len = 0;
    cancelListAdd(req, CANCEL_TIMEOUT);
  }
  startTimer(req);
}

// LINK_TIMEOUT -----------------------------------------------------------------------------------------------------------

/** io_prep_linked_timeout(): the timeout behind a request that did not complete at once; nil if there is none. */
export function prepLinkTimeout(req: Req): Req {
  if (!(req.flags & REQ_F_ARM_LTIMEOUT)) return nil<Req>();
  req.flags = (req.flags & ~REQ_F_ARM_LTIMEOUT) | REQ_F_LINK_TIMEOUT;
  return req.link;
}

export function armLinkTimeout(req: Req): void {
  if (!req.nd_head || !req.big0) return;
  cancelListAdd(req, CANCEL_LTIMEOUT);
  startTimer(req);
}

/** The guarded request is done: its timeout ends with ECANCELED, whatever comes behind it moves up. */
export function disarmLinkTimeout(req: Req): void {
  const link = req.link;
  req.flags &= ~(REQ_F_ARM_LTIMEOUT | REQ_F_LINK_TIMEOUT);
  if (!link || link.opcode != IORING_OP_LINK_TIMEOUT || link.nd_head != req) return;
  req.link = link.link;
  link.link = nil<Req>();
  link.nd_head = nil<Req>();
  timeoutCleanup(link);
  setRes(link, -ECANCELED, 0);
  reqTaskWorkAdd(link, taskComplete.index);
}

function linkTimeoutExpired(req: Req): void {
  const prev = req.nd_head;
  timeoutCleanup(req);
  if (prev) {
    prev.link = req.link;
    req.link = nil<Req>();
    prev.flags &= ~REQ_F_LINK_TIMEOUT;
    if (!(prev.flags & REQ_F_REFCOUNT)) {
      prev.flags |= REQ_F_REFCOUNT;
      prev.refs = 1;
    }
    prev.refs++; // task work below looks at it
  }
  reqTaskWorkAdd(req, taskLinkTimeout.index);
}

function taskLinkTimeout(req: Req): void {
  const prev = req.nd_head;
  let ret: i32 = 0;
  if (prev) {
    ret = cancelByData(req.ctx, prev.user_data);
    req.nd_head = nil<Req>();
    reqPut(prev);
  }
  setRes(req, ret ? ret : -ETIME, 0);
  completeDefer(req);
}
