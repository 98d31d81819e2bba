// AF_INET as a family: which protocol a socket(2) call gets, struct sockaddr_in, bind, connect, listen, accept and names,
// as far as TCP and UDP share them. man: ip(7), tcp(7), udp(7).
import {
  AF_INET, AF_UNSPEC, INADDR_ANY, IPPROTO_ICMP, IPPROTO_IP, IPPROTO_MPTCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, MSG_DONTWAIT,
  MSG_FASTOPEN, SHUT_WR, SOCK_DGRAM, SOCK_RAW,
  SOCK_STREAM, SOCKADDR_IN_OFF_ADDR, SOCKADDR_IN_OFF_FAMILY, SOCKADDR_IN_OFF_PORT, SOCKADDR_IN_SIZE,
} from "../abi/socket";
import {
  EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP,
  EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
} from "../abi/errno";
import { notModelled } from "../lib/not_modelled";
import { current } from "../kernel/task";
import { MsgHdr, SOCK_F_BOUND, SOCK_F_PORT_LOCK, Sock, sockError } from "./sock";
import {
  SS_CONNECTED, SS_CONNECTING, SS_DISCONNECTING, SS_UNCONNECTED, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT,
} from "./tcp_states";
import { inetBindPort } from "./inet_ports";
import { isLocalAddr } from "./route";
import { refuseInitSock } from "./refuse";
import { tcpAccept, tcpConnect, tcpDisconnect, tcpInitSock, tcpListen } from "./tcp";
import { udpConnect, udpDisconnect, udpInitSock } from "./udp";
import { udpGetPort, udpUnhash } from "./udp_port";

const IPPROTO_MAX: i32 = 263;
const SOCK_PACKET: u32 = 10; // what AF_PACKET was called before Linux 2.2
const PROT_SOCK: u32 = 1024; // first port that needs no privilege (net.ipv4.ip_unprivileged_port_start)
const SOMAXCONN: u32 = 4096;

// struct sockaddr_in in kernel memory
@inline export function sinFamily(sin: usize): u32 { return load<u16>(sin, SOCKADDR_IN_OFF_FAMILY) as u32; }
@inline export function sinPort(sin: usize): u32 { return bswap<u16>(load<u16>(sin, SOCKADDR_IN_OFF_PORT)) as u32; }
@inline export function sinAddr(sin: usize): u32 { return bswap<u32>(load<u32>(sin, SOCKADDR_IN_OFF_ADDR)); }
export function sinSet(sin: usize, addr: u32, port: u32): void {
  store<u16>(sin, AF_INET as u16, SOCKADDR_IN_OFF_FAMILY);
  store<u16>(sin, bswap<u16>(port as u16), SOCKADDR_IN_OFF_PORT);
  store<u32>(sin, bswap<u32>(addr), SOCKADDR_IN_OFF_ADDR);
  store<u64>(sin, 0, 8);
}

/** The protocol number that socket(AF_INET, type, protocol) selects, or -errno. */
export function inetProtocol(type: u32, protocol: i32): i32 {
  if (protocol < 0 || protocol >= IPPROTO_MAX) return -EINVAL;
  if (type == SOCK_STREAM) {
    if (protocol == IPPROTO_MPTCP) return protocol;
    return protocol == IPPROTO_IP || protocol == IPPROTO_TCP ? IPPROTO_TCP : -EPROTONOSUPPORT;
  }
  if (type == SOCK_DGRAM) {
    if (protocol == IPPROTO_ICMP) return -EACCES; // net.ipv4.ping_group_range: nobody
    if (protocol == IPPROTO_UDPLITE) return protocol;
    return protocol == IPPROTO_IP || protocol == IPPROTO_UDP ? IPPROTO_UDP : -EPROTONOSUPPORT;
  }
  if (type == SOCK_PACKET) return notModelled(type);
  if (type != SOCK_RAW) return -ESOCKTNOSUPPORT;
  if (protocol == IPPROTO_IP) return -EPROTONOSUPPORT;
  return current().privileged ? protocol : -EPERM;
}

/** Makes a fresh socket one of its protocol: 0 or -errno. */
export function inetInitSock(sk: Sock): i32 {
  sk.state = TCP_CLOSE;
  if (isStub(sk)) refuseInitSock(sk);
  else if (sk.type == SOCK_STREAM) tcpInitSock(sk);
  else if (sk.type == SOCK_DGRAM) udpInitSock(sk);
  else refuseInitSock(sk);
  return 0;
}

/** MPTCP and UDP-Lite: sockets that say what they think of zero copy, and can do nothing else. */
@inline export function isStub(sk: Sock): bool { return sk.type != SOCK_RAW && (sk.protocol == IPPROTO_MPTCP || sk.protocol == IPPROTO_UDPLITE); }

