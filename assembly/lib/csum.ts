// The Internet checksum (RFC 1071): the one's complement sum of 16-bit words.
//
// Words are summed as they lie in memory. The sum does not depend on byte order (RFC 1071 section 2 B), so the folded
// result is stored back with a plain 16-bit store and is right on the wire.

/** Adds the bytes of [addr, addr + len) to `sum`. An odd last byte counts as if a zero followed. */
export function csumPartial(addr: usize, len: u32, sum: u32): u32 {
  let acc = sum as u64;
  while (len >= 32) {
    const a = load<u64>(addr), b = load<u64>(addr, 8), c = load<u64>(addr, 16), d = load<u64>(addr, 24);
    acc += (a & 0xffffffff) + (b & 0xffffffff) + (c & 0xffffffff) + (d & 0xffffffff);
    acc += (a >> 32) + (b >> 32) + (c >> 32) + (d >> 32);
    addr += 32;
    len -= 32;
  }
  while (len >= 4) {
    acc += load<u32>(addr) as u64;
    addr += 4;
    len -= 4;
  }
  if (len & 2) {
    acc += load<u16>(addr) as u64;
    addr += 2;
  }
  if (len & 1) acc += load<u8>(addr) as u64;
  acc = (acc & 0xffffffff) + (acc >> 32);
  acc = (acc & 0xffffffff) + (acc >> 32);
  return acc as u32;
}

/** One's complement addition. */
@inline export function csumAdd(a: u32, b: u32): u32 {
  const s = (a as u64) + (b as u64);
  return (s as u32) + ((s >> 32) as u32);
}

/** The sum of a block that starts at `offset` of a longer one: at an odd offset every byte moves to the other half. */
@inline export function csumAt(sum: u32, offset: u32): u32 { return offset & 1 ? rotl<u32>(sum, 8) : sum; }

/** Folds to 16 bits and complements: what goes into a header. */
@inline export function csumFold(sum: u32): u32 {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** The pseudo-header of TCP and UDP (RFC 9293 3.1, RFC 768). Addresses in host order. */
@inline export function csumPseudo(saddr: u32, daddr: u32, protocol: u32, len: u32, sum: u32): u32 {
  const s = (sum as u64) + (bswap<u32>(saddr) as u64) + (bswap<u32>(daddr) as u64)
    + ((protocol << 8) as u64) + (bswap<u16>(len as u16) as u64);
  const t = (s & 0xffffffff) + (s >> 32);
  return (t as u32) + ((t >> 32) as u32);
}
