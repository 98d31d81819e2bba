// A peer without a kernel at the other end of a wire, so that one machine is enough for a test: it accepts every TCP
// connection, takes what comes, and acknowledges it when it is told to. UDP datagrams it only keeps.
//
//   acknowledge "at once" (after ackDelay_ns), or hold() and then: release(), acknowledge(bytes), reset()
//
// What it answers follows RFC 9293; it never sends data, never retransmits, and its window never closes.
import {
  type Endpoint,
  parseFrame,
  type Packet,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  buildTcp,
  tcpOption,
} from "./frame.ts";
import type { Port, WireEnd } from "./wire.ts";

export interface SinkOptions {
  name?: string;
  /** From the arrival of a segment to its ACK. */
  ackDelay_ns?: number;
  /**
   * Segments in order that arrive within this time of the first of them share one ACK, as behind a receiver that merges what it
   * takes off the wire in one go (GRO): 64 KiB at most. 0: an ACK for each segment, ackDelay_ns after it.
   */
  merge_ns?: number;
  /** Largest segment that it asks for. */
  mss?: number;
  /** Receive window in bytes. Beyond 65535 only for a peer that scales windows. */
  window?: number;
  /** These ports refuse connections (RST). */
  closedPorts?: readonly number[];
}

const TCPOPT_MSS = 2;
const TCPOPT_WINDOW = 3;
const TCPOPT_NOP = 1;
const WINDOW_SHIFT = 7;
const MERGE_BYTES = 65536;
const INITIAL_SEQUENCE = 1_000_000;

const before = (a: number, b: number) => ((a - b) | 0) < 0;

/** A stretch of sequence space that arrived before what precedes it. */
interface Stray {
  seq: number;
  payload: Uint8Array;
}

export class SinkConnection {
  readonly peer: Endpoint;
  readonly local: Endpoint;
  /** Segments that brought nothing new. */
  duplicates = 0;
  isClosed = false;
  /** Next sequence number of ours, next of theirs, and the last that we acknowledged. */
  sndNext: number;
  rcvNext: number;
  acked: number;
  windowShift = 0;
  /** Bytes in order that the next ACK is about, while it waits for more of them. */
  merged = 0;
  readonly #start: number;
  readonly #strays: Stray[] = [];
  readonly #stream: Uint8Array[] = [];

  constructor(local: Endpoint, peer: Endpoint, syn: number) {
    this.local = local;
    this.peer = peer;
    this.#start = (syn + 1) >>> 0;
    this.rcvNext = this.#start;
    this.acked = this.#start;
    this.sndNext = INITIAL_SEQUENCE;
  }

