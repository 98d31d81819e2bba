// Rows without a network: no-ops, making and closing rings, and a whole small program.
import { AF_UNIX, SOCK_STREAM } from "../../assembly/abi/socket.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { must } from "../core/errno.ts";
import { prepNop, prepSendZc, setData } from "../liburing/prep.ts";
import type { Machine } from "../machine.ts";
import { nopsApp } from "./app.ts";
import { enter, RING_FLAGS, reap, Tally, type Workload } from "./workload.ts";

/** `batch` no-ops per io_uring_enter, the application compiled like the one it is compared with. */
export function nops(machine: Machine, batch: number): Workload {
  const ring = machine.ring(batch, { flags: RING_FLAGS, cqEntries: batch * 2 });
  const app = nopsApp(machine);
  const rounds = 64;
  const run = () => must("io_uring_enter", app.nops(ring.fd, ring.ringsAddress, ring.sqesAddress, batch, rounds));
  return { run, finish() {}, tally: new Tally() };
}

/** The same through the TypeScript helpers. */
export function nopsTs(machine: Machine, batch: number): Workload {
  const ring = machine.ring(batch, { flags: RING_FLAGS, cqEntries: batch * 2 });
  const tally = new Tally();
  const rounds = 64;
  const run = () => {
    let operations = 0;
    for (let round = 0; round < rounds; round++) {
      for (let index = 0; index < batch; index++) {
        const sqe = ring.getSqe();
        prepNop(ring, sqe);
        setData(ring, sqe, index);
      }
      enter(ring, batch);
      operations += reap(ring, tally);
    }
    return operations;
  };
  return { run, finish() {}, tally };
}

/** io_uring_setup and close, without the mappings. */
export function ringLives(machine: Machine, entries: number): Workload {
  const { sys, user } = machine;
  const params = user.alloc(uapi.PARAMS_SIZE);
  const words = new Int32Array(machine.core.memory.wasm.buffer);
  const first = params >> 2;
  const rounds = 16;
  const run = () => {
    for (let round = 0; round < rounds; round++) {
      for (let word = 0; word < uapi.PARAMS_SIZE / 4; word++) words[first + word] = 0;
      words[first + uapi.PARAMS_OFF_FLAGS / 4] = RING_FLAGS;
      sys.close(must("io_uring_setup", sys.io_uring_setup(entries, params)));
    }
    return rounds;
  };
  return { run, finish() {}, tally: new Tally() };
}

const PROGRAM_SQES = 8;
// AF_UNIX refuses zero-copy: four no-ops, and four sends that fail and are notified all the same.
const PROGRAM_CQES = 12;

/** One program per operation: ring, socket pair, eight requests, drain, close everything. */
export function programs(machine: Machine): Workload {
  const { sys, user } = machine;
  const bytes = user.pages(4096);
  const fds = user.alloc(8);
  const words = new Int32Array(machine.core.memory.wasm.buffer);
  const tally = new Tally();
  const rounds = 4;
  const run = () => {
    for (let round = 0; round < rounds; round++) {
      const ring = machine.ring(16, { flags: RING_FLAGS, cqEntries: 32 });
      must("socketpair", sys.socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
      const near = words[fds >> 2];
      const far = words[(fds >> 2) + 1];
      for (let index = 0; index < PROGRAM_SQES; index++) {
        const sqe = ring.getSqe();
        if (index & 1) prepNop(ring, sqe);
        else prepSendZc(ring, sqe, near, bytes, 500, 0, 0);
        setData(ring, sqe, index);
      }
      enter(ring, PROGRAM_CQES);
      let got = reap(ring, tally);
      while (got < PROGRAM_CQES) {
        enter(ring, 1);
        got += reap(ring, tally);
      }
      sys.close(near);
      sys.close(far);
      ring.exit();
    }
    return rounds;
  };
  return { run, finish() {}, tally };
}
