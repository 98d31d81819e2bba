// Received data: the in-order queue that readers take from, the out-of-order queue behind it, and when to acknowledge.
//
// An skb is queued as it came, frags and all; small ones are merged into the last one when the frag array has room, which
// saves Linux (and the accounting here) one bookkeeping unit each. Memory is charged with truesize. A segment that finds
// the buffer over its limit is dropped, and the window closed, until the reader has made room.
import { REF_DROPPED, REF_READ } from "../abi/trace";
import { nowNs } from "../lib/state";
import { getPage } from "../mm/page";
import { MAX_SKB_FRAGS, SkBuff, fragAddr, fragSize, kfreeSkb, skbCloned, skbFillPage, skbHeadlen, skbPull } from "./skbuff";
import { SkbQueue, skbQueueAfter, skbQueuePurge, skbQueueTail, skbUnlink } from "./skb_queue";
import { SHUTDOWN_RCV, SOCK_F_DEAD, SOCK_F_OWNED, Sock, oooQueue, receiveQueue, skDataReady, skStateChange } from "./sock";
import { TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_SYN_RECV } from "./tcp_states";
import {
  ICSK_ACK_NOMEM, ICSK_ACK_NOW, ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, ICSK_ACK_TIMER, TCP_ATO_MIN, TCP_DELACK_MAX, TCP_DELACK_MIN,
  TCP_HLEN, TCP_MAX_QUICKACKS, TCP_MIN_MSS, TCP_MSS_DEFAULT, TCP_SF_ACK_DEFERRED, TCP_SF_DONE, TCP_SKB_OVERHEAD, TH_FIN, TH_PSH, TH_SYN,
  TH_URG, after, before,
} from "./tcp_defs";
import { appendTail, tailroom, tcpCollapse } from "./tcp_collapse";
import { ackScheduled, armDelack, scheduleAck, tcpSetState, tickAfter } from "./tcp_sock";
import { memCharge, memSchedule, tcpSetOwnerR } from "./tcp_mem";
import { clampWindow, growWindow, measureScalingRatio, rcvRttMeasure, receiveWindow, windowFor } from "./tcp_window";
import { sendAck } from "./tcp_xmit";
import { tcpTimeWait } from "./tcp_timewait";

@inline function min(a: u32, b: u32): u32 { return a < b ? a : b; }

// Acknowledging -----------------------------------------------------------------------------------------------------

/** tcp_enter_quickack_mode(): ACKs go out at once for a while. */
export function enterQuickack(sk: Sock): void {
  incrQuickack(sk);
  sk.ack_pingpong = 0;
  sk.ack_ato = TCP_ATO_MIN;
}
function incrQuickack(sk: Sock): void {
  let n = sk.rcv_wnd / (2 * sk.rcv_mss);
  if (!n) n = 2;
  n = min(n, TCP_MAX_QUICKACKS);
  if (n > sk.ack_quick) sk.ack_quick = n;
}

/** tcp_ack_snd_check(): sends the ACK that is owed, or lets it wait (RFC 1122 4.2.3.2, RFC 5681 4.2). */
export function ackSndCheck(sk: Sock): void {
  if (!ackScheduled(sk)) return;
  const unacked = sk.rcv_nxt - sk.rcv_wup;
  const now =
    // More than one full segment, and the window would not get smaller by saying so.
    (unacked > sk.rcv_mss && (sk.rcv_nxt - sk.copied_seq < lowat(sk) || windowFor(sk) >= sk.rcv_wnd)) ||
    (sk.ack_quick != 0 && !sk.ack_pingpong) ||
    (sk.ack_pending & ICSK_ACK_NOW) != 0;
  if (now || oooQueue(sk).first) {
    // One ACK for all that the backlog holds (net.ipv4.tcp_backlog_ack_defer).
    if (sk.flags & SOCK_F_OWNED) sk.tcp_flags |= TCP_SF_ACK_DEFERRED;
    else sendAck(sk);
    return;
  }
  sendDelayedAck(sk);
}
@inline function lowat(sk: Sock): u32 { return sk.rcvlowat ? sk.rcvlowat : 1; }

