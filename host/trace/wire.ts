// TCP segments with sequence numbers counted from the start of each direction, as every other tool shows them. A trace
// record has the absolute numbers; the first SYN of a direction is its zero.
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from "../../assembly/abi/socket.ts";
import * as trace from "../../assembly/abi/trace.ts";
import type { TraceRecord } from "./decode.ts";
import { tcpFlags, tcpState, tcpTimer } from "./words.ts";

const TCP_SYN = 2;
const IP_PROTOCOLS = new Map<number, string>([
  [IPPROTO_ICMP, "ICMP"],
  [IPPROTO_TCP, "TCP"],
  [IPPROTO_UDP, "UDP"],
]);

const low = (value: bigint) => Number(value & 0xffff_ffffn);
const high = (value: bigint) => Number((value >> 32n) & 0xffff_ffffn);

export class Wire {
  readonly #devices: ReadonlyMap<number, string>;
  // First sequence number of what a socket sends, and of what it receives.
  readonly #sent = new Map<number, number>();
  readonly #received = new Map<number, number>();

  constructor(devices: ReadonlyMap<number, string>) {
    this.#devices = devices;
  }

  /** The text of a network event; undefined for one that says nothing to a reader. */
  describe(record: TraceRecord): string | undefined {
    const { event, a, b, c } = record;
    switch (event) {
      case trace.TR_TCP_XMIT:
        return this.#segment(record, this.#sent, c > 0 ? `sent again (${c + 1}x)` : "");
      case trace.TR_TCP_RETRANS:
        return `retransmit ${this.#range(record, this.#sent)}`;
      case trace.TR_TCP_RCV:
        return `received ${this.#segment(record, this.#received, "")}`;
      case trace.TR_TCP_ACK:
        return `ACK up to ${this.#relative(this.#sent, record.object, low(a))}: ${b} bytes, window ${high(a)}`;
      case trace.TR_TCP_STATE:
        return `${tcpState(b)} -> ${tcpState(c)}`;
      case trace.TR_TCP_TIMER:
        return `${tcpTimer(b)} timer`;
      case trace.TR_NET_DEV_XMIT:
        return `${this.#device(a)} transmits ${this.#frame(a, b)}${c > 0 ? `, ${c} frag${c === 1 ? "" : "s"}` : ""}`;
      case trace.TR_NET_DEV_RX:
        return `${this.#device(a)} receives ${this.#frame(a, b)}`;
      case trace.TR_NET_DEV_DROP:
        return `${this.#device(a)} drops ${this.#frame(a, b)}`;
      case trace.TR_NIC_TX:
        return `${this.#device(a)}: frame of ${b} bytes to the NIC`;
      case trace.TR_NIC_TX_DONE:
        return `${this.#device(a)}: NIC no longer reads it`;
      case trace.TR_NIC_RX:
        return `${this.#device(a)}: frame of ${b} bytes from the NIC`;
      default:
        return undefined;
    }
  }

  #device(word: bigint): string {
    const dev = Number(word & 0xffn);
    return this.#devices.get(dev) ?? `lo${Number((word >> 8n) & 0xffn) === 0 ? "" : "(b)"}`;
  }

  #frame(word: bigint, length: number): string {
    const protocol = Number((word >> 16n) & 0xffffn);
    return `${IP_PROTOCOLS.get(protocol) ?? `protocol ${protocol}`}, ${length} bytes`;
  }

  #relative(starts: Map<number, number>, socket: number, sequence: number): number {
    return (sequence - (starts.get(socket) ?? sequence)) >>> 0;
  }

  #range(record: TraceRecord, starts: Map<number, number>): string {
    if (!starts.has(record.object)) starts.set(record.object, low(record.a));
    const from = this.#relative(starts, record.object, low(record.a));
    const to = this.#relative(starts, record.object, high(record.a));
    return `${from}:${to} (${(to - from) >>> 0})`;
  }

  #segment(record: TraceRecord, starts: Map<number, number>, note: string): string {
    // A SYN starts the direction anew: the socket's address may have belonged to another connection before.
    if (record.b & TCP_SYN) starts.set(record.object, low(record.a));
    const words = ["TCP", this.#range(record, starts), tcpFlags(record.b), note];
    return words.filter((word) => word !== "").join(" ");
  }
}
