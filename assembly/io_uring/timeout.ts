// TIMEOUT (by time, or by number of completions) and LINK_TIMEOUT. Expiry only queues task work.
//
// Request fields used: cmd_addr = time in ns, cmd_len = completion count, done_io = CQ position when armed, msg_flags =
// IORING_TIMEOUT_*, big0 = Timer, nd_head = the request that a LINK_TIMEOUT guards.
import { NOT_MODELLED_FORM } from "../abi/not_modelled";
import { ECANCELED, EINVAL, ENOMEM, ETIME } from "../abi/errno";
import {
  IORING_OP_LINK_TIMEOUT, IORING_TIMEOUT_ABS, IORING_TIMEOUT_BOOTTIME, IORING_TIMEOUT_ETIME_SUCCESS, IORING_TIMEOUT_MULTISHOT,
  IORING_TIMEOUT_REALTIME, SQE_OFF_ADDR, SQE_OFF_ADDR3, SQE_OFF_BUF_INDEX, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_OFF, SQE_OFF_PAD2,
  SQE_OFF_TIMEOUT_FLAGS,
} from "../abi/uapi";
import { notModelled } from "../lib/not_modelled";
import { SCRATCH_TIMESPEC, nil, nowNs } from "../lib/state";
import { Timer, timerArm, timerFree, timerNew } from "../lib/timer";
import { copyFromUser } from "../mm/vma";
import { CANCEL_FLAG_USERDATA, tryCancel } from "./cancel";
import { completeDefer, reqPut, taskComplete } from "./req";
import { reqTaskWorkAdd } from "./tw";
import {
  CANCEL_LTIMEOUT, CANCEL_TIMEOUT, IOU_ISSUE_SKIP_COMPLETE, REQ_F_ARM_LTIMEOUT, REQ_F_LINK_TIMEOUT, REQ_F_NEED_CLEANUP, REQ_F_REFCOUNT, Req, RingCtx, cancelListAdd,
  cancelListDel, setFail, setRes,
} from "./types";

const NSEC_PER_SEC: u64 = 1000000000;

/** {s64 sec, s64 nsec} at `addr` as ns: -EFAULT, -EINVAL (negative). The value is left in the scratch page. */
function importTimespec(addr: u64): i32 {
  const err = copyFromUser(SCRATCH_TIMESPEC, addr, 16);
  if (err) return err;
  const sec = load<i64>(SCRATCH_TIMESPEC), nsec = load<i64>(SCRATCH_TIMESPEC, 8);
  if (sec < 0 || nsec < 0) return -EINVAL;
  // Far beyond any run: cut, so that the sum with the clock cannot wrap.
  const ns: u64 = sec > 4000000000 ? 4000000000 * NSEC_PER_SEC : (sec as u64) * NSEC_PER_SEC + (nsec as u64);
  store<u64>(SCRATCH_TIMESPEC, ns);
  return 0;
}

function prep(req: Req, sqe: usize, isLink: bool): i32 {
  if (load<u64>(sqe, SQE_OFF_ADDR3) || load<u64>(sqe, SQE_OFF_PAD2)) return -EINVAL;
  if (load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_LEN) != 1 || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const off = load<u64>(sqe, SQE_OFF_OFF) as u32;
  if (off && isLink) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_TIMEOUT_FLAGS), clocks = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME;
  if (flags & ~(IORING_TIMEOUT_ABS | clocks | IORING_TIMEOUT_ETIME_SUCCESS | IORING_TIMEOUT_MULTISHOT)) return -EINVAL;
  if ((flags & clocks) == clocks) return -EINVAL;
  if (flags & IORING_TIMEOUT_MULTISHOT && flags & IORING_TIMEOUT_ABS) return -EINVAL;
  const err = importTimespec(load<u64>(sqe, SQE_OFF_ADDR));
  if (err) return err;
  if (flags & (IORING_TIMEOUT_MULTISHOT | IORING_TIMEOUT_REALTIME)) return notModelled(NOT_MODELLED_FORM | req.opcode);
  req.msg_flags = flags;
  req.cmd_addr = load<u64>(SCRATCH_TIMESPEC);
  req.cmd_len = off;
  const timer = timerNew(timeoutExpired.index, changetype<usize>(req));
  if (!timer) return -ENOMEM;
  req.big0 = changetype<usize>(timer) as u32;
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

