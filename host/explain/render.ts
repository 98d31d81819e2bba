// The explanation as a person reads it, at most 110 columns wide: for each request when its buffer is the application's
// again and why, then whose it was meanwhile; at the end what to do better.
import * as trace from "../../assembly/abi/trace.ts";
import { errnoName } from "../core/errno.ts";
import { TEXT_WIDTH, wrap as breakLines } from "../core/layout.ts";
import { printable } from "../core/printable.ts";
import { refName } from "../trace/decode.ts";
import { noteText } from "../trace/refusals.ts";
import { cqeFlags, cqeResult, duration, micros, plainResult, refShort } from "../trace/words.ts";
import type { Advice, Copy, Explanation, Interval, Notice, Reference, RequestLife, Span } from "./shape.ts";

/** Rows of one list before it is cut: --json has all. */
const ROWS_MAX = 14;

export function renderExplanation(explanation: Explanation): string {
  const { requests, outcome, advice, notes, program, profile } = explanation;
  const sends = requests.filter(isWorthATable);
  const lines = [
    `${program} on ${profile}: ${count(requests.length, "request")}, ${count(sends.length, "with a buffer", "with buffers")}`,
  ];
  for (const request of requests) lines.push(...(isWorthATable(request) ? renderSend(request) : renderShort(request)));
  if (outcome.kind !== "end") lines.push("", ...renderOutcome(explanation));
  lines.push(
    "",
    ...notes.flatMap((note) => wrap("NOTE: ", noteText(note), 5)),
    ...renderAdvice(advice, notes.length > 0),
  );
  return printable(lines.join("\n"));
}

const isWorthATable = ({ intervals, notification }: RequestLife): boolean =>
  intervals.length > 0 || notification !== null;

function count(number: number, one: string, more = `${one}s`): string {
  return `${number} ${number === 1 ? one : more}`;
}

// Requests ---------------------------------------------------------------------------------------------------------------

function title(request: RequestLife): string {
  const { line, operation, user_data, socket, ring } = request;
  const who = user_data === null ? "" : ` ud=${user_data}`;
  const what = request.bytes > 0 ? ` ${request.bytes} bytes${fromText(request.buffers, request.fixed)}` : "";
  const where = socket === null || socket.name === "" ? "" : ` on ${socket.name}${socket.kind && ` (${socket.kind})`}`;
  const slot = ring === null || ring === "0" ? "" : `, ring ${ring}`;
  return `line ${line}: ${operation}${who}${what}${where}${slot}`;
}

function fromText(buffers: readonly Span[], fixed: boolean): string {
  const names = [...new Set(buffers.map(({ buffer }) => buffer ?? "other memory"))];
  if (names.length === 0) return "";
  return ` of ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""}${fixed ? ", registered" : ""}`;
}

function resultOf({ completion }: RequestLife): string {
  if (completion === null) return "no CQE";
  const { res, flags } = completion;
  const result = plainResult(res) < 0 ? `-${errnoName(-res)}` : cqeResult(res, flags);
  return flags === 0 ? result : `${result} ${cqeFlags(flags)}`;
}

/** A request that lends no buffer: one line, and what is odd about it. */
function renderShort(request: RequestLife): string[] {
  const at = request.completion === null ? "" : ` at ${micros(BigInt(request.completion.posted_ns))} us`;
  return ["", `${title(request)}: ${resultOf(request)}${at}`, ...surpriseLines(request)];
}

function renderSend(request: RequestLife): string[] {
  const lines = ["", title(request), ...wrap("  mine again: ", mineAgain(request))];
  if (request.intervals.length > 0) lines.push(...renderIntervals(request.intervals));
  if (request.references.length > 0) lines.push(...renderReferences(request.references));
  lines.push(...sameCopies(request.copies).flatMap(renderCopy));
  return [...lines, ...surpriseLines(request)];
}

const surpriseLines = ({ surprises }: RequestLife) => surprises.flatMap(({ text }) => wrap("  note: ", text));

