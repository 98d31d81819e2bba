// Proposals of the mail thread in the profiles of the notification slots: a result that says COPIED, one opcode for both kinds of
// sends, a struct msghdr. Every program ends without a leak.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { cqesOf, type Checked, runChecked, runRandom } from "./checked.ts";

const ERA = ["rfc3", "rc1", "rc2", "rc3", "aug16"];
/** CQEs in any order: who is first differs between the profiles. */
const sorted = (run: Checked, op?: string) => cqesOf(run, op).sort();
const flush = (profile: string) => (profile === "rfc3" ? "SENDZC_FLUSH" : "NOTIF_FLUSH");
/** The notification's CQE: sequence number 0 in its flags, or (aug16) in its result beside F_NOTIF. */
const notified = (profile: string, tag: number, copied = false) =>
  profile === "aug16" ? `${tag} ${copied ? 0x10000 : 0} N` : `${tag} ${copied ? 1 : 0}`;

// (g) res_copied ----------------------------------------------------------------------------------------------------------

const copied = (profile: string, pair: string, more = "") =>
  `pair a b ${pair}\npair c d udp lo\nsetup 8\nnotifiers 50\nbuf x 4096 1\nregbuf x\n${more}sqe sendzc fd=a buf=x len=100 slot=0 ioprio=${flush(profile)} ud=1\nsubmit\nsettle 100`;

test("res_copied: 1 if the network said that it copied; one that never calls back is not noticed, unless use is tracked", async () => {
  for (const profile of ERA) {
    const told = async (how: string, pair: string, more = "") => {
      const run = await runChecked(`${profile}${how}`, copied(profile, pair, more));
      return sorted(run).filter((cqe) => cqe.startsWith("50 "))[0];
    };
    for (const pair of ["tcp lo", "udp ifb", "unix lo"])
      assert.equal(await told("", pair), notified(profile, 50), "off");
    const callback = " res_copied=callback";
    assert.equal(await told(callback, "tcp lo"), notified(profile, 50, true), profile);
    assert.equal(await told(callback, "udp ifb"), notified(profile, 50), profile);
    assert.equal(await told(callback, "unix lo"), notified(profile, 50), "copied, and nobody said so");
    const used = " res_copied=used";
    assert.equal(await told(used, "tcp lo"), notified(profile, 50, true), profile);
    assert.equal(await told(used, "udp ifb"), notified(profile, 50), profile);
    assert.equal(await told(used, "unix lo"), notified(profile, 50, true), profile);
    // Sticky: one of two sends of a notification is copied, the last one is not.
    const first = "sqe sendzc fd=c buf=x len=100 slot=0 ud=2\nsubmit\n";
    for (const how of [callback, used])
      assert.equal(await told(how, "udp ifb", first), notified(profile, 50, true), `${profile}${how}`);
  }
});

test("res_copied: with accounting, an unregister and a closed ring", async () => {
  const held =
    "pair a b tcp lo rcvbuf=4096\nsetup 8\nnotifiers 50\nbuf x 400000 1\nsqe sendzc fd=a buf=x len=300000 slot=0 ud=1\nsubmit\n";
  const run = await runChecked("rc3 res_copied=callback", `${held}unnotifiers\ndrainrx b 300\nsettle`);
  assert.ok(sorted(run).includes("50 1"));
  await runChecked("rc3 res_copied=used", `${held}closering\ndrainrx b 300`);
});

// (d) merged_opcode -------------------------------------------------------------------------------------------------------

const merged = (sqe: string, kind = "tcp lo") =>
  `pair a b ${kind}\nsetup 8 SUBMIT_ALL\n${/ slot=/.test(sqe) ? "notifiers 50\n" : ""}buf x 4096 1\nmsg m iov=x:0:100,x:200:50\nregbuf x\n${sqe}\nsubmit\nsettle 100\nrecv b 9000 10`;
const received = ({ events }: Checked) => Number(events.filter(({ ev }) => ev === "recv").at(-1)?.ret);

