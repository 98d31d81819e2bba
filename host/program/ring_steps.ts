// The steps that touch the ring. They follow the C harness (tests/kernel) call by call, its odd corners included: what a
// program sees must not depend on which of the two runs it.
import { PROT_READ, PROT_WRITE } from "../../assembly/abi/socket.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { errnoName } from "../core/errno.ts";
import { readParams, ringBytes, writeParams } from "../liburing/setup.ts";
import type { RingState, RunContext } from "./context.ts";
import { type EventValue, fnv1a32 } from "./events.ts";
import { fillSqe } from "./sqe_step.ts";
import type { SetupSetting, StepOf } from "./steps.ts";

const ALL = 4096; // a ring whose indices lie has as many as they say
const SETTLE_MAX = 4096;

const SETUP_FIELDS: Record<SetupSetting["key"], readonly [offset: number, bytes: number]> = {
  idle: [uapi.PARAMS_OFF_SQ_THREAD_IDLE, 4],
  cpu: [uapi.PARAMS_OFF_SQ_THREAD_CPU, 4],
  wq_fd: [uapi.PARAMS_OFF_WQ_FD, 4],
  resv: [uapi.PARAMS_OFF_RESV, 4],
  sq_addr: [uapi.PARAMS_OFF_SQ_OFF + uapi.SQOFF_OFF_USER_ADDR, 8],
  cq_addr: [uapi.PARAMS_OFF_CQ_OFF + uapi.CQOFF_OFF_USER_ADDR, 8],
};

/** setup(), mmap() of both parts. A ring set up before stays open, but the program has lost sight of it. */
export function stepSetup(run: RunContext, step: StepOf<"setup">): void {
  const { user, sys } = run;
  const at = user.alloc(uapi.PARAMS_SIZE);
  const options = { flags: step.flags, ...(step.cqEntries === undefined ? {} : { cqEntries: step.cqEntries >>> 0 }) };
  writeParams(user, at, options);
  for (const { key, value } of step.settings ?? []) {
    const [offset, bytes] = SETUP_FIELDS[key];
    user.setNumber(at + offset, bytes, run.arg(value));
  }
  const { slot } = run;
  slot.ring = undefined;
  slot.enterFlags = 0;
  const fd = run.call(`io_uring_setup with flags 0x${step.flags.toString(16)}`, sys.io_uring_setup(step.entries, at));
  slot.fd = fd < 0 ? -1 : fd;
  run.setFd(`ring${slot.name}`, slot.fd);
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
  const map = (what: string, length: number, offset: number) =>
    run.must(`mmap of the ${what}`, sys.mmap(length, prot, fd, offset));
  if (flags & uapi.IORING_SETUP_REGISTERED_FD_ONLY) slot.enterFlags = uapi.IORING_ENTER_REGISTERED_RING;
  // Without mappings the application has given its own memory.
  const own = (flags & uapi.IORING_SETUP_NO_MMAP) !== 0;
  const rings = own
    ? user.getU32(at + uapi.PARAMS_OFF_CQ_OFF + uapi.CQOFF_OFF_USER_ADDR)
    : map("ring", ringBytes(params), uapi.IORING_OFF_SQ_RING);
  const sqes = own
    ? user.getU32(at + uapi.PARAMS_OFF_SQ_OFF + uapi.SQOFF_OFF_USER_ADDR)
    : map("SQEs", sqeSize * sqEntries, uapi.IORING_OFF_SQES);
  slot.ring = { fd, params, sqeSize, cqeSize, rings, sqes, pending: 0, tail: 0, alive: true };
}

export function stepUse(run: RunContext, step: StepOf<"use">): void {
  run.useRing(step.ring);
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
  run.onSqe?.(sqe);
}

function enter(run: RunContext, toSubmit: number, minComplete: number, flags: number, arg = 0, argsz = 0): number {
  const { fd, enterFlags } = run.slot;
  const result = run.sys.io_uring_enter(fd, toSubmit >>> 0, minComplete >>> 0, flags | enterFlags, arg, argsz);
  return run.call("io_uring_enter", result, "the ring");
}

/** GETEVENTS with a timeout, through EXT_ARG. */
function enterWait(run: RunContext, toSubmit: number, minComplete: number, ms: number): number {
  const { user } = run;
  const arg = run.scratch;
  const timespec = arg + uapi.GETEVENTS_ARG_SIZE;
  user.fill(arg, uapi.GETEVENTS_ARG_SIZE, 0);
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
  const arg = step.arg === undefined ? 0 : run.argPointer(step.arg);
  const size = step.size === undefined ? 0 : run.argPointer(step.size);
  run.outResult("enter", enter(run, step.toSubmit, step.minComplete, step.flags, arg, size));
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
    const slots = showCqe(run, ring, cqe);
    if (slots > 0) count++;
    head = (head + Math.max(1, slots)) >>> 0;
    user.setU32(ring.rings + cqOff.head, head);
  }
  return count;
}

/** The event of one CQE; how many slots it takes, 0 for one that only fills the ring up to its end. */
function showCqe(run: RunContext, ring: RingState, cqe: number): number {
  const { user } = run;
  const res = user.getI32(cqe + uapi.CQE_OFF_RES);
  const flags = user.getU32(cqe + uapi.CQE_OFF_FLAGS);
  const isMixed = (ring.params.flags & uapi.IORING_SETUP_CQE_MIXED) !== 0;
  if (isMixed && flags & uapi.IORING_CQE_F_SKIP) return 0;
  const isLong = isMixed && (flags & uapi.IORING_CQE_F_32) !== 0;
  const fields: Record<string, EventValue> = { ud: run.u64(cqe + uapi.CQE_OFF_USER_DATA), res, flags };
  if (res < 0 && res > -4096) fields.err = errnoName(-res);
  if (isLong || ring.cqeSize === uapi.CQE32_SIZE) {
    const big0 = run.u64(cqe + uapi.CQE_OFF_BIG_CQE);
    const big1 = run.u64(cqe + uapi.CQE_OFF_BIG_CQE + 8);
    if (big0 !== 0 || big1 !== 0) Object.assign(fields, { big0, big1 });
  }
  run.out("cqe", fields);
  return isLong ? 2 : 1;
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
  run.outResult("register", run.call(text, run.sys.io_uring_register(run.ringFd, opcode, arg, count), "the ring"));
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

/** reg: the raw call. */
export function stepReg(run: RunContext, step: StepOf<"reg">): void {
  const fd = step.fd === undefined ? run.ringFd : run.fd(step.fd);
  const result = run.sys.io_uring_register(fd, step.opcode, run.argPointer(step.arg), step.count);
  run.outResult("register", run.call(`io_uring_register opcode ${step.opcode}`, result, "the ring"));
}

export function stepClosering(run: RunContext): void {
  run.outResult("close", run.call("close", run.sys.close(run.ringFd)));
  if (run.ring !== undefined) run.ring.alive = false;
}
