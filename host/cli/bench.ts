// ringzero bench: nanoseconds per operation, alone or in turn with this machine's kernel.
import type { Command } from "commander";
import { chooseRows, runBench } from "../bench/bench.ts";
import { EXIT_UNAVAILABLE, UsageError } from "./errors.ts";

interface Options {
  json?: boolean;
  againstKernel?: boolean;
  only?: string[];
}

export function benchCommand(program: Command): void {
  program
    .command("bench")
    .description("measure what an operation costs")
    .option("--json", "print the rows as JSON")
    .option("--against-kernel", "run the C benchmark in turn and show the ratio of CPU time")
    .option("--only <name...>", "only the rows whose name begins so")
    .action(async ({ json = false, againstKernel = false, only = [] }: Options) => {
      const unknown = only.find((name) => chooseRows([name]).length === 0);
      if (unknown !== undefined) throw new UsageError(`no row of the benchmark is named like '${unknown}'`);
      if (!(await runBench({ againstKernel, json, only }))) process.exitCode = EXIT_UNAVAILABLE;
    });
}
