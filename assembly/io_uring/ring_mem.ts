// The pages that a ring shares with its program: rings with the SQ array, and the SQEs.
//
// They are placed in the user region at setup and pinned for as long as the ring lives; the program can touch them once it
// maps them. SQ and CQ are one mapping (FEAT_SINGLE_MMAP). From 6.14 they count against RLIMIT_MEMLOCK (spec: send-zc.md 2.2 C11, 7).
import { PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { EFAULT, EINVAL, ENOMEM } from "../abi/errno";
import {
  CQOFF_OFF_CQES, CQOFF_OFF_FLAGS, CQOFF_OFF_HEAD, CQOFF_OFF_OVERFLOW, CQOFF_OFF_RING_ENTRIES, CQOFF_OFF_RING_MASK, CQOFF_OFF_TAIL,
  CQOFF_OFF_USER_ADDR, IORING_OFF_PARAM_REGION, IORING_SETUP_NO_MMAP, SQOFF_OFF_USER_ADDR,
  IORING_OFF_CQ_RING, IORING_OFF_MMAP_MASK, IORING_OFF_PBUF_RING, IORING_OFF_SQES, IORING_OFF_SQ_RING, IORING_SETUP_NO_SQARRAY, PARAMS_OFF_CQ_ENTRIES, PARAMS_OFF_CQ_OFF,
  PARAMS_OFF_FEATURES, PARAMS_OFF_SQ_ENTRIES, PARAMS_OFF_SQ_OFF, RING_OFF_CQES, RING_OFF_CQ_FLAGS, RING_OFF_CQ_HEAD, RING_OFF_CQ_OVERFLOW,
  RING_OFF_CQ_RING_ENTRIES, RING_OFF_CQ_RING_MASK, RING_OFF_CQ_TAIL, RING_OFF_SQ_DROPPED, RING_OFF_SQ_FLAGS, RING_OFF_SQ_HEAD,
  RING_OFF_SQ_RING_ENTRIES, RING_OFF_SQ_RING_MASK, RING_OFF_SQ_TAIL, SQOFF_OFF_ARRAY, SQOFF_OFF_DROPPED, SQOFF_OFF_FLAGS, SQOFF_OFF_HEAD,
  SQOFF_OFF_RING_ENTRIES, SQOFF_OFF_RING_MASK, SQOFF_OFF_TAIL,
} from "../abi/uapi";
import { B_RING_MEM_ACCT, ROW_FEATURE } from "../abi/profile";
import { has, validFlags } from "../lib/profile";
import { getPage, putPage } from "../mm/page";
import { userWritable, vmMap, vmUnmap } from "../mm/vma";
import { accountMem, current, unaccountMem } from "../kernel/task";
import { FILE_RING, File } from "../fs/file";
import { mapFile } from "../fs/mapping";
import { pbufMmap } from "./kbuf_ops";
import { RingCtx } from "./types";

@inline function pageAlign(n: u32): u32 { return (n + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1); }
@inline function arrayOffset(ctx: RingCtx): u32 { return (RING_OFF_CQES + (ctx.cq_entries << ctx.cqe_shift) + 63) & ~63; }

export function pinRange(at: usize, len: u32): void { for (let i: u32 = 0; i < len; i += PAGE_SIZE) getPage(at + (i as usize)); }
export function unpinRange(at: usize, len: u32): void { for (let i: u32 = 0; i < len; i += PAGE_SIZE) putPage(at + (i as usize)); }

/**
 * Charges and places the shared pages of a ring of ctx.sq_entries and ctx.cq_entries, empty. The program can touch them once
 * it maps them. With NO_MMAP they are the program's own memory, at `sqesAt` and `ringsAt`. ENOMEM; EFAULT, EINVAL.
 */
export function allocRingMemory(ctx: RingCtx, ringsAt: u64, sqesAt: u64): i32 {
  const withArray = (ctx.flags & IORING_SETUP_NO_SQARRAY) == 0, arrayOff = arrayOffset(ctx);
  const ringsLen = pageAlign(withArray ? arrayOff + (ctx.sq_entries << 2) : RING_OFF_CQES + (ctx.cq_entries << ctx.cqe_shift));
  const sqesLen = pageAlign(ctx.sq_entries << ctx.sqe_shift);
  const t = current(), pages = (ringsLen + sqesLen) >> PAGE_SHIFT;
  const charged = ctx.acct != 0 && has(B_RING_MEM_ACCT);
  if (charged && accountMem(t, pages)) return -ENOMEM;
  const err = ctx.flags & IORING_SETUP_NO_MMAP ? useUserMemory(ctx, ringsAt, ringsLen, sqesAt, sqesLen) : placeMemory(ctx, ringsLen, sqesLen);
  if (err) {
    if (charged) unaccountMem(ctx.acct_uid, pages);
    return err;
  }
  ctx.acct_ring_pages = charged ? pages : 0;
  ctx.rings_len = ringsLen;
  ctx.sqes_len = sqesLen;
  const r = ctx.rings;
  ctx.sq_array = withArray ? r + arrayOff : 0;
  store<u32>(r, ctx.sq_entries - 1, RING_OFF_SQ_RING_MASK);
  store<u32>(r, ctx.cq_entries - 1, RING_OFF_CQ_RING_MASK);
  store<u32>(r, ctx.sq_entries, RING_OFF_SQ_RING_ENTRIES);
  store<u32>(r, ctx.cq_entries, RING_OFF_CQ_RING_ENTRIES);
  return 0;
}

function placeMemory(ctx: RingCtx, ringsLen: u32, sqesLen: u32): i32 {
  const at = vmMap(ringsLen + sqesLen, 0);
  if (at < 0) return -ENOMEM;
  ctx.rings = at as usize;
  ctx.sqes = ctx.rings + (ringsLen as usize);
  pinRange(ctx.rings, ringsLen + sqesLen);
  vmUnmap(ctx.rings, (ringsLen + sqesLen) as usize); // pinned, but nobody's mapping yet
  return 0;
}

function useUserMemory(ctx: RingCtx, ringsAt: u64, ringsLen: u32, sqesAt: u64, sqesLen: u32): i32 {
  let err = checkUserRegion(ringsAt, ringsLen);
  if (!err) err = checkUserRegion(sqesAt, sqesLen);
  if (err) return err;
  ctx.rings = ringsAt as usize;
  ctx.sqes = sqesAt as usize;
  pinRange(ctx.rings, ringsLen);
  pinRange(ctx.sqes, sqesLen);
  memory.fill(ctx.rings, 0, RING_OFF_CQES); // the head only
  return 0;
}

/** Can whole pages of the program's memory be used at `at`? 0, -EFAULT, -EINVAL. */
export function checkUserRegion(at: u64, len: u32): i32 {
  if (!at) return -EFAULT;
  if (at & ((PAGE_SIZE - 1) as u64)) return -EINVAL;
  return userWritable(at, len);
}

/** The part of io_uring_params that setup fills in. */
export function writeParams(p: usize, ctx: RingCtx): void {
  const ringsAt = load<u64>(p, PARAMS_OFF_CQ_OFF + CQOFF_OFF_USER_ADDR), sqesAt = load<u64>(p, PARAMS_OFF_SQ_OFF + SQOFF_OFF_USER_ADDR);
  writeOffsets(p, ctx);
  store<u32>(p, validFlags(ROW_FEATURE), PARAMS_OFF_FEATURES);
  if (ctx.sq_array) store<u32>(p, (ctx.sq_array - ctx.rings) as u32, PARAMS_OFF_SQ_OFF + SQOFF_OFF_ARRAY);
  if (!(ctx.flags & IORING_SETUP_NO_MMAP)) return;
  store<u64>(p, ringsAt, PARAMS_OFF_CQ_OFF + CQOFF_OFF_USER_ADDR);
  store<u64>(p, sqesAt, PARAMS_OFF_SQ_OFF + SQOFF_OFF_USER_ADDR);
}

/** Sizes and offsets, but for where the SQ array is: that is all that a resize tells. */
export function writeOffsets(p: usize, ctx: RingCtx): void {
  store<u32>(p, ctx.sq_entries, PARAMS_OFF_SQ_ENTRIES);
  store<u32>(p, ctx.cq_entries, PARAMS_OFF_CQ_ENTRIES);
  const so = p + PARAMS_OFF_SQ_OFF, co = p + PARAMS_OFF_CQ_OFF;
  memory.fill(so, 0, 80);
  store<u32>(so, RING_OFF_SQ_HEAD, SQOFF_OFF_HEAD);
  store<u32>(so, RING_OFF_SQ_TAIL, SQOFF_OFF_TAIL);
  store<u32>(so, RING_OFF_SQ_RING_MASK, SQOFF_OFF_RING_MASK);
  store<u32>(so, RING_OFF_SQ_RING_ENTRIES, SQOFF_OFF_RING_ENTRIES);
  store<u32>(so, RING_OFF_SQ_FLAGS, SQOFF_OFF_FLAGS);
  store<u32>(so, RING_OFF_SQ_DROPPED, SQOFF_OFF_DROPPED);
  store<u32>(co, RING_OFF_CQ_HEAD, CQOFF_OFF_HEAD);
  store<u32>(co, RING_OFF_CQ_TAIL, CQOFF_OFF_TAIL);
  store<u32>(co, RING_OFF_CQ_RING_MASK, CQOFF_OFF_RING_MASK);
  store<u32>(co, RING_OFF_CQ_RING_ENTRIES, CQOFF_OFF_RING_ENTRIES);
  store<u32>(co, RING_OFF_CQ_OVERFLOW, CQOFF_OFF_OVERFLOW);
  store<u32>(co, RING_OFF_CQES, CQOFF_OFF_CQES);
  store<u32>(co, RING_OFF_CQ_FLAGS, CQOFF_OFF_FLAGS);
}

/** mmap(2) of a ring descriptor: address, -ENOMEM, -EINVAL. The whole area of that offset becomes accessible. */
export function ringMmap(f: File, offset: u32, len: u32): i32 {
  if (f.kind != FILE_RING || !len) return -EINVAL;
  const ctx = changetype<RingCtx>(f.priv);
  let at: usize, room: u32;
  switch (offset & IORING_OFF_MMAP_MASK) {
    case IORING_OFF_SQ_RING:
    case IORING_OFF_CQ_RING: at = ctx.rings; room = ctx.rings_len; break;
    case IORING_OFF_SQES: at = ctx.sqes; room = ctx.sqes_len; break;
    case IORING_OFF_PARAM_REGION: at = ctx.region_user ? 0 : ctx.region; room = ctx.region_len; break;
    case IORING_OFF_PBUF_RING: return pbufMmap(f, ctx, offset, len);
    default: return -ENOMEM;
  }
  // What the program brought itself is not for mapping.
  if (!at || (ctx.flags & IORING_SETUP_NO_MMAP && at != ctx.region)) return -ENOMEM;
  return mapFile(f, at, room as usize, len);
}

/** The ring is gone, or has moved: the pages are no longer pinned or charged. */
export function freeRingMemory(ctx: RingCtx): void {
  if (ctx.acct) unaccountMem(ctx.acct_uid, ctx.acct_ring_pages);
  unpinRange(ctx.rings, ctx.rings_len);
  unpinRange(ctx.sqes, ctx.sqes_len);
}
