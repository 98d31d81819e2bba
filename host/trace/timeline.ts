// What happened, for a person: the lines of the program, below each what the kernel did because of it, in columns for the
// ring, the wire and the references of the notifications; at the end one sentence per notification.
import * as trace from "../../assembly/abi/trace.ts";
import { printable } from "../core/printable.ts";
import { resultText } from "../core/errno.ts";
import { TABLE_WIDTH, wrap } from "../core/layout.ts";
import { Flows } from "../nic/flows.ts";
import type { WireFrame } from "../nic/wire.ts";
import { describeEvent, type ProgramEvent } from "../program/events.ts";
import type { Step, StepOp } from "../program/steps.ts";
import type { TraceRecord } from "./decode.ts";
import { describeReference, explainNotification, Notifications } from "./notifications.ts";
import { noteText, type ProgramNote } from "./refusals.ts";
import { type Entry, type Row, Rows } from "./rows.ts";
import { Wire } from "./wire.ts";
import { copyTold, cqeFlags, cqeResult, micros, opcodeText, pollMask, sqeFlags } from "./words.ts";

/** Collects a run while it happens: steps, events and trace records in their order. */
export class Timeline {
  readonly allRecords: TraceRecord[] = [];
  readonly notifications = new Notifications();
  /** What this kernel lacks, and what did not run. */
  readonly notes: ProgramNote[] = [];
  readonly #rows: Rows;
  readonly #wire: Wire;
  readonly #lines: readonly string[];
  readonly #flows = new Flows();
  readonly #quiet: readonly StepOp[];
  #isQuiet = false;

  /**
   * `lines`: the text of the program. `devices`: their names by index. `quiet`: operations below which nothing is shown,
   * for a reader who knows what a handshake looks like.
   */
  constructor(
    lines: readonly string[],
    devices: ReadonlyMap<number, string> = new Map(),
    quiet: readonly StepOp[] = [],
  ) {
    this.#lines = lines;
    this.#wire = new Wire(devices);
    this.#rows = new Rows(this.#wire);
    this.#quiet = quiet;
  }

  get entries(): readonly Entry[] {
    return this.#rows.entries;
  }

  step(step: Step): void {
    this.#isQuiet = this.#quiet.includes(step.op);
    const text = this.#lines[step.line - 1]?.replace(/#.*/, "").trim() ?? step.op;
    this.#rows.push({ line: `${String(step.line).padStart(2)}  ${text}` });
  }

  event(event: ProgramEvent): void {
    if (event.ev !== "end" && !this.#isQuiet)
      this.#rows.push({ event: describeEvent(event).replace(/^\d+ \S+: /, "") });
  }

  /** A frame on a wire of the host. Only one that does not arrive as it was sent is worth a row: the core saw the others. */
  frame({ time_ns, frame, fate }: WireFrame): void {
    const wire = `${fate}: ${this.#flows.describe(frame)}`;
    if (fate === "delivered" || this.#isQuiet) return;
    this.#rows.push({ time: micros(time_ns), where: "wire", ring: "", wire, refs: "" });
  }

  records(records: readonly TraceRecord[]): void {
    for (const record of records) {
      this.allRecords.push(record);
      const refs = this.#references(record);
      // A handshake that is not shown still says where its sequence numbers start.
      if (this.#isQuiet) this.#wire.describe(record);
      else this.#rows.record(record, { ring: describeRing(record), refs });
    }
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
    if (event === trace.TR_COPY_DEBUG) return `${this.notifications.of(record).label} ${copyTold(record.b, record.c)}`;
    if (known === undefined) return undefined;
    if (event === trace.TR_UBUF_GET || event === trace.TR_UBUF_PUT) return describeReference(known, before, record);
    if (event === trace.TR_UBUF_COPY && record.b > 0) return `${known.label} ${record.b} bytes copied`;
    return undefined;
  }
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
      return c === 1 ? "ring gone" : `ring closed, ${b} request${b === 1 ? "" : "s"} outstanding`;
    default:
      return undefined;
  }
}

const HEADER: Row = { time: "time us", where: "where", ring: "ring", wire: "wire", refs: "references" };
const LINE_MARK = "> ";
const GAP = 2;

export function renderTimeline(timeline: Timeline): string {
  const rows = timeline.entries.filter((entry): entry is Row => "time" in entry);
  const widest = (pick: (row: Row) => string) => Math.max(...[HEADER, ...rows].map((row) => pick(row).length));
  const timeWidth = widest((row) => row.time);
  const whereWidth = widest((row) => row.where);
  const wireWidth = widest((row) => row.wire);
  // Hardly any row has both a ring and a wire event: where the page gets too wide, the ring's reach into the wire's column.
  const both = widest((row) => (row.wire === "" ? "" : row.ring));
  const total = [timeWidth, whereWidth, widest((row) => row.ring), wireWidth, widest((row) => row.refs)];
  const tooMuch = total.reduce((sum, width) => sum + GAP + width, 0) - TABLE_WIDTH;
  const ringWidth = Math.max(both, widest((row) => row.ring) - Math.max(0, tooMuch));
  const gap = " ".repeat(GAP);
  const rowText = ({ time, where, ring, wire, refs }: Row) => {
    const events = wire === "" ? ring : `${ring.padEnd(ringWidth)}${gap}${wire}`;
    const cells = [
      time.padStart(timeWidth),
      where.padEnd(whereWidth),
      events.padEnd(ringWidth + GAP + wireWidth),
      refs,
    ];
    return cells
      .map((cell) => gap + cell)
      .join("")
      .trimEnd();
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
  for (const notification of all) {
    for (const line of explainNotification(notification)) lines.push(...sentence(`  ${line}`));
  }
  if (timeline.notes.length > 0) lines.push("", "Not as the program meant it:");
  for (const note of timeline.notes) lines.push(...sentence(`  ${noteText(note)}`));
  return printable(lines.join("\n"));
}

/** Where the sentences of the summary begin, behind their label. */
const LABEL = 15;

/** Breaks a sentence that is too long, to go on under its first word after the label. */
const sentence = (line: string): string[] => wrap(line.slice(0, LABEL), line.slice(LABEL), TABLE_WIDTH);
