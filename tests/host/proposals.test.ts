// The proposals of the mail thread about the CQEs of a zero-copy send, on the per-request API: each on and off, with links,
// failures, an overflowing CQ and rings that are closed meanwhile. Every program ends without a leak, on the debug build.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { Machine } from "../../host/machine.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { ProgramSyntaxError } from "../../host/program/words.ts";
import { cqesOf, runChecked, runRandom } from "./checked.ts";

test("a switch is refused where it means nothing, in one line", async () => {
  const refused: [string, Record<string, number>, RegExp][] = [
    ["rc3", { single_cqe: 1 }, /single_cqe is for 6\.0 \.\. 7\.1, not for rc3/],
    ["7.1", { two_cqe_sep_ud: 1 }, /two_cqe_sep_ud is for 6\.0 \.\. 6\.18, not for 7\.1/],
    ["6.18", { link_at: 1 }, /link_at needs single_cqe/],
    ["6.18", { single_cqe: 1, zc_skip_success: 1 }, /exclude each other/],
    ["6.18", { nonsense: 1 }, /no switch is 'nonsense=1'/],
  ];
  for (const [profile, switches, message] of refused) {
    await assert.rejects(Machine.create({ profile, switches }), { name: "RangeError", message });
    const line = Object.entries(switches).map(([name, value]) => `${name}=${value}`);
    assert.throws(() => parseProgram(`profile ${profile} ${line.join(" ")}`, "program"), ProgramSyntaxError);
  }
  await Machine.create({ profile: "rc3", switches: { single_cqe: 0 } });
});

// (e) single_cqe ----------------------------------------------------------------------------------------------------------

const SEND = "sqe send_zc fd=a buf=x len=1000";

test("single_cqe: one CQE with the result, no flags, on every socket and path", async () => {
  for (const [kind, device] of [
    ["tcp", "lo"],
    ["udp", "lo"],
    ["tcp", "veth"],
    ["tcp", "nic"],
    ["udp", "ifb"],
  ]) {
    for (const flags of ["0", "ASYNC"]) {
      const text = `pair a b ${kind} ${device}\nsetup 8\nbuf x 4096 1\n${SEND} flags=${flags} ud=1\nsubmit\nsettle 500`;
      assert.deepEqual(cqesOf(await runChecked("6.18 single_cqe", text)), ["1 1000"], `${kind} ${device} ${flags}`);
      assert.deepEqual(cqesOf(await runChecked("6.18", text)), ["1 1000 M", "1 0 N"]);
    }
  }
});

test("single_cqe: in every release, in every mode of a ring, for SENDMSG_ZC and registered buffers", async () => {
  const text = (setup: string) => `pair a b tcp lo
setup 8 ${setup}
buf x 4096 1
msg m iov=x:0:500,x:600:500
regbuf x
${SEND} ud=1
${SEND} ioprio=FIXED_BUF bi=0 ud=2
sqe sendmsg_zc fd=a msg=m ud=3
submitwait 3 100
settle`;
  for (const profile of ["6.1", "6.2", "6.10", "6.12", "6.13", "6.18", "7.1"])
    assert.deepEqual(cqesOf(await runChecked(`${profile} single_cqe`, text("0"))), ["1 1000", "2 1000", "3 1000"]);
  for (const setup of ["DEFER_TASKRUN|SINGLE_ISSUER", "COOP_TASKRUN", "SQPOLL"]) {
    for (const at of ["release", "send"]) {
      const found = cqesOf(await runChecked(`6.18 single_cqe link_at=${at}`, text(setup)));
      assert.deepEqual(found, ["1 1000", "2 1000", "3 1000"], `${setup} ${at}`);
    }
  }
});

test("single_cqe: it comes when the network lets go, and the chain with it or, as link_at says, before", async () => {
  const text = `pair a b tcp nic
nic latency_us=100
setup 8
buf x 4096 1
${SEND} flags=IO_LINK ud=1
sqe nop ud=2
submit
reap
settle 500`;
  const release = await runChecked("6.18 single_cqe", text);
  assert.deepEqual(cqesOf(release, "reap"), [], "the NIC has the buffer, and TCP until the ACK");
  assert.deepEqual(cqesOf(release, "settle"), ["1 1000", "2 0"]);
  const send = await runChecked("6.18 single_cqe link_at=send", text);
  assert.deepEqual(cqesOf(send, "reap"), ["2 0"]);
  assert.deepEqual(cqesOf(send, "settle"), ["1 1000"]);
  assert.deepEqual(cqesOf(await runChecked("6.18", text), "reap"), ["1 1000 M", "2 0"]);
});

