// The comparison as one HTML page: plots, the tables, what each design cannot express. Nothing is loaded from anywhere.
import { duration } from "../trace/words.ts";
import { type Comparison, type Row, SHARED_VARIANTS } from "./compare.ts";
import { COST_GROUPS } from "./cost_model.ts";
import { type Bar, bars, escapeText, ranges } from "./svg.ts";
import { VARIANT_TITLES } from "./workloads.ts";
import { type Column, copies, howItSends, rowName, size, TIMES, WORK } from "./table.ts";

// Seven colours that stay apart for colour-blind readers, brighter on dark paper.
const STYLE = `
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #1d1d1b; --quiet: #62625c; --rule: #dddcd5;
  --series-1: #2a78d6; --series-2: #eb6834; --series-3: #1baf7a; --series-4: #b87d00; --series-5: #d55181;
  --series-6: #008300; --series-7: #4a3aa7; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1a1a19; --ink: #ededea; --quiet: #a3a29b; --rule: #3a3a37;
    --series-1: #3987e5; --series-2: #d95926; --series-3: #199e70; --series-4: #c98500; --series-5: #d55181;
    --series-6: #41a341; --series-7: #9085e9; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem;
  padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin-bottom: .25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .25rem; }
p { color: var(--quiet); margin: 0 0 .75rem; } .scroll { overflow-x: auto; }
svg { width: 100%; min-width: 40rem; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); } svg .name, svg .label { fill: var(--ink); }
svg .axis { stroke: var(--quiet); } svg .grid { stroke: var(--rule); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0 0 .5rem; padding: 0; list-style: none; font-size: 13px; }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: 2px; margin-right: .4rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); vertical-align: bottom; }
th { font-weight: 600; color: var(--quiet); } th:first-child, td:first-child { text-align: left; }
table.words td { text-align: left; white-space: normal; } td:first-child { font-weight: 600; }
`;

export function renderReport(comparison: Comparison): string {
  const { workload, title, rows, costModel } = comparison;
  const heading = `ringzero compare ${workload}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(heading)}</title><style>${STYLE}</style></head><body>
<h1>${escapeText(heading)}</h1>
<p>${escapeText(title)}</p>
${[...plots(rows, costModel.note), ...tables(rows)].join("\n")}
</body></html>
`;
}

function plots(rows: readonly Row[], note: string): string[] {
  const groups = Object.keys(COST_GROUPS);
  const reasons = [...new Set(rows.flatMap(({ counts }) => Object.keys(counts.copied)))];
  const single = (value: (row: Row) => number, label: (row: Row) => string): Bar[] =>
    rows.map((row) => ({ name: rowName(row), segments: [{ series: "", value: value(row) }], label: label(row) }));
  const stacked = (
    parts: (row: Row) => Record<string, number>,
    series: readonly string[],
    label: (row: Row) => string,
  ) =>
    rows.map((row): Bar => {
      const values = parts(row);
      const segments = series.map((one) => ({ series: one, value: values[one] ?? 0 }));
      return { name: rowName(row), segments, label: label(row) };
    });
  const costs = stacked(
    (row) => row.costParts,
    groups,
    ({ cost_ns }) => time(cost_ns),
  );
  const copied = stacked(
    (row) => row.counts.copied as Record<string, number>,
    reasons,
    ({ copiedBytes }) => size(copiedBytes),
  );
  const shared = single(
    (row) => row.skbsPerMessage,
    (row) => row.skbsPerMessage.toFixed(3),
  );
  const pinned = single(
    ({ counts }) => counts.peakPinned,
    ({ counts }) => size(counts.peakPinned),
  );
  return [
    section(
      "skbs per message",
      "How many skbs were made to carry one message.",
      bars("skbs per message", shared, [""]),
    ),
    section("When the application knows", KNOWN, timesPlot(rows), TIME_SERIES),
    section("CPU model, per message", note, bars("CPU model", costs, groups), groups),
    ...(reasons.length === 0
      ? []
      : [section("Bytes copied", "By whom and why.", bars("bytes copied", copied, reasons), reasons)]),
    section(
      "Most memory of the application held at one time",
      "Pages that may not be written to or unmapped for good.",
      bars("peak pinned", pinned, [""]),
    ),
  ];
}

const TIME_SERIES = ["next may go", "buffer free"];
const KNOWN =
  "Virtual time from a message's submission until the next send cannot overtake it, and until its memory may be written to. Dot: median, stroke: p99, ring: worst.";

const timesPlot = (rows: readonly Row[]): string =>
  ranges(
    "when the application knows",
    rows.map((row) => ({
      name: rowName(row),
      ranges: [
        { series: TIME_SERIES[0], values: row.orderSafe },
        { series: TIME_SERIES[1], values: row.free },
      ],
    })),
    TIME_SERIES,
    time,
  );

const time = (ns: number): string => duration(BigInt(Math.round(ns)));

function section(title: string, about: string, plot: string, series: readonly string[] = []): string {
  const keys = series.map(
    (name, index) => `<li><i style="background: var(--series-${index + 1})"></i>${escapeText(name)}</li>`,
  );
  const legend = series.length < 2 ? "" : `<ul class="legend">${keys.join("")}</ul>`;
  return `<section><h2>${escapeText(title)}</h2><p>${escapeText(about)}</p>${legend}<div class="scroll">${plot}</div></section>`;
}

function tables(rows: readonly Row[]): string[] {
  const words = rows.map((row) => [rowName(row), how(row), copies(row), row.cannot.join("; ")]);
  return [
    `<section><h2>What was counted</h2><div class="scroll">${columnTable(WORK, rows)}</div></section>`,
    `<section><h2>Times and memory</h2><div class="scroll">${columnTable(TIMES, rows)}</div></section>`,
    `<section><h2>The designs</h2><div class="scroll">${html(["design", "how it sends", "bytes copied", "cannot express"], words, "words")}</div></section>`,
  ];
}

function how(row: Row): string {
  const { variant } = row;
  const title = howItSends(row);
  if (variant === undefined) return title;
  return SHARED_VARIANTS.includes(variant) ? VARIANT_TITLES[variant] : `${VARIANT_TITLES[variant]}; ${title}`;
}

const columnTable = (columns: readonly Column[], rows: readonly Row[]): string =>
  html(
    columns.map(([above, heading]) => `${above} ${heading}`.trim().replace("- ", "")),
    rows.map((row) => columns.map(([, , cell]) => cell(row))),
    "numbers",
  );

function html(headings: readonly string[], lines: readonly (readonly string[])[], kind: string): string {
  const cells = (tag: string, line: readonly string[]) =>
    `<tr>${line.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join("")}</tr>`;
  return `<table class="${kind}"><thead>${cells("th", headings)}</thead><tbody>${lines.map((line) => cells("td", line)).join("\n")}</tbody></table>`;
}