@inline function arm(req: Req, kind: u32): void {
  cancelListAdd(req, kind);
  timerArm(changetype<Timer>(req.big0 as usize), req.msg_flags & IORING_TIMEOUT_ABS ? req.cmd_addr : nowNs() + req.cmd_addr);
}

/** Cleanup of either kind: it may end before it was ever armed. */
export function timeoutCleanup(req: Req): void {
  if (req.big0) release(req);
}

function release(req: Req): void {
  cancelListDel(req);
  timerFree(changetype<Timer>(req.big0 as usize));
  req.big0 = 0;
}

export function timeoutIssue(req: Req): i32 {
  const ctx = req.ctx;
  req.done_io = ctx.cached_cq_tail - ctx.cq_timeouts;
  ctx.timeouts_active++;
  arm(req, CANCEL_TIMEOUT);
  return IOU_ISSUE_SKIP_COMPLETE;
}

/** The time has come, for either kind. */
function timeoutExpired(p: usize): void {
  const req = changetype<Req>(p);
  if (req.opcode == IORING_OP_LINK_TIMEOUT) {
    linkTimeoutExpired(req);
    return;
  }
  const ctx = req.ctx;
  release(req);
  ctx.timeouts_active--;
  ctx.cq_timeouts++;
  if (!(req.msg_flags & IORING_TIMEOUT_ETIME_SUCCESS)) setFail(req);
  setRes(req, -ETIME, 0);
  reqTaskWorkAdd(req, taskComplete.index);
}

/** Completion-count timeouts whose number of CQEs has been posted complete with 0. Timeouts' own CQEs do not count. */
export function flushTimeouts(ctx: RingCtx): void {
  const seq = ctx.cached_cq_tail - ctx.cq_timeouts;
  let req = ctx.cancel_first;
  while (req) {
    const next = req.cancel_next;
    if (req.on_cancel == CANCEL_TIMEOUT && req.cmd_len && seq - req.done_io >= req.cmd_len) {
      release(req);
      ctx.timeouts_active--;
      ctx.cq_timeouts++;
      setRes(req, 0, 0);
      reqTaskWorkAdd(req, taskComplete.index);
    }
    req = next;
  }
}

/** A cancelled TIMEOUT fails with ECANCELED from task work. */
export function timeoutCancel(req: Req): void {
  release(req);
  req.ctx.timeouts_active--;
  setFail(req);
  setRes(req, -ECANCELED, 0);
  reqTaskWorkAdd(req, taskComplete.index);
}

// LINK_TIMEOUT -----------------------------------------------------------------------------------------------------------

/** io_prep_linked_timeout(): the timeout behind a request that did not complete at once; nil if there is none. */
export function prepLinkTimeout(req: Req): Req {
  if (!(req.flags & REQ_F_ARM_LTIMEOUT)) return nil<Req>();
  req.flags = (req.flags & ~REQ_F_ARM_LTIMEOUT) | REQ_F_LINK_TIMEOUT;
  return req.link;
}

export function armLinkTimeout(req: Req): void {
  if (req.nd_head && req.big0) arm(req, CANCEL_LTIMEOUT);
}

/** The guarded request is done: its timeout ends with ECANCELED, whatever comes behind it moves up. */
export function disarmLinkTimeout(req: Req): void {
  const link = req.link;
  req.flags &= ~(REQ_F_ARM_LTIMEOUT | REQ_F_LINK_TIMEOUT);
  if (!link || link.opcode != IORING_OP_LINK_TIMEOUT || link.nd_head != req) return;
  req.link = link.link;
  link.link = nil<Req>();
  link.nd_head = nil<Req>();
  release(link);
  setRes(link, -ECANCELED, 0);
  reqTaskWorkAdd(link, taskComplete.index);
}

function linkTimeoutExpired(req: Req): void {
  const prev = req.nd_head;
  release(req);
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
    ret = tryCancel(req.ctx, CANCEL_FLAG_USERDATA, prev.user_data, 0, 0);
    req.nd_head = nil<Req>();
    reqPut(prev);
  }
  setRes(req, ret ? ret : -ETIME, 0);
  completeDefer(req);
}
