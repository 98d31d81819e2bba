import { PAGE_SIZE } from "../../../assembly/abi/layout";
import {
  CNT_CHUNKS_LIVE, CNT_COPIED_ZC, CNT_PAGES_PINNED, CNT_SHINFO_LIVE, CNT_SKBS_LIVE,
} from "../../../assembly/abi/counters";
import { COPY_LOCAL_DELIVERY, REF_ACKED, REF_SKB, REF_TX_DONE } from "../../../assembly/abi/trace";
import { getPage, isUserPage, pageRefs } from "../../../assembly/mm/page";
import {
  MAX_SKB_FRAGS, SKB_HEADROOM, SkBuff, allocSkb, fragAddr, fragSize, kfreeSkb, skbAssertFrags, skbClone, skbCloned, skbCopyBits, skbCopyUbufs,
  skbFillPage, skbGet, skbHeadlen, skbOrphanFrags, skbOrphanFragsRx, skbPull, skbPush, skbSplit, skbTrimHead, skbUnclone, skbZcopy,
  skbZcopyDowngradeManaged, skbZcopySet,
} from "../../../assembly/net/skbuff";
import { skbTrim } from "../../../assembly/net/skb_trim";
import { SKBFL_DONT_ORPHAN, SKBFL_MANAGED_FRAG_REFS, SKBFL_ZEROCOPY_ENABLE, UbufInfo } from "../../../assembly/net/ubuf_info";
import { POOL_COUNT, counter, newOwner, pattern, reset, timesCopied, timesUsed, userPages } from "../support";

const KERNEL: usize = 0x15000;
const TRUESIZE: u32 = 12345;

/** Lends `n` bytes at `addr` to the skb: one frag, one pin. */
function lend(skb: SkBuff, addr: usize, n: u32): void {
  getPage(addr);
  skbFillPage(skb.shinfo, addr, n);
  skb.len += n;
  skb.data_len += n;
}

/** A zero-copy skb with 8 bytes of header over three frags of 1000 bytes on three pages. */
function lent(owner: UbufInfo): SkBuff {
  const skb = allocSkb(SKB_HEADROOM, TRUESIZE), base = userPages(3);
  for (let i: u32 = 0; i < 3; i++) lend(skb, base + i * PAGE_SIZE, 1000);
  skbZcopySet(skb, owner, REF_SKB);
  store<u64>(skbPush(skb, 8), 0x1122334455667788);
  return skb;
}

/** The same over a registered buffer: the frags pin nothing. */
function managed(owner: UbufInfo): SkBuff {
  const skb = allocSkb(SKB_HEADROOM, TRUESIZE), base = userPages(3);
  for (let i: u32 = 0; i < 3; i++) skbFillPage(skb.shinfo, base + i * PAGE_SIZE, 1000);
  skb.len = 3000;
  skb.data_len = 3000;
  skbZcopySet(skb, owner, REF_SKB);
  skb.shinfo.flags |= SKBFL_MANAGED_FRAG_REFS;
  return skb;
}

/** Do `n` bytes from offset `off` of the skb's frags equal those of lent() from `from` on? */
function holds(skb: SkBuff, off: u32, n: u32, from: u32): bool {
  skbCopyBits(skb, skbHeadlen(skb) + off, KERNEL, n);
  for (let i: u32 = 0; i < n; i++) {
    const at = from + i;
    if (load<u8>(KERNEL + i) != pattern((at / 1000) * PAGE_SIZE + (at % 1000))) return false;
  }
  return true;
}

