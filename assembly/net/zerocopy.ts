// From user pages to skb frags. Plain buffers: each page is pinned for as long as the frag lives. Registered buffers
// ("managed"): the pages are held by the ubuf_info's owner, frags take no references.
//
// Spec: send-zc.md 2.3, 2.7, 3.1, 3.3.
import { IovIter, iterAddr, iterAdvance, iterPagePart, iterRevert, iterSegLen } from "../mm/iov_iter";
import { PAGE_SIZE } from "../abi/layout";
import { CNT_PINS, CNT_PIN_WALKS } from "../abi/counters";
import { EEXIST, EFAULT, EMSGSIZE } from "../abi/errno";
import { B_FIXEDBUF_TRUNCATION, SW_FIXEDBUF_TRUNCATION } from "../abi/profile";
import { REF_SKB } from "../abi/trace";
import { has, switchOn } from "../lib/profile";
import { cntAdd, cntInc } from "../lib/state";
import { getPage, pinPage, putPage } from "../mm/page";
import {
  MAX_SKB_FRAGS, SkBuff, SkShared, fragAddr, fragSet, fragSize, skbCanCoalesce, skbFillPage, skbZcopy, skbZcopyDowngradeManaged, skbZcopySet,
} from "./skbuff";
import { Sock } from "./sock";
import { SKBFL_MANAGED_FRAG_REFS, SKBFL_PURE_ZEROCOPY, UbufInfo } from "./ubuf_info";

const PAGE_MASK: u32 = PAGE_SIZE - 1;
@inline function pageAlign(n: u32): u32 { return (n + PAGE_MASK) & ~PAGE_MASK; }

/** Charges `n` bytes of payload pages to whoever pays for the skb: a stream's send queue, else the sender. */
@inline function charge(sk: Sock, skb: SkBuff, stream: bool, n: u32): void {
  skb.truesize += n;
  if (stream) {
    sk.wmem_queued += n;
    if (!(skb.shinfo.flags & SKBFL_PURE_ZEROCOPY)) sk.fwd_alloc -= n as i32;
  } else if (skb.destructor) {
    sk.wmem_alloc += n;
  }
}

/**
 * Adds up to `length` bytes at the cursor of `it` to the frags of `skb`. Bytes added is length of the skb after minus
 * before. Returns 0, -EMSGSIZE when the frag array is full, -EFAULT at a bad page (what was added stays).
 */
export function zerocopySgFromIter(sk: Sock, skb: SkBuff, it: IovIter, length: u32, managed: bool, stream: bool): i32 {
  const sh = skb.shinfo;
  if (managed) {
    if (!sh.nr_frags) sh.flags |= SKBFL_MANAGED_FRAG_REFS;
    else if (!(sh.flags & SKBFL_MANAGED_FRAG_REFS)) managed = false; // a mixed skb: take references like the others
  } else {
    skbZcopyDowngradeManaged(skb);
  }
  return managed ? fillManaged(sk, skb, sh, it, length, stream) : fillPinned(sk, skb, sh, it, length, stream);
}

function fillManaged(sk: Sock, skb: SkBuff, sh: SkShared, it: IovIter, length: u32, stream: bool): i32 {
  while (length && it.count) {
    if (sh.nr_frags == MAX_SKB_FRAGS) return -EMSGSIZE;
    const addr = iterAddr(it) as u32;
    let n = iterPagePart(it);
    if (n > length) n = length;
    skbFillPage(sh, addr, n);
    charge(sk, skb, stream, pageAlign(n + (addr & PAGE_MASK)));
    skb.data_len += n;
    skb.len += n;
    iterAdvance(it, n);
    length -= n;
  }
  if (stream && it.count && truncates()) it.count = 0;
  return 0;
}

/** The defect of the slot era (6.0-rc): what is left of the buffer is forgotten, so the send ends after its first skb. */
function truncates(): bool {
  const set = switchOn(SW_FIXEDBUF_TRUNCATION);
  return set ? set == 1 : has(B_FIXEDBUF_TRUNCATION);
}


