// recvmsg() of TCP: copies from the receive queue and frees what is used up. Reading makes room, so it also decides when
// the peer is told of a larger window (RFC 1122 4.2.3.3).
import { EAGAIN, EFAULT, ENOTCONN } from "../abi/errno";
import { MSG_OOB, MSG_PEEK, MSG_TRUNC } from "../abi/socket";
import { REF_READ } from "../abi/trace";
import { SkBuff, kfreeSkb } from "./skbuff";
import { skbCopyToIter } from "./skb_iter";
import { skbUnlink } from "./skb_queue";
import { MsgHdr, SHUTDOWN_RCV, Sock, lockSock, receiveQueue, sockError } from "./sock";
import { TCP_CLOSE, TCP_LISTEN } from "./tcp_states";
import { ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2, TCP_SF_DONE, TH_FIN, after } from "./tcp_defs";
import { ackScheduled, tcpUnlock } from "./tcp_sock";
import { rcvSpaceAdjust, receiveWindow, windowFor } from "./tcp_window";
import { sendAck } from "./tcp_xmit";
import { recvUrg, urgInline } from "./tcp_urgent";
import { tcpReleaseCb } from "./tcp_send";

/** Bytes, 0 at the end of the stream, -EAGAIN instead of waiting, -errno. MSG_WAITALL is the caller's loop. */
export function tcpRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  if (sk.state == TCP_LISTEN) return -ENOTCONN;
  lockSock(sk);
  const ret = msg.flags & MSG_OOB ? recvUrg(sk, msg) : recvmsgLocked(sk, msg);
  tcpUnlock(sk, tcpReleaseCb.index);
  msg.inq = sk.rcv_nxt - sk.copied_seq;
  // A FIN is not a byte, but it is something to read: the hint is never 0 once it has come.
  if (sk.tcp_flags & TCP_SF_DONE) msg.inq = msg.inq > 1 ? msg.inq - 1 : 1;
  return ret;
}

function recvmsgLocked(sk: Sock, msg: MsgHdr): i32 {
  const q = receiveQueue(sk), peek = (msg.flags & MSG_PEEK) != 0, discard = (msg.flags & MSG_TRUNC) != 0;
  let left = msg.iter.count, copied: u32 = 0, seq = sk.copied_seq, fault = false, fin = false;
  let skb = q.first;
  while (left && skb && !fin) {
    const next = skb.next;
    let off = seq - skb.seq;
    const room = skb.len - off;
    let n = room < left ? room : left;
    if (sk.urg_data) {
      const toUrgent = sk.urg_seq - seq;
      if (!toUrgent && copied) {
        msg.short = 1;
        break;
      }
      if (toUrgent < n) {
        if (toUrgent) {
          n = toUrgent; // a read ends in front of it
        } else if (!urgInline(sk)) {
          seq++;
          off++;
          n--;
        }
      }
    }
    if (n) {
      const got = discard ? n : skbCopyToIter(skb, off, n, msg.iter);
      if (discard) msg.iter.count -= n;
      seq += got;
      copied += got;
      left -= got;
      fault = got != n;
    }
    if (!peek) {
      sk.copied_seq = seq;
      if (sk.urg_data && after(seq, sk.urg_seq)) sk.urg_data = 0;
    }
    if (fault) break;
    if (seq - skb.seq < skb.len) continue; // up to the urgent byte, or all that was asked for
    fin = (skb.tcp_flags & TH_FIN) != 0;
    if (fin) seq++;
    if (!peek) {
      sk.copied_seq = seq;
      rcvSpaceAdjust(sk);
      eatSkb(sk, skb);
    }
    skb = next;
  }
  if (!peek && copied) rcvSpaceAdjust(sk);
  if (!peek) cleanupRbuf(sk, copied);
  if (copied || fin) return copied as i32;
  if (fault) return -EFAULT;
  return msg.iter.count || !q.first ? nothingToRead(sk, left) : 0;
}

function eatSkb(sk: Sock, skb: SkBuff): void {
  skbUnlink(receiveQueue(sk), skb);
  kfreeSkb(skb, REF_READ);
}

/** Why a read finds nothing: the stream has ended, has failed, or more is to come. */
function nothingToRead(sk: Sock, left: u32): i32 {
  if (sk.tcp_flags & TCP_SF_DONE) return 0;
  if (sk.err) return sockError(sk);
  if (sk.shutdown & SHUTDOWN_RCV) return 0;
  if (sk.state == TCP_CLOSE) return -ENOTCONN;
  return -EAGAIN;
}

/** tcp_cleanup_rbuf(): is the room that reading made, or the ACK that is owed, worth a segment of its own? */
function cleanupRbuf(sk: Sock, copied: u32): void {
  let now = false;
  if (ackScheduled(sk)) {
    // More than a full segment is unacknowledged; or all is read, and it was the end of a write.
    const pushed = sk.ack_pending & ICSK_ACK_PUSHED2 || (sk.ack_pending & ICSK_ACK_PUSHED && !sk.ack_pingpong);
    now = sk.rcv_nxt - sk.rcv_wup > sk.rcv_mss || (copied > 0 && pushed && sk.rmem_alloc == 0);
  }
  if (copied > 0 && !now && !(sk.shutdown & SHUTDOWN_RCV)) {
    const current = receiveWindow(sk);
    // The window at least doubles: no small steps.
    if (current << 1 <= sk.window_clamp) {
      const window = windowFor(sk);
      now = window != 0 && window >= current << 1;
    }
  }
  if (now) sendAck(sk);
}
