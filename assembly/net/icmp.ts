// ICMP (RFC 792): errors sent for packets that cannot go on, errors received for packets that this host sent, echo.
//
// A received error is handed to the protocol of the packet that it quotes, through the hooks S_HOOK_UDP_ERR and
// S_HOOK_TCP_ERR: (skb, quoted transport header, errno) => void.
import { ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, EOPNOTSUPP } from "../abi/errno";
import { SMALL_SIZE } from "../abi/layout";
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from "../abi/socket";
import { REF_DROPPED, REF_READ } from "../abi/trace";
import { csumFold } from "../lib/csum";
import { POOL_SMALL, poolAlloc } from "../lib/pool";
import { S_HOOK_TCP_ERR, S_HOOK_UDP_ERR, S_ICMP_PEERS, nowNs } from "../lib/state";
import { pageFragRefill, pageFragTake } from "../mm/page";
import { NetDevice } from "./dev";
import { IP_HLEN, IP_OFFSET, ipDaddr, ipFragOff, ipHeaderLen, ipProtocol, ipSaddr } from "./ip";
import { skbChecksum } from "./checksum";
import { ipSendReply } from "./ip_output";
import { fibLookup, isLocalAddr } from "./route";
import { CHECKSUM_NONE, SKB_HEADROOM, SKB_OVERHEAD, SkBuff, allocSkb, kfreeSkb, skbCopyBits, skbFillPage, skbHeadlen } from "./skbuff";

export const ICMP_ECHOREPLY: u32 = 0;
export const ICMP_DEST_UNREACH: u32 = 3;
export const ICMP_ECHO: u32 = 8;
export const ICMP_TIME_EXCEEDED: u32 = 11;
export const ICMP_HOST_UNREACH: u32 = 1;
export const ICMP_PROT_UNREACH: u32 = 2;
export const ICMP_PORT_UNREACH: u32 = 3;
export const ICMP_FRAG_NEEDED: u32 = 4;
const ICMP_HLEN: u32 = 8;
/** RFC 1812 4.3.2.3: as much of the original as fits in 576 bytes. */
const QUOTE_MAX: u32 = 576 - 20 - 8;
/** Part of the quote that is linear: IPv4 header with options and eight bytes. */
const QUOTE_LINEAR: u32 = 68;

/**
 * icmp_send(): tells the sender of `skb` (its `nh` is set and the header linear) why it goes no further. The skb stays the
 * caller's. Nothing is sent about an ICMP error, or about a fragment other than the first (RFC 1122 3.2.2).
 */
export function icmpSend(skb: SkBuff, type: u32, code: u32, info: u32): void {
  const iph = skb.nh, ihl = ipHeaderLen(iph);
  if (ipFragOff(iph) & IP_OFFSET) return;
  const headroom = (skb.data - iph) as i32 as u32; // bytes before `data` that belong to the packet
  const have = skb.len + headroom;
  if (have < ihl) return;
  if (ipProtocol(iph) == IPPROTO_ICMP) {
    const type = load<u8>(iph + ihl);
    if (type != ICMP_ECHO && type != ICMP_ECHOREPLY) return;
  }
  const dev = changetype<NetDevice>(skb.dev), saddr = ipSaddr(iph), daddr = ipDaddr(iph);
  if (!allowed(dev.ns, saddr)) return;
  const quote = have < QUOTE_MAX ? have : QUOTE_MAX;
  const n = allocSkb(SKB_HEADROOM, SKB_OVERHEAD + quote);
  if (!n) return;
  const lin = quote < QUOTE_LINEAR ? quote : QUOTE_LINEAR;
  store<u32>(n.data, type | (code << 8));
  store<u32>(n.data, bswap<u32>(info), 4);
  n.len = ICMP_HLEN;
  // The quote begins at the network header, wherever `data` is.
  skb.data -= headroom;
  skb.len += headroom;
  skbCopyBits(skb, 0, n.data + ICMP_HLEN, lin);
  n.len += lin;
  if (quote > lin) {
    const rest = quote - lin, to = pageFragRefill(rest);
    if (to) {
      skbCopyBits(skb, lin, to, rest);
      pageFragTake(rest, true);
      skbFillPage(n.shinfo, to, rest);
      n.len += rest;
      n.data_len += rest;
    }
  }
  skb.data += headroom;
  skb.len -= headroom;
  finish(n);
  ipSendReply(dev.ns, isLocalAddr(dev.ns, daddr) ? daddr : 0, saddr, n, IPPROTO_ICMP);
}

/** A host that errors were sent to, and how many more may be. */
@unmanaged @final class IcmpPeer {
  pad: u32;
  next: IcmpPeer;
  ns: u32;
  addr: u32;
  tokens: u64; // ns; one message costs ICMP_INTERVAL
  last: u64; // when tokens was right
}
if (offsetof<IcmpPeer>() > SMALL_SIZE) ERROR("IcmpPeer does not fit its pool");

/** icmp_ratelimit of 1000 ms, and the messages that may go out at once. */
const ICMP_INTERVAL: u64 = 1000000000;
const ICMP_BURST: u64 = 6;
const ICMP_PEERS_MAX: u32 = 1024;

/** Hosts whose errors are being counted. */
export function icmpPeers(): u32 {
  let count: u32 = 0;
  for (let p = changetype<IcmpPeer>(load<u32>(S_ICMP_PEERS) as usize); p; p = p.next) count++;
  return count;
}

