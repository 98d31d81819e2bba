// A machine behaves as the kernel that it was made as: what the table says is what programs see.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { describeChanges, describeProfile } from "../../host/profile/describe.ts";
import { DEFAULT_PROFILE, PROFILES } from "../../host/profile/profiles.ts";
import { Machine } from "../../host/machine.ts";
import type { ProgramEvent } from "../../host/program/events.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";
import { ProgramSyntaxError } from "../../host/program/words.ts";

async function run(text: string): Promise<ProgramEvent[]> {
  const program = parseProgram(text, "program");
  const machine = await Machine.create({ build: "debug", ...program.machine });
  const { events, outcome } = runProgram(machine, program);
  assert.equal(outcome.kind, "end");
  return events;
}

test("feature bits, setup flags and opcodes come with their release", async () => {
  const features = async (name: string) => (await run(`profile ${name}\nsetup 4`))[0].features;
  assert.equal(await features("6.0"), 0x1fff);
  assert.equal(await features("6.3"), 0x3fff);
  assert.equal(await features("6.10"), 0x7fff);
  assert.equal(await features("6.18"), 0x3ffff);
  const errno = async (name: string, flags: string) => (await run(`profile ${name}\nsetup 4 ${flags}`))[0].errno;
  assert.equal(await errno("6.0", "SINGLE_ISSUER|DEFER_TASKRUN"), "EINVAL");
  assert.equal(await errno("6.1", "SINGLE_ISSUER|DEFER_TASKRUN"), undefined);
  const result = async (name: string, sqe: string) => {
    const events = await run(`profile ${name}\nsetup 4\nsqe ${sqe} ud=1\nsubmit\nreap`);
    return events.find(({ ev }) => ev === "cqe")?.res;
  };
  assert.equal(await result("6.15", "pipe addr=0"), -22);
  assert.equal(await result("6.16", "pipe addr=0"), -14);
});

test("the probe lists what the kernel knows", async () => {
  const probe = async (name: string) => {
    const events =
      await run(`profile ${name}\nsetup 4\nbuf b 4096\nput b 0 u64${" 0".repeat(50)}\nput b 400 u64${" 0".repeat(50)}
put b 800 u64${" 0".repeat(50)}\nput b 1200 u64${" 0".repeat(50)}\nput b 1600 u64${" 0".repeat(60)}\nreg REGISTER_PROBE &b 256\nget b 0 u8 2`);
    return events.find(({ ev }) => ev === "get")?.v;
  };
  assert.equal(await probe("6.0"), "47,48");
  assert.equal(await probe("6.18"), "62,63");
});

test("the profile comes first, once, and is one of the list", () => {
  for (const text of [
    "profile 6.99",
    "setup 4\nprofile 6.0",
    "profile 6.0\nprofile 6.1",
    "profile 6.0 nonsense",
    "profile 6.0 tw_order=9",
  ])
    assert.throws(() => parseProgram(text, "program"), ProgramSyntaxError, text);
  assert.deepEqual(parseProgram("profile rc3 tw_order=fifo", "program").machine, {
    profile: "rc3",
    switches: { tw_order: 1 },
  });
});

test("every profile boots and runs, and says what is new in it", async () => {
  for (const { name, id } of PROFILES) {
    const events = await run(`profile ${name}\nsetup 4\nsqe nop ud=7\nsubmitwait 1\nreap`);
    assert.ok(
      events.some(({ ev, ud }) => ev === "cqe" && String(ud) === "7"),
      name,
    );
    const { added, gone } = describeChanges(id);
    for (const word of [...added, ...gone]) assert.doesNotMatch(word, /_\d+$|undefined/, name);
  }
  assert.equal((await Machine.create()).profile, DEFAULT_PROFILE);
});

test("all that a profile has: the sum of what came and went up to it, with when it came, in words", () => {
  const has = new Map<string | undefined, Set<string>>([[undefined, new Set()]]);
  for (const { name, id } of PROFILES) {
    const { against, added, gone, does, stopped } = describeChanges(id);
    assert.equal(against === "aug16", false, "it was never merged");
    const then = has.get(against);
    assert.ok(then, name);
    const now = new Set([...then, ...added, ...does].filter((word) => !gone.includes(word) && !stopped.includes(word)));
    has.set(name, now);
    const items = describeProfile(id);
    assert.deepEqual(new Set(items.map((item) => item.name)), now, name);
    for (const item of items) {
      if (/behaviours|limits/.test(item.kind)) assert.match(item.name, /^\S+( \S+)+$/, "a sentence");
      const { id: since = -1 } = PROFILES.find((profile) => profile.name === item.since) ?? {};
      assert.ok(since >= 0 && since <= id, `${name}: ${item.name} since ${item.since}`);
      assert.ok(has.get(item.since)?.has(item.name), `${name}: ${item.name} since ${item.since}`);
      const { against: earlier } = describeChanges(since);
      assert.ok(!has.get(earlier)?.has(item.name), `${item.name} was there before ${item.since}`);
    }
  }
  const { against } = describeChanges(PROFILES.find(({ name }) => name === "6.0")?.id ?? -1);
  assert.equal(against, "rc3");
});
