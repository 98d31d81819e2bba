// Proposals about what a send says and takes: why it was copied, a destination for SEND. Every program ends without a leak.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { TRACE_ALL, TR_COPY_DEBUG } from "../../assembly/abi/trace.ts";
import { Machine } from "../../host/machine.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { watchProgram } from "../../host/trace/watch.ts";
import { renderTimeline } from "../../host/trace/timeline.ts";
import { type Checked, cqesOf, runChecked, runRandom } from "./checked.ts";

// (h) copy_debug ----------------------------------------------------------------------------------------------------------

/** "user_data bytes reason" of each record. */
const copies = ({ events }: Checked) =>
  events.filter(({ ev }) => ev === "copied").map(({ ud, bytes, why }) => `${ud} ${bytes} ${why}`);

const send = (pair: string, more = "") =>
  `${more}\npair a b ${pair}\nsetup 8\nbuf x 400000 1\nsqe send_zc fd=a buf=x len=1000 ud=7\nsubmit\nsettle 300`;

test("copy_debug: a record for each reason of a copy, and none where nothing is copied", async () => {
  const reasons: [string, string, RegExp | undefined][] = [
    ["tcp lo", "", /^7 1000 it was delivered to a socket of this host/],
    ["udp veth", "", /^7 1000 it was delivered to a socket of this host/],
    ["tcp nic", "nic sg=0", /^7 1000 the device cannot gather pages/],
    ["udp nic", "nic sg=0", /^7 1000 the device cannot gather pages/],
    ["udp nic", "nic csum=0 sg=1", /^7 1000 the device (does not checksum|cannot gather)/],
    ["tcp nic", "nic sg=1", undefined],
    ["udp nic", "nic sg=1", undefined],
    ["udp ifb", "", undefined],
  ];
  for (const [pair, more, reason] of reasons) {
    const wire = reason === undefined ? send(pair, more).replace("settle 300", "msleep 1") : send(pair, more);
    const found = copies(await runChecked("6.18 copy_debug", wire));
    if (reason === undefined) assert.deepEqual(found, [], pair);
    else assert.match(found.join("\n"), reason, `${pair} ${more}`);
    assert.deepEqual(copies(await runChecked("6.18", wire)), [], "off");
  }
  const empty = "pair a b tcp lo\nsetup 8\nsqe send_zc fd=a ud=7\nsubmit\nsettle";
  assert.deepEqual(copies(await runChecked("6.18 copy_debug", empty)), ["7 0 there was nothing to send"]);
  const more = "pair a b udp lo\nsetup 8\nbuf x 4096 1\nsqe send_zc fd=a buf=x mf=MSG_MORE ud=7\nsubmit\nsettle";
  assert.match(copies(await runChecked("6.18 copy_debug", more)).join(), /^7 4096 a corked UDP datagram/);
});

test("copy_debug: one record per notification and reason, however many skbs and sends", async () => {
  const large =
    "pair a b tcp lo\nsetup 8\nbuf x 400000 1\nsqe send_zc fd=a buf=x len=300000 ud=7\nsubmit\ndrainrx b 100\nsettle";
  assert.equal(copies(await runChecked("6.18 copy_debug", large)).length, 1);
  const chained =
    "pair a b tcp lo\nsetup 8\nbuf x 4096 1\nsockopt a CORK 1\nsqe send_zc fd=a buf=x len=100 ud=1\nsqe send_zc fd=a buf=x len=100 ud=2\nsubmit\nsockopt a CORK 0\nsettle";
  const found = copies(await runChecked("6.18 copy_debug", chained));
  assert.match(found[0], /^1 200 it was delivered/);
  assert.match(found[1], /^2 0 it shared an skb with the notification it is chained to/);
  assert.equal(found.length, 2);
  const slot =
    "pair a b tcp lo\nsetup 8\nnotifiers 50\nbuf x 4096 1\nsqe sendzc fd=a buf=x slot=0 ud=1\nsqe sendzc fd=a buf=x slot=0 ud=2\nsubmit\nsqe rsrc_update_notif len=1 ud=3\nsubmit\nsettle";
  assert.deepEqual(
    copies(await runChecked("rc3 copy_debug", slot)).map((line) => line.slice(0, 7)),
    ["50 4096"],
    "the tag of the slot, once for both sends",
  );
});

