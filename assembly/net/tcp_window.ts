// The receive window: what is advertised, and how it follows the buffer.
//
//   rcvbuf --scaling_ratio--> window_clamp >= rcv_ssthresh >= window advertised
//
// rcvbuf counts truesize, a window counts payload; scaling_ratio, measured on full-sized segments, converts. rcv_ssthresh
// starts small and grows with well-filled segments. The right edge of the window never moves back (RFC 9293 3.8.6), except
// when a segment had to be dropped for want of memory. Small windows are not advertised (RFC 1122 4.2.3.3).
import { SOCK_F_RCVBUF_LOCK, SOCK_MIN_RCVBUF, Sock, oooQueue } from "./sock";
import { nowNs } from "../lib/state";
import { SkBuff, skbHeadlen } from "./skbuff";
import {
  ICSK_ACK_NOMEM, TCP_APP_WIN, TCP_INIT_CWND, TCP_MAX_WSCALE, TCP_RMEM_MAX, TCP_SKB_OVERHEAD,
} from "./tcp_defs";
import { sndbufExpand, spaceFromWin, tcpFullSpace, tcpSpace, winFromSpace } from "./tcp_mem";

const U16_MAX: u32 = 65535;
/** Bytes that a reader copies in a round trip of `lo`: four segments, from what Linux measured: 195,072 to 260,149. */
const TCP_LO_ROUND_BYTES: u32 = 4 * 65483;

@inline function min(a: u32, b: u32): u32 { return a < b ? a : b; }
@inline function max(a: u32, b: u32): u32 { return a > b ? a : b; }
@inline function align(n: u32, shift: u32): u32 { return (n + (1 << shift) - 1) & ~((1 << shift) - 1); }

/**
 * tcp_select_initial_window(): window, clamp and scale of a connection that begins. `mss` is what the peer may send;
 * sk.window_clamp is a limit on entry (0 = none).
 */
export function selectInitialWindow(sk: Sock, mss: u32, wscaleOk: bool): void {
  let space = tcpFullSpace(sk) as u32, clamp = sk.window_clamp;
  if (!clamp) clamp = U16_MAX << TCP_MAX_WSCALE;
  space = min(clamp, space);
  if (space > mss) space -= space % mss;
  sk.rcv_wnd = space; // a SYN can only say 65535 of it
  sk.rcv_wscale = 0;
  if (wscaleOk) {
    // The scale has to serve for the largest buffer that autotuning may reach.
    space = min(max(space, TCP_RMEM_MAX), clamp);
    const bits: i32 = 31 - (clz<u32>(space) as i32) - 15;
    sk.rcv_wscale = bits < 0 ? 0 : bits > (TCP_MAX_WSCALE as i32) ? TCP_MAX_WSCALE : (bits as u32);
  }
  sk.window_clamp = min(U16_MAX << sk.rcv_wscale, clamp);
  sk.rcv_ssthresh = sk.rcv_wnd;
}

/** tcp_init_buffer_space(): the connection is established. */
export function initBufferSpace(sk: Sock): void {
  sndbufExpand(sk);
  sk.rcvq_time = nowNs();
  sk.rcvq_seq = sk.copied_seq;
  const maxwin = tcpFullSpace(sk) as u32;
  if (sk.window_clamp >= maxwin) {
    sk.window_clamp = maxwin;
    if (maxwin > 4 * sk.advmss) sk.window_clamp = max(maxwin - (maxwin >> TCP_APP_WIN), 4 * sk.advmss);
  }
  // One segment is kept in reserve.
  if (sk.window_clamp > 2 * sk.advmss && sk.window_clamp + sk.advmss > maxwin) {
    sk.window_clamp = max(2 * sk.advmss, maxwin - sk.advmss);
  }
  sk.rcv_ssthresh = min(sk.rcv_ssthresh, sk.window_clamp);
  sk.rcvq_space = min(min(sk.rcv_ssthresh, sk.rcv_wnd), TCP_INIT_CWND * sk.advmss);
}

/** tcp_receive_window(): what the peer may still send under the window advertised last. */
@inline export function receiveWindow(sk: Sock): u32 {
  const win = (sk.rcv_wup + sk.rcv_wnd - sk.rcv_nxt) as i32;
  return win < 0 ? 0 : win;
}

