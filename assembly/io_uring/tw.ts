// Task work: what must happen in the submitter's context. Nothing in the network path ever posts a CQE; it queues an item
// here, and the item runs
//   default, COOP_TASKRUN   when the task leaves the kernel, or while it sleeps in it: the task's list
//   DEFER_TASKRUN           only inside io_uring_enter with GETEVENTS: the ring's own list
//   SQPOLL                  by the SQ thread: the ring's own list
// A run of the task's list takes it whole, executes the items in the order of arrival, and flushes the completions they
// produced at the end; what they queued meanwhile is the next run's. A run of a ring's own list stops after some number of
// items (at least 20), the rest keeps its place. That is where the observed CQE orders come from.
//
// Spec: send-zc.md 2.6, 6.2.
import { IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SQPOLL, IORING_SETUP_TASKRUN_FLAG, IORING_SQ_TASKRUN, RING_OFF_SQ_FLAGS } from "../abi/uapi";
import { B_LAZY_WAKE, B_TW_LIFO, SW_TW_ORDER } from "../abi/profile";
import { has, switchOn } from "../lib/profile";
import { TR_IO_URING_TASK_ADD, TR_IO_URING_TASK_WORK_RUN, TRACE_CTX_TASK_WORK, TRACE_RING } from "../abi/trace";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { S_FPUT_COUNT, S_FPUT_MARK, S_TASK_WORKS, S_TRACE_CTX } from "../lib/state";
import { trace } from "../lib/trace";
import { Task, current } from "../kernel/task";
import { runFputs } from "../fs/file";
import { eventfdSignal } from "./eventfd";
import { iowqWarm } from "./iowq";
import { submitFlushCompletions } from "./req";
import { ringExitKick, ringHold, ringPut } from "./ring";
import { sqpollKick } from "./sqpoll";
import { REQ_LINK_FLAGS, Req, ReqList, RingCtx, reqListAdd, retryList, workList } from "./types";

@inline function taskList(t: Task): ReqList { return changetype<ReqList>(changetype<usize>(t) + offsetof<Task>("tw_head")); }
@inline function localWork(ctx: RingCtx): bool { return (ctx.flags & (IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SQPOLL)) != 0; }

/** Queues `req` to run `fn` (table index of (req: Req) => void) in its task's context. */
export function reqTaskWorkAdd(req: Req, fn: u32): void {
  req.ctx.work_force = 1;
  queueWork(req, fn);
}

/**
 * The same, but it need not wake a task that waits on a DEFER_TASKRUN ring for several CQEs: only when there are as many
 * items as CQEs missing. Not for members of a chain: how many CQEs follow is not known. Not before 6.4.
 */
export function reqTaskWorkAddLazy(req: Req, fn: u32): void {
  if (req.flags & REQ_LINK_FLAGS || !has(B_LAZY_WAKE)) req.ctx.work_force = 1;
  queueWork(req, fn);
}

function queueWork(req: Req, fn: u32): void {
  const ctx = req.ctx;
  req.tw_fn = fn;
  trace(TRACE_RING, TR_IO_URING_TASK_ADD, changetype<usize>(req), req.user_data, 0, 0);
  if (localWork(ctx)) {
    const first = workList(ctx).first == changetype<Req>(0);
    reqListAdd(workList(ctx), req);
    ctx.work_count++;
    if (first && ctx.evfd && ctx.flags & IORING_SETUP_DEFER_TASKRUN) eventfdSignal(ctx, false);
    if (ctx.dying) ringExitKick(ctx);
    else if (ctx.flags & IORING_SETUP_SQPOLL) sqpollKick(ctx);
  } else {
    if (!req.task.tw_head) store<u32>(S_FPUT_MARK, load<u32>(S_FPUT_COUNT));
    reqListAdd(taskList(req.task), req);
  }
  if (ctx.flags & IORING_SETUP_TASKRUN_FLAG) atomic.or<u32>(ctx.rings, IORING_SQ_TASKRUN, RING_OFF_SQ_FLAGS);
}

/** The order in which a batch runs: that of arrival, or, of a list whose newest item is its first, the reverse. */
function inOrder(first: Req): Req {
  const order = switchOn(SW_TW_ORDER);
  if (order ? order != TW_LIFO : !has(B_TW_LIFO)) return first;
  let reversed = changetype<Req>(0);
  for (let req = first; req; ) {
    const next = req.next;
    req.next = reversed;
    reversed = req;
    req = next;
  }
  return reversed;
}
/** Value of the switch tw_order. */
const TW_LIFO: u32 = 2;

/** Runs one batch from `list`; returns the number of items. Completions of every ring touched are flushed. */
function runBatch(list: ReqList): u32 {
  let req = inOrder(list.first), n: u32 = 0, ctx = req.ctx;
  list.first = changetype<Req>(0);
  const saved = load<u32>(S_TRACE_CTX);
  store<u32>(S_TRACE_CTX, TRACE_CTX_TASK_WORK);
  ringHold(ctx); // the last request of a dying ring must not take the ring away under the flush
  while (req) {
    const next = req.next;
    if (req.ctx != ctx) {
      submitFlushCompletions(ctx);
      ringPut(ctx);
      ctx = req.ctx;
      ringHold(ctx);
    }
    if (ctx.flags & IORING_SETUP_TASKRUN_FLAG) atomic.and<u32>(ctx.rings, ~IORING_SQ_TASKRUN, RING_OFF_SQ_FLAGS);
    n++;
    call_indirect<void>(req.tw_fn, req);
    req = next;
  }
  submitFlushCompletions(ctx);
  trace(TRACE_RING, TR_IO_URING_TASK_WORK_RUN, changetype<usize>(ctx), 0, n, 0);
  ringPut(ctx);
  store<u32>(S_TRACE_CTX, saved);
  return n;
}

