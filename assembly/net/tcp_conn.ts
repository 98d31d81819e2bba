// Making and unmaking connections: connect(2) and its SYN, a listener and its half-open children, the end of the handshake
// on both sides, disconnect. RFC 9293 3.5, options of RFC 7323.
//
// A SYN makes a full socket at once (Linux keeps a smaller request until the handshake is over). Its first reference is the
// listener's until accept(2) takes it; the SYN-ACK sits on its retransmit queue like any other segment.
import { EADDRINUSE, EADDRNOTAVAIL, ECONNRESET, EINPROGRESS, ENETUNREACH, ENOBUFS } from "../abi/errno";
import { INADDR_ANY, IPPROTO_TCP } from "../abi/socket";
import { REF_DROPPED, REF_PURGED, REF_READ } from "../abi/trace";
import { S_SOCK_LIST, S_TCP_ISN, nil, nowNs } from "../lib/state";
import { SkBuff, kfreeSkb } from "./skbuff";
import { skbQueuePurge, skbQueueTail } from "./skb_queue";
import {
  SOCK_F_BOUND, SOCK_F_DEAD, SOCK_F_LINGER, SOCK_F_RCVBUF_LOCK, SOCK_F_REUSEADDR, SOCK_F_SNDBUF_LOCK, SOCK_F_SUPPORT_ZC, SOCK_F_ZEROCOPY,
  Sock, backlogQueue, lockSock, oooQueue, receiveQueue, rtxQueue, skAlloc, skDataReady, skErrorReport, skStateChange, sockHold, sockPut,
} from "./sock";
import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT } from "./tcp_states";
import { NetDevice } from "./dev";
import { FibEntry, RTN_BROADCAST, fibLookup, fixUnspecified, routeErrno, routeGen } from "./route";
import { inetPickPort, inetPortFree } from "./inet_ports";
import {
  ICSK_TIME_RETRANS, IP_TCP_HLEN, TCP_CA_OPEN, TCP_HLEN, TCP_INFINITE_SSTHRESH, TCP_INIT_CWND, TCP_MAX_ADVMSS, TCP_MIN_MSS, TCP_MSS_DEFAULT,
  TCP_RMEM_DEFAULT, TCP_SCALING_RATIO_DEFAULT, TCP_SF_IN_ACCEPT, TCP_SF_TSTAMP, TCP_SF_WSCALE, TCP_TIMEOUT_INIT,
  TCP_TSTAMP_ALIGNED, TCP_WMEM_DEFAULT, TH_ACK, TH_RST, TH_SYN, after,
} from "./tcp_defs";
import { lookupEstablished, tcpHash, tcpUnhash } from "./tcp_hash";
import { segHas, segMss, segTsval, segWindow, segWscale, TCPOPT_SAW_TS, TCPOPT_SAW_WSCALE, thDport, thSport } from "./tcp_parse";
import { clearTimers, resetXmitTimer, stateIn, tcpDone, tcpReset, tcpSetState, tcpUnlock, writeQueuePurge } from "./tcp_sock";
import { memCharge, memSchedule, tcpFullSpace } from "./tcp_mem";
import { initBufferSpace, selectInitialWindow } from "./tcp_window";
import { nondataSkb, sendAck, sendActiveReset, sendReset, transmitSkb } from "./tcp_xmit";
import { syncMss } from "./tcp_output";
import { tcpInitTimers } from "./tcp_timer";
import { tcpAck } from "./tcp_ack";

@inline function min(a: u32, b: u32): u32 { return a < b ? a : b; }

/** tcp_init_sock(): what every TCP socket starts with; its operations are set by the caller. */
export function tcpInitCommon(sk: Sock): void {
  sk.state = TCP_CLOSE;
  sk.flags |= SOCK_F_SUPPORT_ZC;
  sk.sndbuf = TCP_WMEM_DEFAULT;
  sk.rcvbuf = TCP_RMEM_DEFAULT;
  resetConnection(sk);
  tcpInitTimers(sk);
}

