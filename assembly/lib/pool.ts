// Fixed pools. An object is taken from the free list, or, when that is empty, from the untouched rest of the region, so
// an object that was never used is still zero memory and boot touches nothing.
//
// descriptor (32 bytes): u32 base, size, count, hiwater (objects ever handed out), free head, live
//
// In the debug build a freed object is filled with POISON except for its first word (the free link) and checked when it
// is handed out again, so a write through a stale pointer is found.
import { POOL_DESC_BASE, POOL_DESC_SIZE } from "../abi/layout";
import { BUG_POOL_DOUBLE_FREE, BUG_POOL_POISON, BUG_POOL_RANGE } from "../abi/bug";
import { bugOn, DEBUG } from "./bug";

const POISON: u32 = 0x6b6b6b6b;

export const POOL_REQ: u32 = 0;
export const POOL_ASYNC: u32 = 1;
export const POOL_SKB: u32 = 2;
export const POOL_SHINFO: u32 = 3;
export const POOL_SOCK: u32 = 4;
export const POOL_FILE: u32 = 5;
export const POOL_CTX: u32 = 6;
export const POOL_TASK: u32 = 7;
export const POOL_TIMER: u32 = 8;
export const POOL_DEV: u32 = 9;
export const POOL_NODE: u32 = 10;
export const POOL_SMALL: u32 = 11;
export const POOL_OVERFLOW: u32 = 12;
export const POOL_KBUF: u32 = 13;

@inline function desc(pool: u32): usize { return POOL_DESC_BASE + ((pool as usize) << 5); }

/** Lays out a pool at `base`; returns the first address after it. */
export function poolInit(pool: u32, base: usize, size: u32, count: u32): usize {
  const d = desc(pool);
  store<u32>(d, base as u32);
  store<u32>(d, size, 4);
  store<u32>(d, count, 8);
  store<u32>(d, 0, 12);
  store<u32>(d, 0, 16);
  store<u32>(d, 0, 20);
  return base + (size as usize) * (count as usize);
}

/** An object with undefined content (the caller clears what it needs), or 0 when the pool is exhausted. */
@inline export function poolAlloc(pool: u32): usize {
  const d = desc(pool);
  const head = load<u32>(d, 16);
  if (!head) return poolAllocFresh(d);
  if (DEBUG) checkPoison(d, head);
  store<u32>(d, load<u32>(head), 16);
  store<u32>(d, load<u32>(d, 20) + 1, 20);
  return head;
}

function poolAllocFresh(d: usize): usize {
  const hiwater = load<u32>(d, 12);
  if (hiwater == load<u32>(d, 8)) return 0;
  store<u32>(d, hiwater + 1, 12);
  store<u32>(d, load<u32>(d, 20) + 1, 20);
  return (load<u32>(d) as usize) + (hiwater as usize) * (load<u32>(d, 4) as usize);
}

@inline export function poolFree(pool: u32, p: usize): void {
  const d = desc(pool);
  if (DEBUG) poison(d, p);
  store<u32>(p, load<u32>(d, 16));
  store<u32>(d, p as u32, 16);
  store<u32>(d, load<u32>(d, 20) - 1, 20);
}

/** Objects of the pool in use. */
export function poolLive(pool: u32): u32 { return load<u32>(desc(pool), 20); }

function poison(d: usize, p: usize): void {
  const base = load<u32>(d) as usize, size = load<u32>(d, 4) as usize;
  bugOn(p < base || (p - base) % size != 0 || (p - base) / size >= (load<u32>(d, 12) as usize), BUG_POOL_RANGE, p, base);
  let poisoned: usize = 4;
  while (poisoned < size && load<u32>(p + poisoned) == POISON) poisoned += 4;
  bugOn(poisoned >= size, BUG_POOL_DOUBLE_FREE, p, base);
  for (let i: usize = 4; i < size; i += 4) store<u32>(p + i, POISON);
}

function checkPoison(d: usize, p: usize): void {
  const size = load<u32>(d, 4) as usize;
  for (let i: usize = 4; i < size; i += 4) bugOn(load<u32>(p + i) != POISON, BUG_POOL_POISON, p, i);
  store<u32>(p, 0, 4); // its user may give it back without having written to it
}

/** First object of the pool and how many were ever handed out, for walks in reports. */
export function poolBase(pool: u32): usize { return load<u32>(desc(pool)) as usize; }
export function poolHiwater(pool: u32): u32 { return load<u32>(desc(pool), 12); }

/** Zeroes every object that was ever handed out. */
export function poolsClear(): void {
  for (let d: usize = POOL_DESC_BASE; d < POOL_DESC_BASE + POOL_DESC_SIZE; d += 32) {
    memory.fill(load<u32>(d), 0, (load<u32>(d, 12) as usize) * (load<u32>(d, 4) as usize));
  }
}
