// Taking SQEs: from the submission queue to prep, into chains, to the first issue and, when that would block, to poll.
//
// Every SQE field is read once, into the request; after prep nobody looks at the SQE again, so an application that rewrites
// it during the call changes nothing (SUBMIT_STABLE).
//
// sq.tail is read with load-acquire (pairs with the application's store-release after filling SQEs); sq.head is stored with
// release after the batch, when the SQEs may be reused.
//
// Spec: send-zc.md 2.2 A, 2.3, 2.8; bug-history B01.
import { NOT_MODELLED_OP } from "../abi/not_modelled";
import { EACCES, EAGAIN, EBADF, ECANCELED, EINVAL, ENOTMODELLED, EOPNOTSUPP } from "../abi/errno";
import {
  IORING_SETUP_IOPOLL, IORING_SETUP_SUBMIT_ALL, RING_OFF_SQ_DROPPED, RING_OFF_SQ_HEAD, RING_OFF_SQ_TAIL, SQE_OFF_BUF_INDEX,
  SQE_OFF_FD, SQE_OFF_USER_DATA,
} from "../abi/uapi";
import {
  TR_IO_URING_ISSUE, TR_IO_URING_ISSUE_RET, TR_IO_URING_SOCKET, TR_IO_URING_SQE, TR_IO_URING_SUBMIT_REQ, TRACE_RING,
} from "../abi/trace";
import { B_DRAIN_BY_COUNT, OP_UNKNOWN, ROW_SQE } from "../abi/profile";
import { has, validFlags } from "../lib/profile";
import { notModelled } from "../lib/not_modelled";
import { nil } from "../lib/state";
import { trace, traceOn } from "../lib/trace";
import { FD_MAX, fdSlot } from "../kernel/task";
import { FILE_SOCKET, File, fget } from "../fs/file";
import { Sock } from "../net/sock";
import { dialectOpcode } from "./dialect";
import { drainReq, initDrain } from "./drain";
import { iowqRace, iowqWarm, queueIowq } from "./iowq";
import { OP_BUFFER_SELECT, OP_DIALECT, OP_IOPOLL, OP_IOPRIO, OP_MODELLED, OP_NEEDS_FILE, opFlags, opIssue, opPrep, opPrepAsync } from "./opdef";
import { APOLL_ABORTED, APOLL_READY, armPoll } from "./poll";
import { fixedFileNode } from "./filetable";
import { credsEnter, credsLeave, reqSetCreds } from "./personality";
import { restrictionAllows } from "./restrictions";
import { completeDefer, deferFailed, findNext, reqAlloc, reqFree, submitFlushCompletions } from "./req";
import { resourceHold } from "./rsrc_quiesce";
import { armLinkTimeout, prepLinkTimeout } from "./timeout";
import { reqTaskWorkAdd } from "./tw";
import {
  IO_URING_F_COMPLETE_DEFER, IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, REQ_F_BUFFER_SELECT, REQ_F_CQE_SKIP, REQ_F_CREDS, REQ_F_FAIL,
  REQ_F_FIXED_FILE, REQ_F_FORCE_ASYNC, REQ_F_HARDLINK, REQ_F_IO_DRAIN, REQ_F_LINK, REQ_F_NOWAIT, REQ_F_ARM_LTIMEOUT, REQ_LINK_FLAGS, Req, RingCtx,
  setFail, setRes,
} from "./types";

const SQE_VALID_FLAGS: u32 = 0x7f;
const SQE_COMMON_FLAGS: u32 = REQ_F_FIXED_FILE | REQ_F_LINK | REQ_F_HARDLINK | REQ_F_FORCE_ASYNC;

