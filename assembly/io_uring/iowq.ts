// io-wq: the workers that issue what may block (IOSQE_ASYNC, SHUTDOWN, requests that cannot be polled). A turn takes one
// request from the queue and runs it until it ends or sleeps; it is an event some microseconds ahead, so the submitter goes
// on first, as on Linux, where a worker has to be woken on another CPU. A seed chooses among the queued requests, and lets
// workers overtake the submitter (iowqRace).
//
// There are two kinds of workers, each with a limit: those for work that ends (bounded), and those for work that may wait for
// a peer for ever. A request that sleeps keeps its worker; when none is free, the others of its kind stay in the queue.
//
// A worker's request is counted (REQ_F_REFCOUNT): one reference is the worker's, one the completion's. The CQE is posted by
// the worker itself, except on rings whose CQ only the submitter may touch (DEFER_TASKRUN), and when the CQ is full: there
// by task work. Cleanup and freeing are always the submitter's.  Spec: send-zc.md 2.3, 2.6.
import { EAGAIN, EBADF, EBADFD, ECANCELED, EFAULT, EINVAL } from "../abi/errno";
import { IORING_OP_POLL_ADD, IORING_OP_SPLICE, IORING_OP_TEE, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_IOPOLL } from "../abi/uapi";
import { TR_IO_URING_QUEUE_ASYNC_WORK, TRACE_CTX_IOWQ, TRACE_RING } from "../abi/trace";
import { choose } from "../lib/rng";
import { CNT_IOWQ } from "../abi/counters";
import { SCRATCH_COUNT, S_IOWQ_BUSY, S_IOWQ_HEAD, S_IOWQ_IDLE, S_IOWQ_MAX, S_IOWQ_TIMER, S_IOWQ_TURN, S_SEED, S_SLEEP_MASK, S_SLEEP_WQ, S_TRACE_CTX, cntInc } from "../lib/state";
import { Timer, timerArmIn, timerArmed, timerNew } from "../lib/timer";
import { trace, traceOn } from "../lib/trace";
import { threadBegin, threadEnd } from "../kernel/sched";
import { copyFromUser, copyToUser } from "../mm/vma";
import { FILE_MEM, filePoll } from "../fs/file";
import { WaitEntry, waitAdd, waitEntryFree, waitEntryNew } from "../kernel/wait";
import { POLLERR_MASK, POLLHUP_MASK, POLLIN_MASK, POLLOUT_MASK } from "../net/sock";
import { cqCommit, cqHasRoom, fillCqe } from "./cq";
import { OP_POLLIN, OP_POLLOUT, opFlags } from "./opdef";
import { APOLL_OK, armPoll, filePollable } from "./poll";
import { deferFailed, findNext, freeLater, taskComplete } from "./req";
import { assignFile, issueSqe } from "./submit";
import { armLinkTimeout, flushTimeouts, prepLinkTimeout } from "./timeout";
import { reqTaskWorkAdd } from "./tw";
import { CANCEL_IOWQ, CANCEL_RUNNING, cancelListAdd, cancelListDel } from "./cancel_list";
import {
  IO_URING_F_NONBLOCK, IO_URING_F_UNLOCKED, IOU_ISSUE_SKIP_COMPLETE, IOU_WOULD_SLEEP,
  REQ_F_APOLL_MULTISHOT, REQ_F_CANCELLED, REQ_F_CQE_SKIP, REQ_F_FORCE_ASYNC, REQ_F_IOWQ, REQ_F_MULTISHOT, REQ_F_NOWAIT, REQ_F_REFCOUNT, REQ_F_UNBOUND,
  REQ_LINK_FLAGS, Req,
  ReqList, reqListAdd,
} from "./types";

/** From waking a worker to its first instruction, and between two requests, ns of virtual time. */
const WAKE_NS: u64 = 20000;
const NEXT_NS: u64 = 5000;

@inline function queue(): ReqList { return changetype<ReqList>(S_IOWQ_HEAD); }

