// The generator and what is built on it, without a kernel: programs repeat, are programs, mean the same on a machine that
// was used before, and the shrinker finds the short program behind a long one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { STATE_BASE } from "../../assembly/abi/layout.ts";
import "../../host/cli/node.ts";
import { runCampaign, toScenario } from "../../host/fuzz/campaign.ts";
import { Emulator } from "../../host/fuzz/emulator.ts";
import { generate } from "../../host/fuzz/generate.ts";
import { addHints } from "../../host/fuzz/hints.ts";
import { type AskKernel, Judge } from "../../host/fuzz/judge.ts";
import { findModelled } from "../../host/fuzz/modelled.ts";
import { PROFILES } from "../../host/fuzz/profiles.ts";
import { RULES } from "../../host/fuzz/rules/index.ts";
import { shrink } from "../../host/fuzz/shrink.ts";
import { Machine } from "../../host/machine.ts";
import { fnv1a32, type ProgramEvent } from "../../host/program/events.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";

const program = (seed: number, index: number, profile = "all", length = 20) =>
  generate({ seed, index, length, profile: PROFILES[profile] });

test("a seed and a number name one program", () => {
  assert.equal(program(1, 7), program(1, 7));
  const texts = new Set(Array.from({ length: 50 }, (_, index) => program(1, index)));
  assert.equal(texts.size, 50);
  assert.notEqual(program(1, 7), program(2, 7));
});

test("every profile writes programs of the language", () => {
  for (const profile of Object.keys(PROFILES)) {
    for (let index = 0; index < 60; index++) parseProgram(program(3, index, profile), `${profile} ${index}`);
  }
});

test("every rule is used", () => {
  const used = new Set<string>();
  for (const profile of Object.values(PROFILES)) {
    for (let index = 0; index < 60; index++) {
      generate({ seed: 4, index, length: 60, profile, onRule: ({ name }) => used.add(name) });
    }
  }
  assert.deepEqual(
    RULES.map(({ name }) => name).filter((name) => !used.has(name)),
    [],
  );
});

test("hints are the amounts that the emulator saw; the last settle looks without", () => {
  const events: ProgramEvent[] = [
    { step: 2, op: "settle", ev: "cqe", ud: 1, res: 0, flags: 0 },
    { step: 2, op: "settle", ev: "settled", n: 1 },
    { step: 3, op: "recv", ev: "recv", ret: -1, errno: "EAGAIN" },
    { step: 5, op: "settle", ev: "settled", n: 0 },
  ];
  assert.equal(
    addHints("setup 8\nsettle 30\nrecv B 5\nring\nsettle 30\n", events),
    "setup 8\nsettle 30 #=1\nrecv B 5 #=0\nring\nsettle 30\n",
  );
});

test("the shrinker keeps what matters", async () => {
  const long = program(5, 0, "zc", 40).replace(
    "ring\n",
    "sqe sendmsg_zc fd=A msg=m ud=900 flags=IO_DRAIN|ASYNC\nring\n",
  );
  const short = await shrink(
    long,
    async (text) => /^sqe sendmsg_zc .*ud=900 .*IO_DRAIN/m.test(text) && /^setup 8/m.test(text),
  );
  assert.equal(short, "setup 8\nsqe sendmsg_zc fd=A ud=900 flags=IO_DRAIN\n");
});

/** A kernel that is the emulator, but for one thing. */
function almostKernel(emulator: Emulator, wrong: (line: string) => boolean): AskKernel {
  return async (text) => {
    const { events, outcome } = await emulator.run(text);
    const lines = text.split("\n");
    const changed = events.map((event) =>
      wrong(lines[event.step - 1] ?? "") && event.ev === "enter" ? { ...event, ret: 99 } : event,
    );
    return { events: changed, exit: 0, killed: outcome.kind === "waits", stderr: "", spent_ms: 1 };
  };
}

