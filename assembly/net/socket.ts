// The socket layer: from socket(2) to close(2), a family at a time. Nothing in here waits: what cannot be done now is
// -EAGAIN (or -EINPROGRESS), and whether to sleep and try again is for the caller to decide, a system call
// (sys/socket.ts) or an io_uring request.
//
// A socket is a Sock behind a File. The File holds one reference, which op_release drops (at once, or when the protocol is
// done with the connection); whoever calls into a socket holds the File meanwhile.
import { IovIter } from "../mm/iov_iter";
import {
  AF_INET, AF_NETLINK, AF_PACKET, AF_UNIX, AF_VSOCK, IPPROTO_TCP, MSG_DONTWAIT, MSG_EOR, MSG_ERRQUEUE, MSG_FASTOPEN, SOCK_CLOEXEC, SOCK_DGRAM,
  SOCK_NONBLOCK, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM,
} from "../abi/socket";
import {
  EAFNOSUPPORT, EINVAL, ENODEV, ENOMEM, ENOTCONN, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT, ESPIPE,
} from "../abi/errno";
import { nil } from "../lib/state";
import { current } from "../kernel/task";
import { FILE_SOCKET, FMODE_NOWAIT, File, RW_WAITS, RW_WRITE, fileNew } from "../fs/file";
import { errqueuePurge, recvErrqueue } from "./errqueue";
import { inetAccept, inetBind, inetConnect, inetGetname, inetInitSock, inetListen, inetProtocol, inetSendFastopen, inetShutdown } from "./inet";
import { packetBind, packetGetname, packetInitSock } from "./packet";
import { notModelled } from "../lib/not_modelled";
import { refuseGetname, refuseInitSock } from "./refuse";
import { msgInit } from "./msg_import";
import { SCRATCH_MSG } from "./scratch";
import { MsgHdr, SHUTDOWN_RCV, SOCK_F_DEAD, Sock, skAlloc, sockWq } from "./sock";
import { unixAccept, unixConnect, unixGetname, unixInitSock, unixListen, unixPair } from "./unix";
import { unixBind } from "./unix_name";

const AF_MAX: u32 = 46;
const SOCK_MAX: u32 = 11;
/** The netlink families of a small kernel: route, sock_diag, uevent and a few more. */
const NETLINK_PROTOCOLS: u32 = 0x19ed5;

// Making -----------------------------------------------------------------------------------------------------------------

/** socket(2) without the descriptor: a Sock as its address, or -errno. `type` is the bare type. */
export function sockCreate(domain: u32, type: u32, protocol: i32): i32 {
  if (domain >= AF_MAX) return -EAFNOSUPPORT;
  if (type >= SOCK_MAX) return -EINVAL;
  let proto: i32 = protocol;
  if (domain == AF_UNIX) {
    proto = unixProtocol(type, protocol);
    if (type == SOCK_RAW) type = SOCK_DGRAM;
  } else if (domain == AF_INET) {
    proto = inetProtocol(type, protocol);
  } else if (domain == AF_PACKET) {
    if (!current().privileged) return -EPERM;
    if (type != SOCK_RAW && type != SOCK_DGRAM) return -ESOCKTNOSUPPORT;
    proto &= 0xffff;
  } else if (domain == AF_NETLINK) {
    if (type != SOCK_RAW && type != SOCK_DGRAM) return -ESOCKTNOSUPPORT;
    if (protocol < 0 || protocol >= 32 || !(NETLINK_PROTOCOLS & (1 << protocol))) return -EPROTONOSUPPORT;
  } else if (domain == AF_VSOCK) {
    if (protocol && protocol != (AF_VSOCK as i32)) return -EPROTONOSUPPORT;
    if (type == SOCK_DGRAM) return -ENODEV; // there is no transport for it
    if (type != SOCK_STREAM && type != SOCK_SEQPACKET) return -ESOCKTNOSUPPORT;
  } else {
    return -EAFNOSUPPORT; // AF_INET6 (10) included: there is no IPv6 here
  }
  if (proto < 0) return proto;
  const sk = skAlloc(domain, type, proto as u32, current().netns);
  if (!sk) return -ENOMEM;
  if (domain == AF_UNIX) unixInitSock(sk);
  else if (domain == AF_INET) inetInitSock(sk);
  else if (domain == AF_PACKET) packetInitSock(sk);
  else refuseInitSock(sk);
  return changetype<usize>(sk) as i32;
}

function unixProtocol(type: u32, protocol: i32): i32 {
  if (protocol && protocol != (AF_UNIX as i32)) return -EPROTONOSUPPORT;
  return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET || type == SOCK_RAW ? 0 : -ESOCKTNOSUPPORT;
}

/** The flags of socket(2) and accept4(2) beside the type: 0 or -EINVAL. */
@inline export function sockFlagsCheck(flags: u32): i32 { return flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) ? -EINVAL : 0; }

/** An open file over `sk`, to which the socket's reference moves; nil (ENFILE) leaves it with the caller. */
export function sockFile(sk: Sock, flags: u32): File {
  const f = fileNew(FILE_SOCKET, changetype<usize>(sk), sockFileRelease.index, sockPoll.index, sockWq(sk));
  if (!f) return f;
  f.flags = flags & SOCK_NONBLOCK; // the same bit as O_NONBLOCK
  f.mode |= FMODE_NOWAIT;
  f.rw = sockRw.index;
  sk.file = changetype<usize>(f);
  return f;
}

