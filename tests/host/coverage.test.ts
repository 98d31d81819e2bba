// What the core models is covered by what Linux was asked: every opcode, register opcode and system call that a program can
// use is in at least one recorded program.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { parseRecordings } from "../../host/conform/recordings.ts";
import { Emulator } from "../../host/fuzz/emulator.ts";
import { findModelled } from "../../host/fuzz/modelled.ts";
import { FLAGS, SQE_OPS } from "../../host/program/vocabulary.ts";

declare const RINGZERO_ROOT: string;

/** Steps of the language that are io_uring_register by another name. */
const REGISTER_STEPS: Record<string, string> = {
  regbuf: "REGISTER_BUFFERS",
  unregbuf: "UNREGISTER_BUFFERS",
  regfile: "REGISTER_FILES",
  enable: "REGISTER_ENABLE_RINGS",
};

function recordedLines(): string[][] {
  const folder = join(RINGZERO_ROOT, "tests/scenarios");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => parseRecordings(readFileSync(join(folder, name), "utf8"), name).scenarios)
    .flatMap(({ program }) => program.split("\n").map((line) => line.trim().split(/\s+/)));
}

function nameOf(names: Readonly<Record<string, number>>, value: number, prefix = ""): string {
  return Object.keys(names).find((name) => names[name] === value && name.startsWith(prefix)) ?? String(value);
}

test("Linux was asked about everything that is modelled", async () => {
  const lines = recordedLines();
  const words = (step: string) => new Set(lines.filter(([first]) => first === step).map((line) => line[1]));
  const ops = new Set([...words("sqe")].map((word) => SQE_OPS[word] ?? FLAGS[word] ?? Number(word)));
  const registers = new Set([...words("reg")].map((word) => FLAGS[word] ?? Number(word)));
  for (const [step, name] of Object.entries(REGISTER_STEPS)) if (words(step).size > 0) registers.add(FLAGS[name]);
  const calls = new Set([...words("sys")].map((word) => word.replace(/^\w+=/, "")));
  const modelled = await findModelled(new Emulator("release"));
  const missing = [
    ...[...modelled.ops].filter((op) => !ops.has(op)).map((op) => `sqe ${nameOf(SQE_OPS, op)}`),
    ...[...modelled.registers]
      .filter((opcode) => opcode < FLAGS.REGISTER_QUERY + 1 && !registers.has(opcode))
      .map((opcode) => `reg ${nameOf(FLAGS, opcode, "IORING_REGISTER")} (${opcode})`),
    ...[...modelled.calls].filter((call) => !calls.has(call)).map((call) => `sys ${call}`),
  ];
  assert.deepEqual(missing, []);
});
