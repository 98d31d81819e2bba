// UDP (RFC 768) on the sending side, and the socket's operations.
//
// sendmsg: checks in Linux's order, control messages, route, then the datagram is built (net/ip_append.ts) and pushed, at
// once or, when corked (MSG_MORE, UDP_CORK), with the send that ends the cork.
//
// Spec: send-zc.md 2.4, 2.7, 3.4; man: udp(7), ip(7).
import { EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EINVAL, EMSGSIZE, ENOBUFS, ENETUNREACH, ENODEV, ENOMEM, ENOTCONN, EOPNOTSUPP } from "../abi/errno";
import {
  AF_INET, AF_UNSPEC, INADDR_ANY, IPPROTO_UDP, IP_PKTINFO, IP_RETOPTS, IP_TOS, IP_TTL, MSG_MORE, MSG_OOB, MSG_PROBE, POLLERR, POLLHUP,
  POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRBAND, POLLWRNORM, SHUT_RDWR, SOCKADDR_IN_OFF_ADDR,
  SOCKADDR_IN_OFF_FAMILY, SOCKADDR_IN_OFF_PORT, SOCKADDR_IN_SIZE, SOL_IP, SOL_SOCKET, SOL_UDP, SO_BROADCAST, SO_NO_CHECK,
  UDP_SEGMENT,
} from "../abi/socket";
import { SMALL_SIZE } from "../abi/layout";
import { REF_ABORTED, REF_DROPPED, REF_PURGED } from "../abi/trace";
import { csumAdd, csumAt, csumFold, csumPseudo } from "../lib/csum";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { S_UDP_CORK, nil } from "../lib/state";
import { NetDevice, devByIndex } from "./dev";
import { skbChecksum } from "./checksum";
import { SKB_GSO_UDP_L4 } from "./gso";
import { IP_DEFAULT_TTL, IP_DF, IP_HLEN, IP_MF, ipNextId, ipOptionsCheck, ipPushHeader } from "./ip";
import { IpCork, ipAppendData, ipFlushPending } from "./ip_append";
import { fragChainFree } from "./ip_frag";
import { ipFinishOutput } from "./ip_output";
import { cmsgData, cmsgDataLen, cmsgFirst, cmsgLevel, cmsgNext, cmsgOk, cmsgType, CMSG_END } from "./msg_import";
import { FibEntry, fibLookup, fixUnspecified, isLocalAddr, routeErrno, routeGen, routeMtu } from "./route";
import { CHECKSUM_PARTIAL, SkBuff } from "./skbuff";
import { skbQueuePurge } from "./skb_queue";
import {
  MsgHdr, SHUTDOWN_RCV, SHUTDOWN_SEND, SOCK_F_BOUND, SOCK_F_NOSPACE, SOCK_F_SUPPORT_ZC, SOCK_F_UNHASHED, Sock, errorQueue,
  receiveQueue, skStateChange, sockPut,
} from "./sock";
import { sockCmsgOk } from "./sock_cmsg";
import { TCP_CLOSE, TCP_ESTABLISHED } from "./tcp_states";
import { IP_RECVERR_ON, UDP_HLEN, udpRecvmsg, udpReleaseDeficit } from "./udp_input";
import { markTimestamp } from "./tx_timestamp";
import { udpGetPort, udpUnhash } from "./udp_port";

/** Sock.ip_opts: UDP_CORK is on (IPOPT_UDP_CORK of net/sockopt_inet.ts, which calls this file). */
const UDP_CORKED: u32 = 4;
/** Most segments of one GSO datagram. */
const UDP_MAX_SEGMENTS: u32 = 128;
const IP_PROTOCOL: i32 = 52;

/** Makes a fresh AF_INET datagram socket a UDP socket. */
export function udpInitSock(sk: Sock): void {
  sk.state = TCP_CLOSE;
  sk.flags |= SOCK_F_SUPPORT_ZC | SOCK_F_UNHASHED;
  sk.op_sendmsg = udpSendmsg.index;
  sk.op_recvmsg = udpRecvmsg.index;
  sk.op_poll = udpPoll.index;
  sk.op_release = udpRelease.index;
  sk.op_shutdown = udpShutdown.index;
}