/** bind(2) with the address at `sin`, `len` bytes. */
export function inetBind(sk: Sock, sin: usize, len: u32): i32 {
  if (isStub(sk)) return notModelled(sk.protocol);
  if (len < SOCKADDR_IN_SIZE) return -EINVAL;
  const addr = sinAddr(sin), port = sinPort(sin), family = sinFamily(sin);
  // An address of all zeros is accepted without a family, for old programs' sake.
  if (family != AF_INET && (family != AF_UNSPEC || addr != INADDR_ANY)) return -EAFNOSUPPORT;
  if (!bindable(sk.netns, addr)) return -EADDRNOTAVAIL;
  if (port && port < PROT_SOCK && !current().privileged) return -EACCES;
  if (sk.state != TCP_CLOSE || holdsPort(sk)) return -EINVAL;
  if (sk.type == SOCK_RAW) {
    sk.saddr = addr;
    return 0;
  }
  const got = sk.type == SOCK_DGRAM ? udpGetPort(sk, addr, port) : inetBindPort(sk.netns, sk.protocol, addr, port, sk);
  if (got < 0) {
    sk.saddr = INADDR_ANY; // the address had been taken before the port was found to be gone
    return got == -EAGAIN ? -EADDRINUSE : got;
  }
  sk.saddr = addr;
  sk.bound_addr = addr;
  sk.sport = got as u32;
  if (addr || port) sk.flags |= SOCK_F_BOUND;
  if (port || sk.ss_state != SS_UNCONNECTED) sk.flags |= SOCK_F_PORT_LOCK; // a second bind() is refused from now on
  return 0;
}

/** A stream's port that nobody asked for by number is free again once its connection is over. */
function holdsPort(sk: Sock): bool {
  if (!sk.sport) return false;
  return sk.type != SOCK_STREAM || sk.ss_state == SS_UNCONNECTED || (sk.flags & SOCK_F_PORT_LOCK) != 0;
}

/** May a socket bind to `addr`: any, one of the namespace's own, multicast or broadcast. */
function bindable(netns: u32, addr: u32): bool {
  return addr == INADDR_ANY || addr >= 0xe0000000 || isLocalAddr(netns, addr);
}

/** connect(2) without waiting: -EINPROGRESS as long as a TCP handshake is under way. */
export function inetConnect(sk: Sock, sin: usize, len: u32): i32 {
  if (isStub(sk)) return notModelled(sk.protocol);
  if (len < 2) return -EINVAL;
  const family = sinFamily(sin);
  if (sk.type == SOCK_STREAM) return streamConnect(sk, sin, len, family);
  if (family == AF_UNSPEC) return sk.type == SOCK_DGRAM ? dgramDisconnect(sk) : 0;
  if (sk.type == SOCK_DGRAM && !sk.sport && udpGetPort(sk, sk.saddr, 0) < 0) return -EAGAIN;
  if (len < SOCKADDR_IN_SIZE) return -EINVAL;
  if (sk.type == SOCK_DGRAM) return udpConnect(sk, sinAddr(sin), sinPort(sin), family);
  if (family != AF_INET) return -EAFNOSUPPORT;
  sk.daddr = sinAddr(sin);
  sk.state = TCP_ESTABLISHED;
  return 0;
}

function dgramDisconnect(sk: Sock): i32 {
  const err = udpDisconnect(sk);
  if (sk.sport && !(sk.flags & SOCK_F_PORT_LOCK)) {
    udpUnhash(sk);
    sk.sport = 0;
  }
  return err;
}

/** `used`: the port served a connection, and is given back unless bind() had named it. */
function streamDisconnect(sk: Sock, used: bool): i32 {
  if (sk.sport) sk.last_port = sk.sport;
  const err = tcpDisconnect(sk);
  sk.ss_state = SS_UNCONNECTED;
  if (used && !(sk.flags & SOCK_F_PORT_LOCK)) sk.sport = 0;
  return err;
}

function streamConnect(sk: Sock, sin: usize, len: u32, family: u32): i32 {
  if (family == AF_UNSPEC) return streamDisconnect(sk, sk.state != TCP_CLOSE);
  if (sk.ss_state == SS_CONNECTED) return -EISCONN;
  if (sk.ss_state == SS_DISCONNECTING) return -EINVAL;
  if (sk.ss_state == SS_CONNECTING) {
    const state = sk.state;
    if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) return -EALREADY;
    return inetConnectDone(sk);
  }
  if (sk.state != TCP_CLOSE) return -EISCONN;
  if (len < SOCKADDR_IN_SIZE) return -EINVAL;
  if (family != AF_INET) return -EAFNOSUPPORT;
  const err = tcpConnect(sk, sinAddr(sin), sinPort(sin));
  if (err < 0 && err != -EINPROGRESS) return err;
  // Even if the peer is on this machine its answer is handled only as the socket is unlocked, after this is decided.
  sk.ss_state = SS_CONNECTING;
  return -EINPROGRESS;
}

