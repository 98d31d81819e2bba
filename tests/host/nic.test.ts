// The simulated NIC under the whole kernel: who copies, when the notification comes, what the wire carries. The peer is a
// sink without a kernel where the ACK matters, the second namespace of the same machine where a receiver does.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { CNT_NOTIFS_LIVE, CNT_PAGES_PINNED, CNT_SKBS_LIVE } from "../../assembly/abi/counters.ts";
import { USER_BASE, USER_END } from "../../assembly/abi/layout.ts";
import { SOCK_DGRAM, SOCK_STREAM } from "../../assembly/abi/socket.ts";
import * as abi from "../../assembly/abi/trace.ts";
import { IORING_CQE_F_MORE, IORING_CQE_F_NOTIF } from "../../assembly/abi/uapi.ts";
import { Bench, COPIED, FIRST, FREE, MS, MSS, US } from "./nic_bench.ts";
import { Machine, type MachineOptions } from "../../host/machine.ts";
import * as frames from "../../host/nic/frame.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";
import { TraceReader } from "../../host/trace/decode.ts";
import { hashTrace } from "../../host/trace/hash.ts";

// Copied or not --------------------------------------------------------------------------------------------------------

for (const [kind, type] of [
  ["UDP", SOCK_DGRAM],
  ["TCP", SOCK_STREAM],
] as const) {
  for (const scatterGather of [true, false]) {
    for (const checksumOffload of [true, false]) {
      // Without checksum offload there is no scatter-gather either (netdev_fix_features).
      const copies = !(scatterGather && checksumOffload);
      const given = `scatter-gather ${scatterGather ? "on" : "off"}, checksum offload ${checksumOffload ? "on" : "off"}`;
      test(`${kind}, ${given}: ${copies ? "copied" : "not copied"}, and every checksum on the wire is right`, async () => {
        const bench = await Bench.create({ nic: { scatterGather, checksumOffload } });
        const fd = bench.connect(type);
        bench.send(fd, bench.buffer(1000), 1000);
        assert.deepEqual(bench.cqes(50n * MS), [FIRST(1000), copies ? COPIED : FREE]);
        assert.ok(bench.sent.length > 0);
        for (const { frame } of bench.sent) assert.ok(frames.checksumsOk(frames.parseFrame(frame)));
        assert.deepEqual(bench.payloads(), [new Uint8Array(1000).fill(0x41)]);
        bench.drained(fd);
      });
    }
  }
}

// When the notification comes ------------------------------------------------------------------------------------------

test("UDP: the notification comes at the completion of the frame, not before and not at its arrival", async () => {
  const bench = await Bench.create({ nic: { txLatency_ns: 70_000 } });
  const fd = bench.connect(SOCK_DGRAM);
  const start = bench.machine.now_ns;
  bench.send(fd, bench.buffer(1000), 1000);
  assert.deepEqual(bench.cqes(69n * US), [FIRST(1000)]);
  assert.equal(bench.sink.datagrams.length, 1);
  assert.deepEqual(bench.cqes(1n * US), [FREE]);
  assert.equal(bench.notifTime(), start + 70n * US);
  bench.drained(fd);
});

test("TCP: the notification waits for the ACK, long after the NIC is done", async () => {
  const bench = await Bench.create();
  const fd = bench.connect(SOCK_STREAM);
  bench.sink.hold();
  bench.send(fd, bench.buffer(1000), 1000);
  assert.deepEqual(bench.cqes(100n * MS), [FIRST(1000)]);
  const done = bench.times(abi.TR_NIC_TX_DONE).at(-1) ?? 0n;
  bench.sink.release();
  const released = bench.machine.now_ns;
  assert.deepEqual(bench.cqes(1n * MS), [FREE]);
  assert.ok(bench.notifTime() > released && released > done);
  bench.drained(fd);
});

test("TCP: an ACK of half of the bytes frees nothing, the rest of it does", async () => {
  const bench = await Bench.create();
  const fd = bench.connect(SOCK_STREAM);
  bench.sink.hold();
  bench.send(fd, bench.buffer(2 * MSS), 2 * MSS);
  assert.deepEqual(bench.cqes(10n * MS), [FIRST(2 * MSS)]);
  bench.sink.acknowledge(MSS);
  assert.deepEqual(bench.cqes(10n * MS), []);
  bench.sink.acknowledge(2 * MSS);
  assert.deepEqual(bench.cqes(1n * MS), [FREE]);
  bench.sink.release();
  bench.drained(fd);
});

