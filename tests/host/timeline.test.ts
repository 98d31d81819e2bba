// The sentences that a learner reads: when a notification came and why, whether the bytes were copied and why.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as abi from "../../assembly/abi/trace.ts";
import { IORING_CQE_F_MORE, IORING_CQE_F_NOTIF } from "../../assembly/abi/uapi.ts";
import type { TraceRecord } from "../../host/trace/decode.ts";
import { hashTrace } from "../../host/trace/hash.ts";
import { explainNotification, Notifications } from "../../host/trace/notifications.ts";
import { renderTimeline, Timeline } from "../../host/trace/timeline.ts";
import { Wire } from "../../host/trace/wire.ts";

const UBUF = 0x1000;

function record(event: number, fields: Partial<TraceRecord> = {}): TraceRecord {
  return { index: 0, time_ns: 0n, event, context: abi.TRACE_CTX_TASK, object: UBUF, a: 1n, b: 0, c: 0, ...fields };
}

const alloc = record(abi.TR_NOTIF_ALLOC, { b: 0x2000 });
const attach = record(abi.TR_UBUF_GET, { b: 2, c: abi.REF_SKB });
const flush = (b: number) => record(abi.TR_UBUF_PUT, { b, c: abi.REF_REQUEST });
const put = (b: number, c: number) => record(abi.TR_UBUF_PUT, { b, c, context: abi.TRACE_CTX_SOFTIRQ });
const done = (c: number) => record(abi.TR_NOTIF_DONE, { c });
const usage = (copied: number, why: number) => record(abi.TR_NOTIF_USAGE, { b: copied, c: why });
const sendCqe = record(abi.TR_IO_URING_COMPLETE, { object: 1, b: 1000, c: IORING_CQE_F_MORE });
const notifCqe = (time_ns: bigint) => record(abi.TR_IO_URING_COMPLETE, { object: 1, c: IORING_CQE_F_NOTIF, time_ns });

function explain(...records: TraceRecord[]): string {
  const notifications = new Notifications();
  for (const each of records) notifications.add(each);
  assert.equal(notifications.all.length, 1);
  return explainNotification(notifications.all[0]).join("\n");
}

test("held until the acknowledgement", () => {
  const text = explain(
    alloc,
    attach,
    flush(1),
    sendCqe,
    put(0, abi.REF_ACKED),
    done(abi.REF_ACKED),
    usage(0, abi.COPY_NONE),
    notifCqe(201_000_000n),
  );
  assert.equal(
    text,
    [
      "#1 ud=1, 1000 bytes",
      "    when:    201 ms after the send's CQE, because the peer acknowledged the last byte; until then TCP might have had to send it again",
      "    copied:  no: every frame was read from the buffer itself",
    ].join("\n"),
  );
});

test("copied on local delivery before the request was done", () => {
  const text = explain(
    alloc,
    attach,
    record(abi.TR_UBUF_COPY, { b: 1000, c: abi.COPY_LOCAL_DELIVERY }),
    put(1, abi.REF_ORPHANED),
    flush(0),
    done(abi.REF_REQUEST),
    sendCqe,
    usage(1, abi.COPY_LOCAL_DELIVERY),
    notifCqe(0n),
  );
  assert.match(
    text,
    /when: {4}right after the send's CQE: the network had let go before, because the skb was given a copy/,
  );
  assert.match(text, /copied: {2}1000 bytes, reported as COPIED: it was delivered to a socket of this host/);
});

test("still held at the end", () => {
  assert.match(
    explain(alloc, attach, flush(1), sendCqe),
    /not by the end of the program: 1 reference is still held\n {4}copied: {2}not so far$/,
  );
});

test("done, but nobody ran task work", () => {
  assert.match(
    explain(alloc, attach, flush(1), sendCqe, put(0, abi.REF_TX_DONE), done(abi.REF_TX_DONE)),
    /no CQE says so: nobody entered the kernel/,
  );
});

test("a record of MSG_ZEROCOPY is told by the error queue", () => {
  const free = { ...done(abi.REF_TX_DONE), time_ns: 5000n };
  const text = explain(record(abi.TR_NOTIF_ALLOC), attach, flush(1), put(0, abi.REF_TX_DONE), free);
  assert.match(text, /when: +5 us after the call, with a record in the error queue, because the device had finished/);
  assert.match(text, /copied: +no$/m);
});

test("TCP sequence numbers count from the SYN of their direction", () => {
  const wire = new Wire(new Map([[2, "va"]]));
  const seq = (from: bigint, to: bigint) => from | (to << 32n);
  const xmit = (from: bigint, to: bigint, b: number, c = 0) =>
    wire.describe(record(abi.TR_TCP_XMIT, { object: 7, a: seq(from, to), b, c }));
  assert.equal(xmit(0xffff_fff0n, 0xffff_fff1n, 2), "TCP 0:1 (1) SYN");
  assert.equal(xmit(0xffff_fff1n, 0x3d9n, 0x18), "TCP 1:1001 (1000) PSH ACK");
  assert.equal(xmit(0xffff_fff1n, 0x3d9n, 0x18, 1), "TCP 1:1001 (1000) PSH ACK again");
});

