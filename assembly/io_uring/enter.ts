// io_uring_enter(2): submit, then wait. Nothing but this call waits on a ring.
//
// Waiting runs the machine's events until enough CQEs are there, the time is up, or nothing can ever happen any more; in the
// last case the call returns -EWAITFOREVER and the wait report says what is outstanding, instead of hanging.
//
// Spec: send-zc.md 1.5 (flags, errors), 6.1-6.3.
import { WAIT_REPORT_BASE } from "../abi/layout";
import { BUG_WAKE } from "../abi/bug";
import { CNT_ENTERS } from "../abi/counters";
import { EBADF, EBADFD, EEXIST, EFAULT, EINVAL, ENOTMODELLED, EOPNOTSUPP, ETIME, EWAITFOREVER } from "../abi/errno";
import {
  GETEVENTS_ARG_SIZE, GETEVENTS_OFF_MIN_WAIT_USEC, GETEVENTS_OFF_SIGMASK, GETEVENTS_OFF_SIGMASK_SZ, GETEVENTS_OFF_TS, IORING_ENTER_ABS_TIMER,
  IORING_ENTER_EXT_ARG, IORING_ENTER_EXT_ARG_REG, IORING_ENTER_GETEVENTS, IORING_ENTER_REGISTERED_RING, IORING_ENTER_SQ_WAIT,
  IORING_ENTER_SQ_WAKEUP, IORING_REG_WAIT_TS, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_IOPOLL, IORING_SETUP_R_DISABLED, IORING_SETUP_SINGLE_ISSUER,
  IORING_FEAT_MIN_TIMEOUT, IORING_SETUP_SQPOLL, REG_WAIT_OFF_FLAGS, REG_WAIT_OFF_MIN_WAIT_USEC, REG_WAIT_OFF_SIGMASK, REG_WAIT_OFF_SIGMASK_SZ, REG_WAIT_OFF_TS, REG_WAIT_SIZE,
  RING_OFF_CQ_HEAD, RING_OFF_CQ_TAIL,
} from "../abi/uapi";
import { ROW_ENTER, ROW_FEATURE } from "../abi/profile";
import { WAIT_DEFERRED, WAIT_EVENTS, WAIT_FD, WAIT_HAVE, WAIT_KIND, WAIT_NOTIFS, WAIT_REQS, WAIT_RING, WAIT_WANTED } from "../abi/wait";
import { bugOn } from "../lib/bug";
import { validFlags } from "../lib/profile";
import { notModelledPending } from "../lib/not_modelled";
import { SCRATCH_GETEVENTS, cntInc, nowNs } from "../lib/state";
import { choose } from "../lib/rng";
import { nextTimerAt, timersPending } from "../lib/timer";
import { timespecNs } from "../mm/timespec";
import { copyFromUser, userReadable } from "../mm/vma";
import { current } from "../kernel/task";
import { CLOCK_MONOTONIC_START, FOREVER, SLEEP_DEADLINE, SLEEP_NEVER, WAIT_HORIZON, WAIT_STEPS, fromClock, sleepStep } from "../kernel/sched";
import { FILE_RING, fdFile } from "../fs/file";
import { drainCommit, drainReport } from "./drain";
import { cqEventsUser, overflowFlush } from "./cq";
import { regWait } from "./region";
import { registeredRing, registeredRingError } from "./ring_fds";
import { sqpollFull, sqpollKick, sqpollNotice } from "./sqpoll";
import { submitSqes } from "./submit";
import { flushTimeouts } from "./timeout";
import { localWorkPending, localWorkWakes, runLocalWork, runLocalWorkWoken, runTaskWork } from "./tw";
import { RingCtx } from "./types";

/** From the wake-up of a waiter to its first instruction, ns of virtual time. */
const WAKE_NS: u64 = 10000;
const SIGSET_SIZE: u32 = 8;

