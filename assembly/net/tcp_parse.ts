// The TCP header of a received segment, read once into the skb: RFC 9293 3.1, options of RFC 9293 3.2 and RFC 7323.
import { CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SkBuff, skbHeadlen } from "./skbuff";
import { IPPROTO_TCP } from "../abi/socket";
import { TCP_HLEN, TCP_MAX_WSCALE, TH_FIN, TH_SYN } from "./tcp_defs";
import { skbChecksumOk } from "./checksum";

// cb0 = window | TCPOPT_* << 16 | wscale << 24, cb1 = TSval, cb2 = TSecr, cb3 = MSS | header length << 16
export const TCPOPT_SAW_TS: u32 = 1;
export const TCPOPT_SAW_WSCALE: u32 = 2;

const OPT_EOL: u32 = 0;
const OPT_NOP: u32 = 1;
const OPT_MSS: u32 = 2;
const OPT_WINDOW: u32 = 3;
const OPT_TIMESTAMP: u32 = 8;

@inline export function thSport(th: usize): u32 { return bswap<u16>(load<u16>(th)) as u32; }
@inline export function thDport(th: usize): u32 { return bswap<u16>(load<u16>(th, 2)) as u32; }
@inline export function segWindow(skb: SkBuff): u32 { return skb.cb0 & 0xffff; }
@inline export function segHas(skb: SkBuff, opt: u32): bool { return (skb.cb0 & (opt << 16)) != 0; }
@inline export function segWscale(skb: SkBuff): u32 { return skb.cb0 >> 24; }
@inline export function segTsval(skb: SkBuff): u32 { return skb.cb1; }
@inline export function segTsecr(skb: SkBuff): u32 { return skb.cb2; }
@inline export function segMss(skb: SkBuff): u32 { return skb.cb3 & 0xffff; }
@inline export function segHeaderLen(skb: SkBuff): u32 { return skb.cb3 >> 16; }
/** Payload bytes while `data` is still at the header. */
@inline export function segLen(skb: SkBuff): u32 { return skb.len - (skb.cb3 >> 16); }

/** Checks and reads the header at `data`. false: not a TCP segment, drop it. */
export function tcpParse(skb: SkBuff): bool {
  const th = skb.data;
  if (skbHeadlen(skb) < TCP_HLEN) return false;
  const hlen = ((load<u8>(th, 12) >> 4) as u32) << 2;
  if (hlen < TCP_HLEN || skbHeadlen(skb) < hlen) return false;
  if (skb.ip_summed != CHECKSUM_PARTIAL && skb.ip_summed != CHECKSUM_UNNECESSARY && !skbChecksumOk(skb, IPPROTO_TCP)) return false;
  const flags = (load<u8>(th, 13) & 0x3f) as u32;
  skb.th = th;
  skb.seq = bswap<u32>(load<u32>(th, 4));
  skb.end_seq = skb.seq + skb.len - hlen + (flags & TH_SYN ? 1 : 0) + (flags & TH_FIN ? 1 : 0);
  skb.ack_seq = bswap<u32>(load<u32>(th, 8));
  skb.tcp_flags = flags;
  skb.sacked = 0;
  skb.when = 0;
  skb.cb0 = bswap<u16>(load<u16>(th, 14)) as u32;
  skb.cb3 = hlen << 16;
  if (hlen != TCP_HLEN) parseOptions(skb, th + TCP_HLEN, th + hlen, flags);
  return true;
}

function parseOptions(skb: SkBuff, opt: usize, end: usize, flags: u32): void {
  while (opt < end) {
    const kind: u32 = load<u8>(opt);
    if (kind == OPT_EOL) return;
    if (kind == OPT_NOP) {
      opt++;
      continue;
    }
    if (opt + 2 > end) return;
    const len: u32 = load<u8>(opt, 1);
    if (len < 2 || opt + len > end) return; // a broken option ends the list
    if (kind == OPT_MSS && len == 4 && flags & TH_SYN) {
      skb.cb3 |= bswap<u16>(load<u16>(opt, 2)) as u32;
    } else if (kind == OPT_WINDOW && len == 3 && flags & TH_SYN) {
      const shift: u32 = load<u8>(opt, 2);
      skb.cb0 |= (TCPOPT_SAW_WSCALE << 16) | ((shift > TCP_MAX_WSCALE ? TCP_MAX_WSCALE : shift) << 24);
    } else if (kind == OPT_TIMESTAMP && len == 10) {
      skb.cb0 |= TCPOPT_SAW_TS << 16;
      skb.cb1 = bswap<u32>(load<u32>(opt, 2));
      skb.cb2 = bswap<u32>(load<u32>(opt, 6));
    }
    opt += len;
  }
}