function workerTimer(): Timer {
  let t = changetype<Timer>(load<u32>(S_IOWQ_TIMER) as usize);
  if (!t) {
    t = timerNew(workerTimeout.index, 0);
    store<u32>(S_IOWQ_TIMER, changetype<usize>(t) as u32);
  }
  return t;
}

/** Workers of the task, at most: bounded ones, and the others (RLIMIT_NPROC). */
const BOUNDED_PER_TASK: u32 = 8; // four for each of two CPUs
const UNBOUNDED_PER_TASK: u32 = 96365;

@inline function workerKind(req: Req): usize { return req.flags & REQ_F_UNBOUND ? 4 : 0; }

/** The first ring of a task, or of an SQ thread, says how many bounded workers there may be. */
export function iowqInit(limits: usize, sqEntries: u32): void {
  if (load<u32>(limits)) return;
  store<u32>(limits, min<u32>(sqEntries, BOUNDED_PER_TASK));
  store<u32>(limits, UNBOUNDED_PER_TASK, 4);
}

/**
 * IORING_REGISTER_IOWQ_MAX_WORKERS: two u32 at `arg`, bounded and unbounded; 0 leaves a limit as it is. Both are replaced by
 * the limits before. EFAULT; EINVAL: above INT_MAX.
 */
export function iowqMaxWorkers(limits: usize, arg: u64): i32 {
  const p = SCRATCH_COUNT;
  if (copyFromUser(p, arg, 8)) return -EFAULT;
  const bounded = load<u32>(p), unbounded = load<u32>(p, 4);
  if ((bounded | unbounded) >> 31) return -EINVAL;
  store<u64>(p, load<u64>(limits));
  if (bounded) store<u32>(limits, min<u32>(bounded, UNBOUNDED_PER_TASK));
  if (unbounded) store<u32>(limits, min<u32>(unbounded, UNBOUNDED_PER_TASK), 4);
  return copyToUser(arg, p, 8);
}

/** May it wait for ever? Not regular files; a file that is not looked up yet counts as any other. */
function mayBlock(req: Req): bool {
  if (req.file && req.file.kind == FILE_MEM) return false;
  const op = req.opcode;
  return (opFlags(op) & (OP_POLLIN | OP_POLLOUT)) != 0 || op == IORING_OP_POLL_ADD || op == IORING_OP_SPLICE || op == IORING_OP_TEE;
}

/** Hands the request (and its chain) to the workers. */
export function queueIowq(req: Req): void {
  trace(TRACE_RING, TR_IO_URING_QUEUE_ASYNC_WORK, changetype<usize>(req), req.user_data, 0, 0);
  cntInc(CNT_IOWQ);
  if (mayBlock(req)) req.flags |= REQ_F_UNBOUND;
  cancelListAdd(req, CANCEL_IOWQ);
  reqListAdd(queue(), req);
  const t = workerTimer();
  if (!timerArmed(t)) timerArmIn(t, WAKE_NS);
}

/** Other CPUs are not waiting for this one: with a seed, a worker may get on with its work before the submitter does. */
@inline export function iowqRace(): void {
  if (load<u32>(S_IOWQ_HEAD) && load<u64>(S_SEED)) while (choose(3) == 2 && workerTurn(false)) {}
}

/** The submission is over: workers that were only asleep are done before the submitter is; one that has to be made is not. */
@inline export function iowqWarm(): void {
  if (!load<u32>(S_IOWQ_HEAD)) return;
  while (choose(4) != 3 && workerTurn(true)) {}
  iowqRace();
}

/** Is there a worker for it? Who wakes up inside a request has one. `warm`: one that exists already. */
@inline function hasWorker(req: Req, warm: bool): bool {
  if (req.flags & REQ_F_IOWQ) return true;
  const kind = workerKind(req);
  return load<u32>(S_IOWQ_BUSY + kind) < load<u32>(S_IOWQ_MAX + kind) && (!warm || load<u32>(S_IOWQ_IDLE + kind) != 0);
}
function eligible(warm: bool): u32 {
  let n: u32 = 0;
  for (let req = queue().first; req; req = req.next) if (hasWorker(req, warm)) n++;
  return n;
}