/** The state of a socket that has no connection. */
function resetConnection(sk: Sock): void {
  sk.tcp_flags = 0;
  sk.tcp_header_len = TCP_HLEN + TCP_TSTAMP_ALIGNED; // as long as the peer has not declined timestamps
  sk.mss_clamp = TCP_MAX_ADVMSS;
  sk.mss_cache = TCP_MSS_DEFAULT;
  sk.rto = TCP_TIMEOUT_INIT;
  sk.srtt = 0;
  sk.rttvar = TCP_TIMEOUT_INIT;
  sk.cwnd = TCP_INIT_CWND;
  sk.cwnd_cnt = 0;
  sk.max_packets_out = 0;
  sk.cwnd_usage_seq = 0;
  sk.ssthresh = TCP_INFINITE_SSTHRESH;
  sk.ca_state = TCP_CA_OPEN;
  sk.scaling_ratio = TCP_SCALING_RATIO_DEFAULT;
  sk.backoff = 0;
  sk.retransmits = 0;
  sk.linear_timeouts = 0;
  sk.probes_out = 0;
  sk.dupacks = 0;
  sk.tlp_high_seq = 0;
  sk.max_window = 0;
  sk.window_clamp = 0;
  sk.gso_segs = 0;
  sk.ack_quick = 0;
  sk.ack_pingpong = 0;
  sk.ack_ato = 0;
  sk.rcv_rtt = 0;
  sk.rcv_rtt_time = 0;
  sk.ts_recent = 0;
  sk.lrcvtime = 0;
  sk.lsndtime = 0;
}

/** Initial sequence numbers follow the clock (RFC 9293 3.4.1), and differ between connections of one instant. */
function newIsn(): u32 {
  const n = load<u32>(S_TCP_ISN) * 1664525 + 1013904223;
  store<u32>(S_TCP_ISN, n);
  return n + ((nowNs() >> 12) as u32);
}

function setRoute(sk: Sock, e: FibEntry): void {
  const dev = e.out;
  sk.route_dev = changetype<usize>(dev);
  sk.route_gen = routeGen();
  sk.route_nexthop = e.gateway ? e.gateway : sk.daddr;
  sk.route_caps = dev.features;
}

/** The MSS to advertise: what the route's MTU allows, or less if TCP_MAXSEG says so. */
function advertisedMss(sk: Sock): u32 {
  const mss = min(changetype<NetDevice>(sk.route_dev).mtu - IP_TCP_HLEN, TCP_MAX_ADVMSS);
  return sk.user_mss ? min(mss, sk.user_mss) : mss;
}

/** tcp_initialize_rcv_mss(): a cautious guess until segments arrive. */
function initializeRcvMss(sk: Sock): void {
  const hint = min(min(min(sk.advmss, sk.mss_cache), sk.rcv_wnd / 2), TCP_MSS_DEFAULT);
  sk.rcv_mss = hint > TCP_MIN_MSS ? hint : TCP_MIN_MSS;
}

/** A handshake segment: on the retransmit queue, sent, timer started. 0 or -errno. */
function sendSyn(sk: Sock, flags: u32): i32 {
  const skb = nondataSkb(sk.isn, flags);
  if (!skb) return -ENOBUFS;
  sk.write_seq = skb.end_seq;
  sk.snd_una = sk.isn;
  sk.snd_up = sk.isn;
  sk.urg_data = 0;
  sk.snd_nxt = sk.write_seq;
  sk.snd_sml = sk.isn;
  sk.pushed_seq = sk.write_seq;
  sk.wmem_queued += skb.truesize;
  memSchedule(sk, skb.truesize);
  memCharge(sk, skb.truesize);
  skbQueueTail(rtxQueue(sk), skb);
  sk.packets_out = 1;
  resetXmitTimer(sk, ICSK_TIME_RETRANS, sk.rto);
  return transmitSkb(sk, skb, true, sk.rcv_nxt);
}

// Active open -------------------------------------------------------------------------------------------------------

/** tcp_v4_connect(): sends the SYN. -EINPROGRESS, or -errno: nothing was sent, the socket is as before. */
export function tcpConnect(sk: Sock, addr: u32, port: u32): i32 {
  const daddr = fixUnspecified(sk.saddr, addr), e = fibLookup(sk.netns, daddr, sk.bound_dev);
  const err = routeErrno(e, sk.saddr, true);
  if (err) return err;
  if (e.type == RTN_BROADCAST || daddr >> 28 == 14) return -ENETUNREACH;
  const saddr = sk.saddr ? sk.saddr : e.src;
  if (!sk.sport) {
    const got = inetPickPort(sk.netns, IPPROTO_TCP, saddr);
    if (got < 0) return -EADDRNOTAVAIL;
    sk.sport = got as u32;
  } else if (lookupEstablished(sk.netns, saddr, sk.sport, daddr, port)) {
    return -EADDRNOTAVAIL;
  }
  lockSock(sk);
  sk.saddr = saddr;
  sk.daddr = daddr;
  sk.dport = port;
  setRoute(sk, e);
  resetConnection(sk);
  sk.err = 0;
  sk.shutdown = 0;
  tcpSetState(sk, TCP_SYN_SENT);
  tcpHash(sk);
  sk.isn = newIsn();
  sk.advmss = advertisedMss(sk);
  if (sk.user_mss) sk.mss_clamp = sk.user_mss;
  syncMss(sk);
  if (sk.flags & SOCK_F_RCVBUF_LOCK) sk.window_clamp = tcpFullSpace(sk);
  selectInitialWindow(sk, sk.advmss, true);
  initializeRcvMss(sk);
  sk.rcv_nxt = 0;
  sk.rcv_wup = 0;
  sk.copied_seq = 0;
  sk.snd_wnd = 0;
  sk.snd_wl1 = 0;
  sendSyn(sk, TH_SYN);
  tcpUnlock(sk, nothingAtRelease.index);
  return -EINPROGRESS;
}
function nothingAtRelease(sk: Sock): void {}

