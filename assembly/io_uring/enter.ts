// io_uring_enter(2): submit, then wait. Nothing but this call waits on a ring.
//
// Waiting runs the machine's events until enough CQEs are there, the time is up, or nothing can ever happen any more; in the
// last case the call returns -EWAITFOREVER and the wait report says what is outstanding, instead of hanging.
//
// Spec: send-zc.md 1.5 (flags, errors), 6.1-6.3.
import { WAIT_REPORT_BASE } from "../abi/layout";
import { CNT_ENTERS } from "../abi/counters";
import { EBADF, EBADFD, EEXIST, EFAULT, EINVAL, ENOTMODELLED, EOPNOTSUPP, ETIME, EWAITFOREVER } from "../abi/errno";
import {
  GETEVENTS_ARG_SIZE, GETEVENTS_OFF_TS, IORING_ENTER_ABS_TIMER, IORING_ENTER_EXT_ARG, IORING_ENTER_EXT_ARG_REG, IORING_ENTER_GETEVENTS,
  IORING_ENTER_REGISTERED_RING, IORING_ENTER_SQ_WAKEUP, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_R_DISABLED, IORING_SETUP_SINGLE_ISSUER,
  IORING_SETUP_SQPOLL,
} from "../abi/uapi";
import { WAIT_DEFERRED, WAIT_EVENTS, WAIT_FD, WAIT_HAVE, WAIT_KIND, WAIT_NOTIFS, WAIT_REQS, WAIT_RING, WAIT_WANTED } from "../abi/wait";
import { notModelledPending } from "../lib/not_modelled";
import { SCRATCH_GETEVENTS, cntInc, nowNs } from "../lib/state";
import { nextTimerAt, timersPending } from "../lib/timer";
import { copyFromUser } from "../mm/vma";
import { current } from "../kernel/task";
import { CLOCK_MONOTONIC_START, FOREVER, SLEEP_DEADLINE, SLEEP_NEVER, WAIT_HORIZON, fromClock, sleepStep } from "../kernel/sched";
import { FILE_RING, fdFile } from "../fs/file";
import { drainReport } from "./drain";
import { cqEventsUser, overflowFlush } from "./cq";
import { sqpollKick, sqpollNotice } from "./sqpoll";
import { submitSqes } from "./submit";
import { flushTimeouts } from "./timeout";
import { localWorkWakes, runLocalWork, runLocalWorkWoken, runTaskWork } from "./tw";
import { RingCtx } from "./types";

const ENTER_FLAGS: u32 = 0xff;
/** From the wake-up of a waiter to its first instruction, ns of virtual time. */
const WAKE_NS: u64 = 10000;

/** Number of SQEs consumed, or (nothing submitted) 0 or -errno of the wait. */
export function ioUringEnter(fd: i32, toSubmit: u32, minComplete: u32, flags: u32, arg: u64, argsz: u32): i32 {
  cntInc(CNT_ENTERS);
  if (flags & ~ENTER_FLAGS) return -EINVAL;
  if (flags & (IORING_ENTER_REGISTERED_RING | IORING_ENTER_EXT_ARG_REG)) return -ENOTMODELLED;
  const f = fdFile(fd);
  if (!f) return -EBADF;
  if (f.kind != FILE_RING) return -EOPNOTSUPP;
  const ctx = changetype<RingCtx>(f.priv);
  if (ctx.flags & IORING_SETUP_R_DISABLED) return -EBADFD;
  let ret: i32 = 0;
  if (ctx.flags & IORING_SETUP_SQPOLL) {
    if (flags & IORING_ENTER_SQ_WAKEUP) sqpollKick(ctx);
    else sqpollNotice(ctx);
    ret = toSubmit as i32;
  } else if (toSubmit) {
    if (ctx.flags & IORING_SETUP_SINGLE_ISSUER && ctx.task != current()) return -EEXIST;
    ret = submitSqes(ctx, toSubmit);
    if (ret != (toSubmit as i32)) return ret;
    if (flags & IORING_ENTER_GETEVENTS && ctx.flags & IORING_SETUP_DEFER_TASKRUN) runLocalWork(ctx, minComplete);
  }
  if (flags & IORING_ENTER_GETEVENTS) {
    const err = getEvents(ctx, fd, minComplete, flags, arg, argsz);
    if (err && (!ret || err == -EWAITFOREVER)) ret = err;
  }
  return ret;
}

