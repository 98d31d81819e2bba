// Plots as SVG text. Colours are CSS variables of the page (report.ts), so that a plot reads on light and dark paper.

export interface Segment {
  /** Names the series; empty for a plot of one. */
  series: string;
  value: number;
}

export interface Bar {
  name: string;
  segments: readonly Segment[];
  /** At the end of the bar. */
  label: string;
}

/** Where something lies between its median and its worst; undefined: nobody ever knows. */
export interface Range {
  series: string;
  values: { p50: number; p99: number; worst: number } | undefined;
}

export interface RangeRow {
  name: string;
  ranges: readonly Range[];
}

const WIDTH = 860;
const NAME_WIDTH = 190;
const LABEL_WIDTH = 120;
const PLOT = WIDTH - NAME_WIDTH - LABEL_WIDTH;
const BAR = 16;
const ROW = 26;
const AXIS = 22;

export const escapeText = (text: string): string =>
  text.replace(/[&<>"]/g, (found) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[found] as string);

const at = (value: number): string => value.toFixed(1).replace(/\.0$/, "");

const svg = (height: number, title: string, parts: readonly string[]): string =>
  `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(title)}">${parts.join("")}</svg>`;

const text = (x: number, y: number, anchor: string, kind: string, content: string): string =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" class="${kind}">${escapeText(content)}</text>`;

/** A bar may not look like nothing when there is something. */
const VISIBLE = 1.5;
const GAP = 2;

/** Horizontal bars on one scale that begins at zero. `series`: all there are, in the order of their colours. */
export function bars(title: string, rows: readonly Bar[], series: readonly string[]): string {
  const totals = rows.map(({ segments }) => segments.reduce((sum, { value }) => sum + value, 0));
  const most = Math.max(...totals, Number.MIN_VALUE);
  const parts: string[] = [];
  rows.forEach(({ name, segments, label }, index) => {
    const top = index * ROW + (ROW - BAR) / 2;
    const middle = index * ROW + ROW / 2 + 4;
    parts.push(text(NAME_WIDTH - 10, middle, "end", "name", name));
    let x = NAME_WIDTH;
    for (const { series: one, value } of segments) {
      if (value <= 0) continue;
      const width = Math.max(VISIBLE, (value / most) * PLOT);
      const inner = width > GAP + VISIBLE ? width - GAP : width;
      const told = escapeText(`${name}${one === "" ? "" : `, ${one}`}: ${Number(value.toPrecision(4))}`);
      const colour = `var(--series-${Math.max(0, series.indexOf(one)) + 1})`;
      parts.push(
        `<rect x="${at(x)}" y="${at(top)}" width="${at(inner)}" height="${BAR}" rx="2" fill="${colour}"><title>${told}</title></rect>`,
      );
      x += width;
    }
    parts.push(text(x + 6, middle, "start", "label", label));
  });
  parts.push(`<line x1="${NAME_WIDTH}" y1="0" x2="${NAME_WIDTH}" y2="${rows.length * ROW}" class="axis"/>`);
  return svg(rows.length * ROW, title, parts);
}

const LINE = 15;
/** Left of the first decade, for what takes no time at all. */
const ZERO_WIDTH = 46;

/**
 * Ranges on a logarithmic scale: a line from the median (dot) over p99 (stroke) to the worst (ring). `tick` words a value of the
 * scale. Zero has a place of its own at the left.
 */
export function ranges(
  title: string,
  rows: readonly RangeRow[],
  series: readonly string[],
  tick: (value: number) => string,
): string {
  const values = rows.flatMap(({ ranges: all }) =>
    all.flatMap(({ values: each }) => (each ? Object.values(each) : [])),
  );
  const positive = values.filter((value) => value > 0);
  const first = positive.length === 0 ? 0 : Math.floor(Math.log10(Math.min(...positive)));
  const last = Math.max(first + 1, positive.length === 0 ? 1 : Math.ceil(Math.log10(Math.max(...positive))));
  const scale = (PLOT - ZERO_WIDTH) / (last - first);
  const left = NAME_WIDTH + ZERO_WIDTH;
  const x = (value: number) => (value <= 0 ? NAME_WIDTH + 8 : left + (Math.log10(value) - first) * scale);
  const height = (row: RangeRow) => row.ranges.length * LINE + 10;
  const bottom = rows.reduce((sum, row) => sum + height(row), 0);
  const parts: string[] = [text(NAME_WIDTH + 8, bottom + 16, "middle", "tick", "0")];
  for (let decade = first; decade <= last; decade++) {
    const place = left + (decade - first) * scale;
    parts.push(`<line x1="${at(place)}" y1="0" x2="${at(place)}" y2="${bottom}" class="grid"/>`);
    parts.push(text(place, bottom + 16, "middle", "tick", tick(10 ** decade)));
  }
  let top = 0;
  for (const row of rows) {
    parts.push(text(NAME_WIDTH - 10, top + height(row) / 2 + 4, "end", "name", row.name));
    row.ranges.forEach((range, index) => {
      const y = top + 5 + index * LINE + LINE / 2;
      parts.push(rangeLine(row.name, range, y, x, `var(--series-${series.indexOf(range.series) + 1})`, tick));
    });
    top += height(row);
    parts.push(`<line x1="${NAME_WIDTH}" y1="${top}" x2="${WIDTH - LABEL_WIDTH}" y2="${top}" class="grid"/>`);
  }
  return svg(bottom + AXIS, title, parts);
}

function rangeLine(
  name: string,
  { series, values }: Range,
  y: number,
  x: (value: number) => number,
  colour: string,
  tick: (value: number) => string,
): string {
  if (values === undefined) return text(NAME_WIDTH + 4, y + 4, "start", "label", `${series}: never told`);
  const { p50, p99, worst } = values;
  const told = escapeText(`${name}, ${series}: p50 ${tick(p50)}, p99 ${tick(p99)}, worst ${tick(worst)}`);
  return [
    `<g stroke="${colour}" stroke-width="2"><title>${told}</title>`,
    `<line x1="${at(x(p50))}" y1="${at(y)}" x2="${at(x(worst))}" y2="${at(y)}"/>`,
    `<line x1="${at(x(p99))}" y1="${at(y - 4)}" x2="${at(x(p99))}" y2="${at(y + 4)}"/>`,
    `<circle cx="${at(x(worst))}" cy="${at(y)}" r="4" fill="var(--paper)"/>`,
    `<circle cx="${at(x(p50))}" cy="${at(y)}" r="4" fill="${colour}"/></g>`,
  ].join("");
}
