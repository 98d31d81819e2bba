// The completion queue. A CQE goes to the ring if there is room and nothing is waiting on the overflow list, else to that
// list, so the order of posting is kept (I11). The list moves to the ring only in an enter with GETEVENTS.
//
// cq.tail is published with a store-release after the CQE's bytes; it pairs with the application's load-acquire.
// cq.head is the application's: it is only used through the distance tail - head, and a lying head can at most make the
// ring look full or overwrite the liar's own entries. It is looked at when the run of slots found last is used up.
//
// Spec: send-zc.md 1.2, 6.1.
import { OVERFLOW_SIZE } from "../abi/layout";
import { BUG_CQE_TWICE, BUG_NOTIF_BEFORE_SEND } from "../abi/bug";
import { CNT_CQES } from "../abi/counters";
import {
  CQE_OFF_BIG_CQE, CQE_OFF_FLAGS, CQE_OFF_RES, CQE_OFF_USER_DATA, IORING_CQE_F_32, IORING_CQE_F_SKIP, IORING_SETUP_CQE32, IORING_SETUP_CQE_MIXED,
  IORING_SQ_CQ_OVERFLOW, RING_OFF_CQES, RING_OFF_CQ_HEAD, RING_OFF_CQ_OVERFLOW, RING_OFF_CQ_TAIL, RING_OFF_SQ_FLAGS,
} from "../abi/uapi";
import { TR_IO_URING_COMPLETE, TR_IO_URING_CQE_OVERFLOW, TRACE_RING } from "../abi/trace";
import { B_NOTIF_TW, B_ZC_FLUSH_IN_CLEANUP } from "../abi/profile";
import { has } from "../lib/profile";
import { bugOn, DEBUG } from "../lib/bug";
import { cntAdd, cntInc } from "../lib/state";
import { POOL_OVERFLOW, poolAlloc, poolFree } from "../lib/pool";
import { trace, traceOn } from "../lib/trace";
import { POLLIN_MASK } from "../net/sock";
import { EPOLL_URING_WAKE, wakeUp } from "../kernel/wait";
import { eventfdSignal } from "./eventfd";
import { REQ_F_BIG_CQE, REQ_F_CQE_SKIP, REQ_F_NOTIF, REQ_F_POSTED, REQ_SLOW_FREE, Req, ReqList, RingCtx, reqListAdd, ringWq } from "./types";

@unmanaged @final class Overflow {
  next: usize;
  pad: u32;
  user_data: u64;
  res: i32;
  cflags: u32;
  extra1: u64; // the upper half of a 32-byte CQE
  extra2: u64;
}
if (offsetof<Overflow>() > OVERFLOW_SIZE) ERROR("Overflow does not fit its pool");

@inline export function cqReady(ctx: RingCtx): u32 { return ctx.cached_cq_tail - atomic.load<u32>(ctx.rings, RING_OFF_CQ_HEAD); }
/** What the application would see: published entries not consumed yet. */
@inline export function cqEventsUser(ctx: RingCtx): u32 { return load<u32>(ctx.rings, RING_OFF_CQ_TAIL) - atomic.load<u32>(ctx.rings, RING_OFF_CQ_HEAD); }

/**
 * Finds the next run of free slots: up to the end of the ring, or to where the program's head was seen. False: no room, or
 * something waits on the overflow list and must come first (`overflowing`: it is that list that asks).
 *
 * An entry of 32 bytes between 16-byte ones (`big`) never wraps: a filler (F_SKIP) takes the last slot. The filler is
 * posted before it is known whether there is room behind it; if there is not, the slot is handed out once more to the next
 * small CQE, while the tail has moved on. That is what Linux 6.18 does.
 */
function cqRefill(ctx: RingCtx, overflowing: bool, big: bool): bool {
  if (ctx.overflow_first && !overflowing) return false;
  const mask = ctx.cq_entries - 1;
  let off = ctx.cached_cq_tail & mask;
  if (big && off == mask) {
    if (cqReady(ctx) >= ctx.cq_entries) return false;
    const filler: usize = ctx.rings + RING_OFF_CQES + ((off as usize) << 4); // counted in small entries even where all are big
    store<u64>(filler, 0, CQE_OFF_USER_DATA);
    store<i32>(filler, 0, CQE_OFF_RES);
    store<u32>(filler, IORING_CQE_F_SKIP, CQE_OFF_FLAGS);
    ctx.cached_cq_tail++;
    off = 0;
  }
  const queued = cqReady(ctx), free = queued < ctx.cq_entries ? ctx.cq_entries - queued : 0;
  const len = min<u32>(free, ctx.cq_entries - off), least: u32 = big ? 2 : 1;
  if (least > len) return false;
  ctx.cq_slot = off;
  ctx.cq_slot_end = off + len;
  return true;
}

