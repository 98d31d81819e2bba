// What an operation costs, in nanoseconds of CPU time, alone or in turn with this machine's kernel.
//
// Both sides run for a short while, one after the other, several times over. A ratio is taken from each such pair, so
// that what slows the machine down for a while slows both sides of it, and the median of the ratios is the row's.
import { KernelBench } from "../kernel/bench.ts";
import { KernelNet } from "../kernel/harness.ts";
import { probeKernel } from "../kernel/probe.ts";
import { Machine } from "../machine.ts";
import { type Clocks, measure, median } from "./measure.ts";
import { type MakeWorkload, ROWS } from "./rows.ts";

export interface BenchOptions {
  againstKernel: boolean;
  json: boolean;
  /** Names of rows, or beginnings of names; all rows if there are none. */
  only?: readonly string[];
}

export interface BenchRow {
  name: string;
  ns: number;
  /** null without a kernel to compare with. */
  kernel_ns: number | null;
  /** kernel_ns / ns, above 1 where the emulator is faster. */
  ratio: number | null;
}

export interface BenchTimes {
  rounds: number;
  /** Before the first measurement, until the engine has compiled what runs. */
  warmUp_ms: number;
  /** Length of one measurement, on either side. */
  slice_ms: number;
}

const TIMES: BenchTimes = { rounds: 7, warmUp_ms: 400, slice_ms: 150 };

const processClocks: Clocks = {
  cpu_ns() {
    const { user, system } = process.cpuUsage();
    return (user + system) * 1000;
  },
  wall_ns: () => performance.now() * 1e6,
};

/** The rows that `only` chooses, in the order of the table. */
export function chooseRows(only: readonly string[] = []): string[] {
  return [...ROWS.keys()].filter((name) => only.length === 0 || only.some((start) => name.startsWith(start)));
}

/** Measures one row. `kernel` gives the other side's figure for one slice. */
export async function benchRow(
  name: string,
  makeWorkload: MakeWorkload,
  times: BenchTimes,
  clocks: Clocks,
  kernel?: (seconds: number) => number,
): Promise<BenchRow> {
  const workload = makeWorkload(await Machine.create());
  measure(workload, clocks, times.warmUp_ms);
  const pairs = Array.from({ length: times.rounds }, () => {
    const ns = measure(workload, clocks, times.slice_ms);
    return { ns, kernel_ns: kernel?.(times.slice_ms / 1000) ?? Number.NaN };
  });
  const ns = median(pairs.map((pair) => pair.ns));
  if (kernel === undefined) return { name, ns, kernel_ns: null, ratio: null };
  return {
    name,
    ns,
    kernel_ns: median(pairs.map((pair) => pair.kernel_ns)),
    ratio: median(pairs.map((pair) => pair.kernel_ns / pair.ns)),
  };
}

/** Prints the table, or JSON. False if a kernel was asked for and there is none to be used; one line says why. */
export async function runBench(options: BenchOptions, times: BenchTimes = TIMES): Promise<boolean> {
  const names = chooseRows(options.only);
  const net = options.againstKernel ? openNet() : undefined;
  if (options.againstKernel && net === undefined) return false;
  try {
    const kernel = net && new KernelBench(net);
    const rows: BenchRow[] = [];
    for (const [index, name] of names.entries()) {
      progress(`${index + 1}/${names.length} ${name}`);
      const measureKernel = kernel && ((seconds: number) => kernel.measure(name, seconds).ns);
      rows.push(await benchRow(name, ROWS.get(name)!, times, processClocks, measureKernel));
    }
    progress("");
    console.log(options.json ? formatJson(rows) : formatTable(rows));
  } finally {
    net?.dispose();
  }
  return true;
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

export function formatJson(rows: readonly BenchRow[]): string {
  const round = (value: number | null, digits: number) => (value === null ? null : Number(value.toFixed(digits)));
  return JSON.stringify({
    rows: rows.map(({ name, ns, kernel_ns, ratio }) => ({
      name,
      ns: round(ns, 1),
      kernel_ns: round(kernel_ns, 1),
      ratio: round(ratio, 2),
    })),
  });
}

export function formatTable(rows: readonly BenchRow[]): string {
  const compared = rows.some((row) => row.kernel_ns !== null);
  const header = ["CPU time per operation", "ringzero", ...(compared ? ["Linux", "ratio"] : [])];
  const lines = rows.map(({ name, ns, kernel_ns, ratio }) => {
    const kernel = compared ? [formatNs(kernel_ns ?? Number.NaN), (ratio ?? Number.NaN).toFixed(2)] : [];
    return [name, formatNs(ns), ...kernel];
  });
  const table = [header, ...lines];
  const widths = header.map((_, column) => Math.max(...table.map((cells) => cells[column].length)));
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]);
  return table.map((cells) => cells.map(align).join("  ")).join("\n");
}

function formatNs(ns: number): string {
  return `${ns < 100 ? ns.toFixed(1) : Math.round(ns).toLocaleString("en-US")} ns`;
}
