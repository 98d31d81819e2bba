// What an incoming ACK does: window update, freeing of acknowledged skbs (this is where the pages of a zero-copy send come
// back), round-trip time, congestion window, loss recovery.
//
// An skb is freed when its last byte is acknowledged. An ACK that covers whole segments of a larger skb trims it; one that
// ends inside a segment changes nothing (spec send-zc.md 3.3). RFC 5681 and 6582 for congestion control without SACK.
import { TR_TCP_ACK, TRACE_NET } from "../abi/trace";
import { nowNs } from "../lib/state";
import { trace } from "../lib/trace";
import { SkBuff } from "./skbuff";
import { skbUnlink } from "./skb_queue";
import { Sock, rtxQueue, writeQueue } from "./sock";
import {
  ICSK_TIME_PROBE0, TCPCB_EVER_RETRANS, TCPCB_LOST, TCPCB_RETRANS, TCP_CA_LOSS, TCP_CA_OPEN,
  TCP_CA_RECOVERY, TCP_FASTRETRANS_THRESH, TCP_RTO_MAX, TCP_RTO_MIN, TCP_RTT_FLOOR, TCP_SF_TSTAMP, TCP_TIMEOUT_INIT, TH_SYN, after,
  before, pcount,
} from "./tcp_defs";
import { segHas, segLen, segTsecr, segTsval, segWindow, TCPOPT_SAW_TS } from "./tcp_parse";
import { clearXmitTimer, inFlight, resetXmitTimer, sendHead, tcpNowMs } from "./tcp_sock";
import { wmemFreeAcked } from "./tcp_mem";
import { checkSpace, currentMss, isCwndLimited, pushPending, rearmRto, scheduleLossProbe, syncMss, wndEnd } from "./tcp_output";
import { markLost, trimHead, xmitRetransmitQueue } from "./tcp_retransmit";
import { probe0When } from "./tcp_timer";

// What an ACK turned out to be
const FLAG_DATA: u32 = 1; // it came with data
const FLAG_WIN_UPDATE: u32 = 2;
const FLAG_DATA_ACKED: u32 = 4;
const FLAG_SND_UNA_ADVANCED: u32 = 8;
const FLAG_REXMITTED: u32 = 16; // something it covers had been sent more than once

/** Outcome of tcpAck(): bad means that the segment has to be dropped. */
export const ACK_OK: i32 = 0;
export const ACK_TOO_OLD: i32 = -1;
export const ACK_UNSENT: i32 = -2;

/** tcp_ack(): `data` of the skb still at the header. */
export function tcpAck(sk: Sock, skb: SkBuff): i32 {
  const prior = sk.snd_una, ack = skb.ack_seq;
  if (before(ack, prior)) return before(ack, prior - sk.max_window) ? ACK_TOO_OLD : ACK_OK;
  if (after(ack, sk.snd_nxt)) return ACK_UNSENT;
  let flag: u32 = segLen(skb) ? FLAG_DATA : 0;
  if (after(ack, prior)) {
    flag |= FLAG_SND_UNA_ADVANCED;
    sk.retransmits = 0;
  }
  replaceTsRecent(sk, skb);
  flag |= updateWindow(sk, skb, ack);
  sk.probes_out = 0;
  const inFlightBefore = sk.packets_out;
  if (!inFlightBefore) {
    ackProbe(sk);
    traceAck(sk, ack, 0);
    return ACK_OK;
  }
  flag |= cleanRtxQueue(sk, skb, ack);
  if (sk.tlp_high_seq && !before(ack, sk.tlp_high_seq)) sk.tlp_high_seq = 0;
  const acked = inFlightBefore - sk.packets_out;
  recover(sk, flag, acked, ack == prior);
  if (flag & FLAG_DATA_ACKED && !scheduleLossProbe(sk)) rearmRto(sk);
  traceAck(sk, ack, ack - prior);
  return ACK_OK;
}

@inline function traceAck(sk: Sock, ack: u32, acked: u32): void {
  trace(TRACE_NET, TR_TCP_ACK, changetype<usize>(sk), (ack as u64) | ((sk.snd_wnd as u64) << 32), acked, 0);
}

