// Events are compared with recordings of another program, so their text must not depend on JavaScript's numbers.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  describeEvent,
  exactNumber,
  fnv1a32,
  formatEvent,
  type ProgramEvent,
  parseJson,
} from "../../host/program/events.ts";

test("an event is printed as the C harness prints it", () => {
  const event: ProgramEvent = { step: 6, op: "settle", ev: "cqe", ud: 1, res: -95, flags: 2, err: "EOPNOTSUPP" };
  assert.equal(formatEvent(event), '{"step":6,"op":"settle","ev":"cqe","ud":1,"res":-95,"flags":2,"err":"EOPNOTSUPP"}');
  assert.equal(describeEvent(event), "6 settle: cqe ud=1 res=-95 flags=2 err=EOPNOTSUPP");
});

test("user_data beyond 2^53 survives both directions", () => {
  const ud = exactNumber(0xffff_ffff_ffff_ffffn);
  const line = formatEvent({ step: 1, op: "reap", ev: "cqe", ud });
  assert.equal(line, '{"step":1,"op":"reap","ev":"cqe","ud":18446744073709551615}');
  assert.deepEqual(parseJson(line), { step: 1, op: "reap", ev: "cqe", ud: 0xffff_ffff_ffff_ffffn });
});

test("a number that fits stays a number, and digits in a string stay a string", () => {
  assert.deepEqual(parseJson('{"a":9007199254740991,"b":"x 12345678901234567890 \\"y","c":-2147483648,"d":1.5e3}'), {
    a: 9007199254740991,
    b: 'x 12345678901234567890 "y',
    c: -2147483648,
    d: 1500,
  });
});

test("FNV-1a of the reference strings", () => {
  const hash = (text: string) => fnv1a32(new TextEncoder().encode(text));
  assert.equal(hash(""), 0x811c9dc5);
  assert.equal(hash("a"), 0xe40c292c);
  assert.equal(hash("foobar"), 0xbf9cf968);
});
