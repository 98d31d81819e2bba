import { csumAdd, csumAt, csumFold, csumPartial, csumPseudo } from "../../../assembly/lib/csum";
import { reset, userPages } from "../support";

const LENGTHS: u32 = 64;

/** RFC 1071, literally: 16-bit words, an odd last byte padded with zero, end-around carry after each. */
function plain(addr: usize, len: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < len; i += 2) {
    const high: u32 = i + 1 < len ? (load<u8>(addr + i + 1) as u32) << 8 : 0;
    sum += (load<u8>(addr + i) as u32) + high;
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

describe("lib/csum", () => {
  beforeEach(reset);

  it("the fast sum is that of RFC 1071 for every length and alignment from 0 to 64", () => {
    const base = userPages(1);
    let wrong: u32 = 0;
    for (let offset: u32 = 0; offset <= LENGTHS; offset++) {
      for (let len: u32 = 0; len <= LENGTHS; len++) {
        if (csumFold(csumPartial(base + offset, len, 0)) != (~plain(base + offset, len) & 0xffff)) wrong++;
      }
    }
    expect(wrong).toBe(0);
  });

  it("nothing is lost to carries: 64 KiB of ones", () => {
    const base = userPages(16);
    memory.fill(base, 0xff, 65535);
    expect(csumFold(csumPartial(base, 65535, 0xffffffff))).toBe(~plain(base, 65535) & 0xffff);
    expect(csumFold(csumPartial(base, 65534, 0))).toBe(0);
  });

  it("the example of RFC 1071", () => {
    const base = userPages(1);
    store<u64>(base, bswap<u64>(0x0001f203f4f5f6f7));
    store<u16>(base + 8, csumFold(csumPartial(base, 8, 0)) as u16);
    expect(bswap<u16>(load<u16>(base + 8))).toBe(0x220d);
    expect(csumFold(csumPartial(base, 10, 0))).toBe(0, "a block with its checksum sums to zero");
  });

  it("a packet may be summed in pieces, cut at any byte", () => {
    const base = userPages(1), len: u32 = 61;
    const whole = csumFold(csumPartial(base, len, 0));
    let wrong: u32 = 0;
    for (let cut: u32 = 0; cut <= len; cut++) {
      const first = csumPartial(base, cut, 0), second = csumPartial(base + cut, len - cut, 0);
      if (csumFold(csumAdd(first, csumAt(second, cut))) != whole) wrong++;
    }
    expect(wrong).toBe(0);
  });

  it("the pseudo-header counts like its twelve bytes", () => {
    const base = userPages(1);
    store<u32>(base, bswap<u32>(0x0a4d0001));
    store<u32>(base + 4, bswap<u32>(0xc0a8ff02));
    store<u8>(base + 8, 0);
    store<u8>(base + 9, 17);
    store<u16>(base + 10, bswap<u16>(65507));
    expect(csumFold(csumPseudo(0x0a4d0001, 0xc0a8ff02, 17, 65507, 0x12345))).toBe(csumFold(csumPartial(base, 12, 0x12345)));
  });
});