/** RFC 7323 4.3: the timestamp to echo is that of the segment at the left edge of the window. */
function replaceTsRecent(sk: Sock, skb: SkBuff): void {
  if (segHas(skb, TCPOPT_SAW_TS) && !after(skb.seq, sk.rcv_wup) && ((segTsval(skb) - sk.ts_recent) as i32) >= 0) {
    sk.ts_recent = segTsval(skb);
  }
}

/** What a segment with nothing to acknowledge leaves behind: its timestamp and SND.WL1. */
export function noteSegment(sk: Sock, skb: SkBuff): void {
  replaceTsRecent(sk, skb);
  sk.snd_wl1 = skb.seq;
}

/** tcp_ack_update_window(): RFC 9293 3.10.7.4, SND.WL1 and SND.WL2. */
function updateWindow(sk: Sock, skb: SkBuff, ack: u32): u32 {
  let wnd = segWindow(skb), flag: u32 = 0;
  if (!(skb.tcp_flags & TH_SYN)) wnd <<= sk.snd_wscale;
  if (after(ack, sk.snd_una) || after(skb.seq, sk.snd_wl1) || (skb.seq == sk.snd_wl1 && (wnd > sk.snd_wnd || !wnd))) {
    flag = FLAG_WIN_UPDATE;
    sk.snd_wl1 = skb.seq;
    if (sk.snd_wnd == wnd && ack == sk.snd_una) flag = 0;
    sk.snd_wnd = wnd;
    if (wnd > sk.max_window) {
      sk.max_window = wnd;
      syncMss(sk);
    }
  }
  if (!after(sk.snd_up, ack)) sk.snd_up = ack;
  sk.snd_una = ack;
  return flag;
}

/** tcp_ack_probe(): nothing is in flight; has the window opened for what waits? */
function ackProbe(sk: Sock): void {
  const head = sendHead(sk);
  if (!head) return;
  if (!after(head.end_seq, wndEnd(sk))) {
    sk.backoff = 0;
    if (sk.rtx_pending == ICSK_TIME_PROBE0) clearXmitTimer(sk);
  } else {
    resetXmitTimer(sk, ICSK_TIME_PROBE0, probe0When(sk));
  }
}

/** tcp_clean_rtx_queue(): frees what is wholly acknowledged, trims what is partly so. */
function cleanRtxQueue(sk: Sock, ackSkb: SkBuff, ack: u32): u32 {
  const q = rtxQueue(sk);
  let flag: u32 = 0, firstSent: u64 = u64.MAX_VALUE;
  for (let skb = q.first; skb; skb = q.first) {
    const sacked = skb.sacked;
    const segs = pcount(skb);
    if (after(skb.end_seq, ack)) {
      if (segs == 1 || !after(ack, skb.seq)) break;
      if (!trimHead(sk, skb, ack - skb.seq) && pcount(skb) != segs) flag |= FLAG_DATA_ACKED;
      break;
    }
    if (sacked & TCPCB_EVER_RETRANS) flag |= FLAG_REXMITTED;
    else if (firstSent == u64.MAX_VALUE) firstSent = skb.when;
    if (sacked & TCPCB_LOST) sk.lost_out -= segs;
    if (sacked & TCPCB_RETRANS) sk.retrans_out -= segs;
    sk.packets_out -= segs;
    flag |= FLAG_DATA_ACKED;
    skbUnlink(q, skb);
    wmemFreeAcked(sk, skb);
  }
  if (flag & FLAG_DATA_ACKED) {
    if (firstSent != u64.MAX_VALUE && !(flag & FLAG_REXMITTED)) {
      rttSample(sk, ((nowNs() - firstSent) / 1000) as u32);
    } else if (sk.tcp_flags & TCP_SF_TSTAMP && segHas(ackSkb, TCPOPT_SAW_TS) && segTsecr(ackSkb)) {
      // Karn's rule does not bind who knows which transmission is echoed (RFC 7323 4.1).
      const ms = tcpNowMs() - segTsecr(ackSkb);
      if (ms < 0x100000) rttSample(sk, ms ? ms * 1000 : 1000);
    }
  }
  return flag;
}

