// Follows the notifications: who took each reference, who dropped it, what was copied for them, which sends they belong to.
import { IORING_NOTIF_SLOTLESS } from "../../assembly/abi/notif_slots.ts";
import * as trace from "../../assembly/abi/trace.ts";
import { copyName, refName, type TraceRecord } from "../trace/decode.ts";
import { copyBecause } from "../trace/words.ts";
import type { Areas } from "./areas.ts";
import { type Life, Note, type OpenReference } from "./life.ts";
import type { Copy } from "./shape.ts";

const OWN_REFS: readonly number[] = [trace.REF_REQUEST, trace.REF_LINKED, trace.REF_SLOT];

/** Where in the path a copy is made. */
const COPY_PLACES: Record<number, string> = {
  [trace.COPY_NO_SG]: "in the send call",
  [trace.COPY_FRAGMENTED]: "in the IP layer, when the datagram was cut",
  [trace.COPY_LOCAL_DELIVERY]: "on delivery, before the receiving socket gets the skb",
  [trace.COPY_TAP]: "at a packet tap",
  [trace.COPY_TIMESTAMP]: "in the driver, for the record of the time stamp",
  [trace.COPY_LINEARIZE]: "on the way to the device",
};

export class Notes {
  readonly all: Note[] = [];
  readonly #byObject = new Map<number, Note>();
  /** By the request that posts the CQE. */
  readonly #byRequest = new Map<number, Note>();
  readonly #areas: Areas;
  /** A reference that was taken and whose taker is not known yet: the next record names it. */
  #taken: { note: Note; reference: OpenReference } | undefined;
  /** The reference that the next put drops. */
  #dropping: { note: Note; reference: OpenReference } | undefined;
  /** The notification whose last reference went: the one that it is chained to is put next. */
  #ended: Note | undefined;
  #delivery = "";

  constructor(areas: Areas) {
    this.#areas = areas;
  }

  of(object: number): Note | undefined {
    return this.#byObject.get(object);
  }

  ofRequest(request: number): Note | undefined {
    return this.#byRequest.get(request);
  }

  /** The memory of `request` is used for something else from now on. */
  forgetRequest(request: number): void {
    this.#byRequest.delete(request);
  }

  /** A device that received a packet: where the next delivery happens. */
  delivers(device: string): void {
    this.#delivery = device;
  }

  /** One record of a zero-copy event. */
  add(record: TraceRecord): void {
    if (record.event === trace.TR_NOTIF_ALLOC) {
      this.#add(record);
      return;
    }
    const note = this.#byObject.get(record.object);
    if (note === undefined) return;
    switch (record.event) {
      case trace.TR_NOTIF_LINK:
        this.#link(note, record);
        return;
      case trace.TR_NOTIF_SLOT: {
        note.isSlotEra = true;
        note.sequence = record.c;
        if (record.b === IORING_NOTIF_SLOTLESS) return;
        note.slot = record.b;
        const [own] = note.references;
        Object.assign(own, { kind: trace.REF_SLOT, taken_for: refName(trace.REF_SLOT), holder: `slot ${record.b}` });
        return;
      }
      case trace.TR_NOTIF_CQES:
        note.cqes = record.b;
        note.userData = record.a;
        if (note.isOnlyCqe) for (const { completion } of note.lives) note.posted ??= completion && postedOf(completion);
        return;
      case trace.TR_UBUF_GET:
        note.refs = record.b;
        this.#taken = { note, reference: take(note, record.c, record.time_ns, takerOf(record.c)) };
        return;
      case trace.TR_UBUF_PUT:
        this.#put(note, record);
        return;
      case trace.TR_UBUF_SKB:
        this.#carry(note, record);
        return;
      case trace.TR_UBUF_SKB_END: {
        const area = this.#areas.end(record);
        if (area?.reference !== undefined) this.#dropping = { note, reference: area.reference };
        return;
      }
      case trace.TR_UBUF_COPY:
        note.copies.push(this.#copy(record));
        return;
      case trace.TR_NOTIF_DONE:
        note.done = { ns: record.time_ns, tick: record.index };
        note.lastRef = record.c;
        return;
      case trace.TR_NOTIF_USAGE:
        note.reportsCopied = record.b === 1;
        note.usage = record.c;
        return;
    }
  }

  #add({ object, a, b, time_ns }: TraceRecord): void {
    const note = new Note(`#${this.all.length + 1}`, a, b === 0);
    take(note, trace.REF_REQUEST, time_ns, "request");
    this.all.push(note);
    this.#byObject.set(object, note);
    if (b !== 0) this.#byRequest.set(b, note);
  }

