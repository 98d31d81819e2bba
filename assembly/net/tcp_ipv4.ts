// TCP over IPv4: from a packet to its socket, and answers for packets that have none.
import { REF_DROPPED, REF_READ } from "../abi/trace";
import { nil } from "../lib/state";
import { SkBuff, kfreeSkb, skbPull, skbPush } from "./skbuff";
import { SOCK_F_OWNED, Sock, backlogQueue, skAddBacklog, skErrorReport, sockHold, sockPut } from "./sock";
import { TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT, TCP_TIME_WAIT } from "./tcp_states";
import { NetDevice } from "./dev";
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED } from "./icmp";
import { TH_ACK, TH_FIN, TH_RST, TH_SYN, TH_URG, after, before } from "./tcp_defs";
import { lookupEstablished, lookupListener } from "./tcp_hash";
import { segHeaderLen, segLen, segWindow, tcpParse, thDport, thSport } from "./tcp_parse";
import { stateIn, tcpAbortWith } from "./tcp_sock";
import { sendReset } from "./tcp_xmit";
import { coalesce } from "./tcp_data";
import { connRequest } from "./tcp_conn";
import { tcpDoRcv } from "./tcp_input";
import { timeWaitRcv } from "./tcp_timewait";

const IPOPT_RECVERR: u32 = 1; // Sock.ip_opts

/** tcp_v4_rcv(): takes over a packet, `data` at the TCP header, addresses in src_addr and dst_addr. */
export function tcpV4Rcv(skb: SkBuff): void {
  if (!tcpParse(skb)) {
    kfreeSkb(skb, REF_DROPPED);
    return;
  }
  const ns = changetype<NetDevice>(skb.dev).ns, sport = thSport(skb.th), dport = thDport(skb.th);
  let sk = lookupEstablished(ns, skb.dst_addr, dport, skb.src_addr, sport);
  if (sk && sk.state == TCP_TIME_WAIT) {
    if (!timeWaitRcv(sk, skb)) {
      kfreeSkb(skb, REF_DROPPED);
      return;
    }
    sk = nil<Sock>();
  }
  if (!sk) {
    const listener = lookupListener(ns, skb.dst_addr, dport);
    if (listener) listenRcv(listener, skb);
    else sendReset(skb);
    kfreeSkb(skb, REF_DROPPED);
    return;
  }
  sockHold(sk);
  if (sk.flags & SOCK_F_OWNED) addBacklog(sk, skb);
  else tcpDoRcv(sk, skb);
  sockPut(sk);
}

/** RFC 9293 3.10.7.2 */
function listenRcv(sk: Sock, skb: SkBuff): void {
  if (skb.tcp_flags & TH_RST) return;
  if (skb.tcp_flags & TH_ACK) {
    sendReset(skb);
    return;
  }
  if (!(skb.tcp_flags & TH_SYN) || skb.tcp_flags & TH_FIN) return;
  sockHold(sk);
  connRequest(sk, skb);
  sockPut(sk);
}

/** tcp_add_backlog(): a system call holds the socket. What follows on the last segment joins it. */
function addBacklog(sk: Sock, skb: SkBuff): void {
  const tail = backlogQueue(sk).last;
  if (tail && joinBacklog(sk, tail, skb)) return;
  const limit = ((sk.rcvbuf as u64) << 1) + ((sk.sndbuf >> 1) as u64) + 65536;
  if ((sk.backlog_len as u64) + (skb.truesize as u64) > limit) {
    kfreeSkb(skb, REF_DROPPED);
    return;
  }
  sk.backlog_len += skb.truesize;
  skAddBacklog(sk, skb);
}

function joinBacklog(sk: Sock, tail: SkBuff, skb: SkBuff): bool {
  if (tail.end_seq != skb.seq || (tail.tcp_flags | skb.tcp_flags) & (TH_SYN | TH_RST | TH_URG)) return false;
  if (!(tail.tcp_flags & skb.tcp_flags & TH_ACK)) return false;
  // The options have to be the same, timestamps included.
  const hlen = segHeaderLen(skb);
  if (segHeaderLen(tail) != hlen || tail.cb1 != skb.cb1 || tail.cb2 != skb.cb2) return false;
  const size = segmentSize(skb), tailSize = segmentSize(tail);
  skbPull(skb, hlen);
  const delta = coalesce(tail, skb);
  if (delta < 0) {
    skbPush(skb, hlen);
    return false;
  }
  tail.shinfo.gso_size = size > tailSize ? size : tailSize; // for the estimate of the peer's segment size
  sk.backlog_len += delta as u32;
  if (!before(skb.ack_seq, tail.ack_seq)) {
    tail.ack_seq = skb.ack_seq;
    tail.cb0 = (tail.cb0 & ~0xffff) | segWindow(skb);
  }
  kfreeSkb(skb, REF_READ);
  return true;
}
@inline function segmentSize(skb: SkBuff): u32 { return skb.shinfo.gso_size ? skb.shinfo.gso_size : segLen(skb); }

/** tcp_v4_err(): an ICMP error about a segment that this host sent; `th` is the quoted header. */
export function tcpV4Err(skb: SkBuff, th: usize, err: i32): void {
  if (skb.cb0 == (ICMP_DEST_UNREACH << 8 | ICMP_FRAG_NEEDED)) return; // path MTU discovery is not modelled
  const ns = changetype<NetDevice>(skb.dev).ns;
  const sk = lookupEstablished(ns, skb.cb1, thSport(th), skb.cb2, thDport(th));
  if (!sk || stateIn(sk, (1 << TCP_LISTEN) | (1 << TCP_TIME_WAIT))) return;
  const seq = bswap<u32>(load<u32>(th, 4));
  if (before(seq, sk.snd_una) || after(seq, sk.snd_nxt) || sk.flags & SOCK_F_OWNED) return;
  sockHold(sk);
  if (stateIn(sk, (1 << TCP_SYN_SENT) | (1 << TCP_SYN_RECV))) {
    tcpAbortWith(sk, err);
  } else if (sk.ip_opts & IPOPT_RECVERR) {
    sk.err = err;
    skErrorReport(sk);
  }
  sockPut(sk);
}
