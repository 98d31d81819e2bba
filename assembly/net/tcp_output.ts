// What is sent when: the send queue against Nagle's rule, the peer's window and the congestion window.
//
//   write queue --tcpWriteXmit()--> retransmit queue --ACK (tcp_ack.ts)--> freed
//                  \ clone -> device            \ tcp_retransmit.ts: clone -> device again
//
// An skb may be larger than a segment: the device (or gso.ts) cuts it. It is split here only where a window ends. Splitting
// an skb of user pages gives its ubuf_info one more reference (spec send-zc.md 3.2).
import { ENOMEM } from "../abi/errno";
import { POLLOUT_MASK, SOCK_F_NOSPACE, SOCK_F_SNDBUF_LOCK, Sock, rtxQueue, sockWq, writeQueue } from "./sock";
import { wakeUp } from "../kernel/wait";
import {
  MAX_SKB_FRAGS, SKB_HEADROOM, SkBuff, SkShared, allocSkb, fragAddr, fragSet, fragSize, skbCanCoalesce, skbCloned, skbFillPage,
  skbHeadlen, skbSplit, skbUnclone, skbZcopy,
} from "./skbuff";
import { SkbQueue, skbQueueAfter, skbQueueTail, skbUnlink } from "./skb_queue";
import { getPage, putPage } from "../mm/page";
import { BUG_TCP_SEQ } from "../abi/bug";
import { REF_ACKED } from "../abi/trace";
import { bugOn } from "../lib/bug";
import { cntInc, nowNs } from "../lib/state";
import { CNT_TX_SKBS } from "../abi/counters";
import { TCP_CLOSE } from "./tcp_states";
import { NetDevice } from "./dev";
import { IP_MAX_MTU } from "./ip";
import {
  GSO_MAX_PAYLOAD, GSO_MAX_SEGS, ICSK_TIME_LOSS_PROBE, ICSK_TIME_NONE, ICSK_TIME_PROBE0, ICSK_TIME_RETRANS, IP_TCP_HLEN, TCPCB_EOR,
  TCP_CA_OPEN, TCP_HLEN, TCP_MIN_SND_MSS, TCP_MIN_TSO_SEGS, TCP_MSS_DEFAULT, TCP_NAGLE_CORK, TCP_NAGLE_OFF, TCP_NAGLE_PUSH, TCP_RTO_MIN, TCP_RTT_FLOOR,
  TCP_SF_CWND_LIMITED, TCP_SKB_OVERHEAD, TCP_TIMEOUT_MIN_US, TH_ACK, TH_FIN, TH_PSH, after, before, pcount,
} from "./tcp_defs";
import { clearXmitTimer, inFlight, resetXmitTimer, sendHead } from "./tcp_sock";
import { memCharge, memSchedule, skbIsPure, sndbufExpand, streamIsWriteable, wmemFreeSkb } from "./tcp_mem";
import { nondataSkb, transmitSkb, urgMode } from "./tcp_xmit";

@inline function min(a: u32, b: u32): u32 { return a < b ? a : b; }
@inline function max(a: u32, b: u32): u32 { return a > b ? a : b; }
@inline export function wndEnd(sk: Sock): u32 { return sk.snd_una + sk.snd_wnd; }

// Segment sizes -----------------------------------------------------------------------------------------------------

/**
 * tcp_bound_to_half_wnd(): a peer that offers little window should still get two segments into it, or its delayed ACKs
 * would stall the sender (RFC 1122 4.2.3.4).
 */
function boundToHalfWnd(sk: Sock, size: u32): u32 {
  const cutoff = sk.max_window > TCP_MSS_DEFAULT ? sk.max_window >> 1 : sk.max_window;
  return cutoff && size > cutoff ? max(cutoff, 68 - sk.tcp_header_len) : size;
}

/** tcp_sync_mss(): recomputes mss_cache from the route's MTU, the peer's MSS option and its largest window. */
export function syncMss(sk: Sock): void {
  const dev = changetype<NetDevice>(sk.route_dev), mtu = dev ? min(dev.mtu, 65536) : IP_MAX_MTU;
  let mss = min(mtu - IP_TCP_HLEN, sk.mss_clamp);
  mss = max(mss, TCP_MIN_SND_MSS) - (sk.tcp_header_len - TCP_HLEN);
  sk.mss_cache = boundToHalfWnd(sk, mss);
}

