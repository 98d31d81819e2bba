// io_uring_register(2). What 6.18 has and this emulator does not ends the run with "not modelled".
import { NOT_MODELLED_REGISTER } from "../abi/not_modelled";
import { EACCES, EBADF, EBADFD, EFAULT, EINVAL, EOPNOTSUPP, EEXIST } from "../abi/errno";
import {
  IORING_REGISTER_BUFFERS2, IORING_REGISTER_BUFFERS_UPDATE, IORING_REGISTER_CLONE_BUFFERS, IORING_REGISTER_FILES2, IORING_REGISTER_FILES_UPDATE,
  IORING_REGISTER_FILES_UPDATE2, IORING_REGISTER_FILE_ALLOC_RANGE,
  IORING_REGISTER_BUFFERS, IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_FILES, IORING_REGISTER_PBUF_RING, IORING_REGISTER_IOWQ_MAX_WORKERS, IORING_REGISTER_PBUF_STATUS, IORING_REGISTER_SYNC_CANCEL, IORING_UNREGISTER_PBUF_RING, IORING_REGISTER_PROBE,
  IORING_REGISTER_CLOCK, IORING_REGISTER_EVENTFD, IORING_REGISTER_EVENTFD_ASYNC, IORING_REGISTER_IOWQ_AFF, IORING_REGISTER_IOWQ_MAX_WORKERS,
  IORING_REGISTER_MEM_REGION, IORING_REGISTER_NAPI, IORING_REGISTER_PERSONALITY, IORING_REGISTER_QUERY, IORING_REGISTER_RESIZE_RINGS,
  IORING_REGISTER_RESTRICTIONS, IORING_REGISTER_RING_FDS, IORING_REGISTER_SEND_MSG_RING, IORING_REGISTER_USE_REGISTERED_RING,
  IORING_UNREGISTER_EVENTFD, IORING_UNREGISTER_IOWQ_AFF, IORING_UNREGISTER_NAPI, IORING_UNREGISTER_PERSONALITY, IORING_UNREGISTER_RING_FDS,
  IORING_SETUP_R_DISABLED, IORING_SETUP_SINGLE_ISSUER, IORING_UNREGISTER_BUFFERS, IORING_UNREGISTER_FILES, IO_URING_OP_SUPPORTED,
  PROBE_OFF_LAST_OP, PROBE_OFF_OPS, PROBE_OFF_OPS_LEN, PROBE_OP_SIZE,
} from "../abi/uapi";
import { B_REG_REG_RING, OP_UNKNOWN, REGI_NOTIFIERS, REGI_UNREGISTER_NOTIFIERS, REGISTER_UNKNOWN } from "../abi/profile";
import { has, opLast, opMeaning, registerMeaning } from "../lib/profile";
import { S_IOWQ_MAX } from "../lib/state";
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
import { registerEventfd, unregisterEventfd } from "./eventfd";
import { msgRingSync } from "./msg_ring";
import { registerNotifiers, unregisterNotifiers } from "./notif_slots";
import { registerPersonality, unregisterPersonality } from "./personality";
import { registerQuery } from "./query";
import { registerMemRegion } from "./region";
import { resizeRings } from "./resize";
import { registerRestrictions, restrictionAllowsRegister } from "./restrictions";
import { registerRingFds, registeredRing, registeredRingError, unregisterRingFds } from "./ring_fds";
import { sqdLimits, sqpollKick } from "./sqpoll";
import { registerClock, registerIowqAff, registerNapi, unregisterNapi } from "./tuning";
import { RingCtx } from "./types";

export function ioUringRegister(fd: i32, opcode: u32, arg: u64, nr: u32): i32 {
  const registered = (opcode & IORING_REGISTER_USE_REGISTERED_RING) != 0;
  const wire = opcode & ~IORING_REGISTER_USE_REGISTERED_RING;
  if (registered && !has(B_REG_REG_RING)) return -EINVAL;
  opcode = registerMeaning(wire);
  if (opcode == REGISTER_UNKNOWN) return -EINVAL;
  if (fd == -1) return registerBlind(opcode, arg, nr);
  const f = registered ? registeredRing(fd as u32) : fdFile(fd);
  if (!f) return registered ? registeredRingError(fd as u32) : -EBADF;
  if (f.kind != FILE_RING) return -EOPNOTSUPP;
  const ctx = changetype<RingCtx>(f.priv);
  if (ctx.flags & IORING_SETUP_SINGLE_ISSUER && !(ctx.flags & IORING_SETUP_R_DISABLED) && ctx.task != current()) return -EEXIST;
  if (ctx.restricted && !restrictionAllowsRegister(ctx, wire)) return -EACCES;
  return registerOp(ctx, opcode, arg, nr);
}

