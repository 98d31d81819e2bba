// The reasons in the trace as sentences, and its numbers as people write them.
import * as profile from "../../assembly/abi/profile.ts";
import * as socket from "../../assembly/abi/socket.ts";
import * as trace from "../../assembly/abi/trace.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { resultText } from "../core/errno.ts";

/** What changed a notification's reference count, in two or three words for a column. */
const REF_SHORT: Record<number, string> = {
  [trace.REF_REQUEST]: "request",
  [trace.REF_SKB]: "skb takes pages",
  [trace.REF_LINKED]: "chained notification",
  [trace.REF_UNCLONE]: "skb data duplicated",
  [trace.REF_SPLIT]: "skb split",
  [trace.REF_ACKED]: "acked",
  [trace.REF_TX_DONE]: "device is done",
  [trace.REF_ORPHANED]: "skb got a copy",
  [trace.REF_DROPPED]: "packet dropped",
  [trace.REF_PURGED]: "queue purged",
  [trace.REF_READ]: "receiver has read",
  [trace.REF_ABORTED]: "send undone",
  [trace.REF_SLOT]: "slot flushed",
};

/** Why the last holder let go, to follow "because". */
const REF_BECAUSE: Record<number, string> = {
  [trace.REF_UNCLONE]: "a second copy of the skb's page list was freed",
  [trace.REF_SPLIT]: "the last part of a split skb was freed",
  [trace.REF_ACKED]: "the peer acknowledged the last byte; until then TCP might have had to send it again",
  [trace.REF_TX_DONE]: "the device had finished reading the frame",
  [trace.REF_ORPHANED]: "the skb was given a copy of the bytes and no longer needed the user's pages",
  [trace.REF_DROPPED]: "the packet was dropped on its way",
  [trace.REF_PURGED]: "the socket threw its queue away (reset, abort or close)",
  [trace.REF_READ]: "the receiver had read the bytes",
  [trace.REF_ABORTED]: "the send failed after the skb had taken the pages, and was undone",
  [trace.REF_SLOT]: "its slot was flushed, and nobody else held it",
};

const COPY_BECAUSE: Record<number, string> = {
  [trace.COPY_NO_SG]: "the device cannot gather pages (no scatter-gather)",
  [trace.COPY_NO_CSUM]: "the device does not checksum, so the kernel had to touch the bytes",
  [trace.COPY_FRAGMENTED]: "the datagram is larger than the MTU and had to be fragmented",
  [trace.COPY_MSG_MORE]: "a corked UDP datagram is built in kernel memory",
  [trace.COPY_LOCAL_DELIVERY]: "it was delivered to a socket of this host, which must not see the buffer change",
  [trace.COPY_TAP]: "a packet tap saw the frame",
  [trace.COPY_LINEARIZE]: "the device lost scatter-gather after the skb was built",
  [trace.COPY_NEVER_ATTACHED]: "no skb ever carried the buffer, which counts as copied",
  [trace.COPY_CHAINED]: "it shared an skb with the notification it is chained to, and never had one of its own",
  [trace.COPY_UNSUPPORTED]: "the socket has no zero copy",
  [trace.COPY_EMPTY]: "there was nothing to send",
  [trace.COPY_TIMESTAMP]: "the record of its time stamp shows the frame, and must not hold the user's pages",
};

export const refShort = (reason: number): string => REF_SHORT[reason] ?? `reason ${reason}`;
export const refBecause = (reason: number): string => REF_BECAUSE[reason] ?? refShort(reason);
export const copyBecause = (reason: number): string => COPY_BECAUSE[reason] ?? `reason ${reason}`;
/** `bytes`: 0 = not known. */
export const copyTold = (bytes: number, reason: number): string =>
  `${bytes > 0 ? `${bytes} bytes copied` : "copied"}: ${copyBecause(reason)}`;

function bitNames(table: object, prefix: string): [bit: number, name: string][] {
  return Object.entries(table)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [value as number, name.slice(prefix.length)]);
}

const CQE_FLAGS = bitNames(uapi, "IORING_CQE_F_").map(([bit, name]) => [bit, `F_${name}`] as const);
const SQE_FLAGS = bitNames(uapi, "IOSQE_");
const POLL_BITS = bitNames(socket, "POLL")
  .filter(([, name]) => !name.startsWith("FD_"))
  .map(([bit, name]) => [bit, `POLL${name}`] as const);
const OPCODES = new Map([...bitNames(uapi, "IORING_OP_"), ...bitNames(profile, "OPI_")]);
const TCP_BITS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"].map((name, bit) => [1 << bit, name] as const);

function flagText(value: number, names: readonly (readonly [number, string])[], joint: string): string {
  return names
    .filter(([bit]) => (value & bit) !== 0)
    .map(([, name]) => name)
    .join(joint);
}

export const cqeFlags = (flags: number): string => flagText(flags, CQE_FLAGS, " ");
export const sqeFlags = (flags: number): string => flagText(flags, SQE_FLAGS, " ");
export const pollMask = (mask: number): string => flagText(mask, POLL_BITS, "|") || `0x${mask.toString(16)}`;
export const tcpFlags = (flags: number): string => flagText(flags, TCP_BITS, " ");
export const opcodeText = (opcode: number): string => OPCODES.get(opcode) ?? `opcode ${opcode}`;

const ERRNO_MAX = 4095;
/** Bit 31 of a result that is no errno is COPIED. */
const isCopied = (res: number): boolean => (res | 0) < -ERRNO_MAX;

/** The count or errno in a CQE's res, whatever stands beside it. */
export const plainResult = (res: number): number => (isCopied(res) ? res & 0x7fff_ffff : res | 0);

/** COPIED is a word, not a number. With a proposal it may stand beside a count. */
export function cqeResult(res: number, flags: number): string {
  if (!isCopied(res)) return resultText(res | 0);
  const count = plainResult(res);
  return flags & uapi.IORING_CQE_F_NOTIF && count === 0 ? "COPIED" : `${count} COPIED`;
}

/** `1000 bytes`, or the errno. */
export const sizeText = (res: number): string => (res < 0 ? resultText(res) : `${res} bytes`);

const TCP_STATES = [
  "",
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
  "LISTEN",
  "CLOSING",
  "NEW_SYN_RECV",
];
export const tcpState = (state: number): string => TCP_STATES[state] ?? String(state);

const TCP_TIMERS = ["", "retransmission", "delayed ACK", "window probe", "cork", "time-wait"];
export const tcpTimer = (timer: number): string => TCP_TIMERS[timer] ?? String(timer);

/** Virtual time in microseconds; the nanoseconds show only when there are any. */
export function micros(ns: bigint): string {
  return (Number(ns) / 1000).toFixed(ns % 1000n === 0n ? 0 : 3);
}

/** A span as a person says it: 250 ns, 12.5 us, 201 ms. */
export function duration(ns: bigint): string {
  if (ns < 1000n) return `${ns} ns`;
  const [value, unit] =
    ns < 1_000_000n
      ? [Number(ns) / 1e3, "us"]
      : ns < 1_000_000_000n
        ? [Number(ns) / 1e6, "ms"]
        : [Number(ns) / 1e9, "s"];
  return `${Number(value.toPrecision(4))} ${unit}`;
}
