// io_uring_setup(2): the flags and their rules, the sizes, the ring and how the program gets hold of it.
//
// Spec: send-zc.md 1.2, 1.5; man: io_uring_setup(2); the order of errors as observed on 6.18.
import { EFAULT, EINVAL, ENFILE, ENXIO, EOVERFLOW } from "../abi/errno";
import {
  IORING_MAX_CQ_ENTRIES, IORING_MAX_ENTRIES, IORING_SETUP_ATTACH_WQ, IORING_SETUP_CLAMP, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_CQE32,
  IORING_SETUP_CQE_MIXED, IORING_SETUP_CQSIZE, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_HYBRID_IOPOLL, IORING_SETUP_IOPOLL, IORING_SETUP_NO_MMAP,
  IORING_SETUP_REGISTERED_FD_ONLY, IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_SQE_MIXED, IORING_SETUP_SQ_REWIND, IORING_SETUP_SQPOLL, IORING_SETUP_SQ_AFF, IORING_SETUP_TASKRUN_FLAG,
  PARAMS_OFF_CQ_ENTRIES, PARAMS_OFF_FLAGS, PARAMS_OFF_RESV, PARAMS_OFF_SQ_ENTRIES, PARAMS_OFF_WQ_FD, PARAMS_SIZE,
} from "../abi/uapi";
import { ROW_SETUP } from "../abi/profile";
import { NOT_MODELLED_SETUP } from "../abi/not_modelled";
import { notModelled } from "../lib/not_modelled";
import { validFlags } from "../lib/profile";
import { SCRATCH_PARAMS, S_IOWQ_MAX } from "../lib/state";
import { copyFromUser, copyToUser, userWritable } from "../mm/vma";
import { RING_FDS_MAX, current } from "../kernel/task";
import { FILE_RING, File, fdFile, fdInstall, fput } from "../fs/file";
import { iowqInit } from "./iowq";
import { ringFile, ringNew, ringPut } from "./ring";
import { ringFdAdd } from "./ring_fds";
import { writeParams } from "./ring_mem";
import { sqpollAttach, sqpollCreate } from "./sqpoll";
import { RingCtx } from "./types";

function roundPow2(n: u32): u32 { return n <= 1 ? 1 : 1 << (32 - clz<u32>(n - 1)); }
@inline function has(flags: u32, bits: u32): bool { return (flags & bits) != 0; }

/** The combination rules of spec 1.5: 0, -EINVAL, -ENOTMODELLED. */
function checkFlags(flags: u32): i32 {
  if (flags & ~validFlags(ROW_SETUP)) return -EINVAL;
  if (has(flags, IORING_SETUP_SQE_MIXED | IORING_SETUP_SQ_REWIND)) return notModelled(NOT_MODELLED_SETUP | flags >> 19);
  if (has(flags, IORING_SETUP_REGISTERED_FD_ONLY) && !has(flags, IORING_SETUP_NO_MMAP)) return -EINVAL;
  if (has(flags, IORING_SETUP_SQPOLL)) {
    if (flags & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_DEFER_TASKRUN)) return -EINVAL;
  } else if (has(flags, IORING_SETUP_SQ_AFF)) {
    return -EINVAL;
  }
  if (has(flags, IORING_SETUP_TASKRUN_FLAG) && !(flags & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN))) return -EINVAL;
  if (has(flags, IORING_SETUP_DEFER_TASKRUN) && !has(flags, IORING_SETUP_SINGLE_ISSUER)) return -EINVAL;
  if (has(flags, IORING_SETUP_HYBRID_IOPOLL) && !has(flags, IORING_SETUP_IOPOLL)) return -EINVAL;
  if (has(flags, IORING_SETUP_CQE32) && has(flags, IORING_SETUP_CQE_MIXED)) return -EINVAL;
  return 0;
}

