// Urgent data: one byte of the stream that is kept beside it (RFC 9293 3.8.5, RFC 6093; man: tcp(7), send(2) MSG_OOB).
//
// A pointer in the header says where the byte is. It may come before the byte (TCP_URG_NOTYET). recv(MSG_OOB) takes the
// byte; reads stop in front of it and skip it, unless SO_OOBINLINE makes it part of the stream. A later urgent byte takes
// the place of an earlier one, which then is ordinary data unless the reader stood right in front of it.
import { copyToIter } from "../mm/iov_iter";
import { EAGAIN, EFAULT, EINVAL, ENOTCONN } from "../abi/errno";
import { MSG_OOB, MSG_PEEK, MSG_TRUNC, SO_OOBINLINE } from "../abi/socket";
import { REF_READ } from "../abi/trace";
import { SCRATCH_WORDS } from "./scratch";
import { SkBuff, kfreeSkb, skbCopyBits } from "./skbuff";
import { skbUnlink } from "./skb_queue";
import { MsgHdr, SHUTDOWN_RCV, Sock, receiveQueue, skDataReady } from "./sock";
import { TCP_CLOSE } from "./tcp_states";
import { TCP_SF_DONE, TCP_URG_NOTYET, TCP_URG_READ, TCP_URG_VALID, TH_SYN, TH_URG, after, before } from "./tcp_defs";
import { segHeaderLen } from "./tcp_parse";

@inline export function urgInline(sk: Sock): bool { return (sk.opts & (1 << SO_OOBINLINE)) != 0; }

/** tcp_check_urg(): a segment points at urgent data. */
function checkUrg(sk: Sock, skb: SkBuff): void {
  let ptr = bswap<u16>(load<u16>(skb.th, 18)) as u32;
  if (ptr) ptr--; // the pointer names the byte behind (net.ipv4.tcp_stdurg is 0)
  ptr += skb.seq;
  if (after(sk.copied_seq, ptr) || before(ptr, sk.rcv_nxt)) return;
  if (sk.urg_data && !after(ptr, sk.urg_seq)) return;
  // The reader stands in front of an urgent byte that it has been told of: that one is gone.
  if (sk.urg_seq == sk.copied_seq && sk.urg_data && !urgInline(sk) && sk.copied_seq != sk.rcv_nxt) {
    const head = receiveQueue(sk).first;
    sk.copied_seq++;
    if (head && !before(sk.copied_seq, head.end_seq)) {
      skbUnlink(receiveQueue(sk), head);
      kfreeSkb(head, REF_READ);
    }
  }
  sk.urg_data = TCP_URG_NOTYET;
  sk.urg_seq = ptr;
}

/** tcp_urg(): `data` of the skb still at the header. */
export function tcpUrg(sk: Sock, skb: SkBuff): void {
  if (skb.tcp_flags & TH_URG) checkUrg(sk, skb);
  if (sk.urg_data != TCP_URG_NOTYET) return;
  const at = sk.urg_seq - skb.seq + segHeaderLen(skb) - (skb.tcp_flags & TH_SYN ? 1 : 0);
  if (at >= skb.len) return;
  skbCopyBits(skb, at, SCRATCH_WORDS, 1);
  sk.urg_data = TCP_URG_VALID | (load<u8>(SCRATCH_WORDS) as u32);
  skDataReady(sk);
}

/** tcp_recv_urg(): recv(MSG_OOB). 1, 0 at the end of the stream, -EINVAL when there is none, -EAGAIN when it is on its way. */
export function recvUrg(sk: Sock, msg: MsgHdr): i32 {
  const urg = sk.urg_data, flags = msg.flags;
  if (urgInline(sk) || !urg || urg == TCP_URG_READ) return -EINVAL;
  if (sk.state == TCP_CLOSE && !(sk.tcp_flags & TCP_SF_DONE)) return -ENOTCONN;
  if (!(urg & TCP_URG_VALID)) return sk.state == TCP_CLOSE || sk.shutdown & SHUTDOWN_RCV ? 0 : -EAGAIN;
  if (!(flags & MSG_PEEK)) sk.urg_data = TCP_URG_READ;
  msg.out_flags |= MSG_OOB;
  if (!msg.iter.count) {
    msg.out_flags |= MSG_TRUNC;
    return 0;
  }
  if (flags & MSG_TRUNC) return 1;
  store<u8>(SCRATCH_WORDS, urg as u8);
  return copyToIter(SCRATCH_WORDS, 1, msg.iter) ? 1 : -EFAULT;
}