/** Task work of the current task, until none is left. Called on the way out of every system call and while sleeping. */
export function runTaskWork(): void {
  const t = current();
  if (t.tw_running || !(t.tw_head | load<u32>(S_FPUT_COUNT) | load<u32>(S_TASK_WORKS))) return;
  t.tw_running = 1;
  while (t.tw_head | load<u32>(S_FPUT_COUNT) | load<u32>(S_TASK_WORKS)) {
    runWorks();
    // The latest first: files that were put after the ring work was queued, the ring work, files put before.
    const before = t.tw_head ? min<u32>(load<u32>(S_FPUT_MARK), load<u32>(S_FPUT_COUNT)) : 0;
    runFputs(before);
    if (t.tw_head) runBatch(taskList(t));
    if (!t.tw_head) runFputs(0);
    iowqWarm(); // what a worker leaves to do interrupts the task again
  }
  t.tw_running = 0;
}

/** Task work that is no request: called back once, the latest first. */
@unmanaged @final class Work {
  next: usize;
  pad: u32;
  fn: u32; // table index of (arg: usize) => void
  arg: usize;
}

/** False when out of memory. */
export function taskWorkAdd(fn: u32, arg: usize): bool {
  const w = changetype<Work>(poolAlloc(POOL_SMALL));
  if (!w) return false;
  w.fn = fn;
  w.arg = arg;
  w.next = load<u32>(S_TASK_WORKS) as usize;
  store<u32>(S_TASK_WORKS, changetype<usize>(w) as u32);
  return true;
}

function runWorks(): void {
  while (load<u32>(S_TASK_WORKS)) {
    const w = changetype<Work>(load<u32>(S_TASK_WORKS) as usize), fn = w.fn, arg = w.arg;
    store<u32>(S_TASK_WORKS, w.next as u32);
    poolFree(POOL_SMALL, changetype<usize>(w));
    call_indirect<void>(fn, arg);
  }
}

/** Items that a run of local work takes at most, if not more are waited for. */
const LOCAL_WORK_MAX: u32 = 20;
/** Items that the SQ thread takes at most before it looks for SQEs again. */
const SQPOLL_WORK_MAX: u32 = 32;

@inline export function localWorkPending(ctx: RingCtx): bool { return (ctx.work_count | ctx.retry_count) != 0; }

/** Local work when `min` CQEs are wanted. */
@inline export function runLocalWork(ctx: RingCtx, min: u32): void { if (localWorkPending(ctx)) runLocal(ctx, min, max<u32>(LOCAL_WORK_MAX, min)); }

/** Local work of a waiter that was woken: no more items than the `missing` CQEs. */
@inline export function runLocalWorkWoken(ctx: RingCtx, missing: u32): void { if (localWorkPending(ctx)) runLocal(ctx, missing, missing); }

/** Local work of a ring that ends: all of it. */
export function runAllLocalWork(ctx: RingCtx): void { while (localWorkPending(ctx)) runLocal(ctx, u32.MAX_VALUE, u32.MAX_VALUE); }

/** The SQ thread's share; true if there was any. */
export function runSqpollWork(ctx: RingCtx): bool {
  if (!localWorkPending(ctx)) return false;
  runLocal(ctx, 0, SQPOLL_WORK_MAX);
  return true;
}

/** Is a waiter for `missing` more CQEs woken by what is queued? */
@inline export function localWorkWakes(ctx: RingCtx, missing: u32): bool {
  return ctx.retry_count != 0 || (ctx.work_count != 0 && (ctx.work_force != 0 || ctx.work_count >= missing));
}

/** Runs up to `most` items a round, and more rounds while more is queued and less than `min` was done. */
function runLocal(ctx: RingCtx, min: u32, most: u32): void {
  const saved = load<u32>(S_TRACE_CTX), flagged = (ctx.flags & IORING_SETUP_TASKRUN_FLAG) != 0;
  store<u32>(S_TRACE_CTX, TRACE_CTX_TASK_WORK);
  ringHold(ctx);
  if (flagged) atomic.and<u32>(ctx.rings, ~IORING_SQ_TASKRUN, RING_OFF_SQ_FLAGS);
  let total: u32 = 0;
  for (;;) {
    let n = runItems(retryList(ctx), most);
    if (!ctx.retry_count) { // what is left of the list before goes first
      ctx.retry0 = changetype<usize>(inOrder(workList(ctx).first)) as u32;
      ctx.retry_count = ctx.work_count;
      ctx.work0 = 0;
      ctx.work_count = 0;
      ctx.work_force = 0;
      n += runItems(retryList(ctx), most - n);
    }
    total += n;
    if (localWorkPending(ctx) && n < min && !ctx.retry_count) {
      min -= n;
      continue;
    }
    submitFlushCompletions(ctx);
    if (!localWorkPending(ctx) || n >= min) break;
    min -= n;
  }
  if (flagged && localWorkPending(ctx)) atomic.or<u32>(ctx.rings, IORING_SQ_TASKRUN, RING_OFF_SQ_FLAGS);
  trace(TRACE_RING, TR_IO_URING_TASK_WORK_RUN, changetype<usize>(ctx), 0, total, 0);
  ringPut(ctx);
  store<u32>(S_TRACE_CTX, saved);
}

/** Runs at most `most` items from the front of the leftovers. */
function runItems(list: ReqList, most: u32): u32 {
  let n: u32 = 0;
  while (list.first && n < most) {
    const req = list.first, ctx = req.ctx;
    list.first = req.next;
    ctx.retry_count--;
    n++;
    call_indirect<void>(req.tw_fn, req);
  }
  return n;
}
