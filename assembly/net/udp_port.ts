// Which UDP socket owns a local port. Sockets with a port are chained by a hash of it; input picks the best match.
import { EADDRINUSE, EAGAIN } from "../abi/errno";
import { INADDR_ANY, SO_REUSEPORT } from "../abi/socket";
import { notModelled } from "../lib/not_modelled";
import { S_UDP_HASH, S_UDP_PORT_NEXT, nil } from "../lib/state";
import { SOCK_F_REUSEADDR, SOCK_F_UNHASHED, Sock } from "./sock";
import { TCP_ESTABLISHED } from "./tcp_states";

const HASH_SIZE: u32 = 256;
/** net.ipv4.ip_local_port_range */
const PORT_LOW: u32 = 32768;
const PORT_HIGH: u32 = 60999;

@inline function bucket(port: u32): usize { return S_UDP_HASH + ((port & (HASH_SIZE - 1)) << 2); }
@inline function chain(port: u32): Sock { return changetype<Sock>(load<u32>(bucket(port)) as usize); }

/** Makes the socket known under sk.sport. The newest of equals is found first. */
export function udpHash(sk: Sock): void {
  const b = bucket(sk.sport);
  sk.hash_next = changetype<Sock>(load<u32>(b) as usize);
  store<u32>(b, changetype<usize>(sk) as u32);
  sk.flags &= ~SOCK_F_UNHASHED;
}

export function udpUnhash(sk: Sock): void {
  if (sk.flags & SOCK_F_UNHASHED) return;
  sk.flags |= SOCK_F_UNHASHED;
  let prev = nil<Sock>();
  for (let at = chain(sk.sport); at; at = at.hash_next) {
    if (at == sk) {
      if (prev) prev.hash_next = sk.hash_next;
      else store<u32>(bucket(sk.sport), changetype<usize>(sk.hash_next) as u32);
      sk.hash_next = nil<Sock>();
      return;
    }
    prev = at;
  }
}

/** Does `port` at `addr` belong to another socket? Two that both say SO_REUSEADDR may share. */
function conflict(netns: u32, addr: u32, port: u32, sk: Sock): bool {
  for (let at = chain(port); at; at = at.hash_next) {
    if (at == sk || at.sport != port || at.netns != netns) continue;
    if (at.flags & SOCK_F_REUSEADDR && sk.flags & SOCK_F_REUSEADDR) continue;
    if (at.opts & sk.opts & (1 << SO_REUSEPORT)) {
      notModelled(SO_REUSEPORT); // datagrams would be spread over them
      continue;
    }
    if (at.bound_dev && sk.bound_dev && at.bound_dev != sk.bound_dev) continue;
    if (addr == INADDR_ANY || at.saddr == INADDR_ANY || at.saddr == addr) return true;
  }
  return false;
}

/**
 * udp_v4_get_port(): takes `port`, or the next free ephemeral one if that is 0, and hashes the socket. The port,
 * -EADDRINUSE, or -EAGAIN. Linux draws ephemeral ports; here they are counted, as every run is to be the same.
 */
export function udpGetPort(sk: Sock, addr: u32, port: u32): i32 {
  if (port) {
    if (conflict(sk.netns, addr, port, sk)) return -EADDRINUSE;
  } else {
    port = load<u32>(S_UDP_PORT_NEXT);
    let tries = PORT_HIGH - PORT_LOW + 1;
    do {
      if (!tries--) return -EAGAIN;
      port = port < PORT_LOW || port >= PORT_HIGH ? PORT_LOW : port + 1;
    } while (conflict(sk.netns, addr, port, sk));
    store<u32>(S_UDP_PORT_NEXT, port);
  }
  udpUnhash(sk);
  sk.sport = port;
  udpHash(sk);
  return port;
}

/** udp4_lib_lookup(): the socket for a datagram to daddr:dport from saddr:sport that came by device `dif`, or nil. */
export function udpLookup(netns: u32, daddr: u32, dport: u32, saddr: u32, sport: u32, dif: u32): Sock {
  let best = nil<Sock>(), bestScore: u32 = 0;
  for (let at = chain(dport); at; at = at.hash_next) {
    if (at.sport != dport || at.netns != netns) continue;
    let score: u32 = 1;
    if (at.saddr != INADDR_ANY) {
      if (at.saddr != daddr) continue;
      score += 4;
    }
    if (at.state == TCP_ESTABLISHED) {
      if (at.daddr != saddr || at.dport != sport) continue;
      score += 8;
    }
    if (at.bound_dev) {
      if (at.bound_dev != dif) continue;
      score += 4;
    }
    if (score > bestScore) {
      best = at;
      bestScore = score;
    }
  }
  return best;
}
