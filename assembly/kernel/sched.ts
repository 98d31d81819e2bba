// Who runs when. One thread executes everything: the task (system calls), softirq (packet input, timers), task work and
// the simulated workers. Events are timers; the machine sleeps by running the next one.
//
//   task in user space --syscall--> kernel --returns--> task work runs --> user space
//                                     |
//                                     +-- waits: runNextTimer(), task work, look again
//
// A blocking call is a loop `while (!condition) { if (!sleepStep(deadline)) give up; }`.
import { S_BH_DEPTH, S_BACKLOG_HEAD, S_HOOK_NET_RX, S_IN_SOFTIRQ, S_NOW, S_TRACE_CTX } from "../lib/state";
import { TRACE_CTX_SOFTIRQ } from "../abi/trace";
import { nextTimerAt, runNextTimer, advanceTo, timersPending } from "../lib/timer";

/** No deadline: wait until something happens. */
export const FOREVER: u64 = u64.MAX_VALUE;
/**
 * A call without deadline gives up after this much virtual time: nothing that it waits for is still going to happen, only
 * retransmissions and probes that repeat. One day.
 */
export const WAIT_HORIZON: u64 = 86400000000000;
/** And after so many events, for work that goes on for ever in no time: an SQ thread on a ring whose tail lies. */
export const WAIT_STEPS: u32 = 1 << 24;

/** What the clocks show when the machine's own stands at 0, ns: it has been up for an hour, and it is 2026-01-01T00:00:00Z. */
export const CLOCK_MONOTONIC_START: u64 = 3600000000000; // CLOCK_BOOTTIME as well
export const CLOCK_REALTIME_START: u64 = 1767225600000000000;

/** A time on one of the clocks as time of the machine; what lies before its start is 0. */
@inline export function fromClock(ns: u64, start: u64): u64 { return ns > start ? ns - start : 0; }

export const SLEEP_EVENT: u32 = 1; // an event ran
export const SLEEP_DEADLINE: u32 = 2; // the deadline was reached, the clock stands on it
export const SLEEP_NEVER: u32 = 0; // no event can ever come

/** Sleeps until the next event, at most to `deadline`. Runs the event in softirq context. */
export function sleepStep(deadline: u64): u32 {
  if (!timersPending()) {
    if (deadline == FOREVER) return SLEEP_NEVER;
    advanceTo(deadline);
    return SLEEP_DEADLINE;
  }
  if (nextTimerAt() > deadline) {
    advanceTo(deadline);
    return SLEEP_DEADLINE;
  }
  runTimerSoftirq();
  return SLEEP_EVENT;
}

function runTimerSoftirq(): void {
  const ctx = load<u32>(S_TRACE_CTX);
  store<u32>(S_TRACE_CTX, TRACE_CTX_SOFTIRQ);
  localBhDisable();
  runNextTimer();
  localBhEnable();
  store<u32>(S_TRACE_CTX, ctx);
}

/**
 * A kernel thread's turn is an event, too, but no softirq: what it sends over lo is received before it goes on. Returns what
 * threadEnd() needs.
 */
export function threadBegin(): u32 {
  const depth = load<u32>(S_BH_DEPTH);
  store<u32>(S_BH_DEPTH, 0);
  return depth;
}
export function threadEnd(depth: u32): void { store<u32>(S_BH_DEPTH, depth); }

/** Softirq work raised inside the pair runs at the outermost enable. */
@inline export function localBhDisable(): void { store<u32>(S_BH_DEPTH, load<u32>(S_BH_DEPTH) + 1); }

@inline export function localBhEnable(): void {
  const depth = load<u32>(S_BH_DEPTH) - 1;
  store<u32>(S_BH_DEPTH, depth);
  if (depth == 0 && load<u32>(S_BACKLOG_HEAD) && !load<u32>(S_IN_SOFTIRQ)) doSoftirq();
}

/** Drains the input queue. Packets sent meanwhile are appended to it and handled by the same loop. */
export function doSoftirq(): void {
  const ctx = load<u32>(S_TRACE_CTX);
  store<u32>(S_TRACE_CTX, TRACE_CTX_SOFTIRQ);
  store<u32>(S_IN_SOFTIRQ, 1);
  call_indirect<void>(load<u32>(S_HOOK_NET_RX));
  store<u32>(S_IN_SOFTIRQ, 0);
  store<u32>(S_TRACE_CTX, ctx);
}

@inline export function now(): u64 { return load<u64>(S_NOW); }
