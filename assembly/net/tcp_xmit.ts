// One segment on its way out: header, clone, hand-over to IPv4. And the segments that are nobody's payload: ACK, RST,
// probes. Which segment goes when is decided in tcp_output.ts.
//
// Data segments are transmitted as clones: the original stays on the retransmit queue, and with it the hold on the user's
// pages, until its last byte is acknowledged (spec send-zc.md 3.3).
import { ENOBUFS } from "../abi/errno";
import { INADDR_ANY, IPPROTO_TCP } from "../abi/socket";
import { REF_SPLIT, TR_TCP_XMIT, TRACE_NET } from "../abi/trace";
import { nowNs } from "../lib/state";
import { trace } from "../lib/trace";
import { getPage } from "../mm/page";
import {
  CHECKSUM_PARTIAL, SKB_HEADROOM, SkBuff, allocSkb, fragAddr, fragSize, skbClone, skbFillPage, skbPush, skbZcopy, skbZcopyInit,
} from "./skbuff";
import { SKBFL_MANAGED_FRAG_REFS, SKBFL_SHARED_FRAG, netZcopyGet } from "./ubuf_info";
import { Sock } from "./sock";
import { TCP_CLOSE } from "./tcp_states";
import { NetDevice } from "./dev";
import { SKB_GSO_TCPV4 } from "./gso";
import { IP_HLEN } from "./ip";
import { ipQueueXmit, ipSendReply } from "./ip_output";
import { thDport, thSport } from "./tcp_parse";
import {
  TCP_ATO_MIN, TCP_HLEN, TCP_SF_TSTAMP, TCP_SF_WSCALE, TCP_SKB_OVERHEAD, TCP_TSTAMP_ALIGNED, TH_ACK, TH_FIN, TH_PSH, TH_RST, TH_SYN, TH_URG, after, before, pcount,
} from "./tcp_defs";
import { armDelack, clearDelack, inFlight, scheduleAck, tcpNowMs, tickAfter } from "./tcp_sock";
import { tcpSetOwnerW } from "./tcp_mem";
import { selectWindow } from "./tcp_window";

/** net_device.gso_ipv4_max_size, the link header included. */
const GSO_IPV4_MAX: u32 = 65536;
const ETH_HLEN: u32 = 14;
const OPT_NOP_NOP_TS: u32 = 0x0101080a;
const SYN_OPTIONS_TS: u32 = 20; // MSS, timestamps with padding, window scale with padding
const SYN_OPTIONS: u32 = 8; // MSS, window scale with padding

/** An skb without payload that starts at `seq`; nil when out of memory. */
export function nondataSkb(seq: u32, flags: u32): SkBuff {
  const skb = allocSkb(SKB_HEADROOM, TCP_SKB_OVERHEAD);
  if (!skb) return skb;
  skb.seq = seq;
  skb.end_seq = seq + (flags & 3 ? 1 : 0); // SYN and FIN take a sequence number each
  skb.tcp_flags = flags;
  skb.cb0 = 1;
  return skb;
}

@inline function put32(at: usize, v: u32): void { store<u32>(at, bswap<u32>(v)); }
@inline function put16(at: usize, v: u32): void { store<u16>(at, bswap<u16>(v as u16)); }

function writeHeader(th: usize, sport: u32, dport: u32, seq: u32, ack: u32, hlen: u32, flags: u32, window: u32): void {
  put16(th, sport);
  put16(th + 2, dport);
  put32(th + 4, seq);
  put32(th + 8, ack);
  store<u8>(th, ((hlen >> 2) << 4) as u8, 12);
  store<u8>(th, flags as u8, 13);
  put16(th + 14, window);
  store<u32>(th, 0, 16); // checksum: the device's; urgent pointer
}

function writeTimestamps(opt: usize, sk: Sock): void {
  put32(opt, OPT_NOP_NOP_TS);
  put32(opt + 4, tcpNowMs());
  put32(opt + 8, sk.ts_recent);
}

