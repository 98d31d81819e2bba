// The IPv4 header (RFC 791 3.1).
//
//   0       1       2               4               6               8       9       10             12       16
//   |ver|ihl|  tos  | total length  | identification|flg| frag off  |  ttl  | proto |  checksum   | source | destination |
//
// Header bytes are real, in network order. The Ethernet header is the driver's business, as only the simulated NIC has a
// wire.
import { EINVAL } from "../abi/errno";
import { IP_RETOPTS } from "../abi/socket";
import { notModelled } from "../lib/not_modelled";
import { S_IP_ID } from "../lib/state";
import { csumFold, csumPartial } from "../lib/csum";
import { SkBuff, skbPush } from "./skbuff";

export const IP_HLEN: u32 = 20;
export const IP_DF: u32 = 0x4000;
export const IP_MF: u32 = 0x2000;
export const IP_OFFSET: u32 = 0x1fff;
export const IP_DEFAULT_TTL: u32 = 64;
/** Largest IPv4 packet. */
export const IP_MAX_MTU: u32 = 65535;

const IPOPT_END: u32 = 0;
const IPOPT_NOP: u32 = 1;
const IP_OPTIONS_MAX: u32 = 40;

/** ip_options_compile() for options of a send: 0 when they come to nothing, -EINVAL; real ones are not modelled. */
export function ipOptionsCheck(at: usize, len: u32): i32 {
  if (len > IP_OPTIONS_MAX) len = IP_OPTIONS_MAX;
  for (let i: u32 = 0; i < len; ) {
    const kind: u32 = load<u8>(at + (i as usize));
    if (kind == IPOPT_END) return 0;
    if (kind == IPOPT_NOP) {
      i++;
      continue;
    }
    const n: u32 = i + 1 < len ? (load<u8>(at + (i as usize), 1) as u32) : 0;
    return n < 2 || n > len - i ? -EINVAL : notModelled(IP_RETOPTS);
  }
  return 0;
}

/** The next identification number. Only fragments need one that differs; there is one counter per machine. */
@inline export function ipNextId(): u32 {
  const id = load<u32>(S_IP_ID) + 1;
  store<u32>(S_IP_ID, id);
  return id & 0xffff;
}

/** Pushes an IPv4 header without options. `off`: flags and fragment offset. Addresses in host order. */
export function ipPushHeader(skb: SkBuff, saddr: u32, daddr: u32, protocol: u32, tos: u32, ttl: u32, id: u32, off: u32): void {
  const iph = skbPush(skb, IP_HLEN);
  skb.nh = iph;
  const w0: u32 = 0x45 | (tos << 8) | ((bswap<u16>(skb.len as u16) as u32) << 16);
  const w1: u32 = (bswap<u16>(id as u16) as u32) | ((bswap<u16>(off as u16) as u32) << 16);
  const w2: u32 = ttl | (protocol << 8);
  const s = bswap<u32>(saddr), d = bswap<u32>(daddr);
  let sum = (w0 as u64) + (w1 as u64) + (w2 as u64) + (s as u64) + (d as u64);
  sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  store<u32>(iph, w0);
  store<u32>(iph, w1, 4);
  store<u32>(iph, w2 | ((~(sum as u32) & 0xffff) << 16), 8);
  store<u32>(iph, s, 12);
  store<u32>(iph, d, 16);
}

// Fields of the header at `iph`, in host order.
@inline export function ipHeaderLen(iph: usize): u32 { return (load<u8>(iph) as u32 & 15) << 2; }
@inline export function ipTotLen(iph: usize): u32 { return bswap<u16>(load<u16>(iph, 2)) as u32; }
@inline export function ipId(iph: usize): u32 { return bswap<u16>(load<u16>(iph, 4)) as u32; }
@inline export function ipFragOff(iph: usize): u32 { return bswap<u16>(load<u16>(iph, 6)) as u32; }
@inline export function ipTtl(iph: usize): u32 { return load<u8>(iph, 8); }
@inline export function ipProtocol(iph: usize): u32 { return load<u8>(iph, 9); }
@inline export function ipSaddr(iph: usize): u32 { return bswap<u32>(load<u32>(iph, 12)); }
@inline export function ipDaddr(iph: usize): u32 { return bswap<u32>(load<u32>(iph, 16)); }

/** Writes length and fragment word, and the checksum over it all. */
export function ipFixHeader(iph: usize, totLen: u32, off: u32): void {
  store<u16>(iph, bswap<u16>(totLen as u16), 2);
  store<u16>(iph, bswap<u16>(off as u16), 6);
  ipFixChecksum(iph);
}
export function ipFixChecksum(iph: usize): void {
  store<u16>(iph, 0, 10);
  store<u16>(iph, csumFold(csumPartial(iph, ipHeaderLen(iph), 0)) as u16, 10);
}