test("copy_debug: a protocol without zero copy copies silently in the slot era, and is refused later", async () => {
  const unix =
    "pair a b unix lo\nsetup 8\nnotifiers 50\nbuf x 4096 1\nsqe sendzc fd=a buf=x slot=0 ud=1\nsubmit\nsettle";
  assert.deepEqual(copies(await runChecked("rc3 copy_debug", unix)), ["50 4096 the socket has no zero copy"]);
  const later = await runChecked("6.18 copy_debug", send("unix lo"));
  assert.deepEqual([copies(later), cqesOf(later)[0]], [[], "7 EOPNOTSUPP M"]);
});

test("copy_debug: in the timeline, in the trace, and nowhere when it is off", async () => {
  const text = `profile 6.18 copy_debug\n${send("tcp lo")}`;
  const program = parseProgram(text, "program");
  const machine = await Machine.create({ trace: true, ...program.machine });
  const { timeline } = watchProgram(machine, program, text);
  assert.match(renderTimeline(timeline), /#1 1000 bytes copied: it was delivered/);
  const records = (of: typeof timeline) => of.allRecords.filter(({ event }) => event === TR_COPY_DEBUG).length;
  assert.equal(records(timeline), 1);
  const off = await Machine.create({ trace: TRACE_ALL });
  assert.equal(records(watchProgram(off, program, text).timeline), 0);
});

// (j) send_addr -----------------------------------------------------------------------------------------------------------

/** An unconnected socket, and an SQE with a destination: `at` is where the length stands. */
const sendto = (at: number, more = "") => `setup 8
pair a b udp lo
socket s udp
buf x 4096 1
buf n 16
put n 0 u16 2 0x3905
put n 4 u32 0x0100007f
socket r udp
sys bind @r &n 16
sqe send fd=s buf=x len=100 addr2=&n u16.${at}=16 ud=1 ${more}
submit
settle
recv r 4096 10`;

const received = ({ events }: Checked) => Number(events.filter(({ ev }) => ev === "recv").at(-1)?.ret);

test("send_addr: SEND has a destination from 6.1 on; before, the fields are refused unless the switch is on", async () => {
  for (const machine of ["6.1", "6.18", "6.0 send_addr"]) {
    const sent = await runChecked(machine, sendto(44));
    assert.deepEqual([cqesOf(sent), received(sent)], [["1 100"], 100], machine);
  }
  for (const machine of ["rfc3 send_addr", "rc1 send_addr", "rc3 send_addr", "aug16 send_addr"]) {
    const sent = await runChecked(machine, sendto(46));
    assert.deepEqual([cqesOf(sent), received(sent)], [["1 100"], 100], machine);
    assert.deepEqual(cqesOf(await runChecked(machine, sendto(44))), ["1 EINVAL"], "there stands the number of a slot");
  }
  for (const machine of ["rfc3", "rc3", "aug16", "6.0"])
    for (const at of [44, 46]) assert.deepEqual(cqesOf(await runChecked(machine, sendto(at))), ["1 EINVAL"], machine);
  const plain = "pair a b udp lo\nsetup 8\nbuf x 100 1\nsqe send fd=a buf=x ud=1\nsubmit\nsettle\nrecv b 4096 10";
  for (const machine of ["rc3", "rc3 send_addr", "6.0", "6.0 send_addr"])
    assert.equal(received(await runChecked(machine, plain)), 100, machine);
});

test("send_addr: it is copied at submission, also for a chain, a worker and a blocked send; errors are its own", async () => {
  for (const machine of ["rc3 send_addr", "6.0 send_addr"]) {
    const at = machine.startsWith("rc3") ? 46 : 44;
    for (const flags of ["ASYNC", "IO_LINK", "0"]) {
      const text = sendto(at, `flags=${flags}`).replace("submit\n", "sqe nop ud=2\nsubmit\npoke n 0 16 255\n");
      const sent = await runChecked(machine, text);
      assert.deepEqual([cqesOf(sent).sort(), received(sent)], [["1 100", "2 0"], 100], `${machine} ${flags}`);
    }
    assert.deepEqual(cqesOf(await runChecked(machine, sendto(at, "addr2=8"))), ["1 EFAULT"]);
    assert.deepEqual(cqesOf(await runChecked(machine, sendto(at, `u16.${at}=129`))), ["1 EINVAL"]);
    await runChecked(machine, `${sendto(at)}\nclosering`);
  }
});

test("generated programs neither panic nor leak with these switches", async () => {
  for (const machine of ["6.18 copy_debug", "rc3 copy_debug send_addr", "6.0 copy_debug send_addr"])
    await runRandom(machine, 40);
});
