// sys: one system call with the arguments as they are written.
import type { RunContext } from "./context.ts";
import type { StepOf } from "./steps.ts";
import { CALLS, SysArgs } from "./sys_calls.ts";

export function stepSys(run: RunContext, step: StepOf<"sys">): void {
  const make = CALLS[step.call];
  if (make === undefined) run.notModelled(`${step.call}(2)`);
  const result = run.call(step.call, make(run.sys, new SysArgs(run, step.args), run.machine.exports), "its descriptor");
  run.outCall(step.call, result);
  if (step.name !== undefined) run.setFd(step.name, result < 0 ? -1 : result);
}