/** Options of a SYN (`reply`: of a SYN-ACK, which only offers what the SYN offered). */
function synOptionsLen(sk: Sock, reply: bool): u32 {
  if (reply && !(sk.tcp_flags & TCP_SF_TSTAMP)) return sk.tcp_flags & TCP_SF_WSCALE ? SYN_OPTIONS : 4;
  return reply && !(sk.tcp_flags & TCP_SF_WSCALE) ? SYN_OPTIONS_TS - 4 : SYN_OPTIONS_TS;
}
function writeSynOptions(opt: usize, sk: Sock, len: u32): void {
  const end = opt + len;
  put32(opt, 0x02040000 | sk.advmss);
  opt += 4;
  if (len >= SYN_OPTIONS_TS - 4) {
    writeTimestamps(opt, sk);
    opt += TCP_TSTAMP_ALIGNED;
  }
  if (opt < end) put32(opt, 0x01030300 | sk.rcv_wscale);
}

/**
 * __tcp_transmit_skb(): sends `skb` (of a send queue when `clone`, else it is used up). 0, -ENOBUFS when out of memory,
 * -EHOSTUNREACH without a route.
 */
export function transmitSkb(sk: Sock, skb: SkBuff, clone: bool, rcvNxt: u32): i32 {
  const segs = pcount(skb), mss = skb.cb1;
  if (segs > 1) skb.tcp_flags |= TH_PSH; // the receiver should not wait for more to join to it
  if (!clone) return sendSegments(sk, skb, 0, rcvNxt);
  const sent = skb.tx_count;
  skb.when = nowNs();
  skb.tx_count = sent + 1;
  if (segs > 1 && skb.len + sk.tcp_header_len + IP_HLEN + ETH_HLEN >= GSO_IPV4_MAX) return sendOversize(sk, skb, mss, rcvNxt);
  const n = skbClone(skb);
  if (!n) return -ENOBUFS;
  tcpSetOwnerW(n, sk);
  n.shinfo.gso_size = segs > 1 ? mss : 0;
  n.shinfo.gso_type = segs > 1 ? SKB_GSO_TCPV4 : 0;
  return sendSegments(sk, n, sent, rcvNxt);
}

/**
 * No device takes a GSO skb that would not fit an IPv4 packet. Windows of lo allow two of its segments, which is more: they
 * go one by one, over the same pages. The skb stays one on the retransmit queue.
 */
function sendOversize(sk: Sock, skb: SkBuff, mss: u32, rcvNxt: u32): i32 {
  let err: i32 = 0;
  for (let off: u32 = 0; off < skb.len && !err; off += mss) {
    const left = skb.len - off, n = segmentOf(skb, off, left < mss ? left : mss);
    if (!n) return off ? 0 : -ENOBUFS; // the rest is lost on the way
    tcpSetOwnerW(n, sk);
    err = sendSegments(sk, n, skb.tx_count - 1, rcvNxt);
  }
  return err;
}

/** skb_segment(): `len` payload bytes of `skb` from `off` on, sharing its pages; nil when out of memory. */
function segmentOf(skb: SkBuff, off: u32, len: u32): SkBuff {
  const n = allocSkb(SKB_HEADROOM, TCP_SKB_OVERHEAD + len);
  if (!n) return n;
  const sh = skb.shinfo, ns = n.shinfo, last = off + len == skb.len;
  n.seq = skb.seq + off;
  n.end_seq = last ? skb.end_seq : n.seq + len;
  n.tcp_flags = last ? skb.tcp_flags : skb.tcp_flags & ~(TH_PSH | TH_FIN);
  n.cb0 = 1;
  n.len = len;
  n.data_len = len;
  let pos: u32 = 0;
  for (let i: u32 = 0; i < sh.nr_frags && len; i++) {
    const size = fragSize(sh, i);
    if (pos + size > off) {
      const from = off > pos ? off - pos : 0, step = size - from < len ? size - from : len;
      skbFillPage(ns, fragAddr(sh, i) + (from as usize), step);
      getPage(fragAddr(sh, i) + (from as usize));
      len -= step;
    }
    pos += size;
  }
  const uarg = skbZcopy(skb);
  if (uarg) {
    netZcopyGet(uarg, REF_SPLIT);
    skbZcopyInit(n, uarg);
    ns.flags &= ~SKBFL_MANAGED_FRAG_REFS; // it has references of its own
  }
  ns.flags |= sh.flags & SKBFL_SHARED_FRAG;
  return n;
}

