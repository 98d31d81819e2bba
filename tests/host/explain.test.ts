// `ringzero explain`: whose a buffer is at which time, who holds references, what is copied.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IORING_CQE_F_MORE, IORING_CQE_F_NOTIF } from "../../assembly/abi/uapi.ts";
import { jsonText } from "../../host/explain/json.ts";
import { renderExplanation } from "../../host/explain/render.ts";
import { type Explanation, type Interval, OWNERS, type RequestLife } from "../../host/explain/shape.ts";
import { explain, request } from "./explaining.ts";

const SEND = "sqe send_zc fd=A buf=b ud=1 ioprio=REPORT_USAGE";
const owners = ({ intervals }: RequestLife): string[] => intervals.map(({ owner }) => owner);
const longest = ({ intervals }: RequestLife): Interval =>
  intervals
    .filter(({ owner, to_ns }) => owner !== "application" && to_ns !== null)
    .sort((one, other) => (other.to_ns ?? 0) - other.from_ns - ((one.to_ns ?? 0) - one.from_ns))[0];

/** What must be true of every explanation. */
function check({ requests }: Explanation): void {
  for (const { intervals, free_ns, references, submitted_ns } of requests) {
    intervals.forEach((interval, index) => {
      assert.ok(OWNERS.includes(interval.owner));
      assert.equal(interval.to_ns, intervals[index + 1]?.from_ns ?? null, "intervals have no gaps");
      assert.ok(interval.to_ns === null || interval.to_ns >= interval.from_ns);
      assert.ok(interval.until !== "" || interval.to_ns === null, `${interval.owner} has a reason for its end`);
    });
    if (intervals.length > 0) {
      assert.equal(intervals[0].to_ns, submitted_ns, "the kernel owns it from the submission on");
      const last = intervals[intervals.length - 1];
      assert.equal(last.owner === "application", free_ns !== null);
      if (free_ns !== null) assert.equal(last.from_ns, free_ns);
    }
    for (const { taken_ns, dropped_ns } of references) assert.ok(dropped_ns === null || dropped_ns >= taken_ns);
    // What is free is held by nobody.
    if (free_ns !== null) assert.ok(references.every(({ dropped_ns }) => dropped_ns !== null && dropped_ns <= free_ns));
  }
}

test("TCP over the NIC: the NIC reads it, then TCP keeps it for a retransmission until the ACK", async () => {
  const told = await explain([
    ...["setup 8 0", "pair A B tcp nic", "buf b 1000", "nic wire_us=50"],
    ...[SEND, "submit", "settle 300"],
  ]);
  check(told);
  const life = request(told, 1);
  assert.deepEqual(owners(life), [
    "application",
    "request",
    "send queue",
    "NIC",
    "retransmit queue",
    "notification",
    "completion queue",
    "application",
  ]);
  const [, , , nic, waiting] = life.intervals;
  assert.equal(nic.device, "nic0");
  assert.ok(nic.also.includes("retransmit queue"), "TCP has it, too, while the NIC reads");
  assert.equal(waiting.until, "the peer has acknowledged all of it");
  assert.deepEqual(
    life.references.map(({ holder, taken_for, dropped_because }) => `${holder}: ${taken_for}, ${dropped_because}`),
    ["request: request, request", "skb 1: skb, acked"],
  );
  assert.deepEqual(life.copies, []);
  assert.equal(life.completion?.flags, IORING_CQE_F_MORE);
  assert.equal(life.notification?.flags, IORING_CQE_F_NOTIF);
  assert.deepEqual(life.buffers, [{ buffer: "b", offset: 0, length: 1000 }]);
  assert.deepEqual(life.socket, { name: "A", kind: "tcp" });
});

test("a lost segment holds the buffer in the retransmit queue for the time-out", async () => {
  const told = await explain([
    ...["setup 8 0", "pair A B tcp nic", "buf b 2896", "nic drop_nth=2"],
    ...[SEND, "submit", "settle 300"],
  ]);
  check(told);
  const held = longest(request(told, 1));
  assert.equal(held.owner, "retransmit queue");
  assert.ok((held.to_ns ?? 0) - held.from_ns > 190_000_000);
  assert.equal(held.until, "TCP sends it");
});

test("loopback: the receiver's skb gets a copy, the sender's waits for the ACK", async () => {
  const told = await explain(["setup 8 0", "pair A B tcp lo", "buf b 1000", SEND, "submit", "settle"]);
  check(told);
  const life = request(told, 1);
  assert.ok(owners(life).includes("input queue"));
  assert.deepEqual(
    life.copies.map(({ bytes, reason }) => [bytes, reason]),
    [[1000, "local_delivery"]],
  );
  assert.match(life.copies[0].place, /^lo, on delivery/);
  assert.equal(life.notification?.copied, true);
  assert.deepEqual(
    life.references.map(({ taken_for, dropped_because }) => [taken_for, dropped_because]),
    [
      ["request", "request"],
      ["skb", "acked"],
      ["unclone", "orphaned"],
    ],
  );
});