/** Consumes up to `nr` SQEs. Number consumed (a failing one included), or -EAGAIN when no request can be allocated. */
export function submitSqes(ctx: RingCtx, nr: u32): i32 {
  const tail = atomic.load<u32>(ctx.rings, RING_OFF_SQ_TAIL);
  let entries = tail - ctx.cached_sq_head;
  if (entries > ctx.sq_entries) entries = ctx.sq_entries; // a lying tail
  if (entries > nr) entries = nr;
  if (!entries) return 0;
  const mask = ctx.sq_entries - 1, array = ctx.sq_array, sqes = ctx.sqes, shift = ctx.sqe_shift;
  const traced = traceOn(TRACE_RING), sequences = !has(B_DRAIN_BY_COUNT);
  let done: u32 = 0, err: i32 = 0, head = ctx.cached_sq_head;
  while (done < entries) {
    let i = head & mask;
    if (array) {
      i = load<u32>(array + ((i as usize) << 2));
      if (i > mask) { // names an SQE that does not exist: counted, and ends the batch
        store<u32>(ctx.rings, load<u32>(ctx.rings, RING_OFF_SQ_DROPPED) + 1, RING_OFF_SQ_DROPPED);
        head++;
        ctx.cq_extra--;
        break;
      }
    }
    const req = reqAlloc(ctx);
    if (!req) {
      if (!done) err = -EAGAIN;
      break;
    }
    head++;
    done++;
    if (sequences) ctx.cached_sq_head = head; // which a drained request is numbered by
    err = submitSqe(ctx, req, sqes + ((i as usize) << shift), traced);
    if (!err) continue;
    if (err == -ENOTMODELLED) {
      reqFree(req);
      break;
    }
    if (!(ctx.flags & IORING_SETUP_SUBMIT_ALL)) break;
    err = 0;
  }
  ctx.cached_sq_head = head;
  // End of the batch: an unfinished chain starts, then all completions are posted.
  if (ctx.link_head) {
    const head = ctx.link_head;
    ctx.link_head = nil<Req>();
    queueFallback(head);
  }
  iowqRace();
  submitFlushCompletions(ctx);
  iowqWarm();
  atomic.store<u32>(ctx.rings, ctx.cached_sq_head, RING_OFF_SQ_HEAD);
  if (err == -ENOTMODELLED) return err;
  return done ? (done as i32) : err == -EAGAIN ? err : 0;
}

/** Preps one SQE and issues it or adds it to its chain. 0, or the error that ends a batch without SUBMIT_ALL. */
@inline function submitSqe(ctx: RingCtx, req: Req, sqe: usize, traced: bool): i32 {
  if (traced) traceSqe(ctx, req, sqe);
  const err = initReq(ctx, req, sqe);
  if (err) return err == -ENOTMODELLED ? err : submitFailInit(ctx, req, err);
  if (traced) trace(TRACE_RING, TR_IO_URING_SUBMIT_REQ, changetype<usize>(req), req.user_data, req.opcode, req.flags & 0xff);
  if (ctx.link_head || req.flags & (REQ_LINK_FLAGS | REQ_F_FORCE_ASYNC | REQ_F_FAIL)) {
    const err = submitSlow(ctx, req);
    iowqRace();
    return err;
  }
  const ret = issueSqe(req, IO_URING_F_NONBLOCK | IO_URING_F_COMPLETE_DEFER, traced);
  if (ret && ret != IOU_ISSUE_SKIP_COMPLETE) queueAsync(req, ret);
  return 0;
}

/** Chains and forced workers: the request joins the chain that is being assembled, or ends and starts it. */
function submitSlow(ctx: RingCtx, req: Req): i32 {
  if (ctx.link_head || req.flags & REQ_F_FORCE_ASYNC) {
    const err = opPrepAsync(req);
    if (err) return submitFailInit(ctx, req, err);
  }
  if (ctx.link_head) {
    ctx.link_last.link = req;
    ctx.link_last = req;
    if (req.flags & REQ_LINK_FLAGS) return 0;
    req = ctx.link_head;
    ctx.link_head = nil<Req>();
    if (req.flags & (REQ_F_FORCE_ASYNC | REQ_F_FAIL)) queueFallback(req);
    else queueSqe(req);
  } else if (req.flags & REQ_LINK_FLAGS) {
    ctx.link_head = req;
    ctx.link_last = req;
  } else {
    queueFallback(req);
  }
  return 0;
}

