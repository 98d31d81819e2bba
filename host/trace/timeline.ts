// What happened, for a person: the lines of the program, below each what the kernel did because of it, in columns for the
// ring, the wire and the references of the notifications; at the end one sentence per notification.
import * as trace from "../../assembly/abi/trace.ts";
import { IORING_CQE_F_NOTIF, IORING_NOTIF_USAGE_ZC_COPIED } from "../../assembly/abi/uapi.ts";
import { resultText } from "../core/errno.ts";
import { Flows } from "../nic/flows.ts";
import type { WireFrame } from "../nic/wire.ts";
import { describeEvent, type ProgramEvent } from "../program/events.ts";
import type { Step } from "../program/steps.ts";
import { contextName, type TraceRecord } from "./decode.ts";
import { describeReference, explainNotification, Notifications } from "./notifications.ts";
import { Wire } from "./wire.ts";
import { cqeFlags, micros, opcodeText, pollMask, sqeFlags } from "./words.ts";

interface Row {
  time: string;
  where: string;
  ring: string;
  wire: string;
  refs: string;
}

type Entry = Row | { line: string } | { event: string };

/** Collects a run while it happens: steps, events and trace records in their order. */
export class Timeline {
  readonly allRecords: TraceRecord[] = [];
  readonly notifications = new Notifications();
  readonly #entries: Entry[] = [];
  readonly #lines: readonly string[];
  readonly #wire: Wire;
  readonly #flows = new Flows();

  /** `lines`: the text of the program. `devices`: their names by index. */
  constructor(lines: readonly string[], devices: ReadonlyMap<number, string> = new Map()) {
    this.#lines = lines;
    this.#wire = new Wire(devices);
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  step(step: Step): void {
    const text = this.#lines[step.line - 1]?.replace(/#.*/, "").trim() ?? step.op;
    this.#entries.push({ line: `${String(step.line).padStart(2)}  ${text}` });
  }

  event(event: ProgramEvent): void {
    if (event.ev !== "end") this.#entries.push({ event: describeEvent(event).replace(/^\d+ \S+: /, "") });
  }

  /** A frame on a wire of the host. Only one that does not arrive as it was sent is worth a row: the core saw the others. */
  frame({ time_ns, from, to, frame, fate }: WireFrame): void {
    const text = this.#flows.describe(frame);
    if (fate === "delivered") return;
    const wire = `${from} -> ${to}: ${text} ${fate}`;
    this.#entries.push({ time: micros(time_ns), where: "wire", ring: "", wire, refs: "" });
  }

  records(records: readonly TraceRecord[]): void {
    for (const record of records) {
      this.allRecords.push(record);
      const row = this.#row(record);
      if (row !== undefined) this.#add(row);
    }
  }

  /** What one thing caused reads better in one row than in three: ring, then wire, then references. */
  #add(row: Row): void {
    const last = this.#entries.at(-1);
    const fits = last !== undefined && "time" in last && last.time === row.time && last.where === row.where;
    if (fits && isPrepOf(last, row)) this.#entries[this.#entries.length - 1] = { ...row, refs: last.refs };
    else if (fits && CELLS.every((cell, index) => row[cell] === "" || isEmptyFrom(last, index))) {
      for (const cell of CELLS) if (row[cell] !== "") last[cell] = row[cell];
    } else this.#entries.push(row);
  }

  #row(record: TraceRecord): Row | undefined {
    const refs = this.#references(record);
    const ring = describeRing(record);
    const wire = this.#wire.describe(record);
    if (ring === undefined && wire === undefined && refs === undefined) return undefined;
    const where = contextName(record.context);
    return { time: micros(record.time_ns), where, ring: ring ?? "", wire: wire ?? "", refs: refs ?? "" };
  }

  #references(record: TraceRecord): string | undefined {
    const { event } = record;
    const known =
      event >= trace.TR_UBUF_GET && event <= trace.TR_NOTIF_USAGE ? this.notifications.of(record) : undefined;
    const before = known?.refs ?? 0;
    this.notifications.add(record);
    if (event === trace.TR_NOTIF_ALLOC) return `${this.notifications.of(record).label} 0 -> 1  request`;
    if (event === trace.TR_NOTIF_LINK) {
      const notification = this.notifications.of(record);
      return `${notification.label} chained to ${notification.chainedTo}`;
    }
    if (known === undefined) return undefined;
    if (event === trace.TR_UBUF_GET || event === trace.TR_UBUF_PUT) return describeReference(known, before, record);
    if (event === trace.TR_UBUF_COPY && record.b > 0) return `${known.label} ${record.b} bytes copied`;
    return event === trace.TR_NOTIF_DONE ? `${known.label} free` : undefined;
  }
}