test("TCP: a reset by the peer frees the buffer as well", async () => {
  const bench = await Bench.create();
  const fd = bench.connect(SOCK_STREAM);
  bench.sink.hold();
  bench.send(fd, bench.buffer(1000), 1000);
  assert.deepEqual(bench.cqes(10n * MS), [FIRST(1000)]);
  bench.sink.reset();
  assert.deepEqual(bench.cqes(10n * MS), [FREE]);
  bench.drained(fd);
});

test("TCP: a lost segment keeps the buffer until its retransmission is acknowledged", async () => {
  const bench = await Bench.create();
  const fd = bench.connect(SOCK_STREAM);
  bench.wire.configureFaults({ dropNth: [2] }, bench.nic);
  bench.send(fd, bench.buffer(2 * MSS), 2 * MSS);
  assert.deepEqual(bench.cqes(100n * MS), [FIRST(2 * MSS)]);
  assert.deepEqual(bench.cqes(1000n * MS), [FREE]);
  const lost = bench.sent.find(({ fate }) => fate === "lost");
  const [again] = bench.times(abi.TR_TCP_RETRANS);
  assert.ok(lost !== undefined && again > lost.time_ns && bench.notifTime() > again);
  assert.deepEqual(bench.sink.connection().received, new Uint8Array(2 * MSS).fill(0x41));
  bench.drained(fd);
});

// The buffer between the two CQEs --------------------------------------------------------------------------------------

test("UDP: a buffer changed between the two CQEs changes the bytes on the wire", async () => {
  const bench = await Bench.create({ nic: { dmaDelay_ns: 10_000, txLatency_ns: 50_000 } });
  const fd = bench.connect(SOCK_DGRAM);
  const address = bench.buffer(1000);
  bench.send(fd, address, 1000);
  bench.machine.user.fill(address, 10, 0x42);
  assert.deepEqual(bench.cqes(20n * US), [FIRST(1000)]);
  // The NIC has read the frame: what comes after is not seen, although the buffer is not free yet.
  bench.machine.user.fill(address, 10, 0x43);
  assert.deepEqual(bench.cqes(1n * MS), [FREE]);
  const expected = new Uint8Array(1000).fill(0x41).fill(0x42, 0, 10);
  assert.deepEqual(bench.sink.datagrams[0].payload, expected);
  assert.ok(frames.checksumsOk(frames.parseFrame(bench.sent[0].frame)), "the peer cannot notice");
  bench.drained(fd);
});

test("TCP: what is sent again is what the buffer holds by then", async () => {
  const bench = await Bench.create();
  const fd = bench.connect(SOCK_STREAM);
  bench.wire.configureFaults({ dropNth: [1] }, bench.nic);
  const address = bench.buffer(1000);
  bench.send(fd, address, 1000);
  assert.deepEqual(bench.cqes(1n * MS), [FIRST(1000)]);
  bench.machine.user.fill(address, 1000, 0x42);
  assert.deepEqual(bench.cqes(1000n * MS), [FREE]);
  assert.deepEqual(
    bench.payloads().map((payload) => payload[0]),
    [0x41, 0x42],
  );
  assert.deepEqual(bench.sink.connection().received, new Uint8Array(1000).fill(0x42));
  bench.drained(fd);
});

test("without scatter-gather the kernel has its own copy: a change is not seen", async () => {
  const bench = await Bench.create({ nic: { scatterGather: false } });
  const fd = bench.connect(SOCK_DGRAM);
  const address = bench.buffer(1000);
  bench.send(fd, address, 1000);
  bench.machine.user.fill(address, 1000, 0x42);
  assert.deepEqual(bench.cqes(1n * MS), [FIRST(1000), COPIED]);
  assert.deepEqual(bench.sink.datagrams[0].payload, new Uint8Array(1000).fill(0x41));
  bench.drained(fd);
});

// A NIC that does not behave -------------------------------------------------------------------------------------------