  /** The stream so far, in order and without gaps. */
  get received(): Uint8Array {
    const bytes = new Uint8Array(this.#stream.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#stream) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** Bytes of the stream that are acknowledged. */
  get ackedBytes(): number {
    return (this.acked - this.#start) >>> 0;
  }

  /** Sequence number after `bytes` of the stream, at most what has arrived. */
  sequenceAfter(bytes: number): number {
    const wanted = (this.#start + bytes) >>> 0;
    return before(this.rcvNext, wanted) ? this.rcvNext : wanted;
  }

  take(seq: number, payload: Uint8Array): void {
    const end = (seq + payload.length) >>> 0;
    if (!before(this.rcvNext, end)) {
      this.duplicates++;
      return;
    }
    this.#strays.push({ seq, payload });
    this.#strays.sort((a, b) => (before(a.seq, b.seq) ? -1 : 1));
    for (let next = this.#strays[0]; next !== undefined && !before(this.rcvNext, next.seq); next = this.#strays[0]) {
      this.#strays.shift();
      const known = (this.rcvNext - next.seq) >>> 0;
      if (known >= next.payload.length) continue;
      this.#stream.push(next.payload.slice(known));
      this.rcvNext = (next.seq + next.payload.length) >>> 0;
    }
  }
}

export interface Datagram {
  from: Endpoint;
  to: Endpoint;
  payload: Uint8Array;
}

export class Sink implements Port {
  readonly name: string;
  readonly connections: SinkConnection[] = [];
  readonly datagrams: Datagram[] = [];
  readonly #options: SinkOptions;
  #wire: WireEnd | undefined;
  #isHolding = false;

  constructor(options: SinkOptions = {}) {
    this.#options = options;
    this.name = options.name ?? "sink";
  }

  plug(end: WireEnd): void {
    this.#wire = end;
  }

  /** No data is acknowledged from now on. Connections are still accepted. */
  hold(): void {
    this.#isHolding = true;
  }

  /** Acknowledges everything that has arrived, and what arrives from now on. */
  release(): void {
    this.#isHolding = false;
    for (const connection of this.connections) this.#acknowledge(connection, connection.rcvNext);
  }

  /** Acknowledges the first `bytes` of the stream, at most what has arrived; for a sink that holds its ACKs. */
  acknowledge(bytes: number, connection = this.connection()): void {
    this.#acknowledge(connection, connection.sequenceAfter(bytes));
  }

  /** Ends the connection with RST. */
  reset(connection = this.connection()): void {
    connection.isClosed = true;
    this.#reply(connection, TCP_RST | TCP_ACK, connection.rcvNext);
  }

  /** The latest connection. */
  connection(): SinkConnection {
    const connection = this.connections.at(-1);
    if (connection === undefined) throw new Error(`nobody has connected to ${this.name}`);
    return connection;
  }

  receive(frame: Uint8Array): void {
    const packet = parseFrame(frame);
    if (packet.tcp !== undefined) this.#segment(packet);
    else if (packet.udp !== undefined && packet.ip !== undefined) {
      const { ip, udp, payload } = packet;
      const from = { address: ip.src, port: udp.srcPort };
      this.datagrams.push({ from, to: { address: ip.dst, port: udp.dstPort }, payload: payload.slice() });
    }
  }

  #segment(packet: Packet): void {
    const { ip, tcp, payload } = packet;
    if (ip === undefined || tcp === undefined) return;
    const peer = { address: ip.src, port: tcp.srcPort };
    const local = { address: ip.dst, port: tcp.dstPort };
    if (tcp.flags & TCP_SYN) {
      this.#accept(packet, local, peer);
      return;
    }
    const connection = this.connections.find(
      (each) => !each.isClosed && sameEndpoint(each.peer, peer) && sameEndpoint(each.local, local),
    );
    if (connection === undefined) return;
    if (tcp.flags & TCP_RST) {
      connection.isClosed = true;
      return;
    }
    const isFin = (tcp.flags & TCP_FIN) !== 0;
    const before = connection.rcvNext;
    if (payload.length > 0) connection.take(tcp.seq, payload);
    if (isFin && connection.rcvNext === (tcp.seq + payload.length) >>> 0) {
      connection.rcvNext = (connection.rcvNext + 1) >>> 0;
    }
    if ((payload.length === 0 && !isFin) || this.#isHolding) return;
    const { merge_ns = 0 } = this.#options;
    if (merge_ns > 0 && !isFin && connection.rcvNext === (before + payload.length) >>> 0) {
      this.#merge(connection, payload.length, merge_ns);
      return;
    }
    connection.merged = 0;
    this.#later(() => this.#acknowledge(connection, connection.rcvNext));
  }

  #merge(connection: SinkConnection, bytes: number, merge_ns: number): void {
    const isFirst = connection.merged === 0;
    connection.merged += bytes;
    const flush = () => {
      // Another ACK may have said it meanwhile.
      if (connection.merged === 0 || this.#isHolding) return;
      connection.merged = 0;
      this.#acknowledge(connection, connection.rcvNext);
    };
    if (connection.merged >= MERGE_BYTES) flush();
    else if (isFirst) this.#wire?.clock.after(merge_ns, flush);
  }

  #accept(packet: Packet, local: Endpoint, peer: Endpoint): void {
    const { tcp } = packet;
    if (tcp === undefined) return;
    if (this.#options.closedPorts?.includes(local.port)) {
      const ack = (tcp.seq + 1) >>> 0;
      this.#wire?.send(buildTcp({ from: local, to: peer, seq: 0, ack, flags: TCP_RST | TCP_ACK, window: 0 }));
      return;
    }
    let connection = this.connections.find((each) => sameEndpoint(each.peer, peer) && sameEndpoint(each.local, local));
    if (connection === undefined || connection.isClosed) {
      connection = new SinkConnection(local, peer, tcp.seq);
      this.connections.push(connection);
    }
    const scales = tcpOption(packet, TCPOPT_WINDOW) !== undefined;
    if (scales) connection.windowShift = WINDOW_SHIFT;
    const { mss = 1460 } = this.#options;
    const scale = scales ? [TCPOPT_NOP, TCPOPT_WINDOW, 3, WINDOW_SHIFT] : [];
    const options = Uint8Array.of(TCPOPT_MSS, 4, mss >> 8, mss & 255, ...scale);
    const window = Math.min(this.#options.window ?? 0xffff, 0xffff);
    // A SYN that comes again is answered like the first.
    const seq = INITIAL_SEQUENCE;
    const ack = connection.acked;
    connection.sndNext = INITIAL_SEQUENCE + 1;
    this.#wire?.send(buildTcp({ from: local, to: peer, seq, ack, flags: TCP_SYN | TCP_ACK, window, options }));
  }

  #acknowledge(connection: SinkConnection, ack: number): void {
    if (connection.isClosed) return;
    if (before(connection.acked, ack)) connection.acked = ack;
    this.#reply(connection, TCP_ACK, ack);
  }

  #reply(connection: SinkConnection, flags: number, ack: number): void {
    const { local: from, peer: to, sndNext: seq, windowShift } = connection;
    const window = Math.min((this.#options.window ?? 1 << 20) >>> windowShift, 0xffff);
    this.#wire?.send(buildTcp({ from, to, seq, ack, flags, window }));
  }

  #later(then: () => void): void {
    const { ackDelay_ns = 0 } = this.#options;
    if (ackDelay_ns === 0) then();
    else this.#wire?.clock.after(ackDelay_ns, then);
  }
}

const sameEndpoint = (a: Endpoint, b: Endpoint) => a.address === b.address && a.port === b.port;