/** The one bit that a notification's result has is a word, not a number. */
function cqeResult(res: number, flags: number): string {
  return flags & IORING_CQE_F_NOTIF && res === IORING_NOTIF_USAGE_ZC_COPIED ? "COPIED" : resultText(res | 0);
}

function describeRing(record: TraceRecord): string | undefined {
  const { event, a, b, c } = record;
  const withText = (text: string, more: string) => (more === "" ? text : `${text} ${more}`);
  switch (event) {
    case trace.TR_IO_URING_SUBMIT_REQ:
      return withText(`submit ud=${a} ${opcodeText(b)}`, sqeFlags(c));
    case trace.TR_IO_URING_COMPLETE:
      return withText(`CQE ud=${a} res=${cqeResult(b, c)}`, cqeFlags(c));
    case trace.TR_IO_URING_CQE_OVERFLOW:
      return withText(`CQ full, kept aside: ud=${a} res=${cqeResult(b, c)}`, cqeFlags(c));
    case trace.TR_IO_URING_POLL_ARM:
      return `ud=${a} waits for ${pollMask(b)}`;
    case trace.TR_IO_URING_POLL_WAKE:
      return `ud=${a} woken by ${pollMask(b)}`;
    case trace.TR_IO_URING_QUEUE_ASYNC_WORK:
      return `ud=${a} handed to io-wq`;
    case trace.TR_IO_URING_FAIL_LINK:
      return `ud=${a} cancelled with its chain`;
    case trace.TR_IO_URING_DEFER:
      return `ud=${a} drains: waits for all before it`;
    case trace.TR_IO_URING_CANCEL:
      return `cancel ud=${a}: ${resultText(b | 0)}`;
    case trace.TR_IO_URING_RING_EXIT:
      return c === 1 ? "ring gone" : `ring closed, ${b} requests outstanding`;
    default:
      return undefined;
  }
}

const CELLS = ["ring", "wire", "refs"] as const;

/** Whether nothing is in the column `index` of `row` and right of it. */
function isEmptyFrom(row: Row, index: number): boolean {
  return CELLS.slice(index).every((cell) => row[cell] === "");
}

/** A notification is allocated just before the submission that it belongs to is traced. */
function isPrepOf(last: Row, row: Row): boolean {
  return last.ring === "" && last.wire === "" && last.refs.includes(" 0 -> 1 ") && row.ring.startsWith("submit ");
}

const HEADER: Row = { time: "time us", where: "where", ring: "ring", wire: "wire", refs: "references" };
const COLUMNS = ["where", "ring", "wire", "refs"] as const;

const LINE_MARK = "> ";

export function renderTimeline(timeline: Timeline): string {
  const rows = timeline.entries.filter((entry): entry is Row => "time" in entry);
  const widest = (pick: (row: Row) => string) => Math.max(...[HEADER, ...rows].map((row) => pick(row).length));
  const timeWidth = widest((row) => row.time);
  const widths = COLUMNS.map((column) => widest((row) => row[column]));
  const rowText = (row: Row) => {
    const cells = COLUMNS.map((column, index) => row[column].padEnd(widths[index]));
    return `  ${row.time.padStart(timeWidth)}  ${cells.join("  ")}`.trimEnd();
  };
  const lines = [rowText(HEADER), ""];
  for (const entry of timeline.entries) {
    // Lines of the program that made nothing happen stand together.
    if ("time" in entry) lines.push(rowText(entry));
    else if ("event" in entry) lines.push(`  ${"".padStart(timeWidth)}  => ${entry.event}`);
    else if (lines.at(-1) === "" || lines.at(-1)?.startsWith(LINE_MARK)) lines.push(LINE_MARK + entry.line);
    else lines.push("", LINE_MARK + entry.line);
  }
  const { all } = timeline.notifications;
  if (all.length > 0) lines.push("", all.length === 1 ? "The notification:" : "The notifications:");
  for (const notification of all) lines.push(...explainNotification(notification).map((line) => `  ${line}`));
  return lines.join("\n");
}
