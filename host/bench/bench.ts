// What an operation costs, in nanoseconds of CPU time, alone or in turn with this machine's kernel.
import { KernelBench } from "../kernel/bench.ts";
import { KernelNet } from "../kernel/harness.ts";
import { probeKernel } from "../kernel/probe.ts";
import { type BenchRow, type Meter, measureRow, type Times } from "./measure.ts";
import { RowProcess, serveRow } from "./row_process.ts";
import { ROWS } from "./rows.ts";
import { formatJson, formatTable } from "./table.ts";

export interface BenchOptions {
  againstKernel: boolean;
  json: boolean;
  /** Beginnings of row names; all rows if there are none. */
  only?: readonly string[];
}

const TIMES: Times = { rounds: 7, warmUp_ms: 400, slice_ms: 150 };

/** The rows that `only` chooses, in the order of the table. */
export function chooseRows(only: readonly string[] = []): string[] {
  return [...ROWS.keys()].filter((name) => only.length === 0 || only.some((start) => name.startsWith(start)));
}

/** Prints the table, or JSON. False if a kernel was asked for and there is none to be used; one line says why. */
export async function runBench(options: BenchOptions): Promise<boolean> {
  if (await serveRow()) return true;
  const net = options.againstKernel ? openNet() : undefined;
  if (options.againstKernel && net === undefined) return false;
  try {
    const kernel = net && new KernelBench(net);
    const names = chooseRows(options.only);
    const rows: BenchRow[] = [];
    for (const [index, name] of names.entries()) {
      progress(`${index + 1}/${names.length} ${name}`);
      rows.push(await runRow(name, kernel));
    }
    progress("");
    console.log(options.json ? formatJson(rows) : formatTable(rows));
  } finally {
    net?.dispose();
  }
  return true;
}

async function runRow(name: string, kernel: KernelBench | undefined): Promise<BenchRow> {
  const kernelMeter: Meter | undefined = kernel && {
    measure: async (wall_ms) => kernel.measure(name, wall_ms / 1000).ns,
  };
  const ours = new RowProcess(name);
  try {
    return await measureRow(name, ours, kernelMeter, TIMES);
  } finally {
    ours.end();
  }
}

function openNet(): KernelNet | undefined {
  const probe = probeKernel();
  if (probe.ok) return new KernelNet();
  console.error(`ringzero: no kernel to compare with: ${probe.missing}`);
  return undefined;
}

/** One line that overwrites the last one, for whoever waits at a terminal. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
