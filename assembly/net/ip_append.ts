// Building a datagram: ip_append_data(). Payload goes into one skb, or, when it exceeds the MTU, into a chain of skbs
// that are fragments from the start; further calls (MSG_MORE, UDP_CORK) append to the last.
//
// This is where a zero-copy datagram is decided. User pages are taken only if nobody on the way has to touch the bytes:
// the device gathers (SG), computes the checksum (so the skb is CHECKSUM_PARTIAL, which a fragmented or corked datagram
// cannot be), and all of it fits one packet or is GSO. Otherwise the caller's ubuf_info is left alone and the data copied:
// no error, but its owner will see that nobody ever took a reference.
//
// Spec: send-zc.md 3.4, 3.6, 4.
import { IovIter, copyFromIter } from "../mm/iov_iter";
import { EAGAIN, EFAULT, EINVAL, EMSGSIZE, ENOBUFS, EPIPE } from "../abi/errno";
import { NETIF_F_HW_CSUM, NETIF_F_SG } from "../abi/dev";
import { PAGE_SIZE, SMALL_SIZE } from "../abi/layout";
import { CNT_COPIED_BY, CNT_COPIED_TX, CNT_COPIED_ZC, CNT_TX_SKBS, CNT_UBUF_SKBS } from "../abi/counters";
import { MSG_ZEROCOPY } from "../abi/socket";
import {
  COPY_FRAGMENTED, COPY_MSG_MORE, COPY_NO_CSUM, COPY_NO_SG, REF_ABORTED, REF_SKB, TR_UBUF_COPY, TRACE_ZC,
} from "../abi/trace";
import { cntAdd, cntInc, nil } from "../lib/state";
import { trace } from "../lib/trace";
import { pageFragRefill, pageFragRoom, pageFragTake } from "../mm/page";
import { copyDebug } from "./copy_debug";
import { NetDevice } from "./dev";
import { IP_HLEN, IP_MAX_MTU } from "./ip";
import { msgZerocopyMarkCopied, msgZerocopyPutAbort, msgZerocopyRealloc } from "./msg_zerocopy";
import {
  CHECKSUM_NONE, CHECKSUM_PARTIAL, MAX_SKB_FRAGS, SKB_HEADROOM, SkBuff, allocSkb, fragAddr, fragSet, fragSize, skbCanCoalesce,
  skbCopyBits, skbFillPage, skbZcopy, skbZcopyDowngradeManaged, skbZcopyInit, skbZcopySet,
} from "./skbuff";
import { fragChainFree } from "./ip_frag";
import { MsgHdr, SHUTDOWN_SEND, SKB_TRUESIZE_MIN, SOCK_F_NOSPACE, SOCK_F_ZEROCOPY, Sock, skbSetOwnerW, sockError } from "./sock";
import { UbufInfo } from "./ubuf_info";
import { zerocopySgFromIter } from "./zerocopy";

/** A datagram in the making: struct inet_cork. */
@unmanaged @final export class IpCork {
  pad: u32;
  head: SkBuff; // fragments in order, linked by `next`
  tail: SkBuff;
  length: u32; // transport header and payload so far
  fragsize: u32; // MTU when it was begun
  gso_size: u32;
  dev: NetDevice;
  nexthop: u32;
  saddr: u32;
  daddr: u32;
  dport: u32;
  tos: u32;
  ttl: u32;
  oif: u32; // device asked for, 0 = any
}
if (offsetof<IpCork>() > SMALL_SIZE) ERROR("IpCork does not fit its pool");

// Truesize --------------------------------------------------------------------------------------------------------

const SIZEOF_SKB: u32 = 256; // sk_buff, aligned
const SIZEOF_SHINFO: u32 = 320; // skb_shared_info, aligned
const SMALL_HEAD: u32 = 576; // object of the cache for small linear parts, shared info included
if (SKB_TRUESIZE_MIN != SMALL_HEAD + SIZEOF_SKB) ERROR("sizes of an skb disagree");
/** Head room for the link layer and the alignment that Linux adds to a linear part. */
const LINK_ROOM: u32 = 16 + 15;
/** A linear part may not need more than four pages; a bigger datagram has its payload in pages. */
const LINEAR_MAX: u32 = 4 * PAGE_SIZE - SIZEOF_SHINFO;

/** What Linux charges for an skb whose linear part was asked to hold `size` bytes: the slab object, not the request. */
function linearTruesize(size: u32): u32 {
  const head = ((size + 63) & ~63) + SIZEOF_SHINFO;
  if (head <= SMALL_HEAD) return SKB_TRUESIZE_MIN;
  return SIZEOF_SKB + (head <= 1024 ? 1024 : 1 << (32 - clz<u32>(head - 1)));
}

// Appending -------------------------------------------------------------------------------------------------------

/** Bytes of payload that a fragment of `mtu` holds when another one follows. */
@inline function fragPayload(mtu: u32): u32 { return (mtu - IP_HLEN) & ~7; }

