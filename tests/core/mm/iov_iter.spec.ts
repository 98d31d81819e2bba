import {
  ITER_BVEC, ITER_IOVEC, IovIter, KVEC_SIZE, copyFromIter, copyToIter, iterAddr, iterAdvance, iterPagePart, iterRevert, iterSegLen,
  iterUbuf, iterVec,
} from "../../../assembly/mm/iov_iter";
import { PAGE_SIZE } from "../../../assembly/abi/layout";
import { PROT_READ, vmProtect, vmUnmap } from "../../../assembly/mm/vma";
import { pattern, reset, userPages } from "../support";

const IT: usize = 0x14000;
const VEC: usize = 0x14100;
const KERNEL: usize = 0x15000;
const SEGS: u32 = 5;

@inline function it_(): IovIter { return changetype<IovIter>(IT); }

function segment(i: u32, base: usize, len: u32): void {
  store<u64>(VEC + (i as usize) * KVEC_SIZE, base as u64);
  store<u32>(VEC + (i as usize) * KVEC_SIZE, len, 8);
}

/** Lengths 10, 0, 1, 0, 20 in one page, 100 bytes apart: empty segments in the middle, one byte alone. */
function vector(base: usize): u32 {
  segment(0, base, 10);
  segment(1, base + 100, 0);
  segment(2, base + 200, 1);
  segment(3, base + 300, 0);
  segment(4, base + 400, 20);
  iterVec(it_(), ITER_IOVEC, VEC, SEGS, 31);
  return 31;
}

describe("net/iov_iter", () => {
  beforeEach(reset);

  it("the cursor passes over empty segments", () => {
    const base = userPages(1);
    vector(base);
    expect(iterAddr(it_())).toBe(base as u64);
    expect(iterSegLen(it_())).toBe(10);
    iterAdvance(it_(), 10);
    expect(iterAddr(it_())).toBe((base + 200) as u64);
    expect(iterSegLen(it_())).toBe(1);
    iterAdvance(it_(), 1);
    expect(iterAddr(it_())).toBe((base + 400) as u64);
    iterAdvance(it_(), 20);
    expect(it_().count).toBe(0);
  });

  it("revert undoes advance, for every position and distance", () => {
    const base = userPages(1), total = vector(base);
    let wrong: u32 = 0;
    for (let from: u32 = 0; from < total; from++) {
      for (let n: u32 = 0; n <= total - from; n++) {
        vector(base);
        iterAdvance(it_(), from);
        const addr = iterAddr(it_()), left = iterSegLen(it_());
        iterAdvance(it_(), n);
        iterRevert(it_(), n);
        if (iterAddr(it_()) != addr || iterSegLen(it_()) != left || it_().count != total - from) wrong++;
      }
    }
    expect(wrong).toBe(0);
  });

  it("revert undoes advance in a single range", () => {
    iterUbuf(it_(), 0x12345678, 1000);
    iterAdvance(it_(), 700);
    iterRevert(it_(), 300);
    expect(iterAddr(it_())).toBe(0x12345678 + 400);
    expect(it_().count).toBe(600);
    expect(iterSegLen(it_())).toBe(600);
  });

  it("the count ends the last segment early", () => {
    const base = userPages(1);
    vector(base);
    iterVec(it_(), ITER_IOVEC, VEC, SEGS, 15);
    iterAdvance(it_(), 11);
    expect(iterSegLen(it_())).toBe(4);
  });

  it("a copy gathers all segments", () => {
    const base = userPages(1), total = vector(base);
    expect(copyFromIter(KERNEL, 1000, it_())).toBe(total);
    expect(load<u8>(KERNEL + 9)).toBe(pattern(9));
    expect(load<u8>(KERNEL + 10)).toBe(pattern(200));
    expect(load<u8>(KERNEL + 11)).toBe(pattern(400));
    expect(load<u8>(KERNEL + 30)).toBe(pattern(419));
    expect(it_().count).toBe(0);
  });

  it("a copy scatters over all segments and nowhere else", () => {
    const base = userPages(1), total = vector(base);
    memory.fill(KERNEL, 0xee, 64);
    expect(copyToIter(KERNEL, total, it_())).toBe(total);
    expect(load<u8>(base + 9)).toBe(0xee);
    expect(load<u8>(base + 10)).toBe(pattern(10));
    expect(load<u8>(base + 200)).toBe(0xee);
    expect(load<u8>(base + 201)).toBe(pattern(201));
    expect(load<u8>(base + 300)).toBe(pattern(300));
  });

  it("a copy stops at the first bad page and says how far it came", () => {
    const base = userPages(3);
    vmUnmap(base + PAGE_SIZE, PAGE_SIZE);
    iterUbuf(it_(), (base + 100) as u64, 2 * PAGE_SIZE);
    expect(copyFromIter(KERNEL, 2 * PAGE_SIZE, it_())).toBe(PAGE_SIZE - 100);
    expect(iterAddr(it_())).toBe((base + PAGE_SIZE) as u64);
    expect(copyFromIter(KERNEL, 1, it_())).toBe(0);
  });

  it("a receive needs pages that can be written, a send does not", () => {
    const base = userPages(1);
    vmProtect(base, PAGE_SIZE, PROT_READ);
    iterUbuf(it_(), base as u64, 10);
    expect(copyToIter(KERNEL, 10, it_())).toBe(0);
    expect(copyFromIter(KERNEL, 10, it_())).toBe(10);
  });

  it("a registered buffer outlives its mapping", () => {
    const base = userPages(1);
    iterVec(it_(), ITER_BVEC, 0, 1, 10);
    it_().base = base as u64;
    vmUnmap(base, PAGE_SIZE);
    expect(iterPagePart(it_())).toBe(10);
    expect(copyFromIter(KERNEL, 10, it_())).toBe(10);
    expect(load<u8>(KERNEL + 3)).toBe(pattern(3));
  });

  it("a page part ends with the segment, the page, or a bad pointer", () => {
    const base = userPages(2);
    iterUbuf(it_(), (base + PAGE_SIZE - 5) as u64, 20);
    expect(iterPagePart(it_())).toBe(5);
    iterAdvance(it_(), 5);
    expect(iterPagePart(it_())).toBe(15);
    vmUnmap(base + PAGE_SIZE, PAGE_SIZE);
    expect(iterPagePart(it_())).toBe(0);
    iterUbuf(it_(), 0xffff888000000000, 20);
    expect(iterPagePart(it_())).toBe(0);
  });
});