/** tcp_rcv_synsent_state_process(): a segment while only the SYN is out (RFC 9293 3.10.7.3). `data` at the header. */
export function synSentRcv(sk: Sock, skb: SkBuff): void {
  const flags = skb.tcp_flags;
  if (flags & TH_ACK) {
    if (!after(skb.ack_seq, sk.snd_una) || after(skb.ack_seq, sk.snd_nxt)) {
      sendReset(skb);
    } else if (flags & TH_RST) {
      tcpReset(sk);
    } else if (flags & TH_SYN) {
      synAcked(sk, skb);
    }
  } else if (flags & TH_SYN && !(flags & TH_RST)) {
    simultaneousOpen(sk, skb);
  }
  kfreeSkb(skb, REF_DROPPED);
}

/** What the other side's SYN or SYN-ACK says. */
function peerSyn(sk: Sock, skb: SkBuff): void {
  sk.irs = skb.seq;
  sk.rcv_nxt = skb.seq + 1;
  sk.rcv_wup = skb.seq + 1;
  sk.copied_seq = sk.rcv_nxt;
  sk.snd_wl1 = skb.seq;
  sk.tcp_flags &= ~(TCP_SF_TSTAMP | TCP_SF_WSCALE);
  if (segHas(skb, TCPOPT_SAW_WSCALE)) {
    sk.tcp_flags |= TCP_SF_WSCALE;
    sk.snd_wscale = segWscale(skb);
  } else {
    sk.snd_wscale = 0;
  }
  sk.tcp_header_len = TCP_HLEN;
  if (segHas(skb, TCPOPT_SAW_TS)) {
    sk.tcp_flags |= TCP_SF_TSTAMP;
    sk.tcp_header_len += TCP_TSTAMP_ALIGNED;
    sk.ts_recent = segTsval(skb);
  }
  const mss = segMss(skb) ? segMss(skb) : TCP_MSS_DEFAULT;
  sk.mss_clamp = sk.user_mss ? min(mss, sk.user_mss) : mss;
}

function synAcked(sk: Sock, skb: SkBuff): void {
  peerSyn(sk, skb);
  if (!(sk.tcp_flags & TCP_SF_WSCALE)) {
    sk.rcv_wscale = 0;
    sk.window_clamp = min(sk.window_clamp, 65535);
  }
  tcpAck(sk, skb);
  sk.snd_wnd = segWindow(skb);
  established(sk);
  if (sk.state != TCP_ESTABLISHED) return;
  skStateChange(sk);
  sendAck(sk);
}

/** Both sides have sent a SYN: RFC 9293 3.5, figure 7. */
function simultaneousOpen(sk: Sock, skb: SkBuff): void {
  peerSyn(sk, skb);
  sk.snd_wnd = segWindow(skb);
  sk.max_window = sk.snd_wnd;
  syncMss(sk);
  tcpSetState(sk, TCP_SYN_RECV);
  const syn = rtxQueue(sk).first;
  if (!syn) return;
  syn.tcp_flags |= TH_ACK;
  transmitSkb(sk, syn, true, sk.rcv_nxt);
}

/** tcp_finish_connect(), tcp_init_transfer(): from now on data flows. */
function established(sk: Sock): void {
  if (sk.tcp_flags & TCP_SF_TSTAMP) sk.advmss -= TCP_TSTAMP_ALIGNED;
  syncMss(sk);
  initializeRcvMss(sk);
  sk.cwnd = TCP_INIT_CWND;
  sk.cwnd_cnt = 0;
  sk.ca_state = TCP_CA_OPEN;
  sk.lsndtime = nowNs() + 1;
  tcpSetState(sk, TCP_ESTABLISHED);
  initBufferSpace(sk);
}

