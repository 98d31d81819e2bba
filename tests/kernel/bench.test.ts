// Every row of the kernel benchmark runs and gives a plausible figure. How fast it is, is not a test.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KERNEL_BENCH_ROWS, KernelBench } from "../../host/kernel/bench.ts";
import { KernelNet } from "../../host/kernel/harness.ts";
import { probeKernel } from "../../host/kernel/probe.ts";

test("every benchmark row can be measured", (t) => {
  const probe = probeKernel();
  if (!probe.ok) return t.skip(probe.missing);
  const net = new KernelNet();
  try {
    const bench = new KernelBench(net);
    for (const row of KERNEL_BENCH_ROWS) {
      const { ns, perSecond, copied } = bench.measure(row, 0.02);
      assert.ok(ns > 0 && Number.isFinite(ns), row);
      assert.ok(perSecond > 0, row);
      // The IFB drops the packet as it is, loopback turns the pages into the receiver's.
      if (row.startsWith("udp-send-zc")) assert.equal(copied, 0, row);
      else if (row.startsWith("tcp-send-zc")) assert.equal(copied, 1, row);
      else assert.equal(copied, undefined, row);
    }
    assert.throws(() => bench.measure("no-such-row", 0.02), /no benchmark row/);
  } finally {
    net.dispose();
  }
});
