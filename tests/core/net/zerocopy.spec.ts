import { ITER_BVEC, ITER_IOVEC, IovIter, KVEC_SIZE, iterAddr, iterUbuf, iterVec } from "../../../assembly/mm/iov_iter";
import { PAGE_SIZE } from "../../../assembly/abi/layout";
import { CNT_PAGES_PINNED } from "../../../assembly/abi/counters";
import { EEXIST, EFAULT, EMSGSIZE } from "../../../assembly/abi/errno";
import { AF_INET, SOCK_STREAM } from "../../../assembly/abi/socket";
import { REF_ACKED } from "../../../assembly/abi/trace";
import { pageRefs } from "../../../assembly/mm/page";
import { vmUnmap } from "../../../assembly/mm/vma";
import { MAX_SKB_FRAGS, SKB_HEADROOM, SkBuff, allocSkb, fragAddr, fragSize, kfreeSkb, skbAssertFrags } from "../../../assembly/net/skbuff";
import { Sock, skAlloc } from "../../../assembly/net/sock";
import { SKBFL_MANAGED_FRAG_REFS, SKBFL_PURE_ZEROCOPY, UbufInfo } from "../../../assembly/net/ubuf_info";
import { skbZerocopyIterStream, zerocopySgFromIter } from "../../../assembly/net/zerocopy";
import { counter, newOwner, reset, timesUsed, userPages } from "../support";

const IT: usize = 0x14800;
const VEC: usize = 0x14900;
const ALL: u32 = 1 << 20;

let sk: Sock = changetype<Sock>(0);

@inline function cursor(): IovIter { return changetype<IovIter>(IT); }

/** `n` segments of `len` bytes, `step` bytes apart. */
function scattered(base: usize, n: u32, len: u32, step: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    store<u64>(VEC + (i as usize) * KVEC_SIZE, (base + i * step) as u64);
    store<u32>(VEC + (i as usize) * KVEC_SIZE, len, 8);
  }
  iterVec(cursor(), ITER_IOVEC, VEC, n, n * len);
}

/** One range; a registered buffer if `kind` is ITER_BVEC. */
function range(kind: u32, base: usize, len: u32): void {
  if (kind == ITER_BVEC) {
    iterVec(cursor(), ITER_BVEC, 0, 1, len);
    cursor().base = base as u64;
  } else {
    iterUbuf(cursor(), base as u64, len);
  }
}

function fill(skb: SkBuff, managed: bool = false): i32 { return zerocopySgFromIter(sk, skb, cursor(), ALL, managed, true); }
function append(skb: SkBuff, owner: UbufInfo, managed: bool = false): i32 {
  return skbZerocopyIterStream(sk, skb, cursor(), ALL, owner, managed);
}