/** tcp_send_delayed_ack() */
function sendDelayedAck(sk: Sock): void {
  let ato = sk.ack_ato;
  if (ato > TCP_DELACK_MIN) {
    let most: u32 = 500000;
    if (sk.ack_pingpong || sk.ack_pending & ICSK_ACK_PUSHED) most = TCP_DELACK_MAX;
    // A path whose round trip is known does not wait longer than that.
    if (sk.srtt) most = min(most, sk.srtt > TCP_DELACK_MIN ? sk.srtt : TCP_DELACK_MIN);
    ato = min(ato, most);
  }
  let at = tickAfter(ato);
  if (sk.ack_pending & ICSK_ACK_TIMER) {
    const armed = sk.delack_timer.expires;
    if (armed <= nowNs() + (ato as u64) * 250) { // due within a quarter of the wait
      sendAck(sk);
      return;
    }
    if (armed < at) at = armed;
  }
  armDelack(sk, at);
}

/** tcp_measure_rcv_mss(): the size of segment that the peer uses. */
function measureRcvMss(sk: Sock, skb: SkBuff): void {
  const last = sk.last_seg_size;
  sk.last_seg_size = 0;
  let len = skb.shinfo.gso_size ? skb.shinfo.gso_size : skb.len;
  if (len >= sk.rcv_mss) {
    if (len != sk.rcv_mss) measureScalingRatio(sk, skb);
    sk.rcv_mss = min(len, sk.advmss);
    // A pushed full-sized segment may be the end of a write whose sender waits for the ACK (zero copy does).
    if (skb.tcp_flags & TH_PSH) sk.ack_pending |= ICSK_ACK_PUSHED;
    return;
  }
  len += (skb.data - skb.th) as u32;
  const full = !(skb.tcp_flags & (TH_FIN | TH_URG | TH_SYN | TH_PSH));
  if (len >= TCP_MSS_DEFAULT + TCP_HLEN || (len >= TCP_MIN_MSS + TCP_HLEN && full)) {
    len -= sk.tcp_header_len;
    sk.last_seg_size = len;
    if (len == last) { // twice the same below the estimate
      sk.rcv_mss = len;
      return;
    }
  }
  if (sk.ack_pending & ICSK_ACK_PUSHED) sk.ack_pending |= ICSK_ACK_PUSHED2;
  sk.ack_pending |= ICSK_ACK_PUSHED;
}

/** tcp_event_data_recv() */
function eventDataRecv(sk: Sock, skb: SkBuff): void {
  scheduleAck(sk);
  measureRcvMss(sk, skb);
  rcvRttMeasure(sk);
  const now = nowNs() + 1; // 0 is never
  if (!sk.ack_ato) {
    incrQuickack(sk); // a connection that begins: the sender is in slow start and needs ACKs
    sk.ack_ato = TCP_ATO_MIN;
  } else {
    const gap = (now - sk.lrcvtime) / 1000;
    if (gap <= ((TCP_ATO_MIN / 2) as u64)) {
      sk.ack_ato = (sk.ack_ato >> 1) + TCP_ATO_MIN / 2;
    } else if (gap < (sk.ack_ato as u64)) {
      sk.ack_ato = min((sk.ack_ato >> 1) + (gap as u32), sk.rto);
    } else if (gap > (sk.rto as u64)) {
      incrQuickack(sk); // the sender has been idle and starts again
    }
  }
  sk.lrcvtime = now;
  if (skb.len >= 128) growWindow(sk, skb, true);
}

// Queues ------------------------------------------------------------------------------------------------------------

/**
 * skb_try_coalesce(): appends the frags of `from` to `to`, which nobody else may share. The truesize that `to` gains, less
 * the bookkeeping that is saved; -1 if they cannot be joined. `from` is the caller's to free.
 */