// Sending ---------------------------------------------------------------------------------------------------------

@inline function corkOf(sk: Sock): IpCork { return changetype<IpCork>(sk.cork); }
/** Is a datagram waiting for more? */
@inline function pending(sk: Sock): bool { return sk.cork != 0 && corkOf(sk).dev != nil<NetDevice>(); }

/** udp_sendmsg(): payload bytes taken, or -errno. Never waits: -EAGAIN when the send buffer is full. */
export function udpSendmsg(sk: Sock, msg: MsgHdr): i32 {
  const len = msg.iter.count;
  if (!sk.sport && udpGetPort(sk, sk.saddr, 0) < 0) return -EAGAIN;
  if (len > 0xffff) return -EMSGSIZE;
  if (msg.flags & MSG_OOB) return -EOPNOTSUPP;
  const more = (msg.flags & MSG_MORE) != 0 || (sk.ip_opts & UDP_CORKED) != 0;
  if (pending(sk)) return appendTo(sk, corkOf(sk), msg, len, 0, more); // the address is the first part's

  let daddr: u32, dport: u32, connected = false;
  if (msg.name) {
    if (msg.namelen < SOCKADDR_IN_SIZE) return -EINVAL;
    const family = load<u16>(msg.name, SOCKADDR_IN_OFF_FAMILY) as u32;
    if (family != AF_INET && family != AF_UNSPEC) return -EAFNOSUPPORT;
    daddr = bswap<u32>(load<u32>(msg.name, SOCKADDR_IN_OFF_ADDR));
    dport = bswap<u16>(load<u16>(msg.name, SOCKADDR_IN_OFF_PORT));
    if (!dport) return -EINVAL;
  } else {
    if (sk.state != TCP_ESTABLISHED) return -EDESTADDRREQ;
    daddr = sk.daddr;
    dport = sk.dport;
    connected = true;
  }

  let cork = changetype<IpCork>(S_UDP_CORK);
  cork.gso_size = sk.gso_size;
  cork.saddr = sk.saddr;
  cork.tos = sk.tos;
  cork.ttl = sk.ttl ? sk.ttl : IP_DEFAULT_TTL;
  cork.oif = sk.bound_dev;
  if (msg.controllen) {
    const err = udpCmsgSend(sk, msg, cork);
    if (err < 0) return err;
    if (err) connected = false;
  }

  if (connected && sk.route_dev && sk.route_gen == routeGen()) {
    cork.dev = changetype<NetDevice>(sk.route_dev);
    cork.nexthop = sk.route_nexthop;
  } else {
    daddr = fixUnspecified(cork.saddr, daddr);
    const e = fibLookup(sk.netns, daddr, cork.oif);
    // Linux trusts who names a device more than its routing table: the destination is on that link.
    const err = !e && cork.oif ? routeOnLink(sk, cork, daddr) : routeErrno(e, cork.saddr, mayBroadcast(sk));
    if (err) return err;
    if (!e) return sendPrepared(sk, msg, cork, daddr, dport, len, more);
    if (cork.saddr != sk.saddr && !sourceFits(sk, cork.saddr, e.out)) return isLocalAddr(sk.netns, cork.saddr) ? -EINVAL : -ENETUNREACH;
    cork.dev = e.out;
    cork.nexthop = e.gateway ? e.gateway : daddr;
    if (!cork.saddr) cork.saddr = e.src;
    if (connected) cacheRoute(sk, e);
  }
  return sendPrepared(sk, msg, cork, daddr, dport, len, more);
}

/** The device that IP_PKTINFO names, for a destination that no route through it has. */
function routeOnLink(sk: Sock, cork: IpCork, daddr: u32): i32 {
  const dev = devByIndex(cork.oif);
  if (!dev || dev.ns != sk.netns || !dev.up) return -ENETUNREACH;
  cork.dev = dev;
  cork.nexthop = daddr;
  if (!cork.saddr) cork.saddr = dev.addr;
  return 0;
}

