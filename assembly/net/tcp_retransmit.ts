// Sending again: what timed out, what is known to be lost, and probes that ask the peer where it stands.
//
// The pages of a retransmitted skb are read again, as they are now: this is why a zero-copy buffer stays lent until the
// ACK. Every retransmission is another clone of the same skb (spec send-zc.md 3.3).
import { EAGAIN, EHOSTUNREACH } from "../abi/errno";
import { CNT_RETRANS } from "../abi/counters";
import { cntInc } from "../lib/state";
import { TR_TCP_RETRANS, TRACE_NET } from "../abi/trace";
import { trace } from "../lib/trace";
import { SkBuff, skbTrimHead, skbUnclone } from "./skbuff";
import { Sock, rtxQueue, writeQueue } from "./sock";
import { TCP_CLOSE } from "./tcp_states";
import {
  TCPCB_EVER_RETRANS, TCPCB_LOST, TCPCB_RETRANS, TCP_CA_LOSS, TCP_NAGLE_OFF, TH_PSH, before, pcount,
} from "./tcp_defs";
import { inFlight, sendHead } from "./tcp_sock";
import { memUncharge, skbIsPure } from "./tcp_mem";
import { adjustPcount, currentMss, fragment, newDataSent, rearmRto, setTsoSegs, wndEnd, wndTest, writeXmit } from "./tcp_output";
import { transmitSkb, xmitProbe } from "./tcp_xmit";

@inline function min(a: u32, b: u32): u32 { return a < b ? a : b; }

/** tcp_trim_head(): the first `n` bytes of a sent skb are acknowledged. 0 or -ENOMEM. */
export function trimHead(sk: Sock, skb: SkBuff, n: u32): i32 {
  const err = skbUnclone(skb);
  if (err) return err;
  skbTrimHead(skb, n);
  skb.seq += n;
  skb.truesize -= n;
  sk.wmem_queued -= n;
  if (!skbIsPure(skb)) memUncharge(sk, n);
  const segs = pcount(skb);
  if (segs > 1) {
    setTsoSegs(skb, skb.cb1);
    adjustPcount(sk, skb, (segs - pcount(skb)) as i32);
  }
  return 0;
}

/** __tcp_retransmit_skb(): sends up to `segs` segments from the start of `skb`; the rest of it is split off. */
export function retransmitOne(sk: Sock, skb: SkBuff, segs: u32): i32 {
  if (before(skb.seq, sk.snd_una)) {
    // A part was acknowledged although the skb counted as one segment.
    if (!before(sk.snd_una, skb.end_seq)) return -EAGAIN;
    if (skb.len && trimHead(sk, skb, sk.snd_una - skb.seq)) return -EAGAIN;
  }
  const mss = currentMss(sk);
  let room = (wndEnd(sk) - skb.seq) as i32;
  // The peer has shrunk its window below this segment. Its first segment still serves as a probe.
  if (room <= 0) {
    if (skb.seq != sk.snd_una) return -EAGAIN;
    room = mss as i32;
  }
  let len = mss * segs;
  if (len > (room as u32)) {
    len = (room as u32) - (room as u32) % mss;
    if (!len) len = room as u32;
  }
  if (skb.len > len) {
    const err = fragment(sk, rtxQueue(sk), skb, len, mss);
    if (err) return err;
  } else {
    const err = skbUnclone(skb); // headers of the copy in flight stay as they are
    if (err) return err;
    const old = pcount(skb);
    setTsoSegs(skb, mss);
    adjustPcount(sk, skb, (old as i32) - (pcount(skb) as i32));
  }
  cntInc(CNT_RETRANS);
  trace(TRACE_NET, TR_TCP_RETRANS, changetype<usize>(skb), (skb.seq as u64) | ((skb.end_seq as u64) << 32), 0, 0);
  skb.sacked |= TCPCB_EVER_RETRANS;
  sk.total_retrans += pcount(skb);
  return transmitSkb(sk, skb, true, sk.rcv_nxt);
}

/** tcp_retransmit_skb(): the same, counted as in flight again. */
export function retransmitSkb(sk: Sock, skb: SkBuff, segs: u32): i32 {
  const err = retransmitOne(sk, skb, segs);
  if (!err && !(skb.sacked & TCPCB_RETRANS)) {
    skb.sacked |= TCPCB_RETRANS;
    sk.retrans_out += pcount(skb);
  }
  return err;
}

