// Mappings of files. A mapping holds its file as a descriptor does: a ring that is closed lives on, and its requests with it,
// until its memory is unmapped (seen on 6.18; mmap(2)). A file that gives the same pages out twice gives one mapping.
import { PAGE_PROT_BASE, PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { S_MAP_LIST, nil } from "../lib/state";
import { File, fget, fputLater } from "./file";

@unmanaged @final class Mapping {
  pad: u32;
  next: Mapping;
  file: File;
  addr: usize;
  len: usize;
}

/** `len` bytes of `f` from `addr` on are mapped now. False: no memory. */
export function mappingHold(f: File, addr: usize, len: usize): bool {
  const first = changetype<Mapping>(load<u32>(S_MAP_LIST) as usize);
  for (let m = first; m; m = m.next) if (m.addr == addr && m.file == f) return true;
  const m = changetype<Mapping>(poolAlloc(POOL_SMALL));
  if (!m) return false;
  m.next = first;
  m.file = fget(f);
  m.addr = addr;
  m.len = len;
  store<u32>(S_MAP_LIST, changetype<usize>(m) as u32);
  return true;
}

/** Something was unmapped: mappings of which no page is left let go of their files. */
export function mappingsSweep(): void {
  let prev = nil<Mapping>();
  for (let m = changetype<Mapping>(load<u32>(S_MAP_LIST) as usize); m; ) {
    const next = m.next;
    if (isMapped(m)) {
      prev = m;
    } else {
      if (prev) prev.next = next;
      else store<u32>(S_MAP_LIST, changetype<usize>(next) as u32);
      fputLater(m.file);
      poolFree(POOL_SMALL, changetype<usize>(m));
    }
    m = next;
  }
}

function isMapped(m: Mapping): bool {
  const end = (m.addr + m.len + PAGE_SIZE - 1) >> PAGE_SHIFT;
  for (let page = m.addr >> PAGE_SHIFT; page < end; page++) if (load<u8>(PAGE_PROT_BASE + page)) return true;
  return false;
}
