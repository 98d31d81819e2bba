// Checksums over skbs: the transport checksum of a packet whose device does not compute it, and its verification.
//
// A sender that leaves the sum to the device marks the skb CHECKSUM_PARTIAL and may leave the field of the header
// undefined. Such a packet may travel over lo and veth for ever: its bytes never touch a wire, nobody computes the sum.
import { IPPROTO_TCP, IPPROTO_UDP } from "../abi/socket";
import { csumAdd, csumAt, csumFold, csumPartial, csumPseudo } from "../lib/csum";
import { CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SkBuff, fragAddr, fragSize, skbHeadlen } from "./skbuff";

/** The sum of `len` bytes from offset `off` of the skb (counted from `data`). */
export function skbChecksum(skb: SkBuff, off: u32, len: u32, sum: u32): u32 {
  const head = skbHeadlen(skb), sh = skb.shinfo;
  let pos: u32 = 0;
  if (off < head) {
    const n = head - off < len ? head - off : len;
    sum = csumPartial(skb.data + (off as usize), n, sum);
    pos = n;
    len -= n;
    off = head;
  }
  off -= head;
  for (let i: u32 = 0; len && i < sh.nr_frags; i++) {
    const size = fragSize(sh, i);
    if (off >= size) {
      off -= size;
      continue;
    }
    const n = size - off < len ? size - off : len;
    sum = csumAdd(sum, csumAt(csumPartial(fragAddr(sh, i) + (off as usize), n, 0), pos));
    pos += n;
    len -= n;
    off = 0;
  }
  return sum;
}

/** Address of the checksum field of the transport header, 0 for a protocol that has none here. */
export function checksumField(skb: SkBuff): usize {
  const protocol: u32 = load<u8>(skb.nh, 9);
  return protocol == IPPROTO_TCP ? skb.th + 16 : protocol == IPPROTO_UDP ? skb.th + 6 : 0;
}

/** The pseudo-header sum of a packet that begins with its IPv4 header. */
export function pseudoSum(skb: SkBuff): u32 {
  const len = skb.len - ((skb.th - skb.data) as u32);
  return csumPseudo(bswap<u32>(load<u32>(skb.nh, 12)), bswap<u32>(load<u32>(skb.nh, 16)), load<u8>(skb.nh, 9), len, 0);
}

/** skb_checksum_help(): computes in software what CHECKSUM_PARTIAL left to the device. `data` is at the IPv4 header. */
export function skbChecksumHelp(skb: SkBuff): void {
  skb.ip_summed = CHECKSUM_NONE;
  const field = checksumField(skb);
  if (!field) return;
  store<u16>(field, 0);
  const off = (skb.th - skb.data) as u32;
  const sum = csumFold(skbChecksum(skb, off, skb.len - off, pseudoSum(skb)));
  // RFC 768: a computed zero is sent as all ones, zero means "none".
  store<u16>(field, (sum ? sum : 0xffff) as u16);
}

/** Verifies the transport checksum of a received packet whose `data` is at the transport header. */
export function skbChecksumOk(skb: SkBuff, protocol: u32): bool {
  if (skb.ip_summed == CHECKSUM_PARTIAL || skb.ip_summed == CHECKSUM_UNNECESSARY) return true;
  const sum = csumPseudo(bswap<u32>(load<u32>(skb.nh, 12)), bswap<u32>(load<u32>(skb.nh, 16)), protocol, skb.len, 0);
  if (csumFold(skbChecksum(skb, 0, skb.len, sum)) != 0) return false;
  skb.ip_summed = CHECKSUM_UNNECESSARY;
  return true;
}
