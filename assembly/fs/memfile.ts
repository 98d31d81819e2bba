// Unnamed files in memory, as memfd_create(2) and O_TMPFILE give them: something to read, write and hand to io_uring that
// is not a socket. Sparse: memory comes in chunks with the first write to each.
import { CHUNK_SHIFT, CHUNK_SIZE } from "../abi/layout";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/socket";
import { EAGAIN, EFAULT, EFBIG, EINVAL, ENFILE, ENOMEM } from "../abi/errno";
import { POOL_ASYNC, poolAlloc, poolFree } from "../lib/pool";
import { chunkAlloc, putPage } from "../mm/page";
import { IovIter, copyFromIter, copyToIter, iterAdvance } from "../mm/iov_iter";
import { FILE_MEM, FILE_POS, FMODE_NOWAIT, FMODE_POS, FMODE_READ, FMODE_REG, FMODE_WRITE, File, RW_APPEND, RW_NOWAIT, RW_WRITE, fileNew } from "./file";

@unmanaged @final export class MemFile {
  pad: u32;
  table: usize; // chunk of u32 chunk addresses, 0 = nothing written yet
  size: u64;
  pos: u64; // FILE_POS: of read() and write(): a file description has one, however often it was dup()ed
}
if (offsetof<MemFile>("pos") != FILE_POS) ERROR("the position's place");

/** Chunks that one table names: files end at 256 MiB. */
const TABLE_MAX: u32 = CHUNK_SIZE >> 2;
export const FILE_SIZE_MAX: u64 = (TABLE_MAX as u64) << CHUNK_SHIFT;

@inline export function memFileOf(f: File): MemFile { return changetype<MemFile>(f.priv); }

/** An open file of `size` zero bytes as its address, or -errno: EFBIG above FILE_SIZE_MAX, which no page lookup checks again. */
export function memFileCreate(size: u32): i32 {
  if ((size as u64) > FILE_SIZE_MAX) return -EFBIG;
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
  f.mode = FMODE_READ | FMODE_WRITE | FMODE_POS | FMODE_NOWAIT | FMODE_REG;
  f.rw = memFileRw.index;
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

/** File.rw of the standard descriptors: nothing is behind them. */
export function nullRw(f: File, it: IovIter, pos: u64, flags: u32): i32 {
  const n = flags & RW_WRITE ? it.count : 0;
  iterAdvance(it, n);
  return n as i32;
}

/** File.rw. Writing takes a lock that a caller without patience does not wait for (RW_NOWAIT). */
function memFileRw(f: File, it: IovIter, pos: u64, flags: u32): i32 {
  if (!(flags & RW_WRITE)) return memFileRead(memFileOf(f), it, pos);
  return flags & RW_NOWAIT ? -EAGAIN : memFileWrite(f, it, flags & RW_APPEND ? memFileOf(f).size : pos);
}

/** Bytes, 0 at the end, -EFAULT. */
function memFileRead(m: MemFile, it: IovIter, start: u64): i32 {
  if (start >= m.size || !it.count) return 0;
  const total = m.size - start < (it.count as u64) ? ((m.size - start) as u32) : it.count;
  let done: u32 = 0;
  while (done < total) {
    const pos = start + (done as u64), off = (pos as u32) & (CHUNK_SIZE - 1);
    const chunk = pos < FILE_SIZE_MAX ? chunkAt(m, pos, true) : 0; // a page that is read is in the page cache from then on
    if (!chunk) return done ? (done as i32) : -ENOMEM;
    const n = CHUNK_SIZE - off < total - done ? CHUNK_SIZE - off : total - done, ok = copyToIter(chunk + (off as usize), n, it);
    done += ok;
    if (ok != n) break;
  }
  return done ? (done as i32) : -EFAULT;
}

/** The file grows as needed: bytes, -EFAULT, -EFBIG, -ENOMEM. */
function memFileWrite(f: File, it: IovIter, start: u64): i32 {
  const m = memFileOf(f), len = it.count;
  let done: u32 = 0, err: i32 = 0;
  while (done < len) {
    const pos = start + (done as u64);
    if (pos >= FILE_SIZE_MAX) {
      err = -EFBIG;
      break;
    }
    const chunk = chunkAt(m, pos, true), off = (pos as u32) & (CHUNK_SIZE - 1);
    const n = CHUNK_SIZE - off < len - done ? CHUNK_SIZE - off : len - done;
    const ok = chunk ? copyFromIter(chunk + (off as usize), n, it) : 0;
    done += ok;
    if (ok != n) {
      err = chunk ? -EFAULT : -ENOMEM;
      break;
    }
  }
  const end = start + (done as u64);
  if (done && end > m.size) m.size = end;
  return done ? (done as i32) : err;
}

/** The part of one page of the file at `pos`: its address, 0 = out of memory. The caller has checked `pos` against the size. */
export function memFilePage(m: MemFile, pos: u64): usize {
  const chunk = chunkAt(m, pos, true);
  return chunk ? chunk + (((pos as u32) & (CHUNK_SIZE - 1)) as usize) : 0;
}

/** ftruncate(2): 0, -EINVAL, -EFBIG. What is cut off reads as zeros if the file grows again. */
export function memFileTruncate(m: MemFile, size: i64): i32 {
  if (size < 0) return -EINVAL;
  if ((size as u64) > FILE_SIZE_MAX) return -EFBIG;
  if (m.table && (size as u64) < m.size) {
    const off = (size as u32) & (CHUNK_SIZE - 1);
    let i = ((size as u64) >> CHUNK_SHIFT) as u32;
    if (off && i < TABLE_MAX) {
      const chunk = load<u32>(m.table + ((i as usize) << 2)) as usize;
      if (chunk) memory.fill(chunk + (off as usize), 0, CHUNK_SIZE - off);
      i++;
    }
    for (; i < TABLE_MAX; i++) {
      const slot = m.table + ((i as usize) << 2), chunk = load<u32>(slot) as usize;
      if (chunk) putPage(chunk);
      store<u32>(slot, 0);
    }
  }
  m.size = size as u64;
  return 0;
}

/** What is between two positions reads as zeros from now on. */
export function memFileZero(m: MemFile, from: u64, to: u64): void {
  while (from < to) {
    const off = (from as u32) & (CHUNK_SIZE - 1), chunk = chunkAt(m, from, false);
    let n = (CHUNK_SIZE - off) as u64;
    if (n > to - from) n = to - from;
    if (chunk) memory.fill(chunk + (off as usize), 0, n as usize);
    from += n;
  }
}
