// SQPOLL: a kernel thread takes SQEs without a system call, and runs the ring's task work. Here it is a simulated task that
// gets a turn some microseconds after there is something to do; after sq_thread_idle without work it sleeps and asks to be
// woken (NEED_WAKEUP). Rings set up with ATTACH_WQ share a thread, which then idles as long as the most patient of them.
//
// A new thread does not know its idle time yet and sleeps almost at once. Spec: send-zc.md 6.2; times observed on 6.18.
import { SMALL_SIZE } from "../abi/layout";
import { EINVAL, ENOMEM } from "../abi/errno";
import {
  IORING_SETUP_R_DISABLED, IORING_SETUP_SQPOLL, IORING_SETUP_SQ_AFF, IORING_SQ_NEED_WAKEUP, PARAMS_OFF_FLAGS, PARAMS_OFF_SQ_THREAD_CPU,
  PARAMS_OFF_SQ_THREAD_IDLE, RING_OFF_SQ_FLAGS, RING_OFF_SQ_TAIL,
} from "../abi/uapi";
import { TRACE_CTX_SQPOLL } from "../abi/trace";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { notModelledPending } from "../lib/not_modelled";
import { S_TRACE_CTX, nowNs } from "../lib/state";
import { threadBegin, threadEnd } from "../kernel/sched";
import { Timer, timerArm, timerArmIn, timerFree, timerNew } from "../lib/timer";
import { submitSqes } from "./submit";
import { iowqInit } from "./iowq";
import { runSqpollWork } from "./tw";
import { RingCtx } from "./types";

const TURN_NS: u64 = 5000;
/** How long a thread without an idle time stays awake. */
const START_NS: u64 = 500000;
const IDLE_DEFAULT_MS: u32 = 1000;
const CPUS: u32 = 2;
/** SQEs of one ring that a thread takes in one turn when it has several rings. */
const FAIR_MAX: u32 = 8;

/** The thread (io_sq_data). */
@unmanaged @final class SqData {
  pad: u32;
  refs: u32; // rings
  timer: usize;
  first: RingCtx; // its rings, through sqd_next
  idle_ns: u64;
  idle_at: u64; // when it goes to sleep
  asleep: u32;
  iowq_bound: u32; // limits of its workers
  iowq_unbound: u32;
}
if (offsetof<SqData>() > SMALL_SIZE) ERROR("SqData does not fit its pool");

@inline function sqData(ctx: RingCtx): SqData { return changetype<SqData>(ctx.sqd); }
@inline function timer(sqd: SqData): Timer { return changetype<Timer>(sqd.timer); }
export function sqdLimits(ctx: RingCtx): usize { return ctx.sqd + offsetof<SqData>("iowq_bound"); }

/** A thread of its own. EINVAL: no such CPU. */
export function sqpollCreate(ctx: RingCtx, p: usize): i32 {
  if (load<u32>(p, PARAMS_OFF_FLAGS) & IORING_SETUP_SQ_AFF && load<u32>(p, PARAMS_OFF_SQ_THREAD_CPU) >= CPUS) return -EINVAL;
  const sqd = changetype<SqData>(poolAlloc(POOL_SMALL));
  if (!sqd) return -ENOMEM;
  sqd.refs = 0;
  sqd.timer = changetype<usize>(timerNew(sqThread.index, changetype<usize>(sqd)));
  sqd.first = changetype<RingCtx>(0);
  sqd.asleep = 0;
  sqd.iowq_bound = 0;
  join(ctx, p, sqd);
  iowqInit(sqdLimits(ctx), ctx.sq_entries);
  sqd.idle_at = nowNs() + START_NS;
  timerArm(timer(sqd), sqd.idle_at);
  return 0;
}

/** The thread of `other`. EINVAL: it has none. */
export function sqpollAttach(ctx: RingCtx, p: usize, other: RingCtx): i32 {
  if (!(other.flags & IORING_SETUP_SQPOLL)) return -EINVAL;
  const sqd = sqData(other);
  join(ctx, p, sqd);
  awake(sqd);
  timerArm(timer(sqd), sqd.idle_at);
  return 0;
}

