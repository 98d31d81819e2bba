// A ring's life: io_uring_setup(2), and its end. Closing the descriptor returns at once. The ring goes on until its last
// io_kiocb is gone, notifications included: pages stay pinned, data is still delivered, CQEs are lost.
//
// Spec: send-zc.md 1.2, 1.5, 5; invariants I5, I18.
import { COUNTERS_BASE, CTX_SIZE } from "../abi/layout";
import { CNT_REQS_LIVE, CNT_RINGS_LIVE } from "../abi/counters";
import { ECANCELED, ENOMEM } from "../abi/errno";
import { TR_IO_URING_RING_EXIT, TRACE_RING } from "../abi/trace";
import {
  CQOFF_OFF_USER_ADDR, IORING_SETUP_CQE32, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_R_DISABLED, IORING_SETUP_SQE128, PARAMS_OFF_CQ_OFF,
  PARAMS_OFF_SQ_OFF, RING_OFF_SQ_TAIL, SQOFF_OFF_USER_ADDR,
} from "../abi/uapi";
import { POOL_CTX, poolAlloc, poolFree } from "../lib/pool";
import { S_CTX_LIST, S_RING_ID, cntDec, cntInc } from "../lib/state";
import { Timer, timerArmIn, timerArmed, timerFree, timerNew } from "../lib/timer";
import { trace } from "../lib/trace";
import { current } from "../kernel/task";
import { wakeUp } from "../kernel/wait";
import { FILE_RING, File, fileNew } from "../fs/file";
import { cancelAll } from "./cancel";
import { cqEventsUser, overflowDiscard } from "./cq";
import { drainTake } from "./drain";
import { unregisterEventfd } from "./eventfd";
import { destroyBufGroups } from "./kbuf_ops";
import { vecDestroy } from "./net_vec";
import { dropSlots } from "./notif_slots";
import { dropPersonalities } from "./personality";
import { regionFree } from "./region";
import { deferFailed, freeReqCache, submitFlushCompletions } from "./req";
import { allocRingMemory, freeRingMemory } from "./ring_mem";
import { dropBuffers } from "./rsrc_buffers";
import { dropFiles } from "./rsrc_files";
import { rsrcDestroy, rsrcInit } from "./rsrc_quiesce";
import { sqpollLeave } from "./sqpoll";
import { napiExit } from "./tuning";
import { runAllLocalWork, taskWorkAdd } from "./tw";
import { RingCtx, ringWq } from "./types";

/** Until the exit worker has its first turn: behind what the closer does next, and behind the io-wq workers. */
const EXIT_FIRST_NS: u64 = 100000;
/** Turns of the exit worker; each is 50 ms after the one before. */
const EXIT_TURNS_MAX: u32 = 64;
const EXIT_TURN_NS: u64 = 50000000;
@inline function has(flags: u32, bits: u32): bool { return (flags & bits) != 0; }

/** A ring with its shared memory, its references and its place among all rings; not yet a file. */
export function ringNew(p: usize, flags: u32, sq: u32, cq: u32): i32 {
  const ctx = changetype<RingCtx>(poolAlloc(POOL_CTX)), t = current();
  if (!ctx) return -ENOMEM;
  memory.fill(changetype<usize>(ctx), 0, CTX_SIZE);
  ctx.flags = flags;
  ctx.refs = 1;
  ctx.task = t;
  ctx.acct = t.privileged ? 0 : 1; // decided once: what is given back later is what was charged
  ctx.acct_uid = t.uid;
  ctx.sq_entries = sq;
  ctx.cq_entries = cq;
  ctx.sqe_shift = has(flags, IORING_SETUP_SQE128) ? 7 : 6;
  ctx.cqe_shift = has(flags, IORING_SETUP_CQE32) ? 5 : 4;
  ctx.poll_activated = has(flags, IORING_SETUP_DEFER_TASKRUN) ? 0 : 1;
  let err = allocRingMemory(ctx, load<u64>(p, PARAMS_OFF_CQ_OFF + CQOFF_OFF_USER_ADDR), load<u64>(p, PARAMS_OFF_SQ_OFF + SQOFF_OFF_USER_ADDR));
  if (!err && !rsrcInit(ctx)) {
    freeRingMemory(ctx);
    err = -ENOMEM;
  }
  if (err) {
    poolFree(POOL_CTX, changetype<usize>(ctx));
    return err;
  }
  linkRing(ctx);
  return changetype<usize>(ctx) as i32;
}

/** The file of a ring; nil when there are no more. */
export function ringFile(ctx: RingCtx): File {
  const f = fileNew(FILE_RING, changetype<usize>(ctx), ringRelease.index, ringPoll.index, ringWq(ctx));
  ctx.file = f;
  return f;
}

export function ringPoll(f: File): u32 {
  const ctx = changetype<RingCtx>(f.priv);
  if (!ctx.poll_activated) pollActivate(ctx);
  let mask: u32 = 0;
  const tail = atomic.load<u32>(ctx.rings, RING_OFF_SQ_TAIL);
  if (tail - ctx.cached_sq_head < ctx.sq_entries) mask |= 0x104;
  if (cqEventsUser(ctx) || ctx.overflow_first || (has(ctx.flags, IORING_SETUP_DEFER_TASKRUN) && (ctx.work_count | ctx.retry_count) != 0)) mask |= 0x41;
  return mask;
}

/**
 * With DEFER_TASKRUN the waiters of the ring fd are woken only once somebody has polled it. It takes effect in the task's
 * next task work, which wakes everybody who came meanwhile.
 */
function pollActivate(ctx: RingCtx): void {
  if (ctx.poll_activating || ctx.flags & IORING_SETUP_R_DISABLED) return;
  if (!taskWorkAdd(pollActivated.index, changetype<usize>(ctx))) return;
  ctx.poll_activating = 1;
  ringHold(ctx);
}
function pollActivated(p: usize): void {
  const ctx = changetype<RingCtx>(p);
  ctx.poll_activated = 1;
  wakeUp(ringWq(ctx), u32.MAX_VALUE);
  ringPut(ctx);
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
  if (ctx.sqd) sqpollLeave(ctx);
  dropSlots(ctx);
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
  dropBuffers(ctx);
  dropFiles(ctx);
  rsrcDestroy(ctx);
  destroyBufGroups(ctx);
  vecDestroy(ctx);
  if (ctx.evfd) unregisterEventfd(ctx);
  dropPersonalities(ctx);
  napiExit(ctx);
  regionFree(ctx);
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