/** Header, events, and over to IPv4. Uses the skb up. */
function sendSegments(sk: Sock, skb: SkBuff, sent: u32, rcvNxt: u32): i32 {
  const flags = skb.tcp_flags, len = skb.len;
  let hlen: u32, window: u32;
  if (flags & TH_SYN) {
    const opts = synOptionsLen(sk, (flags & TH_ACK) != 0);
    hlen = TCP_HLEN + opts;
    skb.th = skbPush(skb, hlen);
    writeSynOptions(skb.th + TCP_HLEN, sk, opts);
    window = sk.rcv_wnd < 65535 ? sk.rcv_wnd : 65535; // never scaled (RFC 7323 2.2)
  } else {
    hlen = sk.tcp_header_len;
    skb.th = skbPush(skb, hlen);
    if (hlen > TCP_HLEN) writeTimestamps(skb.th + TCP_HLEN, sk);
    window = selectWindow(sk);
  }
  writeHeader(skb.th, sk.sport, sk.dport, skb.seq, flags & TH_ACK ? rcvNxt : 0, hlen, flags, window);
  if (urgMode(sk)) writeUrgent(sk, skb);
  skb.ip_summed = CHECKSUM_PARTIAL;
  trace(TRACE_NET, TR_TCP_XMIT, changetype<usize>(skb), (skb.seq as u64) | ((skb.end_seq as u64) << 32), flags, sent);
  if (flags & TH_ACK) ackSent(sk, rcvNxt);
  if (len) dataSent(sk);
  return ipQueueXmit(sk, skb);
}

/** tcp_urg_mode(): urgent data is not acknowledged yet. */
@inline export function urgMode(sk: Sock): bool { return sk.snd_una != sk.snd_up; }

/** The urgent pointer counts from the segment's first byte to behind the urgent one (RFC 6093 3). */
function writeUrgent(sk: Sock, skb: SkBuff): void {
  if (!before(skb.seq, sk.snd_up)) return;
  let distance = sk.snd_up - skb.seq;
  if (distance > 0xffff) {
    if (!after(skb.seq + 0xffff, sk.snd_nxt)) return;
    distance = 0xffff;
  }
  put16(skb.th + 18, distance);
  store<u8>(skb.th, load<u8>(skb.th, 13) | (TH_URG as u8), 13);
}

/** tcp_event_ack_sent(): every segment carries the ACK that was owed. */
function ackSent(sk: Sock, rcvNxt: u32): void {
  if (rcvNxt != sk.rcv_nxt) return; // a probe's old number acknowledges nothing
  if (sk.ack_quick && sk.ack_pending & 1) {
    if (--sk.ack_quick == 0) sk.ack_ato = TCP_ATO_MIN;
  }
  clearDelack(sk);
}

/** tcp_event_data_sent(): data in answer to data makes the connection interactive: its ACKs ride on replies. */
function dataSent(sk: Sock): void {
  const now = nowNs() + 1; // 0 is never
  if (!inFlight(sk)) restartIdle(sk, now);
  sk.lsndtime = now;
  if (sk.lrcvtime && (now - sk.lrcvtime) / 1000 < (sk.ack_ato as u64) && sk.ack_pingpong < 255) sk.ack_pingpong++;
}

/** RFC 5681 4.1: after an idle RTO the window is no longer trusted. */
function restartIdle(sk: Sock, now: u64): void {
  if (!sk.lsndtime || !sk.rto) return;
  let idle = (now - sk.lsndtime) / 1000, cwnd = sk.cwnd;
  if (idle <= (sk.rto as u64)) return;
  const floor: u32 = cwnd < 10 ? cwnd : 10;
  const threeQuarters = (cwnd >> 1) + (cwnd >> 2);
  if (sk.ssthresh < threeQuarters) sk.ssthresh = threeQuarters;
  while (idle > (sk.rto as u64) && cwnd > floor) {
    cwnd >>= 1;
    idle -= sk.rto as u64;
  }
  sk.cwnd = cwnd > floor ? cwnd : floor;
}

