// SQPOLL: a kernel thread takes SQEs without a system call, and runs the ring's task work. Here it is a simulated task that
// gets a turn some microseconds after there is something to do; after sq_thread_idle without work it sleeps and asks to be
// woken (NEED_WAKEUP). Spec: send-zc.md 6.2.
import { IORING_SQ_NEED_WAKEUP, RING_OFF_SQ_FLAGS, RING_OFF_SQ_TAIL } from "../abi/uapi";
import { TRACE_CTX_SQPOLL } from "../abi/trace";
import { S_TRACE_CTX, nowNs } from "../lib/state";
import { Timer, timerArm, timerArmIn, timerFree, timerNew } from "../lib/timer";
import { submitSqes } from "./submit";
import { runSqpollWork } from "./tw";
import { RingCtx } from "./types";

const TURN_NS: u64 = 5000;
/** sq_idle_at of a sleeping thread. */
const ASLEEP: u64 = 0;

@inline function timer(ctx: RingCtx): Timer { return changetype<Timer>(ctx.sq_timer); }

export function sqpollStart(ctx: RingCtx, idleMs: u32): void {
  ctx.sq_timer = changetype<usize>(timerNew(sqThread.index, changetype<usize>(ctx)));
  ctx.sq_idle_ns = ((idleMs ? idleMs : 1000) as u64) * 1000000;
  ctx.sq_idle_at = nowNs() + ctx.sq_idle_ns;
  timerArm(timer(ctx), ctx.sq_idle_at);
}
export function sqpollStop(ctx: RingCtx): void {
  timerFree(timer(ctx));
  ctx.sq_timer = 0;
}

/** Something to do: the thread gets its turn soon, woken if it sleeps. */
export function sqpollKick(ctx: RingCtx): void {
  if (ctx.sq_idle_at == ASLEEP) {
    ctx.sq_idle_at = nowNs() + ctx.sq_idle_ns;
    atomic.and<u32>(ctx.rings, ~IORING_SQ_NEED_WAKEUP, RING_OFF_SQ_FLAGS);
  }
  timerArmIn(timer(ctx), TURN_NS);
}

/** SQEs are published: an awake thread sees them by itself. */
export function sqpollNotice(ctx: RingCtx): void {
  if (ctx.sq_idle_at != ASLEEP && pending(ctx)) sqpollKick(ctx);
}
@inline function pending(ctx: RingCtx): bool { return atomic.load<u32>(ctx.rings, RING_OFF_SQ_TAIL) != ctx.cached_sq_head; }

function sqThread(p: usize): void {
  const ctx = changetype<RingCtx>(p), saved = load<u32>(S_TRACE_CTX);
  store<u32>(S_TRACE_CTX, TRACE_CTX_SQPOLL);
  let worked = false;
  if (pending(ctx)) {
    if (submitSqes(ctx, ctx.sq_entries) < 0) { // not modelled: the next system call says so
      store<u32>(S_TRACE_CTX, saved);
      return;
    }
    worked = true;
  }
  if (runSqpollWork(ctx)) worked = true;
  store<u32>(S_TRACE_CTX, saved);
  if (!ctx.sq_timer) return;
  if (worked) ctx.sq_idle_at = nowNs() + ctx.sq_idle_ns;
  if (ctx.work_count | ctx.retry_count || pending(ctx)) {
    timerArmIn(timer(ctx), TURN_NS);
  } else if (nowNs() >= ctx.sq_idle_at) {
    ctx.sq_idle_at = ASLEEP;
    atomic.or<u32>(ctx.rings, IORING_SQ_NEED_WAKEUP, RING_OFF_SQ_FLAGS);
  } else {
    timerArm(timer(ctx), ctx.sq_idle_at);
  }
}