test("a NIC that never completes keeps the notification pending, and ring close reports it", async () => {
  const bench = await Bench.create({ nic: { neverComplete: true } });
  const fd = bench.connect(SOCK_DGRAM);
  bench.send(fd, bench.buffer(1000), 1000);
  assert.deepEqual(bench.cqes(10_000n * MS), [FIRST(1000)]);
  assert.equal(bench.sink.datagrams.length, 1, "the frame itself went out");
  bench.ring.exit();
  bench.machine.sys.close(fd);
  bench.machine.exports.run_events(1000n * MS);
  assert.equal(bench.machine.exports.ring_exit_pending(), 1);
  const closed = bench.records().filter(({ event }) => event === abi.TR_IO_URING_RING_EXIT);
  assert.deepEqual(
    closed.map(({ b, c }) => [b, c]),
    [[1, 0]],
    "one request outstanding",
  );
  assert.ok(bench.machine.counter(CNT_PAGES_PINNED) > 0);
  // The driver gives up on the hardware and frees what it held.
  bench.nic.configure({ neverComplete: false });
  bench.machine.exports.run_events(1n * MS);
  assert.equal(bench.machine.exports.ring_exit_pending(), 0);
  assert.equal(bench.machine.counter(CNT_PAGES_PINNED), 0);
  const [, gone] = bench.records().filter(({ event }) => event === abi.TR_IO_URING_RING_EXIT);
  assert.equal(gone?.c, 1);
});

test("a stalled transmitter sends nothing until it goes on", async () => {
  const bench = await Bench.create();
  const fd = bench.connect(SOCK_DGRAM);
  bench.nic.configure({ stall: true });
  bench.send(fd, bench.buffer(1000), 1000);
  assert.deepEqual(bench.cqes(100n * MS), [FIRST(1000)]);
  assert.equal(bench.sent.length, 0);
  bench.nic.configure({ stall: false });
  assert.deepEqual(bench.cqes(1n * MS), [FREE]);
  assert.equal(bench.sink.datagrams.length, 1);
  bench.drained(fd);
});

test("a stall for a span of time ends by itself", async () => {
  const bench = await Bench.create();
  const fd = bench.connect(SOCK_DGRAM);
  const to = bench.machine.now_ns + 3n * MS;
  bench.nic.configure({ stall: { from_ns: 0, to_ns: Number(to) } });
  bench.send(fd, bench.buffer(1000), 1000);
  assert.deepEqual(bench.cqes(10n * MS), [FIRST(1000), FREE]);
  assert.ok(bench.sent[0].time_ns >= to);
  bench.drained(fd);
});

test("a wait for a NIC that never completes is reported, not endured", async () => {
  const machine = await Machine.create();
  const text = [
    "setup 8 0",
    "pair A B udp nic",
    "nic never_complete",
    "buf b 1000",
    "sqe send_zc fd=A buf=b ud=1",
    "submit",
    "enter 0 2 1",
  ].join("\n");
  const { outcome } = runProgram(machine, parseProgram(text, "t.zc"));
  assert.equal(outcome.kind, "waits");
  assert.match(outcome.kind === "waits" ? outcome.report : "", /1 notification still held by the network/);
});

// Hardware -------------------------------------------------------------------------------------------------------------

test("interrupt moderation gathers completions", async () => {
  const bench = await Bench.create({ nic: { moderationFrames: 3, moderationTime_ns: 400_000 } });
  const fd = bench.connect(SOCK_DGRAM);
  const address = bench.buffer(1000);
  for (let number = 1; number <= 4; number++) bench.send(fd, address, 1000, number);
  const start = bench.machine.now_ns;
  // Three are reported together; the fourth waits until moderation's time is up.
  assert.equal(bench.cqes(100n * US).length, 4 + 3);
  const reports = bench.times(abi.TR_NIC_TX_DONE);
  assert.equal(new Set(reports).size, 1);
  assert.deepEqual(bench.cqes(400n * US), [FREE]);
  const waited = (bench.times(abi.TR_NIC_TX_DONE).at(-1) ?? 0n) - start;
  assert.ok(waited >= 400n * US && waited < 500n * US, `${waited} ns`);
  assert.equal(bench.nic.stats.interrupts, 2);
  bench.drained(fd);
});

test("a slow link takes its time for every frame", async () => {
  const bench = await Bench.create({ nic: { linkRate: 100e6 } });
  const fd = bench.connect(SOCK_DGRAM);
  const address = bench.buffer(1000);
  for (let number = 1; number <= 3; number++) bench.send(fd, address, 1000, number);
  assert.equal(bench.cqes(10n * MS).length, 6);
  const [first, second, third] = bench.sent.map(({ time_ns }) => time_ns);
  // 1042 bytes, and 24 that no capture shows: preamble, checksum, gap.
  const one = BigInt((1042 + 24) * 8 * 10);
  assert.deepEqual([second - first, third - second], [one, one]);
  bench.drained(fd);
});

