// IORING_REGISTER_RESIZE_RINGS: new rings of other sizes, with what the old ones held in the same places modulo the new sizes.
// The program maps the new ones; the old pages stay what they were. Only for DEFER_TASKRUN rings, where nobody else posts.
// The SQ array starts out as zeros, and the program is not told where it is. Observed on 6.18; man: io_uring_resize_rings(3).
import { EFAULT, EINVAL, EOVERFLOW } from "../abi/errno";
import {
  IORING_SETUP_CLAMP, IORING_SETUP_CQE32, IORING_SETUP_CQE_MIXED, IORING_SETUP_CQSIZE, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_NO_MMAP,
  CQOFF_OFF_USER_ADDR, IORING_SETUP_NO_SQARRAY, IORING_SETUP_SQE128, IORING_SQ_NEED_WAKEUP, IORING_SQ_TASKRUN, PARAMS_OFF_CQ_ENTRIES,
  PARAMS_OFF_CQ_OFF, PARAMS_OFF_FLAGS, PARAMS_OFF_SQ_ENTRIES, PARAMS_OFF_SQ_OFF, PARAMS_SIZE, RING_OFF_CQES, RING_OFF_CQ_FLAGS, RING_OFF_CQ_HEAD,
  RING_OFF_CQ_OVERFLOW, RING_OFF_CQ_TAIL, RING_OFF_SQ_DROPPED, RING_OFF_SQ_FLAGS, RING_OFF_SQ_HEAD, RING_OFF_SQ_TAIL, SQOFF_OFF_USER_ADDR,
} from "../abi/uapi";
import { SCRATCH_PARAMS } from "../lib/state";
import { copyFromUser, copyToUser, userWritable } from "../mm/vma";
import { unaccountMem } from "../kernel/task";
import { allocRingMemory, freeRingMemory, unpinRange, writeOffsets } from "./ring_mem";
import { ringSizes } from "./setup";
import { RingCtx } from "./types";

const INHERITED: u32 = IORING_SETUP_NO_SQARRAY | IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED | IORING_SETUP_NO_MMAP;

/** EINVAL, EFAULT, ENOMEM; EOVERFLOW: what the rings hold does not fit. */
export function resizeRings(ctx: RingCtx, arg: u64): i32 {
  const p = SCRATCH_PARAMS;
  if (!(ctx.flags & IORING_SETUP_DEFER_TASKRUN)) return -EINVAL;
  if (copyFromUser(p, arg, PARAMS_SIZE)) return -EFAULT;
  let flags = load<u32>(p, PARAMS_OFF_FLAGS);
  if (flags & ~(IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP)) return -EINVAL;
  flags |= ctx.flags & INHERITED;
  store<u32>(p, flags, PARAMS_OFF_FLAGS);
  const err = ringSizes(p, load<u32>(p, PARAMS_OFF_SQ_ENTRIES), flags);
  return err ? err : moveRings(ctx, p, arg);
}

function moveRings(ctx: RingCtx, p: usize, arg: u64): i32 {
  const rings = ctx.rings, ringsLen = ctx.rings_len, sqes = ctx.sqes, sqesLen = ctx.sqes_len, array = ctx.sq_array;
  const sq = ctx.sq_entries, cq = ctx.cq_entries, charged = ctx.acct_ring_pages;
  ctx.sq_entries = load<u32>(p, PARAMS_OFF_SQ_ENTRIES);
  ctx.cq_entries = load<u32>(p, PARAMS_OFF_CQ_ENTRIES);
  let err = allocRingMemory(ctx, load<u64>(p, PARAMS_OFF_CQ_OFF + CQOFF_OFF_USER_ADDR), load<u64>(p, PARAMS_OFF_SQ_OFF + SQOFF_OFF_USER_ADDR));
  if (!err) {
    if (userWritable(arg, PARAMS_SIZE)) err = -EFAULT;
    else err = told(ctx, p, arg) || carryOver(ctx, rings, sqes, sq, cq);
    if (!err) {
      unpinRange(rings, ringsLen);
      unpinRange(sqes, sqesLen);
      if (ctx.acct) unaccountMem(ctx.acct_uid, charged);
      ctx.cq_slot = 0;
      ctx.cq_slot_end = 0;
      return 0;
    }
    freeRingMemory(ctx);
  }
  ctx.rings = rings;
  ctx.rings_len = ringsLen;
  ctx.sqes = sqes;
  ctx.sqes_len = sqesLen;
  ctx.sq_array = array;
  ctx.sq_entries = sq;
  ctx.cq_entries = cq;
  ctx.acct_ring_pages = charged;
  return err;
}

/** Sizes and offsets go out before it is known whether the contents fit. */
function told(ctx: RingCtx, p: usize, arg: u64): i32 {
  writeOffsets(p, ctx);
  return copyToUser(arg, p, PARAMS_SIZE);
}

/** Head, tail, entries and counters move from the old rings to the new ones. */
function carryOver(ctx: RingCtx, rings: usize, sqes: usize, sq: u32, cq: u32): i32 {
  const to = ctx.rings, sqHead = load<u32>(rings, RING_OFF_SQ_HEAD), sqTail = load<u32>(rings, RING_OFF_SQ_TAIL);
  const cqHead = load<u32>(rings, RING_OFF_CQ_HEAD), cqTail = load<u32>(rings, RING_OFF_CQ_TAIL);
  if (sqTail - sqHead > ctx.sq_entries) return -EOVERFLOW;
  copyEntries(ctx.sqes, sqes, ctx.sq_entries, sq, sqHead, sqTail, ctx.sqe_shift);
  if (cqTail - cqHead > ctx.cq_entries) return -EOVERFLOW;
  copyEntries(to + RING_OFF_CQES, rings + RING_OFF_CQES, ctx.cq_entries, cq, cqHead, cqTail, ctx.cqe_shift);
  store<u32>(to, sqHead, RING_OFF_SQ_HEAD);
  store<u32>(to, sqTail, RING_OFF_SQ_TAIL);
  store<u32>(to, cqHead, RING_OFF_CQ_HEAD);
  store<u32>(to, cqTail, RING_OFF_CQ_TAIL);
  store<u32>(to, load<u32>(rings, RING_OFF_SQ_DROPPED), RING_OFF_SQ_DROPPED);
  // A program that looks only here finds out that something has to be fetched.
  store<u32>(to, load<u32>(rings, RING_OFF_SQ_FLAGS) | IORING_SQ_NEED_WAKEUP | IORING_SQ_TASKRUN, RING_OFF_SQ_FLAGS);
  store<u32>(to, load<u32>(rings, RING_OFF_CQ_FLAGS), RING_OFF_CQ_FLAGS);
  store<u32>(to, load<u32>(rings, RING_OFF_CQ_OVERFLOW), RING_OFF_CQ_OVERFLOW);
  return 0;
}

function copyEntries(to: usize, from: usize, toN: u32, fromN: u32, head: u32, tail: u32, shift: u32): void {
  for (let i = head; i != tail; i++) {
    memory.copy(to + (((i & (toN - 1)) as usize) << shift), from + (((i & (fromN - 1)) as usize) << shift), (1 as usize) << shift);
  }
}
