// ringzero run FILE.zc: runs a program on the emulator.
import { type Command, Option } from "commander";
import { printable } from "../core/printable.ts";
import { Machine } from "../machine.ts";
import { formatEvent } from "../program/events.ts";
import { parseProgram } from "../program/parse.ts";
import { formatRecord } from "../trace/decode.ts";
import { renderTimeline } from "../trace/timeline.ts";
import { watchProgram } from "../trace/watch.ts";
import { EXIT_FAILED } from "./errors.ts";
import { readText, seedOption } from "./input.ts";
import { machineOptions, PROFILE_OPTION, type ProfileOptions, SWITCH_OPTION } from "./profile_options.ts";

interface Options extends ProfileOptions {
  json?: boolean;
  seed: number;
  trace?: boolean;
}

export function runCommand(program: Command): void {
  program
    .command("run")
    .description("run a program and show what happened, as a timeline")
    .argument("<file>", "program (.zc), or - for standard input")
    .option("--json", "print the program's events as JSON, one per line")
    .option("--seed <number>", "choose among the orders that Linux leaves open", seedOption, 0)
    .option(...PROFILE_OPTION)
    .option(...SWITCH_OPTION)
    .addOption(new Option("--trace", "print every record of the trace ring").conflicts("json"))
    .action(run);
}

async function run(file: string, options: Options): Promise<void> {
  const text = readText(file);
  const program = parseProgram(text, file === "-" ? "stdin" : file);
  const watched = options.trace || !options.json;
  const machine = await Machine.create({ ...machineOptions(program, options), seed: options.seed, trace: watched });
  const { outcome, timeline, lost } = watchProgram(machine, program, text, {
    onEvent: (event) => {
      if (options.json) console.log(formatEvent(event));
    },
  });
  if (options.trace) for (const record of timeline.allRecords) console.log(formatRecord(record));
  if (!options.json && !options.trace) console.log(renderTimeline(timeline));
  if (lost > 0) console.error(`ringzero: ${lost} records of the trace were overwritten before they were read`);
  if (outcome.kind !== "end") {
    console.error(printable(`ringzero: ${program.name}:${outcome.line}: ${outcome.report}`));
    process.exitCode = EXIT_FAILED;
  }
}
