// Runs a program and watches: what each line made the kernel do, what it printed, what the wires lost, in one timeline.
import type { Machine } from "../machine.ts";
import type { RunResult } from "../program/outcome.ts";
import { type RunOptions, runProgram } from "../program/run.ts";
import type { ProgramEvent } from "../program/events.ts";
import type { WireFrame } from "../nic/wire.ts";
import type { Program, Step, StepOp } from "../program/steps.ts";
import { type ProgramNote, Refusals } from "./refusals.ts";
import { TraceReader, type TraceRecord } from "./decode.ts";
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

/** Who follows a run while it happens. Records come before the step or event that follows them. */
export interface Observer {
  step(step: Step): void;
  event(event: ProgramEvent): void;
  records(records: readonly TraceRecord[]): void;
  frame?(frame: WireFrame): void;
}

/** Runs a program with its trace. Returns also how many records were overwritten before they could be read. */
export function observeProgram(
  machine: Machine,
  program: Program,
  observer: Observer,
  options: RunOptions = {},
): RunResult & { lost: number; notes: ProgramNote[] } {
  const reader = new TraceReader(machine);
  const refusals = new Refusals(machine.profile);
  const catchUp = () => observer.records(reader.read());
  // What happened before the program is not its doing.
  reader.read();
  machine.onFrame((frame) => {
    catchUp();
    observer.frame?.(frame);
  });
  const result = runProgram(machine, program, {
    ...options,
    onStep: (step) => {
      catchUp();
      refusals.step(step);
      observer.step(step);
      options.onStep?.(step);
    },
    onEvent: (event) => {
      catchUp();
      refusals.event(event);
      observer.event(event);
      options.onEvent?.(event);
    },
  });
  catchUp();
  return { ...result, lost: reader.lost, notes: refusals.end() };
}

/** Names of a machine's devices by index. Programs make devices on their way: the simulated NICs. */
export function deviceNames(machine: Machine): Map<number, string> {
  return new Map([...(machine.network?.devices ?? [])].map(([name, dev]) => [dev, name]));
}

/** `text`: the program's own. The machine must have been created with its trace switched on. */
export function watchProgram(machine: Machine, program: Program, text: string, options: WatchOptions = {}): Watched {
  const devices = new Map<number, string>();
  const timeline = new Timeline(text.split("\n"), devices, options.quiet);
  const observer: Observer = {
    step: (step) => timeline.step(step),
    event: (event) => timeline.event(event),
    frame: (frame) => timeline.frame(frame),
    records: (records) => {
      for (const [dev, name] of deviceNames(machine)) devices.set(dev, name);
      timeline.records(records);
    },
  };
  const result = observeProgram(machine, program, observer, options);
  timeline.notes.push(...result.notes);
  return { ...result, timeline };
}
