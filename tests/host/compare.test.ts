// The comparison with recordings: exact, and lenient only where and as Linux itself was seen to vary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareRun } from "../../host/conform/compare.ts";
import { parseRecordings, type Scenario, selectScenarios } from "../../host/conform/recordings.ts";
import { compareLive } from "../../host/conform/live.ts";
import { alignEvents, sideBySide } from "../../host/conform/side_by_side.ts";
import type { ProgramEvent } from "../../host/program/events.ts";

const cqe = (step: number, ud: number, res: number, flags: number): ProgramEvent => ({
  step,
  op: "settle",
  ev: "cqe",
  ud,
  res,
  flags,
});

function scenario(name: string, category: string, ...recorded: ProgramEvent[][]): Scenario {
  return { name, category, program: "", recorded };
}

const ended = (events: ProgramEvent[]) => ({ events, outcome: { kind: "end" as const } });

test("equal events are the same, whatever the order of their fields", () => {
  const ours: ProgramEvent = { step: 1, op: "reap", ev: "reaped", n: 2 };
  const theirs: ProgramEvent = { n: 2, ev: "reaped", op: "reap", step: 1 };
  assert.deepEqual(compareRun(scenario("x", "basic", [theirs]), ended([ours])), { verdict: "same", variant: 0 });
});

test("any recorded output counts as what Linux printed", () => {
  const recorded = scenario("x", "basic", [cqe(1, 1, 0, 8)], [cqe(1, 2, 0, 8)]);
  assert.deepEqual(compareRun(recorded, ended([cqe(1, 2, 0, 8)])), { verdict: "same", variant: 1 });
});

test("order between requests is free only in the scenarios named for it", () => {
  const theirs = [cqe(9, 1, 100, 2), cqe(9, 1, 0, 8), cqe(9, 2, 100, 2), cqe(9, 2, 0, 8)];
  const ours = ended([theirs[0], theirs[2], theirs[1], theirs[3]]);
  assert.equal(
    compareRun(scenario("async_four_udp", "concurrency", theirs), ours).normaliser,
    "group by user_data within a block",
  );
  assert.equal(compareRun(scenario("basic_send_zc_udp_lo", "basic", theirs), ours).verdict, "different");
});

test("the order of one request's CQEs is never free", () => {
  const theirs = [cqe(9, 1, 100, 2), cqe(9, 1, 0, 8)];
  const ours = ended([theirs[1], theirs[0]]);
  assert.equal(compareRun(scenario("async_four_udp", "concurrency", theirs), ours).verdict, "different");
});

test("grouping within a block does not reach over steps, grouping over the program does", () => {
  const counts = (step: number, n: number): ProgramEvent => ({ step, op: "reap", ev: "reaped", n });
  const theirs = [cqe(8, 1, 0, 8), cqe(8, 2, 0, 8), counts(8, 2), counts(9, 0)];
  const ours = ended([cqe(8, 1, 0, 8), counts(8, 1), cqe(9, 2, 0, 8), counts(9, 1)]);
  assert.equal(compareRun(scenario("async_four_udp", "concurrency", theirs), ours).verdict, "different");
  assert.equal(compareRun(scenario("sqpoll_tcp_reap_race", "concurrency", theirs), ours).verdict, "same");
});

test("positive byte counts are masked for the short sends; signs, errors and other counts are not", () => {
  const recorded = scenario("link_short_send_nowaitall", "link", [cqe(7, 1, 28672, 2)]);
  assert.equal(compareRun(recorded, ended([cqe(7, 1, 30000, 2)])).normaliser, "positive counts");
  assert.equal(compareRun(recorded, ended([cqe(7, 1, -32, 2)])).verdict, "different");
  assert.equal(compareRun(recorded, ended([cqe(7, 1, 30000, 0)])).verdict, "different");
  const reaped = (n: number): ProgramEvent => ({ step: 1, op: "reap", ev: "reaped", n });
  const timer = scenario("cork_timer", "timer", [reaped(1)]);
  assert.equal(compareRun(timer, ended([reaped(2)])).verdict, "different");
});

