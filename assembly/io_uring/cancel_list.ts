// What of a ring can be cancelled, by the state it waits in: one doubly linked list (through Req.cancel_*) per state. The
// order in a list is the order in which a cancellation with ALL or ANY takes its requests.
import { Req, RingCtx } from "./types";

export const CANCEL_NONE: u32 = 0;
export const CANCEL_POLL: u32 = 1; // armed polls, the latest first
export const CANCEL_TIMEOUT: u32 = 2; // completion-count timeouts by count, then the others by age
export const CANCEL_IOWQ: u32 = 3; // waiting for a worker
export const CANCEL_LTIMEOUT: u32 = 4;
export const CANCEL_RUNNING: u32 = 5; // a worker is in it, perhaps asleep
export const CANCEL_FUTEX: u32 = 6; // waits on a futex, the latest first
const NR_LISTS: usize = 6;

if (offsetof<RingCtx>("cancel_end") - offsetof<RingCtx>("cancel_lists") < NR_LISTS * 8) ERROR("no room for the cancel lists");

@inline function head(ctx: RingCtx, kind: u32): usize {
  return changetype<usize>(ctx) + offsetof<RingCtx>("cancel_lists") + (((kind - 1) as usize) << 3);
}
@inline export function cancelFirst(ctx: RingCtx, kind: u32): Req { return changetype<Req>(load<u32>(head(ctx, kind)) as usize); }
@inline export function cancelLast(ctx: RingCtx, kind: u32): Req { return changetype<Req>(load<u32>(head(ctx, kind), 4) as usize); }

/** Adds behind `prev`; nil: at the front. From the list it was on, if any. */
export function cancelListInsert(req: Req, kind: u32, prev: Req): void {
  if (req.on_cancel) cancelListDel(req);
  const h = head(req.ctx, kind), next = prev ? prev.cancel_next : changetype<Req>(load<u32>(h) as usize);
  req.on_cancel = kind;
  req.cancel_seq = 0;
  req.cancel_prev = prev;
  req.cancel_next = next;
  if (prev) prev.cancel_next = req;
  else store<u32>(h, changetype<usize>(req) as u32);
  if (next) next.cancel_prev = req;
  else store<u32>(h, changetype<usize>(req) as u32, 4);
}
export function cancelListAdd(req: Req, kind: u32): void { cancelListInsert(req, kind, cancelLast(req.ctx, kind)); }
export function cancelListAddFront(req: Req, kind: u32): void { cancelListInsert(req, kind, changetype<Req>(0)); }

export function cancelListDel(req: Req): void {
  if (!req.on_cancel) return;
  const h = head(req.ctx, req.on_cancel), prev = req.cancel_prev, next = req.cancel_next;
  req.on_cancel = CANCEL_NONE;
  if (prev) prev.cancel_next = next;
  else store<u32>(h, changetype<usize>(next) as u32);
  if (next) next.cancel_prev = prev;
  else store<u32>(h, changetype<usize>(prev) as u32, 4);
}