export function coalesce(to: SkBuff, from: SkBuff): i32 {
  if (skbCloned(to)) return -1;
  if (tailroom(to) >= from.len && from.len) {
    appendTail(to, from);
    joined(to, from);
    return 0;
  }
  if (skbHeadlen(from)) return -1;
  const ts = to.shinfo, fs = from.shinfo;
  if (ts.nr_frags + fs.nr_frags > MAX_SKB_FRAGS) return -1;
  const shared = skbCloned(from);
  for (let i: u32 = 0; i < fs.nr_frags; i++) {
    skbFillPage(ts, fragAddr(fs, i), fragSize(fs, i));
    if (shared) getPage(fragAddr(fs, i));
  }
  if (!shared) fs.nr_frags = 0; // the references moved along
  const overhead = from.truesize - from.len;
  const delta = from.truesize - (overhead < TCP_SKB_OVERHEAD ? overhead : TCP_SKB_OVERHEAD);
  to.truesize += delta;
  joined(to, from);
  return delta as i32;
}
@inline function joined(to: SkBuff, from: SkBuff): void {
  to.len += from.len;
  to.data_len += from.len;
  to.end_seq = from.end_seq;
  to.tcp_flags |= from.tcp_flags;
}

/** tcp_try_coalesce(): the same for skbs of a receive queue, where `to` is charged to the socket. */
function tryCoalesce(sk: Sock, to: SkBuff, from: SkBuff): bool {
  if (from.seq != to.end_seq || to.tcp_flags & TH_FIN) return false;
  const delta = coalesce(to, from);
  if (delta < 0) return false;
  sk.rmem_alloc += delta as u32;
  memCharge(sk, delta as u32);
  return true;
}

/** tcp_queue_rcv(): true if the skb was merged and is the caller's to free. */
function queueRcv(sk: Sock, skb: SkBuff): bool {
  const q = receiveQueue(sk), tail = q.last;
  const eaten: bool = tail ? tryCoalesce(sk, tail, skb) : false;
  sk.rcv_nxt = skb.end_seq;
  if (!eaten) {
    skbQueueTail(q, skb);
    tcpSetOwnerR(skb, sk);
  }
  return eaten;
}

@inline function canIngest(sk: Sock): bool { return sk.rmem_alloc <= sk.rcvbuf; }

/** tcp_try_rmem_schedule(): is there room, if need be after making some? */
function tryRmemSchedule(sk: Sock, truesize: u32): bool {
  if (!canIngest(sk) && !pruneQueue(sk)) return false;
  memSchedule(sk, truesize);
  return true;
}

/**
 * tcp_prune_queue(): a buffer that may grow grows; else bytes are copied together; else what came out of order goes, the
 * newest first.
 */
function pruneQueue(sk: Sock): bool {
  clampWindow(sk);
  if (canIngest(sk)) return true;
  tcpCollapse(sk);
  const ooo = oooQueue(sk);
  while (!canIngest(sk) && ooo.last) {
    const skb = ooo.last;
    skbUnlink(ooo, skb);
    kfreeSkb(skb, REF_DROPPED);
  }
  return canIngest(sk);
}

@inline function drop(skb: SkBuff): void { kfreeSkb(skb, REF_DROPPED); }

/** tcp_data_ready(): wakes readers for whom it is enough. */
export function dataReady(sk: Sock): void {
  if (sk.flags & SOCK_F_DEAD) return;
  if (sk.rcv_nxt - sk.copied_seq < lowat(sk) && !(sk.tcp_flags & TCP_SF_DONE) && canIngest(sk)) return;
  skDataReady(sk);
}

/** tcp_data_queue(): takes over a segment with payload or FIN, `data` at the payload. */
export function dataQueue(sk: Sock, skb: SkBuff): void {
  if (skb.seq == skb.end_seq) {
    drop(skb);
    return;
  }
  if (skb.seq == sk.rcv_nxt) {
    if (!receiveWindow(sk) && !(skb.len == 0 && skb.tcp_flags & TH_FIN)) {
      outOfWindow(sk, skb);
      return;
    }
    inOrder(sk, skb);
    return;
  }
  if (!after(skb.end_seq, sk.rcv_nxt)) {
    outOfWindow(sk, skb); // old: an ACK was lost, repeat it
    return;
  }
  if (!before(skb.seq, sk.rcv_nxt + receiveWindow(sk))) {
    outOfWindow(sk, skb);
    return;
  }
  if (before(skb.seq, sk.rcv_nxt)) {
    if (!receiveWindow(sk)) outOfWindow(sk, skb);
    else inOrder(sk, skb); // its beginning is old, readers skip it
    return;
  }
  outOfOrder(sk, skb);
}

