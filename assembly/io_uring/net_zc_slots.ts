// SENDZC of the slot era: the send names a slot, whose notification the network holds, and may flush that slot if it succeeds.
//
// What is looked up is looked up at each attempt: the slot, the registered buffer, in the older profiles even the address in user
// memory. A request that is retried after somebody flushed its slot goes on with another notification, so that its buffer is free
// only after both.
//
// A failure outside of the attempt (cancelled, no file) does not report what was sent before (A10, mended later): there is no fail
// hook. Nor is there a cleanup, except with `slotless`, where the request owns its notification.
//
// Spec: notif-slots.md 1.2, 3.3, 3.4, 4; bug-history A01, A04, A05, A09.
import { ITER_BVEC, iterUbuf, iterVec } from "../mm/iov_iter";
import { EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, ENOTSOCK, ERESTARTSYS } from "../abi/errno";
import { PAGE_SHIFT } from "../abi/layout";
import { IORING_NOTIF_SLOTLESS, SQE_OFF_NOTIFICATION_IDX, SQE_OFF_SENDZC_ADDR_LEN } from "../abi/notif_slots";
import { MAX_RW_COUNT, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, MSG_ZEROCOPY, SOCKADDR_STORAGE_SIZE } from "../abi/socket";
import { TR_NOTIF_REQ, TRACE_ZC } from "../abi/trace";
import {
  SQE_OFF_ADDR, SQE_OFF_ADDR2, SQE_OFF_ADDR3, SQE_OFF_IOPRIO, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_PAD2,
} from "../abi/uapi";
import {
  B_ADDR_BEFORE_BUFFER, B_ADDR_SAVED_ASYNC, B_NOTIF_TW, B_SENDZC_ADDR3, B_SENDZC_FAIL_MARKS, B_SENDZC_RETRY, B_ZC_ACCT_CHECKED, SENDZC_BAD,
  SENDZC_COPY_TAG, SENDZC_MERGED, SENDZC_MSG, SENDZC_OWN, SENDZC_FIXED_BUF, SENDZC_FLUSH, SENDZC_OVERRIDE_TAG, SW_SLOTLESS,
} from "../abi/profile";
import { COPY_EMPTY, COPY_UNSUPPORTED, REF_REQUEST } from "../abi/trace";
import { DEBUG } from "../lib/bug";
import { has, opMeaning, sendzcFlags, switchOn } from "../lib/profile";
import { SCRATCH_SENDZC_ADDR, SCRATCH_SEND_MSG, nil } from "../lib/state";
import { trace } from "../lib/trace";
import { accessOk } from "../mm/vma";
import { accountMem } from "../kernel/task";
import { FILE_SOCKET } from "../fs/file";
import { copyDebug } from "../net/copy_debug";
import { importSockaddr, msgInit } from "../net/msg_import";
import { MsgHdr, SOCK_F_SUPPORT_ZC, Sock } from "../net/sock";
import { isMerged, sendzcIoprio } from "./dialect";
import { AD_NAME, MSG_INTERNAL, netRetry, pollFirst, sendCall, sendCleanup, sendResult } from "./net";
import { sendmsgzcControl } from "./net_zc_slots_msg";
import { NOTIF_END_TW, notifDrop, notifSetTag } from "./notif";
import { NotifSlot, flushEnd, flushSlot, notifSlot, slotEraNotif, slotNotif } from "./notif_slots";
import { reqAsyncData } from "./req";
import { bufNode, nodeCovers } from "./rsrc_buffers";
import {
  IO_URING_F_NONBLOCK, IO_URING_F_UNLOCKED, IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_CANCELLED, REQ_F_CQE_SKIP, REQ_F_NEED_CLEANUP, REQ_F_NOWAIT, Req, reqIter, reqUarg, setFail, setRes,
} from "./types";

/** What the send keeps of its SQE besides cmd_addr, cmd_len, msg_flags and zc_flags (SENDZC_*): in the request's room for a ubuf. */
@unmanaged @final class SlotSend {
  addr: u64; // user address of the destination, 0 = none
  addr_len: u32;
  saved: u32; // the destination is in async_data
  slot: u32;
}
if (offsetof<SlotSend>() > 32) ERROR("SlotSend does not fit the request");
@inline function slotSend(req: Req): SlotSend { return changetype<SlotSend>(changetype<usize>(reqUarg(req))); }

export function sendzcPrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (load<u64>(sqe, SQE_OFF_PAD2)) return -EINVAL;
  if (has(B_SENDZC_ADDR3) && load<u64>(sqe, SQE_OFF_ADDR3)) return -EINVAL;
  req.zc_flags = sendzcFlags(sendzcIoprio(sqe)) | (isMerged(opMeaning(load<u8>(sqe))) ? SENDZC_MERGED : 0);
  if (req.zc_flags & SENDZC_BAD) return -EINVAL;
  if (req.zc_flags & SENDZC_FIXED_BUF && req.buf_index >= req.ctx.buf_nr) return -EFAULT;
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS) | MSG_NOSIGNAL | MSG_ZEROCOPY;
  if (req.msg_flags & MSG_DONTWAIT) req.flags |= REQ_F_NOWAIT;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  const s = slotSend(req);
  s.addr = load<u64>(sqe, SQE_OFF_ADDR2);
  s.addr_len = load<u16>(sqe, SQE_OFF_SENDZC_ADDR_LEN) as u32;
  s.slot = load<u16>(sqe, SQE_OFF_NOTIFICATION_IDX) as u32;
  s.saved = 0;
  return 0;
}

