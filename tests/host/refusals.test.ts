// What a program asks for and this kernel does not have is said by name, and what did not run because of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderExplanation } from "../../host/explain/render.ts";
import { explain } from "./explaining.ts";

const UDP = ["setup 8", "pair A B udp nic", "buf b 1000"];

async function notes(profile: string, lines: readonly string[]): Promise<string[]> {
  return (await explain(lines, { profile })).notes.map(({ line, text }) => `${line} ${text}`);
}

test("setup flags, and the SQEs that did not run", async () => {
  const program = ["setup 8 DEFER_TASKRUN|SINGLE_ISSUER", ...UDP.slice(1), "sqe send_zc fd=A buf=b ud=1", "submit"];
  assert.deepEqual(await notes("6.0", program), [
    "1 setup: IORING_SETUP_DEFER_TASKRUN is not in 6.0 (since 6.1)",
    "4 there was no ring: the SQE of line 4 did not run",
  ]);
  assert.deepEqual(await notes("6.1", program), []);
  assert.doesNotMatch(renderExplanation(await explain(program, { profile: "6.0" })), /no known mistake/);
});

test("opcodes and their flags, when they are refused", async () => {
  const run = (sqe: string) => [...UDP, `sqe ${sqe} ud=1`, "submit", "settle"];
  const usage = run("send_zc fd=A buf=b ioprio=REPORT_USAGE");
  assert.deepEqual(await notes("6.1", usage), ["4 SEND_ZC: IORING_SEND_ZC_REPORT_USAGE is not in 6.1 (since 6.2)"]);
  assert.deepEqual(await notes("6.2", usage), []);
  const message = ["setup 8", "pair A B udp nic", "buf b 1000", "msg m iov=b:0:100", "sqe sendmsg_zc fd=A msg=m ud=1"];
  assert.deepEqual(await notes("6.0", [...message, "submit", "settle"]), [
    "5 SENDMSG_ZC: IORING_OP_SENDMSG_ZC is not in 6.0 (since 6.1)",
  ]);
  // Known, and refused for another reason.
  assert.deepEqual(await notes("6.18", run("send_zc fd=A buf=b pad2=1")), []);
});

test("slots on a kernel without", async () => {
  const program = [...UDP, "sqe sendzc fd=A buf=b slot=0 ud=1", "submit", "settle"];
  assert.deepEqual(await notes("6.18", program), ["4 SEND_ZC: notification slots are not in 6.18 (until aug16)"]);
});

test("register calls; nothing to run", async () => {
  assert.deepEqual(await notes("6.0", ["setup 8", "reg REGISTER_NAPI 0 1"]), [
    "2 reg: IORING_REGISTER_NAPI is not in 6.0 (since 6.9)",
  ]);
  assert.deepEqual(await notes("6.18", []), ["null nothing to run: the program has no steps"]);
});
