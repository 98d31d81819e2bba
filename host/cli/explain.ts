// ringzero explain FILE.zc: whose a buffer is at which time, and why it came back when it did.
import type { Command } from "commander";
import { explainProgram } from "../explain/explain.ts";
import { jsonText } from "../explain/json.ts";
import { renderExplanation } from "../explain/render.ts";
import { Machine } from "../machine.ts";
import { parseProgram } from "../program/parse.ts";
import { EXIT_FAILED } from "./errors.ts";
import { readText, seedOption } from "./input.ts";
import { machineOptions, PROFILE_OPTION, type ProfileOptions, SWITCH_OPTION } from "./profile_options.ts";

interface Options extends ProfileOptions {
  json?: boolean;
  seed: number;
}

export function explainCommand(program: Command): void {
  program
    .command("explain")
    .description("run a program and tell the life of each request's buffer, what is odd, and what to do better")
    .argument("<file>", "program (.zc), or - for standard input")
    .option("--json", "print the same as one JSON object (host/explain/shape.ts)")
    .option("--seed <number>", "choose among the orders that Linux leaves open", seedOption, 0)
    .option(...PROFILE_OPTION)
    .option(...SWITCH_OPTION)
    .action(explain);
}

async function explain(file: string, options: Options): Promise<void> {
  const program = parseProgram(readText(file), file === "-" ? "stdin" : file);
  const machine = await Machine.create({ ...machineOptions(program, options), seed: options.seed, trace: true });
  const explanation = explainProgram(machine, program);
  console.log(options.json ? jsonText(explanation) : renderExplanation(explanation));
  if (explanation.lost > 0)
    console.error(`ringzero: ${explanation.lost} records of the trace were overwritten before they were read`);
  if (explanation.outcome.kind !== "end") process.exitCode = EXIT_FAILED;
}
