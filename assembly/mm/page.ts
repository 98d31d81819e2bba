// Page references. A page of the user region has one reference per pin (plain zero-copy fragment or registered buffer);
// a chunk of kernel data has one per fragment cut from it. munmap() does not wait for references: the page just is not
// handed out again before they are gone, which is what pinning means to a program.
import { CHUNK_BASE, CHUNK_MAX, CHUNK_SHIFT, CHUNK_SIZE, PAGE_PROT_BASE, PAGE_REF_BASE, PAGE_SHIFT, PAGE_SIZE, USER_BASE } from "../abi/layout";
import {
  CNT_CHUNKS_LIVE, CNT_CHUNKS_MAX, CNT_PAGES_HELD, CNT_PAGES_HELD_MAX, CNT_PAGES_PINNED, CNT_PAGE_REFS,
} from "../abi/counters";
import { BUG_PAGE_REF } from "../abi/bug";
import { bugOn } from "../lib/bug";
import { S_CHUNK_FREE, S_CHUNK_HIWATER, S_PFRAG_CHUNK, S_PAGE_CHUNK, S_PAGE_OFF, S_PFRAG_OFF, S_USER_FREE, cntDec, cntInc, cntIncMax } from "../lib/state";

@inline function refSlot(addr: usize): usize {
  return addr >= USER_BASE
    ? PAGE_REF_BASE + ((addr >> PAGE_SHIFT) << 2)
    : PAGE_REF_BASE + ((addr >> CHUNK_SHIFT) << (CHUNK_SHIFT - PAGE_SHIFT) << 2);
}

/** One more reference on the page (user) or chunk (kernel data) that holds `addr`. */
@inline export function getPage(addr: usize): void {
  cntInc(CNT_PAGE_REFS);
  takeRef(addr);
}

/** The same for a page that was looked up in the application's memory to be pinned; the caller counts it (CNT_PINS). */
@inline export function pinPage(addr: usize): void { takeRef(addr); }

@inline function takeRef(addr: usize): void {
  const slot = refSlot(addr), refs = load<u32>(slot);
  store<u32>(slot, refs + 1);
  if (addr < USER_BASE) return;
  cntInc(CNT_PAGES_PINNED);
  if (!refs) cntIncMax(CNT_PAGES_HELD, CNT_PAGES_HELD_MAX);
}

@inline export function putPage(addr: usize): void {
  const slot = refSlot(addr), refs = load<u32>(slot);
  bugOn(refs == 0, BUG_PAGE_REF, addr);
  store<u32>(slot, refs - 1);
  if (addr >= USER_BASE) {
    cntDec(CNT_PAGES_PINNED);
    if (refs == 1) {
      cntDec(CNT_PAGES_HELD);
      userPageIdle(addr);
    }
  } else if (refs == 1) {
    chunkFree(addr & ~(CHUNK_SIZE as usize - 1));
  }
}

/** The last pin of a page that nobody has mapped any more is gone: mmap() may hand it out again. */
@inline function userPageIdle(addr: usize): void {
  const page = (addr >> PAGE_SHIFT) as u32;
  // The free page in front of it belongs to the run that mmap() looks for.
  if (load<u8>(PAGE_PROT_BASE + (page as usize)) == 0 && page - 1 < load<u32>(S_USER_FREE)) store<u32>(S_USER_FREE, page - 1);
}

@inline export function pageRefs(addr: usize): u32 { return load<u32>(refSlot(addr)); }
@inline export function isUserPage(addr: usize): bool { return addr >= USER_BASE; }

/** A kernel data chunk of CHUNK_SIZE bytes holding one reference, or 0 (ENOMEM). */
export function chunkAlloc(): usize {
  let c = load<u32>(S_CHUNK_FREE) as usize;
  if (c) {
    store<u32>(S_CHUNK_FREE, load<u32>(c));
  } else {
    const hiwater = load<u32>(S_CHUNK_HIWATER);
    if (hiwater == CHUNK_MAX) return 0;
    store<u32>(S_CHUNK_HIWATER, hiwater + 1);
    c = CHUNK_BASE + ((hiwater as usize) << CHUNK_SHIFT);
  }
  store<u32>(refSlot(c), 1);
  cntIncMax(CNT_CHUNKS_LIVE, CNT_CHUNKS_MAX);
  return c;
}

function chunkFree(c: usize): void {
  if (load<u32>(S_PAGE_CHUNK) as usize == c) store<u32>(S_PAGE_CHUNK, 0);
  store<u32>(c, load<u32>(S_CHUNK_FREE));
  store<u32>(S_CHUNK_FREE, c as u32);
  cntDec(CNT_CHUNKS_LIVE);
}

/**
 * Room for copied data: makes sure the current page fragment has at least `min` bytes left and returns its address, or
 * 0 (ENOMEM). pageFragRoom() tells how many bytes follow; pageFragTake() consumes some and takes their reference.
 */
export function pageFragRefill(min: u32): usize {
  const chunk = load<u32>(S_PFRAG_CHUNK) as usize;
  if (chunk) {
    if (pageRefs(chunk) == 1) store<u32>(S_PFRAG_OFF, 0); // nobody else uses it: start over
    if (load<u32>(S_PFRAG_OFF) + min <= CHUNK_SIZE) return chunk + (load<u32>(S_PFRAG_OFF) as usize);
    putPage(chunk);
  }
  const fresh = chunkAlloc();
  store<u32>(S_PFRAG_CHUNK, fresh as u32);
  store<u32>(S_PFRAG_OFF, 0);
  return fresh;
}
@inline export function pageFragRoom(): u32 { return CHUNK_SIZE - load<u32>(S_PFRAG_OFF); }

/** Consumes `n` bytes. `newRef`: the bytes start a fragment of their own (they do not extend the previous one). */
@inline export function pageFragTake(n: u32, newRef: bool): void {
  store<u32>(S_PFRAG_OFF, load<u32>(S_PFRAG_OFF) + n);
  if (newRef) getPage(load<u32>(S_PFRAG_CHUNK) as usize);
}

/**
 * One page of kernel memory with a reference of its own, or 0 (ENOMEM): what pipes are made of. Eight of them share a chunk
 * and its count, so the chunk lives as long as any of them; putPage() drops the reference.
 */
export function pageAlloc(): usize {
  let chunk = load<u32>(S_PAGE_CHUNK) as usize, off = load<u32>(S_PAGE_OFF);
  if (chunk && off < CHUNK_SIZE) {
    getPage(chunk);
  } else {
    chunk = chunkAlloc();
    if (!chunk) return 0;
    store<u32>(S_PAGE_CHUNK, chunk as u32);
    off = 0;
  }
  store<u32>(S_PAGE_OFF, off + PAGE_SIZE);
  return chunk + (off as usize);
}

/** Zeroes the chunks that were ever handed out, and their references. */
export function pagesClear(): void {
  const bytes = (load<u32>(S_CHUNK_HIWATER) as usize) << CHUNK_SHIFT;
  memory.fill(CHUNK_BASE, 0, bytes);
  memory.fill(PAGE_REF_BASE + ((CHUNK_BASE >> PAGE_SHIFT) << 2), 0, bytes >> PAGE_SHIFT << 2);
}
