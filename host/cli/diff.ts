// ringzero diff FILE.zc: the same program on the emulator and on this machine's own kernel.
import type { Command } from "commander";
import { printable } from "../core/printable.ts";
import { outcomeText } from "../conform/compare.ts";
import { compareLive, type LiveRun } from "../conform/live.ts";
import { alignEvents, sideBySide } from "../conform/side_by_side.ts";
import { KernelNet, KernelRunner } from "../kernel/harness.ts";
import { EXIT_ALARM } from "../kernel/server.ts";
import { probeKernel } from "../kernel/probe.ts";
import { Machine } from "../machine.ts";
import { formatEvent, type ProgramEvent } from "../program/events.ts";
import { parseProgram } from "../program/parse.ts";
import { DEFAULT_PROFILE } from "../profile/profiles.ts";
import { runProgram } from "../program/run.ts";
import { PROFILES } from "../fuzz/profiles.ts";
import { diffRandom, type RandomOptions } from "./diff_random.ts";
import { EXIT_FAILED, EXIT_UNAVAILABLE, UsageError } from "./errors.ts";
import { buildOption, countOption, readText, seedOption } from "./input.ts";

interface Options extends Omit<RandomOptions, "random" | "profile"> {
  random?: number;
  profile?: string;
}

export function diffCommand(program: Command): void {
  program
    .command("diff")
    .description("run a program, or random ones, on the emulator and on this machine's kernel, and show both")
    .argument("[file]", "program (.zc), or - for standard input")
    .option("--json", "print both runs as JSON")
    .option("--seed <number>", "seed of the emulator; with --random, of the programs", seedOption, 0)
    .option("--random <count>", "generate so many programs and show those that differ", countOption)
    .option("--from <number>", "number of the first one", countOption, 0)
    .option("--len <steps>", "steps of each", countOption, 20)
    .option("--profile <kind>", `with --random, kind of programs (no kernel): ${Object.keys(PROFILES).join(", ")}`)
    .option("--jobs <number>", "kernels (namespaces) that are asked side by side", countOption, 2)
    .option("--again <number>", "how often the kernel is asked again", countOption, 5)
    .option("--seeds <number>", "how many seeds of the emulator are tried", countOption, 16)
    .option("--build <build>", "release or debug", buildOption, "debug")
    .option("--limit <number>", "stop after so many differences", countOption, 100)
    .option("--no-shrink", "show the programs as they were generated")
    .option("--save <file>", "append the differences to a file of scenarios")
    .option("--verbose", "print a line for every program")
    .action(diff);
}

async function diff(file: string | undefined, options: Options): Promise<void> {
  if (options.random !== undefined) {
    if (file !== undefined) throw new UsageError("diff takes a program or --random, not both");
    return diffRandom({ ...options, random: options.random, profile: options.profile ?? "all" });
  }
  if (options.profile !== undefined)
    throw new UsageError(
      "--profile of diff is a kind of random programs (--random COUNT); the kernel is this machine's",
    );
  if (file === undefined) throw new UsageError("diff takes a program (.zc), or --random COUNT");
  return diffFile(file, options);
}

async function diffFile(file: string, options: Options): Promise<void> {
  const text = readText(file);
  const program = parseProgram(text, file === "-" ? "stdin" : file);
  const { profile = DEFAULT_PROFILE } = program.machine;
  if (profile !== DEFAULT_PROFILE)
    throw new UsageError(`${program.name}: profile ${profile} is no kernel that can be asked: use run, or conform`);
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
    // Neither side takes it: the program is wrong, and our side can say where.
    if (ours.outcome.kind === "failed")
      throw new UsageError(`${program.name}:${ours.outcome.line}: ${ours.outcome.report}`);
    console.error(`ringzero: this program cannot run on Linux: ${theirs.refused}`);
    process.exitCode = EXIT_UNAVAILABLE;
    return;
  }
  const notes = [outcomeText(ours.outcome), theirs.note].filter((note) => note !== undefined);
  const { same, text: verdict } = compareLive(ours, theirs);
  if (options.json) {
    const list = (events: ProgramEvent[]) => `[${events.map(formatEvent).join(",")}]`;
    console.log(
      `{"kernel":${JSON.stringify(probe.release)},"same":${same},"linux":${list(theirs.events)},"ringzero":${list(ours.events)}}`,
    );
  } else {
    const rows = alignEvents(theirs.events, ours.events);
    for (const line of sideBySide(rows, [`Linux ${probe.release}`, "ringzero"])) console.log(line);
    console.log(verdict);
  }
  for (const note of notes) console.error(`ringzero: ${note}`);
  if (!same) process.exitCode = EXIT_FAILED;
}

interface KernelSide extends LiveRun {
  note: string | undefined;
  /** Why the harness does not take the program at all (a `nic` line, a number it cannot hold). */
  refused: string | undefined;
}

function runOnKernel(text: string): KernelSide {
  const net = new KernelNet();
  try {
    const { events, exit, stderr: complaint } = new KernelRunner(net).run(text);
    const stderr = printable(complaint);
    const note = exit === 0 ? undefined : `on Linux: ${stderr.trim() || `exit ${exit}`}`;
    return {
      events,
      end: exit === 0 ? "end" : exit === EXIT_ALARM ? "killed" : "failed",
      note,
      refused: exit === 2 ? stderr.trim() : undefined,
    };
  } finally {
    net.dispose();
  }
}
