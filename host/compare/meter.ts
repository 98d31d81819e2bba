// What a run did, read off the counters of the core (assembly/abi/counters.ts) before and after it.
import * as counters from "../../assembly/abi/counters.ts";
import * as trace from "../../assembly/abi/trace.ts";
import type { Machine } from "../machine.ts";
import type { Message } from "./message.ts";

/** Why a byte was copied, by who copied it. */
export type CopyReason =
  | "plain send"
  | "no scatter-gather"
  | "no checksum offload"
  | "fragmented"
  | "MSG_MORE"
  | "local delivery"
  | "packet tap"
  | "time stamp"
  | "linearized"
  | "bounce buffer"
  | "file read";

const CORE_REASONS: readonly (readonly [number, CopyReason])[] = [
  [trace.COPY_NO_SG, "no scatter-gather"],
  [trace.COPY_NO_CSUM, "no checksum offload"],
  [trace.COPY_FRAGMENTED, "fragmented"],
  [trace.COPY_MSG_MORE, "MSG_MORE"],
  [trace.COPY_LOCAL_DELIVERY, "local delivery"],
  [trace.COPY_TAP, "packet tap"],
  [trace.COPY_TIMESTAMP, "time stamp"],
  [trace.COPY_LINEARIZE, "linearized"],
];

/** These copies happen in the send call, which counts the same bytes as copied by it. */
const AT_SEND: readonly CopyReason[] = ["no scatter-gather", "no checksum offload", "fragmented", "MSG_MORE"];

const CORE_COUNTS = {
  enters: counters.CNT_ENTERS,
  cqes: counters.CNT_CQES,
  notifications: counters.CNT_NOTIFS,
  records: counters.CNT_MSGZC,
  skbs: counters.CNT_TX_SKBS,
  ubufs: counters.CNT_UBUF_SKBS,
  frags: counters.CNT_TX_FRAGS,
  transmits: counters.CNT_TX_PACKETS,
  retransmits: counters.CNT_RETRANS,
  walks: counters.CNT_PIN_WALKS,
  pins: counters.CNT_PINS,
  pageRefs: counters.CNT_PAGE_REFS,
  workers: counters.CNT_IOWQ,
} as const;

type CoreCount = keyof typeof CORE_COUNTS;

/** What the application counts itself. */
export interface AppCounts {
  /** SQEs. */
  requests: number;
  /** System calls other than io_uring_enter and sleeping. */
  syscalls: number;
  bounced: number;
  read: number;
  ringBytes: number;
}

export interface Counts extends Record<CoreCount, number>, Pick<AppCounts, "requests" | "syscalls"> {
  messages: number;
  bytes: number;
  copied: Partial<Record<CopyReason, number>>;
  /** Bytes of different memory that the messages came from. */
  sourceBytes: number;
  /** Largest number of bytes of user pages that the kernel held at one time, and of its own data pages. */
  peakPinned: number;
  peakKernel: number;
}

const PAGE = 4096;
const CHUNK = 32768;

export class Meter {
  readonly #machine: Machine;
  readonly #before: ReadonlyMap<number, number>;
  readonly #chunks: number;

  /** Begins to measure; the peaks count from here. */
  constructor(machine: Machine) {
    this.#machine = machine;
    this.#set(counters.CNT_PAGES_HELD_MAX, machine.counter(counters.CNT_PAGES_HELD));
    this.#set(counters.CNT_CHUNKS_MAX, machine.counter(counters.CNT_CHUNKS_LIVE));
    this.#chunks = machine.counter(counters.CNT_CHUNKS_LIVE);
    const offsets = [
      ...Object.values(CORE_COUNTS),
      counters.CNT_COPIED_TX,
      ...CORE_REASONS.map(([why]) => byReason(why)),
    ];
    this.#before = new Map(offsets.map((offset) => [offset, machine.counter(offset)]));
  }

  #set(offset: number, value: number): void {
    this.#machine.core.memory.view.setUint32(this.#machine.exports.counters() + offset, value, true);
  }

  #since(offset: number): number {
    return (this.#machine.counter(offset) - (this.#before.get(offset) ?? 0)) >>> 0;
  }

  read(app: AppCounts, messages: readonly Message[]): Counts {
    const core = Object.fromEntries(
      Object.entries(CORE_COUNTS).map(([name, offset]) => [name, this.#since(offset)]),
    ) as Record<CoreCount, number>;
    const { requests, syscalls } = app;
    return {
      messages: messages.length,
      bytes: messages.reduce((sum, { length }) => sum + length, 0),
      sourceBytes: sourceBytes(messages),
      requests,
      syscalls,
      ...core,
      copied: this.#copied(app),
      peakPinned: this.#machine.counter(counters.CNT_PAGES_HELD_MAX) * PAGE - app.ringBytes,
      peakKernel: (this.#machine.counter(counters.CNT_CHUNKS_MAX) - this.#chunks) * CHUNK,
    };
  }

  #copied(app: AppCounts): Counts["copied"] {
    const copied: Counts["copied"] = {};
    const put = (reason: CopyReason, bytes: number) => {
      if (bytes > 0) copied[reason] = bytes;
    };
    for (const [why, reason] of CORE_REASONS) put(reason, this.#since(byReason(why)));
    const told = AT_SEND.reduce((sum, reason) => sum + (copied[reason] ?? 0), 0);
    put("plain send", this.#since(counters.CNT_COPIED_TX) - told);
    put("bounce buffer", app.bounced);
    put("file read", app.read);
    return copied;
  }
}

function sourceBytes(messages: readonly Message[]): number {
  const used = new Map<number, number>();
  for (const { buffer, length } of messages) used.set(buffer, Math.max(length, used.get(buffer) ?? 0));
  return [...used.values()].reduce((sum, length) => sum + length, 0);
}

const byReason = (why: number): number => counters.CNT_COPIED_BY + why * 4;

export function copiedBytes(counts: Counts): number {
  return Object.values(counts.copied).reduce((sum, bytes) => sum + bytes, 0);
}