/** The slot of the next CQE; -1 when there is none. `big`: it asks for 32 bytes (two slots on a CQE_MIXED ring). */
@inline function cqTake(ctx: RingCtx, overflowing: bool, big: bool): i32 {
  const last = big && !(ctx.flags & IORING_SETUP_CQE32) ? ctx.cq_slot + 1 : ctx.cq_slot;
  if (last >= ctx.cq_slot_end && !cqRefill(ctx, overflowing, big)) return -1;
  const slot = ctx.cq_slot++;
  ctx.cached_cq_tail++;
  if (big && ctx.flags & IORING_SETUP_CQE_MIXED) {
    ctx.cq_slot++;
    ctx.cached_cq_tail++;
  }
  return slot as i32;
}

@inline function writeCqe(ctx: RingCtx, slot: u32, user_data: u64, res: i32, cflags: u32): usize {
  const c: usize = ctx.rings + RING_OFF_CQES + ((slot as usize) << ctx.cqe_shift);
  store<u64>(c, user_data, CQE_OFF_USER_DATA);
  store<i32>(c, res, CQE_OFF_RES);
  store<u32>(c, cflags, CQE_OFF_FLAGS);
  return c;
}
@inline function writeBig(ctx: RingCtx, c: usize, cflags: u32, extra1: u64, extra2: u64): void {
  if (!(ctx.flags & IORING_SETUP_CQE32) && !(ctx.flags & IORING_SETUP_CQE_MIXED && cflags & IORING_CQE_F_32)) return;
  store<u64>(c, extra1, CQE_OFF_BIG_CQE);
  store<u64>(c, extra2, CQE_OFF_BIG_CQE + 8);
}

/** Writes one CQE into the ring; false if it has no room. */
function fillCq(ctx: RingCtx, overflowing: bool, user_data: u64, res: i32, cflags: u32, extra1: u64, extra2: u64): bool {
  const slot = cqTake(ctx, overflowing, (cflags & IORING_CQE_F_32) != 0);
  if (slot < 0) return false;
  writeBig(ctx, writeCqe(ctx, slot, user_data, res, cflags), cflags, extra1, extra2);
  return true;
}

/** Posts the CQE of a finished request, to the ring or the overflow list. Publication follows in cqCommit(). */
@inline export function fillCqe(ctx: RingCtx, req: Req): void {
  if (DEBUG) checkPosting(req);
  if (req.flags & REQ_F_BIG_CQE) post(ctx, changetype<usize>(req), req.user_data, req.res, req.cflags, req.iter, req.iter1);
  else post(ctx, changetype<usize>(req), req.user_data, req.res, req.cflags, 0, 0);
}

/**
 * The fast half of posting a batch: CQEs of finished requests (through Req.next) for as long as there is room, two stores
 * each. A request on which nothing hangs any more goes straight to the ring's free requests; the others are collected in
 * `slow`. Returns the first request that was not posted, nil if all were.
 */
