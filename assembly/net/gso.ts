// What a device cannot do is done here: a GSO skb is cut into packets, payload in several places is brought together,
// checksums are computed.
//
// Cutting keeps zero copy: segments point into the same pages and hold a reference of their own to the ubuf_info (spec
// send-zc.md 3.2). Bringing together does not: it copies, and tells the owner.
import { NETIF_F_GSO_UDP_L4, NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO } from "../abi/dev";
import { IPPROTO_TCP, IPPROTO_UDP } from "../abi/socket";
import { COPY_LINEARIZE, REF_SPLIT } from "../abi/trace";
import { csumFold, csumPartial } from "../lib/csum";
import { nil } from "../lib/state";
import { getPage } from "../mm/page";
import {
  CHECKSUM_PARTIAL, SKB_HEADROOM, SkBuff, allocSkb, fragAddr, fragSize, kfreeSkb, skbCopyUbufs, skbFillPage, skbHeadlen, skbZcopy,
  skbZcopyDowngradeManaged, skbZcopyInit,
} from "./skbuff";
import { SKBFL_MANAGED_FRAG_REFS, SKBFL_SHARED_FRAG, netZcopyGet } from "./ubuf_info";
import { skbChecksumHelp } from "./checksum";
import { SKB_TRUESIZE_MIN, Sock } from "./sock";

// gso_type: the offload that sends such an skb without cutting it. The value is the feature bit.
export const SKB_GSO_TCPV4: u32 = NETIF_F_TSO;
export const SKB_GSO_UDP_L4: u32 = NETIF_F_GSO_UDP_L4;

const TCP_FIN_PSH: u32 = 0x09;
const TCP_CWR: u32 = 0x80;

/** The NETIF_F_* bit that a device needs to take this GSO skb whole. */
@inline export function gsoFeature(skb: SkBuff): u32 {
  const type = skb.shinfo.gso_type;
  return type ? type : load<u8>(skb.nh, 9) == IPPROTO_UDP ? SKB_GSO_UDP_L4 : SKB_GSO_TCPV4;
}

/** Packets that a GSO skb stands for. `data` is at the IPv4 header. */
export function gsoSegs(skb: SkBuff): u32 {
  const size = skb.shinfo.gso_size;
  return size ? (skb.data_len + size - 1) / size : 1;
}

/** Bytes of the headers of a packet that begins with its IPv4 header. */
export function headerLen(skb: SkBuff): u32 {
  const l3 = (skb.th - skb.nh) as u32;
  return load<u8>(skb.nh, 9) == IPPROTO_TCP ? l3 + ((load<u8>(skb.th, 12) >> 4) << 2) : l3 + 8;
}

/** Makes the skb acceptable to a device with `features`. 0, or -ENOMEM: the skb is untouched or partly done, drop it. */
export function validateSlow(skb: SkBuff, features: u32): i32 {
  // A second copy of what the user may still change would give a checksum of other bytes than those sent, so computing
  // it in software copies shared frags first.
  const sum = skb.ip_summed == CHECKSUM_PARTIAL && !(features & NETIF_F_HW_CSUM);
  const gather = skb.shinfo.nr_frags != 0 && !(features & NETIF_F_SG);
  if ((gather || (sum && skb.shinfo.flags & SKBFL_SHARED_FRAG)) && skbZcopy(skb)) {
    const err = skbCopyUbufs(skb, COPY_LINEARIZE);
    if (err) return err;
  }
  if (sum) skbChecksumHelp(skb);
  return 0;
}

/**
 * skb_segment(): a list (linked by `next`) of packets with gso_size bytes of payload each, and frees the original; nil
 * when out of memory, the original stays. `data` is at the IPv4 header, headers are linear, payload is in frags. The
 * segments charge the socket in its place, each for itself.
 */
