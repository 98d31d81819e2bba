// Follows each notification through the trace: who held it, what let go last, and what was copied. One sentence for each
// is what a person wants to know about a zero-copy send.
import * as trace from "../../assembly/abi/trace.ts";
import { IORING_CQE_F_MORE, IORING_CQE_F_NOTIF } from "../../assembly/abi/uapi.ts";
import type { TraceRecord } from "./decode.ts";
import { copyBecause, duration, plainResult, refBecause, refShort, sizeText } from "./words.ts";

export interface Notification {
  /** #1, #2, ... in the order in which they were allocated. */
  label: string;
  user_data: bigint;
  refs: number;
  /** When it was allocated: at the submission; in the slot era with the first send to its slot. */
  allocated_ns: bigint;
  /** Result and time of the send's own CQE. */
  sent?: { res: number; time_ns: bigint };
  /** When its slot let go of it; notifications of later eras have none. */
  flushed_ns?: bigint;
  /** Time of the notification's CQE. */
  posted_ns?: bigint;
  /** REF_* of the last reference, and of the last one that the network held. */
  lastRef?: number;
  lastNetworkRef?: number;
  attached: boolean;
  copiedBytes: number;
  copyReason: number;
  reportsCopied: boolean;
  chainedTo?: string;
  /** user_data of the CQE that tells that the buffer is free. */
  told_by: bigint;
  /** CQES_*: which CQEs its send posts, where it is not the usual two. */
  cqes: number;
  /** Index of the record that made it known. */
  since: number;
  /** It is told by the error queue of its socket (MSG_ZEROCOPY), not by a CQE. */
  isRecord: boolean;
  /** When the last reference went. */
  done_ns?: bigint;
}

const OWN_REFS: readonly number[] = [trace.REF_REQUEST, trace.REF_SLOT, trace.REF_LINKED];
/** The CQE that tells of the end has the result, too. */
const HAS_RESULT = trace.CQES_ONE | trace.CQES_RESULT;
const isOne = ({ cqes }: Notification): boolean => (cqes & trace.CQES_ONE) !== 0;

export class Notifications {
  readonly all: Notification[] = [];
  readonly #byObject = new Map<number, Notification>();
  readonly #byRequest = new Map<number, Notification>();
  /** The last CQE of each user_data that is no notification's. */
  readonly #last = new Map<bigint, TraceRecord>();

  /** The notification (or MSG_ZEROCOPY record) of a trace object, made known if it was not. */
  of(record: TraceRecord): Notification {
    return this.#byObject.get(record.object) ?? this.#add(record);
  }

  labelOf(object: number): string {
    return this.#byObject.get(object)?.label ?? `0x${object.toString(16)}`;
  }

  #add(record: TraceRecord): Notification {
    const notification: Notification = {
      label: `#${this.all.length + 1}`,
      user_data: record.a,
      refs: 1,
      attached: false,
      copiedBytes: 0,
      copyReason: trace.COPY_NONE,
      reportsCopied: false,
      told_by: record.a,
      allocated_ns: record.time_ns,
      cqes: 0,
      since: record.index,
      isRecord: record.event === trace.TR_NOTIF_ALLOC && record.b === 0,
    };
    this.all.push(notification);
    this.#byObject.set(record.object, notification);
    return notification;
  }

  add(record: TraceRecord): void {
    switch (record.event) {
      case trace.TR_NOTIF_ALLOC:
        this.#byRequest.set(record.b, this.#add(record));
        return;
      case trace.TR_UBUF_GET: {
        const notification = this.of(record);
        notification.refs = record.b;
        if (record.c === trace.REF_SKB) notification.attached = true;
        return;
      }
      case trace.TR_UBUF_PUT: {
        const notification = this.of(record);
        notification.refs = record.b;
        if (record.c === trace.REF_SLOT) notification.flushed_ns = record.time_ns;
        if (!OWN_REFS.includes(record.c)) notification.lastNetworkRef = record.c;
        return;
      }
      case trace.TR_UBUF_COPY: {
        const notification = this.of(record);
        notification.copiedBytes += record.b;
        notification.copyReason = record.c;
        return;
      }
      case trace.TR_NOTIF_LINK:
        this.of(record).chainedTo = this.labelOf(record.b);
        return;
      case trace.TR_NOTIF_DONE:
        this.of(record).lastRef = record.c;
        this.of(record).done_ns = record.time_ns;
        return;
      case trace.TR_NOTIF_USAGE: {
        const notification = this.of(record);
        notification.reportsCopied = record.b === 1;
        if (record.c !== trace.COPY_NONE && notification.copyReason === trace.COPY_NONE)
          notification.copyReason = record.c;
        return;
      }
      case trace.TR_NOTIF_CQES: {
        const notification = this.of(record);
        notification.told_by = record.a;
        notification.cqes = record.b;
        // A notification of 6.0 may end in silence when the CQE of its request is there already.
        const before = this.#last.get(record.a);
        if (isOne(notification) && before !== undefined && before.index > notification.since)
          this.#posted(notification, before);
        return;
      }
      case trace.TR_IO_URING_COMPLETE:
        this.#complete(record);
        return;
    }
  }

  #posted(notification: Notification, record: TraceRecord): void {
    notification.posted_ns = record.time_ns;
    if (notification.cqes & HAS_RESULT) notification.sent ??= { res: plainResult(record.b), time_ns: record.time_ns };
  }

  /**
   * A CQE says which request it is of; one that comes from the overflow list only its user_data, so the oldest notification that
   * still waits for such a CQE is meant.
   */
  #complete(record: TraceRecord): void {
    const own = this.#byRequest.get(record.object);
    if (own !== undefined && own.lastRef !== undefined && own.posted_ns === undefined) {
      if (own.flushed_ns !== undefined) own.user_data = record.a; // a flush may have given it another tag
      this.#posted(own, record);
      return;
    }
    if (!(record.c & IORING_CQE_F_NOTIF)) this.#last.set(record.a, record);
    const same = this.all.filter(({ user_data }) => user_data === record.a);
    const waiting = this.all.find(
      (each) =>
        each.posted_ns === undefined && each.told_by === record.a && isOne(each) === !(record.c & IORING_CQE_F_NOTIF),
    );
    if (record.c & IORING_CQE_F_NOTIF || (waiting !== undefined && isOne(waiting))) {
      if (waiting !== undefined) this.#posted(waiting, record);
    } else if (record.c & IORING_CQE_F_MORE) {
      const waiting = same.find(({ sent }) => sent === undefined);
      if (waiting !== undefined) waiting.sent = { res: record.b | 0, time_ns: record.time_ns };
    }
  }
}

