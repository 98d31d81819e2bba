// setsockopt(2) and getsockopt(2) at level SOL_SOCKET; other levels are handed to their protocols. man: socket(7).
//
// Options that have an effect here are stored where the effect is; switches that only have to be remembered are bits of
// Sock.opts. The order of the checks, and which lengths are good enough, was asked of the kernel option by option.
import {
  AF_INET, AF_NETLINK, AF_PACKET, AF_UNIX, AF_VSOCK, IPPROTO_TCP, IPPROTO_UDP, LINGER_OFF_LINGER, LINGER_OFF_ONOFF, LINGER_SIZE,
  SO_ACCEPTCONN, SO_BINDTODEVICE, SO_BROADCAST, SO_DOMAIN, SO_DONTROUTE, SO_ERROR, SO_KEEPALIVE, SO_LINGER, SO_MARK,
  SO_MAX_PACING_RATE, SO_MEMINFO, SO_NO_CHECK, SO_OOBINLINE, SO_PASSCRED, SO_PEERCRED, SO_PRIORITY, SO_PROTOCOL, SO_RCVBUF, SO_RCVBUFFORCE, SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF,
  SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_SNDBUFFORCE, SO_SNDLOWAT, SO_SNDTIMEO, SO_TIMESTAMP, SO_TIMESTAMPING, SO_TXTIME, SO_TYPE, SO_ZEROCOPY, SOCK_DGRAM, SOL_SOCKET,
} from "../abi/socket";
import { EDOM, EFAULT, EINVAL, ENOPROTOOPT, EOPNOTSUPP, EPERM } from "../abi/errno";
import { wakeUp } from "../kernel/wait";
import { current } from "../kernel/task";
import { copyFromUser, copyToUser } from "../mm/vma";
import { packetAttachFilter, packetDetachFilter, packetSetsockopt } from "./packet";
import { notModelled } from "../lib/not_modelled";
import { SCRATCH_WORDS } from "./scratch";
import {
  POLLOUT_MASK, SK_MEM_MAX, SOCK_F_LINGER, SOCK_F_RCVBUF_LOCK, SOCK_F_REUSEADDR, SOCK_F_SNDBUF_LOCK, SOCK_F_ZEROCOPY, SOCK_MIN_RCVBUF,
  SOCK_MIN_SNDBUF, Sock, sockError, sockWq,
} from "./sock";
import { inetGetsockopt, inetSetsockopt } from "./sockopt_inet";
import { TCP_RMEM_MAX } from "./tcp_defs";
import { TCP_LISTEN } from "./tcp_states";
import { setTimestamping } from "./tx_timestamp";

const SO_DEBUG: i32 = 1;
const SO_BSDCOMPAT: i32 = 14;
const UCRED_SIZE: u32 = 12;
const SOL_PACKET: i32 = 263;
const TIMEVAL_SIZE: u32 = 16;
const INT_MAX: u32 = 0x7fffffff;
const USEC: u64 = 1000;
const SEC: u64 = 1000000000;
/** Timeouts count in ticks of the scheduler: HZ is 250. */
const TICK_USEC: u32 = 4000;

/** Bit of Sock.opts for an option that is only remembered, 0 for any other. */
function rememberedBit(name: i32): u32 {
  switch (name) {
    case SO_DEBUG: case SO_DONTROUTE: case SO_BROADCAST: case SO_KEEPALIVE: case SO_OOBINLINE: case SO_NO_CHECK: case SO_REUSEPORT:
    case SO_PASSCRED:
      return 1 << name;
    default:
      return 0;
  }
}

