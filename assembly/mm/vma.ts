// The mapping table: one byte of protection per page of the user region. mmap() takes the lowest run of pages that is
// unmapped and unpinned; a pointer is good if every page it touches is mapped with the right protection.
import { PAGE_PROT_BASE, PAGE_REF_BASE, PAGE_SHIFT, PAGE_SIZE, TASK_SIZE_MAX_HI, USER_BASE, USER_END } from "../abi/layout";
import { EFAULT, EINVAL, ENOMEM } from "../abi/errno";
import { S_USER_BRK, S_USER_FREE } from "../lib/state";
import { pageRefs } from "./page";

export const PROT_READ: u8 = 1;
export const PROT_WRITE: u8 = 2;
export const PAGE_MAPPED: u8 = 8;
const PROT_MASK: u8 = 7;

@inline function protAt(page: usize): usize { return PAGE_PROT_BASE + page; }
@inline function pages(len: usize): usize { return (len + PAGE_SIZE - 1) >> PAGE_SHIFT; }

/** Maps `len` bytes of zeroed memory; address or -errno. Grows the Wasm memory when needed (ENOMEM at its maximum). */
export function vmMap(len: usize, prot: u8): isize {
  if (!len) return -EINVAL;
  if (len > (USER_END - USER_BASE) as usize) return -ENOMEM;
  const want = pages(len), base = load<u32>(S_USER_FREE) as usize, brk = (load<u32>(S_USER_BRK) >> PAGE_SHIFT) as usize;
  // A free page stays in front of every mapping, so running over the end of one never lands in another.
  let first = findFree(base, brk, want + 2);
  first = first ? first + 1 : brk + 1;
  const end = (first + want) << PAGE_SHIFT;
  if (end > (USER_END as usize)) return -ENOMEM;
  if (end > ((memory.size() as usize) << 16) && memory.grow(((end - ((memory.size() as usize) << 16) + 0xffff) >> 16) as i32) < 0) return -ENOMEM;
  const addr = first << PAGE_SHIFT;
  if (first < brk) memory.fill(addr, 0, want << PAGE_SHIFT); // reused pages; fresh ones are zero already
  if (end > (load<u32>(S_USER_BRK) as usize)) store<u32>(S_USER_BRK, end as u32);
  memory.fill(protAt(first), (prot & PROT_MASK) | PAGE_MAPPED, want);
  if (first == base + 1) store<u32>(S_USER_FREE, (first + want) as u32);
  return addr as isize;
}

/** First page of the lowest run of `want` free pages from `base` on (the last one may lie beyond `brk`), or 0. */
function findFree(base: usize, brk: usize, want: usize): usize {
  let run: usize = 0;
  for (let p = base; p < brk; p++) {
    if (load<u8>(protAt(p)) == 0 && pageRefs(p << PAGE_SHIFT) == 0) {
      if (++run == want) return p + 1 - want;
    } else {
      run = 0;
    }
  }
  return run + 1 >= want ? brk - run : 0; // what lies beyond is free
}

/** Makes pages that something pinned (a ring) accessible again. */
export function vmRestore(addr: usize, len: usize, prot: u8): void {
  memory.fill(protAt(addr >> PAGE_SHIFT), (prot & PROT_MASK) | PAGE_MAPPED, pages(len));
}

/** An empty user region. */
export function vmInit(): void {
  store<u32>(S_USER_BRK, USER_BASE);
  store<u32>(S_USER_FREE, USER_BASE >> PAGE_SHIFT);
}

export function vmUnmap(addr: usize, len: usize): i32 { return setProt(addr, len, 0, false); }
export function vmProtect(addr: usize, len: usize, prot: u8): i32 { return setProt(addr, len, (prot & PROT_MASK) | PAGE_MAPPED, true); }

function setProt(addr: usize, len: usize, prot: u8, mustBeMapped: bool): i32 {
  if (addr & (PAGE_SIZE - 1)) return -EINVAL;
  if (!len) return mustBeMapped ? 0 : -EINVAL;
  if (addr < USER_BASE || addr >= USER_END || len > (USER_END as usize) - addr) return mustBeMapped ? -ENOMEM : -EINVAL;
  const first = addr >> PAGE_SHIFT, n = pages(len);
  if (mustBeMapped) for (let i: usize = 0; i < n; i++) if (!load<u8>(protAt(first + i))) return -ENOMEM;
  memory.fill(protAt(first), prot, n);
  if (!mustBeMapped && first - 1 < (load<u32>(S_USER_FREE) as usize)) store<u32>(S_USER_FREE, (first - 1) as u32);
  return 0;
}

/** access_ok(): could [addr, addr + len) be user memory at all? Says nothing about mappings. */
@inline export function accessOk(addr: u64, len: u64): bool {
  const limit = ((TASK_SIZE_MAX_HI as u64) << 32) | 0xfffff000;
  return len <= limit && addr <= limit - len;
}

/** The mapped bytes from `addr` on, at most `len`, that may be read (PROT_READ) or written (PROT_WRITE). */
export function userSpan(addr: u64, len: u32, prot: u8): u32 {
  if (addr < (USER_BASE as u64) || addr >= (USER_END as u64)) return 0;
  const need = prot | PAGE_MAPPED;
  let p = (addr >> PAGE_SHIFT) as usize;
  let ok = PAGE_SIZE - ((addr as u32) & (PAGE_SIZE - 1));
  if ((load<u8>(protAt(p)) & need) != need) return 0;
  while (ok < len) {
    p++;
    if (p >= (USER_END >> PAGE_SHIFT) || (load<u8>(protAt(p)) & need) != need) return ok;
    ok += PAGE_SIZE;
  }
  return len;
}

/** 0 if all of [addr, addr + len) is readable, else -EFAULT. */
@inline export function userReadable(addr: u64, len: u32): i32 { return userSpan(addr, len, PROT_READ) == len ? 0 : -EFAULT; }
@inline export function userWritable(addr: u64, len: u32): i32 { return userSpan(addr, len, PROT_WRITE) == len ? 0 : -EFAULT; }

/** Copies in; 0 or -EFAULT (nothing useful copied then). */
export function copyFromUser(to: usize, from: u64, len: u32): i32 {
  if (!len) return 0; // memory.copy traps on an address beyond the end even if there is nothing to copy
  if (userSpan(from, len, PROT_READ) != len) return -EFAULT;
  memory.copy(to, from as usize, len);
  return 0;
}
export function copyToUser(to: u64, from: usize, len: u32): i32 {
  if (!len) return 0;
  if (userSpan(to, len, PROT_WRITE) != len) return -EFAULT;
  memory.copy(to as usize, from, len);
  return 0;
}

/** Zeroes the user region as far as it was used, and what is known of its pages. */
export function vmClear(): void {
  const brk = load<u32>(S_USER_BRK) as usize, first: usize = USER_BASE >> PAGE_SHIFT;
  if (!brk) return; // never booted, or cleared before
  const bytes = brk - USER_BASE;
  memory.fill(USER_BASE, 0, bytes);
  memory.fill(protAt(first), 0, bytes >> PAGE_SHIFT);
  memory.fill(PAGE_REF_BASE + (first << 2), 0, bytes >> PAGE_SHIFT << 2);
}
