// The steps that touch the ring. They follow the C harness (tests/kernel) call by call, its odd corners included: what a
// program sees must not depend on which of the two runs it.
import { PROT_READ, PROT_WRITE } from "../../assembly/abi/socket.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { errnoName } from "../core/errno.ts";
import { readParams, ringBytes, writeParams } from "../liburing/setup.ts";
import type { RingState, RunContext } from "./context.ts";
import { type EventValue, fnv1a32 } from "./events.ts";
import { fillSqe } from "./sqe_step.ts";
import type { StepOf } from "./steps.ts";

const ALL = 1 << 20;
const SETTLE_MAX = 4096;

/** setup(), mmap() of both parts. A ring set up before stays open, but the program has lost sight of it. */
export function stepSetup(run: RunContext, step: StepOf<"setup">): void {
  const { user, sys } = run;
  const at = user.alloc(uapi.PARAMS_SIZE);
  const options = { flags: step.flags, ...(step.cqEntries === undefined ? {} : { cqEntries: step.cqEntries >>> 0 }) };
  writeParams(user, at, options);
  run.ring = undefined;
  const fd = run.call(`io_uring_setup with flags 0x${step.flags.toString(16)}`, sys.io_uring_setup(step.entries, at));
  run.ringFd = fd < 0 ? -1 : fd;
  if (fd < 0) {
    run.outResult("setup", fd);
    return;
  }
  const params = readParams(user, at);
  const { sqEntries, cqEntries, flags, features } = params;
  run.out("setup", { ret: 0, sq_entries: sqEntries, cq_entries: cqEntries, flags, features });
  const sqeSize = flags & uapi.IORING_SETUP_SQE128 ? uapi.SQE128_SIZE : uapi.SQE_SIZE;
  const cqeSize = flags & uapi.IORING_SETUP_CQE32 ? uapi.CQE32_SIZE : uapi.CQE_SIZE;
  const prot = PROT_READ | PROT_WRITE;
  const rings = run.must("mmap of the ring", sys.mmap(ringBytes(params), prot, fd, uapi.IORING_OFF_SQ_RING));
  const sqes = run.must("mmap of the SQEs", sys.mmap(sqeSize * sqEntries, prot, fd, uapi.IORING_OFF_SQES));
  run.ring = { fd, params, sqeSize, cqeSize, rings, sqes, pending: 0, tail: 0, alive: true };
}

export function stepSqe(run: RunContext, step: StepOf<"sqe">): void {
  const { user, ring } = run;
  if (!ring?.alive) {
    run.out("skip");
    return;
  }
  const { sqOff, sqEntries, flags } = ring.params;
  const head = user.getU32(ring.rings + sqOff.head);
  if ((ring.tail - head) >>> 0 >= sqEntries) {
    run.out("sqfull");
    return;
  }
  const index = ring.tail & (sqEntries - 1);
  const sqe = ring.sqes + index * ring.sqeSize;
  user.fill(sqe, ring.sqeSize, 0);
  fillSqe(run, sqe, step);
  if (!(flags & uapi.IORING_SETUP_NO_SQARRAY)) user.setU32(ring.rings + sqOff.array + index * 4, index);
  ring.tail = (ring.tail + 1) >>> 0;
  ring.pending = (ring.pending + 1) >>> 0;
  user.setU32(ring.rings + sqOff.tail, ring.tail);
}

function enter(run: RunContext, toSubmit: number, minComplete: number, flags: number, arg = 0, argsz = 0): number {
  const result = run.sys.io_uring_enter(run.ringFd, toSubmit >>> 0, minComplete >>> 0, flags, arg, argsz);
  return run.call("io_uring_enter", result, "the ring");
}

/** GETEVENTS with a timeout, through EXT_ARG. */
function enterWait(run: RunContext, toSubmit: number, minComplete: number, ms: number): number {
  const { user } = run;
  const arg = run.scratch;
  const timespec = arg + uapi.GETEVENTS_ARG_SIZE;
  user.timespec(BigInt(Math.trunc(ms / 1000)), BigInt(ms % 1000) * 1_000_000n, timespec);
  user.setPointer(arg + uapi.GETEVENTS_OFF_TS, timespec);
  const flags = uapi.IORING_ENTER_GETEVENTS | uapi.IORING_ENTER_EXT_ARG;
  return enter(run, toSubmit, minComplete, flags, arg, uapi.GETEVENTS_ARG_SIZE);
}

function consumed(ring: RingState | undefined, result: number): void {
  if (ring !== undefined && result > 0) ring.pending = (ring.pending - result) >>> 0;
}

