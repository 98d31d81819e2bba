// iov_iter: where the bytes of a send come from or a receive goes to. One cursor for three kinds:
//   UBUF   one user range;  IOVEC  an array of user ranges, copied in at prep;  BVEC  a registered buffer (pinned pages).
// User ranges are checked page by page against the mapping table when they are touched; BVEC is not (its pages are
// pinned, munmap does not matter).
import { PAGE_SIZE } from "../abi/layout";
import { PROT_READ, PROT_WRITE, userSpan } from "./vma";

export const ITER_UBUF: u32 = 0;
export const ITER_IOVEC: u32 = 1;
export const ITER_BVEC: u32 = 2;

/** One segment as the kernel keeps it: u64 base, u32 length. */
export const KVEC_SIZE: usize = 16;

@unmanaged @final export class IovIter {
  kind: u32;
  count: u32; // bytes left
  base: u64; // UBUF and BVEC without segments: start of the range
  iov: usize; // IOVEC, or BVEC with segments: array of {u64 base, u32 len, u32}
  nr_segs: u32;
  seg: u32; // current segment
  off: u32; // consumed in the current segment (UBUF: in the range)
  total: u32; // bytes at import
  pad: u32;
}
export const ITER_SIZE: usize = 40;
if (offsetof<IovIter>() != ITER_SIZE) ERROR("IovIter must be 40 bytes");

@inline export function kvecBase(iov: usize, i: u32): u64 { return load<u64>(iov + ((i as usize) << 4)); }
@inline export function kvecLen(iov: usize, i: u32): u32 { return load<u32>(iov + ((i as usize) << 4), 8); }

export function iterUbuf(it: IovIter, base: u64, len: u32): void {
  it.kind = ITER_UBUF;
  it.count = len;
  it.base = base;
  it.iov = 0;
  it.nr_segs = 1;
  it.seg = 0;
  it.off = 0;
  it.total = len;
}
export function iterVec(it: IovIter, kind: u32, iov: usize, nr: u32, count: u32): void {
  it.kind = kind;
  it.count = count;
  it.base = 0;
  it.iov = iov;
  it.nr_segs = nr;
  it.seg = 0;
  it.off = 0;
  it.total = count;
}

@inline function skipEmpty(it: IovIter): void {
  while (it.iov && it.seg < it.nr_segs && it.off >= kvecLen(it.iov, it.seg)) {
    it.seg++;
    it.off = 0;
  }
}

/** Address of the next byte. Valid while count > 0. */
@inline export function iterAddr(it: IovIter): u64 {
  if (!it.iov) return it.base + it.off;
  skipEmpty(it);
  return kvecBase(it.iov, it.seg) + it.off;
}
/** Contiguous bytes (in addresses) at the cursor. */
@inline export function iterSegLen(it: IovIter): u32 {
  if (!it.iov) return it.count;
  skipEmpty(it);
  const n = kvecLen(it.iov, it.seg) - it.off;
  return n < it.count ? n : it.count;
}

export function iterAdvance(it: IovIter, n: u32): void {
  it.count -= n;
  if (!it.iov) {
    it.off += n;
    return;
  }
  while (n) {
    const left = kvecLen(it.iov, it.seg) - it.off;
    if (n < left) {
      it.off += n;
      return;
    }
    n -= left;
    it.seg++;
    it.off = 0;
  }
}

/** Undoes the last `n` bytes of iterAdvance(). */
export function iterRevert(it: IovIter, n: u32): void {
  it.count += n;
  if (!it.iov) {
    it.off -= n;
    return;
  }
  while (n > it.off) {
    n -= it.off;
    it.seg--;
    it.off = kvecLen(it.iov, it.seg);
  }
  it.off -= n;
}

/** Copies up to `n` bytes out of the iterator to kernel memory; stops at the first bad page. Bytes copied. */
export function copyFromIter(to: usize, n: u32, it: IovIter): u32 { return copyIter(to, n, it, PROT_READ); }
/** Copies up to `n` bytes of kernel memory into the iterator; stops at the first bad page. Bytes copied. */
export function copyToIter(from: usize, n: u32, it: IovIter): u32 { return copyIter(from, n, it, PROT_WRITE); }

function copyIter(kernel: usize, n: u32, it: IovIter, prot: u8): u32 {
  let done: u32 = 0;
  if (n > it.count) n = it.count;
  while (done < n) {
    const addr = iterAddr(it), at = kernel + (done as usize);
    let step = iterSegLen(it);
    if (step > n - done) step = n - done;
    const ok = it.kind == ITER_BVEC ? step : userSpan(addr, step, prot);
    if (ok) { // not even nothing may be copied from a bad address
      if (prot == PROT_READ) memory.copy(at, addr as usize, ok);
      else memory.copy(addr as usize, at, ok);
    }
    iterAdvance(it, ok);
    done += ok;
    if (ok != step) break;
  }
  return done;
}

/** The part of the cursor's segment that lies in one page and is readable: length, 0 = bad pointer. */
export function iterPagePart(it: IovIter): u32 {
  const addr = iterAddr(it);
  let n = iterSegLen(it);
  const room = PAGE_SIZE - ((addr as u32) & (PAGE_SIZE - 1));
  if (n > room) n = room;
  return it.kind == ITER_BVEC ? n : userSpan(addr, n, PROT_READ) == n ? n : 0;
}
