// Programs on the emulator where no recording exists: how a run ends that does not reach its end, and that runs repeat.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { ENOMSG } from "../../assembly/abi/errno.ts";
import { IP_RECVERR, SO_TIMESTAMPING, SOL_IP, SOL_SOCKET } from "../../assembly/abi/socket.ts";
import { Machine, type MachineOptions } from "../../host/machine.ts";
import { formatEvent } from "../../host/program/events.ts";
import type { RunResult } from "../../host/program/outcome.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";
import { TraceReader } from "../../host/trace/decode.ts";
import { hashTrace } from "../../host/trace/hash.ts";

async function run(lines: string[], options: MachineOptions = {}): Promise<RunResult & { hash: string }> {
  const machine = await Machine.create({ trace: true, ...options });
  const reader = new TraceReader(machine);
  const result = runProgram(machine, parseProgram(lines.join("\n"), "t.zc"));
  return { ...result, hash: hashTrace(reader.read()) };
}

const text = ({ events }: RunResult) => events.map(formatEvent);

test("an enter that nothing can end is reported, with who waits for what", async () => {
  const { outcome } = await run(["setup 8 0", "sqe nop ud=1", "submit", "enter 0 2 1"]);
  assert.equal(outcome.kind, "waits");
  assert.match(
    outcome.kind === "waits" ? `${outcome.line}: ${outcome.report}` : "",
    /^4: io_uring_enter on the ring would wait for ever: 2 CQEs wanted, 1 there; 0 requests in flight/,
  );
});

test("a receive that can never be woken is reported as a request in flight", async () => {
  const program = ["setup 8 0", "pair A B tcp lo", "buf b 100", "sqe recv fd=B buf=b ud=1", "submit", "enter 0 1 1"];
  const { outcome } = await run(program);
  assert.match(outcome.kind === "waits" ? outcome.report : outcome.kind, /1 CQE wanted, 0 there; 1 request in flight/);
});

test("an operation that is not modelled ends the run and is named", async () => {
  const { outcome } = await run(["setup 8 0", "sqe 58 ud=1", "submit"]);
  assert.deepEqual(outcome, {
    kind: "not-modelled",
    line: 3,
    report: "not modelled: IORING_OP_RECV_ZC (in io_uring_enter)",
  });
});

test("a futex operation that is not modelled is named", async () => {
  const { outcome } = await run(["buf b 64", "sys futex &b FUTEX_WAKE_OP|FUTEX_PRIVATE_FLAG 1 1 &b+4 0"]);
  assert.match(outcome.kind === "not-modelled" ? outcome.report : outcome.kind, /FUTEX_WAKE_OP \(in futex\)/);
});

test("the time of a transmission is told to who asks for it", async () => {
  const { events } = await run([
    ...["pair A B udp lo", "buf v 4", "put v 0 u32 SOF_TIMESTAMPING_TX_SOFTWARE|SOF_TIMESTAMPING_SOFTWARE"],
    ...["sys setsockopt @A SOL_SOCKET SO_TIMESTAMPING &v 4", "syssend A v 4", "errq A"],
  ]);
  const records = events.filter(({ ev }) => ev === "errq").map(({ level, type, ee_errno }) => [level, type, ee_errno]);
  const seconds = 1_767_225_600; // where the machine's clock begins
  assert.deepEqual(records, [
    [SOL_SOCKET, SO_TIMESTAMPING, seconds],
    [SOL_IP, IP_RECVERR, ENOMSG],
  ]);
});

test("the second message of a call that nothing can end is reported, and no later call fails with it", async () => {
  const program = [
    ...["pair A B udp lo", "buf data 16", "buf io 16", "buf m 128"],
    ...["put io 0 u64 &data 8", "put m 0 u64 0 0 &io 1 0 0 0 0 0 0 &io 1 0 0 0 0"],
    ...["sys sendto @A &data 8 0 0 0", "sys recvmmsg @B &m 2 0 0"],
  ];
  const { outcome } = await run(program);
  assert.match(outcome.kind === "waits" ? `${outcome.line}: ${outcome.report}` : outcome.kind, /^8: recvmmsg/);
});

