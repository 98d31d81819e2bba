// Sockets that exist, can be polled and closed, and carry nothing: raw IP, netlink, vsock, MPTCP, UDP-Lite. A program that only checks how
// io_uring answers on them (-EOPNOTSUPP for zero copy) gets the same answers as on Linux; one that really talks through
// them is told that this is not modelled.
import { AF_INET, AF_NETLINK, AF_VSOCK, IPPROTO_UDPLITE, POLLOUT, POLLWRNORM, SOCK_DGRAM, SOCK_STREAM } from "../abi/socket";
import { EAGAIN, EDESTADDRREQ, ENOTCONN, EOPNOTSUPP, EPIPE } from "../abi/errno";
import { notModelled } from "../lib/not_modelled";
import { MsgHdr, POLLERR_MASK, POLLOUT_MASK, SHUTDOWN_SEND, SOCK_F_SUPPORT_ZC, Sock, sockError, sockPut } from "./sock";
import { TCP_CLOSE } from "./tcp_states";

const NETLINK_ADDR_SIZE: i32 = 12;
const VSOCK_ADDR_SIZE: i32 = 16;

export function refuseInitSock(sk: Sock): i32 {
  sk.state = TCP_CLOSE;
  sk.op_sendmsg = refuseSendmsg.index;
  sk.op_recvmsg = refuseRecvmsg.index;
  sk.op_poll = refusePoll.index;
  sk.op_release = refuseRelease.index;
  sk.op_shutdown = refuseShutdown.index;
  if (sk.protocol == IPPROTO_UDPLITE && sk.type == SOCK_DGRAM) sk.flags |= SOCK_F_SUPPORT_ZC;
  return 0;
}

function refuseSendmsg(sk: Sock, msg: MsgHdr): i32 {
  if (sk.shutdown & SHUTDOWN_SEND) return -EPIPE;
  if (sk.family == AF_VSOCK) return -ENOTCONN;
  if (sk.family == AF_INET && sk.type == SOCK_STREAM) return notModelled(sk.protocol); // MPTCP
  if (sk.family == AF_INET && !msg.name && !sk.daddr) return -EDESTADDRREQ;
  return notModelled(sk.family);
}

function refuseRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  if (sk.family == AF_INET && sk.type == SOCK_STREAM) return notModelled(sk.protocol); // MPTCP
  if (sk.family == AF_VSOCK) return -ENOTCONN;
  const err = sockError(sk);
  return err ? err : -EAGAIN;
}

function refusePoll(sk: Sock): u32 {
  if (sk.family == AF_VSOCK) return POLLOUT | POLLWRNORM;
  return POLLOUT_MASK | (sk.err ? POLLERR_MASK : 0);
}

function refuseShutdown(sk: Sock, how: u32): i32 { return sk.family == AF_NETLINK ? -EOPNOTSUPP : -ENOTCONN; }

function refuseRelease(sk: Sock): void { sockPut(sk); }

/** getsockname(2) of a socket that was never bound: length of what it writes to `to`. */
export function refuseGetname(sk: Sock, to: usize): i32 {
  memory.fill(to, 0, VSOCK_ADDR_SIZE);
  store<u16>(to, sk.family as u16);
  if (sk.family != AF_VSOCK) return NETLINK_ADDR_SIZE;
  store<u64>(to, u64.MAX_VALUE, 4); // any port, any context
  return VSOCK_ADDR_SIZE;
}
