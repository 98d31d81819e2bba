// TCP as a protocol of AF_INET: its sockets' operations, closing and polling. The parts:
//
//   tcp_send, tcp_recv      system calls             tcp_conn      handshake, listeners, disconnect
//   tcp_output, tcp_xmit    what is sent, and how    tcp_ipv4      from a packet to its socket
//   tcp_retransmit          and sent again           tcp_input     segments by state
//   tcp_window, tcp_mem     windows and buffers      tcp_ack       what an ACK frees and opens
//   tcp_timer, tcp_timewait                          tcp_data      what data does
import { EINVAL, ENOTCONN } from "../abi/errno";
import {
  POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM, SHUT_RDWR,
} from "../abi/socket";
import { REF_READ } from "../abi/trace";
import { S_HOOK_TCP_ERR, S_HOOK_TCP_RCV } from "../lib/state";
import { timerArm } from "../lib/timer";
import { SkBuff, kfreeSkb } from "./skbuff";
import { skbDequeue } from "./skb_queue";
import {
  SHUTDOWN_RCV, SHUTDOWN_SEND, SOCK_F_LINGER, SOCK_F_NOSPACE, Sock, errorQueue, lockSock, receiveQueue, skStateChange, sockHold, sockPut,
} from "./sock";
import {
  TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT,
} from "./tcp_states";
import { TCP_FIN_TIMEOUT, TCP_URG_VALID, TH_FIN } from "./tcp_defs";
import { stateIn, tcpDestroy, tcpSetState, tcpUnlock, tickAfter } from "./tcp_sock";
import { streamIsWriteable } from "./tcp_mem";
import { sendFin } from "./tcp_output";
import { sendActiveReset } from "./tcp_xmit";
import { listenStop, tcpDisconnect, tcpInitCommon } from "./tcp_conn";
import { tcpDoRcv } from "./tcp_input";
import { tcpV4Err, tcpV4Rcv } from "./tcp_ipv4";
import { tcpReleaseCb, tcpSendmsg } from "./tcp_send";
import { tcpRecvmsg } from "./tcp_recv";
import { urgInline } from "./tcp_urgent";

export { tcpAccept, tcpConnect, tcpDisconnect, tcpListen } from "./tcp_conn";
export { tcpV4Rcv } from "./tcp_ipv4";
export { tcpGetsockopt, tcpSetsockopt } from "./tcp_sockopt";

/** Installs TCP as the receiver of its packets and of errors about them. */
export function tcpInit(): void {
  store<u32>(S_HOOK_TCP_RCV, tcpV4Rcv.index);
  store<u32>(S_HOOK_TCP_ERR, tcpV4Err.index);
}

/** Makes a fresh socket a TCP socket. */
export function tcpInitSock(sk: Sock): void {
  tcpInitCommon(sk);
  sk.op_sendmsg = tcpSendmsg.index;
  sk.op_recvmsg = tcpRecvmsg.index;
  sk.op_poll = tcpPoll.index;
  sk.op_release = tcpClose.index;
  sk.op_shutdown = tcpShutdown.index;
  sk.op_backlog_rcv = tcpDoRcv.index;
}

/** tcp_poll() */
function tcpPoll(sk: Sock): u32 {
  const state = sk.state, shutdown = sk.shutdown;
  if (state == TCP_LISTEN) return sk.accept_head ? POLLIN | POLLRDNORM : 0;
  let mask: u32 = 0;
  if (shutdown == (SHUTDOWN_RCV | SHUTDOWN_SEND) || state == TCP_CLOSE) mask |= POLLHUP;
  if (shutdown & SHUTDOWN_RCV) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (state != TCP_SYN_SENT && state != TCP_SYN_RECV) {
    let want: u32 = sk.rcvlowat ? sk.rcvlowat : 1;
    if (sk.urg_data && sk.urg_seq == sk.copied_seq && !urgInline(sk)) want++; // a read would skip that byte
    if (receiveQueue(sk).first && sk.rcv_nxt - sk.copied_seq >= want) mask |= POLLIN | POLLRDNORM;
    if (shutdown & SHUTDOWN_SEND || streamIsWriteable(sk)) mask |= POLLOUT | POLLWRNORM;
    else sk.flags |= SOCK_F_NOSPACE; // the poller wants to hear of room
    if (sk.urg_data & TCP_URG_VALID) mask |= POLLPRI;
  }
  if (sk.err || errorQueue(sk).first) mask |= POLLERR;
  return mask;
}

