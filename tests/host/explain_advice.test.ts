// The advice of `ringzero explain`: for each mistake a program that makes it and one that does not.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BREAK_EVEN_PLAIN, BREAK_EVEN_REGISTERED } from "../../host/explain/limits.ts";
import { advice, explain } from "./explaining.ts";

declare const RINGZERO_ROOT: string;

const mistake = (name: string) =>
  explain(readFileSync(join(RINGZERO_ROOT, "examples/mistakes", `${name}.zc`), "utf8").split("\n"));

/** A datagram that no device has to cut and that is worth zero copy: from a registered buffer. */
const SETUP = ["setup 8 0", "pair A B udp nic", "nic mtu=9000", "buf b 8000", "buf c 8000", "regbuf b c"];
const send = (buf: "b" | "c", ud: number, more = "") =>
  `sqe send_zc fd=A buf=${buf} ud=${ud} ioprio=FIXED_BUF bi=${buf === "b" ? 0 : 1} ${more}`;

async function expect(lines: readonly string[], rules: readonly string[]): Promise<string> {
  const told = await explain(lines);
  assert.deepEqual(advice(told), rules);
  return told.advice.map(({ text }) => text).join("\n");
}

test("a correct program gets none", async () => {
  await expect([...SETUP, send("b", 1, "flags=IO_LINK"), send("c", 2), "submit", "settle", "poke b 0 9 1"], []);
});

test("reuse at the first CQE", async () => {
  const told = await mistake("reuse-at-first-cqe");
  assert.deepEqual(advice(told), ["reuse-at-first-cqe"]);
  assert.deepEqual(told.advice[0].lines, [8, 11]);
  assert.match(
    told.advice[0].text,
    /line 11 \(poke\) changes bytes of ud=1 while its buffer is owned by the NIC of nic0/,
  );
});

test("writing when the notification was seen, or beside the bytes, is no reuse", async () => {
  await expect([...SETUP, send("b", 1), "submit", "settle", "poke b 0 9 1", "put b 0 u64 1"], []);
  await expect([...SETUP, send("b", 1, "len=4000"), "submit", "reap", "poke b 4000 9 1", "settle"], []);
});

test("every way to write counts: put, a call that reads into it, a receive", async () => {
  const busy = [...SETUP, send("b", 1), "submit", "reap 1"];
  await expect([...busy, "put b 0 u64 1"], ["reuse-at-first-cqe"]);
  await expect([...busy, "sys recvfrom @B &b 100 MSG_DONTWAIT 0 0"], ["reuse-at-first-cqe"]);
  await expect([...busy, "sqe recv fd=B buf=b len=10 ud=2", "submit"], ["reuse-at-first-cqe"]);
});

test("reuse before any CQE, of a plain send too", async () => {
  await expect([...SETUP, send("b", 1), "submit", "poke b 0 9 1", "settle"], ["reuse-before-cqe"]);
  const full = ["setup 8 0", "pair A B tcp lo", "buf b 2000", "fill A", "sqe send fd=A buf=b ud=1", "submit"];
  await expect([...full, "poke b 0 9 1"], ["reuse-before-cqe"]);
  const plain = ["setup 8 0", "pair A B tcp lo", "buf b 2000", "sqe send fd=A buf=b ud=1", "submit", "reap"];
  await expect([...plain, "poke b 0 9 1"], []);
});

test("a MSG_ZEROCOPY buffer is not free when send() returns", async () => {
  const program = ["pair A B udp nic", "buf b 1000", "sockopt A ZEROCOPY 1", "syssend A b 1000 MSG_ZEROCOPY"];
  await expect([...program, "poke b 0 9 1", "msleep 5", "errq A"], ["reuse-msg-zerocopy"]);
  await expect([...program, "msleep 5", "errq A", "poke b 0 9 1"], []);
  await expect(["pair A B udp nic", "buf b 1000", "syssend A b 1000", "poke b 0 9 1"], []);
});

test("the notification of another send frees nothing: order is assumed", async () => {
  const two = ["setup 8 0", "pair A B tcp nic", "pair C D udp lo", "buf b 20000", "buf c 20000"];
  const sends = ["sqe send_zc fd=A buf=b ud=1 mf=MSG_WAITALL", "sqe send_zc fd=C buf=c ud=2", "submit", "reap"];
  await expect([...two, ...sends, "poke b 0 9 1", "settle 300"], ["assumes-order", "can-only-copy"]);
  await expect([...two, ...sends, "poke c 0 9 1", "settle 300"], ["can-only-copy"]);
});

