// The end of a request: completion, the deferred list, freeing, and what comes after it in its chain.
//
// A request that finishes inline is not posted at once: it joins the ring's list of completions, which is flushed at the
// end of the submission or task-work batch. First all CQEs of the list are posted, then the requests are freed one by one,
// and freeing is what queues the next of a chain and flushes a notification that nobody flushed before.
import { POOL_ASYNC, POOL_REQ, poolAlloc, poolFree } from "../lib/pool";
import { CNT_ASYNC_LIVE } from "../abi/counters";
import { ECANCELED } from "../abi/errno";
import { TR_IO_URING_FAIL_LINK, TRACE_RING } from "../abi/trace";
import { DEBUG } from "../lib/bug";
import { cntDec, cntInc, nil } from "../lib/state";
import { trace } from "../lib/trace";
import { File, fputLater } from "../fs/file";
import { WaitEntry } from "../kernel/wait";
import { canFillFast, cqCommit, fillCqe, fillCqesFast, postCqeNoOverflow } from "./cq";
import { queueDeferred } from "./drain";
import { BufGroup, dropKbuf, putKbuf } from "./kbuf";
import { opCleanup, opFail } from "./opdef";
import { reqPutCreds } from "./personality";
import { ringPut } from "./ring";
import { nodePut } from "./rsrc_node";
import { queueNext } from "./submit";
import { flushTimeouts, disarmLinkTimeout } from "./timeout";
import { reqTaskWorkAdd } from "./tw";
import {
  REQ_F_BUFFER_RING, REQ_F_BUFFER_SELECTED, REQ_F_ARM_LTIMEOUT, REQ_F_CQE_SKIP, REQ_F_CREDS, REQ_F_FAIL, REQ_F_HARDLINK, REQ_F_ASYNC_DATA, REQ_F_LINK_TIMEOUT, REQ_F_NEED_CLEANUP,
  REQ_F_REFCOUNT,
  REQ_F_SKIP_LINK_CQES, REQ_LINK_FLAGS, Req, RingCtx, complList, reqListAdd, setFail, setRes,
} from "./types";

/**
 * A request of the ring; nil when out of memory. Finished requests stay with the ring and are reused as they are: whoever
 * ends one leaves the fields from `refs` to `apoll_retries` at their start values. (The debug build returns each to the
 * pool at once, where it is poisoned.)
 */
@inline export function reqAlloc(ctx: RingCtx): Req {
  const req = ctx.free_reqs;
  if (!req) return reqAllocFresh(ctx);
  ctx.free_reqs = req.next;
  ctx.nr_req_allocated++;
  return req;
}

function reqAllocFresh(ctx: RingCtx): Req {
  const req = changetype<Req>(poolAlloc(POOL_REQ));
  if (!req) return req;
  req.ctx = ctx;
  req.task = ctx.task;
  reqReset(req);
  ctx.nr_req_allocated++;
  return req;
}

@inline function reqReset(req: Req): void {
  req.refs = 1;
  req.file = nil<File>();
  req.link = nil<Req>();
  req.async_data = 0;
  req.poll_entry = nil<WaitEntry>();
  req.notif = nil<Req>();
  req.buf_node = 0;
  req.file_node = 0;
  req.on_cancel = 0;
  req.poll_refs = 0;
  req.apoll_retries = 0;
}

/** The ring's free requests go back to the pool (ring exit). */
export function freeReqCache(ctx: RingCtx): void {
  while (ctx.free_reqs) {
    const req = ctx.free_reqs;
    ctx.free_reqs = req.next;
    poolFree(POOL_REQ, changetype<usize>(req));
  }
}

/** The request's async data block (address, vectors, control data that outlive the submission), or 0. */
export function reqAsyncData(req: Req): usize {
  if (req.async_data) return req.async_data;
  req.async_data = poolAlloc(POOL_ASYNC);
  if (req.async_data) {
    cntInc(CNT_ASYNC_LIVE);
    req.flags |= REQ_F_ASYNC_DATA;
  }
  return req.async_data;
}

/** Puts the request on the list of completions of this batch. */
@inline export function completeDefer(req: Req): void { reqListAdd(complList(req.ctx), req); }

/** Task work: complete with the result already set. */
export function taskComplete(req: Req): void { completeDefer(req); }

/** Fails with `res` in the submitter's context; the opcode's fail hook may amend the CQE. */
export function deferFailed(req: Req, res: i32): void {
  setFail(req);
  setRes(req, res, req.flags & (REQ_F_BUFFER_SELECTED | REQ_F_BUFFER_RING) ? putKbuf(req, res, nil<BufGroup>()) : 0);
  if (!opFail(req)) completeDefer(req);
}

/**
 * io_req_post_cqe(): one more CQE of a request that lives on (multishot; `cflags` has F_MORE). What finished before it in
 * this batch is posted first (B08). False when the CQ ring is full or something waits on the overflow list: nothing was
 * posted, and the request has to end with an ordinary completion, which may overflow (B07).
 * Only in the submitter's context (submission, task work), never in a worker.
 */
