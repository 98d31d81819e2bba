// Mappings of files. A mapping holds its file as a descriptor does: a ring that is closed lives on, and its requests with it,
// until its memory is unmapped (seen on 6.18; mmap(2)). A file that gives the same pages out twice gives one mapping.
import { ENOMEM } from "../abi/errno";
import { PAGE_PROT_BASE, PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { S_MAP_LIST, nil } from "../lib/state";
import { PROT_READ, PROT_WRITE, vmRestore } from "../mm/vma";
import { File, fget, fputLater } from "./file";

@unmanaged @final class Mapping {
  pad: u32;
  next: Mapping;
  file: File;
  addr: usize;
  len: usize;
}

/** The `room` bytes of `f` at `addr` become accessible, as a mapping of `len` bytes. Their address, or -ENOMEM. */
export function mapFile(f: File, addr: usize, room: usize, len: usize): i32 {
  if (!hold(f, addr, len)) return -ENOMEM;
  vmRestore(addr, room, PROT_READ | PROT_WRITE);
  return addr as i32;
}

/** False: no memory. */
function hold(f: File, addr: usize, len: usize): bool {
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