test("a splice that moved something and could never move the rest is reported", async () => {
  const program = ["pipe R W", "buf b 65536", "sys write @W &b 60000", "pair A B unix lo sndbuf=4608"];
  const { outcome } = await run([...program, "sys splice @R 0 @A 0 60000 0"]);
  assert.match(
    outcome.kind === "waits" ? `${outcome.line}: ${outcome.report}` : outcome.kind,
    /^5: splice .*would wait for ever for room/,
  );
});

test("a ring of root stays uncharged when its owner is root no longer", async () => {
  const program = [
    "setup 8 DEFER_TASKRUN|SINGLE_ISSUER",
    ...["buf desc 64", "buf arg 32", "buf p 120", "put desc 0 u64 0 4096 0 0 0 0 0 0", "put arg 0 u64 &desc 0 0 0"],
    ...[
      "reg REGISTER_MEM_REGION &arg 1",
      "setuid 4242",
      "put p 0 u64 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
      "put p 0 u32 16 32",
    ],
    ...["reg REGISTER_RESIZE_RINGS &p 1", "sys close @ring0"],
  ];
  const result = await run(program);
  assert.equal(result.outcome.kind, "end", JSON.stringify(result.outcome));
  assert.equal(text(result).filter((line) => line.includes("errno")).length, 0, text(result).join("\n"));
});

test("a step on a ring that was refused says so", async () => {
  const { outcome } = await run(["setup 0 0", "ring"]);
  assert.match(outcome.kind === "failed" ? outcome.report : outcome.kind, /there is no ring/);
});

test("a poke beyond its buffer says so", async () => {
  const { outcome } = await run(["buf b 100", "poke b 4000 97 1"]);
  assert.match(outcome.kind === "failed" ? outcome.report : outcome.kind, /poke reaches beyond buffer b/);
});

test("a poke into a buffer that was taken away says so", async () => {
  for (const step of ["unmap", "mprotect_none"]) {
    const { outcome } = await run(["buf b 100", `${step} b`, "poke b 0 1 1"]);
    assert.match(outcome.kind === "failed" ? outcome.report : outcome.kind, /buffer b was unmapped or protected/);
  }
});

test("a zero-copy send behind a drain is reported as the deadlock that it is", async () => {
  const { outcome } = await run([
    "setup 8 0",
    "pair A B tcp lo",
    "buf b 9",
    "sqe nop ud=5 flags=IO_DRAIN",
    "sqe send_zc fd=A buf=b ud=7",
    "enter 2 3 1",
  ]);
  assert.equal(outcome.kind, "waits");
  assert.match(
    outcome.kind === "waits" ? outcome.report : "",
    /waits for the notification of ud=7, which is held back itself/,
  );
});

const PROGRAM = [
  "setup 8 0",
  "pair A B tcp veth",
  "buf b 20000 3",
  "sqe send_zc fd=A buf=b ud=18446744073709551615 ioprio=REPORT_USAGE",
  "submit",
  "recvall B 20000",
  "settle",
];

test("the same program gives the same bytes, in every build", async () => {
  const first = await run(PROGRAM);
  assert.equal(first.outcome.kind, "end");
  assert.ok(text(first).some((line) => line.includes('"ud":18446744073709551615')));
  for (const build of ["release", "plain", "debug"] as const) {
    const again = await run(PROGRAM, { build });
    assert.deepEqual(text(again), text(first));
    assert.equal(again.hash, first.hash);
  }
});

test("an empty program ends as the harness ends it", async () => {
  const { events, outcome } = await run(["# nothing", ""]);
  assert.equal(outcome.kind, "end");
  assert.equal(events.length, 1);
});
