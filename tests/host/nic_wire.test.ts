// What lies outside the machine: frames and their checksums, segmentation, faults, the wire, the sink, captures.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultInjector } from "../../host/nic/fault.ts";
import { Flows } from "../../host/nic/flows.ts";
import * as frames from "../../host/nic/frame.ts";
import { PcapWriter } from "../../host/nic/pcap.ts";
import { Random } from "../../host/nic/random.ts";
import { Sink, type SinkOptions } from "../../host/nic/sink.ts";
import { type Clock, type Port, Wire, type WireEnd, type WireFrame, type WireOptions } from "../../host/nic/wire.ts";

const { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN } = frames;

const A = { address: 0x0a510001, port: 40000 };
const B = { address: 0x0a510002, port: 80 };

const pattern = (length: number) => Uint8Array.from({ length }, (_, index) => index * 31 + (index >> 8));

/** A clock that a test moves. */
class TestClock implements Clock {
  now_ns = 0n;
  readonly #calls: { at_ns: bigint; then: () => void }[] = [];

  after(ns: number, then: () => void): void {
    this.#calls.push({ at_ns: this.now_ns + BigInt(ns), then });
    this.#calls.sort((a, b) => Number(a.at_ns - b.at_ns));
  }

  run(ns = 1_000_000_000): void {
    const end = this.now_ns + BigInt(ns);
    for (let next = this.#calls[0]; next !== undefined && next.at_ns <= end; next = this.#calls[0]) {
      this.#calls.shift();
      this.now_ns = next.at_ns;
      next.then();
    }
    this.now_ns = end;
  }
}

/** A port that keeps what it receives. */
class Probe implements Port {
  readonly name: string;
  readonly clock: TestClock;
  readonly received: { at_ns: bigint; frame: Uint8Array }[] = [];
  end: WireEnd | undefined;

  constructor(name: string, clock = new TestClock()) {
    this.name = name;
    this.clock = clock;
  }

  plug(end: WireEnd): void {
    this.end = end;
  }

  receive(frame: Uint8Array): void {
    this.received.push({ at_ns: this.clock.now_ns, frame });
  }

  send(frame: Uint8Array): void {
    this.end?.send(frame);
  }

  last(): frames.Packet {
    const received = this.received.at(-1);
    assert.ok(received !== undefined, "nothing was received");
    return frames.parseFrame(received.frame);
  }
}

// Frames ---------------------------------------------------------------------------------------------------------------

test("the checksum of RFC 1071's example, and of an odd number of bytes", () => {
  const example = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  assert.equal(frames.checksumAdd(example, 0, 8), 0xddf2);
  assert.equal(frames.checksumAdd(example, 0, 7), (0xddf2 - 0xf7) & 0xffff);
});

test("a known IPv4 header has its checksum", () => {
  // 192.168.0.1 > 192.168.0.199, UDP, length 115: the usual example, b861.
  const hex = "02000000000102000000000208004500007300004000401100 00c0a80001c0a800c7".replaceAll(" ", "");
  const header = hex.match(/../g)!.map((byte) => Number.parseInt(byte, 16));
  const packet = frames.parseFrame(Uint8Array.from([...header, ...new Array(95).fill(0)]));
  frames.fillChecksums(packet);
  assert.equal(packet.view.getUint16(24), 0xb861);
  assert.ok(frames.checksumsOk(packet));
});

test("what is built can be parsed, and one flipped bit anywhere behind the Ethernet header is noticed", () => {
  const payload = pattern(101);
  const frame = frames.buildTcp({ from: A, to: B, seq: 7, ack: 9, flags: TCP_ACK | TCP_PSH, window: 500, payload });
  const { ip, tcp, ...packet } = frames.parseFrame(frame);
  assert.deepEqual(packet.payload, payload);
  assert.equal(ip?.totalLength, 20 + 20 + 101);
  assert.deepEqual([tcp?.srcPort, tcp?.dstPort, tcp?.seq, tcp?.ack, tcp?.window], [40000, 80, 7, 9, 500]);
  for (let bit = frames.ETH_HLEN * 8; bit < frame.length * 8; bit++) {
    const flipped = frame.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    assert.ok(!frames.checksumsOk(frames.parseFrame(flipped)), `bit ${bit} is not noticed`);
  }
});

