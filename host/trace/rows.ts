// The rows of a timeline. One thing that happened is often several records of the trace: TCP builds a segment and a device
// transmits it, a frame arrives and TCP takes the segment from it, a device is done and drops a reference. Those read
// better as one row, so a record may complete the row of the one that it belongs to.
import * as trace from "../../assembly/abi/trace.ts";
import { contextName, type TraceRecord } from "./decode.ts";
import type { Wire } from "./wire.ts";
import { micros } from "./words.ts";

export interface Row {
  time: string;
  where: string;
  ring: string;
  wire: string;
  refs: string;
}

export type Entry = Row | { line: string } | { event: string };

export interface Cells {
  ring?: string;
  refs?: string;
}

// References that the request drops itself: whatever row is above did not cause that.
const OWN_REFS: readonly number[] = [trace.REF_REQUEST, trace.REF_LINKED];

export class Rows {
  readonly entries: Entry[] = [];
  readonly #wire: Wire;
  /** A segment that no device has transmitted yet, and a frame from which no segment was taken yet. */
  #leaving: { row: Row; segment: string; length: number } | undefined;
  #arrived: { row: Row; device: string } | undefined;
  /** A notification whose request was not submitted yet: prep comes before the submission is traced. */
  #allocated: Row | undefined;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  push(entry: Entry): void {
    this.entries.push(entry);
  }

  record(record: TraceRecord, cells: Cells): void {
    const { ring = "", refs = "" } = cells;
    if (this.#joinWire(record)) return;
    const wire = this.#wire.describe(record) ?? "";
    if (ring === "" && wire === "" && refs === "") return;
    if (refs !== "" && this.#joinRefs(record, refs)) return;
    const row = { time: micros(record.time_ns), where: contextName(record.context), ring, wire, refs };
    if (record.event === trace.TR_IO_URING_SUBMIT_REQ && this.#allocated !== undefined) {
      Object.assign(this.#allocated, { ring });
      this.#allocated = undefined;
      return;
    }
    this.entries.push(row);
    this.#remember(record, row);
  }

  #remember(record: TraceRecord, row: Row): void {
    // A record of MSG_ZEROCOPY belongs to a call, not to a request.
    if (record.event === trace.TR_NOTIF_ALLOC && record.b !== 0) this.#allocated = row;
    if (record.event === trace.TR_TCP_XMIT) {
      this.#leaving = { row, segment: row.wire, length: this.#wire.length(record) };
    }
    if (record.event === trace.TR_NET_DEV_RX) this.#arrived = { row, device: this.#wire.device(record) };
  }

  /** Completes the row of a segment with the device that transmits it, or the row of a frame with its segment. */
  #joinWire(record: TraceRecord): boolean {
    const { event } = record;
    if (event === trace.TR_NET_DEV_XMIT && this.#leaving !== undefined) {
      const { row, segment, length } = this.#leaving;
      this.#leaving = undefined;
      // A frame smaller than the segment is one of several that it was cut into on the way to the device.
      if (row.time !== micros(record.time_ns) || record.b < length) return false;
      row.wire = `${this.#wire.device(record)} > ${segment}, ${this.#wire.size(record)}`;
      return true;
    }
    if (event === trace.TR_TCP_RCV && this.#arrived !== undefined) {
      const { row, device } = this.#arrived;
      this.#arrived = undefined;
      row.wire = `${device} < ${this.#wire.segment(record)}`;
      return true;
    }
    return false;
  }

  /** A reference that changes because of what happened on the wire goes beside it. */
  #joinRefs(record: TraceRecord, refs: string): boolean {
    const last = this.entries.at(-1);
    if (last === undefined || !("wire" in last) || last.wire === "" || last.refs !== "") return false;
    if (last.time !== micros(record.time_ns) || last.where !== contextName(record.context)) return false;
    if (record.event === trace.TR_UBUF_PUT && OWN_REFS.includes(record.c)) return false;
    last.refs = refs;
    return true;
  }
}
