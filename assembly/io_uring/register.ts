// io_uring_register(2). What 6.18 has and this emulator does not ends the run with "not modelled".
import { NOT_MODELLED_REGISTER } from "../abi/not_modelled";
import { EBADF, EBADFD, EFAULT, EINVAL, EOPNOTSUPP, EEXIST } from "../abi/errno";
import {
  IORING_OP_LAST, IORING_REGISTER_BUFFERS2, IORING_REGISTER_BUFFERS_UPDATE, IORING_REGISTER_CLONE_BUFFERS, IORING_REGISTER_FILES2, IORING_REGISTER_FILES_UPDATE,
  IORING_REGISTER_FILES_UPDATE2, IORING_REGISTER_FILE_ALLOC_RANGE,
  IORING_REGISTER_BUFFERS, IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_FILES, IORING_REGISTER_LAST, IORING_REGISTER_PBUF_RING, IORING_REGISTER_IOWQ_MAX_WORKERS, IORING_REGISTER_PBUF_STATUS, IORING_REGISTER_SYNC_CANCEL, IORING_UNREGISTER_PBUF_RING, IORING_REGISTER_PROBE,
  IORING_REGISTER_QUERY, IORING_REGISTER_SEND_MSG_RING,
  IORING_SETUP_R_DISABLED, IORING_SETUP_SINGLE_ISSUER, IORING_UNREGISTER_BUFFERS, IORING_UNREGISTER_FILES, IO_URING_OP_SUPPORTED,
  PROBE_OFF_LAST_OP, PROBE_OFF_OPS, PROBE_OFF_OPS_LEN, PROBE_OP_SIZE,
} from "../abi/uapi";
import { notModelled } from "../lib/not_modelled";
import { PROT_WRITE, userSpan } from "../mm/vma";
import { current } from "../kernel/task";
import { FILE_RING, fdFile } from "../fs/file";
import { iowqMaxWorkers } from "./iowq";
import { pbufStatus, registerPbufRing, unregisterPbufRing } from "./kbuf_ops";
import { registerRsrc, updateFilesOld, updateRsrc } from "./rsrc";
import { registerBuffers, unregisterBuffers } from "./rsrc_buffers";
import { registerCloneBuffers } from "./rsrc_clone";
import { registerFileAllocRange, registerFiles, unregisterFiles } from "./rsrc_files";
import { syncCancel } from "./sync_cancel";
import { RingCtx } from "./types";

export function ioUringRegister(fd: i32, opcode: u32, arg: u64, nr: u32): i32 {
  if (opcode >= IORING_REGISTER_LAST) return -EINVAL;
  if (fd == -1) return registerBlind(opcode);
  const f = fdFile(fd);
  if (!f) return -EBADF;
  if (f.kind != FILE_RING) return -EOPNOTSUPP;
  const ctx = changetype<RingCtx>(f.priv);
  if (ctx.flags & IORING_SETUP_SINGLE_ISSUER && ctx.task != current()) return -EEXIST;
  switch (opcode) {
    case IORING_REGISTER_BUFFERS: return arg ? registerBuffers(ctx, arg, nr, 0) : -EFAULT;
    case IORING_UNREGISTER_BUFFERS: return arg || nr ? -EINVAL : unregisterBuffers(ctx);
    case IORING_REGISTER_FILES: return arg ? registerFiles(ctx, arg, nr, 0) : -EFAULT;
    case IORING_UNREGISTER_FILES: return arg || nr ? -EINVAL : unregisterFiles(ctx);
    case IORING_REGISTER_BUFFERS2: return registerRsrc(ctx, arg, nr, false);
    case IORING_REGISTER_FILES2: return registerRsrc(ctx, arg, nr, true);
    case IORING_REGISTER_BUFFERS_UPDATE: return updateRsrc(ctx, arg, nr, false);
    case IORING_REGISTER_FILES_UPDATE: return updateFilesOld(ctx, arg, nr);
    case IORING_REGISTER_FILES_UPDATE2: return updateRsrc(ctx, arg, nr, true);
    case IORING_REGISTER_CLONE_BUFFERS: return !arg || nr != 1 ? -EINVAL : registerCloneBuffers(ctx, arg);
    case IORING_REGISTER_FILE_ALLOC_RANGE: return !arg || nr ? -EINVAL : registerFileAllocRange(ctx, arg);
    case IORING_REGISTER_ENABLE_RINGS: return arg || nr ? -EINVAL : enableRings(ctx);
    case IORING_REGISTER_PROBE: return !arg || nr > 256 ? -EINVAL : probe(arg, nr);
    case IORING_REGISTER_PBUF_RING: return !arg || nr != 1 ? -EINVAL : registerPbufRing(ctx, arg);
    case IORING_UNREGISTER_PBUF_RING: return !arg || nr != 1 ? -EINVAL : unregisterPbufRing(ctx, arg);
    case IORING_REGISTER_PBUF_STATUS: return !arg || nr != 1 ? -EINVAL : pbufStatus(ctx, arg);
    case IORING_REGISTER_SYNC_CANCEL: return !arg || nr != 1 ? -EINVAL : syncCancel(ctx, arg);
    case IORING_REGISTER_IOWQ_MAX_WORKERS: return !arg || nr != 2 ? -EINVAL : iowqMaxWorkers(arg);
    default:
      return notModelled(NOT_MODELLED_REGISTER | opcode);
  }
}

/** What needs no ring. */
function registerBlind(opcode: u32): i32 {
  return opcode == IORING_REGISTER_SEND_MSG_RING || opcode == IORING_REGISTER_QUERY ? notModelled(NOT_MODELLED_REGISTER | opcode) : -EINVAL;
}

function enableRings(ctx: RingCtx): i32 {
  if (!(ctx.flags & IORING_SETUP_R_DISABLED)) return -EBADFD;
  if (ctx.flags & IORING_SETUP_SINGLE_ISSUER) ctx.task = current();
  ctx.flags &= ~IORING_SETUP_R_DISABLED;
  return 0;
}

/** struct io_uring_probe for `nr` ops: all opcodes of the release, as Linux would say. */
function probe(arg: u64, nr: u32): i32 {
  const n = nr < IORING_OP_LAST ? nr : IORING_OP_LAST, size = PROBE_OFF_OPS + n * PROBE_OP_SIZE;
  if (userSpan(arg, size, PROT_WRITE) != size) return -EFAULT;
  const p = arg as usize;
  for (let i: u32 = 0; i < size; i++) if (load<u8>(p + (i as usize))) return -EINVAL;
  store<u8>(p + PROBE_OFF_LAST_OP, (IORING_OP_LAST - 1) as u8);
  store<u8>(p + PROBE_OFF_OPS_LEN, n as u8);
  for (let i: u32 = 0; i < n; i++) {
    const op = p + PROBE_OFF_OPS + (i * PROBE_OP_SIZE) as usize;
    store<u8>(op, i as u8);
    store<u16>(op, IO_URING_OP_SUPPORTED as u16, 2);
  }
  return 0;
}
