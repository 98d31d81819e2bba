// The CPU model against every figure that it was fitted to: the sign of each comparison, and how far off it may be.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { type Calibration, calibrate } from "../../host/compare/calibration.ts";
import { largestErrors, renderCalibration } from "../../host/compare/calibration_table.ts";
import { COST_SETS } from "../../host/compare/cost_model.ts";
import { FIGURES } from "../../host/compare/figures.ts";

declare const RINGZERO_ROOT: string;

let done: Promise<Calibration> | undefined;
const calibration = () => (done ??= calibrate());

test("every decided sign is that of the figures", async () => {
  const { cells, signs } = await calibration();
  const wrong = cells.filter(({ gain }) => gain?.isDecided && !gain.sameSign).map(({ name }) => name);
  assert.deepEqual(wrong, []);
  assert.equal(signs.same, signs.decided);
  // Ties of the measurement itself: its quartiles have both signs.
  assert.ok(signs.undecided <= 4, `${signs.undecided} undecided`);
});

test("the table of RFC v3 is there, cell by cell, and all of it decided", async () => {
  const { cells } = await calibration();
  for (const device of ["dummy", "nic"]) {
    const sizes = device === "dummy" ? [8000, 4000, 1200, 600] : [4000, 1500, 1000, 600];
    for (const size of sizes)
      for (const way of ["zc", "zc-flush"]) {
        const cell = cells.find(({ name }) => name === `${device} v3 ${size} ${way}`);
        assert.ok(cell?.gain?.isDecided && cell.gain.sameSign, `${device} ${size} ${way}`);
      }
  }
  // Its shape: a flush for each send loses below 1500 bytes on the NIC, and nowhere on the dummy device.
  const losing = cells.filter(({ name, gain }) => name.includes(" v3 ") && (gain?.model ?? 0) < 0);
  assert.deepEqual(
    losing.map(({ name }) => name),
    ["nic v3 1000 zc-flush", "nic v3 600 zc-flush"],
  );
});

test("no machine's figures are missed by more than a tenth on the whole, and no figure by more than a fifth", async () => {
  const { rms, cells } = await calibration();
  assert.deepEqual(
    Object.keys(rms),
    COST_SETS.map(({ name }) => name),
  );
  for (const [machine, error] of Object.entries(rms)) assert.ok(error < 0.1, `${machine}: ${error}`);
  for (const { name, error } of cells) assert.ok(Math.abs(error) < 0.2, `${name}: ${error}`);
  assert.equal(cells.length, FIGURES.length);
});

test("a constant is never negative, and those of one machine are in a sensible order", () => {
  for (const { name, constants } of COST_SETS) {
    for (const [what, ns] of Object.entries(constants)) assert.ok(ns > 0, `${name} ${what}`);
    const { cqe, request, syscall, transmit, pageRef, pin, skb, byte } = constants;
    assert.ok(cqe < request && request < syscall && pageRef < pin && skb < transmit * 2, name);
    // Between a fifth and a hundredth of a nanosecond: 5 to 100 GB/s.
    assert.ok(byte > 0.01 && byte < 0.2, name);
  }
});

test("the model is linear in what was counted: it knows nothing but the counts", async () => {
  const { cells } = await calibration();
  for (const { name, machine, model_ns, quantities } of cells) {
    const set = COST_SETS.find((each) => each.name === machine);
    assert.ok(set);
    const names = Object.keys(set.constants) as (keyof typeof set.constants)[];
    const sum = names.reduce((total, each) => total + set.constants[each] * quantities[each], 0);
    assert.ok(Math.abs(sum - model_ns) < 1e-6 * sum, name);
  }
});

test("the documentation has the largest errors as they are", async () => {
  const { cells } = await calibration();
  const page = readFileSync(join(RINGZERO_ROOT, "docs/compare.md"), "utf8").replace(/\n */g, " ");
  assert.ok(page.includes(`The largest errors: ${largestErrors(cells)}.`), largestErrors(cells));
  assert.match(renderCalibration(await calibration()), /^largest errors: /m);
});

test("the report says what it is, and what is missing", async () => {
  const printed = renderCalibration(await calibration());
  for (const line of printed.split("\n")) assert.ok(line.length <= 120, line);
  const text = printed.replace(/\n +/g, " ");
  assert.match(text, /predicts no hardware/);
  assert.match(text, /mmap of a memory file is not modelled/);
  assert.doesNotMatch(text, /OTHER SIGN/);
});
