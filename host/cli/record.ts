// ringzero record FILE...: runs programs on this machine's kernel several times, compares with the emulator, and keeps what
// the kernel said as scenarios.
import { existsSync, readFileSync } from "node:fs";
import { cpus, machine as architecture, release } from "node:os";
import { basename } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { outcomeText, sameEvents } from "../conform/compare.ts";
import {
  countOutputs,
  formatScenario,
  mergeScenarios,
  type NewScenario,
  parseSections,
  type Section,
} from "../conform/record.ts";
import { alignEvents, sideBySide } from "../conform/side_by_side.ts";
import { probeKernel } from "../kernel/probe.ts";
import { KernelServer } from "../kernel/server.ts";
import { Machine } from "../machine.ts";
import type { ProgramEvent } from "../program/events.ts";
import { printable } from "../core/printable.ts";
import { parseProgram } from "../program/parse.ts";
import { runProgram } from "../program/run.ts";
import { ProgramSyntaxError } from "../program/words.ts";
import { EXIT_FAILED, EXIT_UNAVAILABLE, UsageError } from "./errors.ts";
import { checkScenarioFile, readText, writeText } from "./input.ts";

interface Options {
  into?: string;
  runs: number;
  category?: string;
  only?: string;
  keepDifferent?: boolean;
}

const TIME_LIMIT_MS = 20_000;

export function recordCommand(program: Command): void {
  program
    .command("record")
    .description("run programs on this machine's kernel several times and keep its answers as scenarios")
    .argument("<file...>", "programs in sections: '### name', then perhaps '# note', then the steps")
    .option("--into <file>", "merge into this file of recorded scenarios (JSON)")
    .option("--runs <number>", "repetitions of each program", runsOption, 5)
    .option("--category <word>", "category of the scenarios (default: the first word of the file's name)")
    .option("--only <name>", "only programs whose name contains it")
    .option("--keep-different", "keep also what the emulator answers differently")
    .action(record);
}

function runsOption(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError("Repetitions are a number from 1 to 9999.");
  return Number(text);
}

async function record(files: string[], options: Options): Promise<void> {
  if (options.into !== undefined) checkScenarioFile(options.into);
  const sections = files.flatMap((file) => parseSections(readText(file), file));
  const chosen = sections.filter(({ name }) => options.only === undefined || name.includes(options.only));
  if (chosen.length === 0) throw new UsageError(`no program's name contains ${options.only ?? ""}`);
  for (const { name, lines } of chosen) parseProgram(lines.join("\n"), name);
  const probe = probeKernel();
  if (!probe.ok) {
    console.error(`ringzero: no kernel to record: ${probe.missing}`);
    process.exitCode = EXIT_UNAVAILABLE;
    return;
  }
  const category = options.category ?? basename(options.into ?? files[0]).split(/[.-]/)[0];
  const server = new KernelServer();
  const kept: NewScenario[] = [];
  let bad = 0;
  try {
    for (const section of chosen) {
      const result = await recordOne(server, section, options.runs);
      if (result.verdict !== "same") bad++;
      if (result.runs !== undefined && (result.verdict === "same" || options.keepDifferent))
        kept.push({ ...section, category, runs: result.runs });
    }
  } finally {
    server.dispose();
  }
  if (options.into !== undefined && kept.length > 0) merge(options.into, kept);
  const varying = kept.filter(({ runs }) => countOutputs(runs).length > 1).length;
  const stored = options.into === undefined ? "could be kept" : `kept in ${options.into}`;
  console.log(
    `${chosen.length} programs, ${bad} not the same; ${kept.length} ${stored}, ${varying} of them with variants`,
  );
  if (bad > 0) process.exitCode = EXIT_FAILED;
}

function merge(file: string, kept: NewScenario[]): void {
  const old = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const kernel = `${release().split("-")[0]} ${architecture()}`;
  const head = { kernel, cpus: cpus().length, harness: "zcoracle.c", format: 1 };
  const added = kept.map((scenario) => ({ name: scenario.name, text: formatScenario(scenario) }));
  writeText(file, mergeScenarios(old, file, head, added));
}

interface Recorded {
  verdict: "same" | "different" | "refused";
  runs?: ProgramEvent[][];
}

async function recordOne(server: KernelServer, section: Section, repetitions: number): Promise<Recorded> {
  const { name } = section;
  const text = `${section.lines.join("\n")}\n`;
  const runs: ProgramEvent[][] = [];
  for (let count = 0; count < repetitions; count++) {
    const run = await server.run(text, { timeLimit_ms: TIME_LIMIT_MS });
    if (run.exit !== 0) {
      console.log(printable(`LINUX ${name}: ${run.stderr.trim() || `exit ${run.exit}`}`));
      return { verdict: "refused" };
    }
    runs.push(run.events);
  }
  const outputs = countOutputs(runs);
  const { events, note } = await emulate(text, name);
  const same = note === undefined && outputs.some((output) => sameEvents(events, output.events));
  const varies = outputs.length === 1 ? "" : ` (Linux: ${outputs.map(({ count }) => count).join(" + ")})`;
  console.log(`${same ? "same" : "DIFF"}  ${printable(name)}${varies}`);
  if (!same) {
    if (note !== undefined) console.log(`    ringzero: ${note}`);
    const rows = alignEvents(outputs[0].events, events);
    for (const line of sideBySide(rows, ["Linux", "ringzero"], 1)) console.log(line);
  }
  return { verdict: same ? "same" : "different", runs };
}

/** On the debug build. A panic is an answer that no kernel gives. */
async function emulate(text: string, name: string): Promise<{ events: ProgramEvent[]; note?: string }> {
  try {
    const program = parseProgram(text, name);
    const machine = await Machine.create({ build: "debug", ...program.machine });
    const { events, outcome } = runProgram(machine, program);
    const note = outcomeText(outcome);
    return note === undefined ? { events } : { events, note };
  } catch (error) {
    if (error instanceof ProgramSyntaxError) return { events: [], note: error.message };
    return { events: [], note: error instanceof Error ? error.message : String(error) };
  }
}
