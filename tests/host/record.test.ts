// Files of programs become recorded scenarios, and those are what the replay reads.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  countOutputs,
  formatScenario,
  mergeScenarios,
  type NewScenario,
  parseSections,
} from "../../host/conform/record.ts";
import { parseRecordings, RecordingsError } from "../../host/conform/recordings.ts";
import { parseJson, type ProgramEvent } from "../../host/program/events.ts";

const end = (step: number, ud?: bigint): ProgramEvent => ({
  step,
  op: "say",
  ev: "end",
  ...(ud === undefined ? {} : { ud }),
});

test("sections have a name, perhaps a note, and lines", () => {
  const sections = parseSections("### one\n# about it\nsay a\n\n### two\nsay b # c\n", "f");
  assert.deepEqual(sections, [
    { name: "one", note: "about it", lines: ["say a"] },
    { name: "two", note: "", lines: ["say b # c"] },
  ]);
});

test("what is no section, no name, or a name twice is refused in one line", () => {
  const refused = (text: string) => assert.throws(() => parseSections(text, "f"), RecordingsError);
  refused("say a\n");
  refused("say a\n### one\nsay b\n");
  refused("### a b\nsay b\n");
  refused("### one\nsay a\n### one\nsay b\n");
});

test("outputs are counted, the most common first", () => {
  const outputs = countOutputs([[end(1)], [end(2)], [end(2)]]);
  assert.deepEqual(outputs, [
    { events: [end(2)], count: 2 },
    { events: [end(1)], count: 1 },
  ]);
});

test("merging replaces by name, keeps the rest, and loses no digit", () => {
  const section = { name: "one", note: "", lines: ["say a"], category: "x" };
  const big = 18446744073709551615n;
  const texts = (...scenarios: NewScenario[]) =>
    scenarios.map((scenario) => ({ name: scenario.name, text: formatScenario(scenario) }));
  const first = mergeScenarios(
    undefined,
    "f",
    { kernel: "6.18" },
    texts({ ...section, runs: [[end(1, big)]] }, { ...section, name: "two", runs: [[end(1)], [end(2)], [end(1)]] }),
  );
  const second = mergeScenarios(first, "f", { kernel: "other" }, texts({ ...section, name: "two", runs: [[end(5)]] }));
  const { kernel, scenarios } = parseRecordings(second, "f");
  assert.equal(kernel, "6.18");
  assert.deepEqual(
    scenarios.map(({ name, recorded }) => [name, recorded]),
    [
      ["one", [[end(1, big)]]],
      ["two", [[end(5)]]],
    ],
  );
  const two = parseRecordings(first, "f").scenarios[1];
  assert.deepEqual(two.recorded, [[end(1)], [end(2)]]);
  assert.equal((parseJson(first) as { scenarios: { determinism: string }[] }).scenarios[1].determinism, "varies");
});
