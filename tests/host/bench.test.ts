// The benchmark measures the right thing, and reports what it measured. How fast it is, is not a test.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { before, test } from "node:test";
import "../../host/cli/node.ts";
import {
  CNT_FILES_LIVE,
  CNT_NOTIFS_LIVE,
  CNT_REQS_LIVE,
  CNT_RINGS_LIVE,
  CNT_SHINFO_LIVE,
  CNT_SKBS_LIVE,
  CNT_SOCKS_LIVE,
} from "../../assembly/abi/counters.ts";
import { loadApps } from "../../host/bench/app.ts";
import { chooseRows } from "../../host/bench/bench.ts";
import { type Clocks, type Meter, measure, measureRow, median } from "../../host/bench/measure.ts";
import { ROWS } from "../../host/bench/rows.ts";
import { formatJson, formatTable } from "../../host/bench/table.ts";
import { Tally, type Workload } from "../../host/bench/workload.ts";
import { KERNEL_BENCH_ROWS } from "../../host/kernel/bench.ts";
import { Machine } from "../../host/machine.ts";

declare const RINGZERO_ROOT: string;

before(loadApps);

/** What a stretch of work may not leave behind. */
const PASSING = [CNT_REQS_LIVE, CNT_NOTIFS_LIVE, CNT_SKBS_LIVE, CNT_SHINFO_LIVE];
const LASTING = [CNT_FILES_LIVE, CNT_RINGS_LIVE, CNT_SOCKS_LIVE];

test("both sides measure the same rows in the same order", () => {
  assert.deepEqual([...ROWS.keys()], KERNEL_BENCH_ROWS);
});

for (const [name, makeWorkload] of ROWS) {
  test(`${name} does what it says and leaves nothing behind`, async () => {
    const machine = await Machine.create();
    const workload = makeWorkload(machine);
    const lasting = LASTING.map((counter) => machine.counter(counter));
    const operations = workload.run() + workload.run();
    workload.finish();
    const { tally } = workload;
    const isSend = name.includes("-send-");
    const isZeroCopy = isSend && name.includes("-zc-");
    assert.ok(operations > 0);
    if (isSend) assert.equal(tally.sends, operations);
    if (isSend) assert.equal(tally.errors, 0);
    if (isSend) assert.equal(tally.notifs, isZeroCopy ? tally.sends : 0);
    // The IFB drops the packet as it is, loopback turns the pages into the receiver's.
    assert.equal(tally.copied, isZeroCopy && name.startsWith("tcp") ? tally.sends : 0);
    for (const counter of PASSING) assert.equal(machine.counter(counter), 0, `counter ${counter}`);
    assert.deepEqual(
      LASTING.map((counter) => machine.counter(counter)),
      lasting,
    );
  });
}

/** Time passes only where work is done: 100 ns of wall time and 60 of CPU time for each of its operations. */
function simulated(): { workload: Workload; clocks: Clocks; log: string[] } {
  let operations = 0;
  const log: string[] = [];
  const workload: Workload = {
    run() {
      log.push("run");
      operations += 10_000;
      return 10_000;
    },
    finish() {
      log.push("finish");
      operations += 5_000;
    },
    tally: new Tally(),
  };
  return { workload, clocks: { cpu_ns: () => operations * 60, wall_ns: () => operations * 100 }, log };
}

test("a measurement runs until the time is up and counts what it has to wait for in the end", () => {
  const { workload, clocks, log } = simulated();
  assert.equal(measure(workload, clocks, 3), (35_000 * 60) / 30_000);
  assert.deepEqual(log, ["run", "run", "run", "finish"]);
});

test("a measurement is at least one stretch of work", () => {
  const { workload, clocks, log } = simulated();
  measure(workload, clocks, 0);
  assert.deepEqual(log, ["run", "finish"]);
});

