// sk_buff and its data area.
//
//   SkBuff ----> SkShared (data area, shared by clones, counted by dataref)
//                |  header fields | frags[17] | linear room for headers  |
//                                    |   |
//                                    |   +--> kernel data chunk (one page reference per frag)
//                                    +------> user page (one page reference per frag, none when MANAGED)
//
// Payload is always in frags; the linear room holds headers (and up to SKB_LINEAR_ROOM bytes of received data). A
// zero-copy skb carries its ubuf_info in the data area, so all clones share one reference to it. The reference ends with
// the data area, or earlier when the frags are replaced by copies (skbCopyUbufs).
//
// Spec: send-zc.md 3.1, 3.2.
import { POOL_SHINFO, POOL_SKB, poolAlloc, poolFree } from "../lib/pool";
import { PAGE_SIZE, SHINFO_SIZE, SKB_SIZE } from "../abi/layout";
import { CNT_COPIED_BY, CNT_COPIED_ZC, CNT_SHINFO_LIVE, CNT_SKBS, CNT_SKBS_LIVE, CNT_UBUF_SKBS } from "../abi/counters";
import { BUG_FRAGREF, BUG_REF_UNDERFLOW, BUG_SKB_LEN } from "../abi/bug";
import { ENOMEM } from "../abi/errno";
import {
  COPY_LOCAL_DELIVERY, REF_DROPPED, REF_ORPHANED, REF_SPLIT, REF_UNCLONE, TR_SKB_ALLOC, TR_SKB_CLONE, TR_SKB_FREE, TR_UBUF_COPY, TR_UBUF_SKB, TR_UBUF_SKB_END,
  TRACE_NET, TRACE_ZC,
} from "../abi/trace";
import { bugOn, DEBUG } from "../lib/bug";
import { SCRATCH_FRAGS, cntAdd, cntDec, cntInc, nil } from "../lib/state";
import { trace, traceOn } from "../lib/trace";
import { getPage, isUserPage, pageFragRefill, pageFragRoom, pageFragTake, putPage } from "../mm/page";
import { copyDebug } from "./copy_debug";
import {
  SKBFL_ALL_ZEROCOPY, SKBFL_DONT_ORPHAN, SKBFL_MANAGED_FRAG_REFS, SKBFL_SHARED_FRAG, SKBFL_ZEROCOPY_ENABLE, UbufInfo, netZcopyGet,
} from "./ubuf_info";

export const MAX_SKB_FRAGS: u32 = 17;
/** What Linux charges for the bookkeeping of an skb: sizeof(sk_buff) aligned + skb_shared_info aligned. */
export const SKB_OVERHEAD: u32 = 576;
export const SKB_HEADROOM: u32 = 160; // Ethernet + IPv4 + TCP with options, aligned
export const SKB_LINEAR_ROOM: u32 = 328;

@unmanaged @final export class SkBuff {
  pad: u32;
  next: SkBuff;
  prev: SkBuff;
  sk: usize; // Sock charged for it, 0 = none
  shinfo: SkShared;
  len: u32; // all bytes from `data` on: linear + frags
  data_len: u32; // bytes in frags
  truesize: u32;
  data: usize; // first linear byte
  nh: usize; // network header, 0 = not set
  th: usize; // transport header
  dev: usize; // NetDevice it came from or leaves by
  destructor: u32; // table index of (skb: SkBuff) => void, 0 = none
  users: u32;
  ip_summed: u32; // CHECKSUM_*
  cloned: u32; // the data area may be shared
  dst_addr: u32; // host order; route decided for it
  src_addr: u32;
  dst_dev: usize; // output device
  mark: u32; // SKB_MARK_* (net/tx_timestamp.ts)
  tstamp: u64;
  // TCP control block; other protocols use cb0..cb3 of the same words
  seq: u32;
  end_seq: u32;
  ack_seq: u32;
  tcp_flags: u32;
  sacked: u32;
  tx_count: u32; // transmissions so far
  cb0: u32;
  cb1: u32;
  cb2: u32;
  cb3: u32;
  when: u64; // time of last transmission
}
if (offsetof<SkBuff>() > SKB_SIZE) ERROR("SkBuff does not fit its pool");

