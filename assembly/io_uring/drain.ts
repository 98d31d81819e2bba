// IOSQE_IO_DRAIN. A drained request, and everything submitted behind it, is put aside until nothing else of the ring is
// alive: until the number of allocated io_kiocbs equals the number held here (members of their chains included).
//
// A notification is an allocated io_kiocb. So a drained request waits for the notifications of earlier sends; and a
// zero-copy request that is itself held back can never be released, because its own notification keeps the two counts
// apart. Linux 6.16 and later hang there for ever (spec: send-zc.md 2.8); so does this.
//
// Before 6.16 a drained request waited for a number of CQEs: as many as SQEs were taken before it, plus those that no SQE
// stands for (cq_extra). The CQE of a notification was not counted there, so a drained request goes too early for a notification
// that is still out, and never once the CQ is a notification ahead of the count (send-zc.md 2.8, deduced).
//
// Request field used: poll_mask = SQEs before the request, while it is held.
import { WAIT_REPORT_BASE } from "../abi/layout";
import { WAIT_HELD_DATA, WAIT_OWN_DATA, WAIT_OWN_NOTIF } from "../abi/wait";
import { TR_IO_URING_DEFER, TRACE_RING } from "../abi/trace";
import { B_DRAIN_BY_COUNT } from "../abi/profile";
import { has } from "../lib/profile";
import { nil } from "../lib/state";
import { trace } from "../lib/trace";
import { taskQueue } from "./submit";
import { REQ_F_FORCE_ASYNC, REQ_F_IO_DRAIN, Req, RingCtx, deferList, reqListAdd } from "./types";

/** An SQE with IO_DRAIN was seen. In the middle of a chain, the chain's head and what follows the chain are drained. */
export function initDrain(ctx: RingCtx): void {
  ctx.drain_active = 1;
  const head = ctx.link_head;
  if (head) {
    head.flags |= REQ_F_IO_DRAIN | REQ_F_FORCE_ASYNC;
    ctx.drain_next = 1;
  }
}

function linkedNr(req: Req): u32 {
  let n: u32 = 0;
  for (let r = req; r; r = r.link) n++;
  return n;
}

/** Puts a request (with its chain) aside; releases at once what may go. */
export function drainReq(req: Req): void {
  const ctx = req.ctx, drain = (req.flags & REQ_F_IO_DRAIN) != 0;
  trace(TRACE_RING, TR_IO_URING_DEFER, changetype<usize>(req), req.user_data, 0, 0);
  if (!has(B_DRAIN_BY_COUNT)) {
    req.poll_mask = ctx.cached_sq_head - linkedNr(req);
    if (!deferList(ctx).first && inSequence(ctx, req)) {
      ctx.drain_active = 0;
      taskQueue(req);
      return;
    }
  }
  ctx.nr_drained += linkedNr(req);
  reqListAdd(deferList(ctx), req);
  queueDeferred(ctx);
  if (!drain && !deferList(ctx).first) ctx.drain_active = 0;
}

/** Before 6.16: are the CQEs there that a drained request waits for? Exactly as many, so there can be too many. */
function inSequence(ctx: RingCtx, req: Req): bool {
  return !(req.flags & REQ_F_IO_DRAIN) || req.poll_mask + ctx.cq_extra == ctx.cached_cq_tail;
}

/** What overflowed has got to the ring, where it counts. */
export function drainCommit(ctx: RingCtx): void { if (ctx.drain_active && !has(B_DRAIN_BY_COUNT)) queueDeferred(ctx); }

/** Releases from the front: a drained one only when everything else is gone, its followers up to the next drained one. */
export function queueDeferred(ctx: RingCtx): void {
  const list = deferList(ctx), byCount = has(B_DRAIN_BY_COUNT);
  let drainSeen = false, first = true;
  while (list.first) {
    const req = list.first;
    if (req.flags & REQ_F_IO_DRAIN) drainSeen = true;
    if (byCount ? (drainSeen || first) && ctx.nr_req_allocated != ctx.nr_drained : !inSequence(ctx, req)) return;
    list.first = req.next;
    ctx.nr_drained -= linkedNr(req);
    taskQueue(req);
    first = false;
  }
}

/** Says in the wait report who is held back, and whether a notification of theirs is what they wait for. */
export function drainReport(ctx: RingCtx): void {
  const r: usize = WAIT_REPORT_BASE, first = deferList(ctx).first;
  store<u32>(r, 0, WAIT_OWN_NOTIF);
  if (!first) return;
  store<u64>(r, first.user_data, WAIT_HELD_DATA);
  for (let head = first; head; head = head.next) {
    for (let req = head; req; req = req.link) {
      if (!req.notif) continue;
      store<u32>(r, 1, WAIT_OWN_NOTIF);
      store<u64>(r, req.user_data, WAIT_OWN_DATA);
      return;
    }
  }
}

/** Takes the first held request out (ring exit); nil when none is left. */
export function drainTake(ctx: RingCtx): Req {
  const list = deferList(ctx), req = list.first;
  if (!req) return nil<Req>();
  list.first = req.next;
  ctx.nr_drained -= linkedNr(req);
  return req;
}
