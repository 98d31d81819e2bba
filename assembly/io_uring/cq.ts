// The completion queue. A CQE goes to the ring if there is room and nothing is waiting on the overflow list, else to that
// list, so the order of posting is kept (I11). The list moves to the ring only in an enter with GETEVENTS.
//
// cq.tail is published with a store-release after the CQE's bytes; it pairs with the application's load-acquire.
// cq.head is the application's: it is only used through the distance tail - head, and a lying head can at most make the
// ring look full or overwrite the liar's own entries.
//
// Spec: send-zc.md 1.2, 6.1.
import { OVERFLOW_SIZE } from "../abi/layout";
import { BUG_CQE_TWICE, BUG_NOTIF_BEFORE_SEND } from "../abi/bug";
import { CNT_CQES } from "../abi/counters";
import {
  CQE_OFF_BIG_CQE, CQE_OFF_FLAGS, CQE_OFF_RES, CQE_OFF_USER_DATA, IORING_SETUP_CQE32, IORING_SQ_CQ_OVERFLOW,
  RING_OFF_CQES, RING_OFF_CQ_HEAD, RING_OFF_CQ_OVERFLOW, RING_OFF_CQ_TAIL, RING_OFF_SQ_FLAGS,
} from "../abi/uapi";
import { TR_IO_URING_COMPLETE, TR_IO_URING_CQE_OVERFLOW, TRACE_RING } from "../abi/trace";
import { bugOn, DEBUG } from "../lib/bug";
import { cntAdd, cntInc } from "../lib/state";
import { POOL_OVERFLOW, poolAlloc, poolFree } from "../lib/pool";
import { trace, traceOn } from "../lib/trace";
import { POLLIN_MASK } from "../net/sock";
import { wakeUp } from "../kernel/wait";
import { REQ_F_CQE_SKIP, REQ_F_NOTIF, REQ_F_POSTED, REQ_SLOW_FREE, Req, ReqList, RingCtx, reqListAdd, ringWq } from "./types";

@unmanaged @final class Overflow {
  next: usize;
  pad: u32;
  user_data: u64;
  res: i32;
  cflags: u32;
}
if (offsetof<Overflow>() > OVERFLOW_SIZE) ERROR("Overflow does not fit its pool");

@inline export function cqReady(ctx: RingCtx): u32 { return ctx.cached_cq_tail - atomic.load<u32>(ctx.rings, RING_OFF_CQ_HEAD); }
/** What the application would see: published entries not consumed yet. */
@inline export function cqEventsUser(ctx: RingCtx): u32 { return load<u32>(ctx.rings, RING_OFF_CQ_TAIL) - atomic.load<u32>(ctx.rings, RING_OFF_CQ_HEAD); }

@inline function writeCqe(ctx: RingCtx, user_data: u64, res: i32, cflags: u32): void {
  const c: usize = ctx.rings + RING_OFF_CQES + (((ctx.cached_cq_tail & (ctx.cq_entries - 1)) as usize) << ctx.cqe_shift);
  store<u64>(c, user_data, CQE_OFF_USER_DATA);
  store<i32>(c, res, CQE_OFF_RES);
  store<u32>(c, cflags, CQE_OFF_FLAGS);
  if (ctx.flags & IORING_SETUP_CQE32) {
    store<u64>(c, 0, CQE_OFF_BIG_CQE);
    store<u64>(c, 0, CQE_OFF_BIG_CQE + 8);
  }
  ctx.cached_cq_tail++;
}

/** Posts the CQE of a finished request, to the ring or the overflow list. Publication follows in cqCommit(). */
@inline export function fillCqe(ctx: RingCtx, req: Req): void {
  if (DEBUG) checkPosting(req);
  postCqe(ctx, changetype<usize>(req), req.user_data, req.res, req.cflags);
}

/**
 * The fast half of posting a batch: CQEs of finished requests (through Req.next) for as long as there is room, two stores
 * each. A request on which nothing hangs any more goes straight to the ring's free requests; the others are collected in
 * `slow`. Returns the first request that was not posted, nil if all were.
 */
export function fillCqesFast(ctx: RingCtx, first: Req, slow: ReqList): Req {
  const mask = ctx.cq_entries - 1, cqes: usize = ctx.rings + RING_OFF_CQES;
  const start = ctx.cached_cq_tail, queued = start - atomic.load<u32>(ctx.rings, RING_OFF_CQ_HEAD);
  if (queued >= ctx.cq_entries) return first; // full, or a lying head
  const full = start + (ctx.cq_entries - queued);
  let tail = start, req = first, free = ctx.free_reqs, recycled: u32 = 0;
  while (req && tail != full) {
    const next = req.next, flags = req.flags;
    if (!(flags & REQ_F_CQE_SKIP)) {
      const c = cqes + (((tail & mask) as usize) << 4);
      store<u64>(c, req.user_data, CQE_OFF_USER_DATA);
      store<u64>(c, load<u64>(changetype<usize>(req), offsetof<Req>("res")), CQE_OFF_RES); // res and flags
      tail++;
    }
    if (flags & REQ_SLOW_FREE || req.file || req.notif) {
      reqListAdd(slow, req);
    } else {
      req.next = free;
      free = req;
      recycled++;
    }
    req = next;
  }
  ctx.free_reqs = free;
  ctx.nr_req_allocated -= recycled;
  ctx.cached_cq_tail = tail;
  cntAdd(CNT_CQES, tail - start);
  return req;
}
/** May a batch take the fast half? Not if it is traced, checked, or entries are not 16 bytes in a row. */
@inline export function canFillFast(ctx: RingCtx): bool {
  return !DEBUG && !ctx.overflow_first && !(ctx.flags & IORING_SETUP_CQE32) && !traceOn(TRACE_RING);
}

