// Section 8 of the specification of zero-copy sends: 122 expectations. tests/data/send-zc-8.json names for each of them the
// recorded programs that show it (conform.test.ts replays them), what shows it on the emulator alone, or why nothing does.
//
//   recorded   names in tests/scenarios/*.json: what Linux 6.18 answered, and the emulator must
//   emulated   a section of tests/data/send-zc-8.zc, or a test of EMULATED below: what cannot be asked of the kernel by a program
//   reason     what of it is left out, and why
//
// docs/conformance.md is made of the same data; UPDATE_SNAPSHOTS=1 rewrites it.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { IORING_CQE_F_MORE, IORING_CQE_F_NOTIF, IORING_NOTIF_USAGE_ZC_COPIED } from "../../assembly/abi/uapi.ts";
import { parseSections } from "../../host/conform/record.ts";
import { findLeaks, restingCounts } from "../../host/core/leaks.ts";
import { Machine } from "../../host/machine.ts";
import type { ProgramEvent } from "../../host/program/events.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";
import { EMULATED } from "./section8_wire.ts";

declare const RINGZERO_ROOT: string;

interface Entry {
  n: number;
  text: string;
  recorded?: string[];
  emulated?: string[];
  reason?: string;
}

const file = (...path: string[]) => join(RINGZERO_ROOT, ...path);
const entries = JSON.parse(readFileSync(file("tests/data/send-zc-8.json"), "utf8")) as Entry[];
const sections = parseSections(readFileSync(file("tests/data/send-zc-8.zc"), "utf8"), "send-zc-8.zc");

/** Where each recorded program is. */
const recordings = new Map<string, string>();
for (const name of readdirSync(file("tests/scenarios")).filter((each) => each.endsWith(".json"))) {
  const { scenarios } = JSON.parse(readFileSync(file("tests/scenarios", name), "utf8")) as {
    scenarios: { name: string }[];
  };
  for (const scenario of scenarios) recordings.set(scenario.name, name);
}

test("all 122 are there, each with a text, and with a program or a reason", () => {
  assert.deepEqual(
    entries.map(({ n }) => n),
    Array.from({ length: 122 }, (_, index) => index + 1),
  );
  for (const { n, text, recorded = [], emulated = [], reason } of entries) {
    assert.ok(text.length > 0, `${n} has no text`);
    assert.ok(recorded.length + emulated.length > 0 || reason, `${n} has neither a program nor a reason`);
    assert.ok(recorded.length > 0 || reason, `${n} has no recorded program and does not say why`);
  }
});

test("every recording that is named exists, and every recording of the section is named", () => {
  const named = entries.flatMap(({ recorded = [] }) => recorded);
  assert.deepEqual(
    named.filter((name) => !recordings.has(name)),
    [],
  );
  const ofSection = [...recordings.keys()].filter((name) => /^s\d{3}_/.test(name));
  assert.deepEqual(
    ofSection.filter((name) => !named.includes(name)),
    [],
  );
  for (const { n, recorded = [] } of entries)
    for (const name of recorded)
      if (/^s\d{3}_/.test(name)) assert.equal(Number(name.slice(1, 4)), n, `${name} is named by ${n}`);
});

test("what runs on the emulator alone is named, and is there", () => {
  const named = entries.flatMap(({ emulated = [] }) => emulated);
  const known = [...sections.map(({ name }) => name), ...Object.keys(EMULATED)];
  assert.deepEqual([...named].sort(), [...known].sort());
});

for (const [name, body] of Object.entries(EMULATED)) {
  const { n, text } = entries.find(({ emulated }) => emulated?.includes(name)) ?? { n: 0, text: "" };
  test(`${n}: ${name} (${text})`, body);
}

/** CQEs and records of the error queue, as the `# =>` line of a section has them. */
function summary(events: readonly ProgramEvent[]): string {
  const flagName = new Map([
    [0, "-"],
    [IORING_CQE_F_MORE, "M"],
    [IORING_CQE_F_NOTIF, "N"],
  ]);
  const parts: string[] = [];
  for (const event of events) {
    if (event.ev === "errq") parts.push(`errq ${event.ee_info}..${event.ee_data} code ${event.ee_code}`);
    if (event.ev !== "cqe") continue;
    const copied = Number(event.res) === (IORING_NOTIF_USAGE_ZC_COPIED | 0);
    parts.push(`[${event.ud} ${copied ? "C" : (event.err ?? event.res)} ${flagName.get(Number(event.flags))}]`);
  }
  return parts.join(", ");
}

for (const { name, lines } of sections) {
  test(`${name}, on the emulator alone`, async () => {
    const expected = lines.find((line) => line.startsWith("# =>"));
    assert.ok(expected !== undefined, "the section says what is to be seen");
    const program = parseProgram(lines.join("\n"), name);
    const machine = await Machine.create({ build: "debug", ...program.machine });
    machine.nic();
    const before = restingCounts(machine);
    const { events, outcome } = runProgram(machine, program);
    assert.equal(outcome.kind, "end", JSON.stringify(outcome));
    assert.equal(summary(events), expected.slice("# =>".length).trim());
    if (!name.includes("sync_cancel")) assert.deepEqual(findLeaks(machine, before), []); // that ring is stuck for good
  });
}

function table(): string {
  const count = (has: (entry: Entry) => unknown) => entries.filter(has).length;
  const rows = entries.map(({ n, text, recorded = [], emulated = [], reason = "" }) => {
    const code = (names: string[]) => names.map((each) => `\`${each}\``).join(" ");
    return `| ${n} | ${text} | ${code(recorded)} | ${code(emulated)} | ${reason} |`;
  });
  return `# Conformance: zero-copy sends

The 122 expectations of the project's specification of zero-copy sends (its section 8), and what shows each of them.
${count(({ recorded }) => recorded?.length)} are recorded: programs that ran five times on Linux 6.18, whose answers the emulator must give (\`npm test\`,
\`ringzero conform tests/scenarios/spec-6.18.json --only NAME\`). ${count(({ emulated }) => emulated?.length)} have what a program cannot ask of the kernel, such as a forged
acknowledgement, shown on the emulator alone (\`tests/host/section8.test.ts\`). The last column says what is left out, and why.

| # | what is expected | recorded | emulator alone | left out |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}

test("docs/conformance.md is current (UPDATE_SNAPSHOTS=1 rewrites it)", () => {
  const path = file("docs/conformance.md");
  if (process.env.UPDATE_SNAPSHOTS === "1") writeFileSync(path, table());
  assert.equal(readFileSync(path, "utf8"), table());
});
