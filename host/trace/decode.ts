// Reads the trace ring out of a machine's memory (layout and events: assembly/abi/trace.ts).
import * as trace from "../../assembly/abi/trace.ts";
import type { Machine } from "../machine.ts";

export interface TraceRecord {
  /** Position in the trace, counted from 0 since boot. */
  index: number;
  time_ns: bigint;
  /** TR_* */
  event: number;
  /** TRACE_CTX_* */
  context: number;
  object: number;
  a: bigint;
  b: number;
  c: number;
}

function constantNames(prefix: string): Map<number, string> {
  const found = Object.entries(trace).filter(([name]) => name.startsWith(prefix));
  return new Map(found.map(([name, value]) => [value, name.slice(prefix.length).toLowerCase()]));
}

const EVENT_NAMES = constantNames("TR_");
const CONTEXT_NAMES = new Map([...constantNames("TRACE_CTX_")].map(([value, name]) => [value, name.replace("_", " ")]));
const REF_NAMES = constantNames("REF_");
const COPY_NAMES = constantNames("COPY_");

/** The kernel's tracepoint where one exists: `io_uring_submit_req`, `net_dev_xmit`, ... */
export const eventName = (event: number): string => EVENT_NAMES.get(event) ?? `event_${event}`;
export const contextName = (context: number): string => CONTEXT_NAMES.get(context) ?? `context ${context}`;
export const refName = (reason: number): string => REF_NAMES.get(reason) ?? `ref_${reason}`;
export const copyName = (reason: number): string => COPY_NAMES.get(reason) ?? `copy_${reason}`;

export class TraceReader {
  readonly #machine: Machine;
  #next = 0;
  /** Records that were overwritten before anybody read them. */
  lost = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Records written since boot. */
  head(): number {
    return this.#machine.core.memory.view.getUint32(this.#machine.exports.trace_ring() + trace.TRACE_HDR_HEAD, true);
  }

  /** The records written since the last call. */
  read(): TraceRecord[] {
    const { view } = this.#machine.core.memory;
    const header = this.#machine.exports.trace_ring();
    const capacity = view.getUint32(header + trace.TRACE_HDR_CAPACITY, true);
    const base = view.getUint32(header + trace.TRACE_HDR_RECORDS, true);
    const head = this.head();
    if (head - this.#next > capacity) {
      this.lost += head - capacity - this.#next;
      this.#next = head - capacity;
    }
    const records: TraceRecord[] = [];
    for (; this.#next < head; this.#next++) {
      const at = base + (this.#next & (capacity - 1)) * trace.TRACE_REC_SIZE;
      const event = view.getUint32(at + trace.TRACE_REC_EVENT, true);
      records.push({
        index: this.#next,
        time_ns: view.getBigUint64(at + trace.TRACE_REC_TIME, true),
        event: event & 0xffffff,
        context: event >>> 24,
        object: view.getUint32(at + trace.TRACE_REC_OBJECT, true),
        a: view.getBigUint64(at + trace.TRACE_REC_A, true),
        b: view.getUint32(at + trace.TRACE_REC_B, true),
        c: view.getUint32(at + trace.TRACE_REC_C, true),
      });
    }
    return records;
  }
}

/** One record on one line, its words as numbers: for a reader that is a program, or a person who knows the core. */
export function formatRecord(record: TraceRecord): string {
  const { time_ns, event, context, object, a, b, c } = record;
  const where = contextName(context).padEnd(9);
  return `${(Number(time_ns) / 1000).toFixed(3).padStart(12)} ${where} ${eventName(event).padEnd(26)} 0x${object.toString(16)} a=${a} b=${b} c=${c}`;
}
