// The structs of io_uring_register(2) for resources: which table an opcode means, and what its argument says.
import { EFAULT, EINVAL } from "../abi/errno";
import {
  IORING_RSRC_REGISTER_SPARSE, RSRC_REGISTER_OFF_DATA, RSRC_REGISTER_OFF_FLAGS, RSRC_REGISTER_OFF_NR, RSRC_REGISTER_OFF_RESV2,
  RSRC_REGISTER_OFF_TAGS, RSRC_REGISTER_SIZE, RSRC_UPDATE_OFF_DATA, RSRC_UPDATE_OFF_NR, RSRC_UPDATE_OFF_OFFSET, RSRC_UPDATE_OFF_RESV,
  RSRC_UPDATE_OFF_RESV2, RSRC_UPDATE_OFF_TAGS, RSRC_UPDATE_SIZE, RSRC_UPDATE2_SIZE,
} from "../abi/uapi";
import { SCRATCH_RSRC_ARG } from "../lib/state";
import { copyFromUser } from "../mm/vma";
import { registerBuffers, updateBuffers } from "./rsrc_buffers";
import { registerFiles, updateFiles } from "./rsrc_files";
import { RingCtx } from "./types";

/** IORING_REGISTER_BUFFERS2 and FILES2: struct io_uring_rsrc_register, `size` bytes by the caller's word. */
export function registerRsrc(ctx: RingCtx, arg: u64, size: u32, files: bool): i32 {
  const p = SCRATCH_RSRC_ARG;
  if (size != RSRC_REGISTER_SIZE) return -EINVAL;
  if (copyFromUser(p, arg, RSRC_REGISTER_SIZE)) return -EFAULT;
  const nr = load<u32>(p, RSRC_REGISTER_OFF_NR), flags = load<u32>(p, RSRC_REGISTER_OFF_FLAGS);
  const data = load<u64>(p, RSRC_REGISTER_OFF_DATA), tags = load<u64>(p, RSRC_REGISTER_OFF_TAGS);
  if (!nr || load<u64>(p, RSRC_REGISTER_OFF_RESV2)) return -EINVAL;
  if (flags & ~IORING_RSRC_REGISTER_SPARSE) return -EINVAL;
  if (flags & IORING_RSRC_REGISTER_SPARSE && data) return -EINVAL;
  return files ? registerFiles(ctx, data, nr, tags) : registerBuffers(ctx, data, nr, tags);
}

/** IORING_REGISTER_FILES_UPDATE: struct io_uring_rsrc_update of `nr` descriptors. */
export function updateFilesOld(ctx: RingCtx, arg: u64, nr: u32): i32 {
  const p = SCRATCH_RSRC_ARG;
  if (!nr) return -EINVAL;
  if (copyFromUser(p, arg, RSRC_UPDATE_SIZE)) return -EFAULT;
  if (load<u32>(p, RSRC_UPDATE_OFF_RESV)) return -EINVAL;
  return updateFiles(ctx, load<u32>(p, RSRC_UPDATE_OFF_OFFSET), load<u64>(p, RSRC_UPDATE_OFF_DATA), nr, 0);
}

/** IORING_REGISTER_BUFFERS_UPDATE and FILES_UPDATE2: struct io_uring_rsrc_update2, `size` bytes by the caller's word. */
export function updateRsrc(ctx: RingCtx, arg: u64, size: u32, files: bool): i32 {
  const p = SCRATCH_RSRC_ARG;
  if (size != RSRC_UPDATE2_SIZE) return -EINVAL;
  if (copyFromUser(p, arg, RSRC_UPDATE2_SIZE)) return -EFAULT;
  const nr = load<u32>(p, RSRC_UPDATE_OFF_NR), offset = load<u32>(p, RSRC_UPDATE_OFF_OFFSET);
  if (!nr || load<u32>(p, RSRC_UPDATE_OFF_RESV) || load<u32>(p, RSRC_UPDATE_OFF_RESV2)) return -EINVAL;
  const data = load<u64>(p, RSRC_UPDATE_OFF_DATA), tags = load<u64>(p, RSRC_UPDATE_OFF_TAGS);
  return files ? updateFiles(ctx, offset, data, nr, tags) : updateBuffers(ctx, offset, data, nr, tags);
}
