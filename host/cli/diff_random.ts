// ringzero diff --random N: programs that nobody wrote, on the emulator and on this machine's kernel.
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { formatJson, mergeScenarios } from "../conform/record.ts";
import { alignEvents, sideBySide } from "../conform/side_by_side.ts";
import type { CoreBuild } from "../core/source.ts";
import { type CampaignResult, type Difference, runCampaign, timeEmulator, toScenario } from "../fuzz/campaign.ts";
import { Emulator } from "../fuzz/emulator.ts";
import { type AskKernel, Judge, VERDICTS } from "../fuzz/judge.ts";
import { findModelled } from "../fuzz/modelled.ts";
import { PROFILES } from "../fuzz/profiles.ts";
import { noSuch } from "../core/near.ts";
import { probeKernel } from "../kernel/probe.ts";
import { EXIT_ALARM, KernelServer } from "../kernel/server.ts";
import { formatEvent, type ProgramEvent } from "../program/events.ts";
import { EXIT_FAILED, EXIT_UNAVAILABLE, UsageError } from "./errors.ts";
import { checkScenarioFile, writeText } from "./input.ts";

export interface RandomOptions {
  random: number;
  seed: number;
  from: number;
  len: number;
  profile: string;
  jobs: number;
  again: number;
  seeds: number;
  build: CoreBuild;
  limit: number;
  shrink: boolean;
  save?: string;
  json?: boolean;
  verbose?: boolean;
}

class KernelSide {
  readonly servers: KernelServer[] = [];

  start(jobs: number): void {
    for (let job = 0; job < jobs; job++) this.servers.push(new KernelServer());
  }

  ask(server: KernelServer): AskKernel {
    return async (program, limit_ms) => {
      const run = await server.run(program, { timeLimit_ms: limit_ms });
      const { exit, stderr } = run;
      return {
        events: run.events as ProgramEvent[],
        exit,
        killed: exit === EXIT_ALARM,
        stderr,
        spent_ms: run.us / 1000,
      };
    };
  }

  dispose(): void {
    for (const server of this.servers) server.dispose();
  }
}

/** Each job is two network namespaces and a process. */
const JOBS_MAX = 16;

export async function diffRandom(options: RandomOptions): Promise<void> {
  const profile = PROFILES[options.profile];
  if (profile === undefined) throw new UsageError(noSuch("kind of programs", options.profile, Object.keys(PROFILES)));
  if (options.save !== undefined) checkScenarioFile(options.save);
  const probe = probeKernel();
  if (!probe.ok) {
    console.error(`ringzero: no kernel to compare with: ${probe.missing}`);
    process.exitCode = EXIT_UNAVAILABLE;
    return;
  }
  const emulator = new Emulator(options.build);
  const modelled = await findModelled(emulator);
  const kernel = new KernelSide();
  const start = performance.now();
  try {
    kernel.start(Math.max(1, Math.min(options.jobs, options.random, JOBS_MAX)));
    const judges = kernel.servers.map((server) => new Judge(emulator, kernel.ask(server), options));
    const result = await runCampaign(
      judges,
      { ...options, count: options.random, length: options.len, profile, modelled },
      {
        onDifference: (difference) => reportDifference(difference, options),
        onProgress: (done) => progress(done, options.random),
        onJudged: (index, _program, { verdict, report }) => {
          if (options.verbose)
            console.log(`${index} ${verdict}${report === undefined ? "" : `: ${report.split("\n")[0]}`}`);
        },
      },
    );
    const wall_ms = performance.now() - start;
    // The build that users run, without the kernel's processes in between.
    const before = process.cpuUsage();
    const emulator_ms = await timeEmulator(new Emulator("release"), result.asked);
    const cpu = process.cpuUsage(before);
    close(result, options, { emulator_ms, emulator_cpu_ms: (cpu.user + cpu.system) / 1000, wall_ms });
  } finally {
    kernel.dispose();
  }
}

