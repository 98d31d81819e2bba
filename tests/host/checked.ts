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

/** The generator knows no slots: sends get one, and so do some other requests; some flush. */
function forSlots(text: string): string {
  let count = 0;
  const slot = () => `slot=${count++ % 4}`;
  const now = () => count++ % 3 === 0;
  return text
    .replace(/^setup .*$/gm, "$&\nnotifiers 1 2 3 4")
    .replace(/^sqe send_zc /gm, () => `sqe sendzc ${slot()} `)
    .replace(/^sqe sendmsg_zc /gm, () => `sqe sendmsgzc ${slot()} `)
    .replace(/^sqe send(msg|) /gm, (line, kind) =>
      now() ? `sqe send${kind}_notif ${slot()} ioprio=ZC_NOTIF|8 ` : line,
    )
    .replace(/^sqe nop /gm, (line) => (now() ? "sqe rsrc_update_notif len=3 " : line))
    .replace(/^(reap|ring)$/gm, (line) => (count++ % 8 === 0 ? "unnotifiers\nnotifiers 5 6 7 8" : line));
}

/** Generated programs, as the differ writes them, on such a machine: no panic, no leak, whatever they answer. */
export async function runRandom(machine: string, count: number, seed = 1): Promise<void> {
  const emulator = new Emulator("debug");
  for (let index = 0; index < count; index++) {
    const profile = PROFILES[index % 3 === 0 ? "all" : "zc"];
    const generated = generate({ seed, index, length: 25, profile });
    const text = /^(rfc|rc|aug)/.test(machine) ? forSlots(generated) : generated;
    const { outcome } = await emulator.run(`profile ${machine}\n${text}`);
    assert.ok(outcome.kind !== "crash" && outcome.kind !== "leak", `${index}: ${JSON.stringify(outcome)}\n${text}`);
  }
}
