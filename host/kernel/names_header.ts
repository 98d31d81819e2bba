// The words of the language as a C header, so that the harness and the emulator's parser know the same ones.
import { FLAGS, SQE_OPS, SYS_CALLS } from "../program/vocabulary.ts";

const entry = (name: string, value: string) => `{"${name}", ${value}},`;
const hex = (value: number) => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}ull`;

function define(macro: string, entries: string[]): string {
  return `#define ${macro} ${entries.join(" \\\n  ")}\n`;
}

/** A call that this machine's headers do not know is left out: a program that uses it is refused there. */
function callEntry(name: string): string {
  const macro = `CALL_${name}`;
  return `#ifdef SYS_${name}\n#define ${macro} ${entry(name, `SYS_${name}`)}\n#else\n#define ${macro}\n#endif\n`;
}

export function namesHeader(): string {
  const numbers = (names: Readonly<Record<string, number>>) =>
    Object.entries(names).map(([name, value]) => entry(name, hex(value)));
  return [
    "// Made from host/program/vocabulary.ts.\n",
    define("NAMES_OF_FLAGS", numbers(FLAGS)),
    define("NAMES_OF_OPCODES", numbers(SQE_OPS)),
    ...SYS_CALLS.map(callEntry),
    define(
      "NAMES_OF_CALLS",
      SYS_CALLS.map((name) => `CALL_${name}`),
    ),
  ].join("");
}
