// What a person who knows send(2) does not expect of a request. One function per rule; each looks at what was observed and
// gives a sentence, or nothing.
import { ECANCELED } from "../../assembly/abi/errno.ts";
import { IORING_CQE_F_MORE, IORING_SEND_ZC_REPORT_USAGE, IOSQE_CQE_SKIP_SUCCESS } from "../../assembly/abi/uapi.ts";
import { resultText } from "../core/errno.ts";
import type { WaitReport } from "../program/outcome.ts";
import { duration } from "../trace/words.ts";
import type { Life, Note } from "./life.ts";
import { holdersOf } from "./owners.ts";
import type { Surprise } from "./shape.ts";

export interface Context {
  lives: readonly Life[];
  /** What the run waited for, when it ended with a wait that nothing can end. */
  wait: WaitReport | undefined;
}

type Rule = (life: Life, context: Context) => string | undefined;

const list = (names: readonly string[]): string => names.join(", ");

/** Sends that are asked for zero copy through a ring: what notifications are for. */
const isRingZeroCopy = (life: Life): boolean =>
  life.isZeroCopy && life.opcode >= 0 && !life.notes.some(({ isMsgZerocopy }) => isMsgZerocopy);

/** The first notification of a send by whose CQE its end is told. */
const noteOf = (life: Life): Note | undefined => (isRingZeroCopy(life) ? life.note : undefined);

const isSlotEra = (lives: readonly Life[]): boolean => lives.some(({ note }) => note?.isSlotEra);

function noNotification(life: Life, { lives }: Context): string | undefined {
  const { completion } = life;
  if (!isRingZeroCopy(life) || life.notes.length > 0 || completion === undefined) return undefined;
  if (completion.res >= 0) return "One CQE only: it has no notification, because no notification was ever made for it.";
  const what = resultText(completion.res);
  return `One CQE only (${what}${isSlotEra(lives) ? "" : " without F_MORE"}): it failed before its notification existed, so none will come.`;
}

function failedWithNotification(life: Life): string | undefined {
  const { completion } = life;
  if (noteOf(life) === undefined || completion === undefined || completion.res >= 0) return undefined;
  if ((completion.flags & IORING_CQE_F_MORE) === 0) return undefined;
  const what = resultText(completion.res);
  return `It failed (${what}) and has two CQEs all the same: its notification existed already, and every notification is told.`;
}

function notificationWithoutMore(life: Life): string | undefined {
  const { completion } = life;
  const note = noteOf(life);
  if (note === undefined || completion === undefined || completion.flags & IORING_CQE_F_MORE) return undefined;
  if (note.isSlotEra || note.isOnlyCqe) return undefined;
  const how = `${resultText(completion.res)} without F_MORE`;
  const why =
    completion.res === -ECANCELED && life.issues === 0
      ? "its chain was cancelled before it was issued, when the notification existed already"
      : "it ended on a way that does not announce the notification";
  return `Its notification comes although the first CQE (${how}) does not say so: ${why}.`;
}

function chained(life: Life): string | undefined {
  const note = noteOf(life);
  if (note?.head === undefined) return undefined;
  const others = note.head.lives.map(({ name }) => name);
  return `Its bytes travel in an skb of ${list(others)}, which carries one notification: ${note.label} is chained to ${note.head.label} and completes with it, not when its own bytes are done.`;
}

function outOfOrder(life: Life, { lives }: Context): string | undefined {
  const note = noteOf(life);
  const at = note?.posted;
  if (note === undefined || at === undefined) return undefined;
  const later = lives.filter((other) => {
    const posted = noteOf(other)?.posted;
    return other.id > life.id && other.ring === life.ring && other.note !== note && posted && posted.tick < at.tick;
  });
  if (later.length === 0) return undefined;
  const root = note.head ?? note;
  const isChain = later.every((other) => (other.note?.head ?? other.note) === root);
  const why = isChain
    ? "they are chained on one skb, and a chain completes as head, last, ..., second"
    : "a notification comes when the network lets go, in no order";
  if (note.isOnlyCqe)
    return `Its CQE comes after those of later sends (${list(later.map(({ name }) => name))}): it comes when the network lets go.`;
  return `Its notification comes after those of later sends (${list(later.map(({ name }) => name))}): ${why}.`;
}