// Segments without payload ------------------------------------------------------------------------------------------

/** tcp_acceptable_seq(): snd_nxt, unless the peer has shrunk its window below it. */
function acceptableSeq(sk: Sock): u32 {
  const end = sk.snd_una + sk.snd_wnd;
  return before(end, sk.snd_nxt) ? end : sk.snd_nxt;
}

/** tcp_send_ack(): now. Without memory the delayed ACK timer tries again. */
export function sendAck(sk: Sock): void {
  if (sk.state == TCP_CLOSE) return;
  const skb = nondataSkb(acceptableSeq(sk), TH_ACK);
  if (!skb) {
    scheduleAck(sk);
    sk.ack_ato = TCP_ATO_MIN;
    armDelack(sk, tickAfter(TCP_ATO_MIN));
    return;
  }
  transmitSkb(sk, skb, false, sk.rcv_nxt);
}

/** tcp_send_active_reset(): the connection is given up (RFC 9293 3.10.4). */
export function sendActiveReset(sk: Sock): void {
  const skb = nondataSkb(acceptableSeq(sk), TH_ACK | TH_RST);
  if (skb) transmitSkb(sk, skb, false, sk.rcv_nxt);
}

/** tcp_xmit_probe_skb(): an old sequence number, so that the peer has to answer with where it stands (RFC 9293 3.8.6.1). */
export function xmitProbe(sk: Sock): i32 {
  const skb = nondataSkb(sk.snd_una - 1, TH_ACK);
  return skb ? transmitSkb(sk, skb, false, sk.rcv_nxt) : -ENOBUFS;
}

// Replies that no socket sends --------------------------------------------------------------------------------------

function reply(skb: SkBuff, seq: u32, ack: u32, flags: u32, window: u32, tsval: u32, tsecr: u32): void {
  const n = allocSkb(SKB_HEADROOM, TCP_SKB_OVERHEAD);
  if (!n) return;
  const hlen = tsval ? TCP_HLEN + TCP_TSTAMP_ALIGNED : TCP_HLEN, from = skb.th;
  n.th = skbPush(n, hlen);
  writeHeader(n.th, thDport(from), thSport(from), seq, ack, hlen, flags, window);
  if (tsval) {
    put32(n.th + TCP_HLEN, OPT_NOP_NOP_TS);
    put32(n.th + TCP_HLEN + 4, tsval);
    put32(n.th + TCP_HLEN + 8, tsecr);
  }
  n.ip_summed = CHECKSUM_PARTIAL;
  trace(TRACE_NET, TR_TCP_XMIT, changetype<usize>(n), (seq as u64) | ((seq as u64) << 32), flags, 0);
  ipSendReply(changetype<NetDevice>(skb.dev).ns, skb.dst_addr, skb.src_addr, n, IPPROTO_TCP);
}

/** tcp_v4_send_reset(): the answer to a segment for which there is no connection (RFC 9293 3.10.7.1). `data` at the header. */
export function sendReset(skb: SkBuff): void {
  if (skb.tcp_flags & TH_RST || skb.dst_addr == INADDR_ANY) return;
  if (skb.tcp_flags & TH_ACK) reply(skb, skb.ack_seq, 0, TH_RST, 0, 0, 0);
  else reply(skb, 0, skb.end_seq, TH_RST | TH_ACK, 0, 0, 0);
}

/** The ACK of a connection in TIME_WAIT. */
export function sendTimeWaitAck(tw: Sock, skb: SkBuff): void {
  const ts = tw.tcp_flags & TCP_SF_TSTAMP ? tcpNowMs() : 0;
  reply(skb, tw.snd_nxt, tw.rcv_nxt, TH_ACK, tw.rcv_wnd >> tw.rcv_wscale, ts, tw.ts_recent);
}