/** Why a datagram asked to be sent without copying is copied. */
function whyCopied(features: u32, more: bool): u32 {
  if (!(features & NETIF_F_SG)) return COPY_NO_SG;
  if (!(features & NETIF_F_HW_CSUM)) return COPY_NO_CSUM;
  return more ? COPY_MSG_MORE : COPY_FRAGMENTED;
}

/**
 * Appends `payload` bytes of msg.iter, after `transhdrlen` bytes for the transport header if this is the beginning. 0 or
 * -errno; after an error the datagram must be discarded (ipFlushPending).
 */
export function ipAppendData(sk: Sock, cork: IpCork, msg: MsgHdr, payload: u32, transhdrlen: u32, more: bool): i32 {
  const length = payload + transhdrlen, features = cork.dev.features;
  const mtu = cork.gso_size ? IP_MAX_MTU : cork.fragsize;
  if (cork.length + length > IP_MAX_MTU - IP_HLEN) return -EMSGSIZE;
  const fits = transhdrlen != 0 && length + IP_HLEN <= mtu;
  const partial = fits && (features & NETIF_F_HW_CSUM) != 0 && (!more || cork.gso_size != 0);
  let uarg = nil<UbufInfo>(), zc = false, extraRef = false;
  if (msg.flags & MSG_ZEROCOPY && length) {
    const tail = cork.tail, carried = tail ? skbZcopy(tail) : nil<UbufInfo>();
    zc = partial && (features & NETIF_F_SG) != 0;
    if (msg.ubuf) {
      if (carried && carried != msg.ubuf) return -EINVAL;
      if (zc) uarg = msg.ubuf;
      else noteCopied(msg.ubuf, payload, whyCopied(features, more && !cork.gso_size));
    } else if (sk.flags & SOCK_F_ZEROCOPY) {
      uarg = msgZerocopyRealloc(sk, length, carried);
      if (!uarg) return -ENOBUFS;
      extraRef = !carried; // its first reference goes to the first skb
      if (!zc) {
        msgZerocopyMarkCopied(uarg);
        cntAdd(CNT_COPIED_ZC, payload);
        cntAdd(CNT_COPIED_BY + (whyCopied(features, more && !cork.gso_size) << 2), payload);
        if (tail) extraRef = attach(tail, uarg, extraRef);
      }
    } else {
      zc = false;
    }
  }
  cork.length += length;
  let left = payload, hdr = transhdrlen, linear: u32 = 0, err = 0;
  while (left || hdr) {
    let room = cork.tail ? tailRoom(cork.tail, mtu, left) : 0;
    if (!room) {
      const prev = cork.tail, full = fragPayload(mtu), gap = prev && prev.len > full ? prev.len - full : 0;
      const size = gap + left + hdr <= mtu - IP_HLEN ? gap + left + hdr : full;
      err = sockCheckAlloc(sk, hdr != 0);
      if (err) break;
      linear = zc ? 0 : linearPayload(size - hdr, hdr, cork, more && !(features & NETIF_F_SG));
      const skb = addFragment(sk, cork, hdr, linear);
      if (!skb) {
        err = -ENOBUFS;
        break;
      }
      skb.ip_summed = partial ? CHECKSUM_PARTIAL : CHECKSUM_NONE;
      if (uarg) extraRef = attach(skb, uarg, extraRef);
      if (gap) {
        err = moveGap(prev, skb, gap);
        if (err) break;
      }
      hdr = 0;
      room = size - skb.len;
      if (!left) break;
    }
    const skb = cork.tail, n = room < left ? room : left;
    err = zc ? zerocopySgFromIter(sk, skb, msg.iter, n, msg.managed != 0, false) : copyIn(sk, skb, msg.iter, n, linear);
    if (err) break;
    left -= n;
    linear = 0;
  }
  if (!zc) cntAdd(CNT_COPIED_TX, payload - left);
  if (err && uarg) msgZerocopyPutAbort(uarg, extraRef);
  return err;
}

/** Bytes that still fit the last fragment: up to the MTU if they end the datagram, else to a multiple of eight. */
@inline function tailRoom(skb: SkBuff, mtu: u32, left: u32): u32 {
  const most = mtu - IP_HLEN;
  if (most >= skb.len + left) return left;
  const full = fragPayload(mtu);
  return full > skb.len ? full - skb.len : 0;
}

/** A new skb at the end, charged to `sk`, with room for `hdr` bytes of transport header taken; nil = no memory. */
@inline function addFragment(sk: Sock, cork: IpCork, hdr: u32, linear: u32): SkBuff {
  const skb = allocSkb(SKB_HEADROOM, linear ? linearTruesize(IP_HLEN + hdr + linear + LINK_ROOM) : SKB_TRUESIZE_MIN);
  if (!skb) return skb;
  cntInc(CNT_TX_SKBS);
  skb.cb1 = skb.truesize; // for the receiver (udp_input.ts)
  skb.len = hdr;
  skbSetOwnerW(skb, sk);
  if (cork.tail) cork.tail.next = skb;
  else cork.head = skb;
  cork.tail = skb;
  return skb;
}

