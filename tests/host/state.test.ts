// The loose variables of the core are addresses that a person wrote down: no two of them may meet.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as layout from "../../assembly/abi/layout.ts";

declare const RINGZERO_ROOT: string;

const LINE = /^export const (\w+): usize = ([\w\s+]+);(?:\s*\/\/ (.*))?$/gm;

interface Variable {
  name: string;
  start: number;
  end: number;
}

/** A variable is 4 bytes, or what its comment says: "u64 ...", "... 136 bytes". Sums of names and numbers. */
function variables(): Variable[] {
  const known = new Map<string, number>(Object.entries(layout));
  const found: Variable[] = [];
  for (const file of ["lib/state.ts", "net/scratch.ts"]) {
    const text = readFileSync(join(RINGZERO_ROOT, "assembly", file), "utf8");
    for (const [, name, sum, comment = ""] of text.matchAll(LINE)) {
      const start = sum.split("+").reduce((total, word) => total + (known.get(word.trim()) ?? Number(word)), 0);
      assert.ok(Number.isInteger(start), `${file}: the address of ${name} is not a sum of known names and numbers`);
      known.set(name, start);
      const bytes = /(\d+) bytes/.exec(comment)?.[1];
      found.push({ name, start, end: start + (bytes ? Number(bytes) : /\bu64\b/.test(comment) ? 8 : 4) });
    }
  }
  return found;
}

test("no two variables of the core share an address", () => {
  const sorted = variables()
    .filter(({ name }) => name !== "SYSCALL_SCRATCH") // a region: net/scratch.ts lays it out
    .sort((a, b) => a.start - b.start);
  assert.ok(sorted.length > 60, "the declarations were not found");
  const clashes = sorted.slice(1).flatMap((next, index) => {
    const before = sorted[index];
    return next.start < before.end ? [`${before.name} and ${next.name} at 0x${next.start.toString(16)}`] : [];
  });
  assert.deepEqual(clashes, []);
});
