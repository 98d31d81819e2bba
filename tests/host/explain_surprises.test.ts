// What `ringzero explain` calls surprising: a program for each rule, and one that surprises nobody.
import assert from "node:assert/strict";
import { test } from "node:test";
import { explain, request, surprises } from "./explaining.ts";

const UDP = ["setup 8 0", "pair A B udp nic", "buf b 1000", "buf c 1000"];
const SEND = "sqe send_zc fd=A buf=b ud=1";

/** The text of one surprise. */
async function text(lines: readonly string[], ud: number, rule: string): Promise<string> {
  const found = request(await explain(lines), ud).surprises.find((each) => each.rule === rule);
  assert.ok(found, `no surprise ${rule}`);
  return found.text;
}

test("an ordinary send surprises nobody", async () => {
  const told = await explain([...UDP, SEND, "sqe send fd=A buf=c ud=2", "submit", "settle"]);
  assert.deepEqual([surprises(told, 1), surprises(told, 2)], [[], []]);
});

test("one CQE only: it failed before its notification existed", async () => {
  const program = [...UDP, `${SEND} addr3=1`, "submit", "settle"];
  assert.match(await text(program, 1, "no-notification"), /^One CQE only \(EINVAL without F_MORE\)/);
  assert.deepEqual(surprises(await explain(program), 1), ["no-notification"]);
});

test("two CQEs for a failure: the notification existed", async () => {
  const program = [...UDP, `${SEND} ioprio=0x8000`, "submit", "settle"];
  assert.deepEqual(surprises(await explain(program), 1), ["failed-with-notification"]);
});

test("-ECANCELED without F_MORE, and a notification: the chain was cancelled before issue", async () => {
  const program = [...UDP, "sqe recv fd=99 buf=c ud=9 flags=IO_LINK", SEND, "submit", "settle"];
  assert.match(await text(program, 1, "notification-without-f-more"), /ECANCELED without F_MORE.*before it was issued/);
});

test("a plain send of a broken chain was never issued", async () => {
  const program = [...UDP, "sqe recv fd=99 buf=c ud=9 flags=IO_LINK", "sqe send fd=A buf=b ud=1", "submit", "settle"];
  assert.deepEqual(surprises(await explain(program), 1), ["cancelled-unissued"]);
});

test("notifications on one skb: chained, and out of order", async () => {
  const part = (ud: number, more: string) => `sqe send_zc fd=A buf=b+${ud * 100} len=100 ud=${ud} ${more}`;
  const more = "flags=IO_LINK mf=MSG_MORE";
  const program = ["setup 8 0", "pair A B tcp nic", "buf b 1000", part(1, more), part(2, more), part(3, "")];
  const told = await explain([...program, "submit", "settle 300"]);
  assert.deepEqual(
    [1, 2, 3].map((ud) => surprises(told, ud)),
    [[], ["chained", "out-of-order"], ["chained"]],
  );
  assert.match(request(told, 2).surprises[1].text, /\(ud=3\): they are chained on one skb/);
  assert.equal(request(told, 2).notification?.chained_to, "#1");
});

test("out of order without a chain: the network lets go when it likes", async () => {
  const program = ["setup 8 0", "pair A B tcp nic", "pair C D udp lo", "buf b 100", "buf c 100", SEND];
  const told = await explain([...program, "sqe send_zc fd=C buf=c ud=2", "submit", "settle 300"]);
  assert.match(request(told, 1).surprises[0].text, /\(ud=2\): a notification comes when the network lets go/);
});

test("a short send", async () => {
  const program = ["setup 8 0", "pair A B tcp lo", "buf b 8000000", "sqe send_zc fd=A buf=b ud=1", "submit", "settle"];
  const found = await text(program, 1, "short-send");
  assert.match(found, /^A short send: \d+ of 8000000 bytes/);
});

test("an empty send has a notification", async () => {
  const told = await explain([...UDP, "sqe send_zc fd=A ud=1", "submit", "settle"]);
  assert.deepEqual(surprises(told, 1), ["empty-send"]);
});

test("a copy that no CQE reports, and one that is reported", async () => {
  const program = ["setup 8 0", "pair A B udp lo", "buf b 1000"];
  assert.deepEqual(surprises(await explain([...program, SEND, "submit", "settle"]), 1), ["copy-not-reported"]);
  const asked = await explain([...program, `${SEND} ioprio=REPORT_USAGE`, "submit", "settle"]);
  assert.deepEqual(surprises(asked, 1), []);
});

test("a drained zero-copy request waits for its own notification; a drained one that need not", async () => {
  const drained = "sqe send_zc fd=A buf=c ud=2 flags=IO_DRAIN";
  const told = await explain([...UDP, SEND, drained, "submit", "enter 0 9 1"]);
  assert.deepEqual(surprises(told, 2), ["drain-deadlock"]);
  const later = [...UDP, "sqe timeout ts_ms=5 ud=1", "sqe send fd=A buf=c ud=2 flags=IO_DRAIN", "submit", "settle"];
  assert.deepEqual(surprises(await explain(later), 2), ["drained", "worker"]);
});

test("a full CQ", async () => {
  const program = ["setup 1 0 2", "pair A B udp lo", "buf b 100", "buf c 100", `${SEND} ioprio=REPORT_USAGE`, "submit"];
  const told = await explain([...program, "sqe send_zc fd=A buf=c ud=2 ioprio=REPORT_USAGE", "submit", "settle"]);
  assert.deepEqual([surprises(told, 1), surprises(told, 2)], [[], ["cq-overflow"]]);
  assert.notEqual(request(told, 2).free_ns, null);
});

