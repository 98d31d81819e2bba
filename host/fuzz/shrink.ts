// Makes a program that shows something as short as it can be while it still shows it: fewer lines, fewer words on each,
// smaller numbers. The caller says what "still" means.

export interface ShrinkOptions {
  /** At most so many programs are tried. */
  tries?: number;
}

const TRIES = 400;

/** `shows` must be true of `program` itself. */
export async function shrink(
  program: string,
  shows: (candidate: string) => Promise<boolean>,
  { tries = TRIES }: ShrinkOptions = {},
): Promise<string> {
  let best = program.split("\n").filter((line) => line !== "");
  let left = tries;
  const attempt = async (candidate: string[]): Promise<boolean> => {
    if (candidate.length === 0 || left-- <= 0 || !(await shows(`${candidate.join("\n")}\n`))) return false;
    best = candidate;
    return true;
  };
  for (let before = -1; before !== cost(best) && left > 0; ) {
    before = cost(best);
    await dropLines(() => best, attempt);
    await dropWords(() => best, attempt);
    await simplify(() => best, attempt);
  }
  return `${best.join("\n")}\n`;
}

type Attempt = (candidate: string[]) => Promise<boolean>;

function cost(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length + 1, 0);
}

/** Blocks of lines first, from the end, then single ones. */
async function dropLines(best: () => string[], attempt: Attempt): Promise<void> {
  for (let block = Math.max(1, best().length >> 2); ; block >>= 1) {
    for (let at = best().length - block; at >= 0; at -= block) {
      const lines = best();
      if (at < lines.length) await attempt([...lines.slice(0, at), ...lines.slice(at + block)]);
    }
    if (block === 1) return;
  }
}

const replaced = (lines: readonly string[], at: number, line: string) =>
  lines.map((old, index) => (index === at ? line : old));

/** Words that a line can do without, as without one of these it would be about something else (descriptor 0, ...). */
const KEPT = /^(?:ud|fd)=/;

/** Optional words: KEY=VALUE of an SQE, parts of flags, numbers at the end of other steps. */
async function dropWords(best: () => string[], attempt: Attempt): Promise<void> {
  for (let at = best().length - 1; at >= 0; at--) {
    for (let word = (best()[at] ?? "").split(" ").length - 1; word > 0; word--) {
      const words = (best()[at] ?? "").split(" ");
      if (word >= words.length || KEPT.test(words[word])) continue;
      const without = words.filter((_, index) => index !== word).join(" ");
      if (await attempt(replaced(best(), at, without))) continue;
      if (words[word].includes("|")) await dropFlags(best, attempt, at, word);
    }
  }
}

async function dropFlags(best: () => string[], attempt: Attempt, at: number, word: number): Promise<void> {
  for (let part = best()[at].split(" ")[word].split("|").length - 1; part >= 0; part--) {
    const words = best()[at].split(" ");
    const [, key = "", flags = ""] = /^([^=]*=)?(.*)$/.exec(words[word]) ?? [];
    const parts = flags.split("|");
    if (parts.length < 2) return;
    words[word] = key + parts.filter((_, index) => index !== part).join("|");
    await attempt(replaced(best(), at, words.join(" ")));
  }
}

/** Smaller sizes, the plainest ring and pair. */
async function simplify(best: () => string[], attempt: Attempt): Promise<void> {
  for (let at = 0; at < best().length; at++) {
    for (const candidate of simpler(best()[at])) {
      if (candidate !== best()[at] && (await attempt(replaced(best(), at, candidate)))) break;
    }
  }
}

function simpler(line: string): string[] {
  const [op, ...words] = line.split(" ");
  switch (op) {
    case "setup":
      return [`setup 8 0`, `setup ${words[0]} 0`, `setup 8 ${words.slice(1).join(" ")}`].filter(
        (each) => cost([each]) <= cost([line]),
      );
    case "pair":
      return [`pair ${words[0]} ${words[1]} unix`, line.replace(" veth", " lo")];
    case "buf":
      return [`buf ${words[0]} 100 1`, `buf ${words[0]} 1000 1`, `buf ${words[0]} ${words[1]} 1`].filter(
        (each) => cost([each]) <= cost([line]),
      );
    default:
      return [];
  }
}
