import { CHUNK_SIZE, PAGE_SIZE } from "../../../assembly/abi/layout";
import { CNT_CHUNKS_LIVE, CNT_PAGES_PINNED } from "../../../assembly/abi/counters";
import { chunkAlloc, getPage, pageFragRefill, pageFragRoom, pageFragTake, pageRefs, putPage } from "../../../assembly/mm/page";
import { counter, reset, userPages } from "../support";

/** A fragment of `n` bytes with its reference, as a sender takes one. */
function frag(n: u32): usize {
  const at = pageFragRefill(n);
  pageFragTake(n, true);
  return at;
}

describe("mm/page", () => {
  beforeEach(reset);

  it("a chunk lives until its last reference and is then the next one handed out", () => {
    const a = chunkAlloc(), b = chunkAlloc();
    getPage(a);
    putPage(a);
    expect(counter(CNT_CHUNKS_LIVE)).toBe(2);
    putPage(a);
    expect(counter(CNT_CHUNKS_LIVE)).toBe(1);
    expect(chunkAlloc()).toBe(a);
    expect(chunkAlloc()).toBe(b + CHUNK_SIZE);
  });

  it("every address of a chunk stands for the whole chunk", () => {
    const a = chunkAlloc(), b = chunkAlloc();
    getPage(a + CHUNK_SIZE - 1);
    getPage(a + 5000);
    expect(pageRefs(a)).toBe(3);
    expect(pageRefs(b)).toBe(1, "its neighbour has nothing of it");
    putPage(a + 20000);
    expect(pageRefs(a + 12345)).toBe(2);
  });

  it("user pages are counted one by one, and so are their pins", () => {
    const a = userPages(2);
    getPage(a);
    getPage(a + PAGE_SIZE - 1);
    getPage(a + PAGE_SIZE);
    expect(pageRefs(a + 7)).toBe(2);
    expect(pageRefs(a + PAGE_SIZE)).toBe(1);
    expect(counter(CNT_PAGES_PINNED)).toBe(3);
    putPage(a);
    putPage(a);
    putPage(a + PAGE_SIZE);
    expect(counter(CNT_PAGES_PINNED)).toBe(0);
  });

  it("a reference that nobody has cannot be dropped", () => {
    expect(() => { putPage(userPages(1)); }).toThrow();
    expect(() => {
      const a = chunkAlloc();
      putPage(a);
      putPage(a);
    }).toThrow();
  });

  it("fragments are cut one behind the other, each with a reference", () => {
    const a = frag(100), b = frag(200);
    expect(b).toBe(a + 100);
    expect(pageFragRoom()).toBe(CHUNK_SIZE - 300);
    expect(pageRefs(a)).toBe(3, "two fragments and the allocator");
  });

  it("bytes that extend the last fragment take no reference", () => {
    const a = frag(100);
    pageFragRefill(1);
    pageFragTake(50, false);
    expect(pageRefs(a)).toBe(2);
    expect(pageFragRoom()).toBe(CHUNK_SIZE - 150);
  });

  it("a fragment that does not fit starts the next chunk, and the old one goes with its last fragment", () => {
    const a = frag(CHUNK_SIZE - 10);
    const b = frag(11);
    expect(b).toBe(a + CHUNK_SIZE);
    expect(pageRefs(a)).toBe(1, "the allocator has let go of it");
    expect(counter(CNT_CHUNKS_LIVE)).toBe(2);
    putPage(a);
    expect(counter(CNT_CHUNKS_LIVE)).toBe(1);
  });

  it("the last bytes of a chunk are used", () => {
    const a = frag(CHUNK_SIZE - 10);
    expect(frag(10)).toBe(a + CHUNK_SIZE - 10);
    expect(pageFragRoom()).toBe(0);
  });

  it("an allocator that is alone on its chunk starts over", () => {
    const a = frag(CHUNK_SIZE - 10);
    putPage(a);
    expect(frag(5000)).toBe(a);
    expect(counter(CNT_CHUNKS_LIVE)).toBe(1);
  });
});