export function reqPostCqe(req: Req, res: i32, cflags: u32): bool {
  const ctx = req.ctx;
  if (complList(ctx).first) flushCompletions(ctx);
  if (!postCqeNoOverflow(ctx, changetype<usize>(req), req.user_data, res, cflags)) return false;
  ctx.cq_flush = 1;
  return true;
}

/** Posts all CQEs of the batch, then frees its requests. */
export function submitFlushCompletions(ctx: RingCtx): void {
  if (complList(ctx).first || ctx.cq_flush) flushCompletions(ctx);
  if (ctx.drain_active) queueDeferred(ctx);
}

function flushCompletions(ctx: RingCtx): void {
  const list = complList(ctx);
  let req = list.first;
  list.first = nil<Req>();
  if (canFillFast(ctx)) req = fillCqesFast(ctx, req, list);
  while (req) { // no room, or the careful way was asked for
    const next = req.next;
    if (!(req.flags & REQ_F_CQE_SKIP)) fillCqe(ctx, req);
    else if (DEBUG && req.notif) req.notif.nd_main_posted = 1; // counts as posted (I2)
    reqListAdd(list, req);
    req = next;
  }
  ctx.cq_flush = 0;
  cqCommit(ctx);
  if (ctx.timeouts_active) flushTimeouts(ctx);
  req = list.first;
  list.first = nil<Req>();
  while (req) {
    const next = req.next;
    freeCompleted(req);
    req = next;
  }
}

function freeCompleted(req: Req): void {
  if (req.flags & REQ_F_REFCOUNT && --req.refs) return;
  if (req.flags & (REQ_LINK_FLAGS | REQ_F_ARM_LTIMEOUT)) queueNext(req);
  if (req.flags & REQ_F_NEED_CLEANUP) opCleanup(req);
  if (req.flags & REQ_F_BUFFER_SELECTED) dropKbuf(req);
  reqFree(req);
}

/** Ends a request. Every hold that is left on it goes: file, resource node, async data, the ring's count. */
export function reqFree(req: Req): void {
  const ctx = req.ctx;
  if (req.file) {
    if (req.file_node) nodePut(req.file_node);
    else fputLater(req.file);
  }
  if (req.buf_node) nodePut(req.buf_node);
  if (req.async_data) freeAsyncData(req);
  if (req.flags & REQ_F_CREDS) reqPutCreds(req);
  reqReset(req);
  reqRecycle(ctx, req);
  if (ctx.dying) ringMaybeGone(ctx);
}

@inline function reqRecycle(ctx: RingCtx, req: Req): void {
  ctx.nr_req_allocated--;
  if (DEBUG) {
    poolFree(POOL_REQ, changetype<usize>(req));
  } else {
    req.next = ctx.free_reqs;
    ctx.free_reqs = req;
  }
}

function ringMaybeGone(ctx: RingCtx): void {
  ctx.refs++;
  ringPut(ctx);
}

function freeAsyncData(req: Req): void {
  cntDec(CNT_ASYNC_LIVE);
  poolFree(POOL_ASYNC, req.async_data);
  req.async_data = 0;
}

/** Drops a reference outside of the completion path (io-wq, timeouts). The last one frees through task work. */
export function reqPut(req: Req): void {
  if (--req.refs) return;
  freeLater(req);
}

/** No CQE any more, only links, cleanup and freeing, which belong to the submitter's context. */
export function freeLater(req: Req): void {
  req.flags = (req.flags & ~REQ_F_REFCOUNT) | REQ_F_CQE_SKIP;
  reqTaskWorkAdd(req, taskComplete.index);
}

/** io_req_find_next(): detaches the next of the chain, cancelling the rest of a failed one. nil: nothing to run. */
export function findNext(req: Req): Req {
  if (req.flags & REQ_F_LINK_TIMEOUT || req.flags & REQ_F_ARM_LTIMEOUT) disarmLinkTimeout(req);
  if (req.flags & REQ_F_FAIL && !(req.flags & REQ_F_HARDLINK)) {
    failLinks(req);
    return nil<Req>();
  }
  const next = req.link;
  req.link = nil<Req>();
  return next;
}

/** Cancels the rest of the chain in one task-work item. The fail hook is not run: no F_MORE on these (spec 2.8). */
function failLinks(req: Req): void {
  const first = req.link;
  if (!first) return;
  const silent = (req.flags & REQ_F_SKIP_LINK_CQES) != 0;
  for (let link = first; link; link = link.link) {
    if (silent) link.flags |= REQ_F_CQE_SKIP;
    else link.flags &= ~REQ_F_CQE_SKIP;
    trace(TRACE_RING, TR_IO_URING_FAIL_LINK, changetype<usize>(req), link.user_data, 0, 0);
  }
  req.link = nil<Req>();
  reqTaskWorkAdd(first, twFailLinks.index);
}

function twFailLinks(req: Req): void {
  let link = req;
  while (link) {
    const next = link.link;
    link.link = nil<Req>();
    link.flags &= ~REQ_LINK_FLAGS;
    setRes(link, link.flags & REQ_F_FAIL ? link.res : -ECANCELED, 0);
    completeDefer(link);
    link = next;
  }
}
