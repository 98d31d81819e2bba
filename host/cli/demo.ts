// ringzero demo: one zero-copy send whose buffer is held by a lost segment, and the same send where Linux copies.
import type { Command } from "commander";
import loopback from "../../examples/demo/loopback.zc";
import lostSegment from "../../examples/demo/lost-segment.zc";
import { Machine } from "../machine.ts";
import { parseProgram } from "../program/parse.ts";
import { renderTimeline } from "../trace/timeline.ts";
import { watchProgram } from "../trace/watch.ts";
import { duration } from "../trace/words.ts";
import { EXIT_FAILED } from "./errors.ts";

const PROGRAMS = [
  ["lost-segment.zc", lostSegment],
  ["loopback.zc", loopback],
] as const;

export function demoCommand(program: Command): void {
  program
    .command("demo")
    .description("show what holds a buffer: a lost segment over the NIC, a copy over lo")
    .action(demo);
}

async function demo(): Promise<void> {
  const waits: bigint[] = [];
  for (const [name, text] of PROGRAMS) {
    console.log(`${headComment(text)}\n`);
    const program = parseProgram(text, name);
    const machine = await Machine.create({ ...program.machine, trace: true });
    // Nobody looks at a demo for its handshake.
    const { timeline, outcome } = watchProgram(machine, program, text, { quiet: ["setup", "pair"] });
    console.log(`${renderTimeline(timeline)}\n`);
    if (outcome.kind !== "end") {
      console.error(`ringzero: ${name}:${outcome.line}: ${outcome.report}`);
      process.exitCode = EXIT_FAILED;
      return;
    }
    for (const { sent, posted_ns } of timeline.notifications.all) {
      if (sent !== undefined && posted_ns !== undefined) waits.push(posted_ns - sent.time_ns);
    }
  }
  const [held, copied] = waits;
  if (held === undefined || copied === undefined) throw new Error("the demo's sends have no notifications");
  console.log(lesson(held, copied));
}

/** The lines at the top of a program that say what it shows. */
function headComment(text: string): string {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("#"));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^# ?/, ""))
    .join("\n");
}

function lesson(held: bigint, copied: bigint): string {
  const soon = copied === 0n ? "at once" : `after ${duration(copied)}`;
  return `The lesson: F_MORE is not "done". Zero copy holds the buffer until the ACK, here ${duration(held)}; a copy frees it ${soon}.`;
}
