// Which socket a segment is for: connections by both ends, listeners by local port. Chains through Sock.hash_next;
// Sock.hash_key remembers the chain.
import { INADDR_ANY } from "../abi/socket";
import { S_TCP_EHASH, S_TCP_LHASH, nil } from "../lib/state";
import { Sock } from "./sock";
import { TCP_LISTEN } from "./tcp_states";

const EHASH_BUCKETS: u32 = 256;
const LHASH_BUCKETS: u32 = 64;
if (S_TCP_LHASH != S_TCP_EHASH + ((EHASH_BUCKETS as usize) << 2)) ERROR("the chains are one array");

@inline function mix(netns: u32, lport: u32, raddr: u32, rport: u32): u32 {
  let h = (lport ^ (rport << 16)) * 0x9e3779b1;
  h ^= (raddr + netns * 0x85ebca6b) * 0xc2b2ae35;
  return (h ^ (h >> 15)) & (EHASH_BUCKETS - 1);
}
@inline function chain(key: u32): usize { return S_TCP_EHASH + ((key as usize) << 2); }
@inline function listenKey(port: u32): u32 { return EHASH_BUCKETS + (port & (LHASH_BUCKETS - 1)); }

/** Makes input find the socket. */
export function tcpHash(sk: Sock): void {
  if (sk.hash_key) return;
  const key = sk.state == TCP_LISTEN ? listenKey(sk.sport) : mix(sk.netns, sk.sport, sk.daddr, sk.dport);
  sk.hash_key = key + 1;
  sk.hash_next = changetype<Sock>(load<u32>(chain(key)) as usize);
  store<u32>(chain(key), changetype<usize>(sk) as u32);
}

export function tcpUnhash(sk: Sock): void {
  if (!sk.hash_key) return;
  const head = chain(sk.hash_key - 1);
  let at = changetype<Sock>(load<u32>(head) as usize);
  if (at == sk) {
    store<u32>(head, changetype<usize>(sk.hash_next) as u32);
  } else {
    while (at.hash_next != sk) at = at.hash_next;
    at.hash_next = sk.hash_next;
  }
  sk.hash_next = nil<Sock>();
  sk.hash_key = 0;
}

/** The connection (or its TIME_WAIT rest) between the two ends, or nil. */
export function lookupEstablished(netns: u32, laddr: u32, lport: u32, raddr: u32, rport: u32): Sock {
  let sk = changetype<Sock>(load<u32>(chain(mix(netns, lport, raddr, rport))) as usize);
  while (sk) {
    if (sk.sport == lport && sk.dport == rport && sk.daddr == raddr && sk.saddr == laddr && sk.netns == netns) return sk;
    sk = sk.hash_next;
  }
  return sk;
}

/** The listener for `lport`: one bound to the address goes before one bound to any. */
export function lookupListener(netns: u32, laddr: u32, lport: u32): Sock {
  let any = nil<Sock>(), sk = changetype<Sock>(load<u32>(chain(listenKey(lport))) as usize);
  for (; sk; sk = sk.hash_next) {
    if (sk.sport != lport || sk.netns != netns) continue;
    if (sk.saddr == laddr) return sk;
    if (sk.saddr == INADDR_ANY) any = sk;
  }
  return any;
}