  #link(note: Note, { b }: TraceRecord): void {
    const head = this.#byObject.get(b);
    if (head === undefined) return;
    note.head = head;
    head.followers.push(note);
    if (this.#taken?.note !== head) return;
    this.#taken.reference.holder = `notification ${note.label}`;
    this.#taken.reference.follower = note;
    this.#taken = undefined;
  }

  #carry(note: Note, record: TraceRecord): void {
    note.wasCarried = true;
    // A datagram takes over the reference of the call that made it.
    const reference =
      this.#taken?.note === note
        ? this.#taken.reference
        : note.references.find(({ kind, dropped_ns }) => kind === trace.REF_REQUEST && dropped_ns === null);
    this.#taken = undefined;
    const area = this.#areas.carry(record, note, reference);
    if (reference === undefined) return;
    if (reference.kind === trace.REF_REQUEST) reference.kind = trace.REF_SKB;
    reference.holder = area.label;
  }

  #put(note: Note, { b, c, time_ns }: TraceRecord): void {
    note.refs = b;
    if (!OWN_REFS.includes(c)) note.lastNetworkRef = c;
    const reference = this.#dropped(note, c);
    this.#dropping = undefined;
    if (reference !== undefined) {
      reference.dropped_ns = Number(time_ns);
      reference.dropped_because = refName(c);
    }
    if (b > 0) return;
    this.#ended = note;
    // Nothing is put after it, and nothing tells that it is done but the head of its chain.
    if (note.head !== undefined) note.lastRef = c;
  }

  #dropped(note: Note, reason: number): OpenReference | undefined {
    if (this.#dropping?.note === note) return this.#dropping.reference;
    const open = note.references.filter(({ dropped_ns }) => dropped_ns === null);
    if (reason === trace.REF_LINKED) return open.find(({ follower }) => follower === this.#ended);
    return open.find(({ kind }) => kind === reason) ?? open.find(({ kind }) => kind === trace.REF_REQUEST);
  }

  #copy({ b, c, time_ns }: TraceRecord): Copy {
    // Without bytes it was no skb's that were copied: the datagram was built from copies.
    const where = (b === 0 ? COPY_PLACES[trace.COPY_NO_SG] : COPY_PLACES[c]) ?? "";
    const onDevice = c === trace.COPY_LOCAL_DELIVERY && this.#delivery !== "";
    return {
      bytes: b,
      at_ns: Number(time_ns),
      reason: copyName(c),
      place: onDevice ? `${this.#delivery}, ${where}` : where,
      because: copyBecause(c),
    };
  }
}

/** The CQE of a request, as that of its notification. */
export const postedOf = ({ at, res, flags }: NonNullable<Life["completion"]>) => ({ ...at, res, flags });

function take(note: Note, kind: number, time: bigint, holder: string): OpenReference {
  const reference: OpenReference = {
    on: note.label,
    holder,
    taken_for: refName(kind),
    taken_ns: Number(time),
    dropped_ns: null,
    dropped_because: null,
    kind,
  };
  note.references.push(reference);
  return reference;
}

function takerOf(reason: number): string {
  return reason === trace.REF_REQUEST ? "request" : reason === trace.REF_LINKED ? "chained notification" : "skb";
}