test("merged_opcode: SEND with the flag is a send to a slot", async () => {
  for (const profile of ERA) {
    const flag = profile === "aug16" ? "ZC_NOTIF_LATER" : "ZC_NOTIF";
    const sqe = `sqe send_notif fd=a buf=x len=100 slot=0 ioprio=${flag}|${flush(profile)} ud=1`;
    const run = await runChecked(`${profile} merged_opcode`, merged(sqe));
    assert.deepEqual([sorted(run), received(run)], [["1 100", notified(profile, 50)].sort(), 100], profile);
    // It is refused by what SEND was, without the switch or without the flag.
    assert.deepEqual(cqesOf(await runChecked(profile, merged(sqe))), ["1 EINVAL"], profile);
    const refused = [
      `sqe send_notif fd=a buf=x len=100 slot=1 ud=1`,
      `sqe send_notif fd=a buf=x len=100 ioprio=8 slot=0 ud=1`,
      `sqe send_notif fd=a buf=x len=100 ioprio=4 slot=0 ud=1`,
      `sqe send_notif fd=a buf=x len=100 ioprio=${flag} slot=9 ud=1`, // no such slot
      `sqe sendzc fd=a buf=x len=100 ioprio=0x40 slot=0 ud=1`, // on the opcode that stays it is no flag
      `sqe sendmsg_notif fd=a msg=m ioprio=${flag} slot=0 ud=1`, // without sendmsg_zc
    ];
    for (const line of refused)
      assert.deepEqual(cqesOf(await runChecked(`${profile} merged_opcode`, merged(line))), ["1 EINVAL"], line);
    const plain = await runChecked(`${profile} merged_opcode`, merged("sqe send fd=a buf=x len=100 ud=1"));
    assert.deepEqual([cqesOf(plain), received(plain)], [["1 100"], 100]);
    const message = `sqe sendmsg_notif fd=a msg=m ioprio=${flag}|${flush(profile)} slot=0 ud=1`;
    const sent = await runChecked(`${profile} merged_opcode sendmsg_zc`, merged(message));
    assert.deepEqual([sorted(sent), received(sent)], [["1 150", notified(profile, 50)].sort(), 150]);
    assert.deepEqual(cqesOf(await runChecked(`${profile} merged_opcode`, merged("sqe sendmsg fd=a msg=m ud=1"))), [
      "1 150",
    ]);
  }
});

test("merged_opcode: in a worker it is a SEND like any other, and a chain goes on", async () => {
  for (const profile of ["rc1", "rc3"]) {
    const own = `sqe sendzc fd=a buf=x len=100 slot=0 ioprio=NOTIF_FLUSH flags=ASYNC ud=1`;
    assert.deepEqual(
      cqesOf(await runChecked(profile, merged(own))),
      ["1 EAGAIN"],
      "an opcode of its own refuses workers",
    );
    const sqe = own.replace("sendzc", "send_notif").replace("ioprio=", "ioprio=ZC_NOTIF|");
    assert.deepEqual(sorted(await runChecked(`${profile} merged_opcode`, merged(sqe))), ["1 100", "50 0"]);
    const chain = `${sqe.replace("ASYNC", "IO_LINK")}\nsqe nop ud=2`;
    assert.deepEqual(sorted(await runChecked(`${profile} merged_opcode`, merged(chain))), ["1 100", "2 0", "50 0"]);
  }
  // A worker that has to wait for room sleeps, goes on, and can be interrupted.
  const blocked = (then: string) =>
    `pair a b tcp lo sndbuf=20000 rcvbuf=20000\nsetup 8\nnotifiers 50\nbuf x 400000 1\nsqe send_notif fd=a buf=x len=400000 mf=MSG_WAITALL slot=0 ioprio=ZC_NOTIF|NOTIF_FLUSH flags=ASYNC ud=1\nsubmit\nmsleep 5\n${then}\nsettle 50\ndrainrx b 500\nsettle 500`;
  assert.deepEqual(sorted(await runChecked("rc3 merged_opcode", blocked(""))), ["1 400000", "50 0"]);
  const cancelled = sorted(
    await runChecked("rc3 merged_opcode", blocked("sqe cancel addr=1 ud=9\nsubmit\nunnotifiers")),
  );
  assert.equal(cancelled.length, 3, cancelled.join(", "));
  await runChecked("rc3 merged_opcode", blocked("closering"));
});