@inline export function currentMss(sk: Sock): u32 { return sk.mss_cache; }

/** tcp_xmit_size_goal(): how large an skb sendmsg fills: as many whole segments as a GSO skb holds, at least one. */
export function sizeGoal(sk: Sock, mss: u32, oneSegment: bool): u32 {
  if (oneSegment) return mss;
  const most = boundToHalfWnd(sk, GSO_MAX_PAYLOAD);
  let goal = sk.gso_segs * mss;
  if (most < goal || most >= goal + mss) {
    sk.gso_segs = min(most / mss, GSO_MAX_SEGS);
    goal = sk.gso_segs * mss;
  }
  return max(goal, mss);
}

/** tcp_set_skb_tso_segs(): counts the segments of an skb. */
export function setTsoSegs(skb: SkBuff, mss: u32): u32 {
  if (skb.len <= mss) {
    skb.cb1 = 0;
    skb.cb0 = 1;
  } else {
    skb.cb1 = mss;
    skb.cb0 = (skb.len + mss - 1) / mss;
  }
  return skb.cb0;
}

// Splitting and filling up ------------------------------------------------------------------------------------------

/**
 * tcp_fragment(), tso_fragment(): cuts `skb`, on queue `q`, after `len` payload bytes; the rest becomes a new skb behind
 * it. 0 or -ENOMEM.
 */
export function fragment(sk: Sock, q: SkbQueue, skb: SkBuff, len: u32, mss: u32): i32 {
  bugOn(len >= skb.len, BUG_TCP_SEQ, changetype<usize>(skb), len);
  if (skbUnclone(skb)) return -ENOMEM; // a clone in flight keeps the whole
  const rest = allocSkb(SKB_HEADROOM, TCP_SKB_OVERHEAD);
  if (!rest) return -ENOMEM;
  cntInc(CNT_TX_SKBS);
  const sent = skb.tx_count != 0, segs = pcount(skb), moved = skb.len - len;
  sk.wmem_queued += rest.truesize;
  memSchedule(sk, rest.truesize);
  memCharge(sk, rest.truesize);
  rest.truesize += moved;
  skb.truesize -= moved;
  rest.seq = skb.seq + len;
  rest.end_seq = skb.end_seq;
  skb.end_seq = rest.seq;
  // FIN and PSH belong to the last byte.
  rest.tcp_flags = skb.tcp_flags;
  skb.tcp_flags &= ~(TH_FIN | TH_PSH);
  rest.sacked = skb.sacked;
  skb.sacked &= ~TCPCB_EOR;
  rest.tx_count = skb.tx_count;
  rest.when = skb.when;
  skbSplit(skb, rest, len);
  setTsoSegs(skb, mss);
  setTsoSegs(rest, mss);
  if (sent) adjustPcount(sk, rest, segs - pcount(skb) - pcount(rest));
  skbQueueAfter(q, skb, rest);
  return 0;
}

/** The segments of a sent skb are counted anew: `less` fewer. */
export function adjustPcount(sk: Sock, skb: SkBuff, less: i32): void {
  sk.packets_out -= less;
  if (skb.sacked & 1) sk.lost_out -= less;
  if (skb.sacked & 2) sk.retrans_out -= less;
}

/** skb_shift() of whole frags and a part of the next one from `from` to the end of `to`; all of `n` bytes or nothing. */
function shiftBytes(to: SkBuff, from: SkBuff, n: u32): bool {
  if (skbZcopy(to) || skbZcopy(from) || skbHeadlen(from) || skbHeadlen(to) || skbCloned(to) || skbCloned(from)) return false;
  const ts = to.shinfo, fs = from.shinfo;
  let need: u32 = 0, left = n;
  for (let i: u32 = 0; left && i < fs.nr_frags; i++) {
    const size = fragSize(fs, i);
    if (i || !skbCanCoalesce(ts, fragAddr(fs, 0))) need++;
    left = size < left ? left - size : 0;
  }
  if (ts.nr_frags + need > MAX_SKB_FRAGS) return false;
  moveFrags(ts, fs, n);
  from.len -= n;
  from.data_len -= n;
  from.truesize -= n;
  to.len += n;
  to.data_len += n;
  to.truesize += n;
  return true;
}

