// A ring's life: io_uring_setup(2), and its end. Closing the descriptor returns at once. The ring goes on until its last
// io_kiocb is gone, notifications included: pages stay pinned, data is still delivered, CQEs are lost.
//
// Spec: send-zc.md 1.2, 1.5, 5; invariants I5, I18.
import { COUNTERS_BASE, CTX_SIZE } from "../abi/layout";
import { CNT_REQS_LIVE, CNT_RINGS_LIVE } from "../abi/counters";
import { EBADF, ECANCELED, EFAULT, EINVAL, ENFILE, ENOMEM, ENOTMODELLED } from "../abi/errno";
import { TR_IO_URING_RING_EXIT, TRACE_RING } from "../abi/trace";
import {
  IORING_MAX_CQ_ENTRIES, IORING_MAX_ENTRIES, IORING_SETUP_ATTACH_WQ, IORING_SETUP_CLAMP, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_CQE32,
  IORING_SETUP_CQE_MIXED, IORING_SETUP_CQSIZE, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_HYBRID_IOPOLL, IORING_SETUP_IOPOLL, IORING_SETUP_NO_MMAP,
  IORING_SETUP_REGISTERED_FD_ONLY, IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_SQE128, IORING_SETUP_SQPOLL, IORING_SETUP_SQ_AFF,
  IORING_SETUP_TASKRUN_FLAG, PARAMS_OFF_CQ_ENTRIES, PARAMS_OFF_FLAGS, PARAMS_OFF_RESV, PARAMS_OFF_SQ_THREAD_IDLE, PARAMS_SIZE, RING_OFF_SQ_TAIL,
} from "../abi/uapi";
import { POOL_CTX, poolAlloc, poolFree } from "../lib/pool";
import { SCRATCH_PARAMS, S_CTX_LIST, S_RING_ID, cntDec, cntInc } from "../lib/state";
import { Timer, timerArmIn, timerArmed, timerFree, timerNew } from "../lib/timer";
import { trace } from "../lib/trace";
import { copyFromUser, copyToUser, userWritable } from "../mm/vma";
import { current } from "../kernel/task";
import { FILE_RING, File, fdInstall, fileNew, fput } from "../fs/file";
import { cancelAll } from "./cancel";
import { cqEventsUser, overflowDiscard } from "./cq";
import { drainTake } from "./drain";
import { iowqInit } from "./iowq";
import { destroyBufGroups } from "./kbuf_ops";
import { deferFailed, freeReqCache, submitFlushCompletions } from "./req";
import { allocRingMemory, freeRingMemory, writeParams } from "./ring_mem";
import { unregisterBuffers } from "./rsrc_buffers";
import { unregisterFiles } from "./rsrc_files";
import { sqpollStart, sqpollStop } from "./sqpoll";
import { runAllLocalWork } from "./tw";
import { RingCtx, ringWq } from "./types";

/** Until the exit worker has its first turn: behind what the closer does next, and behind the io-wq workers. */
const EXIT_FIRST_NS: u64 = 100000;
/** Turns of the exit worker; each is 50 ms after the one before. */
const EXIT_TURNS_MAX: u32 = 64;
const EXIT_TURN_NS: u64 = 50000000;
const SETUP_FLAGS: u32 = 0x7ffff;

function roundPow2(n: u32): u32 { return n <= 1 ? 1 : 1 << (32 - clz<u32>(n - 1)); }
@inline function has(flags: u32, bits: u32): bool { return (flags & bits) != 0; }

/** The combination rules of spec 1.5: 0 or -EINVAL. */
function checkFlags(flags: u32): i32 {
  if (flags & ~SETUP_FLAGS) return -EINVAL;
  if (has(flags, IORING_SETUP_REGISTERED_FD_ONLY) && !has(flags, IORING_SETUP_NO_MMAP)) return -EINVAL;
  if (has(flags, IORING_SETUP_SQPOLL)) {
    if (flags & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_DEFER_TASKRUN)) return -EINVAL;
  } else if (has(flags, IORING_SETUP_SQ_AFF)) {
    return -EINVAL;
  }
  if (has(flags, IORING_SETUP_TASKRUN_FLAG) && !(flags & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN))) return -EINVAL;
  if (has(flags, IORING_SETUP_DEFER_TASKRUN) && !has(flags, IORING_SETUP_SINGLE_ISSUER)) return -EINVAL;
  if (has(flags, IORING_SETUP_HYBRID_IOPOLL) && !has(flags, IORING_SETUP_IOPOLL)) return -EINVAL;
  if (has(flags, IORING_SETUP_CQE32) && has(flags, IORING_SETUP_CQE_MIXED)) return -EINVAL;
  return 0;
}

