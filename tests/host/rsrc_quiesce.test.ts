// Registered buffers and files up to 6.12: nodes of the ring retire in order, and unregistering waits for every user. 6.13 made
// each resource a node of its own. Every program runs on both, on the debug build, and is asked for leaks.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { findLeaks, restingCounts } from "../../host/core/leaks.ts";
import { Machine } from "../../host/machine.ts";
import type { ProgramEvent } from "../../host/program/events.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";

const F_NOTIF = 8;

interface Run {
  events: ProgramEvent[];
  /** What the call that ends the run waits for, if one does. */
  report: string | undefined;
}

async function run(profile: string, text: string): Promise<Run> {
  const program = parseProgram(`profile ${profile}\n${text}`, "program");
  const machine = await Machine.create({ build: "debug", ...program.machine });
  const before = restingCounts(machine);
  const { events, outcome } = runProgram(machine, program);
  assert.ok(outcome.kind === "end" || outcome.kind === "waits", outcome.kind);
  if (outcome.kind === "end") assert.deepEqual(findLeaks(machine, before), []);
  return { events, report: outcome.kind === "end" ? undefined : outcome.report };
}

/** What the CQEs of one step were, as "user_data" or "user_data N" for a notification. */
function cqes({ events }: Run, step: string): string[] {
  const lines = events.filter(({ ev, op }) => ev === "cqe" && op === step);
  return lines.map(({ ud, flags }) => `${ud}${Number(flags) & F_NOTIF ? " N" : ""}`);
}

/** Two tagged buffers; twenty datagrams behind a token bucket of 10 kB/s, so that notifications come one by one, much later. */
const SLOW = `pair a b udp ifbslow
setup 32
buf x 4096 1
buf y 4096 2
buf t 64
put t 0 u64 &x 4096 &y 4096
put t 32 u64 77 78
buf r 64
put r 0 u32 2 0
put r 8 u64 0 &t &t+32
reg REGISTER_BUFFERS2 &r 32
${"sqe send_zc fd=a buf=x len=1000 ioprio=FIXED_BUF bi=0 ud=1\n".repeat(20)}submit
reap
`;

test("unregistering buffers waits for the notifications up to 6.12, and only then posts tags", async () => {
  const text = `${SLOW}unregbuf\nreap 64\nsay then\nsettle 5000`;
  const [old, now] = [await run("6.12", text), await run("6.13", text)];
  for (const { events } of [old, now])
    assert.equal(events.filter(({ op, ev }) => op === "unregbuf" && ev === "register")[0].ret, 0);
  assert.deepEqual(cqes(old, "settle"), [], "nothing is in flight any more");
  const left = cqes(now, "settle").filter((cqe) => cqe === "1 N").length;
  assert.ok(left > 5, `${left} notifications still in flight`);
  const tags = (cqe: string) => cqe === "77" || cqe === "78";
  assert.equal(cqes(old, "reap").filter(tags).length, 2);
  assert.equal(cqes(old, "reap").lastIndexOf("1 N") < cqes(old, "reap").findIndex(tags), true);
  assert.deepEqual(cqes(now, "reap").filter(tags), ["78"], "the buffer that nobody uses goes at once");
  assert.equal(cqes(now, "settle").at(-1), "77", "the other with its last notification");
});

/** Slot 1, which nobody uses, gets another buffer while slot 0 is in flight. */
const UPDATE = `${SLOW}buf z 4096 3
put t 0 u64 &z 4096
put t 32 u64 79
put r 0 u32 1 0
put r 8 u64 &t &t+32
put r 24 u32 1 0
reg REGISTER_BUFFERS_UPDATE &r 32
reap 64
settle 5000`;

test("updating never waits, but up to 6.12 the old buffer goes with all older nodes", async () => {
  const [old, now] = [await run("6.12", UPDATE), await run("6.13", UPDATE)];
  for (const { events } of [old, now]) assert.equal(events.filter(({ op }) => op === "reg").at(-1)?.ret, 1);
  assert.ok(cqes(now, "reap").includes("78"), "released at once");
  assert.ok(!cqes(old, "reap").includes("78"), "held by the node of the datagrams in flight");
  assert.equal(cqes(old, "settle").at(-1), "78", "released behind the last of them");
});

test("a later update's buffer is not released before an earlier one's, whoever used it", async () => {
  // The second update's node has no user at all; the first one's has those of slot 0.
  const text = `${UPDATE.replace("settle 5000", "")}put t 32 u64 80\nreg REGISTER_BUFFERS_UPDATE &r 32\nsettle 5000`;
  const [old, now] = [await run("6.12", text), await run("6.13", text)];
  assert.deepEqual(cqes(old, "settle").slice(-2), ["78", "79"]);
  assert.deepEqual(cqes(now, "settle").slice(0, 1), ["79"]);
});

/** A receive on a registered socket that gets its data 20 ms later, from a chain of this ring. */
const FILES = (when: string) => `pair a b tcp lo
setup 16
buf x 4096 1
buf d 4096
buf t 16
put t 0 u64 0 20000000
regfile b
sqe recv fd=0 flags=FIXED_FILE buf=d ud=1
${when}
submit
sys io_uring_register @ring0 UNREGISTER_FILES 0 0
reap
settle 100`;
const LATER = "sqe timeout addr=&t len=1 off=0 flags=IO_HARDLINK ud=2\nsqe send fd=a buf=x len=100 ud=3";

test("unregistering files waits for the requests that use one; task work and events go on meanwhile", async () => {
  const [old, now] = [await run("6.12", FILES(LATER)), await run("6.13", FILES(LATER))];
  assert.deepEqual(cqes(old, "reap").sort(), ["1", "2", "3"], "all of it happened during the call");
  assert.deepEqual(cqes(old, "settle"), []);
  assert.deepEqual(cqes(now, "reap"), []);
  assert.deepEqual(cqes(now, "settle").sort(), ["1", "2", "3"]);
});

test("on a DEFER_TASKRUN ring the waiting call runs the ring's task work itself", async () => {
  const text = FILES(LATER).replace("setup 16", "setup 16 SINGLE_ISSUER|DEFER_TASKRUN");
  const old = await run("6.12", text);
  assert.equal(old.report, undefined);
  assert.deepEqual(cqes(old, "reap").sort(), ["1", "2", "3"]);
});

test("with a user that never ends, unregistering never returns, and says so", async () => {
  const old = await run("6.12", FILES(""));
  assert.match(old.report ?? "", /1 use of registered buffers and files not over; 1 request in flight/);
  assert.equal((await run("6.13", FILES(""))).report, undefined);
});
