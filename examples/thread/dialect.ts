// The same wish in the words of each kernel: a ring, a zero-copy send, giving a notification up. What differs is what the
// thread was about.
import { type Design, isSlotEra } from "./lab.ts";

/** Tags of the slots, by which the slot era's notifications are known. */
export const TAG = 10_000;

const SLOTS = 8;
const SLOT_WORDS = 4;
/** io_uring_register's number for notification slots. */
const REGISTER_NOTIFIERS = { rfc3: 24, other: 26 } as const;

/** A ring, and with it `SLOTS` notification slots where there are such. */
export function ring(kernel: Design, flags: string = "0"): string {
  const setup = `setup 64 ${flags}`;
  if (!isSlotEra(kernel)) return setup;
  const slots = Array.from({ length: SLOTS }, (_, slot) => `${TAG + slot}${" 0".repeat(SLOT_WORDS - 1)}`);
  return `${setup}
buf slots ${SLOTS * SLOT_WORDS * 8}
put slots 0 u64 ${slots.join(" ")}
buf notifiers 32
put notifiers 0 u64 ${SLOTS} 0 &slots 0
reg ${kernel.profile === "rfc3" ? REGISTER_NOTIFIERS.rfc3 : REGISTER_NOTIFIERS.other} &notifiers 32`;
}

export interface Send {
  fd?: string;
  buf?: string;
  len?: number;
  ud: number;
  /** msg_flags */
  mf?: string;
  /** Of an SQE. */
  flags?: string;
  /** "dest=..." */
  more?: string;
  slot?: number;
  /** Whether the slot's notification ends with this send. Other kernels know no notification that does not. */
  flush?: boolean;
  /** REPORT_USAGE, where a kernel has it. */
  report?: boolean;
}

const FLUSH = { rfc3: 2, other: 8 } as const;

export function sendZc(kernel: Design, { fd = "A", buf = "b", len, ud, mf, flags, more, ...zc }: Send): string {
  const words = [`sqe send_zc fd=${fd} buf=${buf} ud=${ud}`];
  if (len !== undefined) words.push(`len=${len}`);
  if (mf !== undefined) words.push(`mf=${mf}`);
  if (flags !== undefined) words.push(`flags=${flags}`);
  if (more !== undefined) words.push(more);
  const { slot = 0, flush = true, report = false } = zc;
  if (isSlotEra(kernel)) {
    words.push(`u16.44=${slot}`);
    if (flush) words.push(`ioprio=${kernel.profile === "rfc3" ? FLUSH.rfc3 : FLUSH.other}`);
  } else if (report) words.push("ioprio=REPORT_USAGE");
  return words.join(" ");
}

/** IORING_RSRC_UPDATE_NOTIF: gives up the notifications of `count` slots, perhaps with a new tag. */
export function update(ud: number, slot: number, { count = 1, tag = 0, flags = "0" } = {}): string {
  return `sqe 20 fd=-1 ud=${ud} off=${slot} len=${count} addr=${tag} ioprio=1 flags=${flags}`;
}