test("single_cqe: a failure is one CQE with the error, and breaks the chain", async () => {
  for (const at of ["release", "send"]) {
    const machine = `6.18 single_cqe link_at=${at}`;
    const failing = (prepare: string, sqe: string) => `pair a b tcp lo
setup 8 SUBMIT_ALL
buf x 4096 1
${prepare}
sqe send_zc buf=x len=1000 flags=IO_LINK ud=1 ${sqe}
sqe nop ud=2
submit
settle`;
    const first = async (prepare: string, sqe: string) =>
      cqesOf(await runChecked(machine, failing(prepare, sqe))).sort();
    assert.deepEqual(await first("shutdown a 1", "fd=a"), ["1 EPIPE", "2 ECANCELED"]);
    assert.deepEqual(await first("", "fd=77"), ["1 EBADF", "2 ECANCELED"]);
    assert.deepEqual(
      await first("", "fd=a ioprio=0x200"),
      ["1 EINVAL", "2 ECANCELED"],
      "prep, behind the notification",
    );
    assert.deepEqual(await first("", "fd=a pad2=1"), ["1 EINVAL", "2 ECANCELED"], "prep, before it");
    assert.deepEqual(await first("", "fd=a addr=0x10"), ["1 EFAULT", "2 ECANCELED"]);
    assert.deepEqual(await first("", "fd=a ioprio=FIXED_BUF"), ["1 EFAULT", "2 ECANCELED"]);
    // A member of a chain that is cancelled has nothing under way: one CQE, and no notification.
    const member = `pair a b tcp lo\nsetup 8\nbuf x 4096 1\nsqe recv fd=77 flags=IO_LINK ud=1\n${SEND} ud=2\nsubmit\nsettle`;
    assert.deepEqual(cqesOf(await runChecked(machine, member)).sort(), ["1 EBADF", "2 ECANCELED"]);
    // So the head that is skipped may take it along.
    const skipped = member.replace("flags=IO_LINK", "flags=IO_LINK|CQE_SKIP");
    assert.deepEqual(cqesOf(await runChecked(machine, skipped)), ["1 EBADF"]);
    // CQE_SKIP_SUCCESS stays refused.
    const skip = `pair a b tcp lo\nsetup 8\nbuf x 4096 1\n${SEND} flags=CQE_SKIP ud=1\nsubmit\nsettle`;
    assert.deepEqual(cqesOf(await runChecked(machine, skip)), ["1 EINVAL"]);
  }
});

test("single_cqe: short sends and partial failures tell what was sent, when it is free", async () => {
  const short = (mf: string, then: string) => `pair a b tcp lo sndbuf=20000 rcvbuf=20000
setup 8
buf x 400000 1
sqe send_zc fd=a buf=x len=400000 mf=${mf} flags=IO_LINK ud=1
sqe nop ud=2
submit
settle 20
say then
${then}
reap
drainrx b 300
settle`;
  const [count] = cqesOf(await runChecked("6.18", short("MSG_DONTWAIT", ""))).map((cqe) => cqe.split(" ")[1]);
  assert.ok(Number(count) > 0 && Number(count) < 400000);
  const sent = await runChecked("6.18 single_cqe", short("MSG_DONTWAIT", ""));
  assert.deepEqual(cqesOf(sent), [`1 ${count}`, "2 0"]);
  const early = sent.events.slice(
    0,
    sent.events.findIndex(({ ev }) => ev === "say"),
  );
  assert.ok(
    !early.some(({ ev }) => ev === "cqe"),
    "the bytes that the peer has not taken are still read from the buffer",
  );
  for (const at of ["release", "send"]) {
    // Waiting for room, with some of it sent, it is cancelled: the bytes count, the chain is broken.
    const cancelled = await runChecked(
      `6.18 single_cqe link_at=${at}`,
      short("MSG_WAITALL", "sqe cancel addr=1 ud=9\nsubmit"),
    );
    assert.deepEqual(cqesOf(cancelled).sort(), [`1 ${count}`, "2 ECANCELED", "9 0"]);
    const first = cqesOf(cancelled, "reap");
    assert.deepEqual(first.sort(), at === "release" ? ["9 0"] : ["2 ECANCELED", "9 0"]);
    assert.ok(cqesOf(cancelled, "settle").includes(`1 ${count}`));
  }
});

test("single_cqe: REPORT_USAGE sets bit 31 of the count, which is no errno", async () => {
  const text = (device: string) =>
    `pair a b udp ${device}\nsetup 8\nbuf x 4096 1\n${SEND} ioprio=REPORT_USAGE ud=1\nsqe send_zc fd=a ioprio=REPORT_USAGE ud=2\nsubmit\nsettle 100`;
  for (const at of ["release", "send"]) {
    assert.deepEqual(cqesOf(await runChecked(`6.18 single_cqe link_at=${at}`, text("lo"))), ["1 1000C", "2 0C"]);
    assert.deepEqual(cqesOf(await runChecked(`6.18 single_cqe link_at=${at}`, text("ifb"))), ["1 1000", "2 0"]);
  }
});