test("several unlinked sends to one stream", async () => {
  const told = await mistake("unlinked-batch");
  assert.deepEqual(advice(told), ["unlinked-batch"]);
  assert.match(told.advice[0].text, /Here ud=1 was overtaken/);
});

test("linked sends, sends one at a time, and datagrams are in order", async () => {
  const tcp = ["setup 8 0", "pair A B tcp nic", "buf b 8000", "buf c 8000"];
  const plain = (buf: string, ud: number, more = "") => `sqe send fd=A buf=${buf} ud=${ud} ${more}`;
  await expect([...tcp, plain("b", 1), plain("c", 2), "submit", "settle"], ["unlinked-batch"]);
  await expect([...tcp, plain("b", 1, "flags=IO_LINK"), plain("c", 2), "submit", "settle"], []);
  await expect([...tcp, plain("b", 1), "submit", plain("c", 2), "submit", "settle"], []);
  await expect(["setup 8 0", "pair A B udp nic", "buf b 100", plain("b", 1), plain("b", 2), "submit", "settle"], []);
  const other = ["pair C D tcp nic", plain("b", 1), "sqe send fd=C buf=c ud=2", "submit", "settle"];
  await expect([...tcp, ...other], []);
});

test("one by one: each send waits for the notification before it", async () => {
  const told = await mistake("one-by-one");
  assert.deepEqual(advice(told), ["waits-for-each"]);
  assert.match(told.advice[0].text, /ud=1, ud=2, ud=3 go one by one.*Here it cost [\d.]+ ms/);
});

test("sending on at the first CQE is not waiting", async () => {
  const next = [send("b", 1), "submit", "reap", send("c", 2), "submit", "settle"];
  await expect([...SETUP, ...next], []);
});

test("zero copy below the break-even", async () => {
  const one = (size: number, more = "") => [
    ...["setup 8 0", "pair A B tcp nic", `buf b ${size}`, "regbuf b"],
    ...[`sqe send_zc fd=A buf=b ud=1 mf=MSG_WAITALL ${more}`, "submit", "settle 300"],
  ];
  assert.match(await expect(one(BREAK_EVEN_PLAIN - 1), ["below-break-even"]), /not registered from about 16384 bytes/);
  await expect(one(BREAK_EVEN_PLAIN), []);
  const small = await expect(one(BREAK_EVEN_REGISTERED - 1, "ioprio=FIXED_BUF"), ["below-break-even"]);
  assert.match(small, /registered buffers from about 1500 bytes/);
  await expect(one(BREAK_EVEN_REGISTERED, "ioprio=FIXED_BUF"), []);
});

test("loopback and veth can only copy", async () => {
  for (const device of ["lo", "veth"]) {
    const program = ["setup 8 0", `pair A B tcp ${device}`, "buf b 20000", "sqe send_zc fd=A buf=b ud=1", "submit"];
    await expect([...program, "settle"], ["can-only-copy"]);
  }
  await expect(["setup 8 0", "pair A B tcp lo", "buf b 20000", "sqe send fd=A buf=b ud=1", "submit", "settle"], []);
});

test("AF_UNIX has no zero copy", async () => {
  const program = ["setup 8 0", "pair A B unix", "buf b 20000"];
  const text = await expect([...program, "sqe send_zc fd=A buf=b ud=1", "submit", "settle"], ["no-zero-copy-there"]);
  assert.match(text, /AF_UNIX has no zero copy/);
  await expect([...program, "sqe send fd=A buf=b ud=1", "submit", "settle"], []);
});

test("a ring closed with notifications outstanding", async () => {
  await expect([...SETUP, send("b", 1), "submit", "reap", "closering"], ["closed-ring"]);
  await expect([...SETUP, send("b", 1), "submit", "reap", "sys close @ring0"], ["closed-ring"]);
  await expect([...SETUP, send("b", 1), "submit", "settle", "closering"], []);
});

test("a socket closed, and nobody waits for the notification", async () => {
  await expect([...SETUP, send("b", 1), "submit", "reap", "close A"], ["closed-socket"]);
  await expect([...SETUP, send("b", 1), "submit", "reap", "close A", "settle"], []);
});

test("a registered buffer unregistered in flight", async () => {
  await expect([...SETUP, send("b", 1), "submit", "reap", "unregbuf", "settle"], ["unregistered"]);
  await expect([...SETUP, send("b", 1), "submit", "settle", "unregbuf"], []);
  const plain = ["sqe send_zc fd=A buf=b ud=1", "submit", "reap", "unregbuf", "settle"];
  await expect([...SETUP, ...plain], ["below-break-even"]);
});