export function postCqe(ctx: RingCtx, object: usize, user_data: u64, res: i32, cflags: u32): void {
  cntInc(CNT_CQES);
  if (ctx.overflow_first == 0 && cqReady(ctx) < ctx.cq_entries) {
    writeCqe(ctx, user_data, res, cflags);
    trace(TRACE_RING, TR_IO_URING_COMPLETE, object, user_data, res as u32, cflags);
  } else {
    overflow(ctx, object, user_data, res, cflags);
  }
}

/** Is there room in the ring itself, and nothing waiting to get there first? */
@inline export function cqHasRoom(ctx: RingCtx): bool { return !ctx.overflow_first && cqReady(ctx) < ctx.cq_entries; }

/** A CQE only if the ring itself has room: never goes to the overflow list. False: not posted. */
export function postCqeNoOverflow(ctx: RingCtx, object: usize, user_data: u64, res: i32, cflags: u32): bool {
  if (!cqHasRoom(ctx)) return false;
  postCqe(ctx, object, user_data, res, cflags);
  return true;
}

/** I1, I2: one CQE per request, and a notification after its request. */
function checkPosting(req: Req): void {
  bugOn((req.flags & REQ_F_POSTED) != 0, BUG_CQE_TWICE, changetype<usize>(req), req.opcode);
  req.flags |= REQ_F_POSTED;
  if (req.flags & REQ_F_NOTIF) bugOn(req.nd_main_posted == 0, BUG_NOTIF_BEFORE_SEND, changetype<usize>(req));
  if (req.notif) req.notif.nd_main_posted = 1;
}

function overflow(ctx: RingCtx, object: usize, user_data: u64, res: i32, cflags: u32): void {
  const o = changetype<Overflow>(poolAlloc(POOL_OVERFLOW));
  if (!o) { // the entry is lost: this is what cq_overflow counts
    store<u32>(ctx.rings, load<u32>(ctx.rings, RING_OFF_CQ_OVERFLOW) + 1, RING_OFF_CQ_OVERFLOW);
    return;
  }
  if (!ctx.overflow_first) atomic.or<u32>(ctx.rings, IORING_SQ_CQ_OVERFLOW, RING_OFF_SQ_FLAGS);
  o.next = 0;
  o.user_data = user_data;
  o.res = res;
  o.cflags = cflags;
  if (ctx.overflow_first) changetype<Overflow>(ctx.overflow_last).next = changetype<usize>(o);
  else ctx.overflow_first = changetype<usize>(o);
  ctx.overflow_last = changetype<usize>(o);
  trace(TRACE_RING, TR_IO_URING_CQE_OVERFLOW, object, user_data, res as u32, cflags);
}

/** Moves as many overflowed CQEs to the ring as fit; clears the flag when none is left. */
export function overflowFlush(ctx: RingCtx): void {
  while (ctx.overflow_first && cqReady(ctx) < ctx.cq_entries) {
    const o = changetype<Overflow>(ctx.overflow_first);
    writeCqe(ctx, o.user_data, o.res, o.cflags);
    trace(TRACE_RING, TR_IO_URING_COMPLETE, changetype<usize>(ctx), o.user_data, o.res as u32, o.cflags);
    ctx.overflow_first = o.next;
    poolFree(POOL_OVERFLOW, changetype<usize>(o));
  }
  if (!ctx.overflow_first) atomic.and<u32>(ctx.rings, ~IORING_SQ_CQ_OVERFLOW, RING_OFF_SQ_FLAGS);
  cqPublish(ctx);
}

export function overflowDiscard(ctx: RingCtx): void {
  while (ctx.overflow_first) {
    const o = ctx.overflow_first;
    ctx.overflow_first = changetype<Overflow>(o).next;
    poolFree(POOL_OVERFLOW, o);
  }
}

@inline export function cqPublish(ctx: RingCtx): void { atomic.store<u32>(ctx.rings, ctx.cached_cq_tail, RING_OFF_CQ_TAIL); }

/** Publishes what was posted and wakes those who poll the ring fd. */
@inline export function cqCommit(ctx: RingCtx): void {
  cqPublish(ctx);
  wakeUp(ringWq(ctx), POLLIN_MASK);
}
