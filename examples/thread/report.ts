// What an experiment says: its question, what it observed, and one sentence that answers from what it observed.
//
// No answer is known in advance. The sentence is put together from the observations, and what would contradict the way in
// which it is said ends the experiment (`expect`): then there is no answer, instead of a wrong one.

export type Cell = string | number;

export interface Table {
  about: string;
  head: readonly string[];
  rows: readonly (readonly Cell[])[];
}

export interface Report {
  question: string;
  tables: readonly Table[];
  /** One sentence. */
  answer: string;
}

/** Where an experiment puts down what it sees. */
export class Notebook {
  readonly tables: Table[] = [];

  table(about: string, head: readonly string[], rows: readonly (readonly Cell[])[]): void {
    this.tables.push({ about, head, rows });
  }
}

export interface Experiment {
  question: string;
  run(): Promise<Report>;
  /** Runs it, and says everything. */
  text(): Promise<string>;
}

/** `observe` puts tables into the notebook and returns the answer. */
export function experiment(question: string, observe: (notes: Notebook) => Promise<string>): Experiment {
  const run = async () => {
    const notes = new Notebook();
    const answer = await observe(notes);
    return { question, tables: notes.tables, answer };
  };
  return { question, run, text: async () => render(await run()) };
}

/** The answer is said in a way that only holds if this was observed. */
export function expect(observed: boolean, what: string): asserts observed {
  if (!observed) throw new Error(`this was not observed, so there is no answer: ${what}`);
}

/** "a", "a and b", "a, b and c" */
export function list(words: readonly Cell[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

const isNumeric = (cell: Cell) => typeof cell === "number" || /^-?[\d.,]+( (us|ms|KiB|MiB|bytes))?$/.test(cell);

function renderTable({ about, head, rows }: Table): string {
  const all = [head, ...rows].map((row) => row.map(String));
  const widths = fit(head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length))));
  // Figures to the right, words to the left.
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => isNumeric(row[column] ?? "")));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join(GAP)
      .trimEnd();
  const lines = (row: readonly string[]) => {
    const cells = row.map((cell, column) => broken(cell, widths[column]));
    const height = Math.max(...cells.map(({ length }) => length));
    return Array.from({ length: height }, (_, index) => `${GAP}${line(cells.map((cell) => cell[index] ?? ""))}`);
  };
  return [wrap(about), ...all.flatMap(lines)].join("\n");
}

const WIDTH = 120;
const GAP = "  ";
/** What a column keeps, however wide the others are. */
const CELL_MIN = 12;

/** The widths of columns, the widest of which give way until a line has room for all. */
function fit(widths: readonly number[]): number[] {
  const fitted = [...widths];
  const spare = () => WIDTH - fitted.reduce((sum, width) => sum + GAP.length + width, 0);
  while (spare() < 0) {
    const widest = Math.max(...fitted);
    if (widest <= CELL_MIN) break;
    fitted[fitted.lastIndexOf(widest)]--;
  }
  return fitted;
}

/** Lines of at most that many characters; a word that is too long stays whole. */
function broken(text: string, width: number): string[] {
  const lines = [""];
  for (const [index, word] of text.split(" ").entries()) {
    const line = lines[lines.length - 1];
    if (index > 0 && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = index > 0 ? `${line} ${word}` : word;
  }
  return lines;
}

const wrap = (text: string): string => broken(text, WIDTH).join("\n");

export function render({ question, tables, answer }: Report): string {
  return [wrap(`Q: ${question}`), ...tables.map(renderTable), wrap(`A: ${answer}`)].join("\n\n");
}
