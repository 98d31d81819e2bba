// The vectors of message headers. Every send and receive has a header, which goes back to a cache of its ring when the
// request is done, and with it the vector that it needed (more than one segment). Who gets the header next has room for
// that many segments from the start, and that shows: a bundle whose size is not known takes as many buffers as it has room
// for. So the lengths are kept here, last in, first out, as headers are; the memory itself is not.
//
// A ring that never had a vector has nothing to remember (ctx.vec_cache is 0), so plain sends pay one look at it.
import { ASYNC_SIZE } from "../abi/layout";
import { POOL_ASYNC, poolAlloc, poolFree } from "../lib/pool";
import { netState } from "./net_bundle";
import { IO_URING_F_UNLOCKED, REQ_F_VEC, Req, RingCtx } from "./types";

/** Headers that a ring keeps, and the longest vector that stays with one. */
const CACHE_MAX: u32 = 128;
const VEC_MAX: u32 = 256;
// The cache: u32 count, then u16 per header.
if (ASYNC_SIZE < 4 + 2 * CACHE_MAX) ERROR("the cache of vectors does not fit its block");

/** Segments that the request has room for. */
@inline export function vecRoom(req: Req): u32 { return req.flags & REQ_F_VEC ? netState(req).vec_nr : 1; }

/** The request needed a longer vector. */
export function vecGrow(req: Req, nr: u32): void {
  const ctx = req.ctx;
  if (!ctx.vec_cache) {
    ctx.vec_cache = poolAlloc(POOL_ASYNC);
    if (!ctx.vec_cache) return;
    store<u32>(ctx.vec_cache, 0);
  }
  req.flags |= REQ_F_VEC;
  netState(req).vec_nr = nr;
}

/** prep: the header used last. */
export function vecTake(req: Req): void {
  const c = req.ctx.vec_cache, n = load<u32>(c);
  if (!n) return;
  store<u32>(c, n - 1);
  const nr = load<u16>(c + (n << 1), 2) as u32;
  if (!nr) return;
  req.flags |= REQ_F_VEC;
  netState(req).vec_nr = nr;
}

/** The request is done with its header. A worker cannot give it back. */
export function vecGive(req: Req, issueFlags: u32): void {
  const c = req.ctx.vec_cache, n = load<u32>(c), nr = req.flags & REQ_F_VEC ? netState(req).vec_nr : 0;
  req.flags &= ~REQ_F_VEC;
  if (issueFlags & IO_URING_F_UNLOCKED || n == CACHE_MAX) return;
  store<u32>(c, n + 1);
  store<u16>(c + ((n + 1) << 1), nr > VEC_MAX ? 0 : nr, 2);
}

/** Ring exit. */
export function vecDestroy(ctx: RingCtx): void {
  if (ctx.vec_cache) poolFree(POOL_ASYNC, ctx.vec_cache);
}