/** May a packet leave by `out` with this source address? It has to be our own, and one of lo stays there. */
function sourceFits(sk: Sock, saddr: u32, out: NetDevice): bool {
  return !saddr || (isLocalAddr(sk.netns, saddr) && (out.loopback != 0 || saddr >>> 24 != 127));
}

/** The second half: `cork` has everything that the header needs. */
function sendPrepared(sk: Sock, msg: MsgHdr, cork: IpCork, daddr: u32, dport: u32, len: u32, more: bool): i32 {
  cork.daddr = daddr;
  cork.dport = dport;
  cork.fragsize = routeMtu(cork.dev);
  cork.head = nil<SkBuff>();
  cork.tail = nil<SkBuff>();
  cork.length = 0;
  if (more) {
    if (msg.flags & MSG_PROBE) return len;
    const kept = keepCork(sk);
    if (!kept) return -ENOMEM;
    memory.copy(changetype<usize>(kept) + 4, changetype<usize>(cork) + 4, SMALL_SIZE - 4);
    cork = kept;
  } else if (msg.flags & MSG_PROBE) {
    return len;
  }
  return appendTo(sk, cork, msg, len, UDP_HLEN, more);
}

/** Adds to the datagram in `cork`, and sends it unless more is to come. An error discards it. */
@inline function appendTo(sk: Sock, cork: IpCork, msg: MsgHdr, len: u32, transhdrlen: u32, more: bool): i32 {
  let err = ipAppendData(sk, cork, msg, len, transhdrlen, more);
  if (err) {
    udpFlush(cork);
    return err;
  }
  if (!more) {
    err = udpPush(sk, cork);
    if (err) return err;
  }
  return len;
}

function udpFlush(cork: IpCork): void {
  cork.dev = nil<NetDevice>();
  ipFlushPending(cork);
}

function keepCork(sk: Sock): IpCork {
  if (!sk.cork) sk.cork = poolAlloc(POOL_SMALL);
  return corkOf(sk);
}

@inline function mayBroadcast(sk: Sock): bool { return (sk.opts & (1 << SO_BROADCAST)) != 0; }

@inline function cacheRoute(sk: Sock, e: FibEntry): void {
  sk.route_dev = changetype<usize>(e.out);
  sk.route_nexthop = e.gateway ? e.gateway : sk.daddr;
  sk.route_gen = routeGen();
}

/**
 * udp_push_pending_frames(): gives the finished datagram its headers and sends it. 0, or -EINVAL/-EMSGSIZE for a GSO
 * datagram that cannot be: it is gone then.
 */
function udpPush(sk: Sock, cork: IpCork): i32 {
  const skb = cork.head, len = cork.length, dev = cork.dev, saddr = cork.saddr, daddr = cork.daddr, gso = cork.gso_size;
  cork.dev = nil<NetDevice>();
  cork.head = nil<SkBuff>();
  cork.tail = nil<SkBuff>();
  cork.length = 0;
  if (!skb) return 0;
  const uh = skb.data, payload = len - UDP_HLEN;
  skb.th = uh;
  skb.src_addr = saddr;
  store<u32>(uh, (bswap<u16>(sk.sport as u16) as u32) | ((bswap<u16>(cork.dport as u16) as u32) << 16));
  store<u32>(uh, bswap<u16>(len as u16) as u32, 4);
  if (gso) {
    const segment = payload < gso ? payload : gso;
    let err = 0;
    if (segment + UDP_HLEN + IP_HLEN > cork.fragsize) err = -EMSGSIZE;
    else if (payload > gso * UDP_MAX_SEGMENTS || sk.opts & (1 << SO_NO_CHECK)) err = -EINVAL;
    if (err) {
      fragChainFree(skb, REF_ABORTED);
      return err;
    }
    if (payload > gso) {
      skb.shinfo.gso_size = gso;
      skb.shinfo.gso_type = SKB_GSO_UDP_L4;
      skb.ip_summed = CHECKSUM_PARTIAL; // segments get their sums when they are cut
    }
  }
  if (skb.ip_summed != CHECKSUM_PARTIAL && !(sk.opts & (1 << SO_NO_CHECK))) udpChecksum(skb, uh, saddr, daddr, len);
  markTimestamp(skb, sk);
  const dropped = dev.tx_dropped, nexthop = cork.nexthop;
  if (skb.next) {
    sendFragments(skb, cork, dev, saddr, daddr);
  } else {
    ipPushHeader(skb, saddr, daddr, IPPROTO_UDP, cork.tos, cork.ttl, ipNextId(), IP_DF);
    ipFinishOutput(skb, dev, nexthop);
  }
  // A full qdisc is told only to who asked for errors; for anybody else the datagram is lost on the way.
  return sk.ip_opts & IP_RECVERR_ON && dev.qdisc_enqueue && dev.tx_dropped != dropped ? -ENOBUFS : 0;
}

