// TCP's timers. Three per socket: retransmission (which also serves as loss probe and window probe), delayed ACK, and one
// for states without traffic (FIN_WAIT2 of a closed socket).
//
// RFC 6298 (retransmission), RFC 8985 7 (loss probe), RFC 9293 3.8.6.1 (window probe), RFC 1122 4.2.3.2 (delayed ACK).
import { ETIMEDOUT } from "../abi/errno";
import { TR_TCP_TIMER, TRACE_NET } from "../abi/trace";
import { nowNs } from "../lib/state";
import { timerNew } from "../lib/timer";
import { trace } from "../lib/trace";
import { SOCK_F_DEAD, Sock, rtxQueue, sockHold, sockPut } from "./sock";
import { TCP_CLOSE, TCP_FIN_WAIT2, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT } from "./tcp_states";
import {
  ICSK_ACK_TIMER, ICSK_TIME_LOSS_PROBE, ICSK_TIME_NONE, ICSK_TIME_PROBE0, ICSK_TIME_RETRANS, TCP_ATO_MIN, TCP_NAGLE_CORK, TCP_ORPHAN_RETRIES,
  TCP_RETRIES2, TCP_RTO_MAX, TCP_RTO_MIN, TCP_SYN_LINEAR_TIMEOUTS, TCP_SYN_RETRIES, TCP_SYNACK_RETRIES,
} from "./tcp_defs";
import { ackScheduled, resetXmitTimer, sendHead, stateIn, tcpAbortWith, tcpDone } from "./tcp_sock";
import { sendAck, sendActiveReset } from "./tcp_xmit";
import { enterLoss, retransmitSkb, sendLossProbe, writeWakeup } from "./tcp_retransmit";

const TIMER_RETRANSMIT: u32 = 1; // values of TR_TCP_TIMER
const TIMER_DELACK: u32 = 2;
const TIMER_PROBE: u32 = 3;
const TIMER_CORK: u32 = 4;
const TIMER_TIMEWAIT: u32 = 5;

export function tcpInitTimers(sk: Sock): void {
  const self = changetype<usize>(sk);
  sk.rtx_timer = timerNew(writeTimer.index, self);
  sk.delack_timer = timerNew(delackTimer.index, self);
  sk.keepalive_timer = timerNew(keepaliveTimer.index, self);
}

@inline function shiftRto(rto: u32, backoff: u32): u32 {
  const us = (rto as u64) << (backoff as u64);
  return backoff > 16 || us > (TCP_RTO_MAX as u64) ? TCP_RTO_MAX : (us as u32);
}

/** tcp_probe0_when(): probes come at the pace of retransmissions, never faster than five a second. */
export function probe0When(sk: Sock): u32 {
  return shiftRto(sk.rto > TCP_RTO_MIN ? sk.rto : TCP_RTO_MIN, sk.backoff);
}

function writeTimer(arg: usize): void {
  const sk = changetype<Sock>(arg), what = sk.rtx_pending;
  if (stateIn(sk, (1 << TCP_CLOSE) | (1 << TCP_LISTEN)) || what == ICSK_TIME_NONE) return;
  const corked = what == ICSK_TIME_PROBE0 && (sk.nonagle & TCP_NAGLE_CORK) != 0;
  trace(TRACE_NET, TR_TCP_TIMER, arg, 0, corked ? TIMER_CORK : what == ICSK_TIME_PROBE0 ? TIMER_PROBE : TIMER_RETRANSMIT, 0);
  sockHold(sk);
  if (what == ICSK_TIME_LOSS_PROBE) {
    sendLossProbe(sk);
  } else {
    sk.rtx_pending = ICSK_TIME_NONE;
    if (what == ICSK_TIME_RETRANS) retransmitTimer(sk);
    else probeTimer(sk);
  }
  sockPut(sk);
}

/** tcp_write_timeout(): has the peer been silent for too long? */
function timedOut(sk: Sock): bool {
  let limit = TCP_RETRIES2;
  if (sk.state == TCP_SYN_SENT) limit = (sk.syn_retries ? sk.syn_retries : TCP_SYN_RETRIES) + TCP_SYN_LINEAR_TIMEOUTS;
  else if (sk.state == TCP_SYN_RECV) limit = TCP_SYNACK_RETRIES;
  else if (sk.flags & SOCK_F_DEAD) limit = TCP_ORPHAN_RETRIES;
  if (sk.retransmits >= limit) return true;
  if (!sk.user_timeout || stateIn(sk, (1 << TCP_SYN_SENT) | (1 << TCP_SYN_RECV)) || !sk.retransmits) return false;
  const head = rtxQueue(sk).first;
  return head && (nowNs() - head.when) / 1000000 >= (sk.user_timeout as u64);
}