test("an error-queue entry may come with another read, or with none, but not with another range", () => {
  const entry = (step: number, ee_info: number, ee_data: number): ProgramEvent => ({
    step,
    op: "errq",
    ev: "errq",
    ee_code: 1,
    ee_info,
    ee_data,
  });
  const recorded = scenario("x_udp_veth_fragmented_msgzc", "extra", [entry(9, 0, 1)], []);
  assert.equal(compareRun(recorded, ended([entry(6, 0, 1)])).verdict, "same");
  assert.equal(compareRun(recorded, ended([entry(6, 0, 0), entry(9, 1, 1)])).verdict, "same");
  assert.equal(compareRun(recorded, ended([])).verdict, "same");
  assert.equal(compareRun(recorded, ended([entry(9, 0, 0)])).verdict, "different");
});

test("a run that did not reach its end is never the same", () => {
  const recorded = scenario("x", "basic", []);
  const waits = { events: [], outcome: { kind: "waits" as const, line: 3, report: "would wait for ever" } };
  const missing = { events: [], outcome: { kind: "not-modelled" as const, line: 3, report: "not modelled: SPLICE" } };
  assert.deepEqual(compareRun(recorded, waits), { verdict: "different", report: "line 3: would wait for ever" });
  assert.equal(compareRun(recorded, missing).verdict, "not-modelled");
});

test("side by side: what is common lines up, what differs shares a marked row", () => {
  const left = [cqe(1, 1, 5, 2), cqe(1, 1, 0, 8), cqe(1, 3, 0, 0)];
  const right = [cqe(1, 1, 5, 2), cqe(1, 2, 0, 8), cqe(1, 3, 0, 0)];
  assert.deepEqual(sideBySide(alignEvents(left, right), ["Linux", "ringzero"]), [
    "    Linux                              ringzero",
    "    1 settle: cqe ud=1 res=5 flags=2   1 settle: cqe ud=1 res=5 flags=2",
    "  ! 1 settle: cqe ud=1 res=0 flags=8 | 1 settle: cqe ud=2 res=0 flags=8",
    "    1 settle: cqe ud=3 res=0 flags=0   1 settle: cqe ud=3 res=0 flags=0",
  ]);
});

test("--only takes the scenario of that name before those that contain it", () => {
  const all = [scenario("cancel", "a", []), scenario("cancel_missing", "a", [])];
  assert.deepEqual(
    selectScenarios(all, "cancel").map(({ name }) => name),
    ["cancel"],
  );
  assert.deepEqual(
    selectScenarios(all, "canc").map(({ name }) => name),
    ["cancel", "cancel_missing"],
  );
});

test("a file that holds no recordings is refused in one line that says where", () => {
  assert.throws(() => parseRecordings("{", "f.json"), /^RecordingsError: f\.json: not JSON: [^\n]*$/);
  assert.throws(
    () => parseRecordings("[]", "f.json"),
    /f\.json: the file: expected an object with an array `scenarios`/,
  );
  const broken = JSON.stringify({ scenarios: [{ name: "x", program: ["say a"], observed: [{ step: 1 }] }] });
  assert.throws(
    () => parseRecordings(broken, "f.json"),
    /scenario x: observed\[0\]: expected an event with step, op and ev/,
  );
});

test("a program that waits for ever on both sides is the same", () => {
  const events = [cqe(2, 1, 0, 0)];
  const waits = { events, outcome: { kind: "waits" as const, line: 4, report: "" } };
  assert.deepEqual(compareLive(waits, { events, end: "killed" }), {
    same: true,
    text: "same: waits for ever on both sides",
  });
  assert.deepEqual(compareLive(ended(events), { events, end: "end" }), { same: true, text: "same" });
  for (const [ours, end] of [
    [waits, "end"],
    [ended(events), "killed"],
    [waits, "failed"],
  ] as const) {
    assert.deepEqual(compareLive(ours, { events, end }), {
      same: false,
      text: "different: the same events, but another end",
    });
  }
  const others = { events: [cqe(2, 1, 1, 0)], end: "killed" as const };
  assert.deepEqual(compareLive(waits, others), { same: false, text: "different in 1 place" });
});
