// Every recorded scenario, replayed on the emulator: what Linux printed is what a program sees.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { parseRecordings } from "../../host/conform/recordings.ts";
import { replayScenario } from "../../host/conform/replay.ts";
import { alignEvents, sideBySide } from "../../host/conform/side_by_side.ts";

declare const RINGZERO_ROOT: string;

const folder = join(RINGZERO_ROOT, "tests/scenarios");
for (const name of readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .sort()) {
  const file = join(folder, name);
  for (const scenario of parseRecordings(readFileSync(file, "utf8"), file).scenarios) {
    // The debug build: freed objects are poisoned, and the order of the CQEs of each request is asserted.
    test(`${scenario.category}: ${scenario.name}`, async () => {
      const { verdict, report, events, leaks } = await replayScenario(scenario, { build: "debug", leaks: true });
      const difference = () => sideBySide(alignEvents(scenario.recorded[0], events), ["Linux", "ringzero"]).join("\n");
      assert.ok(verdict === "same", [verdict, report ?? "", scenario.program, difference()].join("\n\n"));
      assert.deepEqual(leaks, []);
    });
  }
}
