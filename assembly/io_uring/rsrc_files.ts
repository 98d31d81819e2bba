// Registering files: io_uring_register(2) FILES, FILES2, FILES_UPDATE, FILES_UPDATE2, FILE_ALLOC_RANGE and the opcode
// FILES_UPDATE share what is here.
import { EBADF, EBUSY, EFAULT, EINVAL, EMFILE, ENOMEM, ENXIO, EOVERFLOW } from "../abi/errno";
import {
  FILE_INDEX_RANGE_OFF_LEN, FILE_INDEX_RANGE_OFF_OFF, FILE_INDEX_RANGE_OFF_RESV, FILE_INDEX_RANGE_SIZE, IORING_REGISTER_FILES_SKIP,
} from "../abi/uapi";
import { SCRATCH_RSRC } from "../lib/state";
import { copyFromUser, copyToUser } from "../mm/vma";
import { nofileLimit } from "../kernel/task";
import { FILE_RING, fdFile, fget, fputLater } from "../fs/file";
import { fixedFdInstall, fixedFileClose, setFileAllocRange, setFileNode } from "./filetable";
import { fileNodeNew } from "./rsrc_node";
import { rsrcQuiesce } from "./rsrc_quiesce";
import { IORING_MAX_FIXED_FILES, tableAlloc, tableClearTags, tableFree, tableRange, tableReset } from "./rsrc_table";
import { RingCtx } from "./types";

/**
 * `nr` descriptors (s32) at `fds`, or none for an empty table, with tags (u64) at `tags` if that is not 0. -1 leaves a slot
 * empty. EBUSY, EINVAL, EMFILE, ENOMEM, EFAULT, EBADF.
 */
export function registerFiles(ctx: RingCtx, fds: u64, nr: u32, tags: u64): i32 {
  if (ctx.file_table) return -EBUSY;
  if (!nr) return -EINVAL;
  if (nr > IORING_MAX_FIXED_FILES || nr > nofileLimit()) return -EMFILE;
  const table = tableAlloc(nr);
  if (!table) return -ENOMEM;
  ctx.file_table = table;
  ctx.file_nr = nr;
  setFileAllocRange(ctx, 0, nr);
  for (let i: u32 = 0; i < nr; i++) {
    const err = registerOne(ctx, i, fds, tags);
    if (!err) continue;
    tableClearTags(table, nr);
    dropFiles(ctx);
    return err;
  }
  setFileAllocRange(ctx, 0, nr);
  return 0;
}

function registerOne(ctx: RingCtx, i: u32, fds: u64, tags: u64): i32 {
  const tag = copyTag(tags, i);
  if (tag < 0) return tag;
  if (fds && copyFromUser(SCRATCH_RSRC, fds + ((i as u64) << 2), 4)) return -EFAULT;
  if (!fds || load<i32>(SCRATCH_RSRC) == -1) return load<u64>(SCRATCH_RSRC, TAG) ? -EINVAL : 0;
  return setFile(ctx, i, load<i32>(SCRATCH_RSRC), load<u64>(SCRATCH_RSRC, TAG));
}

/** Where copyTag() leaves the tag. */
const TAG: usize = 8;

/** Reads tag `i` of an array that may be missing (then it is 0): 0 or -EFAULT. */
function copyTag(tags: u64, i: u32): i32 {
  store<u64>(SCRATCH_RSRC, 0, TAG);
  return tags ? copyFromUser(SCRATCH_RSRC + TAG, tags + ((i as u64) << 3), 8) : 0;
}

function setFile(ctx: RingCtx, i: u32, fd: i32, tag: u64): i32 {
  const f = fdFile(fd);
  if (!f || f.kind == FILE_RING) return -EBADF; // a ring that held a ring might never go away
  const node = fileNodeNew(ctx, fget(f));
  if (!node) {
    fputLater(f);
    return -ENOMEM;
  }
  node.tag = tag;
  setFileNode(ctx, i, node);
  return 0;
}

