// IORING_REGISTER_CLONE_BUFFERS: a table of buffers, or a range of it, taken over from another ring. The pinned pages are
// shared: they are neither pinned nor charged again, and stay until the last of the rings has let go of them.
import { EBADF, EBUSY, EFAULT, EINVAL, ENOMEM, ENXIO, EOPNOTSUPP, EOVERFLOW } from "../abi/errno";
import {
  CLONE_BUFFERS_OFF_DST_OFF, CLONE_BUFFERS_OFF_FLAGS, CLONE_BUFFERS_OFF_NR, CLONE_BUFFERS_OFF_PAD, CLONE_BUFFERS_OFF_SRC_FD,
  CLONE_BUFFERS_OFF_SRC_OFF, CLONE_BUFFERS_SIZE, IORING_REGISTER_DST_REPLACE, IORING_REGISTER_SRC_REGISTERED,
} from "../abi/uapi";
import { B_CLONE_RANGE, ROW_CLONE } from "../abi/profile";
import { has, validFlags } from "../lib/profile";
import { SCRATCH_RSRC_ARG } from "../lib/state";
import { copyFromUser } from "../mm/vma";
import { FILE_RING, fdFile } from "../fs/file";
import { registeredRing, registeredRingError } from "./ring_fds";
import { bufNodeNew, nodeGet } from "./rsrc_node";
import { IORING_MAX_REG_BUFFERS, tableAlloc, tableFree, tableGet, tableSet } from "./rsrc_table";
import { RingCtx } from "./types";

/** struct io_uring_clone_buffers at `arg`. EFAULT, EINVAL, EBUSY, EBADF, EOPNOTSUPP, ENXIO, EOVERFLOW, ENOMEM. */
export function registerCloneBuffers(ctx: RingCtx, arg: u64): i32 {
  const p = SCRATCH_RSRC_ARG;
  if (copyFromUser(p, arg, CLONE_BUFFERS_SIZE)) return -EFAULT;
  const flags = load<u32>(p, CLONE_BUFFERS_OFF_FLAGS);
  if (flags & ~validFlags(ROW_CLONE)) return -EINVAL;
  if (ctx.buf_table && !(flags & IORING_REGISTER_DST_REPLACE)) return -EBUSY;
  for (let i: usize = 0; i < 3; i++) if (load<u32>(p + CLONE_BUFFERS_OFF_PAD + (i << 2))) return -EINVAL;
  if (!has(B_CLONE_RANGE) && load<u32>(p, CLONE_BUFFERS_OFF_SRC_OFF) | load<u32>(p, CLONE_BUFFERS_OFF_DST_OFF) | load<u32>(p, CLONE_BUFFERS_OFF_NR)) return -EINVAL;
  const fd = load<i32>(p, CLONE_BUFFERS_OFF_SRC_FD);
  const registered = (flags & IORING_REGISTER_SRC_REGISTERED) != 0, f = registered ? registeredRing(fd as u32) : fdFile(fd);
  if (!f) return registered ? registeredRingError(fd as u32) : -EBADF;
  if (f.kind != FILE_RING) return -EOPNOTSUPP;
  const first = load<u32>(p, CLONE_BUFFERS_OFF_SRC_OFF), to = load<u32>(p, CLONE_BUFFERS_OFF_DST_OFF);
  return clone(ctx, changetype<RingCtx>(f.priv), first, to, load<u32>(p, CLONE_BUFFERS_OFF_NR));
}

/** Buffers `first` to `first + nr` of `src` (all of them if `nr` is 0) become those from `to` on. */
function clone(ctx: RingCtx, src: RingCtx, first: u32, to: u32, nr: u32): i32 {
  if (ctx.acct != src.acct || ctx.acct_uid != src.acct_uid) return -EINVAL; // charged to another user
  if (!nr && (first | to)) return -EINVAL;
  if (!src.buf_table) return -ENXIO;
  if (!nr) nr = src.buf_nr;
  else if (nr > src.buf_nr) return -EINVAL;
  if ((first as u64) + (nr as u64) > (src.buf_nr as u64) || (to as u64) + (nr as u64) > (u32.MAX_VALUE as u64)) return -EOVERFLOW;
  if (to + nr > IORING_MAX_REG_BUFFERS) return -EINVAL;
  const size = max<u32>(to + nr, ctx.buf_nr), table = tableAlloc(size);
  if (!table) return -ENOMEM;
  for (let i: u32 = 0; i < nr; i++) {
    const node = tableGet(src.buf_table, first + i);
    if (!node) continue;
    const copy = bufNodeNew(ctx, node.buf); // a tag stays with the ring it was given to
    if (!copy) {
      tableFree(table, size);
      return -ENOMEM;
    }
    tableSet(table, to + i, copy);
  }
  replaceTable(ctx, table, size, to, nr);
  return 0;
}

/** The new table takes over what the old one has outside of the new range; the rest of the old one goes. */
function replaceTable(ctx: RingCtx, table: usize, size: u32, to: u32, nr: u32): void {
  const old = ctx.buf_table, oldNr = ctx.buf_nr;
  for (let i: u32 = 0; i < oldNr; i++) {
    if (i - to < nr) continue;
    const node = tableGet(old, i);
    if (node) nodeGet(node);
    tableSet(table, i, node);
  }
  ctx.buf_table = table;
  ctx.buf_nr = size;
  if (old) tableFree(old, oldNr);
}
