// `ringzero demo`: what a newcomer sees first. The text is a snapshot, since people read it; UPDATE_SNAPSHOTS=1 rewrites it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

declare const RINGZERO_ROOT: string;

const SNAPSHOT = join(RINGZERO_ROOT, "tests/snapshots/demo.txt");
const WIDTH = 120;

function demo(): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(RINGZERO_ROOT, "dist/cli.js"), "demo"], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  assert.equal(status, 0);
  return stdout;
}

const text = demo();

test("the demo prints what the snapshot says", () => {
  if (process.env.UPDATE_SNAPSHOTS === "1") {
    mkdirSync(dirname(SNAPSHOT), { recursive: true });
    writeFileSync(SNAPSHOT, text);
  }
  assert.equal(text, readFileSync(SNAPSHOT, "utf8"));
});

test("the demo fits a terminal of 120 columns and says the same every time", () => {
  for (const line of text.split("\n")) assert.ok(line.length <= WIDTH, `${line.length} columns: ${line}`);
  assert.equal(demo(), text);
});

test("a lost segment holds the buffer until its retransmission is acknowledged; over lo it is copied and free", () => {
  const [overNic, overLo] = text.split(/^The same send/m);
  const at = (pattern: RegExp) => {
    const match = overNic.match(pattern);
    assert.ok(match !== null, `${pattern} in\n${overNic}`);
    return Number(match[1]);
  };
  const lost = at(/^ *([\d.]+) {2}wire .*lost: TCP 1449:2897/m);
  const again = at(/^ *([\d.]+) .*retransmits 1449:2897/m);
  const free = at(/^ *([\d.]+) .*res=0 F_NOTIF/m);
  assert.ok(lost < again && again < free, `${lost} < ${again} < ${free}`);
  assert.match(overLo, /res=COPIED F_NOTIF/);
  assert.match(text.trimEnd().split("\n").at(-1) ?? "", /^The lesson: /);
});
