// What somebody may have meant by a name that there is not.

/** Insertions, deletions, replacements and swaps of neighbours that make one word of the other. */
function distance(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= one.length; row++) {
    rows.push([row]);
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1;
      let least = Math.min(rows[row - 1][column] + 1, rows[row][column - 1] + 1, rows[row - 1][column - 1] + same);
      const isSwap = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      if (isSwap) least = Math.min(least, rows[row - 2][column - 2] + 1);
      rows[row].push(least);
    }
  }
  return rows[one.length][other.length];
}

/** Two mistakes, or one in a short word: more is another word. A number is meant as it stands. */
function mistakes(word: string): number {
  if (word.length < 4 || /^\d/.test(word)) return 0;
  return word.length > 5 ? 2 : 1;
}

const LONG = 64;

/** The names that are nearest to the word; none if it is like nothing. */
export function nearNames(word: string, names: readonly string[]): string[] {
  if (word.length > LONG) return [];
  const near = names
    .map((name) => ({ name, away: distance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ away }) => away <= mistakes(word));
  const least = Math.min(...near.map(({ away }) => away));
  return near.filter(({ away }) => away === least).map(({ name }) => name);
}

/** "no switch is named 'single_cq': did you mean single_cqe?", or with all names if none is near. */
export function noSuch(what: string, word: string, names: readonly string[]): string {
  const near = nearNames(word, names);
  const start = `no ${what} is named '${word}'`;
  return near.length === 0 ? `${start} (${names.join(", ")})` : `${start}: did you mean ${near.join(" or ")}?`;
}
