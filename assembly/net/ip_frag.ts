// IPv4 fragments (RFC 791 2.3 and 3.2): cutting a packet that is too big for the link, putting received ones together.
//
// A datagram that its own sender has to cut is built in pieces from the start (net/ip_append.ts); ipFragment() is for
// packets that arrive whole: forwarded ones, and a stream's after the MTU has shrunk.
//
// A reassembled datagram is the skb of its first fragment with the others chained behind it (cb3, then `next`): nothing
// is copied, and each fragment's skb lives until the receiver has read the datagram.
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { SMALL_SIZE } from "../abi/layout";
import { COPY_FRAGMENTED, REF_DROPPED } from "../abi/trace";
import { S_IPFRAG_LIST, nil, nowNs } from "../lib/state";
import { Timer, timerArm, timerFree, timerNew } from "../lib/timer";
import { getPage, pageFragRefill, pageFragRoom, pageFragTake } from "../mm/page";
import { NetDevice, devDrop } from "./dev";
import { IP_DF, IP_HLEN, IP_MAX_MTU, IP_MF, IP_OFFSET, ipFixHeader, ipFragOff, ipHeaderLen, ipId, ipProtocol } from "./ip";
import { neighOutput } from "./neigh";
import { skbChecksumHelp } from "./checksum";
import {
  CHECKSUM_PARTIAL, MAX_SKB_FRAGS, SKB_HEADROOM, SKB_OVERHEAD, SkBuff, allocSkb, fragAddr, fragSet, fragSize, kfreeSkb, skbCanCoalesce, skbCopyBits,
  skbCopyUbufs, skbFillPage, skbHeadlen, skbPull, skbUnclone, skbZcopy,
} from "./skbuff";

/** ip_fragment(): sends the packet in pieces of the device's MTU. One that must not be cut is dropped. */
export function ipFragment(skb: SkBuff, dev: NetDevice, nexthop: u32): void {
  const off = ipFragOff(skb.nh);
  // Pieces are new packets over kernel data: the user's pages are not shared among them.
  if (off & IP_DF || dev.mtu < IP_HLEN + 8 || (skbZcopy(skb) && skbCopyUbufs(skb, COPY_FRAGMENTED))) {
    devDrop(skb, dev);
    return;
  }
  if (skb.ip_summed == CHECKSUM_PARTIAL) skbChecksumHelp(skb);
  const hlen = ipHeaderLen(skb.nh), total = skb.len - hlen, step = (dev.mtu - hlen) & ~7;
  let done: u32 = 0, head = skbHeadlen(skb) - hlen, headAt = skb.data + (hlen as usize), frag: u32 = 0, fragOff: u32 = 0;
  const sh = skb.shinfo;
  while (done < total) {
    const n = total - done < step ? total - done : step;
    const piece = allocSkb(SKB_HEADROOM, SKB_OVERHEAD + dev.mtu);
    if (!piece) break;
    memory.copy(piece.data, skb.nh, hlen);
    piece.nh = piece.data;
    piece.th = piece.data + (hlen as usize);
    piece.len = hlen;
    piece.src_addr = skb.src_addr;
    let left = n;
    if (head) {
      const k = head < left ? head : left;
      memory.copy(piece.data + (hlen as usize), headAt, k);
      piece.len += k;
      head -= k;
      headAt += k;
      left -= k;
    }
    while (left) {
      const addr = fragAddr(sh, frag) + (fragOff as usize), room = fragSize(sh, frag) - fragOff, k = room < left ? room : left;
      getPage(addr);
      skbFillPage(piece.shinfo, addr, k);
      piece.len += k;
      piece.data_len += k;
      left -= k;
      fragOff += k;
      if (k == room) {
        frag++;
        fragOff = 0;
      }
    }
    const at = (off & IP_OFFSET) + (done >> 3);
    ipFixHeader(piece.nh, hlen + n, at | (done + n < total ? IP_MF : off & IP_MF));
    done += n;
    neighOutput(piece, dev, nexthop);
  }
  kfreeSkb(skb, REF_DROPPED);
}

// Reassembly ------------------------------------------------------------------------------------------------------

/** ipfrag_time */
const REASM_NS: u64 = 30000000000;
/** ipfrag_high_thresh */
const REASM_BYTES: u32 = 4194304;

@unmanaged @final class FragQueue {
  pad: u32;
  next: FragQueue;
  ns: u32;
  saddr: u32;
  daddr: u32;
  id_proto: u32; // identification << 8 | protocol
  head: SkBuff; // fragments by offset, linked by `next`; cb0 offset, cb1 length
  got: u32; // payload bytes so far
  total: u32; // payload bytes of the datagram, 0 = last fragment not seen
  timer: Timer;
  bytes: u32; // truesize held
}
if (offsetof<FragQueue>() > SMALL_SIZE) ERROR("FragQueue does not fit its pool");

@inline function first(): FragQueue { return changetype<FragQueue>(load<u32>(S_IPFRAG_LIST) as usize); }

/** Frees a chain of fragments. */
export function fragChainFree(skb: SkBuff, reason: u32): void {
  while (skb) {
    const next = skb.next;
    skb.next = nil<SkBuff>();
    kfreeSkb(skb, reason);
    skb = next;
  }
}

function unlinkQueue(q: FragQueue): void {
  let prev = nil<FragQueue>();
  for (let at = first(); at; at = at.next) {
    if (at == q) {
      if (prev) prev.next = q.next;
      else store<u32>(S_IPFRAG_LIST, changetype<usize>(q.next) as u32);
      break;
    }
    prev = at;
  }
  timerFree(q.timer);
  poolFree(POOL_SMALL, changetype<usize>(q));
}

