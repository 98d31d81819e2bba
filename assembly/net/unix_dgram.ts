// AF_UNIX datagrams and sequenced packets: one skb per message. man: unix(7).
import { CNT_COPIED_TX } from "../abi/counters";
import { MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_SEQPACKET } from "../abi/socket";
import { EAGAIN, ECONNREFUSED, EFAULT, EINVAL, EMSGSIZE, ENOBUFS, ENOTCONN, EOPNOTSUPP, EPERM, EPIPE } from "../abi/errno";
import { REF_ABORTED, REF_READ } from "../abi/trace";
import { S_SOCK_LIST, cntAdd, nil } from "../lib/state";
import { wakeUp } from "../kernel/wait";
import { PAGE_SIZE } from "../abi/layout";
import { AF_UNIX } from "../abi/socket";
import { skbCopyFromIter, skbCopyToIter } from "./skb_iter";
import { MAX_SKB_FRAGS, SkBuff, kfreeSkb } from "./skbuff";
import { skbQueueTail, skbUnlink } from "./skb_queue";
import {
  MsgHdr, POLLOUT_MASK, SHUTDOWN_RCV, SOCK_F_DEAD, SOCK_F_NOSPACE, Sock, receiveQueue, skDataReady, sockError, sockWq,
} from "./sock";
import { TCP_CLOSE, TCP_ESTABLISHED } from "./tcp_states";
import { SKB_MAX_ALLOC, pageAlign, unixAllocSkb, unixPut, unixScmSend, unixSendRoom } from "./unix_skb";
import { unixCopyName, unixFindAddr, unixValidateAddr } from "./unix_name";
import { unixDgramDisconnected } from "./unix_peer";

/** net.unix.max_dgram_qlen: how many messages a socket takes from senders that it is not itself connected to. */
export const MAX_DGRAM_QLEN: u32 = 10;

export function unixSeqpacketSendmsg(sk: Sock, msg: MsgHdr): i32 {
  const err = sockError(sk);
  if (err) return err;
  if (sk.state != TCP_ESTABLISHED) return -ENOTCONN;
  msg.namelen = 0; // an address is ignored
  return unixDgramSendmsg(sk, msg);
}

/** op_sendmsg: the length of the message, or -errno (-EAGAIN: buffer or receiver's queue full). */
export function unixDgramSendmsg(sk: Sock, msg: MsgHdr): i32 {
  if (msg.controllen) {
    const err = unixScmSend(msg);
    if (err) return err;
  }
  if (msg.flags & MSG_OOB) return -EOPNOTSUPP;
  if (msg.namelen && unixValidateAddr(msg.name, msg.namelen)) return -EINVAL;
  const it = msg.iter, len = it.count;
  if ((len as i64) > (sk.sndbuf as i64) - 32) return -EMSGSIZE;
  let paged: u32 = 0;
  if (len > SKB_MAX_ALLOC) {
    paged = pageAlign(len - SKB_MAX_ALLOC);
    if (paged > MAX_SKB_FRAGS * PAGE_SIZE) paged = MAX_SKB_FRAGS * PAGE_SIZE;
  }
  let err = unixSendRoom(sk);
  if (err) return err;
  const skb = unixAllocSkb(sk, len - paged, paged);
  if (!skb) return -ENOBUFS;
  err = skbCopyFromIter(skb, it, len);
  if (!err) err = deliver(sk, msg, skb);
  if (err) {
    kfreeSkb(skb, REF_ABORTED);
    return err;
  }
  cntAdd(CNT_COPIED_TX, len);
  return len as i32;
}

/** Queues `skb` to the addressee: 0, or -errno and the skb is still the caller's. */
function deliver(sk: Sock, msg: MsgHdr, skb: SkBuff): i32 {
  let other = sk.peer;
  if (msg.namelen) {
    const found = unixFindAddr(sk, msg.name, msg.namelen);
    if (found < 0) return found;
    other = changetype<Sock>(found as usize);
  }
  if (!other) return -ENOTCONN;
  if (other.peer && other.peer != sk) return -EPERM; // it talks to somebody else only
  if (other.flags & SOCK_F_DEAD) return refused(sk, other);
  if (other.shutdown & SHUTDOWN_RCV) return -EPIPE;
  const q = receiveQueue(other);
  if (other != sk && other.peer != sk && q.qlen > other.backlog_max) {
    sk.flags |= SOCK_F_NOSPACE;
    return -EAGAIN;
  }
  skbQueueTail(q, skb);
  skDataReady(other);
  return 0;
}

/** The addressee has been closed. A connected datagram socket notices now and is unconnected again. */
function refused(sk: Sock, other: Sock): i32 {
  if (sk.type == SOCK_SEQPACKET) return -EPIPE;
  if (sk.peer == other) {
    sk.peer = nil<Sock>();
    sk.state = TCP_CLOSE;
    unixDgramDisconnected(sk, other);
    unixPut(other);
  }
  return -ECONNREFUSED;
}

export function unixSeqpacketRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  return sk.state != TCP_ESTABLISHED ? -ENOTCONN : unixDgramRecvmsg(sk, msg);
}

/** op_recvmsg: bytes copied (or the message's whole length with MSG_TRUNC), 0 after shutdown, -EAGAIN, a pending error. */
export function unixDgramRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  if (msg.flags & MSG_OOB) return -EOPNOTSUPP;
  const err = sockError(sk);
  if (err) return err;
  const q = receiveQueue(sk), skb = q.first;
  if (!skb) {
    const waits = !(msg.flags & MSG_DONTWAIT); // a datagram socket notices the shutdown only when it is about to wait
    return sk.shutdown & SHUTDOWN_RCV && (waits || sk.type == SOCK_SEQPACKET) ? 0 : -EAGAIN;
  }
  const peek = (msg.flags & MSG_PEEK) != 0;
  if (!peek) {
    skbUnlink(q, skb);
    wakePeers(sk, q.qlen);
  }
  unixCopyName(msg, skb);
  const len = skb.len, size = len < msg.iter.count ? len : msg.iter.count;
  if (size < len) msg.out_flags |= MSG_TRUNC;
  const ok = skbCopyToIter(skb, 0, size, msg.iter) == size;
  if (!peek) kfreeSkb(skb, REF_READ);
  if (!ok) return -EFAULT; // the message is lost all the same
  return (msg.flags & MSG_TRUNC ? len : size) as i32;
}

/** Tells senders that found the queue of `sk` full. `qlen` is what is left in it. */
export function wakePeers(sk: Sock, qlen: u32): void {
  if (sk.peer && sk.peer.peer == sk) return; // partners of a pair never wait for the queue
  if (qlen != sk.backlog_max) return;
  for (let s = changetype<Sock>(load<u32>(S_SOCK_LIST) as usize); s; s = s.list_next) {
    if (s.family == AF_UNIX && s.flags & SOCK_F_NOSPACE && (!s.peer || s.peer == sk)) wakeUp(sockWq(s), POLLOUT_MASK);
  }
}