@inline export function markLost(sk: Sock, skb: SkBuff): void {
  if (skb.sacked & TCPCB_LOST) return;
  skb.sacked |= TCPCB_LOST;
  sk.lost_out += pcount(skb);
}

/** tcp_enter_loss() (RFC 5681 3.1): the timer has found everything lost. */
export function enterLoss(sk: Sock): void {
  if (sk.ca_state < TCP_CA_LOSS || before(sk.high_seq, sk.snd_una)) {
    const half = sk.cwnd >> 1;
    sk.ssthresh = half > 2 ? half : 2;
  }
  sk.cwnd = 1;
  sk.cwnd_cnt = 0;
  sk.retrans_out = 0;
  sk.lost_out = 0;
  for (let skb = rtxQueue(sk).first; skb; skb = skb.next) {
    skb.sacked &= ~TCPCB_RETRANS;
    skb.sacked |= TCPCB_LOST;
    sk.lost_out += pcount(skb);
  }
  sk.ca_state = TCP_CA_LOSS;
  sk.high_seq = sk.snd_nxt;
  sk.tlp_high_seq = 0;
}

/** tcp_xmit_retransmit_queue(): what is marked lost, as far as the congestion window reaches. */
export function xmitRetransmitQueue(sk: Sock): void {
  let rearm = false;
  for (let skb = rtxQueue(sk).first; skb && sk.retrans_out < sk.lost_out; skb = skb.next) {
    const out = inFlight(sk);
    if (out >= sk.cwnd) break;
    if (!(skb.sacked & TCPCB_LOST) || skb.sacked & TCPCB_RETRANS) continue;
    if (retransmitSkb(sk, skb, min(sk.cwnd - out, pcount(skb)))) break;
    if (skb == rtxQueue(sk).first) rearm = true;
  }
  if (rearm) rearmRto(sk);
}

/** tcp_send_loss_probe() (RFC 8985 7.3): new data if there is some, else the last segment again, to provoke an ACK. */
export function sendLossProbe(sk: Sock): void {
  const head = sendHead(sk), mss = currentMss(sk);
  if (sk.state != TCP_CLOSE && !sk.tlp_high_seq) {
    if (head && wndTest(sk, head, mss)) {
      const out = sk.packets_out;
      writeXmit(sk, mss, TCP_NAGLE_OFF, 2);
      if (sk.packets_out > out) {
        sk.tlp_high_seq = sk.snd_nxt;
        rearmRto(sk);
        return;
      }
    }
    probeTail(sk, mss);
  }
  rearmRto(sk);
}

function probeTail(sk: Sock, mss: u32): void {
  let skb = rtxQueue(sk).last;
  if (!skb) return;
  const segs = pcount(skb);
  if (segs > 1 && skb.len > (segs - 1) * mss) {
    if (fragment(sk, rtxQueue(sk), skb, (segs - 1) * mss, mss)) return;
    skb = skb.next;
  }
  if (!retransmitOne(sk, skb, 1)) sk.tlp_high_seq = sk.snd_nxt;
}

/**
 * tcp_write_wakeup(): answers a closed window. What fits it is sent, were it less than a segment (RFC 9293 3.8.6.1);
 * nothing fits: an old sequence number.
 */
export function writeWakeup(sk: Sock): i32 {
  if (sk.state == TCP_CLOSE) return -EHOSTUNREACH;
  const skb = sendHead(sk);
  if (!skb || !before(skb.seq, wndEnd(sk))) return xmitProbe(sk);
  const mss = currentMss(sk);
  if (before(sk.pushed_seq, skb.end_seq)) sk.pushed_seq = skb.end_seq;
  let size = wndEnd(sk) - skb.seq;
  if (size < skb.end_seq - skb.seq || skb.len > mss) {
    size = min(size, mss);
    skb.tcp_flags |= TH_PSH;
    if (size < skb.len) {
      const err = fragment(sk, writeQueue(sk), skb, size, mss);
      if (err) return err;
    }
  } else {
    setTsoSegs(skb, mss);
  }
  skb.tcp_flags |= TH_PSH;
  const err = transmitSkb(sk, skb, true, sk.rcv_nxt);
  if (!err) newDataSent(sk, skb);
  return err;
}