/** Is the handshake still going on? */
/**
 * tcp_sendmsg_fastopen(): MSG_FASTOPEN connects first. No peer here gives cookies, so the data follows the handshake. 0: the
 * send may be tried, and waits for the handshake if it may wait.
 */
export function inetSendFastopen(sk: Sock, msg: MsgHdr): i32 {
  if (msg.name && msg.namelen >= 2 && sinFamily(msg.name) == AF_UNSPEC) return -EOPNOTSUPP;
  let err = msg.name ? inetConnect(sk, msg.name, msg.namelen) : sk.state == TCP_CLOSE && sk.ss_state == SS_UNCONNECTED ? -EINVAL : -EISCONN;
  if ((err == -EINPROGRESS || err == -EALREADY) && !(msg.flags & MSG_DONTWAIT)) {
    if (inetConnectPending(sk)) return 0;
    err = inetConnectDone(sk); // a peer on this machine has answered already
  }
  if (!err) msg.flags &= ~MSG_FASTOPEN; // the rest of the message goes the usual way
  return err;
}

@inline export function inetConnectPending(sk: Sock): bool { return sk.state == TCP_SYN_SENT || sk.state == TCP_SYN_RECV; }

/** Outcome of a handshake that is over: 0, or why it failed. The socket can try again after a failure. */
export function inetConnectDone(sk: Sock): i32 {
  if (sk.state == TCP_CLOSE) {
    const err = sockError(sk);
    streamDisconnect(sk, true);
    return err ? err : -ECONNABORTED;
  }
  sk.ss_state = SS_CONNECTED;
  return 0;
}

/** shutdown(2) also settles what connect() has come to. */
export function inetShutdown(sk: Sock, how: u32): i32 {
  if (isStub(sk)) return notModelled(sk.protocol);
  if (how > 2) return -EINVAL;
  const given = sk.state == TCP_SYN_SENT || (sk.state == TCP_LISTEN && how != SHUT_WR); // up: the socket is as new
  const pending = inetConnectPending(sk) || sk.state == TCP_CLOSE, listening = sk.state == TCP_LISTEN, port = sk.sport;
  const err = call_indirect<i32>(sk.op_shutdown, sk, how);
  if (sk.type != SOCK_STREAM) return err;
  if (given) sk.ss_state = SS_UNCONNECTED;
  else if (sk.ss_state == SS_CONNECTING) sk.ss_state = pending ? SS_DISCONNECTING : SS_CONNECTED;
  if (listening && sk.state == TCP_CLOSE && !(sk.flags & SOCK_F_PORT_LOCK)) {
    sk.last_port = port;
    sk.sport = 0;
  }
  return err;
}

export function inetListen(sk: Sock, backlog: i32): i32 {
  if (isStub(sk)) return notModelled(sk.protocol);
  if (sk.type != SOCK_STREAM) return -EOPNOTSUPP;
  if (sk.ss_state != SS_UNCONNECTED || (sk.state != TCP_CLOSE && sk.state != TCP_LISTEN)) return -EINVAL;
  const max = (backlog as u32) > SOMAXCONN ? SOMAXCONN : (backlog as u32);
  if (sk.state == TCP_LISTEN) {
    sk.backlog_max = max;
    return 0;
  }
  return tcpListen(sk, max);
}

/** accept(2) without waiting: a connected socket as its address, -EAGAIN, or -errno. */
export function inetAccept(sk: Sock): i32 {
  if (isStub(sk)) return notModelled(sk.protocol);
  if (sk.type != SOCK_STREAM) return -EOPNOTSUPP;
  if (sk.state != TCP_LISTEN) return -EINVAL;
  const child = tcpAccept(sk);
  if (!child) return -EAGAIN;
  child.ss_state = SS_CONNECTED;
  return changetype<usize>(child) as i32;
}

/** The address of a connection that was just accepted, also if it has ended since. */
export function inetAcceptedName(sk: Sock, sin: usize): i32 {
  sinSet(sin, sk.daddr, sk.dport);
  return SOCKADDR_IN_SIZE;
}

/** getsockname(2), getpeername(2): writes a sockaddr_in to `sin`; its length or -ENOTCONN. */
export function inetGetname(sk: Sock, sin: usize, peer: bool): i32 {
  if (!peer) {
    sinSet(sin, sk.saddr, sk.sport ? sk.sport : sk.last_port);
    return SOCKADDR_IN_SIZE;
  }
  const state = sk.state;
  if (!sk.dport || ((state == TCP_CLOSE || state == TCP_SYN_SENT) && sk.type == SOCK_STREAM)) return -ENOTCONN;
  sinSet(sin, sk.daddr, sk.dport);
  return SOCKADDR_IN_SIZE;
}