/** File.rw: a receive or send without flags. There is no position, so none may be named. */
function sockRw(f: File, it: IovIter, pos: u64, flags: u32): i32 {
  if (pos) return -ESPIPE;
  const sk = changetype<Sock>(f.priv), msg = changetype<MsgHdr>(SCRATCH_MSG);
  const write = (flags & RW_WRITE) != 0;
  if (!write && !it.count) return 0; // a read of nothing does not even look at the socket
  if (write) {
    msgInit(msg, it, sk.type == SOCK_SEQPACKET ? MSG_DONTWAIT | MSG_EOR : MSG_DONTWAIT);
    return sockSendmsg(sk, msg);
  }
  msgInit(msg, it, flags & RW_WAITS ? 0 : MSG_DONTWAIT); // only who would wait is told that nothing can come any more
  return sockRecvmsg(sk, msg);
}

/** File.release: the last descriptor and request are gone. */
function sockFileRelease(f: File): void { sockRelease(changetype<Sock>(f.priv)); }

/** Drops a socket for good, with or without a file. */
export function sockRelease(sk: Sock): void {
  sk.file = 0;
  sk.flags |= SOCK_F_DEAD;
  if (sk.eq0) errqueuePurge(sk); // and from now on nothing is added
  call_indirect<void>(sk.op_release, sk);
}

/** socketpair(2) without descriptors: -errno, or 0 and the two sockets in pair[0], pair[1] (u32 words at `pair`). */
export function sockPair(domain: u32, type: u32, protocol: i32, pair: usize): i32 {
  const a = sockCreate(domain, type, protocol);
  if (a < 0) return a;
  if (domain != AF_UNIX) {
    sockRelease(changetype<Sock>(a as usize));
    return -EOPNOTSUPP;
  }
  const b = sockCreate(domain, type, protocol);
  if (b < 0) {
    sockRelease(changetype<Sock>(a as usize));
    return b;
  }
  unixPair(changetype<Sock>(a as usize), changetype<Sock>(b as usize));
  store<u32>(pair, a);
  store<u32>(pair, b, 4);
  return 0;
}

// Using ------------------------------------------------------------------------------------------------------------------

/** The socket behind a file, or nil. */
@inline export function sockFromFile(f: File): Sock { return f.kind == FILE_SOCKET ? changetype<Sock>(f.priv) : nil<Sock>(); }

/** Bytes sent, -EAGAIN instead of waiting, -errno. A stream may take less than was offered. */
@inline export function sockSendmsg(sk: Sock, msg: MsgHdr): i32 {
  if (msg.flags & MSG_FASTOPEN && sk.protocol == IPPROTO_TCP) {
    const err = inetSendFastopen(sk, msg);
    if (err) return err;
  }
  return call_indirect<i32>(sk.op_sendmsg, sk, msg);
}

/** Bytes received, 0 at the end of a stream, -EAGAIN instead of waiting, -errno. */
@inline export function sockRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  return msg.flags & MSG_ERRQUEUE && sk.family != AF_UNIX ? recvErrqueue(sk, msg) : call_indirect<i32>(sk.op_recvmsg, sk, msg);
}

/** File.poll of a socket. */
export function sockPoll(f: File): u32 {
  const sk = changetype<Sock>(f.priv);
  return call_indirect<u32>(sk.op_poll, sk);
}

export function sockShutdown(sk: Sock, how: u32): i32 {
  return sk.family == AF_INET ? inetShutdown(sk, how) : call_indirect<i32>(sk.op_shutdown, sk, how);
}

export function sockBind(sk: Sock, addr: usize, len: u32): i32 {
  if (sk.family == AF_INET) return inetBind(sk, addr, len);
  if (sk.family == AF_UNIX) return unixBind(sk, addr, len);
  return sk.family == AF_PACKET ? packetBind(sk, addr, len) : notModelled(sk.family);
}

/** 0, -EINPROGRESS (TCP handshake), -EAGAIN (AF_UNIX listener's queue full), -errno. */
export function sockConnect(sk: Sock, addr: usize, len: u32): i32 {
  if (sk.family == AF_INET) return inetConnect(sk, addr, len);
  if (sk.family == AF_UNIX) return unixConnect(sk, addr, len);
  return sk.family == AF_PACKET ? -EOPNOTSUPP : notModelled(sk.family);
}

export function sockListen(sk: Sock, backlog: i32): i32 {
  if (sk.family == AF_INET) return inetListen(sk, backlog);
  if (sk.family == AF_UNIX) return unixListen(sk, backlog);
  return sk.family == AF_VSOCK ? -EINVAL : -EOPNOTSUPP; // an unbound one cannot listen
}

/** A connected socket without a file, as its address; -EAGAIN when there is none, -errno. */
export function sockAccept(sk: Sock): i32 {
  if (sk.family == AF_INET) return inetAccept(sk);
  if (sk.family == AF_UNIX) return unixAccept(sk);
  return sk.family == AF_VSOCK ? -EINVAL : -EOPNOTSUPP;
}

/** Does another connection wait on the listener? AF_UNIX does not tell. */
@inline export function sockHasConnection(sk: Sock): bool { return sk.family == AF_INET && sk.accept_head != nil<Sock>(); }

/** Will a listener without connections never have one again, so that there is nothing to wait for? */
@inline export function sockAcceptEnded(sk: Sock): bool { return sk.family == AF_UNIX && (sk.shutdown & SHUTDOWN_RCV) != 0; }

/** The socket's own or its peer's address at `to` (128 bytes): length, or -errno. */
export function sockGetname(sk: Sock, to: usize, peer: bool): i32 {
  if (sk.family == AF_INET) return inetGetname(sk, to, peer);
  if (sk.family == AF_UNIX) return unixGetname(sk, to, peer);
  if (sk.family == AF_PACKET) return peer ? -EOPNOTSUPP : packetGetname(sk, to);
  return peer ? -ENOTCONN : refuseGetname(sk, to);
}