describe("net/zerocopy", () => {
  beforeEach(() => {
    reset();
    sk = skAlloc(AF_INET, SOCK_STREAM, 6, 0);
  });

  it("seventeen fragments fit, the eighteenth is EMSGSIZE", () => {
    const base = userPages(1);
    const full = allocSkb(SKB_HEADROOM, 0);
    scattered(base, MAX_SKB_FRAGS, 1, 2);
    expect(fill(full)).toBe(0);
    expect(full.shinfo.nr_frags).toBe(MAX_SKB_FRAGS);
    const over = allocSkb(SKB_HEADROOM, 0);
    scattered(base, MAX_SKB_FRAGS + 1, 1, 2);
    expect(fill(over)).toBe(-EMSGSIZE);
    expect(over.len).toBe(MAX_SKB_FRAGS, "what fits has been taken");
    expect(cursor().count).toBe(1);
  });

  it("a stream takes what fits and leaves the rest to the next skb", () => {
    const base = userPages(1), owner = newOwner(0), skb = allocSkb(SKB_HEADROOM, 0);
    scattered(base, MAX_SKB_FRAGS + 3, 1, 2);
    expect(append(skb, owner)).toBe(MAX_SKB_FRAGS);
    expect(append(skb, owner)).toBe(-EMSGSIZE);
    const next = allocSkb(SKB_HEADROOM, 0);
    expect(append(next, owner)).toBe(3);
    expect(owner.refcnt).toBe(3, "the request's own and one per skb");
  });

  it("an skb takes one reference however often the same request appends", () => {
    const base = userPages(3), owner = newOwner(0), skb = allocSkb(SKB_HEADROOM, 0);
    for (let i: u32 = 0; i < 3; i++) {
      range(0, base + i * PAGE_SIZE, 100);
      expect(append(skb, owner)).toBe(100);
    }
    expect(owner.refcnt).toBe(2);
    kfreeSkb(skb, REF_ACKED);
    expect(owner.refcnt).toBe(1);
    expect(timesUsed(owner)).toBe(1);
    expect(counter(CNT_PAGES_PINNED)).toBe(0);
  });

  it("another owner that cannot be chained is EEXIST and adds nothing", () => {
    const base = userPages(1), skb = allocSkb(SKB_HEADROOM, 0), other = newOwner(1);
    range(0, base, 100);
    append(skb, newOwner(0));
    range(0, base + 200, 100);
    expect(append(skb, other)).toBe(-EEXIST);
    expect(skb.len).toBe(100);
    expect(other.refcnt).toBe(1);
    expect(cursor().count).toBe(100);
  });

  it("neighbouring bytes are one fragment within a page, and two across pages", () => {
    const base = userPages(2), skb = allocSkb(SKB_HEADROOM, 0);
    scattered(base + 4000, 10, 12, 12); // 4000 .. 4120, the page ends at 4096
    expect(fill(skb)).toBe(0);
    expect(skb.shinfo.nr_frags).toBe(2);
    expect(fragAddr(skb.shinfo, 0)).toBe(base + 4000);
    expect(fragSize(skb.shinfo, 0)).toBe(96);
    expect(fragSize(skb.shinfo, 1)).toBe(24);
    expect(pageRefs(base)).toBe(1, "one pin for the one fragment");
    skbAssertFrags(skb);
  });

  it("bytes that do not touch are fragments of their own, in whatever order they lie", () => {
    const base = userPages(1), skb = allocSkb(SKB_HEADROOM, 0);
    range(0, base + 100, 50);
    fill(skb);
    range(0, base + 50, 50);
    fill(skb);
    range(0, base + 50, 50);
    fill(skb);
    expect(skb.shinfo.nr_frags).toBe(3);
    expect(pageRefs(base)).toBe(3);
  });

  it("a bad page undoes the whole step: nothing added, nothing pinned, the cursor back", () => {
    const base = userPages(3), owner = newOwner(0), skb = allocSkb(SKB_HEADROOM, 0);
    range(0, base, 200);
    append(skb, owner);
    vmUnmap(base + 2 * PAGE_SIZE, PAGE_SIZE);
    range(0, base + 200, 2 * PAGE_SIZE);
    expect(append(skb, owner)).toBe(-EFAULT);
    expect(skb.len).toBe(200);
    expect(skb.data_len).toBe(200);
    expect(skb.shinfo.nr_frags).toBe(1);
    expect(fragSize(skb.shinfo, 0)).toBe(200);
    expect(counter(CNT_PAGES_PINNED)).toBe(1);
    expect(iterAddr(cursor())).toBe((base + 200) as u64);
    expect(cursor().count).toBe(2 * PAGE_SIZE);
    expect(owner.refcnt).toBe(2);
    skbAssertFrags(skb);
  });

  it("a bad first page leaves an empty skb without frags", () => {
    const skb = allocSkb(SKB_HEADROOM, 0);
    range(0, 0x10, 100);
    expect(append(skb, newOwner(0))).toBe(-EFAULT);
    expect(skb.len).toBe(0);
    expect(skb.shinfo.nr_frags).toBe(0);
    expect(counter(CNT_PAGES_PINNED)).toBe(0);
  });

  it("a registered buffer is not pinned again, and not asked whether it is mapped", () => {
    const base = userPages(2), owner = newOwner(0), skb = allocSkb(SKB_HEADROOM, 0);
    vmUnmap(base, 2 * PAGE_SIZE);
    range(ITER_BVEC, base + 1000, 5000);
    expect(append(skb, owner, true)).toBe(5000);
    expect(counter(CNT_PAGES_PINNED)).toBe(0);
    expect(skb.shinfo.flags & SKBFL_MANAGED_FRAG_REFS).toBe(SKBFL_MANAGED_FRAG_REFS);
    expect(skb.shinfo.nr_frags).toBe(2);
    kfreeSkb(skb, REF_ACKED);
    expect(owner.refcnt).toBe(1);
  });

  it("plain bytes behind a registered buffer give its frags references", () => {
    const base = userPages(3), owner = newOwner(0), skb = allocSkb(SKB_HEADROOM, 0);
    range(ITER_BVEC, base, PAGE_SIZE + 10);
    append(skb, owner, true);
    range(0, base + 2 * PAGE_SIZE, 10);
    expect(append(skb, owner)).toBe(10);
    expect(skb.shinfo.flags & SKBFL_MANAGED_FRAG_REFS).toBe(0);
    expect(counter(CNT_PAGES_PINNED)).toBe(3);
    kfreeSkb(skb, REF_ACKED);
    expect(counter(CNT_PAGES_PINNED)).toBe(0);
  });

  it("a registered buffer behind plain bytes takes references like them", () => {
    const base = userPages(2), owner = newOwner(0), skb = allocSkb(SKB_HEADROOM, 0);
    range(0, base, 10);
    append(skb, owner);
    range(ITER_BVEC, base + PAGE_SIZE, 10);
    expect(append(skb, owner, true)).toBe(10);
    expect(skb.shinfo.flags & SKBFL_MANAGED_FRAG_REFS).toBe(0);
    expect(counter(CNT_PAGES_PINNED)).toBe(2);
    kfreeSkb(skb, REF_ACKED);
    expect(counter(CNT_PAGES_PINNED)).toBe(0);
  });

  it("a stream is charged whole pages, from the first byte's page to the last's", () => {
    const base = userPages(2), skb = allocSkb(SKB_HEADROOM, 0);
    range(0, base + PAGE_SIZE - 10, 20);
    fill(skb);
    expect(skb.truesize).toBe(2 * PAGE_SIZE);
    expect(sk.wmem_queued).toBe(2 * PAGE_SIZE);
    expect(sk.fwd_alloc).toBe(-2 * (PAGE_SIZE as i32));
  });

  it("pure zero-copy data is queued, but not charged to the socket's memory", () => {
    const base = userPages(1), skb = allocSkb(SKB_HEADROOM, 0);
    skb.shinfo.flags |= SKBFL_PURE_ZEROCOPY;
    range(0, base, 20);
    fill(skb);
    expect(sk.wmem_queued).toBe(PAGE_SIZE);
    expect(sk.fwd_alloc).toBe(0);
  });
});