test("a full TX ring holds frames back and loses none", async () => {
  const count = 30; // all fit into the send buffer
  const bench = await Bench.create({ nic: { txRing: 32, linkRate: 10e6 } });
  const fd = bench.connect(SOCK_DGRAM);
  const address = bench.buffer(count * 1000);
  for (let number = 0; number < count; number++) {
    bench.machine.user.fill(address + number * 1000, 1000, number);
    bench.send(fd, address + number * 1000, 1000, number);
  }
  // A header, and one page or two. What does not fit waits in front of the ring, in order.
  const room = 32 - bench.nic.txDescriptorsUsed;
  assert.ok(room >= 0 && room < 3, `${room} descriptors free`);
  const given = bench.times(abi.TR_NIC_TX).length;
  assert.ok(given > 8 && given <= 16, `${given} frames`);
  assert.equal(bench.machine.counter(CNT_NOTIFS_LIVE), count);
  const found = bench.cqes(10_000n * MS);
  assert.equal(found.length, 2 * count);
  assert.deepEqual(found.at(-1), FREE);
  assert.deepEqual(
    bench.sink.datagrams.map(({ payload }) => [payload.length, payload[0]]),
    Array.from({ length: count }, (_, number) => [1000, number]),
  );
  bench.drained(fd);
});

test("a TX ring of 33 is refused", async () => {
  await assert.rejects(Bench.create({ nic: { txRing: 33 } }), { code: "EINVAL" });
});

test("a TX ring in use changes its size when it is idle, and works on across its end", async () => {
  const bench = await Bench.create();
  const fd = bench.connect(SOCK_DGRAM);
  const address = bench.buffer(1000);
  bench.send(fd, address, 1000);
  bench.nic.configure({ txRing: 32 });
  for (let number = 0; number < 100; number++) {
    if (number > 0) bench.send(fd, address, 1000);
    assert.deepEqual(bench.cqes(1n * MS), [FIRST(1000), FREE]);
  }
  assert.equal(bench.sink.datagrams.length, 100);
  bench.drained(fd);
});

test("the MTU can be raised only before the first frame", async () => {
  const bench = await Bench.create();
  bench.nic.configure({ mtu: 4000 });
  const fd = bench.connect(SOCK_DGRAM);
  bench.send(fd, bench.buffer(3000), 3000);
  assert.deepEqual(bench.cqes(1n * MS), [FIRST(3000), FREE]);
  assert.equal(bench.sent.length, 1);
  assert.throws(() => bench.nic.configure({ mtu: 9000 }), { code: "EBUSY" });
});

test("with TSO the NIC cuts the frame: one descriptor chain, many segments, not copied", async () => {
  const length = 10 * MSS;
  const bench = await Bench.create({ nic: { tso: true } });
  const fd = bench.connect(SOCK_STREAM);
  const before = bench.times(abi.TR_NIC_TX).length;
  bench.send(fd, bench.buffer(length), length);
  assert.deepEqual(bench.cqes(50n * MS), [FIRST(length), FREE]);
  const given = bench.times(abi.TR_NIC_TX).length - before;
  const segments = bench.payloads();
  assert.ok(given < segments.length, `${given} frames for ${segments.length} segments`);
  assert.ok(segments.every((segment) => segment.length <= MSS));
  for (const { frame } of bench.sent) assert.ok(frames.checksumsOk(frames.parseFrame(frame)));
  assert.deepEqual(bench.sink.connection().received, new Uint8Array(length).fill(0x41));
  bench.drained(fd);
});

// Two kernels, joined --------------------------------------------------------------------------------------------------

async function runLines(lines: string[], options: MachineOptions = {}) {
  const machine = await Machine.create({ trace: true, ...options });
  const reader = new TraceReader(machine);
  const fates: string[] = [];
  machine.onFrame(({ fate }) => fates.push(fate));
  const result = runProgram(machine, parseProgram(lines.join("\n"), "t.zc"));
  assert.deepEqual(result.outcome, { kind: "end" });
  return { ...result, machine, fates, hash: hashTrace(reader.read()) };
}

const LOSSY = [
  "setup 8 0",
  "pair A B tcp nic",
  "buf b 40000 3",
  "nic loss=0.1",
  "sqe send_zc fd=A buf=b ud=1 ioprio=REPORT_USAGE",
  "submit",
  "recvall B 40000 5000",
  "settle 2000",
];

test("over a lossy link everything arrives in the end; the same seed loses the same frames", async () => {
  const first = await runLines(LOSSY, { seed: 7 });
  const received = first.events.find(({ ev }) => ev === "recvall");
  assert.equal(received?.bytes, 40000);
  assert.equal(first.events.filter(({ ev, flags }) => ev === "cqe" && flags === IORING_CQE_F_NOTIF).length, 1);
  assert.ok(first.fates.includes("lost"));
  const again = await runLines(LOSSY, { seed: 7 });
  assert.equal(again.hash, first.hash);
  assert.deepEqual(again.fates, first.fates);
  const other = await runLines(LOSSY, { seed: 8 });
  assert.notEqual(other.hash, first.hash);
});

