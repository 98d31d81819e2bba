// Sockets that exist, can be polled and closed, and carry nothing: raw IP, netlink, vsock. A program that only checks how
// io_uring answers on them (-EOPNOTSUPP for zero copy) gets the same answers as on Linux; one that really talks through
// them is told that this is not modelled.
import { AF_INET, AF_VSOCK } from "../abi/socket";
import { EAGAIN, EDESTADDRREQ, ENOTCONN, ENOTMODELLED, EPIPE } from "../abi/errno";
import { S_NOT_MODELLED } from "../lib/state";
import { MsgHdr, POLLERR_MASK, POLLOUT_MASK, SHUTDOWN_SEND, Sock, sockError, sockPut } from "./sock";
import { TCP_CLOSE } from "./tcp_states";
import { POLLHUP, POLLOUT, POLLWRNORM } from "../abi/socket";

export function refuseInitSock(sk: Sock): i32 {
  sk.state = TCP_CLOSE;
  sk.op_sendmsg = refuseSendmsg.index;
  sk.op_recvmsg = refuseRecvmsg.index;
  sk.op_poll = refusePoll.index;
  sk.op_release = refuseRelease.index;
  sk.op_shutdown = refuseShutdown.index;
  return 0;
}

/** What the last -ENOTMODELLED was about: the socket family. */
export function notModelled(what: u32): i32 {
  store<u32>(S_NOT_MODELLED, what);
  return -ENOTMODELLED;
}

function refuseSendmsg(sk: Sock, msg: MsgHdr): i32 {
  if (sk.shutdown & SHUTDOWN_SEND) return -EPIPE;
  if (sk.family == AF_VSOCK) return -ENOTCONN;
  if (sk.family == AF_INET && !msg.name && !sk.daddr) return -EDESTADDRREQ;
  return notModelled(sk.family);
}

function refuseRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  if (sk.family == AF_VSOCK) return -ENOTCONN;
  const err = sockError(sk);
  return err ? err : -EAGAIN;
}

function refusePoll(sk: Sock): u32 {
  if (sk.family == AF_VSOCK) return POLLOUT | POLLWRNORM | POLLHUP;
  return POLLOUT_MASK | (sk.err ? POLLERR_MASK : 0);
}

function refuseShutdown(sk: Sock, how: u32): i32 { return -ENOTCONN; }

function refuseRelease(sk: Sock): void { sockPut(sk); }