test("merged_opcode: on the per-request API the flag makes SEND a SEND_ZC, and SENDMSG a SENDMSG_ZC", async () => {
  for (const [profile, flag] of [
    ["6.0", 16],
    ["6.1", 16],
    ["6.9", 16],
    ["6.10", 64],
    ["6.18", 64],
    ["7.1", 64],
  ] as const) {
    const on = (sqe: string) => runChecked(`${profile} merged_opcode`, merged(sqe));
    assert.deepEqual(
      sorted(await on(`sqe send fd=a buf=x len=100 ioprio=${flag} ud=1`)),
      ["1 0 N", "1 100 M"],
      profile,
    );
    assert.deepEqual(sorted(await on(`sqe send fd=a buf=x len=100 bi=0 ioprio=${flag | 4} ud=1`)), [
      "1 0 N",
      "1 100 M",
    ]);
    const message = await on(`sqe sendmsg fd=a msg=m ioprio=${flag} ud=1`);
    assert.deepEqual(sorted(message), profile === "6.0" ? ["1 EINVAL"] : ["1 0 N", "1 150 M"], profile);
    assert.deepEqual(cqesOf(await on("sqe send fd=a buf=x len=100 ud=1")), ["1 100"]);
    // The opcode of its own stays, and does not have the flag: that is an error behind the notification.
    assert.equal(cqesOf(await on(`sqe send_zc fd=a buf=x len=100 ioprio=${flag} ud=1`))[0].split(" ")[1], "EINVAL");
    const off = await runChecked(profile, merged(`sqe send fd=a buf=x len=100 ioprio=${flag} ud=1`));
    assert.deepEqual(cqesOf(off), ["1 EINVAL"]);
  }
});

// (i) sendmsg_zc ----------------------------------------------------------------------------------------------------------

const message = (sqe: string, kind = "tcp lo") => merged(`sqe sendmsgzc fd=a msg=m slot=0 ${sqe} ud=1`, kind);

test("sendmsg_zc: segments to a slot, in every dialect; unknown without the switch", async () => {
  for (const profile of ERA) {
    for (const kind of ["tcp lo", "udp lo", "unix lo"]) {
      const sent = await runChecked(`${profile} sendmsg_zc`, message(`ioprio=${flush(profile)}`, kind));
      assert.deepEqual(
        [sorted(sent), received(sent)],
        [["1 150", notified(profile, 50)].sort(), 150],
        `${profile} ${kind}`,
      );
    }
    assert.deepEqual(cqesOf(await runChecked(profile, message(""))), ["1 EINVAL"], profile);
    const fixed = profile === "rfc3" ? "SENDZC_FIXED_BUF" : "FIXED_BUF";
    for (const sqe of [`ioprio=${fixed} bi=0`, "addr2=8", "addr_len=16", "len=2", "pad2=1", "slot=1", "ioprio=0x80"])
      assert.deepEqual(
        cqesOf(await runChecked(`${profile} sendmsg_zc`, message(sqe))),
        ["1 EINVAL"],
        `${profile} ${sqe}`,
      );
    for (const sqe of ["addr=0x10", "addr=8"])
      assert.deepEqual(cqesOf(await runChecked(`${profile} sendmsg_zc`, message(sqe))), ["1 EFAULT"], sqe);
    assert.deepEqual(cqesOf(await runChecked(`${profile} sendmsg_zc`, message("len=0"))), ["1 150"]);
  }
});