/** The checksum of a datagram that no device can compute: it is in pieces, or the device cannot. */
function udpChecksum(skb: SkBuff, uh: usize, saddr: u32, daddr: u32, len: u32): void {
  let sum = csumPseudo(saddr, daddr, IPPROTO_UDP, len, 0), pos: u32 = 0;
  for (let at = skb; at; at = at.next) {
    sum = csumAdd(sum, csumAt(skbChecksum(at, 0, at.len, 0), pos));
    pos += at.len;
  }
  const folded = csumFold(sum);
  store<u16>(uh, (folded ? folded : 0xffff) as u16, 6);
}

/** Sends a datagram that was built as fragments (RFC 791 2.3). When one finds the qdisc full the rest is not sent. */
function sendFragments(skb: SkBuff, cork: IpCork, dev: NetDevice, saddr: u32, daddr: u32): void {
  const id = ipNextId(), tos = cork.tos, ttl = cork.ttl, nexthop = cork.nexthop;
  let off: u32 = 0;
  while (skb) {
    const next = skb.next, n = skb.len;
    skb.next = nil<SkBuff>();
    if (!skb.th) skb.th = skb.data;
    skb.src_addr = saddr;
    ipPushHeader(skb, saddr, daddr, IPPROTO_UDP, tos, ttl, id, (off >> 3) | (next ? IP_MF : 0));
    off += n;
    const dropped = dev.tx_dropped;
    ipFinishOutput(skb, dev, nexthop);
    skb = next;
    if (dev.tx_dropped != dropped && dev.qdisc_enqueue) {
      fragChainFree(skb, REF_DROPPED);
      return;
    }
  }
}

/** Control messages of a send. 0: none for IP; 1: there were some, the socket's cached route does not hold; -errno. */
function udpCmsgSend(sk: Sock, msg: MsgHdr, cork: IpCork): i32 {
  let needIp = false;
  for (let off = cmsgFirst(msg); off != CMSG_END; off = cmsgNext(msg, off)) {
    if (!cmsgOk(msg, off)) return -EINVAL;
    if (cmsgLevel(msg, off) != SOL_UDP) {
      needIp = true;
      continue;
    }
    if (cmsgType(msg, off) != UDP_SEGMENT || cmsgDataLen(msg, off) != 2) return -EINVAL;
    cork.gso_size = load<u16>(cmsgData(msg, off));
  }
  if (!needIp) return 0;
  for (let off = cmsgFirst(msg); off != CMSG_END; off = cmsgNext(msg, off)) {
    const level = cmsgLevel(msg, off), type = cmsgType(msg, off), n = cmsgDataLen(msg, off), data = cmsgData(msg, off);
    if (level == SOL_SOCKET) {
      if (!sockCmsgOk(msg, off)) return -EINVAL;
      continue;
    }
    if (level != SOL_IP) continue;
    switch (type) {
      case IP_TTL: {
        if (n != 4) return -EINVAL;
        const ttl = load<i32>(data);
        if (ttl < 1 || ttl > 255) return -EINVAL;
        cork.ttl = ttl;
        break;
      }
      case IP_TOS: {
        if (n != 4 && n != 1) return -EINVAL;
        const tos: i32 = n == 4 ? load<i32>(data) : (load<u8>(data) as i32);
        if (tos < 0 || tos > 255) return -EINVAL;
        cork.tos = tos;
        break;
      }
      case IP_PKTINFO: { // struct in_pktinfo: ifindex, local address, destination
        if (n != 12) return -EINVAL;
        const index = load<u32>(data);
        if (index) {
          const dev = devByIndex(index);
          if (!dev || dev.ns != sk.netns) return -ENODEV;
          cork.oif = index;
        }
        cork.saddr = bswap<u32>(load<u32>(data, 4));
        break;
      }
      case IP_RETOPTS: {
        const err = ipOptionsCheck(data, n);
        if (err) return err;
        break;
      }
      case IP_PROTOCOL:
        break;
      default:
        return -EINVAL;
    }
  }
  return 1;
}