/** Takes the n-th of those out for which there is a worker. */
function take(n: u32, warm: bool): Req {
  let prev = changetype<Req>(0), req = queue().first;
  while (!hasWorker(req, warm) || n--) {
    prev = req;
    req = req.next;
  }
  unlink(prev, req);
  return req;
}
function unlink(prev: Req, req: Req): void {
  const q = queue();
  if (prev) prev.next = req.next;
  else q.first = req.next;
  if (q.last == req) q.last = prev;
}

/** Still queued: it fails with ECANCELED from the submitter's context. */
export function iowqCancel(req: Req): void {
  let prev = changetype<Req>(0);
  for (let r = queue().first; r && r != req; r = r.next) prev = r;
  unlink(prev, req);
  cancelListDel(req);
  queueFail(req, -ECANCELED);
}

/** io_req_task_queue_fail(): fail from a clean context. */
function queueFail(req: Req, res: i32): void {
  req.res = res;
  reqTaskWorkAdd(req, taskFail.index);
}
function taskFail(req: Req): void { deferFailed(req, req.res); }

/**
 * Timer: the workers take requests. Each has a worker of its own, so they are done before a task that sleeps has woken up
 * and found its task work; with a seed it may be faster.
 */
function workerTimeout(arg: usize): void {
  store<u32>(S_IOWQ_TURN, 1);
  while (workerTurn(false) && !choose(2)) {}
  store<u32>(S_IOWQ_TURN, 0);
}

function workerTurn(warm: bool): bool {
  const n = eligible(warm);
  if (!n) return false;
  const ctx = load<u32>(S_TRACE_CTX);
  store<u32>(S_TRACE_CTX, TRACE_CTX_IOWQ);
  const softirqs = threadBegin();
  let req = take(choose(n), warm);
  while (req) req = work(req);
  threadEnd(softirqs);
  store<u32>(S_TRACE_CTX, ctx);
  if (eligible(false)) timerArmIn(workerTimer(), NEXT_NS);
  return true;
}

/** One request; returns the next of its chain, which the same worker continues with. */
function work(req: Req): Req {
  if (req.flags & REQ_F_IOWQ) { // wakes up inside of it
    req.flags &= ~REQ_F_IOWQ;
    busy(req, -1);
  } else {
    startWorker(req);
    if (!(req.flags & REQ_F_REFCOUNT)) {
      req.flags |= REQ_F_REFCOUNT;
      req.refs = 1;
    }
    req.refs++;
  }
  if (req.on_cancel != CANCEL_RUNNING) cancelListAdd(req, CANCEL_RUNNING);
  issue(req);
  if (req.flags & REQ_F_IOWQ) return changetype<Req>(0);
  if (req.on_cancel == CANCEL_RUNNING) cancelListDel(req);
  const kind = req.flags & REQ_F_UNBOUND;
  idle(req, 1);
  if (--req.refs) return changetype<Req>(0);
  const next = req.flags & REQ_LINK_FLAGS ? findNext(req) : changetype<Req>(0);
  if (next) next.flags = (next.flags & ~REQ_F_UNBOUND) | kind; // the same worker
  freeLater(req);
  return next;
}

@inline function busy(req: Req, n: i32): void {
  const p: usize = S_IOWQ_BUSY + workerKind(req);
  store<u32>(p, load<u32>(p) + n);
}

@inline function idle(req: Req, n: i32): void {
  const p: usize = S_IOWQ_IDLE + workerKind(req);
  store<u32>(p, load<u32>(p) + n);
}
/** One that waits for work, if there is one, takes the request; else one is made. */
@inline function startWorker(req: Req): void { if (load<u32>(S_IOWQ_IDLE + workerKind(req))) idle(req, -1); }

