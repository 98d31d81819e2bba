// Bad input to the command: one clear line on stderr, nothing on stdout, exit 2.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

declare const RINGZERO_ROOT: string;

const folder = mkdtempSync(join(tmpdir(), "ringzero-cli-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function ringzero(...args: string[]) {
  return spawnSync(process.execPath, [join(RINGZERO_ROOT, "dist/cli.js"), ...args], { encoding: "utf8", cwd: folder });
}

const program = file("wrong.zc", "say a\nsqe nop ud=one\n");
const slotless = file("slotless.zc", "profile 6.0 slotless\nsetup 4\n");
const unknown = file("unknown.txt", "### one\nsay a\nput b 0 u8 1\n");
const word = file("word.zc", "setup 4\nreg 0 buf 1\n");
const recordings = file("one.json", '{"scenarios":[{"name":"a","program":["say x"],"observed":[]}]}');

const MISTAKES: [title: string, args: string[], expected: RegExp][] = [
  ["an unknown command", ["frobnicate"], /unknown command 'frobnicate'/],
  ["an unknown option", ["run", "--fast", program], /unknown option '--fast'/],
  ["no file", ["run"], /missing required argument 'file'/],
  ["a file that is not there", ["run", "missing.zc"], /missing\.zc: no such file/],
  ["a folder", ["run", folder], /is a folder/],
  ["a malformed program", ["run", program], /wrong\.zc:2: expected a value for ud .*, got 'one'/],
  ["a malformed program, for diff", ["diff", program], /wrong\.zc:2: expected/],
  ["a malformed program, for record", ["record", unknown], /one:2: expected a buffer or message made above, got 'b'/],
  ["a word that is no argument", ["run", word], /expected an argument \(a number, names joined by |, @NAME or &BUF\)/],
  [
    "a switch of another profile",
    ["run", slotless],
    /slotless\.zc:1: the switch slotless is for rfc3 \.\. aug16, not for 6\.0\n/,
  ],
  [
    "a switch that is misspelt",
    ["run", "--switch", "single_cq", program],
    /is named 'single_cq': did you mean single_cqe\?\n/,
  ],
  ["a kernel for diff", ["diff", "--profile", "6.0", program], /--profile of diff is a kind of random programs/],
  [
    "a kind of programs that there is not",
    ["diff", "--random", "1", "--profile", "6.0"],
    /no kind of programs is named '6\.0' \(all, /,
  ],
  ["a profile that is misspelt", ["profiles", "augu16"], /no profile is named 'augu16': did you mean aug16\?\n/],
  ["a workload that is misspelt", ["compare", "udpmany"], /no workload is named 'udpmany': did you mean udp-many\?\n/],
  [
    "a profile that is like none",
    ["run", "--profile", "5.4", program],
    /no profile is named '5\.4' \(rfc3, .*, 7\.1\)\.\n/,
  ],
  [
    "scenarios below a file",
    ["record", unknown, "--into", `${program}/x.json`],
    /x\.json: a part of the path is no folder/,
  ],
  ["a seed that is no number", ["run", "--seed", "x", program], /A seed is a number/],
  ["a recording that is not JSON", ["conform", program], /wrong\.zc: not JSON/],
  ["a recording that is not there", ["conform", "missing.json"], /missing\.json: no such file/],
  ["a scenario that is not there", ["conform", recordings, "--only", "b"], /no scenario is named like 'b'/],
];

for (const [title, args, expected] of MISTAKES) {
  test(`exit 2 with one line: ${title}`, () => {
    const { status, stdout, stderr } = ringzero(...args);
    assert.match(stderr, expected);
    assert.match(stderr, /^ringzero: [^\n]*\n$/);
    assert.equal(stdout, "");
    assert.equal(status, 2);
  });
}

test("control characters of a program never reach the terminal", () => {
  const ESC = "\u001b[31m\u009b\u007f";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;
  const said = file(
    "said.zc",
    `say ${ESC}\nbuf b${ESC} 10\nhash b${ESC}\nmsleep 1 # ${ESC}\nsetup 4\nsqe recv fd=1 buf=b${ESC} ud=1\nsubmit\n`,
  );
  const broken = file("broken.zc", `say a\n${ESC} 1\n`);
  const stopped = file("stopped.zc", `buf b${ESC} 10\nunmap b${ESC}\npoke b${ESC} 0 1 1\n`);
  const calls = [
    ["run", said],
    ["run", "--json", said],
    ["explain", said],
    ["explain", "--json", said],
    ["run", broken],
  ];
  for (const args of [...calls, ["explain", stopped], ["run", stopped], [`x${ESC}`]]) {
    const { stdout, stderr } = ringzero(...args);
    assert.doesNotMatch(stdout, CONTROL, args.join(" "));
    assert.doesNotMatch(stderr, CONTROL, args.join(" "));
  }
  assert.match(ringzero("run", said).stdout, /say \\x1b\[31m\\x9b\\x7f/);
  assert.match(ringzero("run", broken).stderr, /broken\.zc:2: .*\\x1b/);
});

test("help and version succeed", () => {
  assert.equal(ringzero("--help").status, 0);
  assert.match(ringzero("--version").stdout, /^\d+\.\d+\.\d+\n$/);
});
