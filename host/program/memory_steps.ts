// The steps on the program's own memory.
import { PROT_NONE, PROT_READ, PROT_WRITE } from "../../assembly/abi/socket.ts";
import { pageAlign } from "../sys/user_memory.ts";
import type { RunContext } from "./context.ts";
import { fnv1a32 } from "./events.ts";
import type { StepOf } from "./steps.ts";
import { NUMBER_TYPES } from "./vocabulary.ts";

/** Whole pages, and none for an empty buffer, which the calls then refuse. */
function wholePages(length: number): number {
  return length === 0 ? 0 : pageAlign(length);
}

// Byte i of every buffer is 31 i + (i >> 8) + SEED: this is SEED 0, which repeats itself after 64 KiB.
const PATTERN = new Uint32Array(Uint8Array.from({ length: 65536 }, (_, index) => index * 31 + (index >> 8)).buffer);
const HIGH_BITS = 0x80808080;
const LOW_BITS = 0x7f7f7f7f;

/** Page-aligned, byte i = 31 i + (i >> 8) + seed. */
export function stepBuf(run: RunContext, step: StepOf<"buf">): void {
  const address = run.user.pages(step.length);
  const words = run.user.memory.u32.subarray(address >> 2, (address + step.length + 3) >> 2);
  const seeds = Math.imul(step.seed & 255, 0x01010101);
  // Four bytes at a time: their low bits are added, the highest ones without a carry into the next byte.
  for (let index = 0; index < words.length; index++) {
    const word = PATTERN[index & 16383];
    words[index] = ((word & LOW_BITS) + (seeds & LOW_BITS)) ^ ((word ^ seeds) & HIGH_BITS);
  }
  if (step.length & 3) run.user.fill(address + step.length, 4 - (step.length & 3), 0);
  run.addBuf(step.name, { address, length: step.length, isWritable: true });
}

/** mmap() of a descriptor. Named like a buffer when it succeeds. */
export function stepMap(run: RunContext, step: StepOf<"map">): void {
  const offset = run.argU32(step.offset);
  const at = run.sys.mmap(step.length, PROT_READ | PROT_WRITE, run.argI32(step.fd), offset);
  const address = run.call("mmap", at);
  run.outResult("map", address < 0 ? address : 0);
  const isWritable = address >= 0;
  run.addBuf(step.name, { address: isWritable ? address : 0, length: step.length, isWritable });
}

export function stepPoke(run: RunContext, step: StepOf<"poke">): void {
  run.user.fill(run.within(step.buf, step.offset, step.length), step.length, step.byte);
}

export function stepPut(run: RunContext, step: StepOf<"put">): void {
  const [bytes] = NUMBER_TYPES[step.type];
  const at = run.within(step.name, step.offset, bytes * step.values.length);
  step.values.forEach((value, index) => {
    run.user.setNumber(at + index * bytes, bytes, run.arg(value));
  });
}

export function stepGet(run: RunContext, step: StepOf<"get">): void {
  const [bytes, signed] = NUMBER_TYPES[step.type];
  const at = run.within(step.name, step.offset, bytes * step.count);
  const values = Array.from({ length: step.count }, (_, index) =>
    run.user.getNumber(at + index * bytes, bytes, signed),
  );
  run.out("get", { v: values.join(",") });
}

export function stepHash(run: RunContext, step: StepOf<"hash">): void {
  const length = step.length ?? run.area(step.name).length;
  run.out("hash", { fnv: fnv1a32(run.user.read(run.within(step.name, step.offset, length), length)) });
}

export function stepUnmap(run: RunContext, step: StepOf<"unmap">): void {
  const { address, length } = run.buf(step.buf);
  const result = run.sys.munmap(address, wholePages(length));
  // No later buffer comes to lie where this one was: the address stays bad, here and in the harness.
  if (result === 0) run.machine.exports.vm_reserve(address, wholePages(length));
  run.buf(step.buf).isWritable = false;
}

export function stepMprotectNone(run: RunContext, step: StepOf<"mprotect_none">): void {
  const buffer = run.buf(step.buf);
  run.sys.mprotect(buffer.address, wholePages(buffer.length), PROT_NONE);
  buffer.isWritable = false;
}