test("a UDP checksum of zero is none, and one that comes out as zero is sent as all ones", () => {
  const frame = frames.buildUdp(A, B, new Uint8Array(2));
  const { view } = frames.parseFrame(frame);
  const field = 14 + 20 + 6;
  const sum = view.getUint16(field);
  // Payload chosen so that the sum of everything is 0xffff, whose complement is zero.
  const zero = frames.buildUdp(A, B, Uint8Array.of(sum >> 8, sum & 255));
  assert.equal(frames.parseFrame(zero).view.getUint16(field), 0xffff);
  view.setUint16(field, 0);
  assert.ok(frames.checksumsOk(frames.parseFrame(frame)));
});

test("a frame that lies about its lengths has no headers", () => {
  const frame = frames.buildTcp({ from: A, to: B, seq: 0, flags: TCP_SYN });
  for (let length = 0; length < frame.length; length++) {
    assert.equal(frames.parseFrame(frame.subarray(0, length)).ip, undefined);
  }
  const shortHeader = frame.slice();
  shortHeader[14] = 0x44;
  assert.equal(frames.parseFrame(shortHeader).ip, undefined);
  const longOffset = frame.slice();
  longOffset[14 + 20 + 12] = 0xf0;
  assert.equal(frames.parseFrame(longOffset).tcp, undefined);
});

test("segmentation keeps every byte, counts up, and leaves FIN and PSH for the last", () => {
  const payload = pattern(3000);
  const flags = TCP_ACK | TCP_PSH | TCP_FIN | frames.TCP_CWR;
  const whole = frames.buildTcp({ from: A, to: B, seq: 0xffff_fff0, flags, payload });
  const packets = frames.segmentFrame(whole, 1400).map((frame) => frames.parseFrame(frame));
  for (const packet of packets) frames.fillChecksums(packet);
  assert.deepEqual(
    packets.map(({ tcp, ip, payload: part }) => [tcp?.seq, tcp?.flags, ip?.id, part.length]),
    [
      [0xffff_fff0, TCP_ACK | frames.TCP_CWR, 0, 1400],
      [1384, TCP_ACK, 1, 1400],
      [2784, TCP_ACK | TCP_PSH | TCP_FIN, 2, 200],
    ],
  );
  assert.deepEqual(Uint8Array.from(packets.flatMap((packet) => [...packet.payload])), payload);
  assert.ok(packets.every(frames.checksumsOk));
});

test("UDP segmentation makes datagrams of their own", () => {
  const packets = frames.segmentFrame(frames.buildUdp(A, B, pattern(1000)), 400).map((each) => frames.parseFrame(each));
  for (const packet of packets) frames.fillChecksums(packet);
  assert.deepEqual(
    packets.map(({ udp, view, payload }) => [view.getUint16((udp?.at ?? 0) + 4), payload.length]),
    [
      [408, 400],
      [408, 400],
      [208, 200],
    ],
  );
  assert.ok(packets.every(frames.checksumsOk));
});

test("what fits into one segment is not touched", () => {
  const frame = frames.buildTcp({ from: A, to: B, seq: 1, flags: TCP_ACK, payload: pattern(100) });
  assert.deepEqual(frames.segmentFrame(frame, 100), [frame]);
});

// Chance and faults ----------------------------------------------------------------------------------------------------

test("splitmix64 gives its published numbers", () => {
  const random = new Random(1234567);
  assert.deepEqual(
    [random.next(), random.next(), random.next()],
    [6457827717110365317n, 3203168211198807973n, 9817491932198370423n],
  );
});

function fates(options: ConstructorParameters<typeof FaultInjector>[1], count: number, seed = 1): string {
  const faults = new FaultInjector(new Random(seed), options);
  return Array.from({ length: count }, () => faults.judge(pattern(60)).fate[0]).join("");
}

test("faults by number count from when they were set", () => {
  assert.equal(fates({ dropNth: [1, 3], duplicateNth: [2] }, 5), "ldldd");
  const faults = new FaultInjector(new Random(0));
  faults.judge(pattern(60));
  faults.configure({ dropNth: [1] });
  assert.equal(faults.judge(pattern(60)).fate, "lost");
  assert.equal(faults.judge(pattern(60)).fate, "delivered");
});

test("a share is met, the same seed meets it in the same places, another seed in others", () => {
  const first = fates({ loss: 0.25 }, 4000);
  const lost = first.split("l").length - 1;
  assert.ok(lost > 900 && lost < 1100, `${lost} of 4000 lost`);
  assert.equal(fates({ loss: 0.25 }, 4000), first);
  assert.notEqual(fates({ loss: 0.25 }, 4000, 2), first);
});