function fillPinned(sk: Sock, skb: SkBuff, sh: SkShared, it: IovIter, length: u32, stream: bool): i32 {
  while (length && it.count) {
    if (sh.nr_frags == MAX_SKB_FRAGS) return -EMSGSIZE;
    // One step pins the pages of one segment, as many as frags are free, and charges them as a block.
    const start = (iterAddr(it) as u32) & PAGE_MASK, room = MAX_SKB_FRAGS - sh.nr_frags;
    let segment = iterSegLen(it);
    if (segment > length) segment = length;
    if (segment > room * PAGE_SIZE - start) segment = room * PAGE_SIZE - start;
    let copied: u32 = 0, pins: u32 = 0;
    while (copied < segment) {
      let n = iterPagePart(it);
      if (!n) break;
      if (n > segment - copied) n = segment - copied;
      const addr = iterAddr(it) as usize;
      if (skbCanCoalesce(sh, addr)) {
        const last = sh.nr_frags - 1;
        fragSet(sh, last, fragAddr(sh, last), fragSize(sh, last) + n);
      } else {
        pinPage(addr);
        pins++;
        skbFillPage(sh, addr, n);
      }
      iterAdvance(it, n);
      copied += n;
    }
    cntInc(CNT_PIN_WALKS);
    cntAdd(CNT_PINS, pins);
    if (!copied) return -EFAULT;
    charge(sk, skb, stream, pageAlign(copied + start));
    skb.data_len += copied;
    skb.len += copied;
    length -= copied;
  }
  return 0;
}

/** Takes everything past `len` payload bytes off again. truesize stays, as the pages were charged. */
function trimTo(skb: SkBuff, len: u32): void {
  const sh = skb.shinfo, managed = (sh.flags & SKBFL_MANAGED_FRAG_REFS) != 0;
  while (skb.len > len) {
    const last = sh.nr_frags - 1, size = fragSize(sh, last), extra = skb.len - len;
    if (size > extra) {
      fragSet(sh, last, fragAddr(sh, last), size - extra);
      skb.len -= extra;
      skb.data_len -= extra;
      return;
    }
    if (!managed) putPage(fragAddr(sh, last));
    sh.nr_frags = last;
    skb.len -= size;
    skb.data_len -= size;
  }
}

/**
 * skb_zerocopy_iter_stream(): appends to the tail skb of a stream on behalf of `uarg`. The owner is attached (or chained
 * to the one that is there) before the pages: an skb never holds user pages without an owner.
 * Bytes added; -EEXIST: this skb cannot take this owner, start another; -EMSGSIZE: frag array full; -EFAULT: bad page,
 * nothing added.
 */
export function skbZerocopyIterStream(sk: Sock, skb: SkBuff, it: IovIter, length: u32, uarg: UbufInfo, managed: bool): i32 {
  const before = skb.len, count = it.count, orig = skbZcopy(skb);
  if (uarg.link_skb) {
    const err = call_indirect<i32>(uarg.link_skb, changetype<usize>(skb), changetype<usize>(uarg));
    if (err) return err;
  } else if (orig && orig != uarg) {
    return -EEXIST;
  }
  const err = zerocopySgFromIter(sk, skb, it, length, managed, true);
  if (err == -EFAULT || (err == -EMSGSIZE && skb.len == before)) {
    iterRevert(it, count - it.count);
    trimTo(skb, before);
    return err;
  }
  skbZcopySet(skb, uarg, REF_SKB);
  return (skb.len - before) as i32;
}

/** skb_splice_from_iter(): the kernel pages under `it` as frags with a reference each. Bytes added, 0 = the frag array is full. */
export function skbSpliceFromIter(skb: SkBuff, it: IovIter, length: u32): u32 {
  const sh = skb.shinfo;
  let done: u32 = 0;
  while (done < length && it.count) {
    const addr = iterAddr(it) as usize, left = length - done;
    let n = iterSegLen(it);
    if (n > left) n = left;
    if ((addr & PAGE_MASK) != 0 && skbCanCoalesce(sh, addr)) {
      const last = sh.nr_frags - 1;
      fragSet(sh, last, fragAddr(sh, last), fragSize(sh, last) + n);
    } else {
      if (sh.nr_frags == MAX_SKB_FRAGS) break;
      getPage(addr);
      skbFillPage(sh, addr, n);
    }
    iterAdvance(it, n);
    done += n;
  }
  skb.len += done;
  skb.data_len += done;
  return done;
}