/** A send whose buffer the network has for a long time. */
const HELD = `pair a b tcp lo rcvbuf=4096
setup 8
buf x 400000 1
sqe send_zc fd=a buf=x len=300000 mf=MSG_DONTWAIT ud=1 `;

test("single_cqe: what was sent cannot be cancelled or timed out, and a drain waits for it", async () => {
  const cancelled = `${HELD}\nsubmit\nsqe cancel addr=1 ud=9\nsubmit\nreap\ndrainrx b 300\nsettle`;
  assert.deepEqual(cqesOf(await runChecked("6.18 single_cqe", cancelled), "reap"), ["9 ENOENT"]);
  const timed = `${HELD}flags=IO_LINK\nsqe link_timeout ts_ms=20 ud=8\nsubmit\nsettle 100\nsay then\ndrainrx b 300\nsettle`;
  const found = cqesOf(await runChecked("6.18 single_cqe", timed));
  assert.equal(found[0], "8 ENOENT", "the timeout found nothing to cancel");
  assert.match(found[1], /^1 \d+$/);
  const ended = cqesOf(await runChecked("6.18 single_cqe link_at=send", timed));
  assert.equal(ended[0], "8 ECANCELED", "the request was over when the send returned");
  const drained = `${HELD}\nsqe nop flags=IO_DRAIN ud=2\nsubmit\nsettle 20\nreap\nsay then\ndrainrx b 300\nsettle`;
  for (const at of ["release", "send"]) {
    const both = cqesOf(await runChecked(`6.18 single_cqe link_at=${at}`, drained));
    assert.equal(both.length, 2);
    assert.equal(both[1], "2 0", "6.16 and later: the drain waits for the notification");
  }
});

test("single_cqe: rings are closed while it is pending; a full CQ keeps its order", async () => {
  for (const at of ["release", "send"]) {
    const machine = `6.18 single_cqe link_at=${at}`;
    await runChecked(machine, `${HELD}flags=IO_LINK\nsqe nop ud=2\nsubmit\nclosering\ndrainrx b 300\nmsleep 50`);
    await runChecked(machine, `${HELD}\nsubmit\nclosering\nclose a\nclose b`);
    await runChecked(machine, `${HELD}\nsubmit\nclose a\ndrainrx b 300\nsettle`);
    const sends = Array.from({ length: 5 }, (_, i) => `${SEND} ud=${i + 1}`).join("\n");
    const full = `pair a b tcp lo\nsetup 2 CQSIZE 2\nbuf x 4096 1\n${sends.replaceAll("\n", "\nsubmit\n")}\nsubmit\nreap\nsettle\nsettle`;
    assert.deepEqual(
      cqesOf(await runChecked(machine, full)),
      [1, 2, 3, 4, 5].map((ud) => `${ud} 1000`),
    );
  }
});

// (f) two_cqe_sep_ud ------------------------------------------------------------------------------------------------------

test("two_cqe_sep_ud: the notification has the user_data of addr3, 0 = the send's; natively in 7.1", async () => {
  const text = `pair a b tcp lo\nsetup 8 SUBMIT_ALL\nbuf x 4096 1\n${SEND} ud=1 addr3=71\n${SEND} ud=2\nsqe send_zc fd=a buf=x len=1000 pad2=1 ud=3\nsubmit\nsettle`;
  const told = ["1 1000 M", "2 1000 M", "3 EINVAL", "71 0 N", "2 0 N"];
  for (const machine of ["6.0 two_cqe_sep_ud", "6.12 two_cqe_sep_ud", "6.18 two_cqe_sep_ud", "7.1"])
    assert.deepEqual(cqesOf(await runChecked(machine, text)), told, machine);
  assert.equal(cqesOf(await runChecked("6.18", text))[0], "1 EINVAL");
});

test("two_cqe_sep_ud: first the send, then the buffer, also after a partial failure; CQE_SKIP_SUCCESS is refused", async () => {
  const partial = `pair a b tcp lo sndbuf=20000 rcvbuf=20000
setup 8
buf x 400000 1
sqe send_zc fd=a buf=x len=400000 mf=MSG_WAITALL ud=1 addr3=71
submit
sqe cancel addr=1 ud=9
submit
reap
drainrx b 300
settle`;
  const found = cqesOf(await runChecked("6.18 two_cqe_sep_ud", partial));
  assert.deepEqual([found[0], found.length], ["9 0", 3]);
  assert.match(found[1], /^1 \d+ M$/);
  assert.equal(found[2], "71 0 N");
  const failing = `pair a b tcp lo\nsetup 8\nbuf x 4096 1\nshutdown a 1\n${SEND} ud=1 addr3=71 flags=IO_LINK\n${SEND} ud=2 addr3=72\nsubmit\nsettle`;
  assert.deepEqual(cqesOf(await runChecked("6.18 two_cqe_sep_ud", failing)), [
    "1 EPIPE M",
    "71 0 N",
    "2 ECANCELED",
    "72 0 N",
  ]);
  const skip = `pair a b tcp lo\nsetup 8\nbuf x 4096 1\n${SEND} ud=1 addr3=71 flags=CQE_SKIP\nsubmit\nsettle`;
  assert.deepEqual(cqesOf(await runChecked("6.18 two_cqe_sep_ud", skip)), ["1 EINVAL"]);
  const closing = `${HELD}addr3=71\nsubmit\nclosering\ndrainrx b 300`;
  await runChecked("6.18 two_cqe_sep_ud", closing);
});

