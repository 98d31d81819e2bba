// What every part of TCP needs of a socket: state changes, its timers, the send queues, errors.
//
// Life: skAlloc() gives the reference of the file (or of the listener's queue). tcpDone() ends the connection; once the
// file is gone too, tcpDestroy() drops that reference. Whoever handles a packet or a timer holds one of their own.
import { ECONNREFUSED, ECONNRESET, EPIPE } from "../abi/errno";
import { REF_PURGED, REF_READ, TR_TCP_STATE, TRACE_NET } from "../abi/trace";
import { nil, nowNs } from "../lib/state";
import { Timer, timerArm, timerArmed, timerCancel, timerFree } from "../lib/timer";
import { trace } from "../lib/trace";
import { localBhDisable, localBhEnable } from "../kernel/sched";
import { SkBuff } from "./skbuff";
import { skbDequeue, skbQueuePurge } from "./skb_queue";
import {
  SHUTDOWN_RCV, SHUTDOWN_SEND, SOCK_F_DEAD, SOCK_F_OWNED, Sock, backlogQueue, oooQueue, receiveQueue, rtxQueue, skErrorReport,
  skFlushBacklog, skStateChange, sockPut, writeQueue,
} from "./sock";
import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_SYN_SENT } from "./tcp_states";
import { ICSK_ACK_SCHED, ICSK_ACK_TIMER, ICSK_TIME_NONE, TCP_RTO_MAX, TCP_SF_DESTROYED, TICK_NS, TICK_US } from "./tcp_defs";
import { wmemFreeSkb } from "./tcp_mem";
import { tcpUnhash } from "./tcp_hash";

export function tcpSetState(sk: Sock, state: u32): void {
  if (sk.state == state) return;
  trace(TRACE_NET, TR_TCP_STATE, changetype<usize>(sk), 0, sk.state, state);
  sk.state = state;
  if (state == TCP_CLOSE) tcpUnhash(sk);
}
@inline export function stateIn(sk: Sock, mask: u32): bool { return ((1 << sk.state) & mask) != 0; }
export const TCPF_SENDING: u32 = (1 << TCP_ESTABLISHED) | (1 << TCP_CLOSE_WAIT);

/** Milliseconds for timestamps (RFC 7323 5.4). */
@inline export function tcpNowMs(): u32 { return (nowNs() / 1000000) as u32 + 0x10000; }

// Timers ------------------------------------------------------------------------------------------------------------

/** The tick by which `us` have surely passed. */
@inline export function tickAfter(us: u32): u64 {
  return (nowNs() / TICK_NS + (((us as u64) + TICK_US - 1) / TICK_US) + 1) * TICK_NS;
}

/** (Re)starts the retransmit timer for `what` (ICSK_TIME_*). */
export function resetXmitTimer(sk: Sock, what: u32, us: u32): void {
  if (!sk.rtx_timer) return; // the socket is being destroyed
  sk.rtx_pending = what;
  timerArm(sk.rtx_timer, tickAfter(us < TCP_RTO_MAX ? us : TCP_RTO_MAX));
}
@inline export function clearXmitTimer(sk: Sock): void {
  sk.rtx_pending = ICSK_TIME_NONE;
  if (timerArmed(sk.rtx_timer)) timerCancel(sk.rtx_timer);
}
/** The ACK that was owed has been sent. */
@inline export function clearDelack(sk: Sock): void {
  sk.ack_pending = 0;
  if (timerArmed(sk.delack_timer)) timerCancel(sk.delack_timer);
}
export function armDelack(sk: Sock, at: u64): void {
  if (!sk.delack_timer) return;
  sk.ack_pending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER;
  timerArm(sk.delack_timer, at);
}
@inline export function scheduleAck(sk: Sock): void { sk.ack_pending |= ICSK_ACK_SCHED; }
@inline export function ackScheduled(sk: Sock): bool { return (sk.ack_pending & ICSK_ACK_SCHED) != 0; }