@unmanaged @final export class SkShared {
  pad: u32;
  dataref: u32;
  nr_frags: u32;
  flags: u32; // SKBFL_*
  uarg: UbufInfo;
  gso_size: u32;
  gso_type: u32;
  tail: u32; // linear bytes used end, offset from `head`
}
const FRAGS: usize = 32; // {u32 address, u32 size} each
const HEAD: usize = 32 + 17 * 8 + 0; // linear room
export const SHINFO_LINEAR: usize = HEAD;
if (offsetof<SkShared>() != 32) ERROR("SkShared header must be 32 bytes");
if (SHINFO_SIZE < 168 + 328 + 16) ERROR("SkShared does not hold its linear room");

export const CHECKSUM_NONE: u32 = 0; // no checksum verified or needed
export const CHECKSUM_UNNECESSARY: u32 = 1; // verified on receive
export const CHECKSUM_PARTIAL: u32 = 3; // the device fills it in

@inline export function fragAddr(sh: SkShared, i: u32): usize { return load<u32>(changetype<usize>(sh) + (i << 3), FRAGS) as usize; }
@inline export function fragSize(sh: SkShared, i: u32): u32 { return load<u32>(changetype<usize>(sh) + (i << 3), FRAGS + 4); }
@inline export function fragSet(sh: SkShared, i: u32, addr: usize, size: u32): void {
  store<u32>(changetype<usize>(sh) + (i << 3), addr as u32, FRAGS);
  store<u32>(changetype<usize>(sh) + (i << 3), size, FRAGS + 4);
}
@inline export function skbHead(skb: SkBuff): usize { return changetype<usize>(skb.shinfo) + HEAD; }
@inline export function skbHeadlen(skb: SkBuff): u32 { return skb.len - skb.data_len; }

function shinfoAlloc(): SkShared {
  const sh = changetype<SkShared>(poolAlloc(POOL_SHINFO));
  if (!sh) return sh;
  sh.dataref = 1;
  sh.nr_frags = 0;
  sh.flags = 0;
  sh.uarg = nil<UbufInfo>();
  sh.gso_size = 0;
  sh.gso_type = 0;
  cntInc(CNT_SHINFO_LIVE);
  return sh;
}

/** An empty skb with `headroom` bytes reserved, truesize as given; nil when out of memory. */
export function allocSkb(headroom: u32, truesize: u32): SkBuff {
  const skb = changetype<SkBuff>(poolAlloc(POOL_SKB));
  if (!skb) return skb;
  const sh = shinfoAlloc();
  if (!sh) {
    poolFree(POOL_SKB, changetype<usize>(skb));
    return nil<SkBuff>();
  }
  memory.fill(changetype<usize>(skb) + 4, 0, SKB_SIZE - 4);
  skb.shinfo = sh;
  skb.data = changetype<usize>(sh) + HEAD + (headroom as usize);
  skb.truesize = truesize;
  skb.users = 1;
  cntInc(CNT_SKBS_LIVE);
  cntInc(CNT_SKBS);
  trace(TRACE_NET, TR_SKB_ALLOC, changetype<usize>(skb), 0, truesize, 0);
  return skb;
}

/** A second sk_buff over the same data area. Takes no ubuf reference: the data area holds it. */
export function skbClone(skb: SkBuff): SkBuff {
  const n = changetype<SkBuff>(poolAlloc(POOL_SKB));
  if (!n) return n;
  memory.copy(changetype<usize>(n), changetype<usize>(skb), SKB_SIZE);
  n.next = nil<SkBuff>();
  n.prev = nil<SkBuff>();
  n.sk = 0;
  n.destructor = 0;
  n.users = 1;
  n.cloned = 1;
  skb.cloned = 1;
  skb.shinfo.dataref++;
  cntInc(CNT_SKBS_LIVE);
  cntInc(CNT_SKBS);
  trace(TRACE_NET, TR_SKB_CLONE, changetype<usize>(skb), changetype<usize>(n) as u64, skb.len, 0);
  return n;
}

@inline export function skbCloned(skb: SkBuff): bool { return skb.cloned != 0 && skb.shinfo.dataref > 1; }
@inline export function skbGet(skb: SkBuff): SkBuff { skb.users++; return skb; }
@inline export function skbZcopy(skb: SkBuff): UbufInfo {
  return skb.shinfo.flags & SKBFL_ZEROCOPY_ENABLE ? skb.shinfo.uarg : nil<UbufInfo>();
}

/** Runs and clears the destructor: the skb no longer charges a socket. */
@inline export function skbOrphan(skb: SkBuff): void {
  if (skb.destructor) {
    const d = skb.destructor;
    skb.destructor = 0;
    call_indirect<void>(d, skb);
  }
  skb.sk = 0;
}