/** Half a minute and still not complete. */
function reasmTimer(arg: usize): void {
  const q = changetype<FragQueue>(arg);
  fragChainFree(q.head, REF_DROPPED);
  unlinkQueue(q);
}

function find(ns: u32, saddr: u32, daddr: u32, idProto: u32): FragQueue {
  let held: u32 = 0;
  for (let q = first(); q; q = q.next) {
    if (q.ns == ns && q.id_proto == idProto && q.saddr == saddr && q.daddr == daddr) return q;
    held += q.bytes;
  }
  if (held > REASM_BYTES) return nil<FragQueue>();
  const q = changetype<FragQueue>(poolAlloc(POOL_SMALL));
  if (!q) return q;
  memory.fill(changetype<usize>(q), 0, SMALL_SIZE);
  q.ns = ns;
  q.saddr = saddr;
  q.daddr = daddr;
  q.id_proto = idProto;
  q.timer = timerNew(reasmTimer.index, changetype<usize>(q));
  timerArm(q.timer, nowNs() + REASM_NS);
  q.next = first();
  store<u32>(S_IPFRAG_LIST, changetype<usize>(q) as u32);
  return q;
}

@inline function startsAt(f: SkBuff, off: u32): bool { return f != nil<SkBuff>() && f.cb0 == off; }
@inline function endsAfter(f: SkBuff, off: u32): bool { return f != nil<SkBuff>() && f.cb0 + f.cb1 > off; }

/**
 * ip_defrag(): takes a fragment whose `data` is at the IPv4 header. The complete datagram: the first fragment's skb, its
 * followers at cb3, `len` its own bytes only; or nil while fragments are missing.
 */
export function ipDefrag(skb: SkBuff, ns: u32, saddr: u32, daddr: u32): SkBuff {
  const iph = skb.nh, hlen = ipHeaderLen(iph), word = ipFragOff(iph);
  const off = (word & IP_OFFSET) << 3, len = skb.len - hlen, more = (word & IP_MF) != 0;
  // RFC 791 3.2: all but the last are multiples of eight bytes; nothing may end beyond the largest datagram.
  const bogus = len == 0 || (more && (len & 7) != 0) || off + len > IP_MAX_MTU - IP_HLEN;
  const q = bogus ? nil<FragQueue>() : find(ns, saddr, daddr, ipId(iph) << 8 | ipProtocol(iph));
  if (!q) {
    kfreeSkb(skb, REF_DROPPED);
    return nil<SkBuff>();
  }
  const end = off + len;
  let prev = nil<SkBuff>(), at = q.head;
  while (at && at.cb0 < off) {
    prev = at;
    at = at.next;
  }
  const same = startsAt(at, off) && at.cb1 == len;
  const overlap = endsAfter(prev, off) || (at != nil<SkBuff>() && at.cb0 < end);
  // Nothing may lie behind the last fragment, whichever of them comes first.
  const behind = !more && at != nil<SkBuff>();
  const bad = overlap || behind || (q.total != 0 && (end > q.total || (!more && end != q.total)));
  if (same || bad) {
    kfreeSkb(skb, REF_DROPPED);
    if (!same) { // RFC 5722 applied to IPv4, as Linux does: an overlap discards the datagram
      fragChainFree(q.head, REF_DROPPED);
      unlinkQueue(q);
    }
    return nil<SkBuff>();
  }
  if (!more) q.total = end;
  skb.cb0 = off;
  skb.cb1 = len;
  skb.next = at;
  if (prev) prev.next = skb;
  else q.head = skb;
  q.got += len;
  q.bytes += skb.truesize;
  if (off) skbPull(skb, hlen); // followers are payload only
  if (!q.total || q.got != q.total) return nil<SkBuff>();
  const head = q.head;
  head.cb3 = changetype<usize>(head.next) as u32;
  head.cb1 = 0;
  head.next = nil<SkBuff>();
  unlinkQueue(q);
  return head;
}

/**
 * Brings a reassembled datagram into one skb, for protocols that do not walk a chain: payload of the followers is copied
 * behind the first fragment's. False: no memory or too many pieces; the followers are gone either way.
 */
export function fragFlatten(skb: SkBuff): bool {
  const chain = changetype<SkBuff>(skb.cb3 as usize);
  skb.cb3 = 0;
  let ok = skbUnclone(skb) == 0; // a tap may hold the first fragment
  const sh = skb.shinfo;
  for (let at = chain; at && ok; at = at.next) {
    let off: u32 = 0;
    while (off < at.len) {
      const to = sh.nr_frags < MAX_SKB_FRAGS ? pageFragRefill(1) : 0;
      if (!to) {
        ok = false;
        break;
      }
      const room = pageFragRoom(), n = room < at.len - off ? room : at.len - off, merge = skbCanCoalesce(sh, to);
      skbCopyBits(at, off, to, n);
      pageFragTake(n, !merge);
      if (merge) fragSet(sh, sh.nr_frags - 1, fragAddr(sh, sh.nr_frags - 1), fragSize(sh, sh.nr_frags - 1) + n);
      else skbFillPage(sh, to, n);
      skb.len += n;
      skb.data_len += n;
      off += n;
    }
  }
  fragChainFree(chain, REF_DROPPED);
  return ok;
}
