// SIOCINQ and SIOCOUTQ: how much there is to read, and how much of what was sent is not yet acknowledged or read. man:
// tcp(7), udp(7), unix(7).
import { AF_INET, AF_PACKET, AF_UNIX, SIOCINQ, SIOCOUTQ, SOCK_DGRAM, SOCK_STREAM } from "../abi/socket";
import { EINVAL, ENOTTY, EOPNOTSUPP } from "../abi/errno";
import { Sock, receiveQueue } from "./sock";
import { TCP_SF_DONE } from "./tcp_defs";
import { TCP_LISTEN, TCP_SYN_RECV, TCP_SYN_SENT } from "./tcp_states";

/** ioctl(2) of a socket: the number, -EINVAL (a listener), -ENOTTY (not such a command, or none of this family's). */
export function sockIoctl(sk: Sock, cmd: u32): i32 {
  if (cmd != SIOCINQ && cmd != SIOCOUTQ) return -ENOTTY;
  if (sk.family == AF_INET) return inetQueued(sk, cmd);
  if (sk.family == AF_UNIX) return unixQueued(sk, cmd);
  return sk.family == AF_PACKET ? dgramQueued(sk, cmd) : -ENOTTY;
}

/** The same for a request of io_uring, which only the protocols of AF_INET know: -EOPNOTSUPP. */
export function sockIoctlUring(sk: Sock, cmd: u32): i32 { return sk.family == AF_INET ? inetQueued(sk, cmd) : -EOPNOTSUPP; }

function inetQueued(sk: Sock, cmd: u32): i32 {
  if (sk.type != SOCK_STREAM) return dgramQueued(sk, cmd);
  const state = sk.state;
  if (state == TCP_LISTEN) return -EINVAL;
  if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) return 0;
  if (cmd == SIOCOUTQ) return (sk.write_seq - sk.snd_una) as i32;
  const n = sk.rcv_nxt - sk.copied_seq;
  return (n && sk.tcp_flags & TCP_SF_DONE ? n - 1 : n) as i32; // a FIN is no byte
}

/** The next datagram's length; what is charged to the socket. */
function dgramQueued(sk: Sock, cmd: u32): i32 {
  if (cmd == SIOCOUTQ) return sk.wmem_alloc as i32;
  const skb = receiveQueue(sk).first;
  if (!skb) return 0;
  return (sk.family == AF_INET && sk.type == SOCK_DGRAM ? skb.cb0 : skb.len) as i32; // UDP: more may be chained behind it
}

function unixQueued(sk: Sock, cmd: u32): i32 {
  if (cmd == SIOCOUTQ) return sk.wmem_alloc as i32;
  if (sk.state == TCP_LISTEN) return -EINVAL;
  if (sk.type == SOCK_DGRAM) return dgramQueued(sk, cmd);
  let n: u32 = 0;
  for (let skb = receiveQueue(sk).first; skb; skb = skb.next) n += skb.len - skb.cb0;
  return n as i32;
}