test("a qdisc holds a datagram until its tokens are there", async () => {
  const second = "sqe send_zc fd=A buf=b ud=2";
  const told = await explain(["setup 8 0", "pair A B udp ifbslow", "buf b 1400", SEND, second, "submit", "settle 500"]);
  check(told);
  const held = longest(request(told, 2));
  assert.deepEqual([held.owner, held.device, held.until], ["device queue", "if1", "if1 gets the frame"]);
  assert.ok((held.to_ns ?? 0) - held.from_ns > 100_000_000);
});

test("a corked stream keeps it in the send queue", async () => {
  const more = "sqe send_zc fd=A buf=b ud=1 mf=MSG_MORE";
  const told = await explain(["setup 8 0", "pair A B tcp nic", "buf b 100", more, "submit", "settle 500"]);
  check(told);
  const held = longest(request(told, 1));
  assert.deepEqual([held.owner, held.until], ["send queue", "TCP sends it"]);
});

test("a full socket leaves it with the request, which says what it waits for", async () => {
  const program = ["setup 8 0", "pair A B tcp lo", "buf b 20000", "fill A", SEND, "submit", "reap"];
  const told = await explain(program);
  check(told);
  const life = request(told, 1);
  assert.deepEqual(owners(life), ["application", "request"]);
  assert.equal(life.intervals[1].until, "the program ends first");
  assert.match(life.waits_for ?? "", /poll/);
  assert.equal(life.free_ns, null);
});

test("a NIC that never completes keeps it", async () => {
  const told = await explain([
    ...["setup 8 0", "pair A B udp nic", "buf b 1000", "nic never_complete"],
    ...[SEND, "submit", "settle"],
  ]);
  check(told);
  const life = request(told, 1);
  assert.deepEqual(life.intervals.at(-1)?.owner, "NIC");
  assert.equal(life.free_ns, null);
  assert.deepEqual(
    life.references.map(({ holder, dropped_ns }) => [holder, dropped_ns]),
    [
      ["request", 0],
      ["skb 1", null],
    ],
  );
});

test("where nobody enters the kernel the notification stays behind", async () => {
  const program = ["setup 8 DEFER_TASKRUN|SINGLE_ISSUER", "pair A B udp lo", "buf b 1000", SEND, "submit", "reap"];
  const told = await explain(program);
  check(told);
  assert.equal(request(told, 1).intervals.at(-1)?.owner, "notification");
});

test("a CQE that was not read: posted is not seen", async () => {
  const told = await explain(["setup 8 0", "pair A B udp lo", "buf b 1000", SEND, "submit"]);
  check(told);
  const life = request(told, 1);
  assert.equal(life.intervals.at(-1)?.owner, "completion queue");
  assert.equal(life.notification?.seen_ns, null);
  assert.notEqual(life.notification?.posted_ns, null);
});

test("SQPOLL: the application owns it until the thread takes the SQE", async () => {
  const program = ["setup 8 SQPOLL idle=1000", "pair A B udp nic", "buf b 1000", SEND, "submit", "settle"];
  const told = await explain(program);
  check(told);
  const [own] = request(told, 1).intervals;
  assert.equal(own.owner, "application");
  assert.ok((own.to_ns ?? 0) > own.from_ns);
});

test("a large send over TCP: every skb's reference is paired with its end", async () => {
  const program = ["setup 8 0", "pair A B tcp nic", "buf b 100000", "sqe send_zc fd=A buf=b ud=1", "submit"];
  const told = await explain([...program, "settle 300", "recvall B 50000", "settle 300"]);
  check(told);
  const { references } = request(told, 1);
  assert.ok(references.length > 10);
  assert.ok(references.every(({ dropped_because }) => dropped_because !== null));
  assert.equal(new Set(references.map(({ holder }) => holder)).size, references.length);
});

test("a plain send copies in the call, its buffer is free at its CQE", async () => {
  const program = ["setup 8 0", "pair A B tcp nic", "buf b 1000", "sqe send fd=A buf=b ud=1", "submit", "settle"];
  const told = await explain(program);
  check(told);
  const life = request(told, 1);
  assert.deepEqual(owners(life), ["application", "request", "completion queue", "application"]);
  assert.deepEqual(
    life.copies.map(({ bytes, reason }) => [bytes, reason]),
    [[1000, "plain"]],
  );
  assert.equal(life.notification, null);
});

