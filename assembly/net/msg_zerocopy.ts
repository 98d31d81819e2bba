// MSG_ZEROCOPY: zero-copy sends of the system calls. Each successful call gets an id; when the network has let go of the
// pages of a range of ids, a record with the range goes to the socket's error queue.
//
// Life of a record: it is made with the first call of a range and lives, uarg and all, in the control skb that will later
// be queued, so that completing can never fail for want of memory. TCP extends the record of its tail skb by further
// consecutive calls. One reference belongs to the call that made or extended it, one to each skb data area. The last put
// queues the record, or merges it into the last one of the queue if the ranges touch.
//
// Charged: the control skb to the socket's option memory until it is read, the pages to the user's RLIMIT_MEMLOCK until
// they are released. Either limit gives -ENOBUFS.
//
// Spec: send-zc.md 4; msg_zerocopy.rst, recvmsg(2), socket(7) SO_ZEROCOPY.
import { PAGE_SHIFT } from "../abi/layout";
import { BUG_REF_UNDERFLOW, BUG_WMEM } from "../abi/bug";
import { SOCK_STREAM, SO_EE_CODE_ZEROCOPY_COPIED, SO_EE_ORIGIN_ZEROCOPY } from "../abi/socket";
import { COPY_NO_SG, REF_ABORTED, REF_PURGED, REF_REQUEST, TR_NOTIF_ALLOC, TR_NOTIF_DONE, TR_NOTIF_REQ, TR_UBUF_COPY, TR_UBUF_PUT, TRACE_ZC } from "../abi/trace";
import { bugOn } from "../lib/bug";
import { cntInc, nil } from "../lib/state";
import { CNT_MSGZC } from "../abi/counters";
import { trace } from "../lib/trace";
import { accountMem, current, unaccountMem } from "../kernel/task";
import { copyDebug } from "./copy_debug";
import { SKB_TRUESIZE_MIN, SOCK_F_DEAD, Sock, errorQueue, skErrorReport, sockHold, sockPut } from "./sock";
import { skbQueueTail } from "./skb_queue";
import { SKB_OVERHEAD, SkBuff, allocSkb, kfreeSkb, skbHead } from "./skbuff";
import { SKBFL_DONT_ORPHAN, SKBFL_ZEROCOPY_FRAG, UBUF_SIZE, UbufInfo, netZcopyGet } from "./ubuf_info";
import { sockErrData, sockErrInfo, sockErrInit, sockErrOrigin, sockErrSetData } from "./errqueue";

/** net.core.optmem_max. */
export const OPTMEM_MAX: u32 = 131072;
/** Bytes and calls that one record may cover. */
const RECORD_BYTES_MAX: u32 = 512 << 10;
const RECORD_CALLS_MAX: u32 = 65534;

@unmanaged @final export class UbufInfoMsgzc {
  pad: u32;
  complete: u32;
  link_skb: u32; // none: two owners never share an skb
  refcnt: u32;
  flags: u32;
  told: u32; // as in UbufInfo
  user_data: u64; // the first id, for traces
  id: u32; // first id of the range
  len: u32; // calls in it
  bytelen: u32;
  zerocopy: u32; // no data area of the range was copied
  pages: u32; // charged to RLIMIT_MEMLOCK
  uid: u32;
  skb: SkBuff; // the control skb that holds this record
}
if (offsetof<UbufInfoMsgzc>("id") != UBUF_SIZE) ERROR("UbufInfoMsgzc must begin with a UbufInfo");
/** Behind the sock_extended_err in the linear area of the control skb. */
const UARG_OFFSET: usize = 64;

@inline function uargOf(skb: SkBuff): UbufInfoMsgzc { return changetype<UbufInfoMsgzc>(skbHead(skb) + UARG_OFFSET); }
@inline function isMsgzc(uarg: UbufInfo): bool { return uarg.complete == msgZerocopyComplete.index; }

/**
 * msg_zerocopy_realloc(): the owner of the pages of one MSG_ZEROCOPY call with `size` bytes, holding a reference for the
 * caller. `existing` is the owner on the tail skb, nil if there is none; the call joins its range when it can.
 * nil means -ENOBUFS. End with msgZerocopyPut() after success, msgZerocopyPutAbort() after failure.
 */
export function msgZerocopyRealloc(sk: Sock, size: u32, existing: UbufInfo): UbufInfo {
  if (!existing) return msgZerocopyAlloc(sk, size);
  if (!isMsgzc(existing)) return nil<UbufInfo>(); // io_uring's: an skb cannot serve two masters
  const uarg = changetype<UbufInfoMsgzc>(existing), stream = sk.type == SOCK_STREAM;
  if (uarg.len >= RECORD_CALLS_MAX || uarg.bytelen + size > RECORD_BYTES_MAX) {
    return stream ? msgZerocopyAlloc(sk, size) : nil<UbufInfo>(); // a stream can start another skb, a datagram cannot
  }
  if (uarg.id + uarg.len != sk.zckey) return msgZerocopyAlloc(sk, size);
  if (!accountPages(uarg, size)) return nil<UbufInfo>();
  uarg.len++;
  uarg.bytelen += size;
  trace(TRACE_ZC, TR_NOTIF_REQ, changetype<usize>(uarg), sk.zckey as u64, 0, 0);
  sk.zckey++;
  if (stream) netZcopyGet(existing, REF_REQUEST); // a datagram's later calls share the reference of the first
  return existing;
}