export function stepSubmit(run: RunContext, step: StepOf<"submit">): void {
  const result = enter(run, step.count ?? run.ring?.pending ?? 0, 0, 0);
  consumed(run.ring, result);
  run.outResult("enter", result);
}

export function stepSubmitWait(run: RunContext, step: StepOf<"submitwait">): void {
  const result = enterWait(run, run.ring?.pending ?? 0, step.count, step.ms);
  consumed(run.ring, result);
  run.outResult("enter", result);
}

export function stepWait(run: RunContext, step: StepOf<"wait">): void {
  run.outResult("enter", enterWait(run, 0, step.count, step.ms));
}

export function stepEnter(run: RunContext, step: StepOf<"enter">): void {
  run.outResult("enter", enter(run, step.toSubmit, step.minComplete, step.flags));
}

/** Reads CQEs from the ring alone, without a system call. */
function reapCqes(run: RunContext, ring: RingState, max: number): number {
  const { user } = run;
  const { cqOff } = ring.params;
  let head = user.getU32(ring.rings + cqOff.head);
  let count = 0;
  while (count < max && head !== user.getU32(ring.rings + cqOff.tail)) {
    const slot = head & user.getU32(ring.rings + cqOff.ringMask);
    const cqe = ring.rings + cqOff.cqes + slot * ring.cqeSize;
    const res = user.getI32(cqe + uapi.CQE_OFF_RES);
    const fields: Record<string, EventValue> = {
      ud: run.u64(cqe + uapi.CQE_OFF_USER_DATA),
      res,
      flags: user.getU32(cqe + uapi.CQE_OFF_FLAGS),
    };
    if (res < 0 && res > -4096) fields.err = errnoName(-res);
    run.out("cqe", fields);
    head = (head + 1) >>> 0;
    count++;
    user.setU32(ring.rings + cqOff.head, head);
  }
  return count;
}

export function stepReap(run: RunContext, step: StepOf<"reap">): void {
  if (run.ring?.alive) run.out("reaped", { n: reapCqes(run, run.ring, step.max) });
}

/** Waits for CQEs until none comes for `ms`. */
export function stepSettle(run: RunContext, step: StepOf<"settle">): void {
  if (!run.ring?.alive) return;
  let total = 0;
  while (total < SETTLE_MAX) {
    enterWait(run, 0, 1, step.ms);
    const count = reapCqes(run, run.ring, ALL);
    total += count;
    if (count === 0) break;
  }
  run.out("settled", { n: total });
}

export function stepRing(run: RunContext): void {
  const { user } = run;
  const { rings, params } = run.liveRing();
  const field = (offset: number) => user.getU32(rings + offset);
  run.out("ring", {
    sq_flags: field(params.sqOff.flags),
    cq_overflow: field(params.cqOff.overflow),
    sq_dropped: field(params.sqOff.dropped),
    sq_head: field(params.sqOff.head),
    cq_ready: (field(params.cqOff.tail) - field(params.cqOff.head)) >>> 0,
  });
}

export function stepRingmem(run: RunContext): void {
  const { rings, params, cqeSize } = run.liveRing();
  const bytes = params.cqOff.cqes + params.cqEntries * cqeSize;
  run.out("ringmem", { cq_fnv: fnv1a32(run.user.read(rings, bytes)), bytes });
}

// io_uring_register() --------------------------------------------------------------------------------------------------

function register(run: RunContext, opcode: number, arg: number, count: number): void {
  const text = `io_uring_register opcode ${opcode}`;
  run.outResult("register", run.call(text, run.sys.io_uring_register(run.ringFd, opcode, arg, count)));
}

export function stepRegbuf(run: RunContext, step: StepOf<"regbuf">): void {
  const segments = step.bufs.map((name) => {
    if (name === undefined) return { base: 0, length: 0 };
    const { address, length } = run.buf(name);
    return { base: address, length };
  });
  register(run, uapi.IORING_REGISTER_BUFFERS, run.user.iovec(segments), segments.length);
}

export function stepUnregbuf(run: RunContext): void {
  register(run, uapi.IORING_UNREGISTER_BUFFERS, 0, 0);
}

export function stepRegfile(run: RunContext, step: StepOf<"regfile">): void {
  const at = run.user.alloc(step.fds.length * 4);
  step.fds.forEach((fd, index) => {
    run.user.setU32(at + index * 4, run.fd(fd));
  });
  register(run, uapi.IORING_REGISTER_FILES, at, step.fds.length);
}

export function stepEnable(run: RunContext): void {
  register(run, uapi.IORING_REGISTER_ENABLE_RINGS, 0, 0);
}

export function stepClosering(run: RunContext): void {
  run.outResult("close", run.call("close", run.sys.close(run.ringFd)));
  if (run.ring !== undefined) run.ring.alive = false;
}
