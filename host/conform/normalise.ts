// What two runs of Linux itself may disagree in, and nothing else. Each rule belongs to the scenarios named with it: the
// repetitions of the recording showed that there, and only there, the order or the number is not Linux's promise. A
// scenario is compared exactly first; a rule that was needed is reported beside the verdict.
import type { ProgramEvent } from "../program/events.ts";
import type { Scenario } from "./recordings.ts";

export interface Normaliser {
  name: string;
  /** Why Linux leaves this open. */
  reason: string;
  appliesTo(scenario: Scenario): boolean;
  apply(events: ProgramEvent[]): ProgramEvent[];
}

const named =
  (...names: string[]) =>
  ({ name }: Scenario) =>
    names.includes(name);

/** Stable: the order of the CQEs of one request is kept. */
function byUserData(cqes: ProgramEvent[]): ProgramEvent[] {
  return [...cqes].sort((a, b) => (a.ud < b.ud ? -1 : a.ud > b.ud ? 1 : 0));
}

/** Sorts each block of CQEs, a block being those that one step printed in a row. */
function groupWithinBlocks(events: ProgramEvent[]): ProgramEvent[] {
  const out: ProgramEvent[] = [];
  for (let index = 0; index < events.length; ) {
    let end = index;
    while (end < events.length && events[end].ev === "cqe" && events[end].step === events[index].step) end++;
    if (end === index) {
      out.push(events[index++]);
    } else {
      out.push(...byUserData(events.slice(index, end)));
      index = end;
    }
  }
  return out;
}

/** All CQEs of the program in one block at its end, whichever step read them. */
function groupOverProgram(events: ProgramEvent[]): ProgramEvent[] {
  const cqes = events.filter(({ ev }) => ev === "cqe").map((event) => ({ ...event, step: 0, op: "" }));
  const others = events.filter(({ ev }) => ev !== "cqe");
  const counted = others.map((event) =>
    event.ev === "reaped" || event.ev === "settled" ? { ...event, n: "any" } : event,
  );
  return [...counted, ...byUserData(cqes)];
}

/** Joins entries whose ranges touch, as the kernel does for entries that wait in the queue together. */
function mergeRanges(entries: ProgramEvent[]): ProgramEvent[] {
  const merged: ProgramEvent[] = [];
  for (const entry of entries) {
    const last = merged.at(-1);
    if (last !== undefined && last.ee_code === entry.ee_code && Number(last.ee_data) + 1 === entry.ee_info) {
      merged[merged.length - 1] = { ...last, ee_data: entry.ee_data };
    } else {
      merged.push({ ...entry, step: 0 });
    }
  }
  return merged;
}

/** Error-queue entries at the end, whichever read found them. */
function freeErrorQueueTime(events: ProgramEvent[]): ProgramEvent[] {
  const entries = events.filter(({ ev }) => ev === "errq");
  return [...events.filter(({ ev }) => ev !== "errq"), ...mergeRanges(entries)];
}

// Where an event has a number of bytes. The `ret` of io_uring_enter and the `n` of a reap count other things.
const BYTE_COUNTS: Record<string, string> = {
  cqe: "res",
  send: "ret",
  recv: "ret",
  recvall: "bytes",
  drainrx: "bytes",
};

/** Byte counts that were positive, and the hash of that many bytes. */
function maskCounts(events: ProgramEvent[]): ProgramEvent[] {
  return events.map((event) => {
    const key = BYTE_COUNTS[event.ev];
    const value = event[key ?? ""];
    if (typeof value !== "number" || value <= 0) return event;
    return { ...event, [key]: "positive", ...("fnv" in event ? { fnv: "any" } : {}) };
  });
}

function maskFeatures(events: ProgramEvent[]): ProgramEvent[] {
  return events.map((event) => ("features" in event ? { ...event, features: "any" } : event));
}

const SHORT_SENDS = ["link_short_send_nowaitall", "cancel_waitall_partial", "fixedbuf_tcp_large_waitall"];

export const NORMALISERS: readonly Normaliser[] = [
  {
    name: "group by user_data within a block",
    reason: "io-wq workers and task work interleave between requests; the order of one request's CQEs is stable",
    appliesTo: named("async_four_udp", "async_mixed_sizes_tcp", "x_shutdown_op_linked"),
    apply: groupWithinBlocks,
  },
  {
    name: "group by user_data over the program",
    reason: "the SQPOLL thread posts the last notification before or after the reap",
    appliesTo: named("sqpoll_tcp_reap_race"),
    apply: groupOverProgram,
  },
  {
    name: "time of the error-queue entry",
    reason: "a fragmented datagram is freed later, on another CPU",
    appliesTo: named("x_udp_veth_fragmented_msgzc"),
    apply: freeErrorQueueTime,
  },
  {
    name: "positive counts",
    reason: "the count depends on segment sizes and timers of the machine",
    appliesTo: (scenario) => SHORT_SENDS.includes(scenario.name) || scenario.category === "timer",
    apply: maskCounts,
  },
  {
    name: "features",
    reason: "the feature bits depend on the release",
    appliesTo: () => true,
    apply: maskFeatures,
  },
];
