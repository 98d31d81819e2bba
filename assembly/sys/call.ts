// The frame of a system call: how it returns, and how it sleeps.
//
// Task work runs whenever the task comes out of a call and after every event while it sleeps in one. That is the only time
// at which notifications of rings without DEFER_TASKRUN become CQEs (send-zc.md 6.2).
//
// A blocking call is a loop: try without waiting, and as long as the answer is -EAGAIN, sleepMore(). A sleep that nothing
// can ever end is reported with -EWAITFOREVER and the wait report instead of hanging the machine.
import { WAIT_REPORT_BASE } from "../abi/layout";
import { WAIT_EVENTS, WAIT_FD, WAIT_HAVE, WAIT_KIND, WAIT_SIZE, WAIT_WANTED } from "../abi/wait";
import { EAGAIN, ENOTMODELLED, EWAITFOREVER } from "../abi/errno";
import { notModelledPending, notModelledTake } from "../lib/not_modelled";
import { S_HOOK_TASK_WORK, nowNs } from "../lib/state";
import { timersPending } from "../lib/timer";
import { FOREVER, SLEEP_DEADLINE, SLEEP_NEVER, WAIT_HORIZON, sleepStep } from "../kernel/sched";

@inline export function runTaskWorkHook(): void {
  const hook = load<u32>(S_HOOK_TASK_WORK);
  if (hook) call_indirect<void>(hook);
}

/** Every system call returns through here. */
@inline export function sysReturn(ret: i32): i32 {
  runTaskWorkHook();
  if (notModelledPending()) return notModelledTake();
  return ret;
}

/** The absolute time at which a wait of `timeout` ns (0 = none) that starts now ends. */
@inline export function deadlineAfter(timeout: u64): u64 { return timeout ? nowNs() + timeout : FOREVER; }

/**
 * Sleeps until something has happened. 0: look again; -EAGAIN: the deadline has passed; -EWAITFOREVER: nothing that could
 * end the wait is ever going to happen (`started`: when the wait began).
 */
export function sleepMore(deadline: u64, started: u64): i32 {
  const slept = sleepStep(deadline);
  if (slept == SLEEP_DEADLINE) {
    runTaskWorkHook();
    return -EAGAIN;
  }
  if (slept == SLEEP_NEVER) return -EWAITFOREVER;
  runTaskWorkHook();
  return deadline == FOREVER && nowNs() - started > WAIT_HORIZON ? -EWAITFOREVER : 0;
}

/** Ends this result the run? Then what the call got done before is no answer. */
@inline export function endsRun(ret: i32): bool { return ret == -EWAITFOREVER || ret == -ENOTMODELLED; }

/** Fills the wait report for -EWAITFOREVER, which it returns. */
export function waitForever(kind: u32, fd: i32, wanted: u32, have: u32): i32 {
  memory.fill(WAIT_REPORT_BASE, 0, WAIT_SIZE);
  store<u32>(WAIT_REPORT_BASE, kind, WAIT_KIND);
  store<i32>(WAIT_REPORT_BASE, fd, WAIT_FD);
  store<u32>(WAIT_REPORT_BASE, wanted, WAIT_WANTED);
  store<u32>(WAIT_REPORT_BASE, have, WAIT_HAVE);
  store<u32>(WAIT_REPORT_BASE, timersPending(), WAIT_EVENTS);
  return -EWAITFOREVER;
}
