// ringzero conform FILE.json: replays recorded scenarios and compares with what Linux printed.
import type { Command } from "commander";
import type { Verdict } from "../conform/compare.ts";
import { parseRecordings, selectScenarios } from "../conform/recordings.ts";
import { countVerdicts, replayScenario, type ScenarioResult } from "../conform/replay.ts";
import { alignEvents, sideBySide } from "../conform/side_by_side.ts";
import { printable } from "../core/printable.ts";
import { formatEvent } from "../program/events.ts";
import { EXIT_FAILED, UsageError } from "./errors.ts";
import { readText } from "./input.ts";
import { machineOptions, PROFILE_OPTION, type ProfileOptions, SWITCH_OPTION } from "./profile_options.ts";

interface Options extends ProfileOptions {
  json?: boolean;
  only?: string;
}

const CONTEXT = 3;

export function conformCommand(program: Command): void {
  program
    .command("conform")
    .description("replay recorded scenarios and compare with what Linux printed")
    .argument("<file>", "recorded scenarios (JSON)")
    .option("--json", "print the verdicts as JSON")
    .option("--only <name>", "only the scenario of this name, or those whose name contains it")
    .option(...PROFILE_OPTION)
    .option(...SWITCH_OPTION)
    .action(conform);
}

async function conform(file: string, options: Options): Promise<void> {
  const { kernel, scenarios } = parseRecordings(readText(file), file);
  const selected = selectScenarios(scenarios, options.only);
  if (selected.length === 0) throw new UsageError(`${file}: no scenario is named like '${options.only ?? ""}'`);
  const results: ScenarioResult[] = [];
  for (const scenario of selected) {
    const result = await replayScenario(scenario, machineOptions(undefined, options));
    results.push(result);
    if (!options.json) printResult(result);
    else progress(results.length, selected.length);
  }
  const totals = countVerdicts(results);
  if (options.json) {
    printJson(kernel, results);
  } else {
    printNormalised(results);
    console.log(`${totals.same} same, ${totals.different} different, ${totals["not-modelled"]} not modelled`);
  }
  if (totals.different > 0 || totals["not-modelled"] > 0) process.exitCode = EXIT_FAILED;
}

function progress(done: number, all: number): void {
  if (process.stderr.isTTY) process.stderr.write(done === all ? "\r\x1b[K" : `\r${done}/${all}`);
}

const TITLES: Record<Verdict, string> = { same: "same", different: "different", "not-modelled": "not modelled" };

function printResult(result: ScenarioResult): void {
  const { scenario, verdict, report } = result;
  if (verdict === "same") return;
  console.log(printable(`${TITLES[verdict]}: ${scenario.name} (${scenario.category})`));
  if (report !== undefined) console.log(`  ${report}`);
  if (verdict === "different" && result.events.length > 0) {
    const rows = alignEvents(scenario.recorded[0], result.events);
    for (const line of sideBySide(rows, ["Linux", "ringzero"], CONTEXT)) console.log(line);
  }
  console.log("");
}

function printNormalised(results: ScenarioResult[]): void {
  for (const { scenario, normaliser, variant } of results) {
    if (normaliser !== undefined) console.log(`same after "${normaliser}": ${scenario.name}`);
    else if (variant !== undefined && variant > 0) console.log(`same as a rarer output of Linux: ${scenario.name}`);
  }
}

function printJson(kernel: string, results: ScenarioResult[]): void {
  const totals = countVerdicts(results);
  const rows = results.map(({ scenario, verdict, normaliser, variant, report, events }) => {
    const { name, category } = scenario;
    const fields = Object.entries({ name, category, verdict, normaliser, variant, report })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    if (verdict === "different") {
      fields.push(`"linux":[${scenario.recorded[0].map(formatEvent).join(",")}]`);
      fields.push(`"ringzero":[${events.map(formatEvent).join(",")}]`);
    }
    return `{${fields.join(",")}}`;
  });
  const counts = `"same":${totals.same},"different":${totals.different},"not_modelled":${totals["not-modelled"]}`;
  console.log(`{"kernel":${JSON.stringify(kernel)},${counts},"scenarios":[\n${rows.join(",\n")}\n]}`);
}