/** What needs no ring: descriptor -1. */
function registerBlind(opcode: u32, arg: u64, nr: u32): i32 {
  if (opcode == IORING_REGISTER_SEND_MSG_RING) return !arg || nr != 1 ? -EINVAL : msgRingSync(arg);
  return opcode == IORING_REGISTER_QUERY ? registerQuery(arg, nr) : -EINVAL;
}

function registerOp(ctx: RingCtx, opcode: u32, arg: u64, nr: u32): i32 {
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
    case IORING_REGISTER_EVENTFD: return registerEventfd(ctx, arg, nr, 0);
    case IORING_REGISTER_EVENTFD_ASYNC: return registerEventfd(ctx, arg, nr, 1);
    case IORING_UNREGISTER_EVENTFD: return arg || nr ? -EINVAL : unregisterEventfd(ctx);
    case IORING_REGISTER_PERSONALITY: return arg || nr ? -EINVAL : registerPersonality(ctx);
    case IORING_UNREGISTER_PERSONALITY: return arg ? -EINVAL : unregisterPersonality(ctx, nr);
    case IORING_REGISTER_RESTRICTIONS: return registerRestrictions(ctx, arg, nr);
    case IORING_REGISTER_IOWQ_AFF: return registerIowqAff(arg, nr);
    case IORING_UNREGISTER_IOWQ_AFF: return arg || nr ? -EINVAL : 0;
    case IORING_REGISTER_IOWQ_MAX_WORKERS: return !arg || nr != 2 ? -EINVAL : iowqMaxWorkers(ctx.sqd ? sqdLimits(ctx) : S_IOWQ_MAX, arg);
    case IORING_REGISTER_RING_FDS: return registerRingFds(arg, nr);
    case IORING_UNREGISTER_RING_FDS: return unregisterRingFds(arg, nr);
    case IORING_REGISTER_NAPI: return !arg || nr != 1 ? -EINVAL : registerNapi(ctx, arg);
    case IORING_UNREGISTER_NAPI: return nr != 1 ? -EINVAL : unregisterNapi(ctx, arg);
    case IORING_REGISTER_CLOCK: return !arg || nr ? -EINVAL : registerClock(arg);
    case IORING_REGISTER_RESIZE_RINGS: return !arg || nr != 1 ? -EINVAL : resizeRings(ctx, arg);
    case IORING_REGISTER_MEM_REGION: return !arg || nr != 1 ? -EINVAL : registerMemRegion(ctx, arg);
    case IORING_REGISTER_QUERY: return registerQuery(arg, nr);
    case IORING_REGISTER_SEND_MSG_RING: return -EINVAL; // takes no ring
    case REGI_NOTIFIERS: return registerNotifiers(ctx, arg, nr);
    case REGI_UNREGISTER_NOTIFIERS: return arg || nr ? -EINVAL : unregisterNotifiers(ctx);
    default:
      return notModelled(NOT_MODELLED_REGISTER | opcode);
  }
}

function enableRings(ctx: RingCtx): i32 {
  if (!(ctx.flags & IORING_SETUP_R_DISABLED)) return -EBADFD;
  if (ctx.flags & IORING_SETUP_SINGLE_ISSUER) ctx.task = current();
  ctx.restricted = ctx.res_registered;
  ctx.flags &= ~IORING_SETUP_R_DISABLED;
  if (ctx.sqd) sqpollKick(ctx);
  return 0;
}

/** struct io_uring_probe for `nr` ops: all opcodes of the release, as Linux would say. */
function probe(arg: u64, nr: u32): i32 {
  const last = opLast(), n = nr < last ? nr : last, size = PROBE_OFF_OPS + n * PROBE_OP_SIZE;
  if (userSpan(arg, size, PROT_WRITE) != size) return -EFAULT;
  const p = arg as usize;
  for (let i: u32 = 0; i < size; i++) if (load<u8>(p + (i as usize))) return -EINVAL;
  store<u8>(p + PROBE_OFF_LAST_OP, (last - 1) as u8);
  store<u8>(p + PROBE_OFF_OPS_LEN, n as u8);
  for (let i: u32 = 0; i < n; i++) {
    const op = p + PROBE_OFF_OPS + (i * PROBE_OP_SIZE) as usize;
    store<u8>(op, i as u8);
    if (opMeaning(i) != OP_UNKNOWN) store<u16>(op, IO_URING_OP_SUPPORTED as u16, 2);
  }
  return 0;
}
