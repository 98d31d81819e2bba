// How long one operation takes. The clocks come from outside, so this runs wherever a machine does.
import type { Workload } from "./workload.ts";

export interface Clocks {
  /** CPU time of this process, user and system. */
  cpu_ns(): number;
  wall_ns(): number;
}

/** Measures one row as often as it is asked to. */
export interface Meter {
  /** CPU time per operation in ns, over at least `wall_ms` of wall time. */
  measure(wall_ms: number): Promise<number>;
}

export interface Times {
  rounds: number;
  /** Before the first measurement, until the engine has compiled what runs. */
  warmUp_ms: number;
  /** Length of one measurement, on either side. */
  slice_ms: number;
}

export interface BenchRow {
  name: string;
  ns: number;
  /** null without a kernel to compare with. */
  kernel_ns: number | null;
  /** kernel_ns / ns, above 1 where the emulator is faster. */
  ratio: number | null;
}

const MS = 1_000_000;

/** CPU time per operation over at least `wall_ms` of wall time. */
export function measure(workload: Workload, clocks: Clocks, wall_ms: number): number {
  const cpu_ns = clocks.cpu_ns();
  const end_ns = clocks.wall_ns() + wall_ms * MS;
  let operations = 0;
  do operations += workload.run();
  while (clocks.wall_ns() < end_ns);
  workload.finish();
  return (clocks.cpu_ns() - cpu_ns) / operations;
}

/**
 * A row of the table. With a kernel both sides run in turn, a short while each, several times over. A ratio is taken from
 * each such pair, so that what slows the machine down for a while slows both sides of it, and the row's ratio is their
 * median.
 */
export async function measureRow(
  name: string,
  ours: Meter,
  kernel: Meter | undefined,
  times: Times,
): Promise<BenchRow> {
  await ours.measure(times.warmUp_ms);
  const pairs: { ns: number; kernel_ns: number }[] = [];
  for (let round = 0; round < times.rounds; round++) {
    const ns = await ours.measure(times.slice_ms);
    pairs.push({ ns, kernel_ns: kernel === undefined ? 0 : await kernel.measure(times.slice_ms) });
  }
  const ns = median(pairs.map((pair) => pair.ns));
  if (kernel === undefined) return { name, ns, kernel_ns: null, ratio: null };
  const kernel_ns = median(pairs.map((pair) => pair.kernel_ns));
  return { name, ns, kernel_ns, ratio: median(pairs.map((pair) => pair.kernel_ns / pair.ns)) };
}

/** The middle one; of an even number the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length & 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