/** Drops a reference; the last one frees. `reason` (REF_*) is told to the owner of zero-copy pages. */
export function kfreeSkb(skb: SkBuff, reason: u32): void {
  bugOn(skb.users == 0, BUG_REF_UNDERFLOW, changetype<usize>(skb));
  if (--skb.users) return;
  trace(TRACE_NET, TR_SKB_FREE, changetype<usize>(skb), skb.len as u64, skb.shinfo.dataref, reason);
  skbOrphan(skb);
  skbReleaseData(skb, reason);
  cntDec(CNT_SKBS_LIVE);
  poolFree(POOL_SKB, changetype<usize>(skb));
}
@inline export function dropSkb(skb: SkBuff): void { kfreeSkb(skb, REF_DROPPED); }

function skbReleaseData(skb: SkBuff, reason: u32): void {
  const sh = skb.shinfo;
  if (--sh.dataref) return;
  if (sh.flags & SKBFL_ZEROCOPY_ENABLE) {
    const managed = (sh.flags & SKBFL_MANAGED_FRAG_REFS) != 0;
    skbZcopyClear(skb, true, reason);
    if (managed) sh.nr_frags = 0; // the owner keeps the pages, there is nothing to put
  }
  for (let i: u32 = 0; i < sh.nr_frags; i++) putPage(fragAddr(sh, i));
  cntDec(CNT_SHINFO_LIVE);
  poolFree(POOL_SHINFO, changetype<usize>(sh));
}

// Zero-copy marking -----------------------------------------------------------------------------------------------

function traceCarried(event: u32, skb: SkBuff, uarg: UbufInfo): void {
  trace(TRACE_ZC, event, changetype<usize>(uarg), uarg.user_data, changetype<usize>(skb) as u32, changetype<usize>(skb.shinfo) as u32);
}

/** Makes the data area carry `uarg` without taking a reference (the caller has taken or moved one). */
export function skbZcopyInit(skb: SkBuff, uarg: UbufInfo): void {
  skb.shinfo.uarg = uarg;
  skb.shinfo.flags |= uarg.flags;
  if (traceOn(TRACE_ZC)) traceCarried(TR_UBUF_SKB, skb, uarg);
}

/** skb_zcopy_set(): attaches `uarg` if the skb has none yet, taking a reference. */
export function skbZcopySet(skb: SkBuff, uarg: UbufInfo, reason: u32): void {
  if (!uarg || skbZcopy(skb)) return;
  netZcopyGet(uarg, reason);
  cntInc(CNT_UBUF_SKBS);
  skbZcopyInit(skb, uarg);
}

/** Ends the data area's hold on its ubuf_info. success: the pages were never copied. */
export function skbZcopyClear(skb: SkBuff, success: bool, reason: u32): void {
  const uarg = skbZcopy(skb);
  if (!uarg) return;
  if (traceOn(TRACE_ZC)) traceCarried(TR_UBUF_SKB_END, skb, uarg);
  skb.shinfo.flags &= ~SKBFL_ALL_ZEROCOPY;
  skb.shinfo.uarg = nil<UbufInfo>();
  call_indirect<void>(uarg.complete, changetype<usize>(skb), changetype<usize>(uarg), success as u32, reason);
}

/** Gives every managed frag a page reference of its own, before something that needs them (I16). */
export function skbZcopyDowngradeManaged(skb: SkBuff): void {
  const sh = skb.shinfo;
  if (!(sh.flags & SKBFL_MANAGED_FRAG_REFS)) return;
  sh.flags &= ~SKBFL_MANAGED_FRAG_REFS;
  for (let i: u32 = 0; i < sh.nr_frags; i++) getPage(fragAddr(sh, i));
}

/** I16: managed frags are legal only while a ubuf_info holds the pages. */
export function skbAssertFrags(skb: SkBuff): void {
  if (!DEBUG) return;
  bugOn((skb.shinfo.flags & SKBFL_MANAGED_FRAG_REFS) != 0 && !skbZcopy(skb), BUG_FRAGREF, changetype<usize>(skb));
  let n: u32 = 0;
  for (let i: u32 = 0; i < skb.shinfo.nr_frags; i++) n += fragSize(skb.shinfo, i);
  bugOn(n != skb.data_len, BUG_SKB_LEN, changetype<usize>(skb), n);
}