test("sendmsg_zc: a destination, control data and a long vector, all copied at submission", async () => {
  const text = (chain: string) => `pair a b udp lo
socket s udp
setup 8
notifiers 50
buf x 4096 1
buf n 16
put n 0 u16 2 0x3905
put n 4 u32 0x0100007f
socket r udp
sys bind @r &n 16
msg m iov=x:0:10 rep=12 dest=127.0.0.1:1337 control=24 ctllevel=0 ctltype=2 ctllen=20
sqe nop flags=${chain} ud=2
sqe sendmsgzc fd=s msg=m slot=0 ioprio=NOTIF_FLUSH ud=1
submit
poke n 0 16 255
settle 50
recv r 4096 10`;
  for (const profile of ["rc1", "rc3"]) {
    for (const chain of ["0", "IO_LINK"]) {
      const sent = await runChecked(`${profile} sendmsg_zc`, text(chain));
      assert.deepEqual([sorted(sent), received(sent)], [["1 120", "2 0", "50 0"], 120], `${profile} ${chain}`);
    }
    const bad = await runChecked(`${profile} sendmsg_zc`, text("0").replace("ctllen=20", "ctllen=3"));
    assert.deepEqual(sorted(bad), ["1 EINVAL", "2 0"], "what the protocol says of its control data");
    const many = message("").replace("msg m ", "msg m rep=1 iovlen=1025 ");
    assert.deepEqual(cqesOf(await runChecked(`${profile} sendmsg_zc`, many)), ["1 EMSGSIZE"]);
  }
});

test("sendmsg_zc: partial sends go on where they stopped; pages are charged by the whole vector; rings are closed", async () => {
  const blocked = (then: string) =>
    `pair a b tcp lo sndbuf=20000 rcvbuf=20000\nsetup 8\nnotifiers 50\nbuf x 400000 1\nmsg m iov=x:0:100000,x:100000:100000,x:200000:100000\nsqe sendmsgzc fd=a msg=m mf=MSG_WAITALL slot=0 ioprio=NOTIF_FLUSH ud=1\nsubmit\n${then}\nrecvall b 300000 500\nsettle 500`;
  const plain = blocked("")
    .replace("notifiers 50\n", "")
    .replace("sendmsgzc", "sendmsg")
    .replace("slot=0 ioprio=NOTIF_FLUSH ", "");
  const bytes = ({ events }: Checked) => events.filter(({ ev }) => ev === "recvall").map(({ fnv }) => fnv);
  const whole = await runChecked("rc3 sendmsg_zc", blocked(""));
  assert.deepEqual(sorted(whole), ["1 300000", "50 0"]);
  assert.deepEqual(bytes(whole), bytes(await runChecked("rc3", plain)));
  await runChecked("rc3 sendmsg_zc", blocked("closering"));
  assert.equal(sorted(await runChecked("rc3 sendmsg_zc", blocked("unnotifiers"))).length, 2);
  // 150 bytes: two pages, as for any length below 4096; two segments of 5000: four.
  const charged = (segments: string, limit: number) =>
    `pair a b tcp lo\nbuf x 20000 1\nrlimit_memlock ${limit}\nsetuid 1000\nsetup 4\nnotifiers 50\nmsg m iov=${segments}\nsqe sendmsgzc fd=a msg=m slot=0 ud=1\nsubmit\nsettle`;
  const small = cqesOf(await runChecked("rc3 sendmsg_zc", charged("x:0:100,x:200:50", 4 * 4096)));
  const large = cqesOf(await runChecked("rc3 sendmsg_zc", charged("x:0:9000,x:9000:9000", 4 * 4096)));
  assert.deepEqual([small, large], [["1 150"], ["1 ENOMEM"]]);
});

test("generated programs neither panic nor leak with these switches", async () => {
  for (const machine of [
    "rc3 merged_opcode sendmsg_zc res_copied=used",
    "aug16 merged_opcode sendmsg_zc res_copied=callback",
    "rfc3 merged_opcode sendmsg_zc slotless",
    "6.18 merged_opcode single_cqe",
    "6.9 merged_opcode two_cqe_sep_ud",
  ])
    await runRandom(machine, 40);
});
