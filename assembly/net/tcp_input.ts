// Segments of a connection: RFC 9293 3.10.7.4. Which socket gets a segment is decided in tcp_ipv4.ts, what an ACK and what
// data do in tcp_ack.ts and tcp_data.ts.
import { REF_DROPPED, TR_TCP_RCV, TRACE_NET } from "../abi/trace";
import { timerArm } from "../lib/timer";
import { trace } from "../lib/trace";
import { SkBuff, kfreeSkb, skbPull } from "./skbuff";
import { SHUTDOWN_RCV, SHUTDOWN_SEND, SOCK_F_DEAD, Sock, oooQueue, receiveQueue, rtxQueue, skStateChange } from "./sock";
import {
  TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT,
} from "./tcp_states";
import { TCP_FIN_TIMEOUT, TH_ACK, TH_FIN, TCP_URG_NOTYET, TH_PSH, TH_RST, TH_SYN, TH_URG, after, before } from "./tcp_defs";
import { TCPOPT_SAW_TS, segHas, segHeaderLen, segLen, segTsecr, segTsval, segWindow } from "./tcp_parse";
import { stateIn, tcpDone, tcpNowMs, tcpReset, tcpSetState, tickAfter } from "./tcp_sock";
import { rcvRttMeasureTs, receiveWindow } from "./tcp_window";
import { sendAck, sendReset, transmitSkb } from "./tcp_xmit";
import { ACK_OK, dataSndCheck, noteSegment, tcpAck } from "./tcp_ack";
import { ackSndCheck, dataQueue, enterQuickack } from "./tcp_data";
import { synRecvAck, synSentRcv } from "./tcp_conn";
import { tcpUrg } from "./tcp_urgent";
import { tcpTimeWait } from "./tcp_timewait";

@inline function drop(skb: SkBuff): void { kfreeSkb(skb, REF_DROPPED); }

/** tcp_send_dupack(): an unacceptable segment is answered with where we stand. */
function sendDupack(sk: Sock, skb: SkBuff): void {
  if (skb.end_seq != skb.seq && before(skb.seq, sk.rcv_nxt)) enterQuickack(sk);
  sendAck(sk);
}

/** tcp_sequence(): is the segment in the window? One that reaches beyond it is taken only while nothing waits to be read. */
function inWindow(sk: Sock, seq: u32, end: u32): bool {
  if (before(end, sk.rcv_wup)) return false;
  const edge = sk.rcv_nxt + receiveWindow(sk);
  if (!after(end, edge)) return true;
  return !after(seq, edge) && !receiveQueue(sk).first;
}

/** tcp_validate_incoming(): PAWS, sequence, RST, SYN (RFC 7323 5, RFC 5961). false: dealt with and freed. */
function validateIncoming(sk: Sock, skb: SkBuff): bool {
  const flags = skb.tcp_flags;
  if (segHas(skb, TCPOPT_SAW_TS) && ((segTsval(skb) - sk.ts_recent) as i32) < 0 && !(flags & TH_RST)) {
    // Old, unless it is a bare ACK that was overtaken.
    if (segLen(skb) || flags & (TH_SYN | TH_FIN) || skb.ack_seq != sk.snd_una) {
      sendDupack(sk, skb);
      drop(skb);
      return false;
    }
  }
  if (!inWindow(sk, skb.seq, skb.end_seq)) {
    if (flags & TH_RST) {
      if (skb.seq == sk.rcv_nxt) tcpReset(sk);
    } else {
      sendDupack(sk, skb);
    }
    drop(skb);
    return false;
  }
  if (flags & TH_RST) {
    if (skb.seq == sk.rcv_nxt) tcpReset(sk);
    else sendAck(sk); // challenge ACK
    drop(skb);
    return false;
  }
  if (flags & TH_SYN && sk.state != TCP_SYN_RECV) {
    sendAck(sk);
    drop(skb);
    return false;
  }
  return true;
}

/** tcp_v4_do_rcv(): a segment for a socket that is not owned by a system call, or from its backlog. Consumes it. */
export function tcpDoRcv(sk: Sock, skb: SkBuff): void {
  trace(TRACE_NET, TR_TCP_RCV, changetype<usize>(skb), (skb.seq as u64) | ((skb.end_seq as u64) << 32), skb.tcp_flags, 0);
  const state = sk.state;
  if (state == TCP_ESTABLISHED) {
    if (validateIncoming(sk, skb)) rcvEstablished(sk, skb);
    return;
  }
  if (state == TCP_SYN_SENT) {
    synSentRcv(sk, skb);
    dataSndCheck(sk);
    return;
  }
  if (state == TCP_CLOSE || state == TCP_LISTEN) {
    if (state == TCP_CLOSE) sendReset(skb);
    drop(skb);
    return;
  }
  if (validateIncoming(sk, skb)) rcvStateProcess(sk, skb);
}