function whenText(notification: Notification): string {
  const { posted_ns, lastRef, lastNetworkRef, chainedTo, attached, refs, isRecord, done_ns, allocated_ns } =
    notification;
  if (isRecord && done_ns !== undefined) {
    const why = lastNetworkRef === undefined ? "" : `, because ${refBecause(lastNetworkRef)}`;
    return `${duration(done_ns - allocated_ns)} after the call, with a record in the error queue${why}`;
  }
  if (posted_ns === undefined) {
    if (lastRef !== undefined)
      return "the buffer is free, but no CQE says so: nobody entered the kernel to run task work";
    return `not by the end of the program: ${refs} reference${refs === 1 ? " is" : "s are"} still held`;
  }
  if (isOne(notification))
    return lastNetworkRef === undefined
      ? "with its only CQE"
      : `with its only CQE, because ${refBecause(lastNetworkRef)}`;
  const { event, since } = before(notification);
  const when = posted_ns === since ? `right after ${event}` : `${duration(posted_ns - since)} after ${event}`;
  if (chainedTo !== undefined) return `${when}, together with ${chainedTo}, whose skb it shares`;
  if (lastRef === undefined) return when;
  if (lastRef === trace.REF_LINKED) return `${when}, because the last notification chained to it was released`;
  if (lastRef !== trace.REF_REQUEST) return `${when}, because ${refBecause(lastRef)}`;
  if (lastNetworkRef !== undefined)
    return `${when}: the network had let go before, because ${refBecause(lastNetworkRef)}`;
  return attached ? `${when}: the request was its last holder` : `${when}: no skb ever held the buffer`;
}

/** What a person waits from. */
function before({ sent, flushed_ns, allocated_ns, posted_ns, cqes }: Notification): { event: string; since: bigint } {
  if (sent !== undefined && sent.time_ns !== posted_ns) return { event: "the send's CQE", since: sent.time_ns };
  if (flushed_ns !== undefined) return { event: "the flush", since: flushed_ns };
  if (cqes & trace.CQES_SKIP)
    return { event: "the submission (IOSQE_CQE_SKIP_SUCCESS: success posts no other CQE)", since: allocated_ns };
  if (sent !== undefined) return { event: "the send's CQE", since: sent.time_ns };
  return { event: "the submission", since: allocated_ns };
}

function copyText(notification: Notification): string {
  const { copyReason, copiedBytes, reportsCopied, posted_ns, attached, sent, isRecord, done_ns } = notification;
  if (copyReason === trace.COPY_NONE) {
    if (isRecord && done_ns !== undefined) return "no";
    if (posted_ns === undefined) return "not so far";
    if (attached) return "no: every frame was read from the buffer itself";
    return (sent?.res ?? 0) > 0 ? "no" : "no: nothing was sent";
  }
  const what = copiedBytes > 0 ? `${copiedBytes} bytes` : "yes";
  const reported = reportsCopied || isRecord ? "reported as COPIED" : "not reported, as the send did not ask for it";
  return `${what}, ${reported}: ${copyBecause(copyReason)}`;
}

/** Why the notification came when it came, and why the bytes were copied or not. */
export function explainNotification(notification: Notification): string[] {
  const { label, user_data, sent } = notification;
  const size = sent === undefined ? "" : `, ${sizeText(sent.res)}`;
  return [
    `${label} ud=${user_data}${size}`,
    `    when:    ${whenText(notification)}`,
    `    copied:  ${copyText(notification)}`,
  ];
}

/** One change of the reference count, for the column of the timeline. */
export function describeReference(notification: Notification, before: number, record: TraceRecord): string {
  return `${notification.label} ${before} -> ${record.b}  ${refShort(record.c)}${record.b === 0 ? ": free" : ""}`;
}