describe("net/skbuff: the ledger of ubuf references", () => {
  beforeEach(reset);
  afterEach(() => {
    // Every test gives back what it took, the request's own reference aside.
    expect(counter(CNT_SKBS_LIVE)).toBe(0, "skbs left");
    expect(counter(CNT_SHINFO_LIVE)).toBe(0, "data areas left");
    expect(counter(CNT_PAGES_PINNED)).toBe(0, "pages pinned");
  });

  it("a data area takes one reference, however often the same owner is attached", () => {
    const owner = newOwner(0), skb = lent(owner);
    expect(owner.refcnt).toBe(2);
    skbZcopySet(skb, owner, REF_SKB);
    expect(owner.refcnt).toBe(2);
    kfreeSkb(skb, REF_TX_DONE);
    expect(owner.refcnt).toBe(1);
    expect(timesUsed(owner)).toBe(1);
  });

  it("an skb keeps its first owner", () => {
    const owner = newOwner(0), other = newOwner(1), skb = lent(owner);
    skbZcopySet(skb, other, REF_SKB);
    expect(other.refcnt).toBe(1);
    expect(changetype<usize>(skbZcopy(skb))).toBe(changetype<usize>(owner));
    kfreeSkb(skb, REF_TX_DONE);
  });

  it("a clone takes none, and whoever goes last gives the one back", () => {
    const owner = newOwner(0), skb = lent(owner), clone = skbClone(skb);
    expect(owner.refcnt).toBe(2);
    expect(skbCloned(skb)).toBe(true);
    expect(skbCloned(clone)).toBe(true);
    kfreeSkb(clone, REF_TX_DONE);
    expect(owner.refcnt).toBe(2, "the device is done, the retransmit queue is not");
    expect(skbCloned(skb)).toBe(false);
    kfreeSkb(skb, REF_ACKED);
    expect(owner.refcnt).toBe(1);
    expect(timesUsed(owner)).toBe(1);
  });

  it("a second user of the same skb takes none", () => {
    const owner = newOwner(0), skb = skbGet(lent(owner));
    kfreeSkb(skb, REF_TX_DONE);
    expect(owner.refcnt).toBe(2);
    kfreeSkb(skb, REF_TX_DONE);
    expect(owner.refcnt).toBe(1);
  });

  it("a data area of one's own takes one more, and pins the pages again", () => {
    const owner = newOwner(0), skb = lent(owner), clone = skbClone(skb);
    expect(skbUnclone(clone)).toBe(0);
    expect(owner.refcnt).toBe(3);
    expect(counter(CNT_PAGES_PINNED)).toBe(6);
    expect(load<u64>(clone.data)).toBe(0x1122334455667788, "headers are copied");
    store<u64>(clone.data, 0);
    expect(load<u64>(skb.data)).toBe(0x1122334455667788);
    kfreeSkb(skb, REF_TX_DONE);
    expect(owner.refcnt).toBe(2);
    expect(holds(clone, 0, 3000, 0)).toBe(true);
    kfreeSkb(clone, REF_TX_DONE);
    expect(timesUsed(owner)).toBe(2);
  });

  it("an skb that shares nothing has nothing to unshare", () => {
    const owner = newOwner(0), skb = lent(owner);
    expect(skbUnclone(skb)).toBe(0);
    expect(owner.refcnt).toBe(2);
    kfreeSkb(skb, REF_TX_DONE);
  });

  it("local delivery copies the pages of its clone only, and tells the owner", () => {
    const owner = newOwner(0), skb = lent(owner), clone = skbClone(skb);
    expect(skbOrphanFragsRx(clone, COPY_LOCAL_DELIVERY)).toBe(0);
    expect(timesCopied(owner)).toBe(1);
    expect(timesUsed(owner)).toBe(0);
    expect(owner.refcnt).toBe(2, "the sender's queue still points at the user's pages");
    expect(changetype<usize>(skbZcopy(clone))).toBe(0);
    expect(isUserPage(fragAddr(clone.shinfo, 0))).toBe(false);
    expect(isUserPage(fragAddr(skb.shinfo, 0))).toBe(true);
    expect(counter(CNT_COPIED_ZC)).toBe(3000);
    // Bytes, length and charge are those of before.
    expect(holds(clone, 0, 3000, 0)).toBe(true);
    expect(clone.len).toBe(3008);
    expect(clone.truesize).toBe(TRUESIZE);
    skbAssertFrags(clone);
    // What the sender writes now no longer reaches the receiver.
    store<u8>(fragAddr(skb.shinfo, 0), ~pattern(0));
    expect(holds(clone, 0, 3000, 0)).toBe(true);
    kfreeSkb(clone, REF_TX_DONE);
    kfreeSkb(skb, REF_TX_DONE);
    expect(owner.refcnt).toBe(1);
  });

  it("an skb that was copied tells its owner once, and not again when it goes", () => {
    const owner = newOwner(0), skb = lent(owner);
    expect(skbCopyUbufs(skb, COPY_LOCAL_DELIVERY)).toBe(0);
    expect(owner.refcnt).toBe(1);
    expect(counter(CNT_PAGES_PINNED)).toBe(0);
    kfreeSkb(skb, REF_TX_DONE);
    expect(timesCopied(owner)).toBe(1);
    expect(timesUsed(owner)).toBe(0);
  });

  it("on the way out a DONT_ORPHAN owner shares its pages, any other has them copied", () => {
    const owner = newOwner(0), skb = lent(owner);
    skbOrphanFrags(skb, COPY_LOCAL_DELIVERY);
    expect(timesCopied(owner)).toBe(0);
    kfreeSkb(skb, REF_TX_DONE);
    const strict = newOwner(1);
    strict.flags &= ~SKBFL_DONT_ORPHAN;
    const other = lent(strict);
    skbOrphanFrags(other, COPY_LOCAL_DELIVERY);
    expect(timesCopied(strict)).toBe(1);
    kfreeSkb(other, REF_TX_DONE);
  });

  it("a split takes one for the new skb; the page at the cut is pinned by both", () => {
    const owner = newOwner(0), skb = lent(owner), rest = allocSkb(SKB_HEADROOM, 0), cut = fragAddr(skb.shinfo, 1);
    skbSplit(skb, rest, 1500);
    expect(owner.refcnt).toBe(3);
    expect(pageRefs(cut)).toBe(2);
    expect(skb.data_len).toBe(1500);
    expect(skb.len).toBe(1508);
    expect(rest.len).toBe(1500);
    expect(rest.shinfo.nr_frags).toBe(2);
    expect(holds(skb, 0, 1500, 0)).toBe(true);
    expect(holds(rest, 0, 1500, 1500)).toBe(true);
    skbAssertFrags(skb);
    skbAssertFrags(rest);
    kfreeSkb(skb, REF_ACKED);
    expect(owner.refcnt).toBe(2);
    expect(pageRefs(cut)).toBe(1);
    kfreeSkb(rest, REF_ACKED);
    expect(owner.refcnt).toBe(1);
    expect(timesUsed(owner)).toBe(2);
  });

  it("a split between two frags shares no page", () => {
    const owner = newOwner(0), skb = lent(owner), rest = allocSkb(SKB_HEADROOM, 0);
    skbSplit(skb, rest, 1000);
    expect(counter(CNT_PAGES_PINNED)).toBe(3);
    expect(skb.shinfo.nr_frags).toBe(1);
    expect(rest.shinfo.nr_frags).toBe(2);
    kfreeSkb(rest, REF_ACKED);
    kfreeSkb(skb, REF_ACKED);
  });

  it("cutting bytes off the front puts whole pages and leaves the owner", () => {
    const owner = newOwner(0), skb = lent(owner);
    skbTrimHead(skb, 8 + 1000 + 400);
    expect(skb.len).toBe(1600);
    expect(skb.shinfo.nr_frags).toBe(2);
    expect(fragSize(skb.shinfo, 0)).toBe(600);
    expect(counter(CNT_PAGES_PINNED)).toBe(2);
    expect(owner.refcnt).toBe(2);
    expect(holds(skb, 0, 1600, 1400)).toBe(true);
    kfreeSkb(skb, REF_ACKED);
  });

  it("cutting bytes off the end puts whole pages and leaves the owner", () => {
    const owner = newOwner(0), skb = lent(owner);
    skbTrim(skb, 8 + 1400);
    expect(skb.len).toBe(1408);
    expect(skb.shinfo.nr_frags).toBe(2);
    expect(counter(CNT_PAGES_PINNED)).toBe(2);
    expect(holds(skb, 0, 1400, 0)).toBe(true);
    skbTrim(skb, 5);
    expect(skb.len).toBe(5);
    expect(skb.data_len).toBe(0);
    expect(owner.refcnt).toBe(2);
    kfreeSkb(skb, REF_ACKED);
  });

  it("frags of a registered buffer pin nothing, so freeing puts nothing", () => {
    const owner = newOwner(0), skb = managed(owner), clone = skbClone(skb);
    expect(counter(CNT_PAGES_PINNED)).toBe(0);
    kfreeSkb(skb, REF_ACKED);
    kfreeSkb(clone, REF_TX_DONE);
    expect(owner.refcnt).toBe(1);
  });

  it("whoever needs page references of a managed skb gives it some first", () => {
    const owner = newOwner(0), skb = managed(owner);
    skbZcopyDowngradeManaged(skb);
    skbZcopyDowngradeManaged(skb); // once is enough
    expect(counter(CNT_PAGES_PINNED)).toBe(3);
    expect(skb.shinfo.flags & SKBFL_MANAGED_FRAG_REFS).toBe(0);
    expect(owner.refcnt).toBe(2);
    kfreeSkb(skb, REF_ACKED);
  });

  it("a managed skb can be split", () => {
    const owner = newOwner(0), skb = managed(owner), rest = allocSkb(SKB_HEADROOM, 0);
    skbSplit(skb, rest, 500);
    expect(rest.shinfo.flags & (SKBFL_MANAGED_FRAG_REFS | SKBFL_ZEROCOPY_ENABLE)).toBe(SKBFL_ZEROCOPY_ENABLE);
    expect(counter(CNT_PAGES_PINNED)).toBe(4);
    kfreeSkb(skb, REF_ACKED);
    kfreeSkb(rest, REF_ACKED);
    expect(owner.refcnt).toBe(1);
  });

  it("a managed skb can be unshared", () => {
    const owner = newOwner(0), skb = managed(owner), clone = skbClone(skb);
    expect(skbUnclone(clone)).toBe(0);
    expect(owner.refcnt).toBe(3);
    kfreeSkb(skb, REF_ACKED);
    skbAssertFrags(clone);
    kfreeSkb(clone, REF_ACKED);
    expect(owner.refcnt).toBe(1);
  });

  it("a managed skb can be copied", () => {
    const owner = newOwner(0), skb = managed(owner);
    expect(skbCopyUbufs(skb, COPY_LOCAL_DELIVERY)).toBe(0);
    expect(owner.refcnt).toBe(1);
    expect(holds(skb, 0, 3000, 0)).toBe(true);
    kfreeSkb(skb, REF_ACKED);
    expect(counter(CNT_CHUNKS_LIVE)).toBe(1, "the allocator keeps the chunk it cuts from");
  });

  it("a managed clone can be copied without touching the other", () => {
    const owner = newOwner(0), skb = managed(owner), clone = skbClone(skb);
    expect(skbCopyUbufs(clone, COPY_LOCAL_DELIVERY)).toBe(0);
    expect(owner.refcnt).toBe(2);
    expect(isUserPage(fragAddr(skb.shinfo, 2))).toBe(true);
    kfreeSkb(skb, REF_ACKED);
    kfreeSkb(clone, REF_ACKED);
    expect(owner.refcnt).toBe(1);
  });
});

