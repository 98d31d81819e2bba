// The verdict of `diff`: one run here, one on the live kernel.
import type { ProgramEvent } from "../program/events.ts";
import type { RunResult } from "../program/outcome.ts";
import { alignEvents } from "./side_by_side.ts";

/** What a program did on the live kernel. */
export interface LiveRun {
  events: ProgramEvent[];
  /** `killed`: it did not come to its end in its time. */
  end: "end" | "killed" | "failed";
}

/** Both sides of `diff`: the same when they print the same, and come to their end or wait for ever both. */
export function compareLive(ours: RunResult, theirs: LiveRun): { same: boolean; text: string } {
  const bothEnd = ours.outcome.kind === "end" && theirs.end === "end";
  const bothWait = ours.outcome.kind === "waits" && theirs.end === "killed";
  const count = alignEvents(theirs.events, ours.events).filter((row) => !row.same).length;
  if (count > 0) return { same: false, text: `different in ${count} place${count === 1 ? "" : "s"}` };
  if (bothWait) return { same: true, text: "same: waits for ever on both sides" };
  return bothEnd ? { same: true, text: "same" } : { same: false, text: "different: the same events, but another end" };
}