test("nobody entered the kernel", async () => {
  const program = ["setup 8 DEFER_TASKRUN|SINGLE_ISSUER", "pair A B udp lo", "buf b 100"];
  const told = await explain([...program, `${SEND} ioprio=REPORT_USAGE`, "submit", "reap"]);
  assert.deepEqual(surprises(told, 1), ["nobody-entered"]);
});

test("never free: the NIC does not complete", async () => {
  const told = await explain([...UDP, "nic never_complete", SEND, "submit", "settle"]);
  assert.deepEqual(surprises(told, 1), ["never-free"]);
  assert.match(request(told, 1).surprises[0].text, /1 reference is still held, the owner is the NIC of nic0/);
});

test("a full socket makes it wait for POLLOUT", async () => {
  const told = await explain(["setup 8 0", "pair A B tcp lo", "buf b 20000", "fill A", SEND, "submit", "reap"]);
  assert.deepEqual(surprises(told, 1), ["blocked"]);
  assert.match(request(told, 1).surprises[0].text, /and still does/);
});

test("a worker", async () => {
  assert.deepEqual(surprises(await explain([...UDP, `${SEND} flags=ASYNC`, "submit", "settle"]), 1), ["worker"]);
});

test("no CQE at all: CQE_SKIP_SUCCESS", async () => {
  const told = await explain([...UDP, "sqe send fd=A buf=b ud=1 flags=CQE_SKIP_SUCCESS", "submit", "settle"]);
  assert.deepEqual(surprises(told, 1), ["no-cqe"]);
  assert.notEqual(request(told, 1).free_ns, null);
});

test("a retransmission", async () => {
  const program = ["setup 8 0", "pair A B tcp nic", "buf b 2896", "nic drop_nth=1", SEND, "submit", "settle 400"];
  assert.deepEqual(surprises(await explain(program), 1), ["retransmitted"]);
});

test("the same bytes twice are harmless, and free after both", async () => {
  const told = await explain([...UDP, SEND, "sqe send_zc fd=A buf=b ud=2", "submit", "settle"]);
  assert.deepEqual([surprises(told, 1), surprises(told, 2)], [[], ["same-bytes"]]);
  assert.deepEqual(
    told.advice.map(({ weight }) => weight),
    ["cost"],
  );
});

const slots = (profile: string, device: string) => [
  ...[`profile ${profile}`, "setup 8", "notifiers 100 101", `pair A B ${device}`, "buf b 4096", "buf c 4096"],
];

test("slots: before rc3 a notification may arrive before the send's CQE", async () => {
  const send = ["sqe sendzc fd=A buf=b len=1000 slot=0 ioprio=NOTIF_FLUSH ud=1", "submit", "settle"];
  assert.deepEqual(surprises(await explain([...slots("rc1", "udp lo"), ...send]), 1), [
    ...["notification-first", "copy-not-reported"],
  ]);
  assert.deepEqual(surprises(await explain([...slots("rc3", "udp lo"), ...send]), 1), ["copy-not-reported"]);
});

test("slots: no F_MORE is expected of a send that has a notification, and one CQE of a send that has none", async () => {
  const told = await explain([
    ...[...slots("rc3", "udp nic"), "sqe sendzc fd=A buf=b len=1000 slot=0 ioprio=NOTIF_FLUSH ud=1", "submit"],
    ...["sqe sendzc fd=A buf=c len=1000 slot=7 ud=2", "submit", "settle"],
  ]);
  assert.deepEqual(surprises(told, 1), []);
  assert.match(request(told, 2).surprises[0].text, /^One CQE only \(EINVAL\): it failed before/);
});

test("slots: a retry after somebody flushed the slot has two notifications", async () => {
  const told = await explain([
    ...["profile rc3", "setup 8", "notifiers 100", "pair A B tcp nic", "buf b 400000"],
    ...["sqe sendzc fd=A buf=b slot=0 ud=1 mf=MSG_WAITALL ioprio=NOTIF_FLUSH", "submit"],
    ...["sqe rsrc_update_notif off=0 len=1 ud=2", "submit", "settle 300", "recvall B 400000", "settle 300"],
  ]);
  assert.ok(surprises(told, 1).includes("several-notifications"), surprises(told, 1).join(" "));
});

test("one CQE only, and it tells that the buffer is free: nothing is missing", async () => {
  const one = await explain([...UDP, SEND, "submit", "settle"], { switches: { single_cqe: 1 } });
  assert.deepEqual(surprises(one, 1), []);
  assert.equal(request(one, 1).notification?.kind, "only cqe");
  assert.notEqual(request(one, 1).free_ns, null);
  // 6.0: a failed send has one CQE, wherever it failed.
  const failed = ["sqe send_zc fd=99 buf=b ud=1 flags=IO_LINK", "sqe send_zc fd=A buf=c ud=2", "submit", "settle"];
  const old = await explain([...UDP, ...failed], { profile: "6.0" });
  for (const ud of [1, 2]) {
    assert.deepEqual(surprises(old, ud), ud === 2 ? ["cancelled-unissued"] : []);
    assert.notEqual(request(old, ud).free_ns, null);
  }
});

test("CQE_SKIP_SUCCESS of a send whose notification is told all the same", async () => {
  const program = [...UDP, `${SEND} flags=CQE_SKIP_SUCCESS`, "submit", "settle"];
  for (const [how, what] of [
    ["first", "without"],
    ["combined", "with"],
  ]) {
    const told = request(await explain(program, { switches: { zc_skip_success: how } }), 1);
    assert.deepEqual(
      told.surprises.map(({ text: said }) => said),
      [`Its notification is its only CQE (CQE_SKIP_SUCCESS), ${what} the result of the send.`],
    );
  }
});