function msgZerocopyAlloc(sk: Sock, size: u32): UbufInfo {
  if (sk.omem_alloc + SKB_OVERHEAD > OPTMEM_MAX) return nil<UbufInfo>();
  const skb = allocSkb(0, SKB_TRUESIZE_MIN);
  if (!skb) return nil<UbufInfo>();
  const uarg = uargOf(skb);
  uarg.pages = 0;
  if (!accountPages(uarg, size)) {
    kfreeSkb(skb, REF_ABORTED);
    return nil<UbufInfo>();
  }
  skb.sk = changetype<usize>(sk);
  skb.destructor = sockOfree.index;
  sk.omem_alloc += SKB_TRUESIZE_MIN;
  uarg.complete = msgZerocopyComplete.index;
  uarg.link_skb = 0;
  uarg.refcnt = 1;
  uarg.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN;
  uarg.told = 0;
  uarg.id = sk.zckey++;
  uarg.user_data = uarg.id as u64;
  uarg.len = 1;
  uarg.bytelen = size;
  uarg.zerocopy = 1;
  uarg.skb = skb;
  trace(TRACE_ZC, TR_NOTIF_ALLOC, changetype<usize>(uarg), uarg.user_data, 0, 0);
  trace(TRACE_ZC, TR_NOTIF_REQ, changetype<usize>(uarg), uarg.user_data, 0, 0);
  sockHold(sk);
  cntInc(CNT_MSGZC);
  return changetype<UbufInfo>(uarg);
}

/** mm_account_pinned_pages(): a user without CAP_IPC_LOCK pays for the pages, two more than the bytes fill. */
function accountPages(uarg: UbufInfoMsgzc, size: u32): bool {
  const t = current();
  if (t.privileged || !size) return true;
  const nr = (size >> PAGE_SHIFT) + 2;
  if (accountMem(t, nr)) return false;
  uarg.uid = t.uid;
  uarg.pages += nr;
  return true;
}

/** The device cannot take the user's pages, the data of this call is copied: its range reports COPIED. */
export function msgZerocopyMarkCopied(uarg: UbufInfo): void {
  changetype<UbufInfoMsgzc>(uarg).zerocopy = 0;
  trace(TRACE_ZC, TR_UBUF_COPY, changetype<usize>(uarg), uarg.user_data, 0, COPY_NO_SG);
  copyDebug(uarg, 0, COPY_NO_SG);
}

/** The call has succeeded: drops its reference. */
export function msgZerocopyPut(uarg: UbufInfo): void {
  if (uarg) msgZerocopyComplete(0, changetype<usize>(uarg), 1, REF_REQUEST);
}

/**
 * The call has failed: its id is given back, and its reference dropped unless it belongs to a call before it
 * (`haveRef` false: a datagram that was being appended to).
 */
export function msgZerocopyPutAbort(uarg: UbufInfo, haveRef: bool = true): void {
  if (!uarg || !isMsgzc(uarg)) return;
  const record = changetype<UbufInfoMsgzc>(uarg), sk = changetype<Sock>(record.skb.sk);
  sk.zckey--;
  record.len--;
  if (haveRef) msgZerocopyComplete(0, changetype<usize>(uarg), 1, REF_ABORTED);
}

/** ubuf_info_ops.complete: drops one reference; the last one delivers the record. */
function msgZerocopyComplete(skb: usize, uarg: usize, success: u32, reason: u32): void {
  const record = changetype<UbufInfoMsgzc>(uarg);
  bugOn(record.refcnt == 0, BUG_REF_UNDERFLOW, uarg);
  if (!success) record.zerocopy = 0;
  record.refcnt--;
  trace(TRACE_ZC, TR_UBUF_PUT, uarg, record.user_data, record.refcnt, reason);
  if (!record.refcnt) deliver(record, reason);
}

function deliver(record: UbufInfoMsgzc, reason: u32): void {
  const skb = record.skb, sk = changetype<Sock>(skb.sk);
  trace(TRACE_ZC, TR_NOTIF_DONE, changetype<usize>(record), record.user_data, 0, reason);
  if (record.pages) unaccountMem(record.uid, record.pages);
  record.pages = 0;
  record.complete = 0;
  // A range that became empty has nothing to report, and a dead socket nobody to report to.
  if (record.len == 0 || sk.flags & SOCK_F_DEAD) {
    kfreeSkb(skb, REF_PURGED);
    sockPut(sk);
    return;
  }
  const lo = record.id, len = record.len, q = errorQueue(sk), tail = q.last;
  if (tail && extendRecord(tail, lo, len)) {
    kfreeSkb(skb, REF_PURGED);
  } else {
    sockErrInit(skb, 0, SO_EE_ORIGIN_ZEROCOPY, 0, record.zerocopy ? 0 : SO_EE_CODE_ZEROCOPY_COPIED, lo, lo + len - 1);
    skbQueueTail(q, skb);
  }
  skErrorReport(sk);
  sockPut(sk);
}

/** Extends the range of `tail` by [lo, lo + len) if it follows directly. The code is not compared: the first one stays. */
function extendRecord(tail: SkBuff, lo: u32, len: u32): bool {
  if (sockErrOrigin(tail) != SO_EE_ORIGIN_ZEROCOPY) return false;
  const oldLo = sockErrInfo(tail), oldHi = sockErrData(tail);
  if (((oldHi - oldLo) as u64) + (len as u64) + 1 >= 0x100000000) return false;
  if (lo != oldHi + 1) return false;
  sockErrSetData(tail, oldHi + len);
  return true;
}

/** sock_ofree(): destructor of a control skb. */
function sockOfree(skb: SkBuff): void {
  const sk = changetype<Sock>(skb.sk);
  bugOn(sk.omem_alloc < skb.truesize, BUG_WMEM, changetype<usize>(sk), sk.omem_alloc);
  sk.omem_alloc -= skb.truesize;
}
