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
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  // Figures to the right, words to the left.
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => isNumeric(row[column] ?? "")));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join("  ")
      .trimEnd();
  return [about, ...all.map((row) => `  ${line(row)}`)].join("\n");
}

const WIDTH = 120;

function wrap(text: string): string {
  let column = 0;
  return text
    .split(" ")
    .map((word, index) => {
      const breaks = index > 0 && column + 1 + word.length > WIDTH;
      column = breaks ? word.length : column + word.length + (index > 0 ? 1 : 0);
      return index === 0 ? word : `${breaks ? "\n" : " "}${word}`;
    })
    .join("");
}

export function render({ question, tables, answer }: Report): string {
  return [wrap(`Q: ${question}`), ...tables.map(renderTable), wrap(`A: ${answer}`)].join("\n\n");
}
