// How long one operation takes. The clocks come from outside, so this runs wherever a machine does.
import type { Workload } from "./workload.ts";

export interface Clocks {
  /** CPU time of this process, user and system. */
  cpu_ns(): number;
  wall_ns(): number;
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

/** The middle one; of an even number the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length & 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