// Passive open ------------------------------------------------------------------------------------------------------

/** inet_csk_listen_start() */
export function tcpListen(sk: Sock, backlog: u32): i32 {
  tcpSetState(sk, TCP_LISTEN);
  if (!sk.sport) {
    const got = inetPickPort(sk.netns, IPPROTO_TCP, sk.saddr);
    if (got < 0) {
      tcpSetState(sk, TCP_CLOSE);
      return got;
    }
    sk.sport = got as u32;
  } else if (!inetPortFree(sk.netns, IPPROTO_TCP, sk.saddr, sk.sport, sk)) {
    tcpSetState(sk, TCP_CLOSE);
    return -EADDRINUSE;
  }
  sk.backlog_max = backlog;
  sk.shutdown = 0;
  tcpHash(sk);
  return 0;
}

/** inet_csk_accept(): the oldest connection that is ready, with its reference, or nil. */
export function tcpAccept(sk: Sock): Sock {
  const child = sk.accept_head;
  if (!child) return child;
  sk.accept_head = child.accept_next;
  if (!sk.accept_head) sk.accept_tail = nil<Sock>();
  child.accept_next = nil<Sock>();
  child.parent = nil<Sock>();
  child.tcp_flags &= ~TCP_SF_IN_ACCEPT;
  sk.accept_len--;
  return child;
}

@inline function acceptQueueFull(sk: Sock): bool { return sk.accept_len > sk.backlog_max; }

/** tcp_v4_conn_request(): a SYN for a listener. `data` at the header; the caller frees the skb. */
export function connRequest(sk: Sock, skb: SkBuff): void {
  if (acceptQueueFull(sk)) return; // the peer will try again
  const e = fibLookup(sk.netns, skb.src_addr, sk.bound_dev);
  if (!e) return;
  const child = skAlloc(sk.family, sk.type, sk.protocol, sk.netns);
  if (!child) return;
  tcpInitCommon(child);
  inherit(child, sk);
  child.saddr = skb.dst_addr;
  child.daddr = skb.src_addr;
  child.sport = thDport(skb.th);
  child.dport = thSport(skb.th);
  child.parent = sk;
  setRoute(child, e);
  peerSyn(child, skb);
  child.isn = newIsn();
  child.advmss = advertisedMss(child);
  if (child.flags & SOCK_F_RCVBUF_LOCK) child.window_clamp = tcpFullSpace(child);
  const mss = child.tcp_flags & TCP_SF_TSTAMP ? child.advmss - TCP_TSTAMP_ALIGNED : child.advmss;
  selectInitialWindow(child, mss, (child.tcp_flags & TCP_SF_WSCALE) != 0);
  child.snd_wnd = segWindow(skb);
  syncMss(child);
  initializeRcvMss(child);
  tcpSetState(child, TCP_SYN_RECV);
  tcpHash(child);
  sendSyn(child, TH_SYN | TH_ACK);
}

/** What accept(2) hands on from the listener (socket(7), tcp(7)). */
function inherit(child: Sock, sk: Sock): void {
  // As long as the handshake goes on nobody cares for it: if it fails it goes without a trace.
  child.flags = SOCK_F_DEAD | SOCK_F_SUPPORT_ZC | SOCK_F_BOUND |
    (sk.flags & (SOCK_F_ZEROCOPY | SOCK_F_LINGER | SOCK_F_SNDBUF_LOCK | SOCK_F_RCVBUF_LOCK | SOCK_F_REUSEADDR));
  child.op_sendmsg = sk.op_sendmsg;
  child.op_recvmsg = sk.op_recvmsg;
  child.op_poll = sk.op_poll;
  child.op_release = sk.op_release;
  child.op_shutdown = sk.op_shutdown;
  child.op_backlog_rcv = sk.op_backlog_rcv;
  child.sndbuf = sk.sndbuf;
  child.rcvbuf = sk.rcvbuf;
  child.lingertime = sk.lingertime;
  child.sndtimeo = sk.sndtimeo;
  child.rcvtimeo = sk.rcvtimeo;
  child.bound_dev = sk.bound_dev;
  child.rcvlowat = sk.rcvlowat;
  child.opts = sk.opts;
  child.priority = sk.priority;
  child.sk_mark = sk.sk_mark;
  child.ip_opts = sk.ip_opts;
  child.tos = sk.tos;
  child.ttl = sk.ttl;
  child.nonagle = sk.nonagle;
  child.user_mss = sk.user_mss;
  child.user_timeout = sk.user_timeout;
}

