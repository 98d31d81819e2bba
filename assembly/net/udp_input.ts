// UDP (RFC 768) on the receiving side: from IPv4 to the socket's queue, from the queue to recvmsg().
//
// On the way in cb1 is what the sender was charged for the linear part, 0 if not known. A queued skb begins at its
// payload; cb0 is the payload's length, cb2 the sender's port, src_addr its address, cb3 the
// rest of a reassembled datagram. It charges the receiver until it is read.
import { EAGAIN, EFAULT } from "../abi/errno";
import {
  AF_INET, IPPROTO_UDP, IP_PKTINFO, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, SOCKADDR_IN_OFF_ADDR, SOCKADDR_IN_OFF_FAMILY, SOCKADDR_IN_OFF_PORT,
  SOCKADDR_IN_SIZE, SOL_IP, SO_EE_ORIGIN_ICMP,
} from "../abi/socket";
import { BUG_RMEM } from "../abi/bug";
import { REF_DROPPED, REF_READ } from "../abi/trace";
import { bugOn } from "../lib/bug";
import { csumAdd, csumAt, csumFold, csumPseudo } from "../lib/csum";
import { nil } from "../lib/state";
import { pageFragRefill, pageFragTake } from "../mm/page";
import { NetDevice } from "./dev";
import { skbChecksum } from "./checksum";
import { sockErrInit, sockErrOffender } from "./errqueue";
import { skbSegment } from "./gso";
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_PORT_UNREACH, icmpFatal, icmpSend } from "./icmp";
import { ipDaddr, ipSaddr } from "./ip";
import { fragChainFree } from "./ip_frag";
import { putCmsg } from "./msg_import";
import { isLocalAddr } from "./route";
import { SCRATCH_WORDS } from "./scratch";
import {
  CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SkBuff, allocSkb, kfreeSkb, skbCloned, skbCopyBits, skbFillPage, skbHeadlen, skbPull, skbPush,
} from "./skbuff";
import { skbCopyToIter } from "./skb_iter";
import { skbQueueTail, skbUnlink } from "./skb_queue";
import { MsgHdr, SHUTDOWN_RCV, SKB_TRUESIZE_MIN, Sock, errorQueue, receiveQueue, skDataReady, skErrorReport, sockError } from "./sock";
import { skbTrim } from "./skb_trim";
import { TCP_ESTABLISHED } from "./tcp_states";
import { udpLookup } from "./udp_port";

export const UDP_HLEN: u32 = 8;
/** Sock.ip_opts, as net/sockopt_inet.ts sets them: IPOPT_RECVERR, IPOPT_PKTINFO. */
export const IP_RECVERR_ON: u32 = 1;
const IP_PKTINFO_ON: u32 = 2;

@inline function port(th: usize, off: usize): u32 { return bswap<u16>(load<u16>(th + off)) as u32; }
@inline function chainOf(skb: SkBuff): SkBuff { return changetype<SkBuff>(skb.cb3 as usize); }

/** The datagram and what was reassembled behind it. */
function freeDatagram(skb: SkBuff, reason: u32): void {
  const chain = chainOf(skb);
  skb.cb3 = 0;
  kfreeSkb(skb, reason);
  if (chain) fragChainFree(chain, reason);
}

/** Bytes of a datagram from `data` of its first skb on. */
function datagramLen(skb: SkBuff): u32 {
  let len = skb.len;
  for (let at = chainOf(skb); at; at = at.next) len += at.len;
  return len;
}

function checksumOk(skb: SkBuff, len: u32): bool {
  if (skb.ip_summed == CHECKSUM_PARTIAL || skb.ip_summed == CHECKSUM_UNNECESSARY) return true;
  if (!load<u16>(skb.data, 6)) return true; // the sender computed none
  let sum = csumPseudo(ipSaddr(skb.nh), ipDaddr(skb.nh), IPPROTO_UDP, len, 0), pos = skb.len;
  sum = skbChecksum(skb, 0, skb.len, sum);
  for (let at = chainOf(skb); at; at = at.next) {
    sum = csumAdd(sum, csumAt(skbChecksum(at, 0, at.len, 0), pos));
    pos += at.len;
  }
  return csumFold(sum) == 0;
}