function issue(req: Req): void {
  const flags = IO_URING_F_UNLOCKED;
  if (req.flags & (REQ_F_APOLL_MULTISHOT | REQ_F_MULTISHOT)) { // its CQEs are the submitter's to post: a worker only makes it wait
    if (!req.file && !assignFile(req)) queueFail(req, -EBADF);
    else if (!filePollable(req)) queueFail(req, -EBADFD);
    else if (!req.file.wq) queueFail(req, -EBADFD);
    else if (armPoll(req) != APOLL_OK) queueFail(req, -ECANCELED);
    else startLinkTimeout(req);
    return;
  }
  // A forced-async request of a pollable file is tried without waiting first, and waits in poll, not in a worker.
  if (req.flags & REQ_F_FORCE_ASYNC && opFlags(req.opcode) & (OP_POLLIN | OP_POLLOUT)) {
    const ret = issueSqe(req, flags | IO_URING_F_NONBLOCK, traceOn(TRACE_RING));
    if (ret != -EAGAIN || req.flags & REQ_F_NOWAIT) {
      finish(req, ret);
      return;
    }
    if (armPoll(req) == APOLL_OK) {
      startLinkTimeout(req);
      return;
    }
  }
  finish(req, issueSqe(req, flags, traceOn(TRACE_RING)));
}

/** A LINK_TIMEOUT runs from when the request waits in poll, and not while a worker sleeps in it. */
function startLinkTimeout(req: Req): void {
  const timeout = prepLinkTimeout(req);
  if (timeout) armLinkTimeout(timeout);
}

function finish(req: Req, ret: i32): void {
  if (!ret) completePost(req);
  else if (ret == IOU_WOULD_SLEEP) sleep(req);
  else if (ret != IOU_ISSUE_SKIP_COMPLETE) queueFail(req, ret);
}

/** The worker sleeps in the request until its file wakes it; then it has a turn again. */
function sleep(req: Req): void {
  const elsewhere = load<u32>(S_SLEEP_WQ) as usize, wq = elsewhere ? elsewhere : req.file.wq;
  const mask = elsewhere ? load<u32>(S_SLEEP_MASK)
    : POLLERR_MASK | POLLHUP_MASK | (opFlags(req.opcode) & OP_POLLIN ? POLLIN_MASK : POLLOUT_MASK);
  store<u32>(S_SLEEP_WQ, 0);
  const entry = wq ? waitEntryNew(workerWake.index, changetype<usize>(req), mask) : changetype<WaitEntry>(0);
  if (!entry) {
    queueFail(req, -EAGAIN);
    return;
  }
  req.flags |= REQ_F_IOWQ;
  busy(req, 1);
  req.poll_entry = entry;
  waitAdd(wq, entry);
  if (!elsewhere) filePoll(req.file); // says that a writer waits for room
}

function workerWake(entry: WaitEntry, mask: u32): void { resume(changetype<Req>(entry.arg)); }

/** Its turn comes; until then it counts as running. */
function resume(req: Req): void {
  if (!req.poll_entry) return;
  waitEntryFree(req.poll_entry);
  req.poll_entry = changetype<WaitEntry>(0);
  reqListAdd(queue(), req);
  const t = workerTimer();
  if (!timerArmed(t)) timerArmIn(t, NEXT_NS);
}

/** A signal for the worker that runs `req`: if it sleeps it ends with EINTR, or with what it got done. */
export function iowqInterrupt(req: Req): void {
  req.flags |= REQ_F_CANCELLED;
  if (req.poll_entry) resume(req);
}

/** io_req_complete_post(): the worker posts the CQE, or leaves it to task work where the CQ has one owner. */
function completePost(req: Req): void {
  const ctx = req.ctx;
  if (ctx.flags & (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_IOPOLL) || (!cqHasRoom(ctx) && !(req.flags & REQ_F_CQE_SKIP))) {
    reqTaskWorkAdd(req, taskComplete.index);
    return;
  }
  if (!(req.flags & REQ_F_CQE_SKIP)) fillCqe(ctx, req);
  cqCommit(ctx);
  if (ctx.timeouts_active) flushTimeouts(ctx);
  req.refs--;
}
