// A file of recorded scenarios: programs, and what Linux printed for each.
import { type ProgramEvent, parseJson } from "../program/events.ts";

export interface Scenario {
  name: string;
  category: string;
  /** The text of the program. */
  program: string;
  /** What Linux printed most often, then the other outputs seen in repetitions. */
  recorded: ProgramEvent[][];
}

export interface Recordings {
  kernel: string;
  scenarios: Scenario[];
}

/** The file is not one of recorded scenarios. The message is one line. */
export class RecordingsError extends Error {
  override readonly name = "RecordingsError";
}

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function expect(condition: boolean, file: string, where: string, what: string): asserts condition {
  if (!condition) throw new RecordingsError(`${file}: ${where}: expected ${what}`);
}

function readEvents(value: unknown, file: string, where: string): ProgramEvent[] {
  expect(Array.isArray(value), file, where, "an array of events");
  return value.map((event, index) => {
    const fields = isObject(event) ? event : {};
    const known = typeof fields.step === "number" && typeof fields.op === "string" && typeof fields.ev === "string";
    expect(known, file, `${where}[${index}]`, "an event with step, op and ev");
    return event as ProgramEvent;
  });
}

function readScenario(value: unknown, file: string, index: number): Scenario {
  expect(isObject(value), file, `scenarios[${index}]`, "an object");
  const { name, category, program, observed, variants = [] } = value;
  expect(typeof name === "string", file, `scenarios[${index}]`, "a name");
  const isText = Array.isArray(program) && program.every((line) => typeof line === "string");
  expect(isText, file, `scenario ${name}`, "a program of text lines");
  expect(Array.isArray(variants), file, `scenario ${name}`, "an array of variants");
  const recorded = [readEvents(observed, file, `scenario ${name}: observed`)];
  variants.forEach((variant, at) => {
    const where = `scenario ${name}: variants[${at}]`;
    expect(isObject(variant), file, where, "an object");
    recorded.push(readEvents(variant.observed, file, where));
  });
  const text = program.join("\n");
  return { name, category: typeof category === "string" ? category : "", program: text, recorded };
}

export function parseRecordings(text: string, file: string): Recordings {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    throw new RecordingsError(`${file}: not JSON: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
  }
  expect(isObject(json) && Array.isArray(json.scenarios), file, "the file", "an object with an array `scenarios`");
  const kernel = typeof json.kernel === "string" ? json.kernel : "unknown";
  return { kernel, scenarios: json.scenarios.map((scenario, index) => readScenario(scenario, file, index)) };
}

/** The scenario of that name; without one, those whose name contains the word. */
export function selectScenarios(scenarios: Scenario[], only: string | undefined): Scenario[] {
  if (only === undefined) return scenarios;
  const exact = scenarios.filter(({ name }) => name === only);
  return exact.length > 0 ? exact : scenarios.filter(({ name }) => name.includes(only));
}