/** icmpv4_xrlim_allow(): errors to one host are limited, unless they never leave this one. */
function allowed(ns: u32, addr: u32): bool {
  const route = fibLookup(ns, addr, 0);
  if (!route || route.out.loopback) return true;
  let p = changetype<IcmpPeer>(load<u32>(S_ICMP_PEERS) as usize), count: u32 = 0;
  for (; p; p = p.next) {
    if (p.ns == ns && p.addr == addr) break;
    if (++count == ICMP_PEERS_MAX) return false; // whoever floods from many addresses gets no answers
  }
  const now = nowNs(), full = ICMP_INTERVAL * ICMP_BURST;
  if (!p) {
    p = changetype<IcmpPeer>(poolAlloc(POOL_SMALL));
    if (!p) return true;
    p.ns = ns;
    p.addr = addr;
    p.tokens = full;
    p.last = now;
    p.next = changetype<IcmpPeer>(load<u32>(S_ICMP_PEERS) as usize);
    store<u32>(S_ICMP_PEERS, changetype<usize>(p) as u32);
  }
  const tokens = p.tokens + (now - p.last);
  p.tokens = tokens < full ? tokens : full;
  p.last = now;
  if (p.tokens < ICMP_INTERVAL) return false;
  p.tokens -= ICMP_INTERVAL;
  return true;
}

function finish(n: SkBuff): void {
  store<u16>(n.data, 0, 2);
  store<u16>(n.data, csumFold(skbChecksum(n, 0, n.len, 0)) as u16, 2);
  n.ip_summed = CHECKSUM_NONE;
}

/** Errno that a Destination Unreachable code means to a socket (RFC 1122 3.2.2.1, 4.1.3.3). */
function unreachErrno(code: u32): i32 {
  switch (code) {
    case 0: case 6: case 9: case 11: return ENETUNREACH;
    case ICMP_PROT_UNREACH: return ENOPROTOOPT;
    case ICMP_PORT_UNREACH: return ECONNREFUSED;
    case ICMP_FRAG_NEEDED: return EMSGSIZE;
    case 5: return EOPNOTSUPP;
    default: return EHOSTUNREACH;
  }
}

/** Is the condition final (a connected datagram socket hears of it), or may it pass? */
export function icmpFatal(code: u32): bool {
  return code == ICMP_PROT_UNREACH || code == ICMP_PORT_UNREACH || code == 6 || code == 7 || code == 8 || code == 9 || code == 10 || code == 13;
}

/** A message for this host; `data` is at the ICMP header, `nh` at the IPv4 header. Consumes the skb. */
export function icmpRcv(skb: SkBuff): void {
  if (skb.len < ICMP_HLEN || skbHeadlen(skb) < ICMP_HLEN || csumFold(skbChecksum(skb, 0, skb.len, 0)) != 0) {
    kfreeSkb(skb, REF_DROPPED);
    return;
  }
  const type = load<u8>(skb.data) as u32;
  if (type == ICMP_ECHO) {
    echo(skb);
    return;
  }
  if (type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED) quoted(skb, type, load<u8>(skb.data, 1));
  kfreeSkb(skb, REF_READ);
}

function quoted(skb: SkBuff, type: u32, code: u32): void {
  const head = skbHeadlen(skb);
  if (head < ICMP_HLEN + IP_HLEN + 8) return;
  const iph = skb.data + ICMP_HLEN, ihl = ipHeaderLen(iph);
  if (ihl < IP_HLEN || head < ICMP_HLEN + ihl + 8) return;
  const protocol = ipProtocol(iph);
  const hook = protocol == IPPROTO_UDP ? load<u32>(S_HOOK_UDP_ERR) : protocol == IPPROTO_TCP ? load<u32>(S_HOOK_TCP_ERR) : 0;
  if (!hook) return;
  const err = type == ICMP_TIME_EXCEEDED ? EHOSTUNREACH : unreachErrno(code);
  skb.cb0 = type << 8 | code;
  skb.cb1 = ipSaddr(iph); // the sender of the quoted packet: this host
  skb.cb2 = ipDaddr(iph);
  call_indirect<void>(hook, skb, iph + ihl, err);
}

/** Answers an echo request with its own data. */
function echo(skb: SkBuff): void {
  const iph = skb.nh, dev = changetype<NetDevice>(skb.dev), saddr = ipSaddr(iph), daddr = ipDaddr(iph);
  const n = allocSkb(SKB_HEADROOM, SKB_OVERHEAD + skb.len);
  const rest = skb.len - ICMP_HLEN;
  const to: usize = n && rest && rest <= 32768 ? pageFragRefill(rest) : 0;
  if (!n || (rest && !to)) {
    if (n) kfreeSkb(n, REF_DROPPED);
    kfreeSkb(skb, REF_DROPPED);
    return;
  }
  memory.copy(n.data, skb.data, ICMP_HLEN);
  store<u16>(n.data, ICMP_ECHOREPLY as u16);
  n.len = ICMP_HLEN;
  if (rest) {
    skbCopyBits(skb, ICMP_HLEN, to, rest);
    pageFragTake(rest, true);
    skbFillPage(n.shinfo, to, rest);
    n.len += rest;
    n.data_len = rest;
  }
  finish(n);
  kfreeSkb(skb, REF_READ);
  ipSendReply(dev.ns, daddr, saddr, n, IPPROTO_ICMP);
}
