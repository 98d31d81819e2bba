// What the work of a run would cost a processor: a sum of counts times constants, and the only place with the constants.
//
// The counts come from running the emulator. The constants are nanoseconds of CPU time, fitted to published and measured
// figures (figures.ts); one set for each machine that the figures come from, as no constants fit two machines. How far
// the sum is from each figure is what `ringzero compare --calibration` prints. It compares designs. It is not a
// prediction for any hardware.
import type { Counts } from "./meter.ts";

/** Nanoseconds for one of each. */
export interface Constants {
  /** An SQE: taken, prepared, issued, completed without its CQE. */
  request: number;
  /** io_uring_enter, or another system call: the way into the kernel and out of it. */
  syscall: number;
  cqe: number;
  /** A notification (or a record of MSG_ZEROCOPY): allocated, flushed, run as task work. */
  notification: number;
  /** An skb made for what is sent, with its way through the protocol. */
  skb: number;
  /** Attaching an skb to its ubuf_info and detaching it. */
  ubuf: number;
  /** A packet given to a driver and completed by it, retransmissions included. */
  transmit: number;
  /** A frag of such a packet: mapped for the device. */
  frag: number;
  /** A page of the application pinned and released. */
  pin: number;
  /** A reference on a page of the kernel's own. */
  pageRef: number;
  /** A request that went to a worker and back. */
  worker: number;
  /** A byte copied where caches help: behind the headers of an skb. */
  byte: number;
  /** The rest of the price of a byte that goes to pages: page fragments, bounce buffers, buffers read into. */
  pageByte: number;
}

export type ConstantName = keyof Constants;

export interface CostSet {
  name: string;
  source: string;
  constants: Constants;
}

/** How often a run has each. */
export function quantities(counts: Counts): Constants {
  const { copied } = counts;
  const total = Object.values(copied).reduce((sum, bytes) => sum + bytes, 0);
  const moved = (copied["bounce buffer"] ?? 0) + (copied["file read"] ?? 0) + (copied["local delivery"] ?? 0);
  return {
    request: counts.requests,
    syscall: counts.enters + counts.syscalls,
    cqe: counts.cqes,
    notification: counts.notifications + counts.records,
    skb: counts.skbs,
    ubuf: counts.ubufs,
    transmit: counts.transmits,
    frag: counts.frags,
    pin: counts.pins,
    pageRef: counts.pageRefs,
    worker: counts.workers,
    byte: total,
    pageByte: counts.copiedPages + moved,
  };
}

export function cost_ns(counts: Counts, { constants }: CostSet): number {
  const often = quantities(counts);
  const names = Object.keys(constants) as ConstantName[];
  return names.reduce((sum, name) => sum + constants[name] * often[name], 0);
}

/** This project's kernel: Linux 6.18 on two virtual processors, UDP to an IFB and TCP over loopback. */
export const MEASURED: CostSet = {
  name: "6.18",
  source: "measured for this project, see figures.ts",
  constants: {
    request: 40,
    syscall: 290,
    cqe: 14,
    notification: 40,
    skb: 500,
    ubuf: 20,
    transmit: 780,
    frag: 6,
    pin: 57,
    pageRef: 10,
    worker: 3000,
    byte: 0.028,
    pageByte: 0.045,
  },
};

export const COST_SETS: readonly CostSet[] = [MEASURED];

export const NOT_A_PREDICTION =
  "CPU cost is a model (counts times constants fitted to published figures): it ranks designs, it predicts no hardware.";