test("MSG_ZEROCOPY: the error queue gives it back, also for a send of a ring", async () => {
  const told = await explain([
    ...["setup 8 0", "pair A B udp nic", "buf b 1000", "sockopt A ZEROCOPY 1"],
    ...["syssend A b 1000 MSG_ZEROCOPY", "sqe send fd=A buf=b ud=2 mf=MSG_ZEROCOPY", "submit", "reap"],
    ...["sys sendto @A &b 1000 MSG_ZEROCOPY 0 0", "msleep 10", "errq A"],
  ]);
  check(told);
  const [call, ofRing, raw] = told.requests;
  for (const life of [call, ofRing, raw]) {
    assert.equal(life.notification?.kind, "error queue");
    if (life !== raw) assert.ok(owners(life).includes("error queue"), life.operation);
    if (life !== raw) assert.equal(life.free_ns, 10_000_000);
  }
  assert.deepEqual(
    [call, ofRing, raw].map(({ operation }) => operation),
    ["send()", "SEND", "sendto()"],
  );
});

test("calls that share a record of MSG_ZEROCOPY share its fate", async () => {
  const send = "syssend A b 1000 MSG_ZEROCOPY|MSG_MORE";
  const told = await explain([
    ...["pair A B tcp nic", "buf b 1000", "sockopt A ZEROCOPY 1", send, "syssend A b 1000 MSG_ZEROCOPY"],
    ...["msleep 300", "errq A"],
  ]);
  check(told);
  assert.deepEqual(
    told.requests.map(({ notification }) => notification?.shared_by),
    [
      [1, 2],
      [1, 2],
    ],
  );
});

test("messages name every buffer that they send from", async () => {
  const told = await explain([
    ...["setup 8 0", "pair A B udp nic", "buf b 1000", "buf c 1000", "msg m iov=b:0:500,c:100:300"],
    ...["sqe sendmsg_zc fd=A msg=m ud=1", "submit", "settle"],
  ]);
  check(told);
  assert.deepEqual(request(told, 1).buffers, [
    { buffer: "b", offset: 0, length: 500 },
    { buffer: "c", offset: 100, length: 300 },
  ]);
});

test("two rings with the same user_data are kept apart", async () => {
  const told = await explain([
    ...["pair A B udp nic", "buf b 1000", "buf c 1000", "setup 8 0", "sqe send_zc fd=A buf=b ud=1", "submit"],
    ...["use two", "setup 8 0", "sqe send_zc fd=A buf=c ud=1", "submit", "settle", "use 0", "msleep 5", "reap"],
  ]);
  check(told);
  const [first, second] = told.requests;
  assert.deepEqual([first.ring, second.ring], ["0", "two"]);
  assert.ok((first.free_ns ?? 0) > (second.free_ns ?? 0));
});

test("the same request slot used again is another life", async () => {
  const send = ["sqe send_zc fd=A buf=b ud=1", "submit", "settle"];
  const told = await explain(["setup 1 0", "pair A B udp lo", "buf b 1000", ...send, ...send, ...send]);
  check(told);
  assert.deepEqual(
    told.requests.map(({ id, notification }) => [id, notification?.label]),
    [
      [1, "#1"],
      [2, "#2"],
      [3, "#3"],
    ],
  );
});

test("requests that send nothing are told in a line", async () => {
  const told = await explain(["setup 8 0", "sqe nop ud=1", "sqe timeout ts_ms=5 ud=2", "submit", "settle"]);
  check(told);
  assert.deepEqual(
    told.requests.map(({ operation, completion }) => [operation, completion?.res]),
    [
      ["NOP", 0],
      ["TIMEOUT", -62],
    ],
  );
  const text = renderExplanation(told);
  assert.match(text, /line 2: NOP ud=1: 0 at 0 us/);
});

test("a program that waits for ever: who waits, and for what", async () => {
  const program = ["setup 8 0", "pair A B udp nic", "buf b 1000", "sqe send_zc fd=A buf=b ud=6"];
  const told = await explain([...program, "sqe send_zc fd=A buf=b ud=7 flags=IO_DRAIN", "submit", "enter 0 9 1"]);
  check(told);
  assert.equal(told.outcome.kind, "waits");
  assert.equal(told.outcome.line, 7);
  assert.match(request(told, 7).waits_for ?? "", /IO_DRAIN/);
  assert.match(renderExplanation(told), /SEND_ZC ud=7 has no CQE yet: it waits for everything before it/);
});

