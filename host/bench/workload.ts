// What one row of the benchmark does over and over: the same calls, in the same order, with the same work on the
// application's side, as a mode of tests/kernel/zcbench.c. Nothing here reads a clock.
import * as uapi from "../../assembly/abi/uapi.ts";
import { SyscallError } from "../core/errno.ts";
import type { Ring } from "../liburing/ring.ts";

export interface Workload {
  /** A stretch of work that is long compared with reading a clock. Operations done. */
  run(): number;
  /** Waits for what run() has left in flight. */
  finish(): void;
  /** What the CQEs said so far. */
  readonly tally: Tally;
}

/** Totals over all CQEs, as an application would keep them. */
export class Tally {
  sends = 0;
  notifs = 0;
  /** Notifications that reported a copy. */
  copied = 0;
  bytes = 0;
  errors = 0;
  lastError = 0;
}

/** The flags of every ring here. */
export const RING_FLAGS = uapi.IORING_SETUP_SINGLE_ISSUER | uapi.IORING_SETUP_DEFER_TASKRUN;

/** Reads every CQE that is there. How many there were. */
export function reap(ring: Ring, tally: Tally): number {
  const count = ring.cqReady();
  for (let index = 0; index < count; index++) {
    const cqe = ring.cqeAt(index);
    const res = ring.cqeRes(cqe);
    if (ring.cqeFlags(cqe) & uapi.IORING_CQE_F_NOTIF) {
      tally.notifs++;
      if (res !== 0) tally.copied++;
      continue;
    }
    tally.sends++;
    if (res < 0) {
      tally.errors++;
      tally.lastError = res;
    } else {
      tally.bytes += res;
    }
  }
  ring.cqAdvance(count);
  return count;
}

/** io_uring_enter() to submit and wait. */
export function enter(ring: Ring, waitNr: number): void {
  const result = ring.submitAndWait(waitNr);
  if (result < 0) throw new SyscallError("io_uring_enter", result);
}
