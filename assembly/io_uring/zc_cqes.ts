// Which CQEs a zero-copy send posts. In every release it is two: the result with F_MORE, and the notification. What the mail
// thread proposed instead, as switches (docs/proposals.md):
//
//   single_cqe       one, {result, no flags}, when nobody uses the buffer any more. The chain behind it goes on then, too
//                    (the request waits for its notification), or with link_at=send when the send returned (the notification
//                    carries the result, the request's own CQE is skipped).
//   zc_skip_success  CQE_SKIP_SUCCESS: `first` skips the result, `combined` puts it into the notification.
//   two_cqe_sep_ud   the notification has a user_data of its own (so it is in the profile 7.1).
//
// A result and COPIED fit into one res: MAX_RW_COUNT ends below 2^31 - 4096, so a count with bit 31 is no errno.
//
// Spec: notif-slots.md 6 (e), (f).
import { CQES_ONE, CQES_RESULT, CQES_SKIP, CQES_USER_DATA, TR_NOTIF_CQES, TRACE_ZC } from "../abi/trace";
import { IORING_CQE_F_MORE, IORING_CQE_F_NOTIF, IORING_NOTIF_USAGE_ZC_COPIED } from "../abi/uapi";
import { SKIP_COMBINED, SW_LINK_AT, SW_SINGLE_CQE, SW_ZC_SKIP_SUCCESS } from "../abi/profile";
import { switchOn } from "../lib/profile";
import { nil } from "../lib/state";
import { trace } from "../lib/trace";
import { sendCleanup } from "./net";
import { vecGive } from "./net_vec";
import { notifFlush } from "./notif";
import { completeDefer } from "./req";
import {
  IO_URING_F_UNLOCKED, IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, REQ_F_CQE_SKIP, REQ_F_FAIL, REQ_F_NEED_CLEANUP, Req, reqUarg, setRes,
} from "./types";

// zc_flags bits of ours, above those of the SQE.
const ZC_ONE_CQE: u32 = 0x20000;
const ZC_LINK_AT_SEND: u32 = 0x40000;
const ZC_COMBINED: u32 = 0x80000;
/** One of the proposals decides which CQEs are posted. */
export const ZC_PROPOSED: u32 = ZC_ONE_CQE | ZC_LINK_AT_SEND | ZC_COMBINED;

// Req.nd_cqe of a notification, else the address of the request that waits for it.
export const ND_CQE_OWN: u32 = 0; // its CQE says that the buffer is free, and nothing else
const ND_CQE_NONE: u32 = 1; // it posts none
const ND_CQE_RESULT: u32 = 2; // its CQE is the request's, too: res and cflags are set

/** prep: the ZC_* bits for a request whose notification has just been allocated; that gets the user_data `other` unless it is 0. */
export function zcPolicy(req: Req, other: u64): u32 {
  const notif = req.notif, uarg = changetype<usize>(reqUarg(notif));
  if (other) notif.user_data = other;
  if (switchOn(SW_SINGLE_CQE)) {
    notif.nd_cqe = ND_CQE_NONE;
    trace(TRACE_ZC, TR_NOTIF_CQES, uarg, notif.user_data, CQES_ONE, 0);
    return switchOn(SW_LINK_AT) ? ZC_ONE_CQE | ZC_LINK_AT_SEND : ZC_ONE_CQE;
  }
  const skips = (req.flags & REQ_F_CQE_SKIP) != 0, combined = skips && switchOn(SW_ZC_SKIP_SUCCESS) == SKIP_COMBINED;
  const cqes = (notif.user_data != req.user_data ? CQES_USER_DATA : 0) | (skips ? CQES_SKIP : 0) | (combined ? CQES_RESULT : 0);
  if (cqes) trace(TRACE_ZC, TR_NOTIF_CQES, uarg, notif.user_data, cqes, 0);
  return combined ? ZC_COMBINED : 0;
}

/**
 * The send is over, well or not, with `res`. IOU_COMPLETE: the request completes now; IOU_ISSUE_SKIP_COMPLETE: with its
 * notification.
 */
export function zcComplete(req: Req, res: i32, issueFlags: u32): i32 {
  const notif = req.notif;
  if (!(req.zc_flags & ZC_ONE_CQE)) {
    setRes(req, res, IORING_CQE_F_MORE);
    if (!(req.flags & REQ_F_FAIL)) carry(notif, res, IORING_CQE_F_NOTIF);
  } else if (req.zc_flags & ZC_LINK_AT_SEND) {
    setRes(req, res, 0);
    carry(notif, res, 0);
    req.flags |= REQ_F_CQE_SKIP;
  } else {
    setRes(req, res, 0);
    notif.nd_cqe = changetype<usize>(req) as u32;
    letGo(req, issueFlags); // a worker may do it, too: nothing is posted before the notification's task work
    req.notif = nil<Req>();
    return IOU_ISSUE_SKIP_COMPLETE;
  }
  if (!(issueFlags & IO_URING_F_UNLOCKED)) letGo(req, issueFlags);
  return IOU_COMPLETE;
}

/** The notification's CQE tells the result. */
function carry(notif: Req, res: i32, cflags: u32): void {
  setRes(notif, res, cflags);
  notif.nd_cqe = ND_CQE_RESULT;
  notif.nd_main_posted = 1;
}

/** The request gives its notification up, and with it what the send kept. */
@inline export function letGo(req: Req, issueFlags: u32): void {
  if (req.ctx.vec_cache) vecGive(req, issueFlags);
  const notif = req.notif;
  sendCleanup(req);
  req.flags &= ~REQ_F_NEED_CLEANUP;
  notifFlush(notif);
}

/**
 * The request failed outside of its issue. True: some of its bytes are under way, and its CQE has to wait for them. False: it
 * completes now.
 */
export function zcFailed(req: Req): bool {
  if (req.zc_flags & ZC_ONE_CQE) return req.done_io != 0 && zcComplete(req, req.res, 0) == IOU_ISSUE_SKIP_COMPLETE;
  req.cflags |= IORING_CQE_F_MORE;
  return false;
}

/** Task work: a notification with another nd_cqe than ND_CQE_OWN is done. */
export function zcNotifDone(notif: Req, copied: bool): void {
  const kind = notif.nd_cqe, told = kind == ND_CQE_RESULT ? notif : changetype<Req>(kind as usize);
  if (kind != ND_CQE_RESULT) notif.flags |= REQ_F_CQE_SKIP;
  if (kind == ND_CQE_NONE) return;
  if (copied && told.res >= 0) told.res |= IORING_NOTIF_USAGE_ZC_COPIED as i32;
  if (told != notif) completeDefer(told);
}