/** RFC 6298 2, with the variance never below the minimum timeout. */
export function rttSample(sk: Sock, us: u32): void {
  const m = us > TCP_RTT_FLOOR ? us : TCP_RTT_FLOOR;
  if (!sk.srtt) {
    sk.srtt = m;
    sk.rttvar = m >> 1;
  } else {
    const diff = m > sk.srtt ? m - sk.srtt : sk.srtt - m;
    sk.rttvar += ((diff as i32) - (sk.rttvar as i32)) >> 2;
    sk.srtt += ((m as i32) - (sk.srtt as i32)) >> 3;
    if (!sk.srtt) sk.srtt = 1;
  }
  setRto(sk);
  sk.backoff = 0;
}
export function setRto(sk: Sock): void {
  const spread = sk.rttvar << 2;
  const rto = sk.srtt ? sk.srtt + (spread > TCP_RTO_MIN ? spread : TCP_RTO_MIN) : TCP_TIMEOUT_INIT;
  sk.rto = rto < TCP_RTO_MAX ? rto : TCP_RTO_MAX;
}

// Congestion --------------------------------------------------------------------------------------------------------

/** Slow start and congestion avoidance (RFC 5681 3.1), counted in segments. */
function congAvoid(sk: Sock, acked: u32): void {
  if (!isCwndLimited(sk)) return;
  if (sk.cwnd < sk.ssthresh) {
    const step = sk.ssthresh - sk.cwnd < acked ? sk.ssthresh - sk.cwnd : acked;
    sk.cwnd += step;
    acked -= step;
  }
  if (!acked) return;
  sk.cwnd_cnt += acked;
  while (sk.cwnd_cnt >= sk.cwnd) {
    sk.cwnd_cnt -= sk.cwnd;
    sk.cwnd++;
  }
}

/** tcp_fastretrans_alert() for a peer without SACK: RFC 5681 3.2, RFC 6582 3.2. */
function recover(sk: Sock, flag: u32, acked: u32, sameAck: bool): void {
  const dupack = sameAck && sk.packets_out != 0 && !(flag & (FLAG_DATA | FLAG_WIN_UPDATE));
  if (sk.ca_state != TCP_CA_OPEN) {
    if (!before(sk.snd_una, sk.high_seq) || !sk.packets_out) {
      if (sk.ca_state == TCP_CA_RECOVERY) sk.cwnd = sk.ssthresh;
      sk.ca_state = TCP_CA_OPEN;
      sk.dupacks = 0;
      clearLost(sk);
    } else if (acked) {
      // A partial ACK: the next hole begins right behind it.
      if (sk.ca_state == TCP_CA_RECOVERY && rtxQueue(sk).first) markLost(sk, rtxQueue(sk).first);
      if (sk.ca_state == TCP_CA_LOSS) congAvoid(sk, acked);
      xmitRetransmitQueue(sk);
      return;
    } else {
      if (dupack) sk.cwnd++; // a segment has left the network
      xmitRetransmitQueue(sk);
      return;
    }
  }
  if (acked) {
    sk.dupacks = 0;
    congAvoid(sk, acked);
    return;
  }
  if (!dupack || ++sk.dupacks < TCP_FASTRETRANS_THRESH) return;
  const half = inFlight(sk) >> 1;
  sk.ssthresh = half > 2 ? half : 2;
  sk.cwnd = sk.ssthresh + TCP_FASTRETRANS_THRESH;
  sk.ca_state = TCP_CA_RECOVERY;
  sk.high_seq = sk.snd_nxt;
  sk.tlp_high_seq = 0;
  markLost(sk, rtxQueue(sk).first);
  xmitRetransmitQueue(sk);
  rearmRto(sk);
}

function clearLost(sk: Sock): void {
  sk.lost_out = 0;
  sk.retrans_out = 0;
  for (let skb = rtxQueue(sk).first; skb; skb = skb.next) skb.sacked &= ~(TCPCB_LOST | TCPCB_RETRANS);
}

// After the ACK -----------------------------------------------------------------------------------------------------

/** tcp_data_snd_check(): the ACK may have opened a window. */
export function dataSndCheck(sk: Sock): void {
  if (writeQueue(sk).first) pushPending(sk, currentMss(sk), sk.nonagle);
  checkSpace(sk);
}