// Addresses -------------------------------------------------------------------------------------------------------

/** connect(2): fixes the peer, and with it the local address. 0 or -errno. */
export function udpConnect(sk: Sock, daddr: u32, dport: u32, family: u32): i32 {
  if (!sk.sport && udpGetPort(sk, sk.saddr, 0) < 0) return -EAGAIN;
  if (family != AF_INET) return -EAFNOSUPPORT;
  daddr = fixUnspecified(sk.saddr, daddr);
  const e = fibLookup(sk.netns, daddr, sk.bound_dev), err = routeErrno(e, sk.saddr, mayBroadcast(sk));
  if (err) return err;
  if (!sk.saddr) sk.saddr = e.src;
  sk.daddr = daddr;
  sk.dport = dport;
  sk.state = TCP_ESTABLISHED;
  cacheRoute(sk, e);
  return 0;
}

/** connect(2) with AF_UNSPEC: forgets the peer, and what connect() and autobind chose. */
export function udpDisconnect(sk: Sock): i32 {
  sk.state = TCP_CLOSE;
  sk.daddr = 0;
  sk.dport = 0;
  sk.route_dev = 0;
  if (sk.flags & SOCK_F_BOUND) {
    sk.saddr = sk.bound_addr;
  } else {
    sk.saddr = INADDR_ANY;
    udpUnhash(sk);
    sk.sport = 0;
  }
  return 0;
}

// Options, state, end ---------------------------------------------------------------------------------------------

/** udp_push_pending_frames(): UDP_CORK was switched off, what has been gathered goes. */
export function udpPushPending(sk: Sock): void {
  if (pending(sk)) udpPush(sk, corkOf(sk));
}

function udpPoll(sk: Sock): u32 {
  let mask: u32 = 0;
  if (sk.err || errorQueue(sk).first) mask |= POLLERR;
  if (sk.shutdown & SHUTDOWN_RCV) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if ((sk.shutdown & (SHUTDOWN_RCV | SHUTDOWN_SEND)) == (SHUTDOWN_RCV | SHUTDOWN_SEND)) mask |= POLLHUP;
  if (receiveQueue(sk).first) mask |= POLLIN | POLLRDNORM;
  // sock_writeable(). The count of Linux begins at one, for the socket itself.
  if (sk.wmem_alloc + 1 < sk.sndbuf >> 1) mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
  else sk.flags |= SOCK_F_NOSPACE;
  return mask;
}

/** shutdown(2): takes effect on a socket without peer too, and says so with -ENOTCONN. */
function udpShutdown(sk: Sock, how: u32): i32 {
  if (how > SHUT_RDWR) return -EINVAL;
  sk.shutdown |= how + 1;
  skStateChange(sk);
  return sk.state == TCP_CLOSE ? -ENOTCONN : 0;
}

/** The last file is gone. What is on its way out goes on: it holds the socket by its charge. */
function udpRelease(sk: Sock): void {
  if (sk.cork) {
    udpFlush(corkOf(sk)); // a datagram that was never finished is never sent
    poolFree(POOL_SMALL, sk.cork);
    sk.cork = 0;
  }
  udpUnhash(sk);
  skbQueuePurge(receiveQueue(sk), REF_PURGED);
  udpReleaseDeficit(sk);
  sockPut(sk);
}