/**
 * A data area of this skb's own (pskb_expand_head on a clone): headers are copied, frags shared with a page reference
 * each, and a carried ubuf_info gets one more reference. 0 or -ENOMEM.
 */
export function skbUnclone(skb: SkBuff): i32 {
  if (!skbCloned(skb)) return 0;
  const old = skb.shinfo, n = shinfoAlloc();
  if (!n) return -ENOMEM;
  if (old.flags & SKBFL_MANAGED_FRAG_REFS) skbZcopyDowngradeManaged(skb);
  memory.copy(changetype<usize>(n), changetype<usize>(old), SHINFO_SIZE);
  n.dataref = 1;
  for (let i: u32 = 0; i < n.nr_frags; i++) getPage(fragAddr(n, i));
  if (n.flags & SKBFL_ZEROCOPY_ENABLE) netZcopyGet(n.uarg, REF_UNCLONE);
  const delta = changetype<usize>(n) - changetype<usize>(old);
  skb.shinfo = n;
  skb.data += delta;
  if (skb.nh) skb.nh += delta;
  if (skb.th) skb.th += delta;
  skb.cloned = 0;
  old.dataref--;
  if (n.flags & SKBFL_ZEROCOPY_ENABLE) traceCarried(TR_UBUF_SKB, skb, n.uarg);
  return 0;
}

/** skb_orphan_frags(): before clone, segment or forward. A DONT_ORPHAN owner is fine with sharing: nothing happens. */
export function skbOrphanFrags(skb: SkBuff, why: u32): i32 {
  if (!skbZcopy(skb) || skb.shinfo.flags & SKBFL_DONT_ORPHAN) return 0;
  return skbCopyUbufs(skb, why);
}

/** skb_orphan_frags_rx(): before a local receiver gets hold of the skb. Always copies user pages. */
@inline export function skbOrphanFragsRx(skb: SkBuff, why: u32 = COPY_LOCAL_DELIVERY): i32 {
  return skbZcopy(skb) ? skbCopyUbufs(skb, why) : 0;
}

/**
 * Replaces the frags of a zero-copy skb by kernel copies and tells the owner (success = false). Only this skb's data area
 * changes: other clones keep the user's pages and their hold. truesize stays. 0 or -ENOMEM.
 */
export function skbCopyUbufs(skb: SkBuff, why: u32): i32 {
  if (skbUnclone(skb)) return -ENOMEM;
  const sh = skb.shinfo, managed = (sh.flags & SKBFL_MANAGED_FRAG_REFS) != 0;
  const uarg = sh.uarg;
  const frags = sh.nr_frags;
  const total = skb.data_len;
  // The copy is laid out over fresh fragments, so the old list is kept aside until the new one is complete.
  memory.copy(SCRATCH_FRAGS, changetype<usize>(sh) + FRAGS, frags << 3);
  let n: u32 = 0, lastEnd: usize = 0;
  for (let i: u32 = 0; i < frags; i++) {
    let from = load<u32>(SCRATCH_FRAGS + (i << 3)) as usize, left = load<u32>(SCRATCH_FRAGS + (i << 3), 4);
    while (left) {
      const to = pageFragRefill(1);
      if (!to) return -ENOMEM;
      let step = pageFragRoom();
      if (step > left) step = left;
      const merge = n > 0 && to == lastEnd && (to & 32767) != 0;
      memory.copy(to, from, step);
      pageFragTake(step, !merge);
      if (merge) fragSet(sh, n - 1, fragAddr(sh, n - 1), fragSize(sh, n - 1) + step);
      else fragSet(sh, n++, to, step);
      lastEnd = to + (step as usize);
      from += step;
      left -= step;
    }
  }
  sh.nr_frags = n;
  if (!managed) for (let i: u32 = 0; i < frags; i++) putPage(load<u32>(SCRATCH_FRAGS + (i << 3)) as usize);
  cntAdd(CNT_COPIED_ZC, total);
  cntAdd(CNT_COPIED_BY + (why << 2), total);
  trace(TRACE_ZC, TR_UBUF_COPY, changetype<usize>(uarg), uarg.user_data, total, why);
  copyDebug(uarg, total, why);
  skbZcopyClear(skb, false, REF_ORPHANED);
  return 0;
}

// Headers and bytes -----------------------------------------------------------------------------------------------

/** Prepends `n` bytes of header room; returns its address. */
@inline export function skbPush(skb: SkBuff, n: u32): usize {
  skb.data -= n;
  skb.len += n;
  return skb.data;
}
/** Removes `n` linear bytes from the front. */
@inline export function skbPull(skb: SkBuff, n: u32): usize {
  skb.data += n;
  skb.len -= n;
  return skb.data;
}