/** Number of SQEs consumed, or (nothing submitted) 0 or -errno of the wait. */
export function ioUringEnter(fd: i32, toSubmit: u32, minComplete: u32, flags: u32, arg: u64, argsz: u32): i32 {
  cntInc(CNT_ENTERS);
  if (flags & ~validFlags(ROW_ENTER)) return -EINVAL;
  const f = flags & IORING_ENTER_REGISTERED_RING ? registeredRing(fd as u32) : fdFile(fd);
  if (!f) return flags & IORING_ENTER_REGISTERED_RING ? registeredRingError(fd as u32) : -EBADF;
  if (f.kind != FILE_RING) return -EOPNOTSUPP;
  const ctx = changetype<RingCtx>(f.priv);
  if (ctx.flags & IORING_SETUP_R_DISABLED) return -EBADFD;
  let ret: i32 = 0;
  if (ctx.flags & IORING_SETUP_SQPOLL) {
    if (flags & IORING_ENTER_SQ_WAKEUP) sqpollKick(ctx);
    else sqpollNotice(ctx);
    if (flags & IORING_ENTER_SQ_WAIT && sqpollFull(ctx)) waitForSq(ctx);
    ret = toSubmit as i32;
  } else if (toSubmit) {
    if (ctx.flags & IORING_SETUP_SINGLE_ISSUER && ctx.task != current()) return -EEXIST;
    ret = submitSqes(ctx, toSubmit);
    if (ret != (toSubmit as i32)) return ret;
    if (flags & IORING_ENTER_GETEVENTS && ctx.flags & IORING_SETUP_DEFER_TASKRUN) runLocalWork(ctx, minComplete);
  }
  if (flags & IORING_ENTER_GETEVENTS) {
    const err = getEvents(ctx, fd, minComplete, flags, arg, argsz);
    if (err && (!ret || err == -EWAITFOREVER || err == -ENOTMODELLED)) ret = err;
  }
  return ret;
}

/** IORING_ENTER_SQ_WAIT: until the SQ thread has taken something. */
function waitForSq(ctx: RingCtx): void {
  while (sqpollFull(ctx) && !notModelledPending()) if (sleepStep(FOREVER) == SLEEP_NEVER) return;
}

function getEvents(ctx: RingCtx, fd: i32, min: u32, flags: u32, arg: u64, argsz: u32): i32 {
  if (min > ctx.cq_entries) min = ctx.cq_entries;
  if (!(flags & IORING_ENTER_EXT_ARG)) return wait(ctx, fd, min, FOREVER, 0, arg, argsz); // the signal mask alone
  if ((ctx.flags & (IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL)) == IORING_SETUP_IOPOLL) flags &= ~IORING_ENTER_EXT_ARG_REG;
  if (flags & IORING_ENTER_EXT_ARG_REG) {
    if (argsz != REG_WAIT_SIZE) return -EINVAL;
    const w = regWait(ctx, arg);
    if (!w) return -EFAULT;
    const wf = load<u32>(w, REG_WAIT_OFF_FLAGS);
    if (wf & ~IORING_REG_WAIT_TS) return -EINVAL;
    const end = wf & IORING_REG_WAIT_TS ? deadlineOf(w + REG_WAIT_OFF_TS, flags) : FOREVER;
    return wait(ctx, fd, min, end, load<u32>(w, REG_WAIT_OFF_MIN_WAIT_USEC), load<u64>(w, REG_WAIT_OFF_SIGMASK), load<u32>(w, REG_WAIT_OFF_SIGMASK_SZ));
  }
  const a = SCRATCH_GETEVENTS;
  if (argsz != GETEVENTS_ARG_SIZE) return -EINVAL;
  if (copyFromUser(a, arg, GETEVENTS_ARG_SIZE)) return -EFAULT;
  const ts = load<u64>(a, GETEVENTS_OFF_TS), sig = load<u64>(a, GETEVENTS_OFF_SIGMASK), sigsz = load<u32>(a, GETEVENTS_OFF_SIGMASK_SZ);
  const minUsec = load<u32>(a, GETEVENTS_OFF_MIN_WAIT_USEC);
  if (minUsec && !(validFlags(ROW_FEATURE) & IORING_FEAT_MIN_TIMEOUT)) return -EINVAL;
  if (ts && copyFromUser(a, ts, 16)) return -EFAULT;
  return wait(ctx, fd, min, ts ? deadlineOf(a, flags) : FOREVER, minUsec, sig, sigsz);
}

/** {s64 sec, s64 nsec} at `ts`, from now or on the clock, as time of the machine. What is past is now. */
function deadlineOf(ts: usize, flags: u32): u64 {
  const sec = load<i64>(ts), nsec = load<i64>(ts, 8);
  const ns = timespecNs(sec, nsec), now = nowNs();
  if (ns < 0) return now;
  return max<u64>(now, flags & IORING_ENTER_ABS_TIMER ? fromClock(ns as u64, CLOCK_MONOTONIC_START) : now + (ns as u64));
}

/** Waits until `min` CQEs are there, at most to `deadline`. */
function wait(ctx: RingCtx, fd: i32, min: u32, deadline: u64, minUsec: u32, sig: u64, sigsz: u32): i32 {
  if ((ctx.flags & (IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL)) == IORING_SETUP_IOPOLL) return iopollCheck(ctx, min);
  if (ctx.flags & IORING_SETUP_DEFER_TASKRUN && ctx.task != current()) return -EEXIST;
  runWork(ctx, min);
  if (cqEventsUser(ctx) >= min) return 0;
  if (sig) {
    if (sigsz != SIGSET_SIZE) return -EINVAL;
    if (userReadable(sig, SIGSET_SIZE)) return -EFAULT;
  }
  return cqringWait(ctx, fd, min, deadline, minUsec);
}