function mineAgain(request: RequestLife): string {
  const { free_ns, submitted_ns, completion, notification } = request;
  const result = resultOf(request);
  const end = request.intervals.at(-1);
  if (free_ns === null) {
    const owner = end === undefined || end.owner === "application" ? "" : `: the owner is the ${ownerText(end)}`;
    return `not by the end of the program${owner} (${result})`;
  }
  const after = free_ns === submitted_ns ? "at once" : `after ${duration(BigInt(free_ns - submitted_ns))}`;
  if (notification === null)
    return `${after}, at ${micros(BigInt(free_ns))} us, with its ${completion?.flags === undefined ? "return" : "completion"} (${result})`;
  const why = notification.because === null ? "" : `. Why then: ${notification.because}`;
  return `${after}, at ${micros(BigInt(free_ns))} us, with ${toldBy(notification, result)}${firstCqe(request, free_ns)}${why}`;
}

function toldBy({ kind, label, skips_first, copied, res, flags }: Notice, result: string): string {
  if (kind === "only cqe") return `its only CQE (${result})`;
  const what = kind === "cqe" ? `notification ${label}` : "the record on the error queue";
  // A proposal puts the result of the send there.
  if (skips_first && res !== null && plainResult(res) !== 0) return `${what} (${cqeResult(res, flags ?? 0)})`;
  return `${what}${copied ? " (COPIED)" : ""}`;
}

function firstCqe(request: RequestLife, free: number): string {
  const { completion, notification } = request;
  if (notification?.kind === "only cqe") return "";
  if (completion !== null) return `; CQE 1 was ${resultOf(request)}${firstText(free, completion.posted_ns)}`;
  return notification?.skips_first ? "; success posts no other CQE (IOSQE_CQE_SKIP_SUCCESS)" : "; CQE 1 was none";
}

function firstText(free: number, posted: number): string {
  return free === posted ? "" : `, ${duration(BigInt(free - posted))} before`;
}

const ownerText = ({ owner, device }: Interval): string =>
  (device === null ? owner : `${owner} ${device}`).replace("NIC nic", "NIC nic");

function renderIntervals(intervals: readonly Interval[]): string[] {
  // The application's own time before the submission is of no interest.
  const shown = intervals.filter(
    ({ owner, from_ns, to_ns }, index) => index > 0 || owner !== "application" || to_ns !== from_ns,
  );
  const rows = shown.map((interval) => [
    micros(BigInt(interval.from_ns)),
    interval.to_ns === null ? "" : micros(BigInt(interval.to_ns)),
    ownerText(interval),
    [interval.until, interval.also.length > 0 ? `(also: ${interval.also.join(", ")})` : ""]
      .filter((text) => text !== "")
      .join(" "),
  ]);
  return table(["from us", "to us", "owner", "until"], rows, [true, true, false, false]);
}

const shortWords = Object.entries(trace)
  .filter(([name]) => name.startsWith("REF_"))
  .map(([, reason]) => [refName(reason as number), refShort(reason as number)] as const);
const DROPPED: Record<string, string> = { ...Object.fromEntries(shortWords), request: "the request ends" };
const TAKEN: Record<string, string> = { ...DROPPED, request: "its own", slot: "its own" };

/** A large send is cut into dozens of skbs: those with the same fate are one row. */
function grouped(references: readonly Reference[]): Reference[] {
  const groups = new Map<string, Reference[]>();
  for (const each of references) {
    const isSkb = each.holder.startsWith("skb");
    const key = [isSkb ? "skb" : each.holder, each.on, each.taken_for, each.dropped_because].join(" ");
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()].flatMap((group) => {
    if (group.length < 3) return group;
    const dropped_ns = group[0].dropped_ns === null ? null : Math.max(...group.map((each) => each.dropped_ns ?? 0));
    return [{ ...group[0], holder: `${group.length} skbs`, dropped_ns }];
  });
}

