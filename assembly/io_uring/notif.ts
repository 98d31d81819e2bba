// A notification tells the application that the stack has let go of its buffer. It says nothing about delivery: it may
// come before the peer has the data (a copy was made) or long after the bytes left the NIC (the retransmit queue still
// points at them).
//
// Life: prep allocates it with one reference, owned by the request. Each skb data area that borrows the buffer takes one
// more. The flush drops the request's own; whoever drops the last one queues task work, and only task work posts the CQE,
// so no CQE is ever posted from inside the network path.
//
// Chaining: a stream may append a second send to an skb that already carries another notification. The skb keeps pointing
// at the first; the second is inserted right behind the head of the chain, takes a reference on the head and completes
// with it. Hence the order head, last, ..., second.
//
// Spec: send-zc.md 2.1, 2.5, 2.7; invariants I1, I2, I4, I14.
import { BUG_CHAIN_CONTEXT, BUG_REF_UNDERFLOW, BUG_REPORT } from "../abi/bug";
import { CNT_NOTIFS, CNT_NOTIFS_LIVE, CNT_UBUF_SKBS } from "../abi/counters";
import { EEXIST } from "../abi/errno";
import {
  COPY_CHAINED, COPY_LOCAL_DELIVERY, COPY_NEVER_ATTACHED, COPY_NONE, REF_LINKED, REF_REQUEST, REF_SKB, TR_NOTIF_ALLOC, TR_NOTIF_DONE,
  TR_NOTIF_LINK, TR_NOTIF_USAGE, TR_UBUF_PUT, TRACE_ZC,
} from "../abi/trace";
import { IORING_CQE_F_NOTIF, IORING_NOTIF_USAGE_ZC_COPIED, IORING_OP_NOP } from "../abi/uapi";
import { IORING_NOTIF_SEQ_MASK } from "../abi/notif_slots";
import { B_LINK_CTX, B_LINK_SKB, B_NOTIF_CQE_MARKED, B_NOTIF_SLOTS, RES_CALLBACK, SW_RES_COPIED } from "../abi/profile";
import { SO_EE_CODE_ZEROCOPY_COPIED } from "../abi/socket";
import { DEBUG, bugOn } from "../lib/bug";
import { has, switchOn } from "../lib/profile";
import { cntDec, cntInc, nil } from "../lib/state";
import { trace } from "../lib/trace";
import { unaccountMem } from "../kernel/task";
import { copyDebug } from "../net/copy_debug";
import { SkBuff, skbZcopy, skbZcopyInit } from "../net/skbuff";
import { SKBFL_DONT_ORPHAN, SKBFL_ZEROCOPY_FRAG, UbufInfo, netZcopyGet } from "../net/ubuf_info";
import { cqCommit, fillCqe } from "./cq";
import { completeDefer, reqAlloc, reqFree } from "./req";
import { ringExitKick } from "./ring";
import { reqTaskWorkAdd, reqTaskWorkAddLazy } from "./tw";
import { REQ_F_NOTIF, Req, RingCtx, reqUarg, setRes, uargReq } from "./types";
import { ND_CQE_OWN, zcNotifDone } from "./zc_cqes";

// Req.zc_report: what the CQE of a notification says of copies.
export const REPORT_USAGE: u32 = 1; // IORING_SEND_ZC_REPORT_USAGE
const REPORT_CALLBACK: u32 = 1 + RES_CALLBACK; // res_copied
/** The value of zc_report for the switch res_copied. */
export function reportCopied(): u32 { return switchOn(SW_RES_COPIED) ? 1 + switchOn(SW_RES_COPIED) : 0; }

/** io_alloc_notif(): a notification for `user_data` whose one reference belongs to the request; nil = ENOMEM. */
@inline export function allocNotif(ctx: RingCtx, user_data: u64): Req {
  const notif = reqAlloc(ctx);
  if (!notif) return notif;
  notif.opcode = IORING_OP_NOP;
  notif.flags = REQ_F_NOTIF;
  notif.fd = -1;
  notif.user_data = user_data;
  setRes(notif, 0, IORING_CQE_F_NOTIF);
  const uarg = reqUarg(notif);
  uarg.complete = txUbufComplete.index;
  uarg.link_skb = has(B_LINK_SKB) ? linkSkb.index : 0;
  uarg.refcnt = 1;
  store<u64>(changetype<usize>(uarg), (SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN) as u64, offsetof<UbufInfo>("flags")); // and told = 0
  uarg.user_data = user_data;
  notif.nd_next = nil<Req>();
  notif.nd_head = notif;
  clearState(notif);
  ctx.nr_notifs++;
  cntInc(CNT_NOTIFS);
  cntInc(CNT_NOTIFS_LIVE);
  trace(TRACE_ZC, TR_NOTIF_ALLOC, changetype<usize>(uarg), user_data, changetype<usize>(notif) as u32, 0);
  return notif;
}