/**
 * __tcp_select_window(): the window that the buffer allows. Finding less than half of the buffer free also ends the mode
 * in which every segment is acknowledged at once: what the sender learns from such ACKs is only how little room is left.
 */
export function windowFor(sk: Sock): u32 {
  let mss = sk.rcv_mss as i32, free = tcpSpace(sk);
  const allowed = tcpFullSpace(sk), full = (sk.window_clamp as i32) < allowed ? (sk.window_clamp as i32) : allowed;
  if (mss > full) {
    mss = full;
    if (mss <= 0) return 0;
  }
  if (free < full >> 1) {
    sk.ack_quick = 0;
    free &= ~((1 << sk.rcv_wscale) - 1);
    if (free < allowed >> 4 || free < mss) return 0;
  }
  if (free > (sk.rcv_ssthresh as i32)) free = sk.rcv_ssthresh as i32;
  if (sk.rcv_wscale) return align(free as u32, sk.rcv_wscale);
  const window = sk.rcv_wnd as i32;
  if (window <= free - mss || window > free) return (free - free % mss) as u32;
  return mss == full && free > window + (full >> 1) ? (free as u32) : (window as u32);
}

/** tcp_select_window(): the value of the header's window field; what it promises is remembered. */
export function selectWindow(sk: Sock): u32 {
  if (sk.ack_pending & ICSK_ACK_NOMEM) {
    sk.rcv_wnd = 0;
    sk.rcv_wup = sk.rcv_nxt;
    return 0;
  }
  const current = receiveWindow(sk);
  let win = windowFor(sk);
  if (win < current) win = align(current, sk.rcv_wscale);
  sk.rcv_wnd = win;
  sk.rcv_wup = sk.rcv_nxt;
  return min(win, U16_MAX << sk.rcv_wscale) >> sk.rcv_wscale;
}

/** tcp_set_window_clamp(): a larger clamp lets rcv_ssthresh rise to what is advertised already, a smaller one cuts it. */
export function setWindowClamp(sk: Sock, val: u32): void {
  const old = sk.window_clamp, clamp = max(val, SOCK_MIN_RCVBUF >> 1);
  if (clamp == old) return;
  sk.window_clamp = clamp;
  sk.rcv_ssthresh = clamp < old ? min(sk.rcv_ssthresh, clamp) : max(min(sk.rcv_wnd, clamp), sk.rcv_ssthresh);
}

/** The part of tcp_measure_rcv_mss() that learns how much of a segment's truesize is payload. */
export function measureScalingRatio(sk: Sock, skb: SkBuff): void {
  const ratio = (((skb.len as u64) << 8) / (skb.truesize as u64)) as u32;
  const now = ratio > 255 ? 255 : ratio ? ratio : 1;
  if (now == sk.scaling_ratio) return;
  sk.scaling_ratio = now;
  setWindowClamp(sk, winFromSpace(sk, sk.rcvbuf as i32) as u32);
  if (sk.window_clamp < sk.rcvq_space) sk.rcvq_space = sk.window_clamp;
}

/** tcp_grow_window(): the segment was in order; if such segments would fill the buffer well, more window can be given. */
export function growWindow(sk: Sock, skb: SkBuff, coalesced: bool): void {
  const space = tcpSpace(sk), limit = (sk.window_clamp as i32) < space ? (sk.window_clamp as i32) : space;
  const room = limit - (sk.rcv_ssthresh as i32);
  if (room <= 0) return;
  let truesize = skb.truesize;
  if (coalesced && !skbHeadlen(skb)) truesize -= TCP_SKB_OVERHEAD;
  let incr = winFromSpace(sk, truesize as i32) <= (skb.len as i32) ? 2 * sk.advmss : growStep(sk, skb.len, truesize);
  if (!incr) return;
  incr = max(incr, 2 * skb.len);
  sk.rcv_ssthresh += min(room as u32, incr);
  sk.ack_quick |= 1;
}

/** __tcp_grow_window(): the poorer the segments, the earlier growth ends. */
function growStep(sk: Sock, len: u32, truesize: u32): u32 {
  let size = winFromSpace(sk, truesize as i32) >> 1, window = winFromSpace(sk, TCP_RMEM_MAX as i32) >> 1;
  while ((sk.rcv_ssthresh as i32) <= window) {
    if (size <= (len as i32)) return 2 * sk.rcv_mss;
    size >>= 1;
    window >>= 1;
  }
  return 0;
}

