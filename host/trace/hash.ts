// FNV-1a, 64 bits, over the records of a trace: equal hashes on two runtimes mean that the core did the same things in
// the same order at the same virtual times.
import type { TraceRecord } from "./decode.ts";

const PRIME = 0x100000001b3n;
const START = 0xcbf29ce484222325n;
const RECORD = 32;

export class TraceHash {
  #hash = START;
  readonly #record = new DataView(new ArrayBuffer(RECORD));

  add(record: TraceRecord): void {
    const view = this.#record;
    view.setBigUint64(0, record.time_ns, true);
    view.setUint32(8, record.event | (record.context << 24), true);
    view.setUint32(12, record.object, true);
    view.setBigUint64(16, record.a, true);
    view.setUint32(24, record.b, true);
    view.setUint32(28, record.c, true);
    for (let index = 0; index < RECORD; index++) {
      this.#hash = BigInt.asUintN(64, (this.#hash ^ BigInt(view.getUint8(index))) * PRIME);
    }
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    return this.#hash.toString(16).padStart(16, "0");
  }
}

export function hashTrace(records: Iterable<TraceRecord>): string {
  const hash = new TraceHash();
  for (const record of records) hash.add(record);
  return hash.digest();
}