export function sockSetsockopt(sk: Sock, level: i32, name: i32, uval: u64, len: i32): i32 {
  if (len < 0) return -EINVAL;
  if (level != SOL_SOCKET) return setProtocolOption(sk, level, name, uval, len);
  if (name == SO_BINDTODEVICE) return notModelled(SO_BINDTODEVICE);
  if (len < 4) return -EINVAL;
  if (copyFromUser(SCRATCH_WORDS, uval, 4)) return -EFAULT;
  const val = load<i32>(SCRATCH_WORDS), on = val != 0;
  const bit = rememberedBit(name);
  if (bit) {
    if (name == SO_REUSEPORT && on && sk.family != AF_INET) return -EOPNOTSUPP;
    if (name == SO_PASSCRED && !passesCred(sk)) return -EOPNOTSUPP;
    sk.opts = on ? sk.opts | bit : sk.opts & ~bit;
    return 0;
  }
  switch (name) {
    case SO_REUSEADDR:
      sk.flags = on ? sk.flags | SOCK_F_REUSEADDR : sk.flags & ~SOCK_F_REUSEADDR;
      return 0;
    case SO_SNDBUF:
      return setSndbuf(sk, minU32(val, SK_MEM_MAX));
    case SO_SNDBUFFORCE:
      return current().privileged ? setSndbuf(sk, val < 0 ? 0 : val) : -EPERM;
    case SO_RCVBUF:
      return setRcvbuf(sk, minU32(val, SK_MEM_MAX));
    case SO_RCVBUFFORCE:
      return current().privileged ? setRcvbuf(sk, val < 0 ? 0 : val) : -EPERM;
    case SO_PRIORITY:
      if ((val as u32) > 6 && !current().privileged) return -EPERM;
      sk.priority = val;
      return 0;
    case SO_MARK:
      if (!current().privileged) return -EPERM;
      sk.sk_mark = val;
      return 0;
    case SO_LINGER:
      return setLinger(sk, uval, len);
    case SO_RCVLOWAT:
      return setRcvlowat(sk, val < 0 ? INT_MAX : val ? val : 1);
    case SO_BSDCOMPAT:
      return 0;
    case SO_RCVTIMEO:
    case SO_SNDTIMEO:
      return setTimeout(sk, name, uval, len);
    case SO_ZEROCOPY:
      return setZerocopy(sk, val);
    case SO_ATTACH_FILTER:
      return sk.family == AF_PACKET ? packetAttachFilter(sk, uval, len) : notModelled(name);
    case SO_DETACH_FILTER:
      return sk.family == AF_PACKET ? packetDetachFilter(sk) : notModelled(name);
    case SO_TIMESTAMPING: {
      const udp = sk.family == AF_INET && sk.type == SOCK_DGRAM && sk.protocol == IPPROTO_UDP;
      const err = udp ? setTimestamping(sk, val) : 1;
      return err > 0 ? notModelled(name) : err;
    }
    case SO_TIMESTAMP:
    case SO_TXTIME:
    case SO_MAX_PACING_RATE:
      return notModelled(name);
    default:
      return isSettable(name) ? notModelled(name) : -ENOPROTOOPT;
  }
}

// What Linux 6.18 knows and this machine does not. Numbers without an option, or with one that can only be read (set) or
// only be set (get), are -ENOPROTOOPT there too.
const SO_LAST: i32 = 84;
function isSettable(name: i32): bool {
  if (name < SO_PASSCRED || name > SO_LAST) return false;
  switch (name) {
    case SO_PEERCRED: case SO_SNDLOWAT: case 22: case 23: case 24: case 28: case SO_ACCEPTCONN: case 31: case SO_PROTOCOL: case SO_DOMAIN:
    case 48: case 54: case SO_MEMINFO: case 56: case 57: case 58: case 59: case 71: case 77: case 78: case 79: case 81:
      return false;
    default:
      return true;
  }
}
function isGettable(name: i32): bool {
  if (name < SO_PASSCRED || name > SO_LAST) return false;
  switch (name) {
    case 22: case 23: case 24: case 27: case SO_SNDBUFFORCE: case SO_RCVBUFFORCE: case 50: case 51: case 52: case 53: case 54: case 58:
    case 68: case 70: case 78: case 79: case 80: case 81: case 84:
      return false;
    default:
      return true;
  }
}

function setProtocolOption(sk: Sock, level: i32, name: i32, uval: u64, len: i32): i32 {
  if (sk.family == AF_INET) return inetSetsockopt(sk, level, name, uval, len);
  if (sk.family == AF_UNIX) return -EOPNOTSUPP;
  if (sk.family != AF_PACKET || level != SOL_PACKET) return -ENOPROTOOPT;
  if (len < 4) return -EINVAL;
  if (copyFromUser(SCRATCH_WORDS, uval, 4)) return -EFAULT;
  return packetSetsockopt(sk, name, load<i32>(SCRATCH_WORDS));
}

@inline function minU32(val: i32, max: u32): u32 { return (val as u32) < max ? (val as u32) : max; }

/** The kernel doubles what it is asked for, to leave room for its own bookkeeping. */
function setSndbuf(sk: Sock, val: u32): i32 {
  if (val > INT_MAX / 2) val = INT_MAX / 2;
  sk.flags |= SOCK_F_SNDBUF_LOCK;
  sk.sndbuf = val * 2 > SOCK_MIN_SNDBUF ? val * 2 : SOCK_MIN_SNDBUF;
  wakeUp(sockWq(sk), POLLOUT_MASK); // writers may find room in the larger buffer
  return 0;
}

