// TCP segments with sequence numbers counted from the start of each direction, as every other tool shows them. A trace
// record has the absolute numbers; the SYN of a direction is its zero. Which direction a number belongs to follows from the
// number itself: its SYN is the one with the nearest number before it.
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from "../../assembly/abi/socket.ts";
import * as trace from "../../assembly/abi/trace.ts";
import type { TraceRecord } from "./decode.ts";
import { tcpFlags, tcpState, tcpTimer } from "./words.ts";

const TCP_SYN = 2;
/** Beyond every distance within a connection. */
const FAR = 0x8000_0000;
const IP_PROTOCOLS = new Map<number, string>([
  [IPPROTO_ICMP, "ICMP"],
  [IPPROTO_TCP, "TCP"],
  [IPPROTO_UDP, "UDP"],
]);

const low = (value: bigint) => Number(value & 0xffff_ffffn);
const high = (value: bigint) => Number((value >> 32n) & 0xffff_ffffn);

export class Wire {
  readonly #devices: ReadonlyMap<number, string>;
  /** Sequence number of every SYN so far. */
  readonly #starts = new Set<number>();

  constructor(devices: ReadonlyMap<number, string>) {
    this.#devices = devices;
  }

  /** The text of a network event; undefined for one that says nothing to a reader. */
  describe(record: TraceRecord): string | undefined {
    const { event, a, b, c } = record;
    switch (event) {
      case trace.TR_TCP_XMIT:
        return this.segment(record);
      case trace.TR_TCP_RETRANS:
        return `retransmits ${this.#range(a)}`;
      case trace.TR_TCP_RCV:
        return `< ${this.segment(record)}`;
      case trace.TR_TCP_ACK:
        return b === 0 ? undefined : `acknowledged up to ${this.#relative(low(a))}: ${b} bytes, window ${high(a)}`;
      case trace.TR_TCP_STATE:
        return `${tcpState(b)} -> ${tcpState(c)}`;
      case trace.TR_TCP_TIMER:
        return `${tcpTimer(b)} timer`;
      case trace.TR_NET_DEV_XMIT:
        return `${this.device(record)} > ${this.#protocol(a)}, ${this.size(record)}`;
      case trace.TR_NET_DEV_RX:
        return `${this.device(record)} < ${this.#protocol(a)}, ${b} bytes`;
      case trace.TR_NET_DEV_DROP:
        return `${this.device(record)} drops ${this.#protocol(a)}, ${b} bytes`;
      case trace.TR_NIC_TX_DONE:
        return `${this.device(record)}: NIC no longer reads it`;
      // TR_NIC_TX and TR_NIC_RX say again what NET_DEV_XMIT and NET_DEV_RX of the same device say.
      default:
        return undefined;
    }
  }

  /** `TCP 1:1001 (1000) PSH ACK`, with a note when it was sent before. */
  segment({ event, a, b, c }: TraceRecord): string {
    // Each direction of a connection starts with a SYN; its sequence number is the direction's zero.
    if (b & TCP_SYN) this.#starts.add(low(a));
    const again = event === trace.TR_TCP_XMIT && c > 0 ? "again" : "";
    return ["TCP", this.#range(a), tcpFlags(b), again].filter((word) => word !== "").join(" ");
  }

  /** Sequence numbers that a segment takes. */
  length({ a }: TraceRecord): number {
    return (high(a) - low(a)) >>> 0;
  }

  /** The device of a NET_DEV or NIC record by the name that `ip link` shows. */
  device({ a }: TraceRecord): string {
    const dev = Number(a & 0xffn);
    return this.#devices.get(dev) ?? `lo${Number((a >> 8n) & 0xffn) === 0 ? "" : "(b)"}`;
  }

  /** `6052 bytes, 2 frags` */
  size({ b, c }: TraceRecord): string {
    return `${b} bytes${c > 0 ? `, ${c} frag${c === 1 ? "" : "s"}` : ""}`;
  }

  #protocol(word: bigint): string {
    const protocol = Number((word >> 16n) & 0xffffn);
    return IP_PROTOCOLS.get(protocol) ?? `protocol ${protocol}`;
  }

  #range(word: bigint): string {
    const from = this.#relative(low(word));
    return `${from}:${this.#relative(high(word))} (${(high(word) - low(word)) >>> 0})`;
  }

  /** Counted from the nearest start at or before it: starts are random, so directions lie far apart. */
  #relative(sequence: number): number {
    let nearest = FAR;
    for (const start of this.#starts) nearest = Math.min(nearest, (sequence - start) >>> 0);
    return nearest === FAR ? sequence : nearest;
  }
}