function renderReferences(references: readonly Reference[]): string[] {
  const isShared = new Set(references.map(({ on }) => on)).size > 1;
  const rows = grouped(references).map(({ on, holder, taken_for, taken_ns, dropped_ns, dropped_because }) => [
    micros(BigInt(taken_ns)),
    dropped_ns === null ? "held" : micros(BigInt(dropped_ns)),
    isShared ? `${on} ${holder}` : holder,
    `${TAKEN[taken_for] ?? taken_for}${dropped_because === null ? "" : ` -> ${DROPPED[dropped_because] ?? dropped_because}`}`,
  ]);
  return table(["taken us", "dropped", "reference", "why taken -> why dropped"], rows, [true, true, false, false]);
}

/** A stream is copied segment by segment: one line for all that have the same reason. */
function sameCopies(copies: readonly Copy[]): Copy[] {
  const groups = new Map<string, Copy>();
  for (const copy of copies) {
    const key = `${copy.reason} ${copy.place}`;
    const first = groups.get(key);
    groups.set(key, first === undefined ? copy : { ...first, bytes: first.bytes + copy.bytes });
  }
  return [...groups.values()];
}

function renderCopy({ bytes, at_ns, place, because }: Copy): string[] {
  const what =
    bytes === 0
      ? "nothing had to be"
      : `${bytes} bytes at ${micros(BigInt(at_ns))} us${place === "" ? "" : `, ${place}`}`;
  return wrap("  copied: ", `${what}: ${because}`);
}

// The end ----------------------------------------------------------------------------------------------------------------

function renderOutcome({ outcome, requests }: Explanation): string[] {
  const titles = { waits: "waits for ever", "not-modelled": "stops", failed: "fails", end: "" };
  const lines = wrap(`line ${outcome.line} ${titles[outcome.kind]}: `, outcome.report ?? "");
  for (const { user_data, operation, completion, notification, intervals, waits_for, free_ns } of requests) {
    const name = `  ${operation} ud=${user_data}`;
    const owner = intervals.at(-1);
    if (completion === null && free_ns === null)
      lines.push(`${name} has no CQE yet${waits_for === null ? "" : `: it waits for ${waits_for}`}`);
    else if (notification !== null && notification.posted_ns === null)
      lines.push(`${name} waits for its notification${owner === undefined ? "" : `, held by the ${ownerText(owner)}`}`);
  }
  return lines;
}

function renderAdvice(advice: readonly Advice[], isPartial: boolean): string[] {
  if (advice.length === 0 && isPartial) return ["advice: none for what ran; see the NOTEs"];
  if (advice.length === 0) return ["advice: none, no known mistake was seen"];
  return advice.flatMap(({ weight, lines, text, rule }) =>
    wrap(
      `${weight === "bug" ? "BUG" : "cost"} (line${lines.length === 1 ? "" : "s"} ${lines.slice(0, 8).join(", ")}; ${rule}): `,
      text,
      5,
    ),
  );
}

// Text -------------------------------------------------------------------------------------------------------------------

function table(header: readonly string[], rows: readonly string[][], right: readonly boolean[]): string[] {
  const cut = rows.length > ROWS_MAX;
  const shown = cut ? [...rows.slice(0, ROWS_MAX - 3), ...rows.slice(-2)] : rows;
  const widths = header.map((name, column) =>
    Math.max(...[header, ...shown].map((row) => row[column].length), name.length),
  );
  const lines = [header, ...shown].map((row) => {
    const cells = row.map((cell, column) =>
      right[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    );
    return `    ${cells.join("  ")}`.trimEnd();
  });
  if (cut) lines.splice(ROWS_MAX - 2, 0, `    ... ${rows.length - shown.length} more rows (--json has them)`);
  const last = 4 + widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
  return lines.flatMap((line) => breakLines(line.slice(0, last), line.slice(last)));
}

/** `head` and a sentence, whose further lines stand below its first word, or `indent` columns in. */
function wrap(head: string, text: string, indent = head.length): string[] {
  return breakLines(head, text, TEXT_WIDTH, Math.min(indent, 20));
}