/** Everything from account_pages to nd_cqe is 0 at the start (COPY_NONE, ND_CQE_OWN): seven words, two at a time. */
@inline function clearState(notif: Req): void {
  const p = changetype<usize>(notif);
  store<u64>(p, 0, offsetof<Req>("account_pages"));
  store<u64>(p, 0, offsetof<Req>("zc_used"));
  store<u64>(p, 0, offsetof<Req>("copy_reason"));
  notif.nd_cqe = ND_CQE_OWN;
}
if (offsetof<Req>("nd_cqe") != offsetof<Req>("account_pages") + 24) ERROR("clearState() clears seven words");
if (offsetof<UbufInfo>("told") != offsetof<UbufInfo>("flags") + 4) ERROR("flags and told are stored as one");

/** io_notif_flush(): the request gives up its reference. No skb is involved, so this never counts as use. */
@inline export function notifFlush(notif: Req): void {
  txUbufComplete(0, changetype<usize>(reqUarg(notif)), 1, REF_REQUEST);
}

/**
 * io_tx_ubuf_complete(): ops.complete of a notification's ubuf_info. Drops one reference; `success` = the pages were not
 * copied on this path, `skb` = 0 for the request's own reference.
 */
function txUbufComplete(skb: usize, p: usize, success: u32, reason: u32): void {
  const notif = uargReq(p), uarg = changetype<UbufInfo>(p);
  if (notif.zc_report) {
    if (!success) notif.zc_copied = 1;
    else if (skb) notif.zc_used = 1;
  }
  if (!success) notif.copy_reason = COPY_LOCAL_DELIVERY;
  bugOn(uarg.refcnt == 0, BUG_REF_UNDERFLOW, p);
  uarg.refcnt--;
  trace(TRACE_ZC, TR_UBUF_PUT, p, uarg.user_data, uarg.refcnt, reason);
  if (uarg.refcnt) return;
  if (notif.nd_head != notif) {
    txUbufComplete(skb, changetype<usize>(reqUarg(notif.nd_head)), success, REF_LINKED);
    return;
  }
  trace(TRACE_ZC, TR_NOTIF_DONE, p, uarg.user_data, 0, reason);
  if (notif.nd_next) reqTaskWorkAdd(notif, notifTwComplete.index);
  else reqTaskWorkAddLazy(notif, notifTwComplete.index);
}

// Where a notification completes whose last reference a flush has dropped.
export const NOTIF_END_TW: u32 = 0; // in task work
export const NOTIF_END_BATCH: u32 = 1; // with the batch of completions that is being collected
export const NOTIF_END_POST: u32 = 2; // its CQE is posted there and then

/**
 * A slot (`reason` REF_SLOT) or a request without one (REF_REQUEST) gives up its reference. What the network drops last completes in
 * task work, as ever.
 */
export function notifDrop(notif: Req, end: u32, reason: u32): void {
  const uarg = reqUarg(notif), p = changetype<usize>(uarg), ctx = notif.ctx;
  if (end == NOTIF_END_TW || uarg.refcnt > 1) {
    txUbufComplete(0, p, 1, reason);
    return;
  }
  bugOn(uarg.refcnt == 0, BUG_REF_UNDERFLOW, p);
  uarg.refcnt = 0;
  trace(TRACE_ZC, TR_UBUF_PUT, p, uarg.user_data, 0, reason);
  trace(TRACE_ZC, TR_NOTIF_DONE, p, uarg.user_data, 0, reason);
  notifEnd(notif, notif);
  if (end == NOTIF_END_BATCH) {
    completeDefer(notif);
    return;
  }
  fillCqe(ctx, notif);
  cqCommit(ctx);
  reqFree(notif);
}

/** The user_data of the CQE to come. */
export function notifSetTag(notif: Req, tag: u64): void {
  notif.user_data = tag;
  reqUarg(notif).user_data = tag;
}

