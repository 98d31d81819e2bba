// setsockopt(2) and getsockopt(2) on AF_INET sockets below SOL_SOCKET: ip(7), tcp(7), udp(7).
import {
  IP_PKTINFO, IP_RECVERR, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_STREAM, SOL_IP, SOL_TCP, SOL_UDP, UDP_CORK, UDP_SEGMENT,
} from "../abi/socket";
import { EFAULT, EINVAL, ENOPROTOOPT, EOPNOTSUPP } from "../abi/errno";
import { copyFromUser } from "../mm/vma";
import { notModelled } from "../lib/not_modelled";
import { SCRATCH_WORDS } from "./scratch";
import { isStub } from "./inet";
import { Sock } from "./sock";
import { sockoptOut } from "./sockopt";
import { tcpGetsockopt, tcpSetsockopt } from "./tcp_sockopt";
import { udpPushPending } from "./udp";

/** Sock.ip_opts */
export const IPOPT_RECVERR: u32 = 1;
export const IPOPT_PKTINFO: u32 = 2;
/** Sock.ip_opts: UDP_CORK is on. */
export const IPOPT_UDP_CORK: u32 = 4;
const USHRT_MAX: i32 = 65535;

export function inetSetsockopt(sk: Sock, level: i32, name: i32, uval: u64, len: i32): i32 {
  if (isStub(sk)) return notModelled(sk.protocol);
  if (level == SOL_TCP && sk.type == SOCK_STREAM) {
    if (len < 4) return -EINVAL;
    if (copyFromUser(SCRATCH_WORDS, uval, 4)) return -EFAULT;
    return tcpSetsockopt(sk, name, load<i32>(SCRATCH_WORDS));
  }
  if ((level == SOL_UDP || level == IPPROTO_UDPLITE) && sk.type == SOCK_DGRAM) {
    if (len < 4) return -EINVAL;
    if (copyFromUser(SCRATCH_WORDS, uval, 4)) return -EFAULT;
    return udpSetsockopt(sk, name, load<i32>(SCRATCH_WORDS));
  }
  return level == SOL_IP ? ipSetsockopt(sk, name, uval, len) : -ENOPROTOOPT;
}

function udpSetsockopt(sk: Sock, name: i32, val: i32): i32 {
  if (name == UDP_SEGMENT) {
    if (val < 0 || val > USHRT_MAX) return -EINVAL;
    sk.gso_size = val;
    return 0;
  }
  if (name == UDP_CORK) {
    if (val) {
      sk.ip_opts |= IPOPT_UDP_CORK;
      return 0;
    }
    sk.ip_opts &= ~IPOPT_UDP_CORK;
    udpPushPending(sk);
    return 0;
  }
  return isUdpOption(name) ? notModelled(name) : -ENOPROTOOPT;
}

@inline function isUdpOption(name: i32): bool { return (name >= 100 && name <= 104) || name == UDP_CORK; }

/** Options of ip(7) that an integer or a byte sets. */
function ipSetsockopt(sk: Sock, name: i32, uval: u64, len: i32): i32 {
  if (name != IP_RECVERR && name != IP_PKTINFO) return name > 0 && name < 53 ? notModelled(name) : -ENOPROTOOPT;
  let val: i32 = 0;
  if (len >= 4) {
    if (copyFromUser(SCRATCH_WORDS, uval, 4)) return -EFAULT;
    val = load<i32>(SCRATCH_WORDS);
  } else if (len >= 1) {
    if (copyFromUser(SCRATCH_WORDS, uval, 1)) return -EFAULT;
    val = load<u8>(SCRATCH_WORDS) as i32;
  }
  const bit = name == IP_RECVERR ? IPOPT_RECVERR : IPOPT_PKTINFO;
  sk.ip_opts = val ? sk.ip_opts | bit : sk.ip_opts & ~bit;
  return 0;
}

/** Does the socket know the level at all? That comes before the pointers. */
function hasLevel(sk: Sock, level: i32): bool {
  if (level == SOL_IP) return true;
  return sk.type == SOCK_STREAM ? level == SOL_TCP : sk.type == SOCK_DGRAM && (level == SOL_UDP || level == IPPROTO_UDPLITE);
}

export function inetGetsockopt(sk: Sock, level: i32, name: i32, uval: u64, ulen: u64): i32 {
  if (isStub(sk)) return notModelled(sk.protocol);
  if (!hasLevel(sk, level)) return -EOPNOTSUPP;
  if (copyFromUser(SCRATCH_WORDS, ulen, 4)) return -EFAULT;
  const len = load<i32>(SCRATCH_WORDS);
  let val: i32 = -EOPNOTSUPP;
  if (level == SOL_TCP && sk.type == SOCK_STREAM) val = tcpGetsockopt(sk, name);
  else if ((level == SOL_UDP || level == IPPROTO_UDPLITE) && sk.type == SOCK_DGRAM) val = udpGetsockopt(sk, name);
  else if (level == SOL_IP) val = ipGetsockopt(sk, name);
  if (val < 0) return val;
  if (len < 0) return -EINVAL;
  store<i32>(SCRATCH_WORDS, val);
  return sockoptOut(uval, ulen, len, 4);
}

function udpGetsockopt(sk: Sock, name: i32): i32 {
  if (name == UDP_SEGMENT) return sk.gso_size;
  if (name == UDP_CORK) return sk.ip_opts & IPOPT_UDP_CORK ? 1 : 0;
  return isUdpOption(name) ? notModelled(name) : -ENOPROTOOPT;
}

function ipGetsockopt(sk: Sock, name: i32): i32 {
  if (name == IP_RECVERR) return sk.ip_opts & IPOPT_RECVERR ? 1 : 0;
  if (name == IP_PKTINFO) return sk.ip_opts & IPOPT_PKTINFO ? 1 : 0;
  return name > 0 && name < 53 ? notModelled(name) : -ENOPROTOOPT;
}