function notificationFirst(life: Life): string | undefined {
  const note = noteOf(life);
  if (note?.posted === undefined || life.completion === undefined || note.isOnlyCqe) return undefined;
  if (note.posted.tick > life.completion.at.tick) return undefined;
  return "Its notification arrived before the CQE of the send itself.";
}

function partial(life: Life): string | undefined {
  const { result, bytes } = life;
  if (!life.isSend || result === undefined || result < 0 || result >= bytes) return undefined;
  const waits = life.notes.length > 0 ? "; the notification covers the sent part, the buffer is busy as a whole" : "";
  return `A short send: ${result} of ${bytes} bytes. The rest has to be sent again (MSG_WAITALL lets the kernel do it)${waits}.`;
}

function empty(life: Life): string | undefined {
  const note = noteOf(life);
  if (note === undefined || note.isOnlyCqe || life.bytes > 0 || (life.completion?.res ?? -1) < 0) return undefined;
  return "It sends no byte, and has a notification all the same.";
}

function copied(life: Life): string | undefined {
  const note = noteOf(life);
  if (note === undefined || note.copies.length === 0 || note.reportsCopied || note.posted === undefined)
    return undefined;
  if (note.isSlotEra) return "Its bytes were copied, and this API has no way to say so.";
  if (life.sendFlags & IORING_SEND_ZC_REPORT_USAGE) return undefined;
  return "Its bytes were copied and no CQE says so: the send did not ask for SEND_ZC_REPORT_USAGE (6.2 and later).";
}

function drainDeadlock(life: Life, { wait }: Context): string | undefined {
  if (wait?.ownNotif === undefined || life.completion !== undefined || life.userData !== wait.ownNotif)
    return undefined;
  if (noteOf(life) === undefined) return undefined;
  return "It is held back by IO_DRAIN until everything before it has completed, and its own notification counts as before it: it waits for itself.";
}

function drained(life: Life, context: Context): string | undefined {
  if (!life.waits.some(({ kind }) => kind === "drain") || drainDeadlock(life, context) !== undefined) return undefined;
  if (life.completion === undefined && life.issues === 0)
    return `IO_DRAIN still holds it back: what was before it has not completed${noteOf(life) === undefined ? "" : ", and from 6.16 on its own notification counts as before it"}.`;
  return "IO_DRAIN held it back until what was before it had completed: from 6.16 on that is notifications, too; before, as many CQEs as there were requests.";
}

function overflow(life: Life): string | undefined {
  const which = [
    life.overflowed || life.notes.some((note) => note.overflowed && note.isOnlyCqe) ? "Its CQE" : "",
    life.notes.some((note) => note.overflowed && !note.isOnlyCqe) ? "Its notification" : "",
  ];
  const names = which.filter((name) => name !== "");
  if (names.length === 0) return undefined;
  return `${names.join(" and ").replace("and Its", "and its")} found the CQ full and waited in the kernel until there was room and somebody entered it.`;
}

function nobodyEntered(life: Life): string | undefined {
  const note = noteOf(life);
  const root = note?.head ?? note;
  if (note === undefined || root?.done === undefined || note.posted !== undefined || note.overflowed) return undefined;
  return "The network has let go of the buffer, but no CQE says so: only task work posts it, and nobody entered the kernel to run it.";
}

function neverFree(life: Life): string | undefined {
  const note = noteOf(life);
  const root = note?.head ?? note;
  if (note === undefined || note.posted !== undefined || root?.done !== undefined) return undefined;
  // With one CQE alone nothing but the skbs tell that the send is over.
  const isSent = life.completion !== undefined || (note.isOnlyCqe && note.areas.size > 0);
  if (!isSent || unflushed(life) !== undefined) return undefined;
  const [holder] = holdersOf(life);
  const device = holder.device === null ? "" : ` of ${holder.device}`;
  const held = note.refs === 1 ? "1 reference is" : `${note.refs} references are`;
  return `By the end of the program the buffer is not free: ${held} still held, the owner is the ${holder.owner}${device}.`;
}

function blocked(life: Life): string | undefined {
  const polls = life.waits.filter(({ kind }) => kind === "poll").length;
  if (!life.isSend || polls === 0) return undefined;
  const until = life.completion === undefined ? ", and still does" : "";
  return `The socket had no room: it waited for POLLOUT${polls > 1 ? ` ${polls} times` : ""}${until}. Until its CQE the kernel has not even looked at all of the buffer.`;
}