/** tcp_close_state(): the next state when this side closes. true: a FIN has to be sent. */
function closeState(sk: Sock): bool {
  const state = sk.state;
  if (state == TCP_ESTABLISHED || state == TCP_SYN_RECV) {
    tcpSetState(sk, TCP_FIN_WAIT1);
    return true;
  }
  if (state == TCP_CLOSE_WAIT) {
    tcpSetState(sk, TCP_LAST_ACK);
    return true;
  }
  if (state == TCP_SYN_SENT) tcpSetState(sk, TCP_CLOSE);
  return false;
}

/** shutdown(2): 0, -ENOTCONN, -EINVAL. */
function tcpShutdown(sk: Sock, how: u32): i32 {
  if (how > SHUT_RDWR) return -EINVAL;
  lockSock(sk);
  const ret = shutdownLocked(sk, how);
  tcpUnlock(sk, tcpReleaseCb.index);
  return ret;
}

function shutdownLocked(sk: Sock, how: u32): i32 {
  const state = sk.state;
  let ret: i32 = 0;
  if (state == TCP_CLOSE) {
    ret = -ENOTCONN; // but whoever polls is told
    sk.shutdown |= how + 1;
  } else if (state == TCP_LISTEN || state == TCP_SYN_SENT) {
    if (state == TCP_SYN_SENT || how + 1 & SHUTDOWN_RCV) tcpDisconnect(sk);
  } else {
    sk.shutdown |= how + 1;
    const sending = (1 << TCP_ESTABLISHED) | (1 << TCP_SYN_RECV) | (1 << TCP_CLOSE_WAIT);
    if (how + 1 & SHUTDOWN_SEND && stateIn(sk, sending) && closeState(sk)) sendFin(sk);
  }
  skStateChange(sk);
  return ret;
}

/**
 * tcp_close(), as op_release: the last file is gone. What is queued is still delivered (the pages of zero-copy sends stay
 * lent until then), unless there was unread data or SO_LINGER says zero: then the connection is reset (RFC 1122 4.2.2.13).
 */
function tcpClose(sk: Sock): void {
  sockHold(sk);
  lockSock(sk);
  sk.shutdown = SHUTDOWN_RCV | SHUTDOWN_SEND;
  if (sk.state == TCP_LISTEN) {
    tcpSetState(sk, TCP_CLOSE);
    listenStop(sk);
  } else {
    closeConnection(sk);
  }
  tcpUnlock(sk, tcpReleaseCb.index);
  if (sk.state == TCP_FIN_WAIT2 && sk.keepalive_timer) timerArm(sk.keepalive_timer, tickAfter(TCP_FIN_TIMEOUT));
  if (sk.state == TCP_CLOSE) tcpDestroy(sk);
  sockPut(sk);
}

function closeConnection(sk: Sock): void {
  const unread = purgeUnread(sk);
  if (sk.state == TCP_CLOSE) return;
  if (unread) {
    tcpSetState(sk, TCP_CLOSE);
    sendActiveReset(sk);
  } else if (sk.flags & SOCK_F_LINGER && !sk.lingertime) {
    tcpDisconnect(sk);
  } else if (closeState(sk)) {
    sendFin(sk);
  }
}

/** Frees what nobody will read; bytes of it, a FIN not counted. */
function purgeUnread(sk: Sock): u32 {
  let bytes: u32 = 0;
  for (let skb: SkBuff = skbDequeue(receiveQueue(sk)); skb; skb = skbDequeue(receiveQueue(sk))) {
    let end = skb.end_seq;
    if (skb.tcp_flags & TH_FIN) end--;
    if (((end - sk.copied_seq) as i32) > 0) bytes += end - sk.copied_seq;
    kfreeSkb(skb, REF_READ);
  }
  return bytes;
}
