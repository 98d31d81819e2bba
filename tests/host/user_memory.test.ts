// What an application may do with its own memory, and what it must not do with the kernel's.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { Machine } from "../../host/machine.ts";

test("writes outside the application's memory are refused", async () => {
  const { user } = await Machine.create();
  const page = user.pages(4096);
  user.fill(page, 4096, 7);
  assert.equal(user.read(page + 4095, 1)[0], 7);
  for (const [address, length] of [
    [0, 4],
    [0x10000, 8],
    [page - 0x0c000000, 1],
    [user.memory.byteLength - 2, 4],
    [page, -1],
  ]) {
    assert.throws(() => user.fill(address, length, 1), RangeError, `${length} bytes at ${address}`);
  }
  assert.throws(() => user.write(64, new Uint8Array(4)), RangeError);
  assert.throws(() => user.pages(-5), RangeError);
});
