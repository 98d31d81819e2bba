// What a program prints: one event per line of JSON, the same keys in the same order and of the same types as the C
// harness that recorded Linux. user_data is a u64, so a number that JavaScript cannot hold exactly is a BigInt.

import { printable, printableJson } from "../core/printable.ts";

export type EventValue = number | bigint | string;

export interface ProgramEvent {
  /** Line of the program that was running. */
  step: number;
  op: string;
  ev: string;
  [key: string]: EventValue;
}

/** A number while it is exact, else the BigInt. */
export function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function valueText(value: EventValue): string {
  return typeof value === "string" ? printableJson(JSON.stringify(value)) : String(value);
}

/** One line, without spaces, as the C harness prints it. */
export function formatEvent(event: ProgramEvent): string {
  const fields = Object.entries(event).map(([key, value]) => `${JSON.stringify(key)}:${valueText(value)}`);
  return `{${fields.join(",")}}`;
}

const BIG_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;
const BIG_MARK = "\u0001big:";

/** JSON.parse() that keeps integers beyond 2^53 as BigInt. */
export function parseJson(text: string): unknown {
  const marked = text.replace(BIG_NUMBERS, (token) =>
    token.startsWith('"') ? token : JSON.stringify(BIG_MARK + token),
  );
  return JSON.parse(marked, (_key, value) => {
    if (typeof value !== "string" || !value.startsWith(BIG_MARK)) return value;
    return exactNumber(BigInt(value.slice(BIG_MARK.length)));
  });
}

/** Readable form: `cqe ud=1 res=1000 flags=2`. */
export function describeEvent(event: ProgramEvent): string {
  const { step, op, ev, ...fields } = event;
  const words = Object.entries(fields).map(([key, value]) => `${key}=${value}`);
  return printable([`${step} ${op}:`, ev, ...words].join(" "));
}

/** FNV-1a, 32 bits: the hash of received bytes in events. */
export function fnv1a32(bytes: Uint8Array, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let index = 0; index < bytes.length; index++) hash = Math.imul(hash ^ bytes[index], 0x01000193);
  return hash >>> 0;
}
