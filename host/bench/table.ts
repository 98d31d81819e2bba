// The rows, for people and for programs.
import type { BenchRow } from "./measure.ts";

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
    if (kernel_ns === null || ratio === null) return [name, formatNs(ns)];
    return [name, formatNs(ns), formatNs(kernel_ns), ratio.toFixed(2)];
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
