// Registered resources: the buffer table, the file table, and the lookups that requests make in them.
// io_uring_register(2); spec: send-zc.md 2.2 D5, 5.
import { CHUNK_SIZE, PAGE_SIZE } from "../abi/layout";
import { EBADF, EBUSY, EFAULT, EINVAL, EMFILE, ENOMEM, ENXIO, EOVERFLOW } from "../abi/errno";
import { SCRATCH_IOV, nil } from "../lib/state";
import { copyFromUser, userWritable } from "../mm/vma";
import { chunkAlloc, putPage } from "../mm/page";
import { accountMem, unaccountMem, current, fdSlot, FD_MAX } from "../kernel/task";
import { FILE_RING, File, fget, fput } from "../fs/file";
import { RsrcNode, nodeNew, nodePages, nodePut } from "./rsrc_node";
import { RingCtx } from "./types";

const IORING_MAX_REG_BUFFERS: u32 = 16384;
const IORING_MAX_FIXED_FILES: u32 = 1048576;
/** Slots per table: one kernel chunk of pointers. */
const TABLE_MAX: u32 = CHUNK_SIZE / 4;
const IOVEC: usize = 16;

@inline function slot(table: usize, i: u32): usize { return table + ((i as usize) << 2); }

function tableAlloc(nr: u32): usize {
  if (nr > TABLE_MAX) return 0;
  const t = chunkAlloc();
  if (t) memory.fill(t, 0, nr << 2);
  return t;
}

// Buffers ---------------------------------------------------------------------------------------------------------

/** The node of slot `index`, or nil (empty, out of range, no table). */
@inline export function bufNode(ctx: RingCtx, index: u32): RsrcNode {
  return index < ctx.buf_nr ? changetype<RsrcNode>(load<u32>(slot(ctx.buf_table, index)) as usize) : nil<RsrcNode>();
}

/** Is [addr, addr + len) inside the registered buffer? */
@inline export function nodeCovers(node: RsrcNode, addr: u64, len: u64): bool {
  return addr >= (node.addr as u64) && len <= (node.len as u64) && addr - (node.addr as u64) <= (node.len as u64) - len;
}

/** IORING_REGISTER_BUFFERS: array of `nr` iovecs at `arg`. EBUSY, EINVAL, EFAULT, EOVERFLOW, ENOMEM. */
export function registerBuffers(ctx: RingCtx, arg: u64, nr: u32): i32 {
  if (ctx.buf_table) return -EBUSY;
  if (!nr || nr > IORING_MAX_REG_BUFFERS) return -EINVAL;
  const table = tableAlloc(nr);
  if (!table) return -ENOMEM;
  ctx.buf_table = table;
  ctx.buf_nr = nr;
  for (let i: u32 = 0; i < nr; i++) {
    let err = copyFromUser(SCRATCH_IOV, arg + (i as u64) * IOVEC, IOVEC as u32);
    if (!err) err = registerOne(ctx, i, load<u64>(SCRATCH_IOV), load<u64>(SCRATCH_IOV, 8));
    if (err) {
      unregisterBuffers(ctx);
      return err;
    }
  }
  return 0;
}

function registerOne(ctx: RingCtx, i: u32, base: u64, len: u64): i32 {
  if (!base) return len ? -EFAULT : 0; // {NULL, 0} leaves the slot empty
  if (!len || len > (1 << 30)) return -EFAULT;
  if (base + len + PAGE_SIZE < base) return -EOVERFLOW;
  if (userWritable(base, len as u32)) return -EFAULT; // pinned for writing, too
  const pages = nodePages(base as u32, len as u32);
  if (ctx.acct && accountMem(ctx.task, pages)) return -ENOMEM;
  const node = nodeNew(base as u32, len as u32);
  if (!node) {
    if (ctx.acct) unaccountMem(ctx.acct_uid, pages);
    return -ENOMEM;
  }
  if (ctx.acct) {
    node.acct_pages = pages;
    node.acct_uid = ctx.acct_uid;
  }
  store<u32>(slot(ctx.buf_table, i), changetype<usize>(node) as u32);
  return 0;
}

/** Empties the table at once; buffers in use live on in the notifications that hold them. ENXIO without a table. */
export function unregisterBuffers(ctx: RingCtx): i32 {
  if (!ctx.buf_table) return -ENXIO;
  for (let i: u32 = 0; i < ctx.buf_nr; i++) {
    const node = load<u32>(slot(ctx.buf_table, i)) as usize;
    if (node) nodePut(node);
  }
  putPage(ctx.buf_table);
  ctx.buf_table = 0;
  ctx.buf_nr = 0;
  return 0;
}

// Files -----------------------------------------------------------------------------------------------------------

/** The file of fixed slot `index`, or nil. */
@inline export function fixedFile(ctx: RingCtx, index: u32): File {
  return index < ctx.file_nr ? changetype<File>(load<u32>(slot(ctx.file_table, index)) as usize) : nil<File>();
}

/** IORING_REGISTER_FILES: array of `nr` s32 descriptors at `arg`; -1 leaves a slot empty. */
export function registerFiles(ctx: RingCtx, arg: u64, nr: u32): i32 {
  if (ctx.file_table) return -EBUSY;
  if (!nr) return -EINVAL;
  if (nr > IORING_MAX_FIXED_FILES) return -EMFILE;
  const table = tableAlloc(nr);
  if (!table) return -ENOMEM;
  ctx.file_table = table;
  ctx.file_nr = nr;
  for (let i: u32 = 0; i < nr; i++) {
    let err = copyFromUser(SCRATCH_IOV, arg + ((i as u64) << 2), 4);
    const fd = load<i32>(SCRATCH_IOV);
    if (!err && fd != -1) err = setFile(ctx, i, fd);
    if (err) {
      unregisterFiles(ctx);
      return err;
    }
  }
  return 0;
}

function setFile(ctx: RingCtx, i: u32, fd: i32): i32 {
  if ((fd as u32) >= FD_MAX) return -EBADF;
  const f = changetype<File>(load<u32>(fdSlot(current(), fd as u32)) as usize);
  if (!f || f.kind == FILE_RING) return -EBADF; // a ring cannot hold a ring
  store<u32>(slot(ctx.file_table, i), changetype<usize>(fget(f)) as u32);
  return 0;
}

export function unregisterFiles(ctx: RingCtx): i32 {
  if (!ctx.file_table) return -ENXIO;
  for (let i: u32 = 0; i < ctx.file_nr; i++) {
    const f = load<u32>(slot(ctx.file_table, i)) as usize;
    if (f) fput(changetype<File>(f));
  }
  putPage(ctx.file_table);
  ctx.file_table = 0;
  ctx.file_nr = 0;
  return 0;
}

/** Takes the file out of slot `index` (CLOSE with file_slot): 0, -ENXIO without table, -EINVAL, -EBADF when empty. */
export function fixedFileClose(ctx: RingCtx, index: u32): i32 {
  if (!ctx.file_table) return -ENXIO;
  if (index >= ctx.file_nr) return -EINVAL;
  const f = load<u32>(slot(ctx.file_table, index)) as usize;
  if (!f) return -EBADF;
  store<u32>(slot(ctx.file_table, index), 0);
  fput(changetype<File>(f));
  return 0;
}