/** udp_rcv(): a datagram for this namespace, `data` at the UDP header. Consumes it. */
export function udpRcv(skb: SkBuff): void {
  const uh = skb.data, dev = changetype<NetDevice>(skb.dev);
  const total = skb.cb3 ? datagramLen(skb) : skb.len;
  if (skbHeadlen(skb) < UDP_HLEN) {
    freeDatagram(skb, REF_DROPPED);
    return;
  }
  const ulen = port(uh, 4);
  if (ulen < UDP_HLEN || ulen > total || (ulen < total && skb.cb3 != 0)) {
    freeDatagram(skb, REF_DROPPED);
    return;
  }
  if (ulen < total) skbTrim(skb, ulen);
  const saddr = ipSaddr(skb.nh), sk = udpLookup(dev.ns, ipDaddr(skb.nh), port(uh, 2), saddr, port(uh, 0), dev.index);
  if (!checksumOk(skb, ulen)) {
    freeDatagram(skb, REF_DROPPED);
    return;
  }
  if (!sk) {
    // RFC 1122 3.2.2: never about a broadcast.
    if (isLocalAddr(dev.ns, ipDaddr(skb.nh))) icmpSend(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
    freeDatagram(skb, REF_DROPPED);
    return;
  }
  if (skb.shinfo.gso_size) receiveSegments(sk, skb, saddr);
  else enqueue(sk, skb, ulen - UDP_HLEN, saddr);
}

/** A GSO datagram (UDP_SEGMENT) that no device has cut: the receiver sees what would have been on the wire. */
function receiveSegments(sk: Sock, skb: SkBuff, saddr: u32): void {
  skbPush(skb, (skb.th - skb.nh) as u32);
  let seg = skbSegment(skb);
  if (!seg) kfreeSkb(skb, REF_DROPPED);
  while (seg) {
    const next = seg.next;
    seg.next = nil<SkBuff>();
    skbPull(seg, (seg.th - seg.nh) as u32);
    enqueue(sk, seg, seg.len - UDP_HLEN, saddr);
    seg = next;
  }
}

/** Queues a datagram of `len` bytes, or drops it when the receive buffer is full. */
function enqueue(sk: Sock, skb: SkBuff, len: u32, saddr: u32): void {
  // A datagram bigger than the whole buffer is taken by an empty one.
  let charge = chargeOf(skb);
  if (sk.rmem_alloc && sk.rmem_alloc + charge > sk.rcvbuf) {
    freeDatagram(skb, REF_DROPPED);
    return;
  }
  if (sk.rmem_alloc > sk.rcvbuf >> 1) charge = condense(skb, charge);
  skb.cb2 = port(skb.data, 0);
  skb.cb0 = len;
  skb.src_addr = saddr;
  skbPull(skb, UDP_HLEN);
  skb.sk = changetype<usize>(sk);
  skb.destructor = udpRfree.index;
  sk.rmem_alloc += charge;
  skbQueueTail(receiveQueue(sk), skb);
  skDataReady(sk);
}

/**
 * skb_condense(): a socket whose buffer is half full gets small payloads in the linear part if there is room left in it,
 * and is not charged for pages then. `cb1` is the charge of the linear part (net/ip_append.ts); 0 = not known.
 */
function condense(skb: SkBuff, charge: u32): u32 {
  const head = skb.cb1;
  if (skb.cb3 || head < LINEAR_USED || skb.data_len > head - LINEAR_USED || skbCloned(skb)) return charge;
  skb.truesize = head;
  return head;
}
/** Of the charge of a linear part: bookkeeping (576), link-layer head room (16), IPv4 and UDP header (28). */
const LINEAR_USED: u32 = 620;

/** truesize of a datagram with all its fragments. */
function chargeOf(skb: SkBuff): u32 {
  let n = skb.truesize;
  for (let at = chainOf(skb); at; at = at.next) n += at.truesize;
  return n;
}

/** Destructor of a queued datagram: gives its charge back. */
function udpRfree(skb: SkBuff): void {
  uncharge(changetype<Sock>(skb.sk), chargeOf(skb));
  freeChain(skb);
}

/** Destructor of a datagram that the reader has taken: takeFirst() has seen to the charge. */
function udpReadFree(skb: SkBuff): void { freeChain(skb); }

function freeChain(skb: SkBuff): void {
  const chain = chainOf(skb);
  skb.cb3 = 0;
  if (chain) fragChainFree(chain, REF_READ);
}

function uncharge(sk: Sock, n: u32): void {
  bugOn(sk.rmem_alloc < n, BUG_RMEM, changetype<usize>(sk), sk.rmem_alloc);
  sk.rmem_alloc -= n;
}

/**
 * Takes the first datagram off the queue. The reader has a part of the queue to itself (reader_qlen), and takes over the
 * rest when that is empty or when it gives memory back. It gives back in portions: when a quarter of the buffer has come
 * together, or when its part is empty. A sender that overruns a slow reader meets that.
 */
function takeFirst(sk: Sock, skb: SkBuff): void {
  const q = receiveQueue(sk);
  sk.reader_qlen--;
  skbUnlink(q, skb);
  const deficit = sk.rmem_deficit + chargeOf(skb);
  skb.destructor = udpReadFree.index;
  if (sk.reader_qlen && deficit < sk.rcvbuf >> 2) {
    sk.rmem_deficit = deficit;
    return;
  }
  sk.rmem_deficit = 0;
  uncharge(sk, deficit);
  sk.reader_qlen = q.qlen;
}

/** The socket is going: what was read, but not given back, is. */
export function udpReleaseDeficit(sk: Sock): void {
  uncharge(sk, sk.rmem_deficit);
  sk.rmem_deficit = 0;
}

/** udp_recvmsg(): one datagram; its length, -EAGAIN, or the pending error. 0 without MSG_DONTWAIT: shut down. */
export function udpRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  const q = receiveQueue(sk);
  if (sk.err) return sockError(sk);
  const skb = q.first;
  if (!skb) return sk.shutdown & SHUTDOWN_RCV && !(msg.flags & MSG_DONTWAIT) ? 0 : -EAGAIN;
  if (!sk.reader_qlen) sk.reader_qlen = q.qlen;
  const len = skb.cb0, peek = (msg.flags & MSG_PEEK) != 0;
  let copied = len;
  if (copied > msg.iter.count) {
    copied = msg.iter.count;
    msg.out_flags |= MSG_TRUNC;
  }
  if (!peek) takeFirst(sk, skb);
  const ok = copyDatagram(skb, copied, msg);
  if (ok && msg.name) {
    store<u16>(msg.name, AF_INET as u16, SOCKADDR_IN_OFF_FAMILY);
    store<u16>(msg.name, bswap<u16>(skb.cb2 as u16), SOCKADDR_IN_OFF_PORT);
    store<u32>(msg.name, bswap<u32>(skb.src_addr), SOCKADDR_IN_OFF_ADDR);
    store<u64>(msg.name, 0, 8);
    msg.namelen = SOCKADDR_IN_SIZE;
  }
  if (ok && sk.ip_opts & IP_PKTINFO_ON) putPktinfo(skb, msg);
  if (!peek) kfreeSkb(skb, REF_READ);
  return !ok ? -EFAULT : msg.flags & MSG_TRUNC ? len : copied;
}