function outOfWindow(sk: Sock, skb: SkBuff): void {
  enterQuickack(sk);
  scheduleAck(sk);
  drop(skb);
}

function inOrder(sk: Sock, skb: SkBuff): void {
  const len = skb.len;
  if (!tryRmemSchedule(sk, skb.truesize)) {
    sk.ack_pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
    scheduleAck(sk);
    skDataReady(sk);
    if (receiveQueue(sk).first && len) {
      drop(skb);
      return;
    }
    memSchedule(sk, skb.truesize); // an empty queue takes one segment whatever it costs
  }
  const fin = skb.tcp_flags & TH_FIN;
  const eaten = queueRcv(sk, skb);
  if (len) eventDataRecv(sk, skb);
  if (fin) tcpFin(sk);
  if (oooQueue(sk).first) {
    oooToReceive(sk);
    if (!oooQueue(sk).first) sk.ack_pending |= ICSK_ACK_NOW; // a hole is closed: RFC 5681 4.2
  }
  if (eaten) kfreeSkb(skb, REF_READ);
  dataReady(sk);
}

/** tcp_data_queue_ofo(): keeps the segment until the hole before it is filled. */
function outOfOrder(sk: Sock, skb: SkBuff): void {
  if (!tryRmemSchedule(sk, skb.truesize)) {
    skDataReady(sk);
    drop(skb);
    return;
  }
  scheduleAck(sk);
  const q = oooQueue(sk);
  let at = q.last;
  while (at && after(at.seq, skb.seq)) at = at.prev;
  if (at && !after(skb.end_seq, at.end_seq)) {
    drop(skb); // nothing new in it
    return;
  }
  if (at && tryCoalesce(sk, at, skb)) {
    growWindow(sk, skb, true);
    kfreeSkb(skb, REF_READ);
    removeCovered(q, at);
    return;
  }
  skbQueueAfter(q, at, skb);
  tcpSetOwnerR(skb, sk);
  growWindow(sk, skb, false);
  removeCovered(q, skb);
}

/** Segments behind `skb` that it covers wholly are of no use any more. */
function removeCovered(q: SkbQueue, skb: SkBuff): void {
  for (let next = skb.next; next && !after(next.end_seq, skb.end_seq); next = skb.next) {
    skbUnlink(q, next);
    drop(next);
  }
}

/** tcp_ofo_queue(): what has become in order. */
function oooToReceive(sk: Sock): void {
  const q = oooQueue(sk), rq = receiveQueue(sk);
  for (let skb = q.first; skb && !after(skb.seq, sk.rcv_nxt); skb = q.first) {
    skbUnlink(q, skb);
    if (!after(skb.end_seq, sk.rcv_nxt)) {
      drop(skb);
      continue;
    }
    const fin = skb.tcp_flags & TH_FIN, tail = rq.last;
    sk.rcv_nxt = skb.end_seq;
    // Charged already: merging moves the charge from one skb to the other, less the bookkeeping that is saved.
    if (tail && tryCoalesce(sk, tail, skb)) kfreeSkb(skb, REF_READ);
    else skbQueueTail(rq, skb);
    if (fin) {
      tcpFin(sk);
      return;
    }
  }
}

/** tcp_fin(): the peer has sent its last byte (RFC 9293 3.10.7.4, eighth). */
function tcpFin(sk: Sock): void {
  scheduleAck(sk);
  sk.shutdown |= SHUTDOWN_RCV;
  sk.tcp_flags |= TCP_SF_DONE;
  const state = sk.state;
  if (state == TCP_SYN_RECV || state == TCP_ESTABLISHED) {
    tcpSetState(sk, TCP_CLOSE_WAIT);
    sk.ack_pingpong = 1; // an answer may follow and carry the ACK
  } else if (state == TCP_FIN_WAIT1) {
    sendAck(sk); // both have closed at once
    tcpSetState(sk, TCP_CLOSING);
  } else if (state == TCP_FIN_WAIT2) {
    sendAck(sk);
    tcpTimeWait(sk);
  }
  skbQueuePurge(oooQueue(sk), REF_DROPPED);
  if (!(sk.flags & SOCK_F_DEAD)) skStateChange(sk);
}