/** Copies `n` payload bytes from offset `off` (counted from `data`) to `to`. The caller has checked the length. */
export function skbCopyBits(skb: SkBuff, off: u32, to: usize, n: u32): void {
  const head = skbHeadlen(skb), sh = skb.shinfo;
  if (off < head) {
    const step = head - off < n ? head - off : n;
    memory.copy(to, skb.data + (off as usize), step);
    to += step;
    n -= step;
    off = head;
  }
  off -= head;
  for (let i: u32 = 0; n && i < sh.nr_frags; i++) {
    const size = fragSize(sh, i);
    if (off >= size) {
      off -= size;
      continue;
    }
    const step = size - off < n ? size - off : n;
    memory.copy(to, fragAddr(sh, i) + (off as usize), step);
    to += step;
    n -= step;
    off = 0;
  }
}

/** Can [addr, ..) extend the last frag? Pages are contiguous only within one page or one kernel chunk. */
@inline export function skbCanCoalesce(sh: SkShared, addr: usize): bool {
  if (!sh.nr_frags) return false;
  const last = sh.nr_frags - 1, end = fragAddr(sh, last) + (fragSize(sh, last) as usize);
  if (end != addr) return false;
  return isUserPage(addr) ? (addr & (PAGE_SIZE as usize - 1)) != 0 : (addr & 32767) != 0;
}

/** Appends a frag without touching references or lengths. The caller has checked for room. */
@inline export function skbFillPage(sh: SkShared, addr: usize, size: u32): void {
  fragSet(sh, sh.nr_frags, addr, size);
  sh.nr_frags++;
}

/**
 * Moves the payload from offset `at` on (in frags; headers stay) into `to`, an empty skb: skb_split. Frags that straddle
 * the cut are referenced by both; a carried ubuf_info gets a reference for the new data area (3.2).
 */
export function skbSplit(skb: SkBuff, to: SkBuff, at: u32): void {
  const sh = skb.shinfo, ts = to.shinfo;
  skbZcopyDowngradeManaged(skb);
  ts.flags |= sh.flags & (SKBFL_SHARED_FRAG | 4);
  if (skbZcopy(skb)) {
    netZcopyGet(sh.uarg, REF_SPLIT);
    skbZcopyInit(to, sh.uarg);
    ts.flags = (ts.flags & ~SKBFL_MANAGED_FRAG_REFS) | (sh.flags & 4);
  }
  let pos: u32 = 0, keep: u32 = 0, moved: u32 = 0;
  const total = skb.data_len;
  for (let i: u32 = 0; i < sh.nr_frags; i++) {
    const addr = fragAddr(sh, i), size = fragSize(sh, i);
    if (pos + size <= at) {
      keep++;
    } else if (pos >= at) {
      skbFillPage(ts, addr, size);
      moved += size;
    } else {
      const first = at - pos;
      skbFillPage(ts, addr + (first as usize), size - first);
      getPage(addr + (first as usize));
      moved += size - first;
      fragSet(sh, i, addr, first);
      keep++;
    }
    pos += size;
  }
  sh.nr_frags = keep;
  skb.data_len = total - moved;
  skb.len -= moved;
  to.data_len += moved;
  to.len += moved;
}

/**
 * Takes `n` bytes off the front of the frags (after a partial ACK, or a partial read of a queue). Whole frags are put,
 * unless managed.
 */
export function skbTrimHead(skb: SkBuff, n: u32): void {
  const sh = skb.shinfo;
  const head = skbHeadlen(skb);
  const lin = n < head ? n : head;
  skb.data += lin;
  skb.len -= lin;
  n -= lin;
  let out: u32 = 0;
  const managed = (sh.flags & SKBFL_MANAGED_FRAG_REFS) != 0;
  for (let i: u32 = 0; i < sh.nr_frags; i++) {
    let addr = fragAddr(sh, i), size = fragSize(sh, i);
    if (n >= size) {
      n -= size;
      skb.len -= size;
      skb.data_len -= size;
      if (!managed) putPage(addr);
      continue;
    }
    if (n) {
      addr += n;
      size -= n;
      skb.len -= n;
      skb.data_len -= n;
      n = 0;
    }
    fragSet(sh, out++, addr, size);
  }
  sh.nr_frags = out;
}
