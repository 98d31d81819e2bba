// Replays recorded scenarios, each on a machine of its own.
import { findLeaks, restingCounts } from "../core/leaks.ts";
import { Machine, type MachineOptions } from "../machine.ts";
import { ProgramSyntaxError } from "../program/words.ts";
import type { ProgramEvent } from "../program/events.ts";
import type { RunResult } from "../program/outcome.ts";
import { parseProgram } from "../program/parse.ts";
import { runProgram } from "../program/run.ts";
import { type Comparison, compareRun, type Verdict } from "./compare.ts";
import type { Scenario } from "./recordings.ts";

export interface ScenarioResult extends Comparison {
  scenario: Scenario;
  events: ProgramEvent[];
  /** What was left when everything was closed; only when it was asked for. */
  leaks: string[];
}

export interface ReplayOptions extends MachineOptions {
  /** Close everything at the end and look for what is left (invariant I5). */
  leaks?: boolean;
}

export type Totals = Record<Verdict, number>;

/** Never throws for what a scenario does: an emulator that breaks is `different`, with the reason. */
export async function replayScenario(scenario: Scenario, options: ReplayOptions = {}): Promise<ScenarioResult> {
  let result: RunResult;
  let leaks: string[] = [];
  try {
    const program = parseProgram(scenario.program, scenario.name);
    const machine = await Machine.create({ ...program.machine, ...options });
    const before = restingCounts(machine);
    result = runProgram(machine, program);
    if (options.leaks) leaks = findLeaks(machine, before);
  } catch (error) {
    const report = error instanceof Error ? error.message : String(error);
    const verdict = error instanceof ProgramSyntaxError ? "not-modelled" : "different";
    return { scenario, events: [], leaks, verdict, report };
  }
  return { scenario, events: result.events, leaks, ...compareRun(scenario, result) };
}

export function countVerdicts(results: readonly Comparison[]): Totals {
  const totals: Totals = { same: 0, different: 0, "not-modelled": 0 };
  for (const { verdict } of results) totals[verdict]++;
  return totals;
}