function moveFrags(ts: SkShared, fs: SkShared, n: u32): void {
  let keep: u32 = 0;
  for (let i: u32 = 0; i < fs.nr_frags; i++) {
    const addr = fragAddr(fs, i), size = fragSize(fs, i), step = min(size, n), rest = size - step;
    if (step) {
      if (skbCanCoalesce(ts, addr)) {
        const last = ts.nr_frags - 1;
        fragSet(ts, last, fragAddr(ts, last), fragSize(ts, last) + step);
        if (!rest) putPage(addr); // one reference for the joined fragment
      } else {
        skbFillPage(ts, addr, step);
        if (rest) getPage(addr);
      }
      n -= step;
    }
    if (rest) fragSet(fs, keep++, addr + (step as usize), rest);
  }
  fs.nr_frags = keep;
}

/** tcp_grow_skb(): copied data behind the head joins it, so that more of the window goes in one skb. */
function growSkb(sk: Sock, skb: SkBuff, amount: u32): void {
  const next = skb.next;
  if (!next || skb.sacked & TCPCB_EOR || skbIsPure(skb) != skbIsPure(next)) return;
  const n = min(amount, next.len);
  if (!n || !shiftBytes(skb, next, n)) return;
  skb.end_seq += n;
  next.seq += n;
  if (next.len) return;
  skb.end_seq = next.end_seq; // a FIN comes along
  skb.tcp_flags |= next.tcp_flags;
  skb.sacked |= next.sacked & TCPCB_EOR;
  skbUnlink(writeQueue(sk), next);
  wmemFreeSkb(sk, next, REF_ACKED);
}

// The decision ------------------------------------------------------------------------------------------------------

/** tcp_minshall_check(): is a small segment still unacknowledged? */
@inline function smallInFlight(sk: Sock): bool { return after(sk.snd_sml, sk.snd_una) && !after(sk.snd_sml, sk.snd_nxt); }

/** Does Nagle's rule (RFC 1122 4.2.3.4) or a cork hold back a partial segment? */
@inline function nagleHolds(sk: Sock, partial: bool, nonagle: u32): bool {
  return partial && ((nonagle & TCP_NAGLE_CORK) != 0 || (!nonagle && sk.packets_out != 0 && smallInFlight(sk)));
}
@inline function nagleTest(sk: Sock, skb: SkBuff, mss: u32, nonagle: u32): bool {
  return (nonagle & TCP_NAGLE_PUSH) != 0 || urgMode(sk) || (skb.tcp_flags & TH_FIN) != 0 || !nagleHolds(sk, skb.len < mss, nonagle);
}

/** tcp_snd_wnd_test(): does at least the first segment fit the peer's window? */
@inline export function wndTest(sk: Sock, skb: SkBuff, mss: u32): bool {
  return !after(skb.len > mss ? skb.seq + mss : skb.end_seq, wndEnd(sk));
}

/** tcp_cwnd_test(): segments that the congestion window has room for; half of it at once at most. */
@inline function cwndTest(sk: Sock): u32 {
  const out = inFlight(sk), cwnd = sk.cwnd;
  return out >= cwnd ? 0 : min(max(cwnd >> 1, 1), cwnd - out);
}

/** tcp_tso_autosize() on a path whose rate is not paced: full GSO skbs. */
@inline function tsoSegs(mss: u32): u32 { return max(GSO_MAX_PAYLOAD / mss, TCP_MIN_TSO_SEGS); }

/** tcp_mss_split_point(): how much of a large skb may go now. */
function splitPoint(sk: Sock, skb: SkBuff, mss: u32, maxSegs: u32, nonagle: u32): u32 {
  const window = wndEnd(sk) - skb.seq, most = mss * maxSegs;
  if (most <= window && skb != writeQueue(sk).last) return most;
  const needed = min(skb.len, window);
  if (most <= needed) return most;
  const partial = needed % mss;
  return nagleHolds(sk, partial != 0, nonagle) ? needed - partial : needed;
}

/** tcp_tso_should_defer(): an ACK is about to open the window; a larger skb then is better than a small one now. */
function tsoShouldDefer(sk: Sock, skb: SkBuff, maxSegs: u32): bool {
  if (sk.ca_state != TCP_CA_OPEN) return false;
  const window = wndEnd(sk) - skb.seq, congestion = (sk.cwnd - inFlight(sk)) * sk.mss_cache;
  const limit = min(window, congestion);
  if (limit >= maxSegs * sk.mss_cache) return false;
  if (skb != writeQueue(sk).last && limit >= skb.len) return false;
  if (limit >= min(sk.snd_wnd, sk.cwnd * sk.mss_cache) / 3) return false; // net.ipv4.tcp_tso_win_divisor
  const head = rtxQueue(sk).first;
  // Soon means: half a round trip has passed. On a path without delay it always has, although the clock stands still.
  if (!head || (sk.srtt > TCP_RTT_FLOOR && (nowNs() - head.when) / 1000 < ((sk.srtt >> 1) as u64))) return false;
  return !(skb.tcp_flags & TH_FIN) && !(skb.sacked & TCPCB_EOR);
}

