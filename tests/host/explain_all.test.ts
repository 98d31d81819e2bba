// Explanations of programs that nobody wrote for it, recorded ones and random ones: they come, and contradict neither
// themselves nor the events.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { parseRecordings } from "../../host/conform/recordings.ts";
import { explainProgram } from "../../host/explain/explain.ts";
import { jsonText } from "../../host/explain/json.ts";
import { renderExplanation } from "../../host/explain/render.ts";
import type { Explanation, RequestLife } from "../../host/explain/shape.ts";
import { generate } from "../../host/fuzz/generate.ts";
import { PROFILES } from "../../host/fuzz/profiles.ts";
import { Machine, type MachineOptions } from "../../host/machine.ts";
import { parseProgram } from "../../host/program/parse.ts";

declare const RINGZERO_ROOT: string;

const COLUMNS = 120;

/** What is wrong with the life of one request. */
function contradictions(life: RequestLife): string[] {
  const { intervals, references, notification, free_ns, completion } = life;
  const found: string[] = [];
  intervals.forEach(({ owner, from_ns, to_ns, until }, index) => {
    const next = intervals[index + 1];
    if (to_ns !== (next?.from_ns ?? null)) found.push(`a gap after ${owner}`);
    if (to_ns !== null && to_ns < from_ns) found.push(`${owner} ends before it begins`);
    if (to_ns !== null && until === "") found.push(`no reason for the end of ${owner}, before ${next?.owner}`);
  });
  const isHeld = references.some(({ dropped_ns }) => dropped_ns === null);
  if (free_ns !== null && isHeld) found.push("free, and referenced");
  if (notification !== null && (notification.done_ns === null) !== isHeld) found.push("done, and referenced");
  if (notification?.seen_ns != null && notification.posted_ns === null) found.push("seen, and never posted");
  if (completion?.seen_ns != null && completion.seen_ns < completion.posted_ns) found.push("seen before it was posted");
  if (references.some(({ taken_ns, dropped_ns }) => dropped_ns !== null && dropped_ns < taken_ns)) {
    found.push("a reference dropped before it was taken");
  }
  if (life.line === 0) found.push("no line");
  return found.map((what) => `line ${life.line} ud=${life.user_data}: ${what}`);
}

function problems(told: Explanation): string[] {
  JSON.parse(jsonText(told));
  const wide = renderExplanation(told)
    .split("\n")
    .filter((line) => line.length > COLUMNS);
  return [...told.requests.flatMap(contradictions), ...wide];
}

type Kernel = Pick<MachineOptions, "profile" | "switches">;

async function explainAll(
  programs: Iterable<readonly [name: string, text: string]>,
  kernel: Kernel = {},
): Promise<number> {
  let machine = await Machine.create({ trace: true });
  let count = 0;
  for (const [name, text] of programs) {
    const program = parseProgram(text, name);
    machine = Machine.recycle(machine, { ...program.machine, ...kernel, trace: true });
    assert.deepEqual(problems(explainProgram(machine, program)), [], `${name} ${JSON.stringify(kernel)}\n${text}`);
    count++;
  }
  return count;
}

test("recorded programs", async () => {
  const folder = join(RINGZERO_ROOT, "tests/scenarios");
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const programs = files.flatMap((file) =>
    parseRecordings(readFileSync(join(folder, file), "utf8"), file).scenarios.map(
      ({ name, program }) => [`${file} ${name}`, program] as const,
    ),
  );
  assert.ok((await explainAll(programs)) > 1000);
});

/** Where sends have other CQEs than today's two. */
const KERNELS: readonly Kernel[] = [
  {},
  { profile: "6.0" },
  { switches: { single_cqe: 1 } },
  { switches: { single_cqe: 1, link_at: "send" } },
  { switches: { two_cqe_sep_ud: 1 } },
  { switches: { zc_skip_success: "first" } },
  { switches: { zc_skip_success: "combined" } },
];

test("random programs", async () => {
  const programs = Object.entries(PROFILES).flatMap(([name, profile]) =>
    Array.from(
      { length: 40 },
      (_, index) => [`${name} ${index}`, generate({ seed: 11, index, length: 25, profile })] as const,
    ),
  );
  for (const kernel of KERNELS) await explainAll(programs, kernel);
});
