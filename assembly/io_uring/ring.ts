// A ring's life: io_uring_setup(2), its shared memory, and its end.
//
// The shared pages are placed in the user region at setup, pinned for as long as the ring lives and readable by the program
// once it maps them; sq and cq share one mapping (FEAT_SINGLE_MMAP). Closing the descriptor returns at once. The ring goes
// on until its last io_kiocb is gone, notifications included: pages stay pinned, data is still delivered, CQEs are lost.
//
// Spec: send-zc.md 1.2, 1.5, 5; invariants I5, I18.
import { PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { CNT_RINGS_LIVE } from "../abi/counters";
import { EBADF, ECANCELED, EFAULT, EINVAL, EMFILE, ENOMEM, ENOTMODELLED } from "../abi/errno";
import { TR_IO_URING_RING_EXIT, TRACE_RING } from "../abi/trace";
import {
  CQOFF_OFF_CQES, CQOFF_OFF_FLAGS, CQOFF_OFF_HEAD, CQOFF_OFF_OVERFLOW, CQOFF_OFF_RING_ENTRIES, CQOFF_OFF_RING_MASK, CQOFF_OFF_TAIL,
  IORING_MAX_CQ_ENTRIES, IORING_MAX_ENTRIES, IORING_OFF_CQ_RING, IORING_OFF_MMAP_MASK, IORING_OFF_SQES, IORING_OFF_SQ_RING, IORING_SETUP_ATTACH_WQ,
  IORING_SETUP_CLAMP, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_CQE32, IORING_SETUP_CQE_MIXED, IORING_SETUP_CQSIZE, IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_HYBRID_IOPOLL, IORING_SETUP_IOPOLL, IORING_SETUP_NO_MMAP, IORING_SETUP_NO_SQARRAY, IORING_SETUP_REGISTERED_FD_ONLY,
  IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_SQE128, IORING_SETUP_SQPOLL, IORING_SETUP_SQ_AFF, IORING_SETUP_TASKRUN_FLAG, PARAMS_OFF_CQ_ENTRIES,
  PARAMS_OFF_CQ_OFF, PARAMS_OFF_FEATURES, PARAMS_OFF_FLAGS, PARAMS_OFF_RESV, PARAMS_OFF_SQ_ENTRIES, PARAMS_OFF_SQ_OFF, PARAMS_OFF_SQ_THREAD_IDLE,
  PARAMS_SIZE, RING_OFF_CQES, RING_OFF_CQ_FLAGS, RING_OFF_CQ_HEAD, RING_OFF_CQ_OVERFLOW, RING_OFF_CQ_RING_ENTRIES, RING_OFF_CQ_RING_MASK,
  RING_OFF_CQ_TAIL, RING_OFF_SQ_DROPPED, RING_OFF_SQ_FLAGS, RING_OFF_SQ_HEAD, RING_OFF_SQ_RING_ENTRIES, RING_OFF_SQ_RING_MASK, RING_OFF_SQ_TAIL,
  SQOFF_OFF_ARRAY, SQOFF_OFF_DROPPED, SQOFF_OFF_FLAGS, SQOFF_OFF_HEAD, SQOFF_OFF_RING_ENTRIES, SQOFF_OFF_RING_MASK, SQOFF_OFF_TAIL,
} from "../abi/uapi";
import { POOL_CTX, poolAlloc, poolFree } from "../lib/pool";
import { S_CTX_LIST, S_RING_ID, cntDec, cntInc } from "../lib/state";
import { CTX_SIZE } from "../abi/layout";
import { Timer, timerArmIn, timerArmed, timerFree, timerNew } from "../lib/timer";
import { trace } from "../lib/trace";
import { getPage, putPage } from "../mm/page";
import { PROT_READ, PROT_WRITE, copyFromUser, copyToUser, vmMap, vmRestore, vmUnmap } from "../mm/vma";
import { accountMem, current, unaccountMem } from "../kernel/task";
import { FILE_RING, File, fdInstall, fileNew, fput } from "../fs/file";
import { cancelAll } from "./cancel";
import { cqEventsUser, overflowDiscard } from "./cq";
import { drainTake } from "./drain";
import { deferFailed, submitFlushCompletions } from "./req";
import { unregisterBuffers, unregisterFiles } from "./rsrc";
import { sqpollStart, sqpollStop } from "./sqpoll";
import { runLocalWork } from "./tw";
import { RingCtx, ringWq } from "./types";

const SETUP_FLAGS: u32 = 0x7ffff;
const FEATURES: u32 = 0x3ffff;
const SCRATCH_PARAMS: usize = 0x11400;

function roundPow2(n: u32): u32 { return n <= 1 ? 1 : 1 << (32 - clz<u32>(n - 1)); }
@inline function pageAlign(n: u32): u32 { return (n + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1); }
@inline function has(flags: u32, bits: u32): bool { return (flags & bits) != 0; }

/** The combination rules of spec 1.5: 0 or -EINVAL. */
function checkFlags(flags: u32): i32 {
  if (flags & ~SETUP_FLAGS) return -EINVAL;
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

/**
 * io_uring_setup(2): params (120 bytes) are read and written back. fd, or EFAULT, EINVAL, ENOMEM (locked memory), EMFILE.
 */
export function ioUringSetup(entries: u32, params: u64): i32 {
  const p = SCRATCH_PARAMS;
  if (copyFromUser(p, params, PARAMS_SIZE)) return -EFAULT;
  for (let i: usize = 0; i < 3; i++) if (load<u32>(p + PARAMS_OFF_RESV + (i << 2))) return -EINVAL;
  const flags = load<u32>(p, PARAMS_OFF_FLAGS), err = checkFlags(flags);
  if (err) return err;
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
  if (has(flags, IORING_SETUP_ATTACH_WQ)) return -EBADF; // no other ring's workers can be shared
  if (has(flags, IORING_SETUP_NO_MMAP)) return -ENOTMODELLED;
  return createRing(p, params, flags, sq, cq);
}

function createRing(p: usize, params: u64, flags: u32, sq: u32, cq: u32): i32 {
  const ctx = changetype<RingCtx>(poolAlloc(POOL_CTX)), t = current();
  if (!ctx) return -ENOMEM;
  memory.fill(changetype<usize>(ctx), 0, CTX_SIZE);
  ctx.flags = flags;
  ctx.refs = 1;
  ctx.task = t;
  ctx.sq_entries = sq;
  ctx.cq_entries = cq;
  ctx.sqe_shift = has(flags, IORING_SETUP_SQE128) ? 7 : 6;
  ctx.cqe_shift = has(flags, IORING_SETUP_CQE32) ? 5 : 4;
  const cqesEnd = RING_OFF_CQES + (cq << ctx.cqe_shift), arrayOff = (cqesEnd + 63) & ~63;
  const withArray = !has(flags, IORING_SETUP_NO_SQARRAY);
  ctx.rings_len = pageAlign(withArray ? arrayOff + (sq << 2) : cqesEnd);
  ctx.sqes_len = pageAlign(sq << ctx.sqe_shift);
  const err = allocRingMemory(ctx);
  if (err) {
    poolFree(POOL_CTX, changetype<usize>(ctx));
    return err;
  }
  const r = ctx.rings;
  if (withArray) ctx.sq_array = r + arrayOff;
  store<u32>(r, sq - 1, RING_OFF_SQ_RING_MASK);
  store<u32>(r, cq - 1, RING_OFF_CQ_RING_MASK);
  store<u32>(r, sq, RING_OFF_SQ_RING_ENTRIES);
  store<u32>(r, cq, RING_OFF_CQ_RING_ENTRIES);
  const f = fileNew(FILE_RING, changetype<usize>(ctx), ringRelease.index, ringPoll.index, ringWq(ctx));
  const fd = f ? fdInstall(t, f) : -EMFILE;
  ctx.file = f;
  linkRing(ctx);
  if (fd >= 0) {
    writeParams(p, ctx, withArray ? arrayOff : 0);
    if (copyToUser(params, p, PARAMS_SIZE)) return -EFAULT;
    if (has(flags, IORING_SETUP_SQPOLL)) sqpollStart(ctx, load<u32>(p, PARAMS_OFF_SQ_THREAD_IDLE));
  } else if (f) {
    fput(f);
  }
  return fd;
}

/** Charges and places the shared pages. They are the program's only after it maps them. */
function allocRingMemory(ctx: RingCtx): i32 {
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
  return 0;
}

function writeParams(p: usize, ctx: RingCtx, arrayOff: u32): void {
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
    default: return -EINVAL;
  }
  if (pageAlign(len) > room) return -EINVAL;
  vmRestore(at, room as usize, PROT_READ | PROT_WRITE);
  return at as i32;
}

export function ringPoll(f: File): u32 {
  const ctx = changetype<RingCtx>(f.priv);
  let mask: u32 = 0;
  const tail = atomic.load<u32>(ctx.rings, RING_OFF_SQ_TAIL);
  if (tail - ctx.cached_sq_head < ctx.sq_entries) mask |= 0x104;
  if (cqEventsUser(ctx) || ctx.overflow_first || (has(ctx.flags, IORING_SETUP_DEFER_TASKRUN) && ctx.work_count)) mask |= 0x41;
  return mask;
}

// The end ---------------------------------------------------------------------------------------------------------------

function linkRing(ctx: RingCtx): void {
  const first = changetype<RingCtx>(load<u32>(S_CTX_LIST) as usize);
  ctx.next = first;
  if (first) first.prev = ctx;
  store<u32>(S_CTX_LIST, changetype<usize>(ctx) as u32);
  ctx.id = load<u32>(S_RING_ID) + 1;
  store<u32>(S_RING_ID, ctx.id);
  cntInc(CNT_RINGS_LIVE);
}

/** The last descriptor is closed: cancel what can be cancelled, in a worker's time, and let the rest finish. */
function ringRelease(f: File): void {
  const ctx = changetype<RingCtx>(f.priv);
  ctx.dying = 1;
  if (ctx.sq_timer) sqpollStop(ctx);
  trace(TRACE_RING, TR_IO_URING_RING_EXIT, changetype<usize>(ctx), ctx.id as u64, ctx.nr_req_allocated, 0);
  if (ctx.nr_req_allocated) ringExitKick(ctx);
  ringPut(ctx);
}

/** The exit worker gets a turn. */
export function ringExitKick(ctx: RingCtx): void {
  if (!ctx.exit_timer) ctx.exit_timer = changetype<usize>(timerNew(ringExitWork.index, changetype<usize>(ctx)));
  const t = changetype<Timer>(ctx.exit_timer);
  if (!timerArmed(t)) timerArmIn(t, 1000);
}

function ringExitWork(p: usize): void {
  const ctx = changetype<RingCtx>(p);
  ringHold(ctx);
  for (let req = drainTake(ctx); req; req = drainTake(ctx)) deferFailed(req, -ECANCELED);
  cancelAll(ctx);
  submitFlushCompletions(ctx);
  while (ctx.work_count) runLocalWork(ctx, u32.MAX_VALUE);
  ringPut(ctx);
}

@inline export function ringHold(ctx: RingCtx): void { ctx.refs++; }

/** Gives a hold back. The ring goes with the last one, if no io_kiocb is left. */
@inline export function ringPut(ctx: RingCtx): void {
  if (--ctx.refs == 0 && ctx.nr_req_allocated == 0) ringFree(ctx);
}

function ringFree(ctx: RingCtx): void {
  trace(TRACE_RING, TR_IO_URING_RING_EXIT, changetype<usize>(ctx), ctx.id as u64, 0, 1);
  overflowDiscard(ctx);
  unregisterBuffers(ctx);
  unregisterFiles(ctx);
  timerFree(changetype<Timer>(ctx.exit_timer));
  if (ctx.acct) unaccountMem(ctx.acct_uid, ctx.acct_ring_pages);
  const pages = (ctx.rings_len + ctx.sqes_len) >> PAGE_SHIFT;
  for (let i: u32 = 0; i < pages; i++) putPage(ctx.rings + ((i as usize) << PAGE_SHIFT));
  if (ctx.prev) ctx.prev.next = ctx.next;
  else store<u32>(S_CTX_LIST, changetype<usize>(ctx.next) as u32);
  if (ctx.next) ctx.next.prev = ctx.prev;
  cntDec(CNT_RINGS_LIVE);
  poolFree(POOL_CTX, changetype<usize>(ctx));
}

/** io_kiocbs of closed rings that still exist, notifications included. */
export function ringExitPending(): u32 {
  let n: u32 = 0;
  for (let ctx = changetype<RingCtx>(load<u32>(S_CTX_LIST) as usize); ctx; ctx = ctx.next) if (ctx.dying) n += ctx.nr_req_allocated;
  return n;
}