test("a planted difference is found, shrunk and written down", async () => {
  const emulator = new Emulator("release");
  const modelled = await findModelled(emulator);
  assert.ok(modelled.ops.has(47) && !modelled.ops.has(28)); // OPENAT2 has no files to open
  const judge = new Judge(
    emulator,
    almostKernel(emulator, (line) => line.startsWith("submitwait")),
    { again: 1, seeds: 1 },
  );
  const options = { seed: 1, from: 0, count: 40, length: 20, profile: PROFILES.zc, modelled, limit: 1, shrink: true };
  const { differences, counts } = await runCampaign([judge], options, { onDifference() {}, onProgress() {} });
  assert.equal(counts.different, 1);
  assert.ok(counts.same > 0);
  const [difference] = differences;
  assert.match(difference.shrunk, /^(setup .*\n)?submitwait \d\n$/);
  const scenario = toScenario("planted", difference) as { observed: object[]; program: string[] };
  assert.ok(scenario.program.some((line) => line.startsWith("submitwait")));
  assert.ok(scenario.observed.some((event) => "ret" in event && event.ret === 99));
});

test("a crash or a leak of ours is a difference, whatever the kernel says and whichever seed shows it", async () => {
  const theirs = { events: [], killed: false, stderr: "no", spent_ms: 1 };
  const broken = { events: [], outcome: { kind: "leak" as const, report: "1 skb" }, spent_ms: 1 };
  class Breaks extends Emulator {
    readonly #under: number;
    constructor(under: number) {
      super("release");
      this.#under = under;
    }
    override run(text: string, seed = 0) {
      return seed === this.#under ? Promise.resolve(broken) : super.run(text, seed);
    }
  }
  const options = { again: 0, seeds: 2 };
  const refusing = new Judge(new Breaks(0), async () => ({ ...theirs, exit: 2 }), options);
  assert.equal((await refusing.judge("setup 8\n")).verdict, "different");
  // Seed 2 would agree.
  const differing = new Judge(new Breaks(1), async () => ({ ...theirs, exit: 0 }), options);
  const { verdict, seed, report } = await differing.judge("setup 8\n");
  assert.deepEqual([verdict, seed, report], ["different", 1, "1 skb"]);
});

test("the same program gives the same events twice, whatever ran between", async () => {
  const emulator = new Emulator("debug");
  const events = async (index: number) =>
    JSON.stringify((await emulator.run(program(6, index))).events, (_key, value) =>
      typeof value === "bigint" ? `${value}` : value,
    );
  const first: number[] = [];
  for (let index = 0; index < 20; index++) first.push(fnv1a32(new TextEncoder().encode(await events(index))));
  for (let index = 19; index >= 0; index--)
    assert.equal(fnv1a32(new TextEncoder().encode(await events(index))), first[index], `program ${index}`);
});

test("a cleared machine is zero memory", async () => {
  let machine = await Machine.create({ build: "debug" });
  for (let index = 0; index < 12; index++) {
    runProgram(machine, parseProgram(program(8, index, index % 2 === 0 ? "all" : "net", 30), `program ${index}`));
    machine.exports.clear();
    const words = new BigUint64Array(machine.core.memory.wasm.buffer);
    const dirty = words.findIndex((word, at) => at >= STATE_BASE / 8 && word !== 0n);
    assert.equal(dirty < 0 ? "" : `0x${(dirty * 8).toString(16)}`, "", `program ${index}`);
    machine = Machine.recycle(machine);
  }
});

test("300 programs of every profile leave nothing behind, and break no assertion of the debug build", async () => {
  const emulator = new Emulator("debug");
  const profiles = Object.keys(PROFILES);
  for (let index = 0; index < 300; index++) {
    const text = program(9, index, profiles[index % profiles.length], 30);
    const { outcome } = await emulator.run(text);
    assert.ok(
      outcome.kind !== "crash" && outcome.kind !== "leak",
      `${"report" in outcome ? outcome.report : ""}\n${text}`,
    );
  }
});