function progress(done: number, count: number): void {
  if (process.stderr.isTTY && done % 20 === 0) process.stderr.write(`\r${done} of ${count} `);
}

function reportDifference(difference: Difference, options: RandomOptions): void {
  const name = `random-${options.profile}-${options.seed}-${difference.index}`;
  if (options.save !== undefined) append(options.save, name, difference);
  const { judgement, shrunk, index } = difference;
  if (options.json) {
    const list = (events: ProgramEvent[]) => `[${events.map(formatEvent).join(",")}]`;
    const linux = judgement.theirs.map(({ events }) => list(events)).join(",");
    console.log(
      `{"index":${index},"program":${JSON.stringify(shrunk)},"linux":[${linux}],"ringzero":${list(judgement.ours.events)}}`,
    );
    return;
  }
  console.log(
    `\n--- program ${index} (--seed ${options.seed} --from ${index} --random 1 --profile ${options.profile} --len ${options.len})`,
  );
  shrunk
    .trimEnd()
    .split("\n")
    .forEach((line, at) => {
      console.log(`  ${String(at + 1).padStart(2)}  ${line}`);
    });
  const rows = alignEvents(judgement.theirs[0]?.events ?? [], judgement.ours.events);
  for (const line of sideBySide(rows, ["Linux", "ringzero"], 1)) console.log(line);
  const [first, ...others] = judgement.theirs;
  if (first?.killed) console.log("Linux: the program did not end");
  if (others.length > 0) console.log(`Linux gave ${others.length + 1} different answers, none of them ours`);
  const under = judgement.seed === undefined ? "" : ` with seed ${judgement.seed}`;
  if (judgement.report !== undefined) console.log(`ringzero${under}: ${judgement.report}`);
}

/** Adds to a file of recorded scenarios, or starts one. */
function append(file: string, name: string, difference: Difference): void {
  const old = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const head = { kernel: release(), harness: "zcoracle.c", format: 1 };
  const text = formatJson(toScenario(name, difference));
  writeText(file, mergeScenarios(old, file, head, [{ name, text }]));
}

const LABELS: Record<(typeof VERDICTS)[number], string> = {
  same: "same",
  again: "same after asking again",
  seed: "same with another seed",
  waits: "wait for ever on both sides",
  different: "different",
  "not-modelled": "not modelled",
  refused: "not possible on Linux",
};

function close(
  result: CampaignResult,
  options: RandomOptions,
  { emulator_ms, emulator_cpu_ms, wall_ms }: Record<"emulator_ms" | "emulator_cpu_ms" | "wall_ms", number>,
): void {
  const { counts, notModelled, kernel_ms } = result;
  const ran = VERDICTS.reduce((sum, verdict) => sum + counts[verdict], 0);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const ratio = kernel_ms / Math.max(emulator_ms, 0.001);
  if (options.json) {
    const missing = Object.fromEntries(notModelled);
    console.log(
      JSON.stringify({
        ran,
        of: options.random,
        counts,
        not_modelled: missing,
        emulator_ms,
        emulator_cpu_ms,
        kernel_ms,
        ratio,
        wall_ms,
      }),
    );
  } else {
    for (const [what, count] of [...notModelled].sort((a, b) => b[1] - a[1]).slice(0, 20))
      console.log(`${count} times ${what}`);
    console.log(VERDICTS.map((verdict) => `${counts[verdict]} ${LABELS[verdict]}`).join(", "));
    if (ran < options.random)
      console.log(
        `stopped after ${options.limit} differences (--limit): ${ran} of ${options.random} programs were judged`,
      );
    console.log(
      `emulator ${seconds(emulator_ms)} (${seconds(emulator_cpu_ms)} of CPU), kernel ${seconds(kernel_ms)}, ratio ${ratio.toFixed(0)}; ${seconds(wall_ms)} in all`,
    );
  }
  if (counts.different > 0) process.exitCode = EXIT_FAILED;
}
