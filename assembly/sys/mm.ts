// mmap(2), munmap(2), mprotect(2).
import { EBADF, ENODEV } from "../abi/errno";
import { FILE_MEM, FILE_RING, fdFile } from "../fs/file";
import { mappingsSweep } from "../fs/mapping";
import { ringMmap } from "../io_uring/ring_mem";
import { vmMap, vmProtect, vmUnmap } from "../mm/vma";
import { S_MAP_LIST } from "../lib/state";
import { notModelled } from "../lib/not_modelled";
import { sysReturn } from "./call";

/** Anonymous memory (fd -1), or a part of a ring at the offset IORING_OFF_*. Address, or -errno. */
export function sys_mmap(len: usize, prot: u32, fd: i32, offset: u32): i32 {
  if (fd < 0) return sysReturn(vmMap(len, prot as u8) as i32);
  const f = fdFile(fd);
  if (!f) return sysReturn(-EBADF);
  if (f.kind == FILE_RING) return sysReturn(ringMmap(f, offset, len));
  return sysReturn(f.kind == FILE_MEM ? notModelled(FILE_MEM) : -ENODEV);
}

export function sys_munmap(addr: usize, len: usize): i32 {
  const ret = vmUnmap(addr, len);
  if (!ret && load<u32>(S_MAP_LIST)) mappingsSweep();
  return sysReturn(ret);
}
export function sys_mprotect(addr: usize, len: usize, prot: u32): i32 { return sysReturn(vmProtect(addr, len, prot as u8)); }
