// AF_UNIX sockets: pairs, listeners and connections, poll, shutdown, close. Messages: unix_stream.ts, unix_dgram.ts.
// Neither kind takes the user's pages: SOCK_F_SUPPORT_ZC stays clear and zero-copy sends are -EOPNOTSUPP.
//
// Connected ends hold a reference on each other (`peer`), so what is left of a closed end stays until its partner has
// noticed. A listener keeps the sockets of unaccepted connections on accept_head; they have no file yet.
import { AF_UNIX, AF_UNSPEC, POLLHUP, POLLIN, POLLRDHUP, POLLRDNORM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from "../abi/socket";
import { EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, EISCONN, ENOMEM, ENOTCONN, EOPNOTSUPP, EPERM } from "../abi/errno";
import { REF_PURGED } from "../abi/trace";
import { nil } from "../lib/state";
import { current } from "../kernel/task";
import { skbQueuePurge } from "./skb_queue";
import {
  POLLERR_MASK, POLLOUT_MASK, SHUTDOWN_RCV, SHUTDOWN_SEND, SOCK_F_DEAD, SOCK_F_NOSPACE, Sock, errorQueue, receiveQueue, skAlloc,
  skDataReady, skStateChange, sockHold,
} from "./sock";
import { TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN } from "./tcp_states";
import {
  MAX_DGRAM_QLEN, unixDgramRecvmsg, unixDgramSendmsg, unixSeqpacketRecvmsg, unixSeqpacketSendmsg, wakePeers,
} from "./unix_dgram";
import { unixFindAddr, unixNameOf } from "./unix_name";
import { unixDgramDisconnected } from "./unix_peer";
import { unixAddr, unixAddrGet, unixPut, unixWritable } from "./unix_skb";
import { unixStreamRecvmsg, unixStreamSendmsg } from "./unix_stream";

const SHUTDOWN_MASK: u32 = SHUTDOWN_RCV | SHUTDOWN_SEND;
const SOMAXCONN: u32 = 4096;

@inline function connectionBased(sk: Sock): bool { return sk.type != SOCK_DGRAM; }

/** Makes a fresh socket one of AF_UNIX. */
export function unixInitSock(sk: Sock): void {
  sk.state = TCP_CLOSE;
  sk.backlog_max = MAX_DGRAM_QLEN;
  sk.peer_uid = u32.MAX_VALUE;
  sk.peer_gid = u32.MAX_VALUE;
  sk.op_release = unixRelease.index;
  sk.op_shutdown = unixShutdown.index;
  if (sk.type == SOCK_STREAM) {
    sk.op_sendmsg = unixStreamSendmsg.index;
    sk.op_recvmsg = unixStreamRecvmsg.index;
    sk.op_poll = unixStreamPoll.index;
  } else if (sk.type == SOCK_SEQPACKET) {
    sk.op_sendmsg = unixSeqpacketSendmsg.index;
    sk.op_recvmsg = unixSeqpacketRecvmsg.index;
    sk.op_poll = unixDgramPoll.index;
  } else {
    sk.op_sendmsg = unixDgramSendmsg.index;
    sk.op_recvmsg = unixDgramRecvmsg.index;
    sk.op_poll = unixDgramPoll.index;
  }
}

/** init_peercred(): from now on SO_PEERCRED of `sk` names the caller. */
function setPeerCred(sk: Sock): void {
  const t = current();
  sk.peer_pid = t.id;
  sk.peer_uid = t.uid;
  sk.peer_gid = 0;
}

/** socketpair(2): connects two fresh sockets. */
export function unixPair(a: Sock, b: Sock): void {
  setPeerCred(a);
  setPeerCred(b);
  sockHold(a);
  sockHold(b);
  a.peer = b;
  b.peer = a;
  a.state = TCP_ESTABLISHED;
  b.state = TCP_ESTABLISHED;
}

export function unixListen(sk: Sock, backlog: i32): i32 {
  if (!connectionBased(sk)) return -EOPNOTSUPP;
  if (!sk.priv) return -EINVAL;
  if (sk.state != TCP_CLOSE && sk.state != TCP_LISTEN) return -EINVAL;
  sk.backlog_max = (backlog as u32) > SOMAXCONN ? SOMAXCONN : (backlog as u32);
  sk.state = TCP_LISTEN;
  setPeerCred(sk);
  return 0;
}

/** connect(2) without waiting: -EAGAIN when the listener's queue is full. */
export function unixConnect(sk: Sock, sun: usize, len: u32): i32 {
  return connectionBased(sk) ? streamConnect(sk, sun, len) : dgramConnect(sk, sun, len);
}

function streamConnect(sk: Sock, sun: usize, len: u32): i32 {
  const found = unixFindAddr(sk, sun, len);
  if (found < 0) return found;
  const other = changetype<Sock>(found as usize);
  if (other.state != TCP_LISTEN || other.shutdown & SHUTDOWN_RCV) return -ECONNREFUSED;
  if (other.accept_len > other.backlog_max) return -EAGAIN;
  if (sk.state == TCP_ESTABLISHED) return -EISCONN;
  if (sk.state != TCP_CLOSE) return -EINVAL;
  const child = skAlloc(AF_UNIX, sk.type, 0, other.netns);
  if (!child) return -ENOMEM;
  unixInitSock(child);
  unixPair(sk, child);
  sk.peer_pid = other.peer_pid; // who called listen(), not who will accept
  sk.peer_uid = other.peer_uid;
  sk.peer_gid = other.peer_gid;
  child.parent = other;
  child.priv = changetype<usize>(unixAddrGet(unixAddr(other)));
  if (other.accept_tail) other.accept_tail.accept_next = child;
  else other.accept_head = child;
  other.accept_tail = child;
  other.accept_len++;
  skDataReady(other);
  return 0;
}

function dgramConnect(sk: Sock, sun: usize, len: u32): i32 {
  if (len < 2) return -EINVAL;
  let other = nil<Sock>();
  if ((load<u16>(sun) as u32) != AF_UNSPEC) {
    const found = unixFindAddr(sk, sun, len);
    if (found < 0) return found;
    other = changetype<Sock>(found as usize);
    if (other.peer && other.peer != sk) return -EPERM;
    sockHold(other);
  }
  const old = sk.peer;
  sk.peer = other;
  sk.state = other ? TCP_ESTABLISHED : TCP_CLOSE;
  if (!old) return 0;
  if (old != other) unixDgramDisconnected(sk, old);
  unixPut(old);
  return 0;
}

/** accept(2) without waiting: the connected socket as its address, or -errno. */
export function unixAccept(sk: Sock): i32 {
  if (!connectionBased(sk)) return -EOPNOTSUPP;
  if (sk.state != TCP_LISTEN) return -EINVAL;
  const child = sk.accept_head;
  if (!child) return -EAGAIN;
  sk.accept_head = child.accept_next;
  if (!sk.accept_head) sk.accept_tail = nil<Sock>();
  sk.accept_len--;
  child.accept_next = nil<Sock>();
  if (sk.accept_len == sk.backlog_max) wakePeers(sk, sk.accept_len);
  return changetype<usize>(child) as i32;
}

/** getsockname(2), getpeername(2): writes the sockaddr_un to `to`; its length or -ENOTCONN. */
export function unixGetname(sk: Sock, to: usize, peer: bool): i32 {
  let end = sk;
  if (peer) {
    end = sk.peer;
    if (!end) return -ENOTCONN;
  }
  const addr = unixAddr(end);
  if (!addr) {
    store<u16>(to, AF_UNIX as u16);
    return 2;
  }
  memory.copy(to, unixNameOf(addr), addr.len);
  return addr.len;
}

/** op_shutdown. The other end of a connection is shut down the other way round. */
function unixShutdown(sk: Sock, how: u32): i32 {
  if (how > 2) return -EINVAL;
  const mode = how + 1, peer = sk.peer;
  sk.shutdown |= mode;
  skStateChange(sk); // this end's waiters first
  if (peer && connectionBased(sk)) {
    peer.shutdown |= (mode & SHUTDOWN_RCV ? SHUTDOWN_SEND : 0) | (mode & SHUTDOWN_SEND ? SHUTDOWN_RCV : 0);
    skStateChange(peer);
  }
  return 0;
}

/** op_release: the last file is gone. */
function unixRelease(sk: Sock): void { releaseSock(sk, false); }

/** `embryo`: the listener went before anybody accepted this end. */
function releaseSock(sk: Sock, embryo: bool): void {
  const state = sk.state, peer = sk.peer, unread = hasUnread(sk);
  sk.state = TCP_CLOSE;
  sk.shutdown = SHUTDOWN_MASK;
  sk.peer = nil<Sock>();
  if (peer) {
    if (connectionBased(sk)) {
      peer.shutdown = SHUTDOWN_MASK;
      if (unread || embryo) peer.err = ECONNRESET; // what it sent will never be read
      skStateChange(peer);
    }
    unixPut(peer);
  }
  skbQueuePurge(receiveQueue(sk), REF_PURGED);
  if (state == TCP_LISTEN) releaseEmbryos(sk);
  else if (!connectionBased(sk)) wakePeers(sk, sk.backlog_max);
  unixPut(sk);
}

/** Did somebody wait for an answer? One empty packet at the head of the queue is not enough. */
function hasUnread(sk: Sock): bool {
  const first = receiveQueue(sk).first;
  return changetype<usize>(first) != 0 && (first.len != 0 || changetype<usize>(first.next) != 0);
}

function releaseEmbryos(sk: Sock): void {
  for (let child = sk.accept_head; child; child = sk.accept_head) {
    sk.accept_head = child.accept_next;
    child.flags |= SOCK_F_DEAD;
    releaseSock(child, true);
  }
  sk.accept_len = 0;
  wakePeers(sk, sk.backlog_max); // whoever waits for room in the queue is refused
}

/** What both kinds of poll have in common. */
function pollCommon(sk: Sock): u32 {
  let mask: u32 = 0;
  if (sk.shutdown == SHUTDOWN_MASK) mask |= POLLHUP;
  if (sk.shutdown & SHUTDOWN_RCV) mask |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (receiveQueue(sk).first || sk.accept_head) mask |= POLLIN | POLLRDNORM;
  if (connectionBased(sk) && sk.state == TCP_CLOSE) mask |= POLLHUP;
  return mask;
}

function unixStreamPoll(sk: Sock): u32 {
  let mask = pollCommon(sk);
  if (sk.err) mask |= POLLERR_MASK;
  return unixWritable(sk) ? mask | POLLOUT_MASK : mask;
}

function unixDgramPoll(sk: Sock): u32 {
  let mask = pollCommon(sk);
  if (sk.err || errorQueue(sk).first) mask |= POLLERR_MASK;
  if (!unixWritable(sk)) return mask;
  const peer = sk.peer;
  if (peer && peer.peer != sk && receiveQueue(peer).qlen > peer.backlog_max) {
    sk.flags |= SOCK_F_NOSPACE; // wants to hear of room in the peer's queue
    return mask;
  }
  return mask | POLLOUT_MASK;
}