/** tcp_clamp_window(): the receive queue is over its limit. A buffer nobody has fixed follows it. */
export function clampWindow(sk: Sock): void {
  sk.ack_quick = 0;
  if (sk.rcvbuf < TCP_RMEM_MAX && !(sk.flags & SOCK_F_RCVBUF_LOCK)) sk.rcvbuf = min(sk.rmem_alloc, TCP_RMEM_MAX);
  if (sk.rmem_alloc > sk.rcvbuf) sk.rcv_ssthresh = min(sk.window_clamp, 2 * sk.advmss);
}

// Receive autotuning ------------------------------------------------------------------------------------------------

/** tcp_rcv_rtt_update(): a sample of the round trip as the receiver sees it, us. The smallest is the best. */
function rcvRttUpdate(sk: Sock, sample: u32, fromWindow: bool): void {
  const m = sample << 3, old = sk.rcv_rtt;
  if (!old || m < old) sk.rcv_rtt = m;
  else if (!fromWindow && sk.rcv_nxt == sk.copied_seq) sk.rcv_rtt = old - (old >> 3) + sample;
}

/** tcp_rcv_rtt_measure(): the time that one window of data takes to arrive. */
export function rcvRttMeasure(sk: Sock): void {
  const now = nowNs();
  if (sk.rcv_rtt_time) {
    if (((sk.rcv_nxt - sk.rcv_rtt_seq) as i32) < 0) return;
    const us = ((now + 1 - sk.rcv_rtt_time) / 1000) as u32;
    rcvRttUpdate(sk, us ? us : 1, true);
  }
  sk.rcv_rtt_seq = sk.rcv_nxt + sk.rcv_wnd;
  sk.rcv_rtt_time = now + 1; // never 0
}

/** tcp_rcv_rtt_measure_ts(): the age of the timestamp that a full-sized segment echoes. Below a millisecond it says nothing. */
export function rcvRttMeasureTs(sk: Sock, tsecr: u32, nowMs: u32, len: u32): void {
  if (tsecr == sk.rcv_rtt_tsecr) return;
  sk.rcv_rtt_tsecr = tsecr;
  if (len < sk.rcv_mss) return;
  const delta = nowMs - tsecr;
  if (delta && delta < 0x100000) rcvRttUpdate(sk, delta * 1000, false);
}

/**
 * tcp_rcv_space_adjust(): the reader took data; once per round trip the buffer is made to fit twice that much. Virtual time
 * may stand still for many round trips, so two things count as one, too: the reader has taken everything and whatever comes
 * next has to be sent first; or it copied as much as a processor copies during a round trip of `lo`.
 */
export function rcvSpaceAdjust(sk: Sock): void {
  const now = nowNs();
  if (!sk.rcv_rtt) return;
  const taken = sk.copied_seq - sk.rcvq_seq, queued = sk.rcv_nxt - sk.copied_seq;
  if ((now - sk.rcvq_time) / 1000 < ((sk.rcv_rtt >> 3) as u64) && queued && taken < TCP_LO_ROUND_BYTES) return;
  // What still waits shows that the reader, not the window, is the bottleneck.
  const copied = (taken - queued) as i32;
  if (copied > (sk.rcvq_space as i32)) rcvbufGrow(sk, copied as u32);
  sk.rcvq_seq = sk.copied_seq;
  sk.rcvq_time = now;
}

/** tcp_rcvbuf_grow(): the sender may double its rate meanwhile, and what is out of order needs room too. */
function rcvbufGrow(sk: Sock, space: u32): void {
  const old = max(sk.rcvq_space, 1);
  sk.rcvq_space = space;
  if (sk.flags & SOCK_F_RCVBUF_LOCK) return;
  let win = (space as u64) << 1;
  win += ((win * ((space - old) as u64)) / (old as u64)) << 1;
  const last = oooQueue(sk).last;
  if (last) win += (last.end_seq - sk.rcv_nxt) as u64;
  const want = win < (TCP_RMEM_MAX as u64) ? spaceFromWin(sk, win as u32) : (TCP_RMEM_MAX as u64);
  const rcvbuf = want < (TCP_RMEM_MAX as u64) ? (want as u32) : TCP_RMEM_MAX;
  if (rcvbuf <= sk.rcvbuf) return;
  sk.rcvbuf = rcvbuf;
  setWindowClamp(sk, winFromSpace(sk, rcvbuf as i32) as u32);
}
