// The releases as behaviour: programs that one release answers in another way than the one before it (tests/data/releases.json;
// docs/profiles.md says where each difference comes from), on the debug build, asked for leaks.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { findLeaks, restingCounts } from "../../host/core/leaks.ts";
import { Emulator } from "../../host/fuzz/emulator.ts";
import { generate } from "../../host/fuzz/generate.ts";
import { PROFILES as AREAS } from "../../host/fuzz/profiles.ts";
import { Machine } from "../../host/machine.ts";
import { parseRecordings } from "../../host/conform/recordings.ts";
import { DEFAULT_PROFILE, PROFILES } from "../../host/profile/profiles.ts";
import type { ProgramEvent } from "../../host/program/events.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";

declare const RINGZERO_ROOT: string;

interface Difference {
  name: string;
  source: string;
  program: string[];
  /** Kinds of events that are compared; without it CQEs alone. */
  events?: string[];
  /** `first-last`, or one profile: what it prints. */
  answers: Record<string, string[]>;
}

const COPIED = -2147483648;
const RELEASES = PROFILES.map(({ name }) => name).filter((name) => /^\d/.test(name));

/** `ud res flags` of a CQE (C = COPIED; M, N, B = F_MORE, F_NOTIF, F_BUFFER), the result of a call. */
function line({ ev, ud, res, err, flags, ret, errno, v }: ProgramEvent): string {
  if (ev === "say") return "say";
  if (ev === "get") return `get ${v}`;
  if (ev !== "cqe") return `${ev} ${errno ?? ret}`;
  const letters = [
    ...(Number(flags) & 2 ? "M" : ""),
    ...(Number(flags) & 8 ? "N" : ""),
    ...(Number(flags) & 1 ? "B" : ""),
  ];
  return `${ud} ${res === COPIED ? "C" : (err ?? res)} ${letters.join("") || "-"}`;
}

async function run(profile: string, text: string, kinds: string[], seed = 0) {
  const program = parseProgram(text, "program");
  const machine = await Machine.create({ build: "debug", profile, seed });
  const before = restingCounts(machine);
  const { events, outcome } = runProgram(machine, program);
  const lines = events.filter(({ ev }) => kinds.includes(ev)).map(line);
  if (outcome.kind === "waits") return [...lines, "waits"];
  if (outcome.kind === "not-modelled") return [...lines, "not modelled"];
  if (outcome.kind === "failed" && events.some(({ ev, errno }) => ev === "setup" && errno !== undefined))
    return [...lines, "no ring"];
  assert.equal(outcome.kind, "end", `${profile}\n${text}`);
  assert.deepEqual(findLeaks(machine, before), [], `${profile}\n${text}`);
  return lines;
}

/** The releases from `first` to `last`, both included. */
function releases(range: string): string[] {
  const [first, last = first] = range.split("-");
  const [from, to] = [RELEASES.indexOf(first), RELEASES.indexOf(last)];
  assert.ok(from >= 0 && to >= from, range);
  return RELEASES.slice(from, to + 1);
}

const differences: Difference[] = JSON.parse(readFileSync(join(RINGZERO_ROOT, "tests/data/releases.json"), "utf8"));

for (const { name, program, events = ["cqe"], answers } of differences) {
  test(name, async () => {
    for (const [range, expected] of Object.entries(answers)) {
      for (const profile of releases(range)) {
        assert.deepEqual(await run(profile, program.join("\n"), events), expected, profile);
      }
    }
  });
}

// A03: in 6.0 a worker flushed the notification at issue, and the submitter may be faster with its CQE.
test("the notification of a worker's send comes first in 6.0 with some seeds, and never later", async () => {
  const sends = [1, 2, 3].map((ud) => `sqe send_zc fd=A buf=b len=100 flags=ASYNC ud=${ud}`).join("\n");
  const text = `setup 8\npair A B udp lo\nbuf b 100\n${sends}\nsubmitwait 6 1000\nsettle`;
  const overtaken = async (profile: string, seed: number) => {
    const cqes = await run(profile, text, ["cqe"], seed);
    assert.equal(cqes.length, 6, cqes.join());
    return [1, 2, 3].some((ud) => cqes.indexOf(`${ud} 0 N`) < cqes.indexOf(`${ud} 100 M`));
  };
  const seeds = Array.from({ length: 40 }, (_, seed) => seed);
  const found = async (profile: string) => {
    const all = await Promise.all(seeds.map((seed) => overtaken(profile, seed)));
    return seeds.filter((seed) => all[seed]);
  };
  const old = await found("6.0");
  assert.ok(old.length > 0 && old[0] !== 0, old.join());
  assert.deepEqual(await found("6.1"), []);
});

// Every program that Linux 6.18 was asked runs in every release: it may answer otherwise, but nothing asserts, leaks or
// runs for ever. (A call that would wait for ever says so: "waits".)
for (const profile of RELEASES) {
  if (profile === DEFAULT_PROFILE) continue; // conform.test.ts
  test(`the recorded programs run as ${profile}`, async () => {
    const ended = new Map<string, number>();
    for (const file of ["linux-6.18.json", "spec-6.18.json"]) {
      const path = join(RINGZERO_ROOT, "tests/scenarios", file);
      for (const scenario of parseRecordings(readFileSync(path, "utf8"), path).scenarios) {
        const how = (await run(profile, scenario.program, [])).at(-1) ?? "end";
        ended.set(how, (ended.get(how) ?? 0) + 1);
      }
    }
    assert.ok((ended.get("end") ?? 0) > 150, JSON.stringify([...ended]));
  });
}

// Generated programs, valid and hostile, in releases on both sides of the largest changes.
const FUZZED = ["6.0", "6.4", "6.9", "6.12", "6.15", "6.17", "7.1"];
const PER_AREA = 6;

for (const profile of FUZZED) {
  test(`generated programs run as ${profile}`, async () => {
    const emulator = new Emulator("debug");
    for (const [name, area] of Object.entries(AREAS)) {
      for (let index = 0; index < PER_AREA; index++) {
        const text = generate({ seed: 41, index, length: 25, profile: area });
        const { outcome } = await emulator.run(`profile ${profile}\n${text}`, index % 3);
        assert.ok(
          outcome.kind !== "crash" && outcome.kind !== "leak",
          `${profile}, ${name} ${index}: ${outcome.kind} ${"report" in outcome ? outcome.report : ""}\n${text}`,
        );
      }
    }
  });
}
