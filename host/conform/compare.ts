// The verdict on one scenario: same as Linux printed, different, or not modelled.
import { formatEvent, type ProgramEvent } from "../program/events.ts";
import type { Outcome, RunResult } from "../program/outcome.ts";
import { NORMALISERS } from "./normalise.ts";
import type { Scenario } from "./recordings.ts";

export type Verdict = "same" | "different" | "not-modelled";

export interface Comparison {
  verdict: Verdict;
  /** The rule that made it the same, when exact comparison did not. */
  normaliser?: string;
  /** Which recorded output it equals: 0 is the most common. */
  variant?: number;
  /** Why the run did not reach its end. */
  report?: string;
}

/** Equality of runs: the same events with the same fields. The order of the fields of one event says nothing. */
export function sameEvents(ours: readonly ProgramEvent[], theirs: readonly ProgramEvent[]): boolean {
  return ours.length === theirs.length && ours.every((event, index) => canonical(event) === canonical(theirs[index]));
}

/** One event as text, its fields sorted: equal texts are equal events. */
export function canonical(event: ProgramEvent): string {
  const sorted = Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1));
  return formatEvent(Object.fromEntries(sorted) as ProgramEvent);
}

export function outcomeText(outcome: Outcome): string | undefined {
  return outcome.kind === "end" ? undefined : `line ${outcome.line}: ${outcome.report}`;
}

function findVariant(
  ours: ProgramEvent[],
  recorded: ProgramEvent[][],
  change: (events: ProgramEvent[]) => ProgramEvent[],
) {
  const changed = change(ours);
  const found = recorded.findIndex((events) => sameEvents(changed, change(events)));
  return found < 0 ? undefined : found;
}

export function compareRun(scenario: Scenario, result: RunResult): Comparison {
  const report = outcomeText(result.outcome);
  if (result.outcome.kind === "not-modelled") return { verdict: "not-modelled", report };
  if (report !== undefined) return { verdict: "different", report };
  const exact = findVariant(result.events, scenario.recorded, (events) => events);
  if (exact !== undefined) return { verdict: "same", variant: exact };
  for (const rule of NORMALISERS.filter((each) => each.appliesTo(scenario))) {
    const variant = findVariant(result.events, scenario.recorded, rule.apply);
    if (variant !== undefined) return { verdict: "same", variant, normaliser: rule.name };
  }
  return { verdict: "different" };
}
