// The calibration as text: each figure, what the model makes of its counts, and whether the model sees the same winner.
import { wrap } from "../core/layout.ts";
import type { Calibration, Cell } from "./calibration.ts";

const percent = (share: number): string => `${share < 0 ? "" : "+"}${(share * 100).toFixed(1)}%`;

function verdict({ gain }: Cell): string[] {
  if (gain === undefined) return ["", "", ""];
  const agrees = gain.sameSign ? "same sign" : "OTHER SIGN";
  return [percent(gain.figure), percent(gain.model), gain.isDecided ? agrees : "undecided"];
}

export function renderCalibration({ cells, signs, rms, sets, unusable, note }: Calibration): string {
  const lines = sets.flatMap(({ name, source }) => {
    const rows = cells
      .filter(({ machine }) => machine === name)
      .map((cell) => [
        cell.name,
        cell.figure_ns.toFixed(0),
        cell.model_ns.toFixed(0),
        percent(cell.error),
        ...verdict(cell),
      ]);
    return [`${name}: ${source} (relative error ${percent(rms[name]).slice(1)} rms)`, ...table(rows), ""];
  });
  const { same, decided, undecided } = signs;
  return [
    ...lines,
    "not usable",
    ...unusable.flatMap(({ name, source, reason }) => wrap("  ", `${name} (${source}): ${reason}`)),
    "",
    `signs: ${same} of ${decided} as published or measured; ${undecided} undecided by the figures themselves`,
    `largest errors: ${largestErrors(cells)}`,
    note,
  ].join("\n");
}

const LARGEST = 4;

/** "dummy v2 128 -17%, ...", the worst first. */
export function largestErrors(cells: readonly Cell[]): string {
  const worst = [...cells].sort((one, other) => Math.abs(other.error) - Math.abs(one.error)).slice(0, LARGEST);
  return worst.map(({ name, error }) => `${name} ${percent(error)}`).join(", ");
}

const HEADINGS = ["", "figure ns", "model ns", "error", "gain", "model", ""];

function table(rows: readonly (readonly string[])[]): string[] {
  const all = [HEADINGS, ...rows];
  const widths = HEADINGS.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === 0 || column === 6 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
    );
  return all.map((row) => `  ${line(row).join("  ").trimEnd()}`);
}
