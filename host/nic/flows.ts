// Frames in words, for people: TCP sequence numbers count from the start of their direction, as in every other tool.
import { formatIp } from "../sys/user_memory.ts";
import { tcpFlags } from "../trace/words.ts";
import { type Packet, parseFrame, TCP_ACK, TCP_SYN } from "./frame.ts";

export class Flows {
  /** First sequence number by "address:port > address:port". */
  readonly #starts = new Map<string, number>();

  /** Has to see every frame, in order. */
  describe(frame: Uint8Array): string {
    const packet = parseFrame(frame);
    const { ip, tcp, udp, payload, etherType } = packet;
    if (ip === undefined) return `frame of type 0x${etherType.toString(16)}, ${frame.length} bytes`;
    if (tcp !== undefined) return this.#tcp(packet);
    if (udp !== undefined) return `UDP ${payload.length} bytes to port ${udp.dstPort}`;
    return `${ip.isFragment ? "fragment of an IPv4 packet" : `IPv4 protocol ${ip.protocol}`}, ${ip.totalLength} bytes`;
  }

  #tcp({ ip, tcp, payload }: Packet): string {
    if (ip === undefined || tcp === undefined) return "";
    const source = `${formatIp(ip.src)}:${tcp.srcPort}`;
    const target = `${formatIp(ip.dst)}:${tcp.dstPort}`;
    const isSyn = (tcp.flags & TCP_SYN) !== 0;
    const from = this.#relative(`${source} > ${target}`, tcp.seq, isSyn);
    const to = from + payload.length + (isSyn ? 1 : 0);
    const ack = tcp.flags & TCP_ACK && !isSyn ? ` ack ${this.#relative(`${target} > ${source}`, tcp.ack, false)}` : "";
    return `TCP ${from}:${to} (${payload.length}) ${tcpFlags(tcp.flags)}${ack}`;
  }

  #relative(flow: string, sequence: number, isStart: boolean): number {
    const start = isStart ? sequence : (this.#starts.get(flow) ?? sequence);
    this.#starts.set(flow, start);
    return (sequence - start) >>> 0;
  }
}
