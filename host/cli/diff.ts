// ringzero diff FILE.zc: the same program on the emulator and on this machine's own kernel.
import type { Command } from "commander";
import { outcomeText, sameEvents } from "../conform/compare.ts";
import { alignEvents, sideBySide } from "../conform/side_by_side.ts";
import { KernelNet, KernelRunner } from "../kernel/harness.ts";
import { probeKernel } from "../kernel/probe.ts";
import { Machine } from "../machine.ts";
import { formatEvent, type ProgramEvent } from "../program/events.ts";
import { parseProgram } from "../program/parse.ts";
import { runProgram } from "../program/run.ts";
import { EXIT_FAILED, EXIT_UNAVAILABLE } from "./errors.ts";
import { readText, seedOption } from "./input.ts";

interface Options {
  json?: boolean;
  seed: number;
}

export function diffCommand(program: Command): void {
  program
    .command("diff")
    .description("run a program on the emulator and on this machine's kernel, and show both")
    .argument("<file>", "program (.zc), or - for standard input")
    .option("--json", "print both runs as JSON")
    .option("--seed <number>", "seed of the emulator", seedOption, 0)
    .action(diff);
}

async function diff(file: string, options: Options): Promise<void> {
  const text = readText(file);
  const program = parseProgram(text, file === "-" ? "stdin" : file);
  const probe = probeKernel();
  if (!probe.ok) {
    console.error(`ringzero: no kernel to compare with: ${probe.missing}`);
    process.exitCode = EXIT_UNAVAILABLE;
    return;
  }
  const machine = await Machine.create({ seed: options.seed });
  const ours = runProgram(machine, program);
  const theirs = runOnKernel(text);
  if (theirs.refused !== undefined) {
    console.error(`ringzero: this program cannot run on Linux: ${theirs.refused}`);
    process.exitCode = EXIT_UNAVAILABLE;
    return;
  }
  const notes = [outcomeText(ours.outcome), theirs.note].filter((note) => note !== undefined);
  const same = notes.length === 0 && sameEvents(ours.events, theirs.events);
  if (options.json) {
    const list = (events: ProgramEvent[]) => `[${events.map(formatEvent).join(",")}]`;
    console.log(
      `{"kernel":${JSON.stringify(probe.release)},"same":${same},"linux":${list(theirs.events)},"ringzero":${list(ours.events)}}`,
    );
  } else {
    const rows = alignEvents(theirs.events, ours.events);
    for (const line of sideBySide(rows, [`Linux ${probe.release}`, "ringzero"])) console.log(line);
    console.log(same ? "same" : `different in ${rows.filter((row) => !row.same).length} places`);
  }
  for (const note of notes) console.error(`ringzero: ${note}`);
  if (!same) process.exitCode = EXIT_FAILED;
}

interface KernelSide {
  events: ProgramEvent[];
  note: string | undefined;
  /** Why the harness does not take the program at all (a `nic` line, a number it cannot hold). */
  refused: string | undefined;
}

function runOnKernel(text: string): KernelSide {
  const net = new KernelNet();
  try {
    const { events, exit, stderr } = new KernelRunner(net).run(text);
    const note = exit === 0 ? undefined : `on Linux: ${stderr.trim() || `exit ${exit}`}`;
    return { events, note, refused: exit === 2 ? stderr.trim() : undefined };
  } finally {
    net.dispose();
  }
}
