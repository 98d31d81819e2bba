// Programs that mean harm: random bytes as SQEs, lying ring indices, pointers to anywhere. They get errnos, or are ignored
// as on Linux; the core never traps and never asserts (the debug build checks more), and the machine can still be used.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import * as libc from "../../assembly/abi/socket.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { Machine } from "../../host/machine.ts";
import { DEFAULT_PROFILE } from "../../host/profile/profiles.ts";

/** A small generator of its own, so that a failure is a seed. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

const OPCODES = [
  uapi.IORING_OP_NOP,
  uapi.IORING_OP_SEND,
  uapi.IORING_OP_SENDMSG,
  uapi.IORING_OP_SEND_ZC,
  uapi.IORING_OP_SENDMSG_ZC,
  uapi.IORING_OP_RECV,
  uapi.IORING_OP_RECVMSG,
  uapi.IORING_OP_TIMEOUT,
  uapi.IORING_OP_LINK_TIMEOUT,
  uapi.IORING_OP_ASYNC_CANCEL,
  uapi.IORING_OP_POLL_ADD,
  uapi.IORING_OP_CLOSE,
];
const SETUPS = [0, uapi.IORING_SETUP_SUBMIT_ALL, uapi.IORING_SETUP_SINGLE_ISSUER | uapi.IORING_SETUP_DEFER_TASKRUN];

async function attack(seed: number, profile = DEFAULT_PROFILE): Promise<number> {
  const random = generator(seed);
  const machine = await Machine.create({ build: "debug", network: "none", profile });
  const { sys, user } = machine;
  const ring = machine.ring(8, { flags: SETUPS[random(SETUPS.length)] });
  const fds = user.alloc(8);
  sys.socketpair(libc.AF_UNIX, random(2) ? libc.SOCK_STREAM : libc.SOCK_DGRAM, 0, fds);
  const udp = sys.socket(libc.AF_INET, libc.SOCK_DGRAM, 0);
  const buffer = user.pages(8192);
  const pointers = [0, 8, 0x10000, 0x13000, buffer, buffer + 8191, 0x3fffffff, 0xfffffff0];
  const rings = ring.ringsAddress >> 2;
  let entered = 0;
  for (let round = 0; round < 12; round++) {
    const words = new Int32Array(machine.core.memory.wasm.buffer);
    for (let slot = 0; slot < 8; slot++) {
      const sqe = (ring.sqesAddress >> 2) + slot * 16;
      for (let word = 0; word < 16; word++) words[sqe + word] = random(3) ? 0 : random(0x100000000) | 0;
      words[sqe] =
        OPCODES[random(OPCODES.length)] | (random(4) ? 0 : random(64) << 8) | (random(4) ? 0 : random(64) << 16);
      words[sqe + 1] = [udp, user.getI32(fds), user.getI32(fds + 4), -1, 999][random(5)];
      words[sqe + 4] = pointers[random(pointers.length)];
      if (random(8)) words[sqe + 5] = 0;
      if (random(2)) words[sqe + 6] = random(9000);
    }
    words[rings + uapi.RING_OFF_SQ_TAIL / 4] += random(6) ? random(9) : random(0x100000000) | 0;
    if (!random(6)) words[rings + uapi.RING_OFF_CQ_HEAD / 4] = random(0x100000000) | 0;
    if (!random(9)) sys.munmap(buffer, 4096);
    const flags = random(2) ? uapi.IORING_ENTER_GETEVENTS : 0;
    const result = sys.io_uring_enter(ring.fd, random(2) ? random(10) : 0xffffffff, 0, flags);
    assert.ok(result >= -4095, `enter: ${result}`);
    entered++;
    sys.nanosleep(1_000_000n);
  }
  for (const fd of [udp, user.getI32(fds), user.getI32(fds + 4), ring.fd]) sys.close(fd);
  machine.exports.run_events(1_000_000_000n);
  // The machine is still good for an honest program.
  const again = machine.ring(4);
  assert.ok(again.getSqe() !== 0);
  assert.equal(again.submitAndWait(1), 1);
  return entered;
}

for (let block = 0; block < 8; block++) {
  test(`random bytes as SQEs, seeds ${block * 25 + 1} to ${block * 25 + 25}`, async () => {
    for (let seed = block * 25 + 1; seed <= block * 25 + 25; seed++)
      assert.equal(await attack(seed), 12, `seed ${seed}`);
  });
}

for (const profile of ["6.1", "6.9", "6.12", "6.15", "7.1"]) {
  test(`random bytes as SQEs of ${profile}`, async () => {
    for (let seed = 1; seed <= 10; seed++) assert.equal(await attack(seed, profile), 12, `seed ${seed}`);
  });
}