/** io_init_req(): the generic checks A1-A7, then the opcode's prep. 0 or -errno. */
@inline function initReq(ctx: RingCtx, req: Req, sqe: usize): i32 {
  const head = load<u32>(sqe), opcode = head & 0xff, flags = (head >> 8) & 0xff; // opcode, flags, ioprio in one read
  req.opcode = opcode;
  req.flags = flags;
  req.user_data = load<u64>(sqe, SQE_OFF_USER_DATA);
  let def = opFlags(opcode);
  if (def & OP_DIALECT) {
    const op = dialectOpcode(opcode, sqe);
    req.opcode = op;
    if (op == OP_UNKNOWN) {
      req.opcode = 0;
      return -EINVAL;
    }
    def = opFlags(op);
  }
  if (flags & ~SQE_COMMON_FLAGS) {
    const err = initUncommonFlags(ctx, req, def);
    if (err) return err;
  }
  if (ctx.drain_active | ctx.drain_next | ctx.restricted) {
    if (ctx.restricted && !restrictionAllows(ctx, opcode, flags)) return -EACCES;
    initDrainFollower(ctx, req);
  }
  if (head >> 16 && !(def & OP_IOPRIO)) return -EINVAL;
  if (ctx.flags & IORING_SETUP_IOPOLL && !(def & OP_IOPOLL)) return -EINVAL;
  const index = load<u32>(sqe, SQE_OFF_BUF_INDEX); // with personality in the upper half
  if (index >> 16) {
    const err = reqSetCreds(req, index >> 16);
    if (err) return err;
  }
  if (!(def & OP_MODELLED)) return notModelled(NOT_MODELLED_OP | opcode);
  req.fd = load<i32>(sqe, SQE_OFF_FD);
  req.buf_index = index & 0xffff;
  return opPrep(req, sqe);
}

function initUncommonFlags(ctx: RingCtx, req: Req, def: u32): i32 {
  if (req.flags & ~validFlags(ROW_SQE)) {
    req.flags &= SQE_VALID_FLAGS;
    return -EINVAL;
  }
  if (req.flags & REQ_F_BUFFER_SELECT && !(def & OP_BUFFER_SELECT)) return -EOPNOTSUPP;
  if (req.flags & REQ_F_CQE_SKIP) ctx.drain_disabled = 1;
  if (req.flags & REQ_F_IO_DRAIN) {
    if (ctx.drain_disabled) return -EOPNOTSUPP;
    initDrain(ctx);
  }
  return 0;
}

/** Behind an active drain everything takes the slow path, where it is held back in order. */
function initDrainFollower(ctx: RingCtx, req: Req): void {
  if (ctx.drain_active) req.flags |= REQ_F_FORCE_ASYNC;
  if (ctx.drain_next && !ctx.link_head) {
    ctx.drain_next = 0;
    ctx.drain_active = 1;
    req.flags |= REQ_F_IO_DRAIN | REQ_F_FORCE_ASYNC;
  }
}

/**
 * A request that failed before it could be issued. In a chain the assembly goes on and the chain fails as a whole when it
 * is complete; the head is marked so that nothing of it runs.
 */
function submitFailInit(ctx: RingCtx, req: Req, err: i32): i32 {
  const head = ctx.link_head;
  req.done_io = 0; // it may not have got to its prep (A27)
  setFail(req);
  setRes(req, err, 0);
  if (head && !(head.flags & REQ_F_FAIL)) {
    setFail(head);
    setRes(head, -ECANCELED, 0);
  }
  if (!(req.flags & REQ_LINK_FLAGS)) {
    let first = req;
    if (head) {
      ctx.link_last.link = req;
      ctx.link_head = nil<Req>();
      first = head;
    }
    queueFallback(first);
    return err;
  }
  if (head) ctx.link_last.link = req;
  else ctx.link_head = req;
  ctx.link_last = req;
  return 0;
}

/** The slow way in: failed chains, drained requests, IOSQE_ASYNC. */
export function queueFallback(req: Req): void {
  if (req.flags & REQ_F_FAIL) {
    req.flags = (req.flags & ~REQ_F_HARDLINK) | REQ_F_LINK; // the failure takes hard links down, too
    deferFailed(req, req.res);
  } else if (req.ctx.drain_active) {
    drainReq(req);
  } else {
    queueIowq(req);
  }
}