/** struct in_pktinfo: the device it came by, and the address that it came to. */
function putPktinfo(skb: SkBuff, msg: MsgHdr): void {
  const addr = bswap<u32>(skb.dst_addr);
  store<u32>(SCRATCH_WORDS, changetype<NetDevice>(skb.dev).index);
  store<u32>(SCRATCH_WORDS, addr, 4);
  store<u32>(SCRATCH_WORDS, addr, 8);
  putCmsg(msg, SOL_IP, IP_PKTINFO, SCRATCH_WORDS, 12);
}

function copyDatagram(skb: SkBuff, n: u32, msg: MsgHdr): bool {
  let at = skb;
  while (n) {
    const step = at.len < n ? at.len : n;
    if (skbCopyToIter(at, 0, step, msg.iter) != step) return false;
    n -= step;
    at = at == skb ? chainOf(skb) : at.next;
  }
  return true;
}

/**
 * udp_err(): an ICMP error about a datagram that this host sent (cb1 from, cb2 to, `th` its UDP header). Only a connected
 * socket hears of it, and only of what will not pass by itself (RFC 1122 4.1.3.3), unless it asked for all with IP_RECVERR.
 */
export function udpErr(skb: SkBuff, th: usize, err: i32): void {
  const dev = changetype<NetDevice>(skb.dev), type = skb.cb0 >> 8, code = skb.cb0 & 0xff;
  const sk = udpLookup(dev.ns, skb.cb1, port(th, 0), skb.cb2, port(th, 2), dev.index);
  if (!sk) return;
  if (sk.ip_opts & IP_RECVERR_ON) {
    queueError(sk, skb, th, err, type, code);
  } else {
    if (sk.state != TCP_ESTABLISHED) return;
    if (type != ICMP_DEST_UNREACH || !(icmpFatal(code) || code == ICMP_FRAG_NEEDED)) return;
  }
  sk.err = err;
  skErrorReport(sk);
}

/** ip_icmp_error(): a record for the error queue, with what the message quotes of the datagram's payload. */
function queueError(sk: Sock, skb: SkBuff, th: usize, err: i32, type: u32, code: u32): void {
  const n = allocSkb(0, SKB_TRUESIZE_MIN);
  if (!n) return;
  sockErrInit(n, err, SO_EE_ORIGIN_ICMP, type, code, 0, 0);
  sockErrOffender(n, ipSaddr(skb.nh));
  n.dst_addr = skb.cb2; // where the datagram was to go: the name that recvmsg() returns
  n.cb2 = port(th, 2);
  // The record itself is linear; the quoted payload goes behind it.
  const from = (th - skb.data) as u32 + UDP_HLEN, quoted = skb.len > from ? skb.len - from : 0;
  const to: usize = quoted ? pageFragRefill(quoted) : 0;
  if (to) {
    skbCopyBits(skb, from, to, quoted);
    pageFragTake(quoted, true);
    skbFillPage(n.shinfo, to, quoted);
    n.len = quoted;
    n.data_len = quoted;
  }
  skbQueueTail(errorQueue(sk), n);
}