/**
 * io_uring_setup(2): params (120 bytes) are read and written back. fd, or EFAULT, EINVAL, ENOMEM (locked memory), EMFILE.
 */
export function ioUringSetup(entries: u32, params: u64): i32 {
  const p = SCRATCH_PARAMS;
  if (copyFromUser(p, params, PARAMS_SIZE) || userWritable(params, PARAMS_SIZE)) return -EFAULT;
  for (let i: usize = 0; i < 3; i++) if (load<u32>(p + PARAMS_OFF_RESV + (i << 2))) return -EINVAL;
  const flags = load<u32>(p, PARAMS_OFF_FLAGS), err = checkFlags(flags);
  if (err) return err;
  if (!entries) return -EINVAL;
  if (entries > IORING_MAX_ENTRIES) {
    if (!has(flags, IORING_SETUP_CLAMP)) return -EINVAL;
    entries = IORING_MAX_ENTRIES;
  }
  const sq = roundPow2(entries);
  let cq = sq << 1;
  if (has(flags, IORING_SETUP_CQSIZE)) {
    cq = load<u32>(p, PARAMS_OFF_CQ_ENTRIES);
    if (!cq) return -EINVAL;
    if (cq > IORING_MAX_CQ_ENTRIES) {
      if (!has(flags, IORING_SETUP_CLAMP)) return -EINVAL;
      cq = IORING_MAX_CQ_ENTRIES;
    }
    cq = roundPow2(cq);
    if (cq < sq) return -EINVAL;
  }
  if (has(flags, IORING_SETUP_ATTACH_WQ)) return -EBADF; // no other ring's workers can be shared
  if (has(flags, IORING_SETUP_NO_MMAP)) return -ENOTMODELLED;
  return createRing(p, params, flags, sq, cq);
}

function createRing(p: usize, params: u64, flags: u32, sq: u32, cq: u32): i32 {
  const ctx = changetype<RingCtx>(poolAlloc(POOL_CTX)), t = current();
  if (!ctx) return -ENOMEM;
  memory.fill(changetype<usize>(ctx), 0, CTX_SIZE);
  ctx.flags = flags;
  ctx.refs = 1;
  ctx.task = t;
  ctx.sq_entries = sq;
  ctx.cq_entries = cq;
  ctx.sqe_shift = has(flags, IORING_SETUP_SQE128) ? 7 : 6;
  ctx.cqe_shift = has(flags, IORING_SETUP_CQE32) ? 5 : 4;
  const err = allocRingMemory(ctx);
  if (err) {
    poolFree(POOL_CTX, changetype<usize>(ctx));
    return err;
  }
  linkRing(ctx);
  iowqInit(sq);
  const f = fileNew(FILE_RING, changetype<usize>(ctx), ringRelease.index, ringPoll.index, ringWq(ctx));
  if (!f) {
    ringPut(ctx);
    return -ENFILE;
  }
  ctx.file = f;
  const fd = fdInstall(t, f, true);
  if (fd < 0) {
    fput(f);
    return fd;
  }
  writeParams(p, ctx);
  copyToUser(params, p, PARAMS_SIZE); // checked to be writable above
  if (has(flags, IORING_SETUP_SQPOLL)) sqpollStart(ctx, load<u32>(p, PARAMS_OFF_SQ_THREAD_IDLE));
  return fd;
}

export function ringPoll(f: File): u32 {
  const ctx = changetype<RingCtx>(f.priv);
  let mask: u32 = 0;
  const tail = atomic.load<u32>(ctx.rings, RING_OFF_SQ_TAIL);
  if (tail - ctx.cached_sq_head < ctx.sq_entries) mask |= 0x104;
  if (cqEventsUser(ctx) || ctx.overflow_first || (has(ctx.flags, IORING_SETUP_DEFER_TASKRUN) && (ctx.work_count | ctx.retry_count) != 0)) mask |= 0x41;
  return mask;
}

