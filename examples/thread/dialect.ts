// The same wish in the words of each kernel: a ring, a zero-copy send, giving a notification up. What differs is what the
// thread was about.
import { type Design, isSlotEra } from "./lab.ts";

/** Tag of the first slot, by which the slot era's notifications are known; the others follow. */
export const TAG = 10_000;

const SLOTS = 8;

/** A ring, and with it notification slots where there are such. */
export function ring(kernel: Design, slots = SLOTS): string {
  const tags = Array.from({ length: slots }, (_, slot) => TAG + slot);
  return isSlotEra(kernel) ? `setup 64 0\nnotifiers ${tags.join(" ")}` : "setup 64 0";
}

export interface Send {
  ud: number;
  fd?: string;
  /** "b", "b+100" */
  buf?: string;
  len?: number;
  /** msg_flags */
  mf?: string;
  /** Of an SQE. */
  flags?: string;
  /** Slot era: which, and whether its notification ends with this send. Later there is none that does not. */
  slot?: number;
  flush?: boolean;
  /** REPORT_USAGE, where a kernel has it. */
  report?: boolean;
}

export function sendZc(kernel: Design, { ud, fd = "A", buf = "b", len, mf, flags, ...zc }: Send): string {
  const { slot = 0, flush = true, report = false } = zc;
  const words = [`sqe ${isSlotEra(kernel) ? "sendzc" : "send_zc"} fd=${fd} buf=${buf} ud=${ud}`];
  if (len !== undefined) words.push(`len=${len}`);
  if (mf !== undefined) words.push(`mf=${mf}`);
  if (flags !== undefined) words.push(`flags=${flags}`);
  if (isSlotEra(kernel)) {
    words.push(`slot=${slot}`);
    if (flush) words.push(`ioprio=${kernel.profile === "rfc3" ? "SENDZC_FLUSH" : "NOTIF_FLUSH"}`);
  } else if (report) words.push("ioprio=REPORT_USAGE");
  return words.join(" ");
}

/** IORING_RSRC_UPDATE_NOTIF: gives up the notifications of `count` slots, perhaps with a new tag. */
export function update(ud: number, slot: number, { count = 1, tag = 0, flags = "0" } = {}): string {
  return `sqe rsrc_update_notif ud=${ud} off=${slot} len=${count} tag=${tag} flags=${flags}`;
}