/** tcp_retransmit_timer(): RFC 6298 5.4 to 5.6. */
function retransmitTimer(sk: Sock): void {
  const head = rtxQueue(sk).first;
  if (!sk.packets_out || !head) return;
  sk.tlp_high_seq = 0;
  if (timedOut(sk)) {
    tcpAbortWith(sk, sk.err ? sk.err : ETIMEDOUT);
    return;
  }
  const handshake = stateIn(sk, (1 << TCP_SYN_SENT) | (1 << TCP_SYN_RECV));
  enterLoss(sk);
  sk.retransmits++;
  if (retransmitSkb(sk, head, 1)) {
    // A local shortage says nothing about the path: try again soon, without backing off.
    resetXmitTimer(sk, ICSK_TIME_RETRANS, sk.rto < 500000 ? sk.rto : 500000);
    return;
  }
  // The first SYNs are repeated at an even pace.
  if (!(handshake && sk.state == TCP_SYN_SENT && sk.linear_timeouts++ < TCP_SYN_LINEAR_TIMEOUTS)) {
    sk.backoff++;
    sk.rto = shiftRto(sk.rto, 1);
  }
  resetXmitTimer(sk, ICSK_TIME_RETRANS, sk.rto);
}

/** tcp_probe_timer(): the window stays closed, or a cork has kept a partial segment for long enough. */
function probeTimer(sk: Sock): void {
  if (sk.packets_out || !sendHead(sk)) {
    sk.probes_out = 0;
    return;
  }
  let limit = TCP_RETRIES2;
  if (sk.flags & SOCK_F_DEAD) {
    limit = TCP_ORPHAN_RETRIES;
    if (sk.probes_out >= limit) {
      sendActiveReset(sk);
      tcpDone(sk);
      return;
    }
  }
  if (sk.probes_out >= limit) {
    tcpAbortWith(sk, sk.err ? sk.err : ETIMEDOUT);
    return;
  }
  // tcp_send_probe0()
  const err = writeWakeup(sk);
  if (sk.packets_out || !sendHead(sk)) {
    sk.probes_out = 0;
    sk.backoff = 0;
    return;
  }
  sk.probes_out++;
  if (err <= 0 && sk.backoff < TCP_RETRIES2) sk.backoff++;
  resetXmitTimer(sk, ICSK_TIME_PROBE0, probe0When(sk));
}

function delackTimer(arg: usize): void {
  const sk = changetype<Sock>(arg);
  if (stateIn(sk, (1 << TCP_CLOSE) | (1 << TCP_LISTEN)) || !(sk.ack_pending & ICSK_ACK_TIMER)) return;
  trace(TRACE_NET, TR_TCP_TIMER, arg, 0, TIMER_DELACK, 0);
  sk.ack_pending &= ~ICSK_ACK_TIMER;
  if (!ackScheduled(sk)) return;
  sockHold(sk);
  if (!sk.ack_pingpong) {
    // The peer does not send in pairs: wait longer next time.
    const longer = sk.ack_ato << 1;
    sk.ack_ato = longer < sk.rto ? longer : sk.rto;
  } else {
    // Nothing was sent that the ACK could have ridden on.
    sk.ack_pingpong = 0;
    sk.ack_ato = TCP_ATO_MIN;
  }
  sendAck(sk);
  sockPut(sk);
}

/** FIN_WAIT2 of a socket nobody has any more: the peer's FIN does not come. */
function keepaliveTimer(arg: usize): void {
  const sk = changetype<Sock>(arg);
  trace(TRACE_NET, TR_TCP_TIMER, arg, 0, TIMER_TIMEWAIT, 0);
  if (sk.state != TCP_FIN_WAIT2 || !(sk.flags & SOCK_F_DEAD)) return;
  sockHold(sk);
  tcpDone(sk);
  sockPut(sk);
}