/** The request will be issued later (chain, IOSQE_ASYNC): the address is copied now, where the profile does that. */
export function sendzcPrepAsync(req: Req): i32 {
  if (!has(B_ADDR_SAVED_ASYNC) || !slotSend(req).addr) return 0;
  const err = importSockaddr(SCRATCH_SENDZC_ADDR, slotSend(req).addr, slotSend(req).addr_len as i32);
  return err ? err : saveAddr(req);
}

/** The destination of a message: `len` bytes in async_data. */
export function sendzcName(req: Req, len: u32): void {
  const s = slotSend(req);
  s.addr = len ? 1 : 0;
  s.addr_len = len;
  s.saved = 1;
}

/** Keeps the address that was read for this attempt. */
function saveAddr(req: Req): i32 {
  const s = slotSend(req);
  if (!has(B_ADDR_SAVED_ASYNC) || !s.addr || s.saved) return 0;
  if (!reqAsyncData(req)) return -ENOMEM;
  memory.copy(req.async_data + AD_NAME, SCRATCH_SENDZC_ADDR, SOCKADDR_STORAGE_SIZE);
  s.saved = 1;
  return 0;
}

/** -EAGAIN after the address was read: poll, or a worker that sleeps, then another attempt. */
function again(req: Req, issueFlags: u32): i32 {
  const err = saveAddr(req);
  return err ? err : issueFlags & IO_URING_F_NONBLOCK ? -EAGAIN : IOU_WOULD_SLEEP;
}

/** Reads the address of this attempt. 0 or -errno. */
function readAddr(req: Req): i32 {
  const s = slotSend(req);
  return s.addr && !s.saved ? importSockaddr(SCRATCH_SENDZC_ADDR, s.addr, s.addr_len as i32) : 0;
}

/** Points the iterator at what is left of the buffer, and charges its pages (not a registered buffer's). 0 or -errno. */
function readBuffer(req: Req, notif: Req): i32 {
  const it = reqIter(req), len = min<u32>(req.cmd_len, MAX_RW_COUNT);
  if (req.zc_flags & SENDZC_MSG) return account(req, notif, it.count); // where the attempt before left it
  if (req.zc_flags & SENDZC_FIXED_BUF) {
    const node = bufNode(req.ctx, req.buf_index); // which the notification keeps alive (notif_slots.ts)
    if (!node || !nodeCovers(node, req.cmd_addr, req.cmd_len as u64)) return -EFAULT;
    iterVec(it, ITER_BVEC, 0, 1, len);
    it.base = req.cmd_addr;
    return 0;
  }
  if (!accessOk(req.cmd_addr, len as u64)) return -EFAULT;
  iterUbuf(it, req.cmd_addr, len);
  return account(req, notif, len);
}

/** Each attempt charges anew, and the notification gives everything back (2.7). */
function account(req: Req, notif: Req, len: u32): i32 {
  const ctx = req.ctx, pages = (len >> PAGE_SHIFT) + 2;
  if (!ctx.acct) return 0;
  if (accountMem(ctx.task, pages)) return has(B_ZC_ACCT_CHECKED) ? -ENOMEM : 0;
  notif.account_pages += pages;
  return 0;
}

/** What the protocol is given (SCRATCH_SEND_MSG). */
function slotMsg(req: Req, notif: Req, flags: u32): void {
  const msg = changetype<MsgHdr>(SCRATCH_SEND_MSG), s = slotSend(req);
  msgInit(msg, reqIter(req), flags & ~MSG_INTERNAL);
  msg.ubuf = reqUarg(notif);
  msg.managed = req.zc_flags & SENDZC_FIXED_BUF ? 1 : 0;
  if (req.zc_flags & SENDZC_MSG) sendmsgzcControl(req, msg);
  if (!s.addr) return;
  msg.name = s.saved ? req.async_data + AD_NAME : SCRATCH_SENDZC_ADDR;
  msg.namelen = s.addr_len;
}

