// AF_UNIX streams: bytes are cut into skbs on the way in and read across them on the way out. man: unix(7).
import { iterRevert } from "../mm/iov_iter";
import { CNT_COPIED_TX } from "../abi/counters";
import { MSG_OOB, MSG_PEEK, MSG_WAITALL } from "../abi/socket";
import { EAGAIN, EFAULT, EINVAL, EISCONN, ENOBUFS, ENOTCONN, EOPNOTSUPP, EPIPE } from "../abi/errno";
import { REF_ABORTED, REF_READ } from "../abi/trace";
import { cntAdd } from "../lib/state";
import { notModelled } from "../lib/not_modelled";
import { skbCopyFromIter, skbCopyToIter } from "./skb_iter";
import { SkBuff, kfreeSkb } from "./skbuff";
import { SkbQueue, skbQueueTail, skbUnlink } from "./skb_queue";
import { MsgHdr, SHUTDOWN_RCV, SHUTDOWN_SEND, SOCK_F_DEAD, Sock, receiveQueue, skDataReady, sockError } from "./sock";
import { TCP_ESTABLISHED } from "./tcp_states";
import { SKB_MAX_HEAD, UNIX_SKB_FRAGS_SIZE, pageAlign, unixAllocSkb, unixScmSend, unixSendRoom } from "./unix_skb";
import { unixCopyName } from "./unix_name";

const SKB_BYTES_MAX: u32 = SKB_MAX_HEAD + UNIX_SKB_FRAGS_SIZE;

/** op_sendmsg: bytes taken, fewer than asked for when the buffer fills up; -EAGAIN if it took none. */
export function unixStreamSendmsg(sk: Sock, msg: MsgHdr): i32 {
  if (msg.controllen) {
    const err = unixScmSend(msg);
    if (err) return err;
  }
  if (msg.flags & MSG_OOB) return msg.iter.count ? notModelled(MSG_OOB) : -EOPNOTSUPP;
  if (msg.namelen) return sk.state == TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
  if (!sk.peer) return -ENOTCONN;
  if (sk.shutdown & SHUTDOWN_SEND) return -EPIPE;
  const it = msg.iter;
  let sent: u32 = 0;
  while (it.count) {
    const err = sendOne(sk, msg);
    if (err < 0) return sent ? (sent as i32) : err;
    sent += err;
  }
  return sent as i32;
}

/** Queues one skb's worth: bytes, or -errno with the iterator where it was. */
function sendOne(sk: Sock, msg: MsgHdr): i32 {
  const it = msg.iter, other = sk.peer, before = it.count;
  // Two messages shall fit the send buffer, so that sender and receiver can work side by side.
  const half = (sk.sndbuf >> 1) - 64;
  let size = before < half ? before : half;
  if (size > SKB_BYTES_MAX) size = SKB_BYTES_MAX;
  let paged: u32 = 0;
  if (size > SKB_MAX_HEAD) {
    paged = pageAlign(size - SKB_MAX_HEAD);
    if (paged > size) paged = size;
  }
  let err = unixSendRoom(sk);
  if (err) return err;
  const skb = unixAllocSkb(sk, size - paged, paged);
  if (!skb) return -ENOBUFS;
  err = skbCopyFromIter(skb, it, size);
  if (!err && (other.flags & SOCK_F_DEAD || other.shutdown & SHUTDOWN_RCV)) err = -EPIPE;
  if (err) {
    iterRevert(it, before - it.count);
    kfreeSkb(skb, REF_ABORTED);
    return err;
  }
  cntAdd(CNT_COPIED_TX, size);
  skbQueueTail(receiveQueue(other), skb);
  skDataReady(other);
  return size as i32;
}

/** op_recvmsg: bytes, 0 at the end of the stream, -EAGAIN when there is nothing yet. */
export function unixStreamRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  if (sk.state != TCP_ESTABLISHED) return -EINVAL;
  if (msg.flags & MSG_OOB) return -EINVAL; // no urgent byte is ever pending
  const it = msg.iter, q = receiveQueue(sk), peek = (msg.flags & MSG_PEEK) != 0;
  const target = receiveTarget(sk, it.count, (msg.flags & MSG_WAITALL) != 0);
  let copied: u32 = 0, skb = q.first;
  do {
    if (!skb) {
      if (copied >= target) break;
      const err = sockError(sk); // is taken even when there is something better to return
      if (copied) break;
      if (err) return err;
      return sk.shutdown & SHUTDOWN_RCV ? 0 : -EAGAIN;
    }
    if (!copied) unixCopyName(msg, skb);
    const left = skb.len - skb.cb0, chunk = left < it.count ? left : it.count;
    const ok = skbCopyToIter(skb, skb.cb0, chunk, it);
    if (ok != chunk) {
      iterRevert(it, ok); // a chunk that faults is not consumed, not even in part
      if (!copied) return -EFAULT;
      break;
    }
    copied += chunk;
    if (peek) {
      skb = skb.next;
      continue;
    }
    skb.cb0 += chunk;
    if (skb.cb0 < skb.len) break;
    skbUnlink(q, skb);
    kfreeSkb(skb, REF_READ);
    skb = q.first;
  } while (it.count);
  msg.inq = unixInq(q);
  return copied as i32;
}

/** Bytes left to read: what SO_INQ reports, and io_uring's F_SOCK_NONEMPTY. */
function unixInq(q: SkbQueue): u32 {
  let n: u32 = 0;
  for (let skb = q.first; skb; skb = skb.next) n += skb.len - skb.cb0;
  return n;
}

/** Bytes that satisfy a receive of `len`: sock_rcvlowat(). */
@inline function receiveTarget(sk: Sock, len: u32, waitall: bool): u32 {
  const want = waitall || len < sk.rcvlowat ? len : sk.rcvlowat;
  return want ? want : 1;
}

/** Length of the linear part that Linux gives an skb of this size: the rest is in pages. */
export function unixHeadLen(skb: SkBuff): u32 {
  const size = skb.len;
  if (size <= SKB_MAX_HEAD) return size;
  const paged = pageAlign(size - SKB_MAX_HEAD);
  return paged > size ? 0 : size - paged;
}

/** `n` bytes of the front of the stream have been taken without copying (net/splice.ts). */
export function unixStreamConsume(sk: Sock, n: u32): void {
  const q = receiveQueue(sk);
  while (n) {
    const skb = q.first, left = skb.len - skb.cb0, step = left < n ? left : n;
    skb.cb0 += step;
    n -= step;
    if (skb.cb0 < skb.len) break;
    skbUnlink(q, skb);
    kfreeSkb(skb, REF_READ);
  }
}