function getEvents(ctx: RingCtx, fd: i32, min: u32, flags: u32, arg: u64, argsz: u32): i32 {
  let deadline = FOREVER;
  if (flags & IORING_ENTER_EXT_ARG) {
    if (argsz != GETEVENTS_ARG_SIZE) return -EINVAL;
    if (copyFromUser(SCRATCH_GETEVENTS, arg, GETEVENTS_ARG_SIZE)) return -EFAULT;
    const ts = load<u64>(SCRATCH_GETEVENTS, GETEVENTS_OFF_TS);
    if (ts) {
      if (copyFromUser(SCRATCH_GETEVENTS, ts, 16)) return -EFAULT;
      const sec = load<u64>(SCRATCH_GETEVENTS), ns = sec > 4000000000 ? FOREVER / 2 : sec * 1000000000 + load<u64>(SCRATCH_GETEVENTS, 8);
      deadline = flags & IORING_ENTER_ABS_TIMER ? fromClock(ns, CLOCK_MONOTONIC_START) : nowNs() + ns;
    }
  }
  if (ctx.flags & IORING_SETUP_DEFER_TASKRUN && ctx.task != current()) return -EEXIST;
  return cqringWait(ctx, fd, min > ctx.cq_entries ? ctx.cq_entries : min, deadline);
}

/** Task work of either kind, then what overflowed moves to the ring. */
@inline function runWork(ctx: RingCtx, min: u32): void {
  if (ctx.flags & IORING_SETUP_DEFER_TASKRUN) runLocalWork(ctx, min);
  runOtherWork(ctx);
}
@inline function runOtherWork(ctx: RingCtx): void {
  runTaskWork();
  if (!ctx.overflow_first) return;
  overflowFlush(ctx);
  if (ctx.timeouts_active) flushTimeouts(ctx);
}

/** The same for a waiter that something has woken; local work alone may not wake it before there is enough of it. */
function runWorkWoken(ctx: RingCtx, min: u32, timeIsUp: bool): void {
  if (ctx.flags & IORING_SETUP_DEFER_TASKRUN) {
    const have = cqEventsUser(ctx), missing = have < min ? min - have : 1;
    if (timeIsUp || localWorkWakes(ctx, missing)) runLocalWorkWoken(ctx, missing);
  }
  runOtherWork(ctx);
}

/** io_cqring_wait(): 0 when `min` CQEs are there; -ETIME only if the time is up and the CQ is empty. */
function cqringWait(ctx: RingCtx, fd: i32, min: u32, deadline: u64): i32 {
  const horizon = nowNs() + WAIT_HORIZON;
  runWork(ctx, min);
  while (cqEventsUser(ctx) < min) {
    if (notModelledPending()) return -ENOTMODELLED;
    const step = sleepStep(deadline);
    if (step == SLEEP_DEADLINE) {
      runWorkWoken(ctx, min, true);
      return cqEventsUser(ctx) ? 0 : -ETIME;
    }
    if (step == SLEEP_NEVER || nowNs() > horizon) return waitForEver(ctx, fd, min);
    runWorkWoken(ctx, min, false);
    if (cqEventsUser(ctx) >= min) wakeUpLate(ctx, min);
  }
  return 0;
}

/** A woken waiter is not running yet: what the other CPU does in the meantime happens first. */
function wakeUpLate(ctx: RingCtx, min: u32): void {
  const until = nowNs() + WAKE_NS;
  while (timersPending() && nextTimerAt() <= until) {
    sleepStep(until);
    runWorkWoken(ctx, min, false);
  }
}

function waitForEver(ctx: RingCtx, fd: i32, min: u32): i32 {
  const r: usize = WAIT_REPORT_BASE;
  store<u32>(r + WAIT_KIND, WAIT_RING);
  store<u32>(r + WAIT_FD, fd as u32);
  store<u32>(r + WAIT_WANTED, min);
  store<u32>(r + WAIT_HAVE, cqEventsUser(ctx));
  store<u32>(r + WAIT_REQS, ctx.nr_req_allocated - ctx.nr_notifs);
  store<u32>(r + WAIT_NOTIFS, ctx.nr_notifs);
  store<u32>(r + WAIT_EVENTS, timersPending());
  store<u32>(r + WAIT_DEFERRED, ctx.nr_drained);
  drainReport(ctx);
  return -EWAITFOREVER;
}
