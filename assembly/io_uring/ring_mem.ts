// The pages that a ring shares with its program: rings with the SQ array, and the SQEs.
//
// They are placed in the user region at setup and pinned for as long as the ring lives; the program can touch them once it
// maps them. SQ and CQ are one mapping (FEAT_SINGLE_MMAP). They count against RLIMIT_MEMLOCK (spec: send-zc.md 2.2 C11).
import { PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { EINVAL, ENOMEM } from "../abi/errno";
import {
  CQOFF_OFF_CQES, CQOFF_OFF_FLAGS, CQOFF_OFF_HEAD, CQOFF_OFF_OVERFLOW, CQOFF_OFF_RING_ENTRIES, CQOFF_OFF_RING_MASK, CQOFF_OFF_TAIL,
  IORING_OFF_CQ_RING, IORING_OFF_MMAP_MASK, IORING_OFF_PBUF_RING, IORING_OFF_SQES, IORING_OFF_SQ_RING, IORING_SETUP_NO_SQARRAY, PARAMS_OFF_CQ_ENTRIES, PARAMS_OFF_CQ_OFF,
  PARAMS_OFF_FEATURES, PARAMS_OFF_SQ_ENTRIES, PARAMS_OFF_SQ_OFF, RING_OFF_CQES, RING_OFF_CQ_FLAGS, RING_OFF_CQ_HEAD, RING_OFF_CQ_OVERFLOW,
  RING_OFF_CQ_RING_ENTRIES, RING_OFF_CQ_RING_MASK, RING_OFF_CQ_TAIL, RING_OFF_SQ_DROPPED, RING_OFF_SQ_FLAGS, RING_OFF_SQ_HEAD,
  RING_OFF_SQ_RING_ENTRIES, RING_OFF_SQ_RING_MASK, RING_OFF_SQ_TAIL, SQOFF_OFF_ARRAY, SQOFF_OFF_DROPPED, SQOFF_OFF_FLAGS, SQOFF_OFF_HEAD,
  SQOFF_OFF_RING_ENTRIES, SQOFF_OFF_RING_MASK, SQOFF_OFF_TAIL,
} from "../abi/uapi";
import { getPage, putPage } from "../mm/page";
import { PROT_READ, PROT_WRITE, vmMap, vmRestore, vmUnmap } from "../mm/vma";
import { accountMem, current, unaccountMem } from "../kernel/task";
import { FILE_RING, File } from "../fs/file";
import { pbufMmap } from "./kbuf_ops";
import { RingCtx } from "./types";

const FEATURES: u32 = 0x3ffff;
@inline function pageAlign(n: u32): u32 { return (n + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1); }

/** Charges and places the shared pages. They are the program's only after it maps them. */
export function allocRingMemory(ctx: RingCtx): i32 {
  const cqesEnd = RING_OFF_CQES + (ctx.cq_entries << ctx.cqe_shift), arrayOff = (cqesEnd + 63) & ~63;
  const withArray = (ctx.flags & IORING_SETUP_NO_SQARRAY) == 0;
  ctx.rings_len = pageAlign(withArray ? arrayOff + (ctx.sq_entries << 2) : cqesEnd);
  ctx.sqes_len = pageAlign(ctx.sq_entries << ctx.sqe_shift);
  const t = current(), pages = (ctx.rings_len + ctx.sqes_len) >> PAGE_SHIFT;
  if (!t.privileged) {
    if (accountMem(t, pages)) return -ENOMEM;
    ctx.acct = 1;
    ctx.acct_uid = t.uid;
    ctx.acct_ring_pages = pages;
  }
  const at = vmMap(ctx.rings_len + ctx.sqes_len, 0);
  if (at < 0) {
    if (ctx.acct) unaccountMem(ctx.acct_uid, pages);
    return -ENOMEM;
  }
  ctx.rings = at as usize;
  ctx.sqes = ctx.rings + (ctx.rings_len as usize);
  for (let i: u32 = 0; i < pages; i++) getPage(ctx.rings + ((i as usize) << PAGE_SHIFT));
  vmUnmap(ctx.rings, (ctx.rings_len + ctx.sqes_len) as usize); // pinned, but nobody's mapping yet
  const r = ctx.rings;
  if (withArray) ctx.sq_array = r + arrayOff;
  store<u32>(r, ctx.sq_entries - 1, RING_OFF_SQ_RING_MASK);
  store<u32>(r, ctx.cq_entries - 1, RING_OFF_CQ_RING_MASK);
  store<u32>(r, ctx.sq_entries, RING_OFF_SQ_RING_ENTRIES);
  store<u32>(r, ctx.cq_entries, RING_OFF_CQ_RING_ENTRIES);
  return 0;
}

/** The part of io_uring_params that setup fills in. */
export function writeParams(p: usize, ctx: RingCtx): void {
  const arrayOff = ctx.sq_array ? (ctx.sq_array - ctx.rings) as u32 : 0;
  store<u32>(p, ctx.sq_entries, PARAMS_OFF_SQ_ENTRIES);
  store<u32>(p, ctx.cq_entries, PARAMS_OFF_CQ_ENTRIES);
  store<u32>(p, FEATURES, PARAMS_OFF_FEATURES);
  const so = p + PARAMS_OFF_SQ_OFF, co = p + PARAMS_OFF_CQ_OFF;
  memory.fill(so, 0, 80);
  store<u32>(so, RING_OFF_SQ_HEAD, SQOFF_OFF_HEAD);
  store<u32>(so, RING_OFF_SQ_TAIL, SQOFF_OFF_TAIL);
  store<u32>(so, RING_OFF_SQ_RING_MASK, SQOFF_OFF_RING_MASK);
  store<u32>(so, RING_OFF_SQ_RING_ENTRIES, SQOFF_OFF_RING_ENTRIES);
  store<u32>(so, RING_OFF_SQ_FLAGS, SQOFF_OFF_FLAGS);
  store<u32>(so, RING_OFF_SQ_DROPPED, SQOFF_OFF_DROPPED);
  store<u32>(so, arrayOff, SQOFF_OFF_ARRAY);
  store<u32>(co, RING_OFF_CQ_HEAD, CQOFF_OFF_HEAD);
  store<u32>(co, RING_OFF_CQ_TAIL, CQOFF_OFF_TAIL);
  store<u32>(co, RING_OFF_CQ_RING_MASK, CQOFF_OFF_RING_MASK);
  store<u32>(co, RING_OFF_CQ_RING_ENTRIES, CQOFF_OFF_RING_ENTRIES);
  store<u32>(co, RING_OFF_CQ_OVERFLOW, CQOFF_OFF_OVERFLOW);
  store<u32>(co, RING_OFF_CQES, CQOFF_OFF_CQES);
  store<u32>(co, RING_OFF_CQ_FLAGS, CQOFF_OFF_FLAGS);
}

/** mmap(2) of a ring descriptor: address, -EINVAL. The whole ring or SQE area becomes accessible. */
export function ringMmap(f: File, offset: u32, len: u32): i32 {
  if (f.kind != FILE_RING) return -EINVAL;
  const ctx = changetype<RingCtx>(f.priv);
  let at: usize, room: u32;
  switch (offset & IORING_OFF_MMAP_MASK) {
    case IORING_OFF_SQ_RING:
    case IORING_OFF_CQ_RING: at = ctx.rings; room = ctx.rings_len; break;
    case IORING_OFF_SQES: at = ctx.sqes; room = ctx.sqes_len; break;
    case IORING_OFF_PBUF_RING: return pbufMmap(ctx, offset, len);
    default: return -ENOMEM;
  }
  if (!len || len > room) return -EINVAL;
  vmRestore(at, room as usize, PROT_READ | PROT_WRITE);
  return at as i32;
}

/** The ring is gone: the pages are no longer pinned or charged. */
export function freeRingMemory(ctx: RingCtx): void {
  const pages = (ctx.rings_len + ctx.sqes_len) >> PAGE_SHIFT;
  if (ctx.acct) unaccountMem(ctx.acct_uid, ctx.acct_ring_pages);
  for (let i: u32 = 0; i < pages; i++) putPage(ctx.rings + ((i as usize) << PAGE_SHIFT));
}