test("corruption flips one bit of a copy", () => {
  const faults = new FaultInjector(new Random(5), { corruptNth: [1] });
  const frame = pattern(60);
  const { frame: arrived } = faults.judge(frame);
  assert.deepEqual(frame, pattern(60));
  const flipped = arrived.reduce(
    (sum, byte, index) => sum + (byte ^ frame[index]).toString(2).replaceAll("0", "").length,
    0,
  );
  assert.equal(flipped, 1);
});

test("a share that is none is refused", () => {
  assert.throws(() => new FaultInjector(new Random(0), { loss: 1.5 }), /loss is a share from 0 to 1/);
});

// The wire -------------------------------------------------------------------------------------------------------------

function wired(options: WireOptions = {}) {
  const clock = new TestClock();
  const [left, right] = [new Probe("left", clock), new Probe("right", clock)];
  const wire = new Wire(left, right, { delay_ns: 100, ...options });
  return { clock, left, right, wire };
}

const numbered = (number: number) => Uint8Array.of(number);

test("frames arrive after the delay, in order, in both directions", () => {
  const { clock, left, right } = wired();
  left.send(numbered(1));
  left.send(numbered(2));
  right.send(numbered(3));
  clock.run(99);
  assert.equal(right.received.length, 0);
  clock.run(1);
  assert.deepEqual(
    right.received,
    [1, 2].map((number) => ({ at_ns: 100n, frame: numbered(number) })),
  );
  assert.equal(left.received.length, 1);
});

test("faults of one direction leave the other alone", () => {
  const { clock, left, right } = wired({ faults: [{ loss: 1 }, {}] });
  left.send(numbered(1));
  right.send(numbered(2));
  clock.run();
  assert.equal(right.received.length, 0);
  assert.equal(left.received.length, 1);
});

test("a delayed frame is overtaken, a duplicated one comes twice", () => {
  const { clock, left, right } = wired({ faults: { reorderNth: [1], reorderDelay_ns: 10, duplicateNth: [3] } });
  for (const number of [1, 2, 3]) left.send(numbered(number));
  clock.run();
  assert.deepEqual(
    right.received.map(({ frame }) => frame[0]),
    [2, 3, 3, 1],
  );
});

test("a tap sees a frame when it is sent, also one that is lost, until it is taken off", () => {
  const { clock, left, wire } = wired({ faults: { dropNth: [1] } });
  const seen: string[] = [];
  const off = wire.tap(({ time_ns, from, to, fate }) => seen.push(`${time_ns} ${from}>${to} ${fate}`));
  left.send(numbered(1));
  clock.run(50);
  left.send(numbered(2));
  off();
  left.send(numbered(3));
  assert.deepEqual(seen, ["0 left>right lost", "50 left>right delivered"]);
});

// The sink -------------------------------------------------------------------------------------------------------------

function sinkAt(options: SinkOptions = {}) {
  const clock = new TestClock();
  const probe = new Probe("client", clock);
  const sink = new Sink(options);
  new Wire(probe, sink, { delay_ns: 0 });
  const send = (fields: Partial<frames.TcpFields>) => {
    probe.send(frames.buildTcp({ from: A, to: B, seq: 1000, flags: TCP_ACK, ...fields }));
    clock.run(0);
  };
  return { clock, probe, sink, send };
}

function established(options: SinkOptions = {}) {
  const all = sinkAt(options);
  all.send({ flags: TCP_SYN, options: Uint8Array.of(2, 4, 5, 180, 1, 3, 3, 7) });
  return all;
}

test("the sink answers a SYN with its MSS, and with a window scale if one was offered", () => {
  const { probe } = established();
  const { tcp } = probe.last();
  assert.equal(tcp?.flags, TCP_SYN | TCP_ACK);
  assert.equal(tcp?.ack, 1001);
  assert.deepEqual(frames.tcpOption(probe.last(), 2), Uint8Array.of(1460 >> 8, 1460 & 255));
  assert.deepEqual(frames.tcpOption(probe.last(), 3), Uint8Array.of(7));
  assert.ok(frames.checksumsOk(probe.last()));
});

test("the sink acknowledges what it got, and puts strays into their place", () => {
  const { probe, sink, send } = established();
  const bytes = pattern(300);
  send({ seq: 1101, payload: bytes.subarray(100, 200) });
  assert.equal(probe.last().tcp?.ack, 1001);
  send({ seq: 1001, payload: bytes.subarray(0, 100) });
  assert.equal(probe.last().tcp?.ack, 1201);
  send({ seq: 1151, payload: bytes.subarray(150, 300) });
  assert.equal(probe.last().tcp?.ack, 1301);
  send({ seq: 1001, payload: bytes.subarray(0, 100) });
  assert.deepEqual(sink.connection().received, bytes);
  assert.equal(sink.connection().duplicates, 1);
});

