// Replays recorded scenarios, each on a machine of its own.
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
}

export type Totals = Record<Verdict, number>;

/** Never throws for what a scenario does: an emulator that breaks is `different`, with the reason. */
export async function replayScenario(scenario: Scenario, options: MachineOptions = {}): Promise<ScenarioResult> {
  let result: RunResult;
  try {
    const program = parseProgram(scenario.program, scenario.name);
    const machine = await Machine.create(options);
    result = runProgram(machine, program);
  } catch (error) {
    const report = error instanceof Error ? error.message : String(error);
    const verdict = error instanceof ProgramSyntaxError ? "not-modelled" : "different";
    return { scenario, events: [], verdict, report };
  }
  return { scenario, events: result.events, ...compareRun(scenario, result) };
}

export function countVerdicts(results: readonly Comparison[]): Totals {
  const totals: Totals = { same: 0, different: 0, "not-modelled": 0 };
  for (const { verdict } of results) totals[verdict]++;
  return totals;
}
