// Two runs in two columns, aligned on what they have in common.
import { describeEvent, type ProgramEvent } from "../program/events.ts";
import { canonical } from "./compare.ts";

export interface Row {
  left?: ProgramEvent;
  right?: ProgramEvent;
  same: boolean;
}

/** Longest common subsequence, with neighbouring leftovers of both sides put in one row. */
export function alignEvents(left: readonly ProgramEvent[], right: readonly ProgramEvent[]): Row[] {
  const a = left.map(canonical);
  const b = right.map(canonical);
  const common = lengths(a, b);
  const rows: Row[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) rows.push({ left: left[i++], right: right[j++], same: true });
    else if (i < a.length && (j >= b.length || common[i + 1][j] >= common[i][j + 1])) {
      rows.push({ left: left[i++], same: false });
    } else rows.push({ right: right[j++], same: false });
  }
  return pairUp(rows);
}

function lengths(a: string[], b: string[]): Uint32Array[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}

function pairUp(rows: Row[]): Row[] {
  const out: Row[] = [];
  for (let index = 0; index < rows.length; ) {
    if (rows[index].same) {
      out.push(rows[index++]);
      continue;
    }
    const run: Row[] = [];
    while (index < rows.length && !rows[index].same) run.push(rows[index++]);
    const lefts = run.filter((row) => row.left !== undefined);
    const rights = run.filter((row) => row.right !== undefined);
    for (let at = 0; at < Math.max(lefts.length, rights.length); at++) {
      out.push({ left: lefts[at]?.left, right: rights[at]?.right, same: false });
    }
  }
  return out;
}

/** Text with a header; differing rows are marked. `context` same rows are kept around each difference. */
export function sideBySide(
  rows: Row[],
  titles: readonly [string, string],
  context = Number.POSITIVE_INFINITY,
): string[] {
  const text = (event: ProgramEvent | undefined) => (event === undefined ? "" : describeEvent(event));
  const width = Math.max(titles[0].length, ...rows.map(({ left }) => text(left).length));
  const lines = [`    ${titles[0].padEnd(width)}   ${titles[1]}`];
  let skipped = 0;
  rows.forEach((row, index) => {
    const near = rows.some((other, at) => !other.same && Math.abs(at - index) <= context);
    if (row.same && !near) {
      skipped++;
      return;
    }
    if (skipped > 0) lines.push(`    ... ${skipped} the same`);
    skipped = 0;
    lines.push(
      `  ${row.same ? " " : "!"} ${text(row.left).padEnd(width)} ${row.same ? " " : "|"} ${text(row.right)}`.trimEnd(),
    );
  });
  if (skipped > 0) lines.push(`    ... ${skipped} the same`);
  return lines;
}