test("the timeline has the program's lines, what happened below them, and the notifications at the end", () => {
  const timeline = new Timeline(["sqe send_zc ud=1 # the only one", "submit"]);
  timeline.step({ op: "submit", line: 1 });
  timeline.step({ op: "submit", line: 2 });
  timeline.records([alloc, record(abi.TR_IO_URING_SUBMIT_REQ, { b: 47, c: 4, object: 1 }), attach]);
  timeline.event({ step: 2, op: "submit", ev: "enter", ret: 1 });
  assert.deepEqual(renderTimeline(timeline).split("\n"), [
    "  time us  where  ring                         wire  references",
    "",
    ">  1  sqe send_zc ud=1",
    ">  2  submit",
    "        0  task   submit ud=1 SEND_ZC IO_LINK        #1 0 -> 1  request",
    "        0  task                                      #1 1 -> 2  skb takes pages",
    "           => enter ret=1",
    "",
    "The notification:",
    "  #1 ud=1",
    "      when:    not by the end of the program: 2 references are still held",
    "      copied:  not so far",
  ]);
});

test("a segment and the device that transmits it are one row, a frame and its segment another", () => {
  const seq = (from: bigint, to: bigint) => from | (to << 32n);
  const dev = (index: bigint) => index | (6n << 16n);
  const softirq = { context: abi.TRACE_CTX_SOFTIRQ };
  const timeline = new Timeline(["submit"], new Map([[3, "va"]]));
  timeline.records([
    record(abi.TR_TCP_XMIT, { a: seq(100n, 101n), b: 2 }),
    record(abi.TR_NET_DEV_XMIT, { a: dev(3n), b: 60 }),
    record(abi.TR_TCP_XMIT, { a: seq(101n, 1101n), b: 0x18 }),
    record(abi.TR_NET_DEV_XMIT, { a: dev(3n), b: 1052, c: 1 }),
    record(abi.TR_NET_DEV_RX, { a: dev(3n), b: 52, ...softirq }),
    record(abi.TR_TCP_RCV, { a: seq(101n, 101n), b: 0x10, ...softirq }),
  ]);
  assert.deepEqual(renderTimeline(timeline).split("\n").slice(2), [
    "        0  task           va > TCP 0:1 (1) SYN, 60 bytes",
    "        0  task           va > TCP 1:1001 (1000) PSH ACK, 1052 bytes, 1 frag",
    "        0  softirq        va < TCP 1:1 (0) ACK",
  ]);
});

test("a closed ring says what is still to come, and when it is gone", () => {
  const timeline = new Timeline(["closering"]);
  timeline.records([
    record(abi.TR_IO_URING_RING_EXIT, { b: 2 }),
    record(abi.TR_IO_URING_RING_EXIT, { b: 1 }),
    record(abi.TR_IO_URING_RING_EXIT, { c: 1 }),
  ]);
  assert.deepEqual(
    timeline.entries.map((entry) => ("ring" in entry ? entry.ring : "")),
    ["ring closed, 2 requests outstanding", "ring closed, 1 request outstanding", "ring gone"],
  );
});

test("the hash covers every field of a record", () => {
  const base = hashTrace([alloc]);
  assert.match(base, /^[0-9a-f]{16}$/);
  assert.equal(hashTrace([{ ...alloc, index: 9 }]), base);
  for (const change of [{ time_ns: 1n }, { event: 1 }, { context: 1 }, { object: 1 }, { a: 2n }, { b: 1 }, { c: 1 }]) {
    assert.notEqual(hashTrace([{ ...alloc, ...change }]), base);
  }
});

test("no two events have one number", () => {
  const events = Object.entries(abi).filter(([name]) => name.startsWith("TR_"));
  assert.equal(new Set(events.map(([, number]) => number)).size, events.length);
});

test("the only CQE of a failed send of 6.0 may come before its notification is silenced", () => {
  const at = (index: number, what: TraceRecord) => ({ ...what, index });
  const failed = record(abi.TR_IO_URING_COMPLETE, { object: 1, b: -9 >>> 0 });
  const silenced = record(abi.TR_NOTIF_CQES, { b: 1 });
  const text = explain(at(1, alloc), at(2, failed), at(3, silenced), at(4, flush(0)), at(5, done(abi.REF_REQUEST)));
  assert.match(text, /EBADF\n +when: +with its only CQE\n/);
});