export function skbSegment(skb: SkBuff): SkBuff {
  skbZcopyDowngradeManaged(skb);
  const sh = skb.shinfo, size = sh.gso_size, hlen = headerLen(skb), total = skb.len - hlen;
  const uarg = skbZcopy(skb), tcp = load<u8>(skb.nh, 9) == IPPROTO_TCP;
  const id = bswap<u16>(load<u16>(skb.nh, 4)) as u32;
  let first = nil<SkBuff>(), last = nil<SkBuff>();
  let frag: u32 = 0, fragOff: u32 = 0, lin = skbHeadlen(skb) - hlen, linAt = skb.data + (hlen as usize);
  for (let done: u32 = 0, n: u32 = 0; done < total; n++) {
    const part = total - done < size ? total - done : size;
    const seg = allocSkb(SKB_HEADROOM, SKB_TRUESIZE_MIN + part);
    if (!seg) {
      freeList(first);
      return nil<SkBuff>();
    }
    seg.cb1 = SKB_TRUESIZE_MIN;
    const ss = seg.shinfo;
    memory.copy(seg.data, skb.data, hlen);
    seg.nh = seg.data;
    seg.th = seg.data + (skb.th - skb.nh);
    seg.len = hlen;
    let left = part;
    if (lin) { // received data may have begun in the linear part
      const step = lin < left ? lin : left;
      memory.copy(seg.data + (hlen as usize), linAt, step);
      seg.len += step;
      linAt += step;
      lin -= step;
      left -= step;
    }
    while (left) {
      const addr = fragAddr(sh, frag) + (fragOff as usize), room = fragSize(sh, frag) - fragOff;
      const step = room < left ? room : left;
      getPage(addr);
      skbFillPage(ss, addr, step);
      seg.len += step;
      seg.data_len += step;
      left -= step;
      fragOff += step;
      if (step == room) {
        frag++;
        fragOff = 0;
      }
    }
    if (uarg) {
      netZcopyGet(uarg, REF_SPLIT);
      skbZcopyInit(seg, uarg);
      ss.flags &= ~SKBFL_MANAGED_FRAG_REFS;
    }
    ss.flags |= sh.flags & SKBFL_SHARED_FRAG;
    copyPath(seg, skb);
    store<u16>(seg.nh, bswap<u16>(seg.len as u16), 2);
    store<u16>(seg.nh, bswap<u16>((id + n) as u16), 4);
    store<u16>(seg.nh, 0, 10);
    store<u16>(seg.nh, csumFold(csumPartial(seg.nh, (seg.th - seg.nh) as u32, 0)) as u16, 10);
    if (tcp) fixTcp(seg, done, n == 0, done + part == total);
    else store<u16>(seg.th, bswap<u16>((part + 8) as u16), 4);
    if (last) last.next = seg;
    else first = seg;
    last = seg;
    done += part;
  }
  if (skb.destructor) {
    const sk = changetype<Sock>(skb.sk);
    for (let seg = first; seg; seg = seg.next) {
      seg.sk = skb.sk;
      seg.destructor = skb.destructor;
      sk.wmem_alloc += seg.truesize;
    }
  }
  kfreeSkb(skb, REF_SPLIT);
  return first;
}

/** What a packet derived from `from` inherits. */
function copyPath(to: SkBuff, from: SkBuff): void {
  to.dev = from.dev;
  to.dst_addr = from.dst_addr;
  to.src_addr = from.src_addr;
  to.dst_dev = from.dst_dev;
  to.ip_summed = from.ip_summed;
  to.mark = from.mark;
  to.tstamp = from.tstamp;
}

/** RFC 9293 3.1: FIN and PSH belong to the last byte, CWR (RFC 3168) to the first. */
function fixTcp(seg: SkBuff, offset: u32, isFirst: bool, isLast: bool): void {
  const th = seg.th;
  store<u32>(th, bswap<u32>(bswap<u32>(load<u32>(th, 4)) + offset), 4);
  let flags: u32 = load<u8>(th, 13);
  if (!isLast) flags &= ~TCP_FIN_PSH;
  if (!isFirst) flags &= ~TCP_CWR;
  store<u8>(th, flags as u8, 13);
}

function freeList(skb: SkBuff): void {
  while (skb) {
    const next = skb.next;
    skb.next = nil<SkBuff>();
    kfreeSkb(skb, REF_SPLIT);
    skb = next;
  }
}