/** Makes `skb` carry `uarg`, with the spare reference if there is one. Whether that is still to spend. */
function attach(skb: SkBuff, uarg: UbufInfo, spare: bool): bool {
  if (!spare || skbZcopy(skb)) {
    skbZcopySet(skb, uarg, REF_SKB);
    return spare;
  }
  cntInc(CNT_UBUF_SKBS);
  skbZcopyInit(skb, uarg);
  return false;
}

function noteCopied(uarg: UbufInfo, payload: u32, why: u32): void {
  cntAdd(CNT_COPIED_ZC, payload);
  cntAdd(CNT_COPIED_BY + (why << 2), payload);
  trace(TRACE_ZC, TR_UBUF_COPY, changetype<usize>(uarg), uarg.user_data, 0, why);
  copyDebug(uarg, payload, why);
}

/** sock_alloc_send_skb() and, for followers of a first fragment, sock_wmalloc(): may this socket have one more skb? */
@inline function sockCheckAlloc(sk: Sock, first: bool): i32 {
  if (!first) return sk.wmem_alloc < sk.sndbuf << 1 ? 0 : -ENOBUFS;
  if (sk.err) return sockError(sk);
  if (sk.shutdown & SHUTDOWN_SEND) return -EPIPE;
  if (sk.wmem_alloc < sk.sndbuf) return 0;
  sk.flags |= SOCK_F_NOSPACE;
  return -EAGAIN;
}

/**
 * How much of a new skb's payload Linux would place in its linear part, charged with the skb: all of it, unless that is
 * too much or the datagram is GSO. Payload in pages is charged as it is added. A device that cannot gather has room made
 * for the whole fragment (`reserve`), as later parts have to be linear too.
 */
@inline function linearPayload(payload: u32, hdr: u32, cork: IpCork, reserve: bool): u32 {
  if (reserve) return cork.fragsize - IP_HLEN - hdr;
  return !cork.gso_size && payload + IP_HLEN + hdr + LINK_ROOM < LINEAR_MAX ? payload : 0;
}

/**
 * Copies `n` bytes, `linear` of them charged already, into kernel fragments at the end of `skb`. 0, -EFAULT, -EMSGSIZE
 * (frag array full) or -ENOBUFS.
 */
function copyIn(sk: Sock, skb: SkBuff, it: IovIter, n: u32, linear: u32): i32 {
  const sh = skb.shinfo;
  skbZcopyDowngradeManaged(skb);
  if (n > linear) {
    skb.truesize += n - linear;
    sk.wmem_alloc += n - linear;
  }
  while (n) {
    const to = pageFragRefill(n < 4096 ? n : 1);
    if (!to) return -ENOBUFS;
    const room = pageFragRoom(), step = room < n ? room : n, merge = skbCanCoalesce(sh, to);
    if (!merge && sh.nr_frags == MAX_SKB_FRAGS) return -EMSGSIZE;
    if (copyFromIter(to, step, it) != step) return -EFAULT;
    pageFragTake(step, !merge);
    if (merge) fragSet(sh, sh.nr_frags - 1, fragAddr(sh, sh.nr_frags - 1), fragSize(sh, sh.nr_frags - 1) + step);
    else skbFillPage(sh, to, step);
    skb.len += step;
    skb.data_len += step;
    n -= step;
  }
  return 0;
}

/**
 * The last fragment was filled to the MTU and is not the last any more: its bytes beyond a multiple of eight begin the
 * next one.
 */
function moveGap(from: SkBuff, to: SkBuff, gap: u32): i32 {
  const at = pageFragRefill(gap);
  if (!at) return -ENOBUFS;
  skbCopyBits(from, from.len - gap, at, gap);
  pageFragTake(gap, true);
  skbFillPage(to.shinfo, at, gap);
  to.len += gap;
  to.data_len += gap;
  const sh = from.shinfo;
  let left = gap;
  while (left) {
    const last = sh.nr_frags - 1, size = fragSize(sh, last);
    const cut = size < left ? size : left;
    fragSet(sh, last, fragAddr(sh, last), size - cut); // an empty frag stays: it holds the page reference
    left -= cut;
    if (size == cut && left) break;
  }
  from.len -= gap;
  from.data_len -= gap;
  return 0;
}

/** ip_flush_pending_frames(): discards what has been built. */
export function ipFlushPending(cork: IpCork): void {
  const head = cork.head;
  cork.head = nil<SkBuff>();
  cork.tail = nil<SkBuff>();
  cork.length = 0;
  fragChainFree(head, REF_ABORTED);
}