/** Settles sq_entries and cq_entries in the params at `p`: 0 or -EINVAL. */
export function ringSizes(p: usize, entries: u32, flags: u32): i32 {
  if (!entries) return -EINVAL;
  if (entries > IORING_MAX_ENTRIES) {
    if (!has(flags, IORING_SETUP_CLAMP)) return -EINVAL;
    entries = IORING_MAX_ENTRIES;
  }
  const sq = roundPow2(entries);
  let cq = sq << 1;
  if (has(flags, IORING_SETUP_CQSIZE)) {
    cq = load<u32>(p, PARAMS_OFF_CQ_ENTRIES);
    if (!cq) return -EINVAL;
    if (cq > IORING_MAX_CQ_ENTRIES) {
      if (!has(flags, IORING_SETUP_CLAMP)) return -EINVAL;
      cq = IORING_MAX_CQ_ENTRIES;
    }
    cq = roundPow2(cq);
    if (cq < sq) return -EINVAL;
  }
  // A 32-byte CQE must find two slots in a row.
  if (has(flags, IORING_SETUP_CQE_MIXED) && cq < 2) return -EOVERFLOW;
  store<u32>(p, sq, PARAMS_OFF_SQ_ENTRIES);
  store<u32>(p, cq, PARAMS_OFF_CQ_ENTRIES);
  return 0;
}

/**
 * io_uring_setup(2): params (120 bytes) are read and written back. The descriptor, or the slot of a registered ring; EFAULT,
 * EINVAL, ENOMEM (locked memory), ENXIO, EMFILE, EBUSY (no slot).
 */
export function ioUringSetup(entries: u32, params: u64): i32 {
  const p = SCRATCH_PARAMS;
  if (copyFromUser(p, params, PARAMS_SIZE)) return -EFAULT;
  for (let i: usize = 0; i < 3; i++) if (load<u32>(p + PARAMS_OFF_RESV + (i << 2))) return -EINVAL;
  const flags = load<u32>(p, PARAMS_OFF_FLAGS);
  let err = checkFlags(flags);
  if (!err) err = ringSizes(p, entries, flags);
  if (err) return err;
  const made = ringNew(p, flags, load<u32>(p, PARAMS_OFF_SQ_ENTRIES), load<u32>(p, PARAMS_OFF_CQ_ENTRIES));
  if (made < 0 && made > -4096) return made;
  const ctx = changetype<RingCtx>(made as usize);
  err = attach(ctx, p, flags);
  if (!err && userWritable(params, PARAMS_SIZE)) err = -EFAULT;
  const f = err ? changetype<File>(0) : ringFile(ctx);
  if (!f) {
    ctx.dying = 1;
    ringPut(ctx);
    return err ? err : -ENFILE;
  }
  writeParams(p, ctx);
  copyToUser(params, p, PARAMS_SIZE);
  const fd = install(ctx, f, flags);
  if (fd < 0) fput(f);
  return fd;
}

/** The SQ thread, its own or another ring's; a worker pool to share, of which there is only one anyway. */
function attach(ctx: RingCtx, p: usize, flags: u32): i32 {
  if (!(flags & (IORING_SETUP_ATTACH_WQ | IORING_SETUP_SQPOLL))) return 0;
  if (!has(flags, IORING_SETUP_ATTACH_WQ)) return sqpollCreate(ctx, p);
  const other = fdFile(load<i32>(p, PARAMS_OFF_WQ_FD));
  if (!other) return -ENXIO;
  if (other.kind != FILE_RING) return -EINVAL;
  return has(flags, IORING_SETUP_SQPOLL) ? sqpollAttach(ctx, p, changetype<RingCtx>(other.priv)) : 0;
}

function install(ctx: RingCtx, f: File, flags: u32): i32 {
  const t = current();
  t.uring = 1;
  iowqInit(S_IOWQ_MAX, ctx.sq_entries);
  return has(flags, IORING_SETUP_REGISTERED_FD_ONLY) ? ringFdAdd(t, f, 0, RING_FDS_MAX) : fdInstall(t, f, true);
}
