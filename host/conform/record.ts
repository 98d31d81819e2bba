// Makes recorded scenarios: reads files of programs, counts what Linux printed in repetitions, and writes the JSON that
// recordings.ts reads.
//
// A file of programs has sections: `### name` begins one, `# note` right behind it says what it is about.
import { formatEvent, parseJson, type ProgramEvent } from "../program/events.ts";
import { canonical } from "./compare.ts";
import { RecordingsError } from "./recordings.ts";

export interface Section {
  name: string;
  note: string;
  lines: string[];
}

export interface NewScenario extends Section {
  category: string;
  /** Events of every repetition. */
  runs: ProgramEvent[][];
}

export function parseSections(text: string, file: string): Section[] {
  const [before, ...parts] = `\n${text.trimEnd()}`.split(/\n### */);
  if (before.trim() !== "" || parts.length === 0)
    throw new RecordingsError(`${file}: expected sections that begin with '### name'`);
  const sections = parts.map((part) => readSection(part.split(/\r?\n/)));
  const names = new Set<string>();
  for (const { name } of sections) {
    if (!/^[\w.-]+$/.test(name)) throw new RecordingsError(`${file}: '${name}' is no name for a program`);
    if (names.has(name)) throw new RecordingsError(`${file}: two programs are named ${name}`);
    names.add(name);
  }
  return sections;
}

function readSection([name, ...lines]: string[]): Section {
  const note = /^#\s*(.*)$/.exec(lines[0] ?? "")?.[1];
  while (lines.at(-1)?.trim() === "") lines.pop();
  return { name: name.trim(), note: note ?? "", lines: note === undefined ? lines : lines.slice(1) };
}

/** The different outputs with their counts, the most common first. */
export function countOutputs(runs: ProgramEvent[][]): { events: ProgramEvent[]; count: number }[] {
  const found = new Map<string, { events: ProgramEvent[]; count: number }>();
  for (const events of runs) {
    const key = events.map(canonical).join("\n");
    const known = found.get(key);
    if (known === undefined) found.set(key, { events, count: 1 });
    else known.count++;
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}

const eventList = (events: ProgramEvent[]) => `[${events.map(formatEvent).join(",")}]`;

/** The text of a scenario. */
export function formatScenario({ name, category, note, lines, runs }: NewScenario): string {
  const [first, ...others] = countOutputs(runs);
  const head = JSON.stringify({
    name,
    category,
    note,
    program: lines,
    repetitions: runs.length,
    determinism: others.length === 0 ? "exact" : "varies",
    distinct_outputs: others.length + 1,
    most_common_count: first.count,
  });
  const variants = others.map(({ count, events }) => `{"count":${count},"observed":${eventList(events)}}`);
  const tail = variants.length === 0 ? "" : `,"variants":[${variants.join(",")}]`;
  return `${head.slice(0, -1)},"observed":${eventList(first.events)}${tail}}`;
}

/** What JSON.stringify() would say of a value of a recording, with integers beyond 2^53 as they are. */
export function formatJson(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(formatJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, field]) => `${JSON.stringify(key)}:${formatJson(field)}`);
  return `{${fields.join(",")}}`;
}

interface Old {
  head: Record<string, unknown>;
  scenarios: { name: string }[];
}

function readOld(text: string, file: string): Old {
  const { scenarios, ...head } = parseJson(text) as Record<string, unknown>;
  if (!Array.isArray(scenarios)) throw new RecordingsError(`${file}: expected an object with an array 'scenarios'`);
  return { head, scenarios };
}

/** The text of a file of recordings with `added` in the place of scenarios of the same name, or behind the others. */
export function mergeScenarios(
  old: string | undefined,
  file: string,
  head: Record<string, unknown>,
  added: readonly { name: string; text: string }[],
): string {
  const before = old === undefined ? { head, scenarios: [] } : readOld(old, file);
  const texts = new Map(before.scenarios.map((scenario) => [scenario.name, formatJson(scenario)]));
  for (const { name, text } of added) texts.set(name, text);
  const fields = Object.entries(before.head).map(([key, value]) => `${JSON.stringify(key)}:${formatJson(value)}, `);
  return `{${fields.join("")}"scenarios": [\n  ${[...texts.values()].join(",\n  ")}\n]}\n`;
}
