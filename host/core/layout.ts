// Text for a terminal: lines of a limited width.

/** What text is broken at; a table may be a little wider. */
export const TEXT_WIDTH = 110;
export const TABLE_WIDTH = 120;

/** Deeper than this nothing is indented, whatever stands before it. */
const INDENT_MAX = 60;

/**
 * `head` and `text`, broken at spaces; further lines begin below the text, or `columns` in. A word that is too long stays
 * whole.
 */
export function wrap(head: string, text: string, width = TEXT_WIDTH, columns = head.length): string[] {
  const indent = " ".repeat(Math.min(columns, INDENT_MAX));
  const lines: string[] = [];
  let line = head;
  let isEmpty = true;
  for (const word of text.split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}

/** Lines "name  text", with room for the longest name. */
export function listed(entries: readonly (readonly [name: string, text: string])[], indent = "  "): string[] {
  const room = Math.max(0, ...entries.map(([name]) => name.length));
  return entries.flatMap(([name, text]) => wrap(`${indent}${name.padEnd(room)}  `, text));
}