function meter(name: string, results: number[], log: string[]): Meter {
  return {
    async measure(wall_ms) {
      log.push(`${name} ${wall_ms}`);
      return results.shift() ?? Number.NaN;
    },
  };
}

const TIMES = { rounds: 3, warmUp_ms: 40, slice_ms: 15 };

test("both sides take turns after the warm-up, and the ratio is the median of the pairs", async () => {
  const log: string[] = [];
  // A machine that is three times slower for one round slows both sides.
  const ours = meter("ours", [999, 10, 30, 11], log);
  const kernel = meter("kernel", [40, 120, 55], log);
  const row = await measureRow("nop-1", ours, kernel, TIMES);
  assert.deepEqual(row, { name: "nop-1", ns: 11, kernel_ns: 55, ratio: 4 });
  assert.deepEqual(log, ["ours 40", "ours 15", "kernel 15", "ours 15", "kernel 15", "ours 15", "kernel 15"]);
});

test("without a kernel there is nothing to compare with", async () => {
  const row = await measureRow("nop-1", meter("ours", [1, 2, 3, 4], []), undefined, TIMES);
  assert.deepEqual(row, { name: "nop-1", ns: 3, kernel_ns: null, ratio: null });
});

test("the median of an even number is the mean of the middle two", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 9, 2]), 3);
});

const ROWS_SEEN = [
  { name: "nop-256", ns: 14.26, kernel_ns: 66.04, ratio: 4.631 },
  { name: "setup-close", ns: 12_345.6, kernel_ns: 9_400, ratio: 0.761 },
];

test("JSON has one object per row", () => {
  assert.equal(
    formatJson(ROWS_SEEN),
    '{"rows":[{"name":"nop-256","ns":14.3,"kernel_ns":66,"ratio":4.63},{"name":"setup-close","ns":12345.6,"kernel_ns":9400,"ratio":0.76}]}',
  );
  assert.equal(
    formatJson([{ name: "nop-1", ns: 100, kernel_ns: null, ratio: null }]),
    '{"rows":[{"name":"nop-1","ns":100,"kernel_ns":null,"ratio":null}]}',
  );
});

test("the table has the kernel's columns only if there are such", () => {
  assert.deepEqual(formatTable(ROWS_SEEN).split("\n"), [
    "CPU time per operation   ringzero     Linux  ratio",
    "nop-256                   14.3 ns   66.0 ns   4.63",
    "setup-close             12,346 ns  9,400 ns   0.76",
  ]);
  assert.deepEqual(formatTable([{ name: "nop-1", ns: 100, kernel_ns: null, ratio: null }]).split("\n"), [
    "CPU time per operation  ringzero",
    "nop-1                     100 ns",
  ]);
});

test("rows are chosen by the beginning of their names", () => {
  assert.deepEqual(chooseRows(["setup", "udp-send-zc-fixed-4"]), ["setup-close", "udp-send-zc-fixed-4000-ifb"]);
  assert.equal(chooseRows().length, ROWS.size);
  assert.deepEqual(chooseRows(["no-such-row"]), []);
});

function ringzero(...args: string[]) {
  return spawnSync(process.execPath, [join(RINGZERO_ROOT, "dist/cli.js"), "bench", ...args], { encoding: "utf8" });
}

test("the command measures a row in a process of its own and prints it", () => {
  const { status, stdout, stderr } = ringzero("--json", "--only", "nop-32");
  assert.equal(stderr, "");
  assert.equal(status, 0);
  const { rows } = JSON.parse(stdout);
  assert.equal(rows.length, 1);
  assert.equal(rows[0].name, "nop-32");
  assert.ok(rows[0].ns > 0);
  assert.equal(rows[0].kernel_ns, null);
});

test("an unknown row is bad input", () => {
  const { status, stdout, stderr } = ringzero("--only", "frobnicate");
  assert.equal(stderr, "ringzero: no row of the benchmark is named like 'frobnicate'\n");
  assert.equal(stdout, "");
  assert.equal(status, 2);
});