/** Task work: the whole chain completes, in list order. */
function notifTwComplete(head: Req): void {
  let notif = head;
  while (notif) {
    const next = notif.nd_next;
    notifEnd(notif, head);
    completeDefer(notif);
    notif = next;
  }
}

/** Nobody holds it any more: what its CQE says, and what it gives back. */
@inline function notifEnd(notif: Req, head: Req): void {
  const ctx = notif.ctx;
  if (ctx != head.ctx || notif.task != head.task) foreign(head, notif);
  const report = notif.zc_report, unused = report != REPORT_CALLBACK && notif.zc_used == 0;
  const copied = report != 0 && (notif.zc_copied != 0 || unused);
  if (notif.nd_cqe != ND_CQE_OWN) zcNotifDone(notif, copied);
  else if (copied) notif.res = report == REPORT_USAGE ? IORING_NOTIF_USAGE_ZC_COPIED as i32 : notif.res | slotCopied();
  if (notif != head && reqUarg(head).told) copyDebug(reqUarg(notif), 0, COPY_CHAINED);
  // copy_reason is kept whether a report is wanted or not.
  if (DEBUG && notif.zc_report) bugOn((notif.copy_reason == COPY_LOCAL_DELIVERY || unused) != copied, BUG_REPORT, changetype<usize>(notif));
  trace(TRACE_ZC, TR_NOTIF_USAGE, changetype<usize>(reqUarg(notif)), notif.user_data, copied as u32, copyReason(notif, head));
  if (notif.account_pages) unaccountMem(ctx.acct_uid, notif.account_pages);
  if (has(B_NOTIF_SLOTS)) ctx.cq_extra++; // no SQE stands for it; whether that era counted so is not known (9)
  ctx.nr_notifs--;
  cntDec(CNT_NOTIFS_LIVE);
}

/** res_copied of the slot era: SO_EE_CODE_ZEROCOPY_COPIED; above the sequence number where res has that. */
function slotCopied(): i32 { return has(B_NOTIF_CQE_MARKED) ? (IORING_NOTIF_SEQ_MASK as i32) + 1 : SO_EE_CODE_ZEROCOPY_COPIED as i32; }

/**
 * A notification of another ring in the chain (I14). From 6.10 to 6.16 the check that should prevent it compared the new one
 * with itself (A30). It completes in the head's context, and its CQE waits for the next batch of its own ring.
 */
function foreign(head: Req, notif: Req): void {
  bugOn(has(B_LINK_CTX), BUG_CHAIN_CONTEXT, changetype<usize>(head), changetype<usize>(notif));
  if (notif.ctx.dying) ringExitKick(notif.ctx); // that one has no more batches
}

function copyReason(notif: Req, head: Req): u32 {
  if (notif.copy_reason) return notif.copy_reason;
  if (notif.zc_used || !notif.zc_report) return COPY_NONE;
  return notif != head ? COPY_CHAINED : COPY_NEVER_ATTACHED;
}

/**
 * io_link_skb(): may `skb`, the tail of a stream's queue, also carry this owner? 0: yes, attached or chained. -EEXIST: it
 * must start a new skb: the skb belongs to another kind of owner, another ring or task, or the chain would fork.
 */
function linkSkb(skbPtr: usize, p: usize): i32 {
  const skb = changetype<SkBuff>(skbPtr), uarg = changetype<UbufInfo>(p), notif = uargReq(p);
  const prevUarg = skbZcopy(skb);
  if (!prevUarg) {
    netZcopyGet(uarg, REF_SKB);
    cntInc(CNT_UBUF_SKBS);
    skbZcopyInit(skb, uarg);
    return 0;
  }
  if (prevUarg == uarg) return 0;
  if (notif.nd_head != notif || notif.nd_next) return -EEXIST;
  if (prevUarg.complete != uarg.complete) return -EEXIST;
  const prev = uargReq(changetype<usize>(prevUarg));
  if ((prev.ctx != notif.ctx || prev.task != notif.task) && has(B_LINK_CTX)) return -EEXIST;
  notif.nd_head = prev.nd_head;
  notif.nd_next = prev.nd_next;
  prev.nd_next = notif;
  netZcopyGet(reqUarg(prev.nd_head), REF_LINKED);
  trace(TRACE_ZC, TR_NOTIF_LINK, p, notif.user_data, changetype<usize>(reqUarg(prev.nd_head)) as u32, 0);
  return 0;
}