/** Empties the table; files in use live on in the requests that hold them (before 6.13 it waits for them). ENXIO without a table. */
export function unregisterFiles(ctx: RingCtx): i32 {
  if (!ctx.file_table) return -ENXIO;
  const nr = ctx.file_nr;
  ctx.file_nr = 0; // no new users while it waits
  const err = rsrcQuiesce(ctx);
  ctx.file_nr = nr;
  return err ? err : dropFiles(ctx);
}

/** Without waiting: a registration that failed, the end of the ring. */
export function dropFiles(ctx: RingCtx): i32 {
  if (!ctx.file_table) return -ENXIO;
  const table = ctx.file_table, nr = ctx.file_nr;
  ctx.file_table = 0;
  ctx.file_nr = 0;
  tableFree(table, nr);
  return 0;
}

/**
 * Slots `offset` to `offset + nr`: -1 empties one, -2 leaves it, anything else replaces it. A slot is emptied before its new
 * descriptor is looked at. How many were done before one failed, or the errno if it was the first.
 */
export function updateFiles(ctx: RingCtx, offset: u32, fds: u64, nr: u32, tags: u64): i32 {
  const bad = tableRange(ctx.file_table, ctx.file_nr, offset, nr);
  if (bad) return bad;
  let done: u32 = 0, err: i32 = 0;
  while (done < nr) {
    err = updateOne(ctx, offset + done, fds + ((done as u64) << 2), tags, done);
    if (err) break;
    done++;
  }
  return done ? (done as i32) : err;
}

function updateOne(ctx: RingCtx, i: u32, at: u64, tags: u64, n: u32): i32 {
  if (copyTag(tags, n) || copyFromUser(SCRATCH_RSRC, at, 4)) return -EFAULT;
  const fd = load<i32>(SCRATCH_RSRC), tag = load<u64>(SCRATCH_RSRC, TAG);
  if ((fd == -1 || fd == IORING_REGISTER_FILES_SKIP) && tag) return -EINVAL;
  if (fd == IORING_REGISTER_FILES_SKIP) return 0;
  if (tableReset(ctx.file_table, i)) ctx.file_alloc_hint = i;
  return fd == -1 ? 0 : setFile(ctx, i, fd, tag);
}

/** Finds a free slot for each descriptor of an array and writes its index in the place of the descriptor. */
export function allocFiles(ctx: RingCtx, fds: u64, nr: u32): i32 {
  if (!ctx.file_table) return -ENXIO;
  let done: u32 = 0, ret: i32 = 0;
  for (; done < nr; done++) {
    const at = fds + ((done as u64) << 2);
    ret = copyFromUser(SCRATCH_RSRC, at, 4);
    if (ret) break;
    const f = fdFile(load<i32>(SCRATCH_RSRC));
    ret = f ? fixedFdInstall(ctx, fget(f), u32.MAX_VALUE) : -EBADF;
    if (ret < 0) break;
    store<i32>(SCRATCH_RSRC, ret);
    if (copyToUser(at, SCRATCH_RSRC, 4)) {
      fixedFileClose(ctx, ret as u32);
      ret = -EFAULT;
      break;
    }
  }
  return done ? (done as i32) : ret;
}

/** IORING_REGISTER_FILE_ALLOC_RANGE: struct io_uring_file_index_range. EFAULT, EINVAL, EOVERFLOW. */
export function registerFileAllocRange(ctx: RingCtx, arg: u64): i32 {
  const p = SCRATCH_RSRC;
  if (copyFromUser(p, arg, FILE_INDEX_RANGE_SIZE)) return -EFAULT;
  const first = load<u32>(p, FILE_INDEX_RANGE_OFF_OFF), nr = load<u32>(p, FILE_INDEX_RANGE_OFF_LEN);
  if ((first as u64) + (nr as u64) > (u32.MAX_VALUE as u64)) return -EOVERFLOW;
  if (load<u64>(p, FILE_INDEX_RANGE_OFF_RESV) || first + nr > ctx.file_nr) return -EINVAL;
  setFileAllocRange(ctx, first, nr);
  return 0;
}