describe("net/skbuff: bytes", () => {
  beforeEach(reset);

  it("a copy of a full frag array is laid out in few frags", () => {
    const owner = newOwner(0), skb = allocSkb(SKB_HEADROOM, 0), base = userPages(MAX_SKB_FRAGS);
    for (let i: u32 = 0; i < MAX_SKB_FRAGS; i++) lend(skb, base + i * PAGE_SIZE, PAGE_SIZE);
    skbZcopySet(skb, owner, REF_SKB);
    expect(skbCopyUbufs(skb, COPY_LOCAL_DELIVERY)).toBe(0);
    expect(skb.shinfo.nr_frags).toBeLessThan(5);
    skbAssertFrags(skb);
    skbCopyBits(skb, 0, 0x200000, MAX_SKB_FRAGS * PAGE_SIZE);
    expect(memory.compare(0x200000, base, MAX_SKB_FRAGS * PAGE_SIZE)).toBe(0);
    kfreeSkb(skb, REF_TX_DONE);
  });

  it("headers are pushed in front and pulled off again", () => {
    const skb = allocSkb(SKB_HEADROOM, 0), data = skb.data;
    skbPush(skb, 20);
    skbPush(skb, 8);
    expect(skb.len).toBe(28);
    expect(skbHeadlen(skb)).toBe(28);
    skbPull(skb, 28);
    expect(skb.data).toBe(data);
    expect(skb.len).toBe(0);
    kfreeSkb(skb, REF_TX_DONE);
  });

  it("a copy may start in the headers and end in a frag", () => {
    const skb = lent(newOwner(0));
    skbCopyBits(skb, 4, KERNEL, 10);
    expect(load<u32>(KERNEL)).toBe(0x11223344);
    expect(load<u8>(KERNEL + 4)).toBe(pattern(0));
    expect(load<u8>(KERNEL + 9)).toBe(pattern(5));
    kfreeSkb(skb, REF_TX_DONE);
  });

  it("without a data area there is no skb", () => {
    const first = allocSkb(0, 0);
    for (let i: u32 = 1; i < POOL_COUNT; i++) allocSkb(0, 0);
    expect(changetype<usize>(allocSkb(0, 0))).toBe(0);
    kfreeSkb(skbGet(first), REF_TX_DONE);
    expect(counter(CNT_SKBS_LIVE)).toBe(POOL_COUNT);
    expect(changetype<usize>(skbClone(first))).toBe(0);
  });

  it("freeing what is already free stops the machine", () => {
    expect(() => {
      const skb = allocSkb(0, 0);
      skb.users = 0;
      kfreeSkb(skb, REF_TX_DONE);
    }).toThrow();
  });

  it("a clone is on no queue and charges nobody", () => {
    const skb = allocSkb(0, 0);
    skb.next = skb;
    skb.prev = skb;
    skb.sk = 77;
    const clone = skbClone(skb);
    expect(changetype<usize>(clone.next)).toBe(0);
    expect(changetype<usize>(clone.prev)).toBe(0);
    expect(clone.sk).toBe(0);
    skb.sk = 0;
    kfreeSkb(skb, REF_TX_DONE);
    kfreeSkb(clone, REF_TX_DONE);
  });
});