// CQE_SKIP_SUCCESS --------------------------------------------------------------------------------------------------------

test("zc_skip_success: refused by every release; skips the first CQE; or one notification with the result", async () => {
  const text = `pair a b tcp lo\nsetup 8\nbuf x 4096 1\n${SEND} flags=CQE_SKIP|IO_LINK ud=1\nsqe nop ud=2\nsubmit\nsettle`;
  assert.deepEqual(cqesOf(await runChecked("6.18", text)), ["1 EINVAL"]);
  assert.deepEqual(cqesOf(await runChecked("6.18 zc_skip_success=first", text)), ["1 0 N", "2 0"]);
  assert.deepEqual(cqesOf(await runChecked("6.18 zc_skip_success=combined", text)), ["1 1000 N", "2 0"]);
  const both = text.replace("ud=1", "ud=1 addr3=71").replace("zc fd", "zc ioprio=REPORT_USAGE fd");
  assert.deepEqual(cqesOf(await runChecked("6.18 zc_skip_success=combined two_cqe_sep_ud", both)), [
    "71 1000C N",
    "2 0",
  ]);
  assert.deepEqual(cqesOf(await runChecked("6.18 zc_skip_success=first two_cqe_sep_ud", both)), ["71 0C N", "2 0"]);
});

test("zc_skip_success: a failure posts both, and silences the chain behind it", async () => {
  const text = (flags: string) =>
    `pair a b tcp lo\nsetup 8\nbuf x 4096 1\nshutdown a 1\n${SEND} flags=${flags} ud=1\nsqe nop ud=2\nsubmit\nsettle`;
  for (const how of ["first", "combined"]) {
    const machine = `6.18 zc_skip_success=${how}`;
    assert.deepEqual(cqesOf(await runChecked(machine, text("CQE_SKIP|IO_LINK"))), ["1 EPIPE M", "1 0 N"]);
    assert.deepEqual(cqesOf(await runChecked(machine, text("CQE_SKIP|ASYNC"))).sort(), ["1 0 N", "1 EPIPE M", "2 0"]);
    const plain = `pair a b tcp lo\nsetup 8\nbuf x 4096 1\n${SEND} ud=1\nsubmit\nsettle`;
    assert.deepEqual(cqesOf(await runChecked(machine, plain)), ["1 1000 M", "1 0 N"], "only with the flag");
    await runChecked(machine, `${HELD}flags=CQE_SKIP\nsubmit\nclosering\ndrainrx b 300`);
  }
});

test("generated programs neither panic nor leak with a proposal on", async () => {
  for (const machine of [
    "6.18 single_cqe",
    "6.18 single_cqe link_at=send",
    "6.18 two_cqe_sep_ud zc_skip_success=first",
    "6.18 zc_skip_success=combined",
    "6.12 single_cqe",
    "6.1 single_cqe",
  ])
    await runRandom(machine, 40);
});

test("a full CQ loses nothing of what a proposal posts, and keeps its order", async () => {
  const sends = (more: (ud: number) => string) =>
    [1, 2, 3, 4].map((ud) => `${SEND} ud=${ud} ${more(ud)}\nsubmit`).join("\n");
  const full = (more: (ud: number) => string) =>
    `pair a b tcp lo\nsetup 2 CQSIZE 2\nbuf x 4096 1\n${sends(more)}\nreap\nsettle\nsettle\nsettle`;
  const separate = await runChecked(
    "6.18 two_cqe_sep_ud",
    full((ud) => `addr3=${70 + ud}`),
  );
  assert.deepEqual(
    cqesOf(separate),
    [1, 2, 3, 4].flatMap((ud) => [`${ud} 1000 M`, `${70 + ud} 0 N`]),
  );
  for (const [how, result] of [
    ["first", 0],
    ["combined", 1000],
  ] as const) {
    const skipped = await runChecked(
      `6.18 zc_skip_success=${how}`,
      full(() => "flags=CQE_SKIP"),
    );
    assert.deepEqual(
      cqesOf(skipped),
      [1, 2, 3, 4].map((ud) => `${ud} ${result} N`),
    );
  }
});