test("a sink that holds its ACKs gives them in parts, or all at once", () => {
  const { probe, sink, send } = established();
  sink.hold();
  const before = probe.received.length;
  send({ seq: 1001, payload: pattern(500) });
  assert.equal(probe.received.length, before);
  sink.acknowledge(200);
  assert.equal(sink.connection().ackedBytes, 200);
  sink.acknowledge(9000);
  assert.equal(sink.connection().ackedBytes, 500);
  send({ seq: 1501, payload: pattern(10) });
  sink.release();
  assert.equal(sink.connection().ackedBytes, 510);
});

test("the sink's ACKs are late when asked for", () => {
  const { clock, probe, send } = established({ ackDelay_ns: 40 });
  send({ seq: 1001, payload: pattern(10) });
  clock.run(39);
  assert.equal(probe.last().tcp?.flags, TCP_SYN | TCP_ACK);
  clock.run(1);
  assert.equal(probe.last().tcp?.ack, 1011);
});

test("the sink acknowledges a FIN, resets on command, refuses on a closed port", () => {
  const { probe, send } = established();
  send({ seq: 1001, flags: TCP_ACK | TCP_FIN });
  assert.equal(probe.last().tcp?.ack, 1002);

  const other = established();
  other.sink.reset();
  other.clock.run(0);
  assert.equal(other.probe.last().tcp?.flags, TCP_RST | TCP_ACK);

  const closed = established({ closedPorts: [B.port] });
  assert.equal(closed.probe.last().tcp?.flags, TCP_RST | TCP_ACK);
  assert.equal(closed.sink.connections.length, 0);
});

test("the sink keeps datagrams", () => {
  const { clock, probe, sink } = sinkAt();
  probe.send(frames.buildUdp(A, B, pattern(20)));
  clock.run();
  assert.deepEqual(sink.datagrams, [{ from: A, to: B, payload: pattern(20) }]);
});

// Captures and words ---------------------------------------------------------------------------------------------------

test("a capture is a pcapng file whose blocks fit together", () => {
  const pcap = new PcapWriter();
  const frame = frames.buildUdp(A, B, pattern(3));
  const sent: WireFrame = { time_ns: 0x1_0000_0002n, from: "nic0", to: "nic1", frame, fate: "delivered" };
  pcap.tap(sent);
  pcap.tap({ ...sent, fate: "lost" });
  pcap.tap({ ...sent, from: "nic1", to: "nic0" });
  const bytes = pcap.bytes();
  const view = new DataView(bytes.buffer);
  const blocks: { type: number; at: number; size: number }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    assert.ok(size >= 12 && size % 4 === 0, `block of ${size} bytes`);
    assert.equal(view.getUint32(at + size - 4, true), size);
    blocks.push({ type: view.getUint32(at, true), at, size });
    at += size;
  }
  assert.deepEqual(
    blocks.map(({ type }) => type),
    [0x0a0d0d0a, 1, 6, 6, 1, 6],
  );
  const { at } = blocks[2];
  const field = (index: number) => view.getUint32(at + 8 + index * 4, true);
  assert.deepEqual([0, 1, 2, 3, 4].map(field), [0, 1, 2, frame.length, frame.length]);
  assert.deepEqual(bytes.subarray(at + 28, at + 28 + frame.length), frame);
  const lost = blocks[3];
  assert.match(new TextDecoder().decode(bytes.subarray(lost.at, lost.at + lost.size)), /lost on the wire/);
});

test("frames in words count from the SYN of their direction", () => {
  const flows = new Flows();
  const describe = (fields: Partial<frames.TcpFields>) =>
    flows.describe(frames.buildTcp({ from: A, to: B, seq: 0, flags: TCP_ACK, ...fields }));
  assert.equal(describe({ seq: 5000, flags: TCP_SYN }), "TCP 0:1 (0) SYN");
  assert.equal(describe({ from: B, to: A, seq: 70, ack: 5001, flags: TCP_SYN | TCP_ACK }), "TCP 0:1 (0) SYN ACK");
  assert.equal(describe({ seq: 5001, ack: 71, payload: pattern(10) }), "TCP 1:11 (10) ACK ack 1");
  assert.equal(flows.describe(frames.buildUdp(A, B, pattern(9))), "UDP 9 bytes to port 80");
});
