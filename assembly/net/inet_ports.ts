// Local ports of TCP and UDP. A port is in use while a socket on the list of all sockets holds it, TIME_WAIT included.
//
// Ephemeral ports are handed out in order (net.ipv4.ip_local_port_range), so that a run repeats exactly.
import { EADDRINUSE } from "../abi/errno";
import { IPPROTO_TCP, SO_REUSEPORT } from "../abi/socket";
import { S_PORT_NEXT, S_SOCK_LIST, nil } from "../lib/state";
import { notModelled } from "../lib/not_modelled";
import { SOCK_F_REUSEADDR, Sock } from "./sock";
import { TCP_LISTEN } from "./tcp_states";

export const EPHEMERAL_MIN: u32 = 32768;
export const EPHEMERAL_MAX: u32 = 60999;
const EPHEMERAL_COUNT: u32 = EPHEMERAL_MAX - EPHEMERAL_MIN + 1;

/** May the two sockets hold one port? Both have to agree, and a listener shares with nobody. */
@inline function mayShare(a: Sock, b: Sock): bool {
  if (!a) return false;
  if (a.opts & b.opts & (1 << SO_REUSEPORT)) {
    if (a.state == TCP_LISTEN && b.state == TCP_LISTEN) notModelled(SO_REUSEPORT); // connections would be spread over them
    return true;
  }
  if (!(a.flags & b.flags & SOCK_F_REUSEADDR)) return false;
  return a.protocol != IPPROTO_TCP || (a.state != TCP_LISTEN && b.state != TCP_LISTEN);
}

/** Can `sk` (nil: nobody in particular) have the port at `addr`? */
export function inetPortFree(netns: u32, protocol: u32, addr: u32, port: u32, sk: Sock): bool {
  for (let o = changetype<Sock>(load<u32>(S_SOCK_LIST) as usize); o; o = o.list_next) {
    if (o.sport != port || o.protocol != protocol || o.netns != netns || o == sk) continue;
    if (o.saddr != addr && o.saddr && addr) continue;
    if (!mayShare(sk, o)) return false;
  }
  return true;
}

@inline function nextCandidate(): u32 {
  const n = load<u32>(S_PORT_NEXT);
  store<u32>(S_PORT_NEXT, n + 1 == EPHEMERAL_COUNT ? 0 : n + 1);
  return EPHEMERAL_MIN + n;
}

/** bind(2): `port`, or a free one if that is 0; -EADDRINUSE. The caller records the result in the socket. */
export function inetBindPort(netns: u32, protocol: u32, addr: u32, port: u32, sk: Sock): i32 {
  if (port) return inetPortFree(netns, protocol, addr, port, sk) ? (port as i32) : -EADDRINUSE;
  return inetPickPort(netns, protocol, addr);
}

/** A port that no socket has at `addr`, or -EADDRINUSE. */
export function inetPickPort(netns: u32, protocol: u32, addr: u32): i32 {
  for (let i: u32 = 0; i < EPHEMERAL_COUNT; i++) {
    const port = nextCandidate();
    if (inetPortFree(netns, protocol, addr, port, nil<Sock>())) return port as i32;
  }
  return -EADDRINUSE;
}