/** No modelled file can be polled for completions, so there is nothing to wait for but task work. */
function iopollCheck(ctx: RingCtx, min: u32): i32 {
  if (ctx.overflow_first) flushOverflow(ctx);
  if (!cqEventsUser(ctx)) runWork(ctx, min);
  return 0;
}

/** Task work of either kind, then what overflowed moves to the ring. */
@inline function runWork(ctx: RingCtx, min: u32): void {
  if (ctx.flags & IORING_SETUP_DEFER_TASKRUN) runLocalWork(ctx, min);
  runOtherWork(ctx);
}
@inline function runOtherWork(ctx: RingCtx): void {
  runTaskWork();
  if (ctx.overflow_first) flushOverflow(ctx);
}

function flushOverflow(ctx: RingCtx): void {
  overflowFlush(ctx);
  drainCommit(ctx);
  if (ctx.timeouts_active) flushTimeouts(ctx);
}

/** The same for a waiter that something has woken; local work alone may not wake it before there is enough of it. */
function runWorkWoken(ctx: RingCtx, left: u32, timeIsUp: bool): void {
  if (ctx.flags & IORING_SETUP_DEFER_TASKRUN && (timeIsUp || localWorkWakes(ctx, left))) runLocalWorkWoken(ctx, left ? left : 1);
  runOtherWork(ctx);
}

@inline function cqTail(ctx: RingCtx): u32 { return load<u32>(ctx.rings, RING_OFF_CQ_TAIL); }
/** How many CQEs are missing to `target`. */
@inline function missing(ctx: RingCtx, target: u32): u32 {
  const left = (target - cqTail(ctx)) as i32;
  return left <= 0 ? 0 : (left as u32);
}
/** Enough CQEs; or a timeout has expired, which every waiter wants to know. */
@inline function satisfied(ctx: RingCtx, target: u32, timeouts: u32): bool { return !missing(ctx, target) || ctx.cq_timeouts != timeouts; }

/**
 * io_cqring_wait(): 0 when `min` CQEs are there; -ETIME only if the time is up and the CQ is empty. With a minimum wait the
 * first `minUsec` are for `min` CQEs; whatever came by then ends it, and after that the first one does.
 */
function cqringWait(ctx: RingCtx, fd: i32, min: u32, deadline: u64, minUsec: u32): i32 {
  const horizon = nowNs() + WAIT_HORIZON, timeouts = ctx.cq_timeouts, startTail = cqTail(ctx);
  let target = atomic.load<u32>(ctx.rings, RING_OFF_CQ_HEAD) + min;
  let until = minUsec ? nowNs() + (minUsec as u64) * 1000 : deadline, isMin = minUsec != 0, awake = true, events: u32 = 0;
  while (!satisfied(ctx, target, timeouts)) {
    if (notModelledPending()) return -ENOTMODELLED;
    if (awake && ctx.flags & IORING_SETUP_DEFER_TASKRUN && localWorkPending(ctx)) { // what its own work has queued does not let it sleep
      runLocalWorkWoken(ctx, missing(ctx, target));
      runOtherWork(ctx);
      continue;
    }
    const step = sleepStep(until);
    if (step == SLEEP_DEADLINE) {
      if (isMin && until < deadline && deadline != FOREVER && !(ctx.work_count | ctx.retry_count) && cqTail(ctx) == startTail && !cqEventsUser(ctx)) {
        isMin = false;
        until = deadline;
        target = startTail + 1;
        continue;
      }
      runWorkWoken(ctx, missing(ctx, target), true);
      return cqEventsUser(ctx) ? 0 : -ETIME;
    }
    if (step == SLEEP_NEVER || nowNs() > horizon || ++events > WAIT_STEPS) return waitForEver(ctx, fd, min);
    awake = satisfied(ctx, target, timeouts) || hasWork(ctx, target);
    if (awake) whileWaking();
    runWorkWoken(ctx, missing(ctx, target), false);
  }
  return 0;
}

/** Is there task work that wakes the waiter? */
function hasWork(ctx: RingCtx, target: u32): bool {
  return current().tw_head != 0 || ((ctx.flags & IORING_SETUP_DEFER_TASKRUN) != 0 && localWorkWakes(ctx, missing(ctx, target)));
}

/** A woken waiter is not running yet: what the other CPU does in the meantime happens first. */
function whileWaking(): void {
  const until = nowNs() + WAKE_NS * (choose(3) ^ 1);
  while (timersPending() && nextTimerAt() <= until) sleepStep(until);
}

function waitForEver(ctx: RingCtx, fd: i32, min: u32): i32 {
  bugOn(cqEventsUser(ctx) >= min || current().tw_head != 0, BUG_WAKE, changetype<usize>(ctx), min);
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