// The end ---------------------------------------------------------------------------------------------------------------

function linkRing(ctx: RingCtx): void {
  const first = changetype<RingCtx>(load<u32>(S_CTX_LIST) as usize);
  ctx.next = first;
  if (first) first.prev = ctx;
  store<u32>(S_CTX_LIST, changetype<usize>(ctx) as u32);
  ctx.id = load<u32>(S_RING_ID) + 1;
  store<u32>(S_RING_ID, ctx.id);
  cntInc(CNT_RINGS_LIVE);
}

/** The last descriptor is closed: cancel what can be cancelled, in a worker's time, and let the rest finish. */
function ringRelease(f: File): void {
  const ctx = changetype<RingCtx>(f.priv);
  ctx.dying = 1;
  if (ctx.sq_timer) sqpollStop(ctx);
  trace(TRACE_RING, TR_IO_URING_RING_EXIT, changetype<usize>(ctx), ctx.id as u64, ctx.nr_req_allocated, 0);
  if (ctx.nr_req_allocated) ringExitKick(ctx);
  ringPut(ctx);
}

/** The exit worker gets a turn. */
export function ringExitKick(ctx: RingCtx): void {
  if (!ctx.exit_timer) ctx.exit_timer = changetype<usize>(timerNew(ringExitWork.index, changetype<usize>(ctx)));
  const t = changetype<Timer>(ctx.exit_timer);
  if (!timerArmed(t)) timerArmIn(t, ctx.exit_turns ? EXIT_TURN_NS : EXIT_FIRST_NS);
}

function ringExitWork(p: usize): void {
  const ctx = changetype<RingCtx>(p);
  ringHold(ctx);
  for (let req = drainTake(ctx); req; req = drainTake(ctx)) deferFailed(req, -ECANCELED);
  cancelAll(ctx);
  submitFlushCompletions(ctx);
  runAllLocalWork(ctx);
  // What was armed or held back meanwhile needs another turn; notifications alone wait for the network.
  if (ctx.nr_req_allocated > ctx.nr_notifs && ++ctx.exit_turns < EXIT_TURNS_MAX) ringExitKick(ctx);
  ringPut(ctx);
}

@inline export function ringHold(ctx: RingCtx): void { ctx.refs++; }

/** Gives a hold back. The ring goes with the last one, if no io_kiocb is left. */
@inline export function ringPut(ctx: RingCtx): void {
  if (--ctx.refs == 0 && ctx.nr_req_allocated == 0) ringFree(ctx);
}

function ringFree(ctx: RingCtx): void {
  trace(TRACE_RING, TR_IO_URING_RING_EXIT, changetype<usize>(ctx), ctx.id as u64, 0, 1);
  overflowDiscard(ctx);
  freeReqCache(ctx);
  unregisterBuffers(ctx);
  unregisterFiles(ctx);
  destroyBufGroups(ctx);
  timerFree(changetype<Timer>(ctx.exit_timer));
  freeRingMemory(ctx);
  if (ctx.prev) ctx.prev.next = ctx.next;
  else store<u32>(S_CTX_LIST, changetype<usize>(ctx.next) as u32);
  if (ctx.next) ctx.next.prev = ctx.prev;
  cntDec(CNT_RINGS_LIVE);
  poolFree(POOL_CTX, changetype<usize>(ctx));
}

/** io_kiocbs of all rings, notifications included: brings the counter block up to date. */
export function countReqs(): void {
  let n: u32 = 0;
  for (let ctx = changetype<RingCtx>(load<u32>(S_CTX_LIST) as usize); ctx; ctx = ctx.next) n += ctx.nr_req_allocated;
  store<u32>(COUNTERS_BASE + CNT_REQS_LIVE, n);
}

/** io_kiocbs of closed rings that still exist, notifications included. */
export function ringExitPending(): u32 {
  let n: u32 = 0;
  for (let ctx = changetype<RingCtx>(load<u32>(S_CTX_LIST) as usize); ctx; ctx = ctx.next) if (ctx.dying) n += ctx.nr_req_allocated;
  return n;
}
