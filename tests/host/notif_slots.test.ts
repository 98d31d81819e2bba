// The scenarios of notif-slots.md 7: notification slots as they were in August 2022. No kernel with them was ever released, so the
// expectations are the specification's, as data (tests/data/notif-slots.json), and not recorded.
//
// Each program runs in every profile that it has an expectation for, on the debug build, and is asked for leaks. Those in which the
// network keeps the pages run in two forms: held by a NIC that does not complete, and in the queue of a slow device.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { PAGE_SIZE } from "../../assembly/abi/layout.ts";
import { REF_SKB, TR_UBUF_GET } from "../../assembly/abi/trace.ts";
import { findLeaks, restingCounts } from "../../host/core/leaks.ts";
import { Machine } from "../../host/machine.ts";
import type { ProgramEvent } from "../../host/program/events.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";
import { TraceReader } from "../../host/trace/decode.ts";

declare const RINGZERO_ROOT: string;

interface Scenario {
  /** The scenario's number in the specification, and a letter where it takes several programs. */
  id: string;
  says: string;
  /** "D": derived, nothing of the time states it. */
  mark?: string;
  /** Where the program is not what the scenario says, or cannot be. */
  note?: string;
  switches?: string;
  /** Only in these forms. */
  forms?: string[];
  /** Lines; one that begins with @ stands for those of `macros`, `LIMIT N` lets a user lock N pages besides a ring. */
  program: string[];
  /** By profiles: what the program saw. */
  expect: Record<string, string[]>;
  /** Kinds of events that are looked at besides CQEs and results of io_uring_register. */
  also?: string[];
  /** References that skbs took on notifications, in the order of the notifications. */
  skbs?: number[];
}

interface Data {
  /** `@name A B`: lines with $1, $2 for its words. By form where there are several. */
  macros: Record<string, string[] | Record<string, string[]>>;
  /** Those of section 7. */
  scenarios: Scenario[];
  /** What other sections of the specification say; the id is the section. */
  more: Scenario[];
}

const data = JSON.parse(readFileSync(join(RINGZERO_ROOT, "tests/data/notif-slots.json"), "utf8")) as Data;
const FORMS = ["nic", "slow"];
const LOOKED_AT = ["cqe", "register", "say", "exiting"];

/** The forms in which the program is different. */
function formsOf({ program, forms }: Scenario): string[] {
  if (forms !== undefined) return forms;
  const differs = program.some(
    (line) => line.startsWith("@") && !Array.isArray(data.macros[line.slice(1).split(" ")[0]]),
  );
  return differs ? FORMS : ["any"];
}

function expand(line: string, form: string): string[] {
  if (!line.startsWith("@")) return [line];
  const [name, ...words] = line.slice(1).split(" ");
  const macro = data.macros[name];
  assert.ok(macro !== undefined, `no macro @${name}`);
  const lines = Array.isArray(macro) ? macro : macro[form];
  return lines.flatMap((each) =>
    expand(
      each.replace(/\$(\d)/g, (_, digit) => words[Number(digit) - 1]),
      form,
    ),
  );
}

const result = ({ ret, errno }: ProgramEvent) => (errno === undefined ? String(ret) : `-${errno}`);

/** A CQE as the specification writes it, {user_data,res,flags}; anything else with its name. */
function show(event: ProgramEvent): string {
  switch (event.ev) {
    case "cqe":
      return `{${event.ud},${event.err === undefined ? event.res : `-${event.err}`},${event.flags}}`;
    case "say":
      return `say ${event.text}`;
    case "exiting":
      return `rings ${event.rings} requests ${event.requests}`;
    case "recv":
      return `recv ${event.bytes ?? event.n ?? event.ret}`;
    default:
      return `${event.ev} ${result(event)}`;
  }
}

/** `{1,<1000,0}` expects a result between the two: how much fits is the stack's affair. */
function matches(seen: string, expected: string): boolean {
  const bounded = /^\{(\d+),<(\d+),(\d+)\}$/.exec(expected);
  if (bounded === null) return seen === expected;
  const [, ud, limit, flags] = bounded;
  const found = /^\{(\d+),(\d+),(\d+)\}$/.exec(seen);
  return (
    found !== null && found[1] === ud && found[3] === flags && Number(found[2]) > 0 && Number(found[2]) < Number(limit)
  );
}

/** How many references skbs took on each notification. */
function skbReferences(reader: TraceReader): number[] {
  const counts = new Map<number, number>();
  for (const { event, object, c } of reader.read())
    if (event === TR_UBUF_GET && c === REF_SKB) counts.set(object, (counts.get(object) ?? 0) + 1);
  return [...counts.values()];
}

/** Pages of locked memory that a user's ring costs in the profile. */
async function ringPages(profile: string): Promise<number> {
  for (let pages = 0; ; pages++) {
    const machine = await Machine.create({ profile });
    const text = `rlimit_memlock ${pages * PAGE_SIZE}\nsetuid 1000\nsetup 32`;
    const { events } = runProgram(machine, parseProgram(text, "ring"));
    if (events.some(({ ev, ret }) => ev === "setup" && ret === 0)) return pages;
    assert.ok(pages < 16, "a ring of 32 entries is small");
  }
}

async function replay(scenario: Scenario, profile: string, form: string): Promise<void> {
  const head = `profile ${profile} ${scenario.switches ?? ""}`;
  const lines = [head, ...scenario.program.flatMap((line) => expand(line, form))];
  const limit = lines.findIndex((line) => line.startsWith("LIMIT "));
  if (limit >= 0) {
    const pages = Number(lines[limit].split(" ")[1]) + (await ringPages(profile));
    lines[limit] = `rlimit_memlock ${pages * PAGE_SIZE}`;
  }
  const text = lines.join("\n");
  const program = parseProgram(text, scenario.id);
  const machine = await Machine.create({ build: "debug", trace: true, ...program.machine });
  const reader = new TraceReader(machine);
  if (/\bnic\b/.test(text)) {
    machine.nic(); // the devices stay
  }
  const before = restingCounts(machine);
  const { events, outcome } = runProgram(machine, program);
  const kinds = [...LOOKED_AT, ...(scenario.also ?? [])];
  const seen = events.filter(({ ev }) => kinds.includes(ev)).map(show);
  if (outcome.kind !== "end") seen.push(outcome.kind);
  const [, expected] = Object.entries(scenario.expect).find(([names]) => names.split(" ").includes(profile))!;
  const same = seen.length === expected.length && seen.every((each, index) => matches(each, expected[index]));
  assert.ok(same, `${scenario.says}\n${text}\nexpected ${expected.join(" ")}\nseen     ${seen.join(" ")}`);
  if (scenario.skbs !== undefined) assert.deepEqual(skbReferences(reader), scenario.skbs);
  if (outcome.kind === "end") assert.deepEqual(findLeaks(machine, before), []);
}

for (const scenario of [...data.scenarios, ...data.more])
  for (const profile of Object.keys(scenario.expect).flatMap((names) => names.split(" ")))
    for (const form of formsOf(scenario))
      test(`${scenario.id} ${profile} ${form}: ${scenario.says}`, () => replay(scenario, profile, form));

test("every scenario of the specification is there, or says why not", () => {
  const ids = new Set(data.scenarios.map(({ id }) => Number.parseInt(id, 10)));
  for (let id = 1; id <= 50; id++) assert.ok(ids.has(id), `scenario ${id}`);
});
