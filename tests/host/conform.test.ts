// Every recorded scenario, replayed on the emulator: what Linux printed is what a program sees.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { parseRecordings } from "../../host/conform/recordings.ts";
import { replayScenario } from "../../host/conform/replay.ts";
import { alignEvents, sideBySide } from "../../host/conform/side_by_side.ts";

declare const RINGZERO_ROOT: string;

const file = join(RINGZERO_ROOT, "tests/scenarios/linux-6.18.json");
const { scenarios } = parseRecordings(readFileSync(file, "utf8"), file);

for (const scenario of scenarios) {
  test(`${scenario.category}: ${scenario.name}`, async (t) => {
    const { verdict, report, events } = await replayScenario(scenario);
    if (verdict === "not-modelled") {
      t.skip(report);
      return;
    }
    const difference = () => sideBySide(alignEvents(scenario.recorded[0], events), ["Linux", "ringzero"]).join("\n");
    assert.ok(verdict === "same", [report ?? "", scenario.program, difference()].join("\n\n"));
  });
}