/** Of the two windows, is the congestion window what a deferred skb waits for? */
function deferForCwnd(sk: Sock, skb: SkBuff): bool {
  const window = wndEnd(sk) - skb.seq, congestion = (sk.cwnd - inFlight(sk)) * sk.mss_cache;
  return congestion < window && congestion <= skb.len;
}

/**
 * tcp_cwnd_validate(): the congestion window may only grow as long as it is what limits the sender (RFC 7661 4.3). Noted
 * once per window of data, or when a fuller use of it is seen.
 */
function cwndValidate(sk: Sock, limited: bool): void {
  const was = (sk.tcp_flags & TCP_SF_CWND_LIMITED) != 0;
  if (before(sk.snd_una, sk.cwnd_usage_seq) && !limited && (was || sk.packets_out <= sk.max_packets_out)) return;
  sk.tcp_flags = limited ? sk.tcp_flags | TCP_SF_CWND_LIMITED : sk.tcp_flags & ~TCP_SF_CWND_LIMITED;
  sk.max_packets_out = sk.packets_out;
  sk.cwnd_usage_seq = sk.snd_nxt;
}

/** tcp_is_cwnd_limited(): in slow start half of it in use is enough. */
export function isCwndLimited(sk: Sock): bool {
  if (sk.tcp_flags & TCP_SF_CWND_LIMITED) return true;
  return sk.cwnd < sk.ssthresh && sk.cwnd < 2 * sk.max_packets_out;
}

/**
 * tcp_write_xmit(): sends what may be sent. pushOne: 1 = one skb, 2 = one skb even beyond the congestion window (loss
 * probe). true: nothing is in flight and something waits, so a timer has to push it.
 */
export function writeXmit(sk: Sock, mss: u32, nonagle: u32, pushOne: u32): bool {
  const q = writeQueue(sk), maxSegs = tsoSegs(mss);
  let sent: u32 = 0, cwndLimited = false;
  for (let skb = q.first; skb; skb = q.first) {
    let quota = cwndTest(sk);
    if (!quota) {
      if (pushOne != 2) break;
      quota = 1;
    }
    quota = min(quota, maxSegs);
    const missing = (quota * mss - skb.len) as i32;
    if (missing > 0 && !urgMode(sk)) growSkb(sk, skb, missing as u32);
    const segs = setTsoSegs(skb, mss);
    if (!wndTest(sk, skb, mss)) break;
    let limit = mss;
    if (segs == 1) {
      if (!nagleTest(sk, skb, mss, skb.next ? TCP_NAGLE_PUSH : nonagle)) break;
    } else {
      if (!pushOne && tsoShouldDefer(sk, skb, maxSegs)) {
        cwndLimited = deferForCwnd(sk, skb);
        break;
      }
      limit = splitPoint(sk, skb, mss, quota, nonagle);
    }
    if (skb.len > limit && fragment(sk, q, skb, limit, mss)) break;
    const n = pcount(skb), small = skb.len < n * mss, end = skb.end_seq;
    if (transmitSkb(sk, skb, true, sk.rcv_nxt)) break;
    newDataSent(sk, skb);
    if (small) sk.snd_sml = end;
    sent += n;
    if (pushOne) break;
  }
  cwndLimited = cwndLimited || inFlight(sk) >= sk.cwnd;
  if (sent || cwndLimited) cwndValidate(sk, cwndLimited);
  if (sent) {
    if (pushOne != 2) scheduleLossProbe(sk);
    return false;
  }
  return !sk.packets_out && q.first;
}

/** tcp_event_new_data_sent(): from the write queue to the retransmit queue. */
export function newDataSent(sk: Sock, skb: SkBuff): void {
  const idle = sk.packets_out == 0;
  sk.snd_nxt = skb.end_seq;
  skbUnlink(writeQueue(sk), skb);
  skbQueueTail(rtxQueue(sk), skb);
  sk.packets_out += pcount(skb);
  if (idle || sk.rtx_pending == ICSK_TIME_LOSS_PROBE) rearmRto(sk);
  checkSpace(sk);
}