/**
 * The ACK that ends a handshake on the side that sent the SYN-ACK. true: established, the rest of the segment is to be
 * processed. false: it is refused, or the listener has no room for the connection yet.
 */
export function synRecvAck(sk: Sock, skb: SkBuff): bool {
  if (!after(skb.ack_seq, sk.snd_una) || after(skb.ack_seq, sk.snd_nxt)) {
    sendReset(skb);
    return false;
  }
  const parent = sk.parent;
  if (parent) {
    if (parent.state != TCP_LISTEN) {
      sendReset(skb);
      dropChild(sk);
      return false;
    }
    if (acceptQueueFull(parent)) return false; // the SYN-ACK is repeated, and the ACK with it
  }
  tcpAck(sk, skb);
  sk.snd_wnd = segWindow(skb) << sk.snd_wscale;
  sk.snd_wl1 = skb.seq;
  sk.copied_seq = sk.rcv_nxt;
  established(sk);
  if (!parent) {
    skStateChange(sk);
    return true;
  }
  sk.tcp_flags |= TCP_SF_IN_ACCEPT;
  sk.flags &= ~SOCK_F_DEAD; // if it is reset now, accept() returns it and its error
  if (parent.accept_tail) parent.accept_tail.accept_next = sk;
  else parent.accept_head = sk;
  parent.accept_tail = sk;
  parent.accept_len++;
  skDataReady(parent);
  return true;
}

/** A child that no accept() will ever see. The caller holds a reference of its own. */
function dropChild(child: Sock): void {
  child.parent = nil<Sock>();
  tcpDone(child); // without a file it is destroyed
}

/** inet_csk_listen_stop(): resets what waited to be accepted, forgets what was half open. */
export function listenStop(sk: Sock): void {
  tcpUnhash(sk);
  for (let child = tcpAccept(sk); child; child = tcpAccept(sk)) {
    sockHold(child);
    child.flags |= SOCK_F_DEAD;
    if (needsReset(child.state)) sendActiveReset(child);
    dropChild(child);
    sockPut(child);
  }
  let o = changetype<Sock>(load<u32>(S_SOCK_LIST) as usize);
  while (o) {
    const next = o.list_next;
    if (o.parent == sk && o.protocol == IPPROTO_TCP && o.state == TCP_SYN_RECV) {
      sockHold(o);
      dropChild(o);
      sockPut(o);
    }
    o = next;
  }
}

// Unmaking ----------------------------------------------------------------------------------------------------------

@inline export function needsReset(state: u32): bool {
  const mask = (1 << TCP_ESTABLISHED) | (1 << TCP_CLOSE_WAIT) | (1 << TCP_FIN_WAIT1) | (1 << TCP_FIN_WAIT2) | (1 << TCP_SYN_RECV);
  return ((1 << state) & mask) != 0;
}

/** tcp_disconnect(): the connection is given up at once; the socket can be used for another one. */
export function tcpDisconnect(sk: Sock): i32 {
  const old = sk.state;
  if (old == TCP_LISTEN) {
    listenStop(sk);
  } else if (needsReset(old) || (sk.snd_nxt != sk.write_seq && stateIn(sk, (1 << TCP_CLOSING) | (1 << TCP_LAST_ACK)))) {
    sendActiveReset(sk);
    sk.err = ECONNRESET;
  } else if (old == TCP_SYN_SENT) {
    sk.err = ECONNRESET;
  }
  tcpSetState(sk, TCP_CLOSE);
  clearTimers(sk);
  skbQueuePurge(receiveQueue(sk), REF_READ);
  skbQueuePurge(oooQueue(sk), REF_PURGED);
  skbQueuePurge(backlogQueue(sk), REF_PURGED);
  writeQueuePurge(sk);
  sk.daddr = 0;
  sk.dport = 0;
  if (!(sk.flags & SOCK_F_BOUND)) {
    sk.sport = 0;
    sk.saddr = INADDR_ANY;
  }
  sk.shutdown = 0;
  sk.write_seq = 0;
  sk.snd_una = 0;
  sk.snd_up = 0;
  sk.urg_data = 0;
  sk.snd_nxt = 0;
  sk.rcv_nxt = 0;
  sk.copied_seq = 0;
  resetConnection(sk);
  skErrorReport(sk);
  return 0;
}