function join(ctx: RingCtx, p: usize, sqd: SqData): void {
  const ms = load<u32>(p, PARAMS_OFF_SQ_THREAD_IDLE);
  ctx.sq_idle_ns = ((ms ? ms : IDLE_DEFAULT_MS) as u64) * 1000000;
  ctx.sqd = changetype<usize>(sqd);
  ctx.sqd_next = sqd.first;
  sqd.first = ctx;
  sqd.refs++;
  updateIdle(sqd);
}

function updateIdle(sqd: SqData): void {
  sqd.idle_ns = 0;
  for (let c = sqd.first; c; c = c.sqd_next) sqd.idle_ns = max<u64>(sqd.idle_ns, c.sq_idle_ns);
}

/** The ring is closed: its thread goes on without it, or ends. */
export function sqpollLeave(ctx: RingCtx): void {
  const sqd = sqData(ctx);
  ctx.sqd = 0;
  if (sqd.first == ctx) {
    sqd.first = ctx.sqd_next;
  } else {
    let prev = sqd.first;
    while (prev.sqd_next != ctx) prev = prev.sqd_next;
    prev.sqd_next = ctx.sqd_next;
  }
  if (--sqd.refs) {
    updateIdle(sqd);
    return;
  }
  timerFree(timer(sqd));
  poolFree(POOL_SMALL, changetype<usize>(sqd));
}

/** Stays awake for the idle time from now on. */
function awake(sqd: SqData): void {
  sqd.idle_at = nowNs() + sqd.idle_ns;
  if (!sqd.asleep) return;
  sqd.asleep = 0;
  for (let c = sqd.first; c; c = c.sqd_next) atomic.and<u32>(c.rings, ~IORING_SQ_NEED_WAKEUP, RING_OFF_SQ_FLAGS);
}

/** Something to do: the thread gets its turn soon, woken if it sleeps. */
export function sqpollKick(ctx: RingCtx): void {
  const sqd = sqData(ctx);
  if (sqd.asleep) awake(sqd);
  timerArmIn(timer(sqd), TURN_NS);
}

/** SQEs are published: an awake thread sees them by itself. */
export function sqpollNotice(ctx: RingCtx): void {
  if (!sqData(ctx).asleep && pending(ctx)) sqpollKick(ctx);
}
@inline function pending(ctx: RingCtx): bool {
  return atomic.load<u32>(ctx.rings, RING_OFF_SQ_TAIL) != ctx.cached_sq_head && !(ctx.flags & IORING_SETUP_R_DISABLED);
}
/** Has the SQ ring no room (IORING_ENTER_SQ_WAIT)? */
export function sqpollFull(ctx: RingCtx): bool { return atomic.load<u32>(ctx.rings, RING_OFF_SQ_TAIL) - ctx.cached_sq_head == ctx.sq_entries; }

function sqThread(p: usize): void {
  const sqd = changetype<SqData>(p), saved = load<u32>(S_TRACE_CTX);
  store<u32>(S_TRACE_CTX, TRACE_CTX_SQPOLL);
  const softirqs = threadBegin();
  let worked = false, more = false;
  sqd.refs++; // a ring that goes meanwhile must not take the thread along
  for (let ctx = sqd.first; ctx; ctx = ctx.sqd_next) {
    if (pending(ctx)) {
      const most = sqd.first.sqd_next ? FAIR_MAX : ctx.sq_entries;
      worked = true;
      submitSqes(ctx, most);
    }
    if (runSqpollWork(ctx)) worked = true;
  }
  threadEnd(softirqs);
  store<u32>(S_TRACE_CTX, saved);
  if (--sqd.refs == 0) {
    timerFree(timer(sqd));
    poolFree(POOL_SMALL, p);
    return;
  }
  for (let ctx = sqd.first; ctx; ctx = ctx.sqd_next) if (ctx.work_count | ctx.retry_count || pending(ctx)) more = true;
  if (worked) sqd.idle_at = nowNs() + sqd.idle_ns;
  if (more && !notModelledPending()) {
    timerArmIn(timer(sqd), TURN_NS);
  } else if (nowNs() >= sqd.idle_at) {
    sqd.asleep = 1;
    for (let ctx = sqd.first; ctx; ctx = ctx.sqd_next) atomic.or<u32>(ctx.rings, IORING_SQ_NEED_WAKEUP, RING_OFF_SQ_FLAGS);
  } else {
    timerArm(timer(sqd), sqd.idle_at);
  }
}