/** tcp_check_space(): a writer has waited, and there may be room for it. */
export function checkSpace(sk: Sock): void {
  if (!(sk.flags & SOCK_F_NOSPACE)) return;
  // A sender that the network could have served faster gets a larger buffer.
  if (!(sk.flags & SOCK_F_SNDBUF_LOCK) && inFlight(sk) < sk.cwnd) sndbufExpand(sk);
  streamWriteSpace(sk);
}

/** sk_stream_write_space() */
export function streamWriteSpace(sk: Sock): void {
  if (!streamIsWriteable(sk)) return;
  sk.flags &= ~SOCK_F_NOSPACE;
  wakeUp(sockWq(sk), POLLOUT_MASK);
}

/** __tcp_push_pending_frames() */
export function pushPending(sk: Sock, mss: u32, nonagle: u32): void {
  if (sk.state == TCP_CLOSE) return;
  if (writeXmit(sk, mss, nonagle, 0)) checkProbeTimer(sk);
}
@inline export function pushPendingFrames(sk: Sock): void {
  if (sendHead(sk)) pushPending(sk, currentMss(sk), sk.nonagle);
}

// Timers that sending starts ----------------------------------------------------------------------------------------

/** tcp_check_probe_timer(): data waits and no ACK is under way that could release it. */
export function checkProbeTimer(sk: Sock): void {
  if (!sk.packets_out && sk.rtx_pending == ICSK_TIME_NONE) resetXmitTimer(sk, ICSK_TIME_PROBE0, max(sk.rto, TCP_RTO_MIN));
}

/** tcp_rto_delta_us(): what is left of the retransmission timeout of the oldest segment. */
function rtoLeft(sk: Sock): i64 {
  return (sk.rto as i64) - (((nowNs() - rtxQueue(sk).first.when) / 1000) as i64);
}

/** tcp_rearm_rto(): RFC 6298 5. A loss probe that was armed had replaced it, so only the rest of it remains. */
export function rearmRto(sk: Sock): void {
  if (!sk.packets_out) {
    clearXmitTimer(sk);
    return;
  }
  let us = sk.rto;
  if (sk.rtx_pending == ICSK_TIME_LOSS_PROBE) {
    const left = rtoLeft(sk);
    us = left > 1 ? (left as u32) : 1;
  }
  resetXmitTimer(sk, ICSK_TIME_RETRANS, us);
}

/** tcp_schedule_loss_probe() (RFC 8985 7.2). false: the retransmission timer is what counts. */
export function scheduleLossProbe(sk: Sock): bool {
  if (!sk.packets_out || sk.ca_state != TCP_CA_OPEN || sk.snd_una == sk.isn) return false;
  let us: u32 = 1000000;
  if (sk.srtt) {
    us = 2 * sk.srtt;
    us += sk.packets_out == 1 ? TCP_RTO_MIN : TCP_TIMEOUT_MIN_US; // one segment: its ACK may be delayed
  }
  const left = rtoLeft(sk);
  if (left > 0 && (left as u32) < us) us = left as u32;
  resetXmitTimer(sk, ICSK_TIME_LOSS_PROBE, us);
  return true;
}

// FIN ---------------------------------------------------------------------------------------------------------------

/** tcp_queue_skb() */
export function queueSkb(sk: Sock, skb: SkBuff): void {
  sk.write_seq = skb.end_seq;
  sk.wmem_queued += skb.truesize;
  memSchedule(sk, skb.truesize);
  memCharge(sk, skb.truesize);
  skbQueueTail(writeQueue(sk), skb);
}

/** tcp_send_fin(): behind everything that is queued; in the last skb if that has not been sent. */
export function sendFin(sk: Sock): void {
  const tail = writeQueue(sk).last;
  if (tail) {
    tail.tcp_flags |= TH_FIN;
    tail.end_seq++;
    sk.write_seq++;
  } else {
    const skb = nondataSkb(sk.write_seq, TH_ACK | TH_FIN);
    if (!skb) return; // as if the segment were lost with every retransmission; the peer times out
    queueSkb(sk, skb);
  }
  pushPending(sk, currentMss(sk), TCP_NAGLE_OFF);
}