function onWorker(life: Life): string | undefined {
  if (!life.isSend || !life.waits.some(({ kind }) => kind === "worker")) return undefined;
  return "It ran on a worker (io-wq), beside whatever was submitted after it.";
}

function cancelled(life: Life): string | undefined {
  const { completion } = life;
  if (completion?.res !== -ECANCELED || life.issues > 0 || noteOf(life)?.isOnlyCqe === false) return undefined;
  return "-ECANCELED: it was never issued, because its chain broke before its turn.";
}

function skipped(life: Life): string | undefined {
  if (life.completion !== undefined || (life.flags & IOSQE_CQE_SKIP_SUCCESS) === 0 || life.issues === 0)
    return undefined;
  const note = noteOf(life);
  if (note?.hasOwnReference) return undefined;
  const told = note?.posted;
  if (told !== undefined)
    return `Its notification is its only CQE (CQE_SKIP_SUCCESS), ${told.res & 0x7fff_ffff ? "with the result of the send" : "without the result of the send"}.`;
  return "It has no CQE: it succeeded, and CQE_SKIP_SUCCESS asks for silence then.";
}

function retransmitted(life: Life): string | undefined {
  const note = noteOf(life);
  if (note === undefined || note.retransmissions === 0) return undefined;
  const held = note.done === undefined ? "" : `, and held the buffer for ${duration(note.done.ns - life.submitted.ns)}`;
  const times = note.retransmissions === 1 ? "once" : `${note.retransmissions} times`;
  return `TCP had to send from it again (${times})${held}: an unacknowledged byte keeps the whole skb.`;
}

function sharedBytes(life: Life, { lives }: Context): string | undefined {
  if (!isRingZeroCopy(life)) return undefined;
  const others = lives.filter((other) => {
    const isBusy =
      other.id < life.id && (other.note?.posted === undefined || other.note.posted.tick > life.submitted.tick);
    return isBusy && isRingZeroCopy(other) && other.notes.length > 0 && overlap(life, other);
  });
  if (others.length === 0) return undefined;
  const names = list(others.map(({ name }) => name));
  return `${names} still owned these bytes when it was submitted. To send them twice is harmless; they are free when both are done with them.`;
}

function overlap(one: Life, other: Life): boolean {
  return one.memory.some(({ address, length }) =>
    other.memory.some((each) => address < each.address + each.length && each.address < address + length),
  );
}

function sharedNotification(life: Life): string | undefined {
  const note = noteOf(life);
  if (note === undefined || note.lives.length < 2) return undefined;
  const others = note.lives.filter((other) => other !== life).map(({ name }) => name);
  return `Its notification ${note.label} is also that of ${list(others)}: it comes when the slot was flushed and the last byte of all of them is done.`;
}

function severalNotifications(life: Life): string | undefined {
  if (!isRingZeroCopy(life) || life.notes.length < 2) return undefined;
  return `It was issued again after its notification had been flushed: ${list(life.notes.map(({ label }) => label))} must all come before the buffer is free.`;
}

function unflushed(life: Life): string | undefined {
  const note = noteOf(life);
  if (note?.slot === undefined || note.done !== undefined || !note.hasOwnReference) return undefined;
  return `Its notification ${note.label} was never flushed: slot ${note.slot} holds a reference of its own, so it cannot come.`;
}

const RULES = {
  "no-notification": noNotification,
  "failed-with-notification": failedWithNotification,
  "notification-without-f-more": notificationWithoutMore,
  "notification-first": notificationFirst,
  chained,
  "out-of-order": outOfOrder,
  "shared-notification": sharedNotification,
  "several-notifications": severalNotifications,
  unflushed,
  "short-send": partial,
  "empty-send": empty,
  "copy-not-reported": copied,
  "drain-deadlock": drainDeadlock,
  drained,
  "cq-overflow": overflow,
  "nobody-entered": nobodyEntered,
  "never-free": neverFree,
  blocked,
  worker: onWorker,
  "cancelled-unissued": cancelled,
  "no-cqe": skipped,
  retransmitted,
  "same-bytes": sharedBytes,
} satisfies Record<string, Rule>;

export type SurpriseRule = keyof typeof RULES;

export function surprisesOf(life: Life, context: Context): Surprise[] {
  return Object.entries(RULES).flatMap(([rule, find]) => {
    const text = find(life, context);
    return text === undefined ? [] : [{ rule, text }];
  });
}
