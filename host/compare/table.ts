// The comparison as text: what each design did, when it told the application, and what it cannot say.
import { duration } from "../trace/words.ts";
import { listed, TABLE_WIDTH, wrap } from "../core/layout.ts";
import { type Comparison, type Row, SHARED_VARIANTS } from "./compare.ts";
import type { Spread } from "./run.ts";
import { VARIANT_TITLES } from "./workloads.ts";

const SECOND_PART = "second part";

/** A column: its heading (two lines) and its cell, and where a table that is too wide is parted. */
export type Column = readonly [above: string, heading: string, cell: (row: Row) => string, part?: typeof SECOND_PART];

const number = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** 1234567 as "1.2 MB". */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** A variant that does not depend on the dialect stands for itself. */
export function rowName({ design, variant }: Row): string {
  if (variant === undefined) return design;
  return SHARED_VARIANTS.includes(variant) ? variant : `${design} ${variant}`;
}

const time = (spread: Spread | undefined, which: keyof Spread): string =>
  spread === undefined ? "never told" : duration(BigInt(Math.round(spread[which])));

export const WORK: readonly Column[] = [
  ["", "design", rowName],
  ["", "SQEs", ({ counts }) => number(counts.requests)],
  ["", "enters", ({ counts }) => number(counts.enters)],
  ["other", "calls", ({ counts }) => number(counts.syscalls)],
  ["", "CQEs", ({ counts }) => number(counts.cqes)],
  ["notifi-", "cations", ({ counts }) => number(counts.notifications + counts.records)],
  ["", "skbs", ({ counts }) => number(counts.skbs), SECOND_PART],
  ["skbs per", "message", ({ skbsPerMessage }) => skbsPerMessage.toFixed(3)],
  ["", "transmits", ({ counts }) => number(counts.transmits)],
  ["", "frags", ({ counts }) => number(counts.frags)],
  ["page", "pins", ({ counts }) => number(counts.pins)],
  ["page", "refs", ({ counts }) => number(counts.pageRefs)],
  ["", "copied", ({ copiedBytes }) => size(copiedBytes)],
  ["CPU model", "per message", ({ cost_ns }) => duration(BigInt(Math.round(cost_ns)))],
];

export const TIMES: readonly Column[] = [
  ["", "design", rowName],
  ["next may go", "p50", ({ orderSafe }) => time(orderSafe, "p50")],
  ["", "p99", ({ orderSafe }) => time(orderSafe, "p99")],
  ["", "worst", ({ orderSafe }) => time(orderSafe, "worst")],
  ["buffer free", "p50", ({ free }) => time(free, "p50")],
  ["", "p99", ({ free }) => (free === undefined ? "" : time(free, "p99"))],
  ["", "worst", ({ free }) => (free === undefined ? "" : time(free, "worst"))],
  ["", "all done", ({ duration_ns }) => duration(BigInt(duration_ns)), SECOND_PART],
  ["peak", "pinned", ({ counts }) => size(counts.peakPinned)],
  ["peak of", "copies", ({ counts }) => size(counts.peakKernel)],
  ["sent", "again", ({ counts }) => number(counts.retransmits)],
];

const GAP = "  ";

/** One table, or one for each part where it would be too wide; each begins with the first column. */
function table(columns: readonly Column[], rows: readonly Row[]): string[] {
  const cells = [
    columns.map(([above]) => above),
    columns.map(([, heading]) => heading),
    ...rows.map((row) => columns.map(([, , cell]) => cell(row))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index].length)));
  const picked = (indices: readonly number[]) =>
    cells.map((line) =>
      indices
        .map((index) => (index === 0 ? line[index].padEnd(widths[index]) : line[index].padStart(widths[index])))
        .join(GAP)
        .trimEnd(),
    );
  const all = columns.map((_, index) => index);
  const whole = picked(all);
  if (whole.every((line) => line.length <= TABLE_WIDTH)) return whole;
  const second = columns.findIndex(([, , , part]) => part === SECOND_PART);
  return [...picked(all.slice(0, second)), "", ...picked([0, ...all.slice(second)])];
}

export function copies({ counts }: Row): string {
  const parts = Object.entries(counts.copied).map(([why, bytes]) => `${size(bytes)} ${why}`);
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

/** Lines "name  text", each name once: variants of a design share what is said of the design. */
function list(heading: string, entries: readonly (readonly [name: string, text: string])[]): string[] {
  const once = new Map(entries.map((entry) => [entry[0], entry[1]]));
  return ["", heading, ...listed([...once])];
}

const isShared = ({ variant }: Row): boolean => variant !== undefined && SHARED_VARIANTS.includes(variant);

/** A row's name is that of the design, of the variant, or both. */
const explainVariant = ({ variant }: Row): (readonly [string, string])[] =>
  variant === undefined ? [] : [[variant, VARIANT_TITLES[variant]]];

const explainDesign = (row: Row): (readonly [string, string])[] =>
  isShared(row) ? [] : [[row.design, howItSends(row)]];

/** With what it would do without switches that change nothing here. */
export function howItSends({ title, unused }: Row): string {
  if (unused.length === 0) return title;
  return `${title} (this workload sends the same way without ${unused.join(" or ")})`;
}

export function renderComparison({ workload, title, rows, costModel }: Comparison): string {
  return [
    ...wrap(`${workload}: `, title),
    "",
    ...table(WORK, rows),
    "",
    ...table(TIMES, rows),
    ...list("how it sends", [...rows.flatMap(explainVariant), ...rows.flatMap(explainDesign)]),
    ...list(
      "bytes copied, and why",
      rows.map((row) => [rowName(row), copies(row)]),
    ),
    ...list(
      "cannot express",
      rows.map((row) => [isShared(row) ? rowName(row) : row.design, row.cannot.join("; ") || "-"]),
    ),
    "",
    costModel.note,
  ].join("\n");
}