function setRcvbuf(sk: Sock, val: u32): i32 {
  if (val > INT_MAX / 2) val = INT_MAX / 2;
  sk.flags |= SOCK_F_RCVBUF_LOCK;
  sk.rcvbuf = val * 2 > SOCK_MIN_RCVBUF ? val * 2 : SOCK_MIN_RCVBUF;
  return 0;
}

/** A stream never waits for more than half of what its buffer may come to. */
function setRcvlowat(sk: Sock, val: u32): i32 {
  if (sk.family == AF_INET && sk.protocol == IPPROTO_TCP) {
    const max = (sk.flags & SOCK_F_RCVBUF_LOCK ? sk.rcvbuf : TCP_RMEM_MAX) >> 1;
    if (val > max) val = max;
    // Linux would make the buffer larger now.
    if (!(sk.flags & SOCK_F_RCVBUF_LOCK) && val > sk.rcvbuf >> 1) return notModelled(SO_RCVLOWAT);
  }
  sk.rcvlowat = val;
  return 0;
}

function setLinger(sk: Sock, uval: u64, len: i32): i32 {
  if (len < (LINGER_SIZE as i32)) return -EINVAL;
  if (copyFromUser(SCRATCH_WORDS, uval, LINGER_SIZE)) return -EFAULT;
  if (!load<u32>(SCRATCH_WORDS, LINGER_OFF_ONOFF)) {
    sk.flags &= ~SOCK_F_LINGER;
    return 0;
  }
  sk.lingertime = load<u32>(SCRATCH_WORDS, LINGER_OFF_LINGER);
  sk.flags |= SOCK_F_LINGER;
  return 0;
}

function setTimeout(sk: Sock, name: i32, uval: u64, len: i32): i32 {
  if (len < (TIMEVAL_SIZE as i32)) return -EINVAL;
  if (copyFromUser(SCRATCH_WORDS, uval, TIMEVAL_SIZE)) return -EFAULT;
  const sec = load<i64>(SCRATCH_WORDS), usec = load<i64>(SCRATCH_WORDS, 8);
  if (usec < 0 || usec >= 1000000) return -EDOM;
  let ns: u64 = 0;
  if (sec < 0) {
    ns = 1; // in the past: gives up at once
  } else if ((sec as u64) < 0x1000000000) {
    const ticks = ((usec as u32) + TICK_USEC - 1) / TICK_USEC;
    // Beyond some ten years of it a timeout is none at all.
    if ((sec as u64) < 315360000) ns = (sec as u64) * SEC + ((ticks * TICK_USEC) as u64) * USEC;
  }
  if (name == SO_RCVTIMEO) sk.rcvtimeo = ns;
  else sk.sndtimeo = ns;
  return 0;
}

function setZerocopy(sk: Sock, val: i32): i32 {
  const inet = sk.family == AF_INET && (sk.protocol == IPPROTO_TCP || (sk.type == SOCK_DGRAM && sk.protocol == IPPROTO_UDP));
  if (!inet && sk.family != AF_VSOCK) return -EOPNOTSUPP;
  if (val < 0 || val > 1) return -EINVAL;
  sk.flags = val ? sk.flags | SOCK_F_ZEROCOPY : sk.flags & ~SOCK_F_ZEROCOPY;
  return 0;
}

// Reading back -----------------------------------------------------------------------------------------------------------

export function sockGetsockopt(sk: Sock, level: i32, name: i32, uval: u64, ulen: u64): i32 {
  if (level != SOL_SOCKET) {
    return sk.family == AF_INET ? inetGetsockopt(sk, level, name, uval, ulen) : sk.family == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
  }
  if (copyFromUser(SCRATCH_WORDS, ulen, 4)) return -EFAULT;
  const len = load<i32>(SCRATCH_WORDS);
  if (len < 0) return -EINVAL;
  const size = sockGetValue(sk, name);
  return size < 0 ? size : sockoptOut(uval, ulen, len, size as u32);
}

/** Gives `size` bytes at SCRATCH_WORDS back, cut to the `len` that the caller has room for. */
export function sockoptOut(uval: u64, ulen: u64, len: i32, size: u32): i32 {
  const n = (len as u32) < size ? (len as u32) : size;
  if (copyToUser(uval, SCRATCH_WORDS, n)) return -EFAULT;
  store<u32>(SCRATCH_WORDS, n);
  return copyToUser(ulen, SCRATCH_WORDS, 4);
}