/** The checks of 3.4 in their order, one attempt, and the rule for its result (4.2). */
export function sendzcIssue(req: Req, issueFlags: u32): i32 {
  if (pollFirst(req)) return -EAGAIN;
  // Slots are the submitter's: a worker does not send, unless it is one SEND among others.
  if (issueFlags & IO_URING_F_UNLOCKED && !(req.zc_flags & SENDZC_MERGED)) return -EAGAIN;
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  const alone = slotSend(req).slot == IORING_NOTIF_SLOTLESS && switchOn(SW_SLOTLESS) != 0;
  if (!alone && slotSend(req).slot >= req.ctx.notif_slots) return -EINVAL;
  const slot = alone ? nil<NotifSlot>() : notifSlot(req.ctx, slotSend(req).slot);
  const notif = alone ? ownNotif(req) : slotNotif(req.ctx, slot, slotSend(req).slot);
  if (!notif) return -ENOMEM;
  trace(TRACE_ZC, TR_NOTIF_REQ, changetype<usize>(reqUarg(notif)), req.user_data, changetype<usize>(req) as u32, req.zc_flags & SENDZC_FIXED_BUF);
  const addrFirst = has(B_ADDR_BEFORE_BUFFER);
  let err = addrFirst ? readAddr(req) : readBuffer(req, notif);
  if (err) return err;
  err = addrFirst ? readBuffer(req, notif) : readAddr(req);
  if (err) return err;
  return attempt(req, slot, notif, issueFlags);
}

function attempt(req: Req, slot: NotifSlot, notif: Req, issueFlags: u32): i32 {
  const sk = changetype<Sock>(req.file.priv);
  let flags = req.msg_flags;
  if (issueFlags & IO_URING_F_NONBLOCK) flags |= MSG_DONTWAIT;
  const least: i32 = flags & MSG_WAITALL ? reqIter(req).count as i32 : 0;
  slotMsg(req, notif, flags);
  let ret = sendCall(sk);
  if (!ret) copyDebug(reqUarg(notif), 0, COPY_EMPTY);
  else if (ret > 0 && !(sk.flags & SOCK_F_SUPPORT_ZC)) copyDebug(reqUarg(notif), ret as u32, COPY_UNSUPPORTED);
  if (ret >= least) {
    tagBySend(req, notif);
    if (slot && req.zc_flags & SENDZC_FLUSH) flushBySend(req, slot, notif, issueFlags);
  } else {
    if (ret == -EAGAIN && issueFlags & IO_URING_F_NONBLOCK) return again(req, issueFlags);
    if (ret == -EAGAIN && !(flags & MSG_DONTWAIT) && !(req.flags & REQ_F_CANCELLED)) return again(req, issueFlags);
    if (ret == -EAGAIN && req.flags & REQ_F_CANCELLED) ret = -EINTR;
    if (ret > 0 && has(B_SENDZC_RETRY) && netRetry(sk, flags)) {
      req.cmd_addr += ret;
      req.cmd_len -= ret;
      req.done_io += ret;
      return again(req, issueFlags);
    }
    if (ret == -ERESTARTSYS) ret = -EINTR;
    if (has(B_SENDZC_FAIL_MARKS)) setFail(req);
  }
  if (!slot) ownNotifEnd(req, issueFlags);
  setRes(req, sendResult(req, ret), 0);
  return IOU_COMPLETE;
}

/** aug16's COPY_TAG needs a flush; rfc3's OVERRIDE_TAG, whatever its text said, does not. */
function tagBySend(req: Req, notif: Req): void {
  const copies = (req.zc_flags & (SENDZC_COPY_TAG | SENDZC_FLUSH)) == (SENDZC_COPY_TAG | SENDZC_FLUSH);
  if (copies || req.zc_flags & SENDZC_OVERRIDE_TAG) notifSetTag(notif, req.user_data);
}

function flushBySend(req: Req, slot: NotifSlot, notif: Req, issueFlags: u32): void {
  if (has(B_NOTIF_TW) && !(issueFlags & IO_URING_F_UNLOCKED)) postAfter(req, notif);
  flushSlot(slot, issueFlags);
}

/** I2 where the profile promises it: the send's CQE comes before that of the notification that it flushed. */
function postAfter(req: Req, notif: Req): void {
  if (!DEBUG || req.flags & REQ_F_CQE_SKIP) return;
  req.notif = notif;
  notif.nd_main_posted = 0;
}

// slotless (6 (k)): the request has a notification of its own, which serves all its attempts and is flushed at its end -----------

function ownNotif(req: Req): Req {
  if (req.zc_flags & SENDZC_OWN) return req.notif;
  const notif = slotEraNotif(req.ctx, IORING_NOTIF_SLOTLESS, req.user_data, 0);
  if (!notif) return notif;
  req.notif = notif;
  req.zc_flags |= SENDZC_OWN;
  req.flags |= REQ_F_NEED_CLEANUP;
  return notif;
}

function ownNotifEnd(req: Req, issueFlags: u32): void {
  const end = flushEnd(issueFlags), notif = req.notif;
  req.notif = nil<Req>();
  req.zc_flags &= ~SENDZC_OWN;
  if (end == NOTIF_END_TW && !(issueFlags & IO_URING_F_UNLOCKED)) postAfter(req, notif);
  notifDrop(notif, end, REF_REQUEST);
}

/** What a message needed; and a notification of its own, if it ended without another attempt. */
export function sendzcCleanup(req: Req): void {
  if (req.zc_flags & SENDZC_MSG) sendCleanup(req);
  if (req.zc_flags & SENDZC_OWN) {
    const notif = req.notif;
    req.notif = nil<Req>();
    notifDrop(notif, NOTIF_END_TW, REF_REQUEST);
  }
  req.flags &= ~REQ_F_NEED_CLEANUP;
}
