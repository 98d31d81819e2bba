// Every example runs, says the same each time, and shows what its head comment promises.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

declare const RINGZERO_ROOT: string;

const folder = join(RINGZERO_ROOT, "examples");
const examples = readdirSync(folder).filter((name) => /\.(ts|zc)$/.test(name));

function run(...args: string[]) {
  const tool = join(RINGZERO_ROOT, "host/tools/example.mjs");
  const { status, stdout, stderr } = spawnSync(process.execPath, [tool, ...args], { encoding: "utf8" });
  return { status, stderr, lines: stdout.trimEnd().split("\n") };
}

/** What an example prints; it must print the same again. */
function output(name: string): string[] {
  const { status, stderr, lines } = run(name);
  assert.equal(stderr, "");
  assert.equal(status, 0);
  assert.deepEqual(run(name).lines, lines);
  return lines;
}

/** Without the times, which belong to the NIC's defaults. */
const words = (lines: string[]) => lines.map((line) => line.replace(/^ *[\d.]+ us +/, ""));

const EXPECTED: Record<string, (lines: string[]) => void> = {
  "send-zc-tcp.ts": (lines) => {
    assert.deepEqual(words(lines).slice(0, 4), [
      "connected",
      "submitted 1 SQE",
      "first CQE: 8000 bytes are in TCP's queue; the buffer still belongs to the kernel",
      "second CQE: the buffer is free again; its bytes were never copied",
    ]);
  },
  "udp-fixed-buffers.ts": (lines) => {
    const parts = [1, 2, 3, 4];
    const sent = parts.map((part) => `part ${part} is sent (1200 bytes)`);
    const free = parts.map((part) => `part ${part} is free again`);
    assert.deepEqual(words(lines), [...sent, ...free, "the peer got 4 datagrams: a b c d"]);
    const times = lines.slice(4, 8).map((line) => Number.parseFloat(line));
    assert.ok(times[0] === times[1] && times[1] < times[2] && times[2] === times[3], times.join(" "));
  },
  "buffer-reuse-bug.ts": (lines) => {
    assert.deepEqual(
      lines.map((line) => line.slice(-7, -3)),
      ["BBBB", "AAAA", "BBBB"],
    );
  },
  "lossy-link.ts": (lines) => {
    const longest = lines.slice(1).map((line) => Number(line.match(/([\d.]+) ms$/)?.[1]));
    assert.equal(longest.length, 5);
    assert.ok(longest[0] < 1, "without loss a round trip is enough");
    assert.ok(longest[4] > 200, "with much loss it takes timeouts");
  },
  "slots.ts": (lines) => {
    const free = (number: number, tag: string) => `  notification ${number} of tag ${tag}: its buffers are free`;
    const sent = (name: number) => `  CQE ${name}: 2000`;
    assert.deepEqual(lines, [
      "registered 2 slots: 0",
      "",
      "three sends to slot 0, the last one flushes it",
      ...[1, 2, 3].map(sent),
      free(0, "a"),
      "",
      "a send to slot 1, and no flush",
      sent(4),
      "",
      "1 ms later",
      "  nothing",
      "",
      "an update flushes slot 1 and gives it another tag",
      "  CQE 99: 0",
      free(0, "b"),
      "",
      "a send to slot 1 that flushes it",
      sent(5),
      free(1, "c"),
    ]);
  },
  "never-completes.zc": (lines) => {
    const text = lines.join("\n");
    assert.match(text, /not by the end of the program: 1 reference is still held/);
    assert.match(text, /recv ret=1000/);
  },
  "copied-or-not.zc": (lines) => {
    const text = lines.join("\n");
    assert.match(text, /CQE ud=1 res=0 F_NOTIF/);
    assert.match(text, /CQE ud=2 res=COPIED F_NOTIF/);
  },
};

for (const name of examples) {
  test(`examples/${name}`, () => {
    const text = readFileSync(join(folder, name), "utf8");
    assert.match(text, /^(\/\/|#) \S.*\n(\/\/|#)/, "a head comment says what it shows");
    const check = EXPECTED[name];
    assert.ok(check !== undefined, "an example without a test");
    check(output(name));
  });
}

test("the list of examples has a line for each, and a wrong name is bad input", () => {
  // The experiments are tested in thread.test.ts.
  const experiments = readdirSync(join(folder, "thread")).filter((name) => /^\d.*\.ts$/.test(name));
  const { lines: list } = run();
  assert.equal(list.filter((line) => /^\S/.test(line)).length, examples.length + experiments.length);
  for (const line of list) assert.ok(line.length <= 110, line);
  // Whole sentences, all in one column.
  const text = list.join("\n").replace(/\n +/g, " ").split("\n");
  for (const entry of text) assert.match(entry, /^\S+ +\S.*[.?!]$/);
  assert.equal(new Set(list.map((line) => line.search(/(?<=^\S* +)\S/))).size, 1);
  const { lines } = run(experiments[0].replace(".ts", ""));
  assert.match(lines[0], /^Q: /);
  assert.match(lines.join("\n"), /\n\nA: [A-Z][\s\S]*\.$/);
  const { status, stderr } = run("no-such-example");
  assert.equal(status, 2);
  assert.match(stderr, /^example: expected one of .*, got 'no-such-example'\n$/);
});