/** An option of SOL_SOCKET, left at SCRATCH_WORDS: its size, or -ENOPROTOOPT. */
export function sockGetValue(sk: Sock, name: i32): i32 {
  if (name == SO_PEERCRED) return peerCred(sk);
  return name == SO_MEMINFO ? memInfo(sk) : name == SO_LINGER ? getLinger(sk) : getValue(sk, name);
}

function getValue(sk: Sock, name: i32): i32 {
  let val: u32 = 0;
  const bit = rememberedBit(name);
  switch (name) {
    case SO_TYPE: val = sk.type; break;
    case SO_PROTOCOL: val = sk.protocol; break;
    case SO_DOMAIN: val = sk.family; break;
    case SO_ERROR: val = -sockError(sk); break;
    case SO_ACCEPTCONN: val = (sk.state == TCP_LISTEN) as u32; break;
    case SO_SNDBUF: val = sk.sndbuf; break;
    case SO_RCVBUF: val = sk.rcvbuf; break;
    case SO_REUSEADDR: val = ((sk.flags & SOCK_F_REUSEADDR) != 0) as u32; break;
    case SO_BSDCOMPAT: val = 0; break;
    case SO_PRIORITY: val = sk.priority; break;
    case SO_MARK: val = sk.sk_mark; break;
    case SO_RCVLOWAT: val = sk.rcvlowat ? sk.rcvlowat : 1; break;
    case SO_SNDLOWAT: val = 1; break;
    case SO_ZEROCOPY: val = ((sk.flags & SOCK_F_ZEROCOPY) != 0) as u32; break;
    case SO_TIMESTAMPING: // struct so_timestamping: flags, and no clock that they are bound to
      store<u64>(SCRATCH_WORDS, sk.tsflags as u64);
      return 8;
    case SO_RCVTIMEO: return getTimeout(sk.rcvtimeo);
    case SO_SNDTIMEO: return getTimeout(sk.sndtimeo);
    default:
      if (name == SO_PASSCRED && !passesCred(sk)) return -EOPNOTSUPP;
      if (!bit) return isGettable(name) ? notModelled(name) : -ENOPROTOOPT;
      val = ((sk.opts & bit) != 0) as u32;
  }
  store<u32>(SCRATCH_WORDS, val);
  return 4;
}

/** Families whose messages can carry their sender's credentials. */
@inline function passesCred(sk: Sock): bool { return sk.family == AF_UNIX || sk.family == AF_NETLINK; }

/** struct ucred: nobody, except of a connected or listening AF_UNIX socket. */
function peerCred(sk: Sock): i32 {
  const unix = sk.family == AF_UNIX;
  store<u32>(SCRATCH_WORDS, unix ? sk.peer_pid : 0);
  store<u32>(SCRATCH_WORDS, unix ? sk.peer_uid : u32.MAX_VALUE, 4);
  store<u32>(SCRATCH_WORDS, unix ? sk.peer_gid : u32.MAX_VALUE, 8);
  return UCRED_SIZE;
}

function getTimeout(ns: u64): i32 {
  if (ns == 1) ns = 0;
  store<u64>(SCRATCH_WORDS, ns / SEC);
  store<u64>(SCRATCH_WORDS, (ns % SEC) / USEC, 8);
  return TIMEVAL_SIZE;
}

function getLinger(sk: Sock): i32 {
  store<u32>(SCRATCH_WORDS, ((sk.flags & SOCK_F_LINGER) != 0) as u32, LINGER_OFF_ONOFF);
  store<u32>(SCRATCH_WORDS, sk.lingertime, LINGER_OFF_LINGER);
  return LINGER_SIZE;
}

/** sk_get_meminfo(): rmem_alloc, rcvbuf, wmem_alloc, sndbuf, fwd_alloc, wmem_queued, optmem, backlog, drops. */
function memInfo(sk: Sock): i32 {
  memory.fill(SCRATCH_WORDS, 0, 36);
  store<u32>(SCRATCH_WORDS, sk.rmem_alloc);
  store<u32>(SCRATCH_WORDS, sk.rcvbuf, 4);
  store<u32>(SCRATCH_WORDS, sk.wmem_alloc, 8);
  store<u32>(SCRATCH_WORDS, sk.sndbuf, 12);
  store<i32>(SCRATCH_WORDS, sk.fwd_alloc, 16);
  store<u32>(SCRATCH_WORDS, sk.wmem_queued, 20);
  store<u32>(SCRATCH_WORDS, sk.omem_alloc, 24);
  return 36;
}