for (const [knob, expected] of [
  ["nic", 1],
  ["nic dev=nic1 drop_nth=1", 1],
  ["nic drop_nth=1", 0],
  ["nic corrupt_nth=1", 0],
  ["nic duplicate_nth=1", 2],
] as const) {
  test(`UDP between two namespaces with \`${knob}\`: ${expected} datagrams arrive`, async () => {
    const { events } = await runLines([
      "setup 8 0",
      "pair A B udp nic",
      ...(knob === "nic" ? [] : [knob]),
      "buf b 1000 3",
      "sqe send_zc fd=A buf=b ud=1",
      "submit",
      "settle 20",
      "drainrx B 40 100000 count",
    ]);
    assert.equal(events.find(({ ev }) => ev === "drainrx")?.bytes ?? 0, expected * 1000);
  });
}

test("a flipped bit in TCP data is noticed and sent again", async () => {
  const lines = LOSSY.map((line) => (line.startsWith("nic") ? "nic corrupt_nth=2,5" : line));
  const clean = LOSSY.map((line) => (line.startsWith("nic") ? "nic loss=0" : line));
  const hashOf = async (program: string[]) => {
    const { events, fates } = await runLines(program);
    return { fnv: events.find(({ ev }) => ev === "recvall")?.fnv, corrupted: fates.includes("corrupted") };
  };
  const { fnv } = await hashOf(clean);
  assert.deepEqual(await hashOf(lines), { fnv, corrupted: true });
});

test("frames that overtake each other are put into order", async () => {
  const lines = LOSSY.map((line) => (line.startsWith("nic") ? "nic reorder_nth=1,4 duplicate_nth=3" : line));
  const { events, fates } = await runLines(lines);
  assert.equal(events.find(({ ev }) => ev === "recvall")?.bytes, 40000);
  assert.ok(fates.includes("delayed") && fates.includes("duplicated"));
});

test("a frame that is too large for a receive slot is lost", async () => {
  const { machine } = await runLines(["setup 8 0", "pair A B udp nic"]);
  const { near, far } = machine.nic();
  assert.equal(far.stats.rxDropped, 0);
  far.receive(new Uint8Array(5000));
  assert.equal(far.stats.rxDropped, 1);
  assert.equal(near.stats.rxDropped, 0);
});

test("every combination of offloads, rings and faults moves the right bytes and leaves nothing behind", async () => {
  const length = 50_000;
  const clean = await runLines(["buf b 50000 3", "pair A B tcp lo", "syssend A b", "recvall B 50000"]);
  const fnv = clean.events.find(({ ev }) => ev === "recvall")?.fnv;
  let runs = 0;
  for (const hardware of ["sg=1", "sg=0", "csum=0", "tso=1", "tx_ring=32", "moderation=8", "rate_mbit=50"]) {
    for (const trouble of ["loss=0", "loss=0.1", "corrupt=0.1", "duplicate=0.2", "reorder=0.2"]) {
      const { machine, events } = await runLines([
        "setup 8 0",
        `nic ${hardware}`,
        "pair A B tcp nic",
        `nic ${trouble}`,
        `nic dev=nic1 ${trouble}`,
        `buf b ${length} 3`,
        "sqe send_zc fd=A buf=b ud=1 ioprio=REPORT_USAGE mf=MSG_WAITALL",
        "submit",
        `recvall B ${length} 300000`,
        "settle 300000",
        "close A",
        "close B",
        "closering",
      ]);
      const given = `${hardware} ${trouble}`;
      const received = events.find(({ ev }) => ev === "recvall");
      assert.deepEqual([received?.bytes, received?.fnv], [length, fnv], given);
      const flags = events.filter(({ ev }) => ev === "cqe").map((event) => event.flags);
      assert.deepEqual(flags, [IORING_CQE_F_MORE, IORING_CQE_F_NOTIF], given);
      machine.sys.munmap(USER_BASE, USER_END - USER_BASE); // its mappings hold the ring
      machine.exports.run_events(600_000n * MS);
      for (const counter of [CNT_NOTIFS_LIVE, CNT_SKBS_LIVE, CNT_PAGES_PINNED]) {
        assert.equal(machine.counter(counter), 0, `${given}: counter ${counter}`);
      }
      runs++;
    }
  }
  assert.equal(runs, 35);
});
