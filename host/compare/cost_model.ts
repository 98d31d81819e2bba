// What the work of a run would cost a processor: a sum of counts times constants, and the only place with the constants.
//
// The counts come from running the emulator. The constants are nanoseconds of CPU time; one set for each machine that figures come
// from (figures.ts), as no constants fit two machines. They were fitted by least squares of the relative errors, each at least a
// floor above zero, with every decided sign as a constraint, and drawn weakly towards ours, as a sender that is always measured in
// whole operations does not tell an skb from its transmission. How far the sum is from each figure is what
// `ringzero compare --calibration` prints. It compares designs. It is not a prediction for any hardware.
import { type CopyReason, type Counts, copiedBytes } from "./meter.ts";

/** Nanoseconds for one of each. */
export interface Constants {
  /** An SQE: taken, prepared, issued, completed without its CQE. */
  request: number;
  /** io_uring_enter, or another system call: the way into the kernel and out of it. */
  syscall: number;
  cqe: number;
  /** A notification: allocated, flushed, run as task work. */
  notification: number;
  /** A record of MSG_ZEROCOPY: an skb for the error queue, charged, queued, merged, freed. */
  record: number;
  /** An skb made for what is sent, with its way through the protocol. */
  skb: number;
  /** Attaching an skb to its ubuf_info and detaching it. */
  ubuf: number;
  /** A packet given to a driver and completed by it, retransmissions included. */
  transmit: number;
  /** A frag of such a packet: mapped for the device. */
  frag: number;
  /** A stretch of the application's memory begun to be looked up, and each of its pages pinned and released. */
  walk: number;
  pin: number;
  /** A reference on a page that somebody holds already, or that is the kernel's own. */
  pageRef: number;
  /** A request that went to a worker and back. */
  worker: number;
  /** A byte copied, its source and its target in the cache. */
  byte: number;
  /** What it costs more if the memory that the messages come from does not fit the cache... */
  coldSource: number;
  /** ...and if what it is copied to does not. */
  coldTarget: number;
}

export type ConstantName = keyof Constants;

export interface CostSet {
  name: string;
  source: string;
  /** Bytes of memory that stay in the cache when they are used in turn. */
  cache: number;
  constants: Constants;
}

/** How often a run has each. */
export function quantities(counts: Counts, { cache }: Pick<CostSet, "cache">): Constants {
  const { copied } = counts;
  const sum = (reasons: readonly CopyReason[]) => reasons.reduce((bytes, reason) => bytes + (copied[reason] ?? 0), 0);
  const total = copiedBytes(counts);
  const toApplication = sum(["bounce buffer", "file read"]);
  const isLarge = counts.sourceBytes > cache;
  return {
    request: counts.requests,
    syscall: counts.enters + counts.syscalls,
    cqe: counts.cqes,
    notification: counts.notifications,
    record: counts.records,
    skb: counts.skbs,
    ubuf: counts.ubufs,
    transmit: counts.transmits,
    frag: counts.frags,
    walk: counts.walks,
    pin: counts.pins,
    pageRef: counts.pageRefs,
    worker: counts.workers,
    byte: total,
    coldSource: isLarge ? total : 0,
    // What the application copies lands in as much memory as it came from.
    coldTarget: (isLarge ? toApplication : 0) + (counts.peakKernel > cache ? total - toApplication : 0),
  };
}

export const cost_ns = (counts: Counts, set: CostSet): number => total_ns(quantities(counts, set), set);

export function total_ns(often: Constants, { constants }: Pick<CostSet, "constants">): number {
  const names = Object.keys(constants) as ConstantName[];
  return names.reduce((sum, name) => sum + constants[name] * often[name], 0);
}

const MIB = 1 << 20;

/** What the constants are about, for a picture. */
export const COST_GROUPS: Readonly<Record<string, readonly ConstantName[]>> = {
  "requests, calls, CQEs": ["request", "syscall", "cqe"],
  notifications: ["notification", "record", "ubuf"],
  skbs: ["skb"],
  transmits: ["transmit", "frag"],
  pages: ["walk", "pin", "pageRef"],
  copies: ["byte", "coldSource", "coldTarget"],
  workers: ["worker"],
};

/** The cost by group. */
export function costParts_ns(counts: Counts, set: CostSet): Record<string, number> {
  const often = quantities(counts, set);
  const part = (names: readonly ConstantName[]) =>
    names.reduce((sum, name) => sum + set.constants[name] * often[name], 0);
  return Object.fromEntries(Object.entries(COST_GROUPS).map(([group, names]) => [group, part(names)]));
}

/** This project's kernel: UDP to an IFB, TCP over loopback and veth, no-ops. */
export const MEASURED: CostSet = {
  name: "6.18",
  source: "measured on Linux 6.18, two virtual processors",
  cache: 2 * MIB,
  constants: {
    request: 42.2,
    syscall: 330,
    cqe: 14.7,
    notification: 43.7,
    record: 250, // nothing measured has one: as a small skb
    skb: 529,
    ubuf: 21.4,
    transmit: 792,
    frag: 5.11,
    walk: 116,
    pin: 58.2,
    pageRef: 8.71,
    worker: 6740,
    byte: 0.0266,
    coldSource: 0.0459,
    coldTarget: 0.0993,
  },
};

/** A published machine. What its figures say nothing about is ours, `scale` times; its cache is not known and taken for large. */
function published(name: string, source: string, scale: number, fitted: Partial<Constants>): CostSet {
  const names = Object.keys(MEASURED.constants) as ConstantName[];
  const scaled = Object.fromEntries(
    names.map((each) => [each, MEASURED.constants[each] * scale]),
  ) as unknown as Constants;
  return { name, source, cache: 16 * MIB, constants: { ...scaled, ...fitted } };
}

export const COST_SETS: readonly CostSet[] = [
  MEASURED,
  published("dummy", "RFC v1, v2 and v3: UDP to a dummy device", 0.35, {
    request: 8.53,
    syscall: 167,
    cqe: 4.03,
    notification: 16.3,
    record: 370,
    skb: 154,
    ubuf: 5.8,
    transmit: 226,
    frag: 8.47,
    walk: 34.8,
    pin: 17.4,
    pageRef: 3.13,
    byte: 0.0429,
  }),
  published("nic-v3", "RFC v3: UDP to a NIC", 1, {
    request: 40.4,
    syscall: 293,
    cqe: 15.4,
    notification: 55.2,
    skb: 577,
    ubuf: 20.8,
    transmit: 1000,
    frag: 6.01,
    pageRef: 7.9,
    byte: 0.0681,
  }),
  published("nic-v2", "RFC v2: UDP to a NIC, another machine", 1.3, {
    request: 27.7,
    syscall: 735,
    cqe: 13.7,
    notification: 58.9,
    record: 377,
    skb: 783,
    ubuf: 136,
    transmit: 1420,
    frag: 8.22,
    walk: 123,
    pin: 75.1,
    pageRef: 9.31,
    byte: 0.106,
  }),
  published("localhost", "mails of July and August 2022: TCP to localhost that does not copy", 0.8, {
    request: 26.2,
    syscall: 97.5,
    cqe: 10.9,
    notification: 39,
    skb: 815,
    ubuf: 16.5,
    transmit: 526,
    frag: 3.15,
    walk: 328,
    pin: 56.8,
    pageRef: 6.07,
    byte: 0.0519,
  }),
];

export const findCosts = (name: string): CostSet | undefined => COST_SETS.find((set) => set.name === name);

export const NOT_A_PREDICTION =
  "CPU cost is a model (counts times constants fitted to published figures): it ranks designs, it predicts no hardware.";