export function fillCqesFast(ctx: RingCtx, first: Req, slow: ReqList): Req {
  const cqes: usize = ctx.rings + RING_OFF_CQES;
  let req = first, free = ctx.free_reqs, recycled: u32 = 0, posted: u32 = 0;
  let at = cqes + ((ctx.cq_slot as usize) << 4), end = cqes + ((ctx.cq_slot_end as usize) << 4);
  while (req) {
    const next = req.next, flags = req.flags;
    if (!(flags & REQ_F_CQE_SKIP)) {
      if (at == end) {
        ctx.cached_cq_tail += posted;
        cntAdd(CNT_CQES, posted);
        posted = 0;
        ctx.cq_slot = ctx.cq_slot_end;
        if (!cqRefill(ctx, false, false)) break;
        at = cqes + ((ctx.cq_slot as usize) << 4);
        end = cqes + ((ctx.cq_slot_end as usize) << 4);
      }
      store<u64>(at, req.user_data, CQE_OFF_USER_DATA);
      store<u64>(at, load<u64>(changetype<usize>(req), offsetof<Req>("res")), CQE_OFF_RES); // res and flags
      at += 16;
      posted++;
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
  ctx.cached_cq_tail += posted;
  ctx.cq_slot = ((at - cqes) >> 4) as u32;
  cntAdd(CNT_CQES, posted);
  return req;
}
/** May a batch take the fast half? Not if it is traced, checked, or entries are not 16 bytes in a row. */
@inline export function canFillFast(ctx: RingCtx): bool {
  return !DEBUG && !ctx.overflow_first && !(ctx.flags & (IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED)) && !traceOn(TRACE_RING);
}

function post(ctx: RingCtx, object: usize, user_data: u64, res: i32, cflags: u32, extra1: u64, extra2: u64): void {
  cntInc(CNT_CQES);
  if (fillCq(ctx, false, user_data, res, cflags, extra1, extra2)) trace(TRACE_RING, TR_IO_URING_COMPLETE, object, user_data, res as u32, cflags);
  else overflow(ctx, object, user_data, res, cflags, extra1, extra2);
}

/** A CQE that no SQE of the ring stands for. */
export function postCqe(ctx: RingCtx, object: usize, user_data: u64, res: i32, cflags: u32): void {
  ctx.cq_extra++;
  post(ctx, object, user_data, res, cflags, 0, 0);
}

/** Is there room in the ring itself, and nothing waiting to get there first? */
@inline export function cqHasRoom(ctx: RingCtx): bool { return !ctx.overflow_first && cqReady(ctx) < ctx.cq_entries; }

/** A CQE only if the ring itself has room: never goes to the overflow list. False: not posted. */
export function postCqeNoOverflow(ctx: RingCtx, object: usize, user_data: u64, res: i32, cflags: u32): bool {
  if (!fillCq(ctx, false, user_data, res, cflags, 0, 0)) return false;
  ctx.cq_extra++;
  cntInc(CNT_CQES);
  trace(TRACE_RING, TR_IO_URING_COMPLETE, object, user_data, res as u32, cflags);
  return true;
}

/** I1, I2: one CQE per request, and a notification after its request. */
function checkPosting(req: Req): void {
  bugOn((req.flags & REQ_F_POSTED) != 0, BUG_CQE_TWICE, changetype<usize>(req), req.opcode);
  req.flags |= REQ_F_POSTED;
  if (req.flags & REQ_F_NOTIF) bugOn(req.nd_main_posted == 0 && (has(B_ZC_FLUSH_IN_CLEANUP) || has(B_NOTIF_TW)), BUG_NOTIF_BEFORE_SEND, changetype<usize>(req));
  if (req.notif) req.notif.nd_main_posted = 1;
}

function overflow(ctx: RingCtx, object: usize, user_data: u64, res: i32, cflags: u32, extra1: u64, extra2: u64): void {
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
  o.extra1 = extra1;
  o.extra2 = extra2;
  if (ctx.overflow_first) changetype<Overflow>(ctx.overflow_last).next = changetype<usize>(o);
  else ctx.overflow_first = changetype<usize>(o);
  ctx.overflow_last = changetype<usize>(o);
  trace(TRACE_RING, TR_IO_URING_CQE_OVERFLOW, object, user_data, res as u32, cflags);
}

/** Moves as many overflowed CQEs to the ring as fit; clears the flag when none is left. */
export function overflowFlush(ctx: RingCtx): void {
  if (cqReady(ctx) == ctx.cq_entries) return;
  while (ctx.overflow_first) {
    const o = changetype<Overflow>(ctx.overflow_first);
    if (!fillCq(ctx, true, o.user_data, o.res, o.cflags, o.extra1, o.extra2)) break;
    trace(TRACE_RING, TR_IO_URING_COMPLETE, changetype<usize>(ctx), o.user_data, o.res as u32, o.cflags);
    ctx.overflow_first = o.next;
    poolFree(POOL_OVERFLOW, changetype<usize>(o));
  }
  if (!ctx.overflow_first) atomic.and<u32>(ctx.rings, ~IORING_SQ_CQ_OVERFLOW, RING_OFF_SQ_FLAGS);
  cqCommit(ctx);
}

export function overflowDiscard(ctx: RingCtx): void {
  while (ctx.overflow_first) {
    const o = ctx.overflow_first;
    ctx.overflow_first = changetype<Overflow>(o).next;
    poolFree(POOL_OVERFLOW, o);
  }
}

@inline export function cqPublish(ctx: RingCtx): void { atomic.store<u32>(ctx.rings, ctx.cached_cq_tail, RING_OFF_CQ_TAIL); }

/** Publishes what was posted, wakes those who poll the ring fd and signals the registered eventfd. */
@inline export function cqCommit(ctx: RingCtx): void {
  cqPublish(ctx);
  if (ctx.poll_activated) wakeUp(ringWq(ctx), POLLIN_MASK | EPOLL_URING_WAKE);
  if (ctx.evfd) eventfdSignal(ctx, true);
}
