// Runs a program and watches: what each line made the kernel do, what it printed, what the wires lost, in one timeline.
import type { Machine } from "../machine.ts";
import type { RunResult } from "../program/outcome.ts";
import { type RunOptions, runProgram } from "../program/run.ts";
import type { Program, StepOp } from "../program/steps.ts";
import { TraceReader } from "./decode.ts";
import { Timeline } from "./timeline.ts";

export interface Watched extends RunResult {
  timeline: Timeline;
  /** Records of the trace that were overwritten before they could be read. */
  lost: number;
}

export interface WatchOptions extends RunOptions {
  /** Operations of which the timeline shows the line only. */
  quiet?: readonly StepOp[];
}

/** `text`: the program's own. The machine must have been created with its trace switched on. */
export function watchProgram(machine: Machine, program: Program, text: string, options: WatchOptions = {}): Watched {
  const reader = new TraceReader(machine);
  const devices = new Map<number, string>();
  const timeline = new Timeline(text.split("\n"), devices, options.quiet);
  const catchUp = () => {
    // Programs make devices on their way: the simulated NICs.
    for (const [name, dev] of machine.network?.devices ?? []) devices.set(dev, name);
    timeline.records(reader.read());
  };
  // What happened before the program is not its doing.
  reader.read();
  machine.onFrame((frame) => {
    catchUp();
    timeline.frame(frame);
  });
  const result = runProgram(machine, program, {
    onStep: (step) => {
      catchUp();
      timeline.step(step);
      options.onStep?.(step);
    },
    onEvent: (event) => {
      catchUp();
      timeline.event(event);
      options.onEvent?.(event);
    },
  });
  catchUp();
  return { ...result, timeline, lost: reader.lost };
}