/** First (or repeated) issue from the submitter's context. */
export function queueSqe(req: Req): void {
  const ret = issueSqe(req, IO_URING_F_NONBLOCK | IO_URING_F_COMPLETE_DEFER, traceOn(TRACE_RING));
  if (ret && ret != IOU_ISSUE_SKIP_COMPLETE) queueAsync(req, ret);
}

/** It did not complete: wait for poll if it would block, else fail. */
function queueAsync(req: Req, ret: i32): void {
  if (ret != -EAGAIN || req.flags & REQ_F_NOWAIT) {
    deferFailed(req, ret);
    return;
  }
  const timeout = prepLinkTimeout(req);
  const armed = armPoll(req);
  if (armed == APOLL_READY) taskQueue(req);
  else if (armed == APOLL_ABORTED) queueIowq(req);
  if (timeout) armLinkTimeout(timeout);
}

function traceSqe(ctx: RingCtx, req: Req, sqe: usize): void {
  const user_data = load<u64>(sqe, SQE_OFF_USER_DATA);
  trace(TRACE_RING, TR_IO_URING_SQE, changetype<usize>(req), user_data, sqe as u32, changetype<usize>(ctx) as u32);
}

function traceIssue(req: Req, issueFlags: u32): void {
  if (req.file && req.file.kind == FILE_SOCKET) {
    const sk = changetype<Sock>(req.file.priv);
    trace(TRACE_RING, TR_IO_URING_SOCKET, changetype<usize>(req), req.user_data, changetype<usize>(sk) as u32, (sk.family << 16) | sk.type);
  }
  trace(TRACE_RING, TR_IO_URING_ISSUE, changetype<usize>(req), req.user_data, req.opcode, issueFlags);
}

/** Issues: 0 = completed, IOU_ISSUE_SKIP_COMPLETE = it will be, else -errno (nothing completed). */
@inline export function issueSqe(req: Req, issueFlags: u32, traced: bool): i32 {
  if (opFlags(req.opcode) & OP_NEEDS_FILE && !req.file && !assignFile(req)) return -EBADF;
  if (traced) traceIssue(req, issueFlags);
  const ret = req.flags & REQ_F_CREDS ? issueAs(req, issueFlags) : opIssue(req, issueFlags);
  if (traced) trace(TRACE_RING, TR_IO_URING_ISSUE_RET, changetype<usize>(req), req.user_data, (ret == IOU_COMPLETE ? req.res : ret) as u32, 0);
  if (ret == IOU_COMPLETE) {
    if (issueFlags & IO_URING_F_COMPLETE_DEFER) completeDefer(req);
    return 0;
  }
  if (ret == IOU_ISSUE_SKIP_COMPLETE) {
    if (req.flags & REQ_F_ARM_LTIMEOUT) {
      const timeout = prepLinkTimeout(req);
      if (timeout) armLinkTimeout(timeout);
    }
  }
  return ret;
}

/** Issues with the credentials of the personality that the SQE named. */
function issueAs(req: Req, issueFlags: u32): i32 {
  const t = req.task, own = credsEnter(req), ret = opIssue(req, issueFlags);
  credsLeave(t, own);
  return ret;
}

/** Resolves req.fd to a file and takes a reference: at issue, so a chain can use a file that its head opened. */
export function assignFile(req: Req): bool {
  const fd = req.fd as u32;
  if (req.flags & REQ_F_FIXED_FILE) {
    const node = fixedFileNode(req.ctx, fd);
    if (!node) return false;
    req.file_node = resourceHold(req.ctx, node);
    req.file = node.file;
    return true;
  }
  const f = fd < FD_MAX ? changetype<File>(load<u32>(fdSlot(req.task, fd)) as usize) : nil<File>();
  if (!f) return false;
  req.file = fget(f);
  return true;
}

/** After a request of a chain completed: the next one is submitted from task work. */
export function queueNext(req: Req): void {
  const next = findNext(req);
  if (next) taskQueue(next);
}

/** io_req_task_queue(): submit from task work. */
export function taskQueue(req: Req): void { reqTaskWorkAdd(req, taskSubmit.index); }

export function taskSubmit(req: Req): void {
  if (req.ctx.dying) deferFailed(req, -ECANCELED);
  else if (req.flags & REQ_F_FORCE_ASYNC) queueIowq(req);
  else queueSqe(req);
}
