// What the experiments of this folder share: running one program in several designs, and looking at what came out.
// A design is a kernel: a profile, perhaps with proposals switched on.
import {
  errnoName,
  frames,
  Machine,
  parseProgram,
  type ProgramEvent,
  runProgram,
  type SwitchValues,
  trace,
  TraceReader,
  type TraceRecord,
  uapi,
} from "ringzero";
import { expect } from "./report.ts";

export interface Design {
  name: string;
  profile: string;
  switches?: SwitchValues;
}

/** `design("rc3")`, `design("rc3", { upd_tag_first: 1 })` */
export function design(profile: string, switches?: SwitchValues): Design {
  const extra = Object.entries(switches ?? {}).map(([name, value]) => (value === 1 ? name : `${name}=${value}`));
  return { name: [profile, ...extra].join(" "), profile, switches };
}

export interface SeenCqe {
  ud: number;
  res: number;
  flags: number;
}

/** When the kernel posted a CQE, seen or not. */
export interface Posted extends SeenCqe {
  at_us: number;
}

/** One run of one program in one design. */
export interface Observed {
  design: Design;
  machine: Machine;
  /** As the program read them. */
  cqes: SeenCqe[];
  /** As the kernel posted them. */
  posted: Posted[];
  /** When the kernel took the first request. */
  submitted_us: number;
  events: ProgramEvent[];
  records: TraceRecord[];
  /** Bytes of TCP or UDP payload in each frame that the sending NIC put on the wire. */
  payloads: number[];
}

/** The NIC on the side where programs run. */
const SENDER = "nic0";

/** Runs a `.zc` program on a fresh machine of that design, to its end. */
export async function observe(kernel: Design, program: string): Promise<Observed> {
  const machine = await Machine.create({ profile: kernel.profile, switches: kernel.switches, trace: true });
  const reader = new TraceReader(machine);
  const payloads: number[] = [];
  machine.onFrame(({ frame, from }) => {
    const { payload } = frames.parseFrame(frame);
    if (from === SENDER && payload.length > 0) payloads.push(payload.length);
  });
  const records: TraceRecord[] = [];
  const { events, outcome } = runProgram(machine, parseProgram(program, kernel.name), {
    onStep: () => records.push(...reader.read()),
  });
  records.push(...reader.read());
  expect(outcome.kind === "end", `${kernel.name} runs the program to its end`);
  expect(reader.lost === 0, "the whole trace is read");
  return {
    design: kernel,
    machine,
    cqes: events.filter(({ ev }) => ev === "cqe").map((event) => cqe(event.ud, event.res, event.flags)),
    posted: records
      .filter(({ event }) => event === trace.TR_IO_URING_COMPLETE)
      .map(({ a, b, c, time_ns }) => ({ ...cqe(a, b | 0, c), at_us: Number(time_ns) / 1000 })),
    submitted_us: Number(records.find(({ event }) => event === trace.TR_IO_URING_SUBMIT_REQ)?.time_ns ?? 0n) / 1000,
    events,
    records,
    payloads,
  };
}

const cqe = (ud: unknown, res: unknown, flags: unknown): SeenCqe => ({
  ud: Number(ud),
  res: Number(res),
  flags: Number(flags),
});

/** `{1, 1000, F_MORE}`: user_data, result, flags. The slot era puts a sequence number where later kernels have flags. */
export function showCqe({ ud, res, flags }: SeenCqe, kernel?: Design): string {
  const result = res < 0 && res > -4096 ? `-${errnoName(-res)}` : res === COPIED ? "COPIED" : String(res);
  return `{${ud}, ${result}, ${isSlotEra(kernel) ? flags : showFlags(flags)}}`;
}

export const showCqes = ({ cqes, design: kernel }: Observed): string =>
  cqes.map((one) => showCqe(one, kernel)).join(" ") || "none";

/** Bit 31 of a notification's result (IORING_NOTIF_USAGE_ZC_COPIED). */
export const COPIED = -(2 ** 31);

const SLOT_ERA = ["rfc3", "rc1", "rc2", "rc3", "aug16"];

export const isSlotEra = (kernel?: Design): boolean => kernel !== undefined && SLOT_ERA.includes(kernel.profile);

const FLAGS = [
  [uapi.IORING_CQE_F_BUFFER, "F_BUFFER"],
  [uapi.IORING_CQE_F_MORE, "F_MORE"],
  [uapi.IORING_CQE_F_SOCK_NONEMPTY, "F_SOCK_NONEMPTY"],
  [uapi.IORING_CQE_F_NOTIF, "F_NOTIF"],
] as const;

const showFlags = (flags: number): string =>
  FLAGS.filter(([bit]) => flags & bit)
    .map(([, name]) => name)
    .join("|") || "0";

/** Requests of the experiments are named 1 to 99; the slot era's notifications have their slot's tag, which is none of these. */
export const isNotification = (kernel: Design, { ud, flags }: SeenCqe): boolean =>
  isSlotEra(kernel) ? ud < 1 || ud > 99 : (flags & uapi.IORING_CQE_F_NOTIF) !== 0;

export const notificationsOf = ({ cqes, design: kernel }: Observed): SeenCqe[] =>
  cqes.filter((one) => isNotification(kernel, one));

/** The result of a request. */
export const resultOf = ({ cqes, design: kernel }: Observed, ud: number): SeenCqe | undefined =>
  cqes.find((one) => one.ud === ud && !isNotification(kernel, one));

const recordsOf = ({ records }: Observed, event: number): TraceRecord[] =>
  records.filter((record) => record.event === event);

/** Skbs that took hold of a notification. */
export const skbsOf = (seen: Observed): number =>
  recordsOf(seen, trace.TR_UBUF_GET).filter(({ c }) => c === trace.REF_SKB).length;

export const notificationsMade = (seen: Observed): number => recordsOf(seen, trace.TR_NOTIF_ALLOC).length;

/** The same line `count` times, numbered from 1. */
export const times = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index + 1)).join("\n");
