// Unnamed files in memory, as memfd_create(2) and O_TMPFILE give them: something to read, write and hand to io_uring that
// is not a socket. Sparse: memory comes in chunks with the first write to each.
import { CHUNK_SHIFT, CHUNK_SIZE } from "../abi/layout";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/socket";
import { EFAULT, EFBIG, EINVAL, ENFILE, ENOMEM } from "../abi/errno";
import { POOL_ASYNC, poolAlloc, poolFree } from "../lib/pool";
import { chunkAlloc, putPage } from "../mm/page";
import { FILE_MEM, File, fileNew } from "./file";
import { copyPartFromUser, copyPartToUser, zeroPartOfUser } from "./user_copy";

@unmanaged @final export class MemFile {
  pad: u32;
  table: usize; // chunk of u32 chunk addresses, 0 = nothing written yet
  size: u64;
  pos: u64; // of read() and write(): a file description has one, however often it was dup()ed
}
/** Chunks that one table names: files end at 256 MiB. */
const TABLE_MAX: u32 = CHUNK_SIZE >> 2;
const FILE_SIZE_MAX: u64 = (TABLE_MAX as u64) << CHUNK_SHIFT;

@inline export function memFileOf(f: File): MemFile { return changetype<MemFile>(f.priv); }

/** An open file of `size` zero bytes as its address, or -errno. */
export function memFileCreate(size: u32): i32 {
  if (size & 0x80000000) return -EINVAL;
  const m = changetype<MemFile>(poolAlloc(POOL_ASYNC));
  if (!m) return -ENOMEM;
  m.table = 0;
  m.size = size as u64;
  m.pos = 0;
  const f = fileNew(FILE_MEM, changetype<usize>(m), memFileRelease.index, memFilePoll.index, 0);
  if (!f) {
    poolFree(POOL_ASYNC, changetype<usize>(m));
    return -ENFILE;
  }
  return changetype<usize>(f) as i32;
}

function memFileRelease(f: File): void {
  const m = memFileOf(f);
  if (m.table) {
    for (let i: u32 = 0; i < TABLE_MAX; i++) {
      const chunk = load<u32>(m.table + ((i as usize) << 2)) as usize;
      if (chunk) putPage(chunk);
    }
    putPage(m.table);
  }
  poolFree(POOL_ASYNC, changetype<usize>(m));
}

/** A regular file is always ready. */
function memFilePoll(f: File): u32 { return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM; }

/** Address of the chunk that holds `pos`; 0 = a hole, or out of memory when it should have been made. */
function chunkAt(m: MemFile, pos: u64, make: bool): usize {
  if (!m.table) {
    if (!make) return 0;
    m.table = chunkAlloc();
    if (!m.table) return 0;
    memory.fill(m.table, 0, CHUNK_SIZE);
  }
  const slot = m.table + (((pos >> CHUNK_SHIFT) as usize) << 2);
  let chunk = load<u32>(slot) as usize;
  if (!chunk && make) {
    chunk = chunkAlloc();
    if (!chunk) return 0;
    memory.fill(chunk, 0, CHUNK_SIZE);
    store<u32>(slot, chunk as u32);
  }
  return chunk;
}

/** Reads `len` bytes to `buf` from the file position (`at` < 0) or from `at`: bytes, 0 at the end, -EFAULT. */
export function memFileRead(m: MemFile, buf: u64, len: u32, at: i64 = -1): i32 {
  if (!m) return 0; // one of the standard descriptors: nothing is behind it
  const start = at < 0 ? m.pos : (at as u64);
  if (start >= m.size) return 0;
  const total = m.size - start < (len as u64) ? ((m.size - start) as u32) : len;
  let done: u32 = 0;
  while (done < total) {
    const pos = start + (done as u64), off = (pos as u32) & (CHUNK_SIZE - 1);
    const chunk = pos < FILE_SIZE_MAX ? chunkAt(m, pos, false) : 0;
    const n = CHUNK_SIZE - off < total - done ? CHUNK_SIZE - off : total - done, to = buf + (done as u64);
    const ok = chunk ? copyPartToUser(to, chunk + (off as usize), n) : zeroPartOfUser(to, n);
    done += ok;
    if (ok != n) break;
  }
  if (at < 0) m.pos = start + (done as u64);
  return done || !total ? (done as i32) : -EFAULT;
}

/** Writes at the file position (`at` < 0) or at `at`; the file grows as needed: bytes, -EFAULT, -EFBIG, -ENOMEM. */
export function memFileWrite(m: MemFile, buf: u64, len: u32, at: i64 = -1): i32 {
  if (!m) return len;
  const start = at < 0 ? m.pos : (at as u64);
  let done: u32 = 0, err: i32 = 0;
  while (done < len) {
    const pos = start + (done as u64);
    if (pos >= FILE_SIZE_MAX) {
      err = -EFBIG;
      break;
    }
    const chunk = chunkAt(m, pos, true), off = (pos as u32) & (CHUNK_SIZE - 1);
    const n = CHUNK_SIZE - off < len - done ? CHUNK_SIZE - off : len - done;
    const ok = chunk ? copyPartFromUser(chunk + (off as usize), buf + (done as u64), n) : 0;
    done += ok;
    if (ok != n) {
      err = chunk ? -EFAULT : -ENOMEM;
      break;
    }
  }
  const end = start + (done as u64);
  if (done && end > m.size) m.size = end;
  if (at < 0) m.pos = end;
  return done ? (done as i32) : err;
}
