// The registered files of a ring as requests see them: which file a slot holds, a free slot for a new file, and taking a
// file out. Registration itself is in rsrc_files.ts.
import { EBADF, EINVAL, ENFILE, ENOMEM, ENXIO } from "../abi/errno";
import { IORING_FILE_INDEX_ALLOC } from "../abi/uapi";
import { nil } from "../lib/state";
import { FILE_RING, File, fputLater } from "../fs/file";
import { RsrcNode, fileNodeNew } from "./rsrc_node";
import { tableGet, tableReset, tableSet } from "./rsrc_table";
import { RingCtx } from "./types";

/** The node of fixed slot `index`, or nil (empty, out of range, no table). */
@inline export function fixedFileNode(ctx: RingCtx, index: u32): RsrcNode {
  return index < ctx.file_nr ? tableGet(ctx.file_table, index) : nil<RsrcNode>();
}

/** The file of fixed slot `index`, or nil. No reference is taken. */
export function fixedFile(ctx: RingCtx, index: u32): File {
  const node = fixedFileNode(ctx, index);
  return node ? node.file : nil<File>();
}

/** The slots that IORING_FILE_INDEX_ALLOC may use; the search begins at the first one. */
export function setFileAllocRange(ctx: RingCtx, first: u32, nr: u32): void {
  ctx.file_alloc_start = first;
  ctx.file_alloc_end = first + nr;
  ctx.file_alloc_hint = first;
}

/**
 * Puts a file into the slot that sqe.file_index names: slot `fileSlot` - 1, whose file it replaces (0 is returned), or with
 * IORING_FILE_INDEX_ALLOC a free slot (its index is returned). The reference to `file` is taken over, also on failure.
 * -ENFILE no free slot or no table to look in, -EBADF a ring, -ENXIO no table, -EINVAL slot out of range, -ENOMEM.
 */
export function fixedFdInstall(ctx: RingCtx, file: File, fileSlot: u32): i32 {
  const alloc = fileSlot == IORING_FILE_INDEX_ALLOC;
  const index = alloc ? findFreeSlot(ctx) : ((fileSlot - 1) as i32);
  const err = alloc && index < 0 ? index : installAt(ctx, file, index as u32);
  if (err) fputLater(file);
  return err ? err : alloc ? index : 0;
}

function installAt(ctx: RingCtx, file: File, index: u32): i32 {
  if (file.kind == FILE_RING) return -EBADF; // a ring that held a ring might never go away
  if (!ctx.file_table) return -ENXIO;
  if (index >= ctx.file_nr) return -EINVAL;
  const node = fileNodeNew(ctx, file);
  if (!node) return -ENOMEM;
  setFileNode(ctx, index, node);
  return 0;
}

/** Fills slot `index`, which may hold another file. The next search for a free slot begins behind one that was empty. */
export function setFileNode(ctx: RingCtx, index: u32, node: RsrcNode): void {
  if (!tableReset(ctx.file_table, index)) ctx.file_alloc_hint = index + 1;
  tableSet(ctx.file_table, index, node);
}

function findFreeSlot(ctx: RingCtx): i32 {
  if (!ctx.file_table) return -ENFILE;
  const found = findEmpty(ctx, ctx.file_alloc_hint, ctx.file_alloc_end);
  return found >= 0 ? found : findEmpty(ctx, ctx.file_alloc_start, ctx.file_alloc_hint);
}

function findEmpty(ctx: RingCtx, from: u32, to: u32): i32 {
  for (let i = from; i < to; i++) if (!tableGet(ctx.file_table, i)) return i as i32;
  return -ENFILE;
}

/** Takes the file out of slot `index` (CLOSE with file_index): 0, -ENXIO without table, -EINVAL, -EBADF when empty. */
export function fixedFileClose(ctx: RingCtx, index: u32): i32 {
  if (!ctx.file_table) return -ENXIO;
  if (index >= ctx.file_nr) return -EINVAL;
  if (!tableReset(ctx.file_table, index)) return -EBADF;
  ctx.file_alloc_hint = index;
  return 0;
}
