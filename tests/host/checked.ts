// Programs on the debug build that are asked for leaks when they end: what tests of profiles and proposals run.
import assert from "node:assert/strict";
import { findLeaks, restingCounts } from "../../host/core/leaks.ts";
import { Emulator } from "../../host/fuzz/emulator.ts";
import { generate } from "../../host/fuzz/generate.ts";
import { PROFILES } from "../../host/fuzz/profiles.ts";
import { Machine } from "../../host/machine.ts";
import type { ProgramEvent } from "../../host/program/events.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";

export interface Checked {
  events: ProgramEvent[];
  /** What the call that ends the run waits for, if one does. */
  report: string | undefined;
}

/** Runs `text` behind a line `profile ${machine}`. */
export async function runChecked(machine: string, text: string): Promise<Checked> {
  const program = parseProgram(`profile ${machine}\n${text}`, "program");
  const made = await Machine.create({ build: "debug", ...program.machine });
  const nic = /\bnic\b/.test(text);
  if (nic) made.nic();
  const before = restingCounts(made);
  const { events, outcome } = runProgram(made, program);
  assert.ok(outcome.kind === "end" || outcome.kind === "waits", JSON.stringify(outcome));
  if (outcome.kind === "end") {
    const left = findLeaks(made, before);
    assert.deepEqual(nic ? left.filter((text) => !text.endsWith(" data chunks")) : left, []); // a NIC keeps its receive buffers
  }
  return { events, report: outcome.kind === "end" ? undefined : outcome.report };
}

const FLAGS: readonly (readonly [bit: number, letter: string])[] = [
  [2, "M"],
  [8, "N"],
];

/** The CQEs that one operation showed, or all: "user_data result", with M for F_MORE and N for F_NOTIF. */
export function cqesOf({ events }: Checked, op?: string): string[] {
  const shown = events.filter((event) => event.ev === "cqe" && (op === undefined || event.op === op));
  return shown.map(({ ud, res, err, flags }) => {
    const result = err ?? (Number(res) < -4095 ? `${Number(res) & 0x7fff_ffff}C` : `${res}`);
    const letters = FLAGS.filter(([bit]) => Number(flags) & bit).map(([, letter]) => letter);
    return [`${ud}`, result, ...letters].join(" ");
  });
}

/** Generated programs, as the differ writes them, on such a machine: no panic, no leak, whatever they answer. */
export async function runRandom(machine: string, count: number, seed = 1): Promise<void> {
  const emulator = new Emulator("debug");
  for (let index = 0; index < count; index++) {
    const profile = PROFILES[index % 3 === 0 ? "all" : "zc"];
    const text = generate({ seed, index, length: 25, profile });
    const { outcome } = await emulator.run(`profile ${machine}\n${text}`);
    assert.ok(outcome.kind !== "crash" && outcome.kind !== "leak", `${index}: ${JSON.stringify(outcome)}\n${text}`);
  }
}