export function clearTimers(sk: Sock): void {
  clearXmitTimer(sk);
  clearDelack(sk);
  if (timerArmed(sk.keepalive_timer)) timerCancel(sk.keepalive_timer);
}

// Queues ------------------------------------------------------------------------------------------------------------

@inline export function sendHead(sk: Sock): SkBuff { return writeQueue(sk).first; }
@inline export function queuesEmpty(sk: Sock): bool { return !writeQueue(sk).first && !rtxQueue(sk).first; }
@inline export function inFlight(sk: Sock): u32 { return sk.packets_out - sk.lost_out + sk.retrans_out; }

/** tcp_write_queue_purge(): nothing more will be sent, or sent again. */
export function writeQueuePurge(sk: Sock): void {
  for (let skb = skbDequeue(writeQueue(sk)); skb; skb = skbDequeue(writeQueue(sk))) wmemFreeSkb(sk, skb, REF_PURGED);
  for (let skb = skbDequeue(rtxQueue(sk)); skb; skb = skbDequeue(rtxQueue(sk))) wmemFreeSkb(sk, skb, REF_PURGED);
  sk.packets_out = 0;
  sk.retrans_out = 0;
  sk.lost_out = 0;
  sk.backoff = 0;
}

// The end -----------------------------------------------------------------------------------------------------------

/** tcp_done(): the connection is over. A socket nobody refers to goes with it. */
export function tcpDone(sk: Sock): void {
  tcpSetState(sk, TCP_CLOSE);
  clearTimers(sk);
  sk.shutdown = SHUTDOWN_RCV | SHUTDOWN_SEND;
  if (!(sk.flags & SOCK_F_DEAD)) skStateChange(sk);
  else tcpDestroy(sk);
}

/** inet_csk_destroy_sock(): closed and without a file. Drops the file's reference; the caller holds another. */
export function tcpDestroy(sk: Sock): void {
  if (sk.tcp_flags & TCP_SF_DESTROYED) return;
  sk.tcp_flags |= TCP_SF_DESTROYED;
  tcpUnhash(sk);
  clearTimers(sk);
  timerFree(sk.rtx_timer);
  timerFree(sk.delack_timer);
  timerFree(sk.keepalive_timer);
  sk.rtx_timer = nil<Timer>();
  sk.delack_timer = nil<Timer>();
  sk.keepalive_timer = nil<Timer>();
  writeQueuePurge(sk);
  skbQueuePurge(receiveQueue(sk), REF_READ);
  skbQueuePurge(oooQueue(sk), REF_PURGED);
  skbQueuePurge(backlogQueue(sk), REF_PURGED);
  sockPut(sk);
}

/** Ends a connection with `err` (positive errno), which the next call on it reports. */
export function tcpAbortWith(sk: Sock, err: i32): void {
  sk.err = err;
  writeQueuePurge(sk);
  tcpDone(sk);
  if (!(sk.flags & SOCK_F_DEAD)) skErrorReport(sk);
}

/** tcp_reset(): a valid RST (RFC 9293 3.10.7). What it means depends on how far the connection was. */
export function tcpReset(sk: Sock): void {
  if (sk.state == TCP_CLOSE) return;
  tcpAbortWith(sk, sk.state == TCP_SYN_SENT ? ECONNREFUSED : sk.state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
}

// The socket lock ---------------------------------------------------------------------------------------------------

/** sk_flush_backlog(): handles what has arrived so far; the lock stays. false: nothing had. */
export function tcpFlushBacklog(sk: Sock): bool {
  if (!backlogQueue(sk).first) return false;
  skFlushBacklog(sk);
  sk.backlog_len = 0;
  return true;
}

/**
 * release_sock(): packets that arrived meanwhile first, then what they left for the end of the call (`atRelease`), and only
 * then may softirq touch the socket again.
 */
export function tcpUnlock(sk: Sock, atRelease: u32): void {
  while (backlogQueue(sk).first) tcpFlushBacklog(sk);
  localBhDisable();
  call_indirect<void>(atRelease, sk);
  sk.flags &= ~SOCK_F_OWNED;
  localBhEnable();
}