test("a program that is not modelled is explained as far as it came", async () => {
  const program = ["setup 8 0", "pair A B udp lo", "buf b 1000", SEND, "submit", "settle", "sqe 58 ud=9", "submit"];
  const told = await explain(program);
  check(told);
  assert.equal(told.outcome.kind, "not-modelled");
  assert.notEqual(request(told, 1).free_ns, null);
});

test("a buffer that does not exist for the kernel: an address anywhere is no memory", async () => {
  const told = await explain([
    ...["setup 8 SUBMIT_ALL", "pair A B udp lo", "sqe send_zc fd=A addr=0xffffffffffff0000 len=0xffffffff ud=1"],
    ...["sqe sendmsg_zc fd=A addr=0xfffffff0 len=1 ud=2", "submit", "settle"],
  ]);
  check(told);
  assert.deepEqual([request(told, 1).buffers, request(told, 2).buffers], [[], []]);
});

test("the report fits 120 columns, and a short program a screen", async () => {
  const told = await explain(["setup 8 0", "pair A B tcp nic", "buf b 100000", SEND, "submit", "settle 300"]);
  const lines = renderExplanation(told).split("\n");
  assert.ok(lines.every((line) => line.length <= 120));
  assert.ok(lines.length <= 40, `${lines.length} lines`);
  assert.match(lines.join("\n"), /mine again: after /);
});

test("JSON has stable keys, and user_data of 64 bits as a number", async () => {
  const send = "sqe send_zc fd=A buf=b ud=0xfffffffffffffff1";
  const told = await explain(["setup 8 0", "pair A B udp lo", "buf b 100", send, "submit", "settle"]);
  const text = jsonText(told);
  assert.match(text, /"user_data": 18446744073709551601,/);
  const parsed = JSON.parse(text) as Explanation;
  assert.deepEqual(Object.keys(parsed), ["program", "profile", "outcome", "requests", "notes", "advice", "lost"]);
  assert.deepEqual(Object.keys(parsed.requests[0]), [
    ...["id", "line", "operation", "ring", "user_data", "socket", "buffers", "bytes", "fixed", "submitted_ns"],
    ...["completion", "waits_for", "notification", "intervals", "free_ns", "references", "copies", "surprises"],
  ]);
  assert.deepEqual(Object.keys(parsed.requests[0].intervals[0]), [
    "owner",
    "device",
    "from_ns",
    "to_ns",
    "until",
    "also",
  ]);
  assert.deepEqual(Object.keys(parsed.requests[0].references[0]), [
    ...["on", "holder", "taken_for", "taken_ns", "dropped_ns", "dropped_because"],
  ]);
});

const SLOTS = ["profile rc3", "setup 8", "notifiers 100 101", "pair A B udp nic", "buf b 4096"];

test("slots: sends that share a notification are free together, when the slot was flushed", async () => {
  const told = await explain([
    ...[...SLOTS, "sqe sendzc fd=A buf=b len=1000 slot=0 ud=1", "submit", "reap", "msleep 5"],
    ...["sqe sendzc fd=A buf=b+1000 len=1000 slot=0 ioprio=NOTIF_FLUSH ud=2", "submit", "settle"],
  ]);
  check(told);
  const [first, second] = [request(told, 1), request(told, 2)];
  assert.deepEqual(
    [first.notification?.shared_by, second.notification?.shared_by],
    [
      [1, 2],
      [1, 2],
    ],
  );
  assert.equal(first.notification?.user_data, 100n, "the tag of its slot");
  assert.equal(first.free_ns, second.free_ns);
  const held = longest(first);
  assert.deepEqual([held.owner, held.to_ns], ["slot", 5_000_000], "the NIC was done long before the second send");
  assert.deepEqual(
    first.references.map(({ holder, dropped_because }) => [holder, dropped_because]),
    [
      ["slot 0", "slot"],
      ["skb 1", "tx_done"],
      ["skb 2", "tx_done"],
    ],
  );
});

test("slots: one that is never flushed keeps the buffer", async () => {
  const told = await explain([...SLOTS, "sqe sendzc fd=A buf=b len=1000 slot=1 ud=1", "submit", "settle"]);
  check(told);
  assert.equal(request(told, 1).intervals.at(-1)?.owner, "slot");
  assert.deepEqual(
    request(told, 1).surprises.map(({ rule }) => rule),
    ["unflushed"],
  );
  const ended = await explain([
    ...[...SLOTS, "sqe sendzc fd=A buf=b len=1000 slot=1 ud=1", "submit", "msleep 5", "unnotifiers", "settle"],
  ]);
  check(ended);
  assert.notEqual(request(ended, 1).free_ns, null);
});
