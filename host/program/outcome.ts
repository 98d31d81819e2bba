// How a program ended, and the report for a person when it did not reach its end: a wait that nothing can end, an
// operation that is not modelled, a step that failed where the C harness would have given up.
import * as wait from "../../assembly/abi/wait.ts";
import { printable } from "../core/printable.ts";
import type { Machine } from "../machine.ts";
import type { ProgramEvent } from "./events.ts";

export type Outcome =
  | { kind: "end" }
  /** A call would wait for ever. */
  | { kind: "waits"; line: number; report: string }
  /** The program uses something that Linux has and this emulator does not. */
  | { kind: "not-modelled"; line: number; report: string }
  /** A step could not be carried out (`pair` on a network that has no such device, `poke` outside its buffer...). */
  | { kind: "failed"; line: number; report: string };

export interface RunResult {
  events: ProgramEvent[];
  outcome: Outcome;
}

/** Ends the run from inside a step. */
export class RunStopped extends Error {
  override readonly name = "RunStopped";
  readonly kind: Exclude<Outcome["kind"], "end">;

  constructor(kind: Exclude<Outcome["kind"], "end">, report: string) {
    super(printable(report));
    this.kind = kind;
  }
}

export interface WaitReport {
  kind: number;
  fd: number;
  wanted: number;
  have: number;
  requests: number;
  notifs: number;
  events: number;
  deferred: number;
  /** user_data of the first request that IO_DRAIN holds back. */
  held: bigint;
  /** user_data of a held request whose own notification keeps the drain from ending. */
  ownNotif: bigint | undefined;
}

/** What the last call that returned -EWAITFOREVER waited for. */
export function readWaitReport(machine: Machine): WaitReport {
  const at = machine.exports.wait_report();
  const { view } = machine.core.memory;
  const field = (offset: number) => view.getUint32(at + offset, true);
  return {
    kind: field(wait.WAIT_KIND),
    fd: view.getInt32(at + wait.WAIT_FD, true),
    wanted: field(wait.WAIT_WANTED),
    have: field(wait.WAIT_HAVE),
    requests: field(wait.WAIT_REQS),
    notifs: field(wait.WAIT_NOTIFS),
    events: field(wait.WAIT_EVENTS),
    deferred: field(wait.WAIT_DEFERRED),
    held: view.getBigUint64(at + wait.WAIT_HELD_DATA, true),
    ownNotif: field(wait.WAIT_OWN_NOTIF) ? view.getBigUint64(at + wait.WAIT_OWN_DATA, true) : undefined,
  };
}

function plural(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

const WAITED_FOR: Record<number, string> = {
  [wait.WAIT_RECV]: "data to receive",
  [wait.WAIT_SEND]: "room in the send buffer",
  [wait.WAIT_ACCEPT]: "a connection to accept",
  [wait.WAIT_CONNECT]: "the connection to be established",
  [wait.WAIT_POLL]: "one of its files to become ready",
};

/** One paragraph: who waits, for what, what is outstanding, and why it can never come. */
export function describeWait(syscall: string, report: WaitReport, fdName: string): string {
  const never =
    report.events === 0
      ? "No timer is armed and no packet is under way, so nothing can ever end this wait."
      : `${plural(report.events, "event")} still pending, none of which can end this wait.`;
  if (report.kind === wait.WAIT_RSRC) {
    const users = `${plural(report.have, "use")} of registered buffers and files not over`;
    const held = `${plural(report.requests, "request")} in flight, ${plural(report.notifs, "notification")} not completed`;
    return `${syscall} on ${fdName} would wait for ever: ${users}; ${held}. ${never}`;
  }
  if (report.kind !== wait.WAIT_RING) {
    return `${syscall} on ${fdName} would wait for ever for ${WAITED_FOR[report.kind] ?? "something"}. ${never}`;
  }
  const outstanding = [
    `${plural(report.requests, "request")} in flight`,
    `${plural(report.notifs, "notification")} still held by the network`,
  ];
  if (report.deferred > 0) outstanding.push(`${plural(report.deferred, "request")} held back by IO_DRAIN`);
  const drain = report.deferred > 0 ? describeDrain(report) : "";
  const wants = `${plural(report.wanted, "CQE")} wanted, ${report.have} there`;
  return `${syscall} on ${fdName} would wait for ever: ${wants}; ${outstanding.join(", ")}. ${drain}${never}`;
}

/** Who is held back, and by what. */
function describeDrain({ held, ownNotif, notifs }: WaitReport): string {
  if (ownNotif !== undefined) {
    return `The drained request ud=${held} waits for the notification of ud=${ownNotif}, which is held back itself: a deadlock of Linux 6.16 and later. `;
  }
  const what = notifs > 0 ? `${plural(notifs, "notification")} and every request before it` : "every request before it";
  return `The drained request ud=${held} waits for ${what}. `;
}
