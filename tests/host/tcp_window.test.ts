// TCP over `lo` with untouched buffers: whatever the sizes, a sender whose reader keeps up is never left waiting. The clock
// hardly moves there, so what Linux does once per round trip (tuning the receive buffer) has to happen without it.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { Machine } from "../../host/machine.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";

const ROUNDS = 20;

function total(events: readonly Record<string, unknown>[], ev: string, field: string): number {
  return events.reduce((sum, event) => sum + (event.ev === ev ? Math.max(0, Number(event[field])) : 0), 0);
}

for (const chunk of [1000, 4096, 16384, 40_000, 65_536]) {
  for (const read of ["recv B 1048576 0", "recv B 16384 0", "drainrx B 0 1000000000 count"]) {
    test(`${chunk} bytes at a time, read with ${read}`, async () => {
      const lines = ["pair A B tcp lo", `fill A ${chunk} count`];
      for (let round = 0; round < ROUNDS; round++) lines.push(read, `fill A ${chunk} count`);
      lines.push("drainrx B 1000 1000000000 count");
      const machine = await Machine.create({ build: "debug" });
      const { events, outcome } = runProgram(machine, parseProgram(lines.join("\n"), "window"));
      assert.equal(outcome.kind, "end");
      const reads = events.filter((event) => event.ev === "recv" || event.ev === "drainrx");
      const idle = reads.slice(0, -1).filter((event) => !(Number(event.ret ?? event.bytes) > 0));
      assert.equal(idle.length, 0, "a read found nothing although the sender had more");
      const sent = total(events as never, "fill", "bytes");
      assert.equal(total(events as never, "recv", "ret") + total(events as never, "drainrx", "bytes"), sent);
    });
  }
}