/**
 * Header prediction (RFC 1323 4.3 after Van Jacobson): the next segment in order, nothing unusual about it, and memory for
 * it at hand. It takes a short way: data that acknowledges nothing new does not make the sender look at its own queue.
 */
@inline function predicted(sk: Sock, skb: SkBuff): bool {
  return (
    skb.seq == sk.rcv_nxt && (skb.tcp_flags & ~TH_PSH) == TH_ACK && segWindow(skb) << sk.snd_wscale == sk.snd_wnd &&
    sk.rcv_wnd != 0 && !oooQueue(sk).first && sk.rmem_alloc < sk.rcvbuf && segLen(skb) != 0 &&
    !sk.urg_data && (skb.truesize as i32) <= sk.fwd_alloc && !after(skb.ack_seq, sk.snd_nxt) && !before(skb.ack_seq, sk.snd_una)
  );
}

/** tcp_rcv_established() */
function rcvEstablished(sk: Sock, skb: SkBuff): void {
  if (predicted(sk, skb)) {
    const acks = skb.ack_seq != sk.snd_una;
    if (acks) tcpAck(sk, skb);
    else noteSegment(sk, skb);
    deliver(sk, skb);
    if (acks) dataSndCheck(sk);
    ackSndCheck(sk);
    return;
  }
  if (!(skb.tcp_flags & TH_ACK) || tcpAck(sk, skb) != ACK_OK) {
    drop(skb);
    return;
  }
  deliver(sk, skb);
  dataSndCheck(sk);
  ackSndCheck(sk);
}

/** The payload, if there is any, to the receive queue. */
function deliver(sk: Sock, skb: SkBuff): void {
  if (segHas(skb, TCPOPT_SAW_TS)) rcvRttMeasureTs(sk, segTsecr(skb), tcpNowMs(), skb.end_seq - skb.seq);
  if (skb.tcp_flags & TH_URG || sk.urg_data == TCP_URG_NOTYET) tcpUrg(sk, skb);
  skbPull(skb, segHeaderLen(skb));
  dataQueue(sk, skb);
}

/** tcp_rcv_state_process(): the states before and after ESTABLISHED. */
function rcvStateProcess(sk: Sock, skb: SkBuff): void {
  if (!(skb.tcp_flags & TH_ACK)) {
    const syn = rtxQueue(sk).first;
    if (sk.state == TCP_SYN_RECV && skb.tcp_flags & TH_SYN && syn) transmitSkb(sk, syn, true, sk.rcv_nxt); // it was lost
    drop(skb);
    return;
  }
  if (sk.state == TCP_SYN_RECV) {
    if (!synRecvAck(sk, skb)) {
      drop(skb);
      return;
    }
  } else {
    if (tcpAck(sk, skb) != ACK_OK) {
      drop(skb);
      return;
    }
    if (!finAcked(sk, skb)) {
      drop(skb);
      return;
    }
  }
  const state = sk.state;
  if (state == TCP_CLOSE) {
    drop(skb);
    return;
  }
  if (skb.tcp_flags & TH_URG) tcpUrg(sk, skb); // even if the data is refused
  // Nobody is there to read any more: what still comes is answered with a reset (RFC 1122 4.2.2.13).
  const late = stateIn(sk, (1 << TCP_FIN_WAIT1) | (1 << TCP_FIN_WAIT2)) && sk.shutdown & SHUTDOWN_RCV;
  if (late && skb.end_seq != skb.seq && after(skb.end_seq - (skb.tcp_flags & TH_FIN ? 1 : 0), sk.rcv_nxt)) {
    sendReset(skb);
    tcpReset(sk);
    drop(skb);
    return;
  }
  if (stateIn(sk, (1 << TCP_CLOSE_WAIT) | (1 << TCP_CLOSING) | (1 << TCP_LAST_ACK)) && !before(skb.seq, sk.rcv_nxt)) drop(skb);
  else deliver(sk, skb);
  if (sk.state == TCP_CLOSE) return;
  dataSndCheck(sk);
  ackSndCheck(sk);
}

/** What an ACK of our FIN moves on. false: the segment ends here. */
function finAcked(sk: Sock, skb: SkBuff): bool {
  if (sk.snd_una != sk.write_seq) return true;
  const state = sk.state;
  if (state == TCP_FIN_WAIT1) {
    tcpSetState(sk, TCP_FIN_WAIT2);
    sk.shutdown |= SHUTDOWN_SEND;
    if (!(sk.flags & SOCK_F_DEAD)) skStateChange(sk); // close() may be lingering
    else if (sk.keepalive_timer) timerArm(sk.keepalive_timer, tickAfter(TCP_FIN_TIMEOUT));
    return true;
  }
  if (state == TCP_CLOSING) {
    tcpTimeWait(sk);
    return false;
  }
  if (state == TCP_LAST_ACK) {
    tcpDone(sk);
    return false;
  }
  return true;
}
