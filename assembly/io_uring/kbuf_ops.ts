// Giving buffers and taking them away: PROVIDE_BUFFERS and REMOVE_BUFFERS, and io_uring_register's buffer rings.
// Man pages: io_uring_enter(2), io_uring_register_buf_ring(3), io_uring_buf_ring_head(3).
import { PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { E2BIG, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM, EOVERFLOW } from "../abi/errno";
import {
  BUF_REG_OFF_BGID, BUF_REG_OFF_FLAGS, BUF_REG_OFF_RESV, BUF_REG_OFF_RING_ADDR, BUF_REG_OFF_RING_ENTRIES, BUF_REG_SIZE, BUF_SHIFT,
  BUF_STATUS_OFF_HEAD, BUF_STATUS_OFF_RESV, BUF_STATUS_SIZE, IORING_OFF_MMAP_MASK, IORING_OFF_PBUF_SHIFT, IOU_PBUF_RING_INC, IOU_PBUF_RING_MMAP,
  SQE_OFF_ADDR, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF,
} from "../abi/uapi";
import { POOL_KBUF, POOL_NODE, poolAlloc, poolFree } from "../lib/pool";
import { B_RING_MEM_ACCT, ROW_PBUF } from "../abi/profile";
import { has, validFlags } from "../lib/profile";
import { SCRATCH_BUF_REG, nil } from "../lib/state";
import { getPage, putPage } from "../mm/page";
import { accessOk, copyFromUser, copyToUser, userWritable, vmMap, vmUnmap } from "../mm/vma";
import { accountMem, current, unaccountMem } from "../kernel/task";
import { File } from "../fs/file";
import { mapFile } from "../fs/mapping";
import { BufGroup, GROUP_INC, GROUP_MMAP, GROUP_RING, KBuf, bufGroup, bufGroupNew, groupSlot } from "./kbuf";
import { IOU_COMPLETE, Req, RingCtx, setFail, setRes } from "./types";

const MAX_BIDS: u32 = 65536; // per call, and bids of a group
const NBUFS_MAX: u32 = 65535; // in a group

// Legacy ----------------------------------------------------------------------------------------------------------------
// Of the request: fd = number of buffers, cmd_addr and cmd_len = the first, done_io = its bid.

export function provideBuffersPrep(req: Req, sqe: usize): i32 {
  if (load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const nr = req.fd as u32, addr = load<u64>(sqe, SQE_OFF_ADDR), len = load<u32>(sqe, SQE_OFF_LEN), bid = load<u64>(sqe, SQE_OFF_OFF);
  if (!nr || nr > MAX_BIDS) return -E2BIG;
  if (!len) return -EINVAL;
  const size = (len as u64) * (nr as u64);
  if (addr + size < addr) return -EOVERFLOW;
  if (!accessOk(addr, size)) return -EFAULT;
  if (bid >= (MAX_BIDS as u64)) return -E2BIG;
  if ((bid as u32) + nr > MAX_BIDS) return -EINVAL;
  req.cmd_addr = addr;
  req.cmd_len = len;
  req.done_io = bid as u32;
  return 0;
}

/** 0 if any buffer could be added. -EINVAL: a ring group. -EOVERFLOW: the group is full. -ENOMEM. */
export function provideBuffers(req: Req): i32 {
  let g = bufGroup(req.ctx, req.buf_index), ret: i32 = 0;
  if (!g) g = bufGroupNew(req.ctx, req.buf_index);
  if (!g) ret = -ENOMEM;
  else if (g.flags & GROUP_RING) ret = -EINVAL;
  else ret = addBuffers(g, req);
  return finish(req, ret);
}

function finish(req: Req, ret: i32): i32 {
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

function addBuffers(g: BufGroup, req: Req): i32 {
  const nr = req.fd as u32;
  for (let i: u32 = 0; i < nr; i++) {
    if (g.nbufs == NBUFS_MAX) return i ? 0 : -EOVERFLOW;
    const buf = changetype<KBuf>(poolAlloc(POOL_KBUF));
    if (!buf) return i ? 0 : -ENOMEM;
    buf.next = nil<KBuf>();
    buf.addr = req.cmd_addr + (i as u64) * (req.cmd_len as u64);
    buf.len = req.cmd_len;
    buf.bid = req.done_io + i;
    if (g.first) g.last.next = buf;
    else g.first = buf;
    g.last = buf;
    g.nbufs++;
  }
  return 0;
}

export function removeBuffersPrep(req: Req, sqe: usize): i32 {
  if (load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u64>(sqe, SQE_OFF_ADDR) || load<u32>(sqe, SQE_OFF_LEN) || load<u64>(sqe, SQE_OFF_OFF)
    || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const nr = req.fd as u32;
  return !nr || nr > MAX_BIDS ? -EINVAL : 0;
}

/** Number removed; -ENOENT: no such group. -EINVAL: a ring group. */
export function removeBuffers(req: Req): i32 {
  const g = bufGroup(req.ctx, req.buf_index);
  return finish(req, !g ? -ENOENT : g.flags & GROUP_RING ? -EINVAL : takeBuffers(g, req.fd as u32) as i32);
}

function takeBuffers(g: BufGroup, max: u32): u32 {
  let n: u32 = 0;
  while (g.first && n < max) {
    const buf = g.first;
    g.first = buf.next;
    g.nbufs--;
    n++;
    poolFree(POOL_KBUF, changetype<usize>(buf));
  }
  return n;
}

// Rings -----------------------------------------------------------------------------------------------------------------

/** IORING_REGISTER_PBUF_RING: struct io_uring_buf_reg at `arg`. EINVAL, EFAULT, EEXIST, EOVERFLOW, ENOMEM. */
export function registerPbufRing(ctx: RingCtx, arg: u64): i32 {
  const p = SCRATCH_BUF_REG;
  if (copyFromUser(p, arg, BUF_REG_SIZE)) return -EFAULT;
  const flags = load<u16>(p, BUF_REG_OFF_FLAGS) as u32, nr = load<u32>(p, BUF_REG_OFF_RING_ENTRIES), bgid = load<u16>(p, BUF_REG_OFF_BGID) as u32;
  if (load<u64>(p, BUF_REG_OFF_RESV) | load<u64>(p, BUF_REG_OFF_RESV + 8) | load<u64>(p, BUF_REG_OFF_RESV + 16)) return -EINVAL;
  if (flags & ~validFlags(ROW_PBUF)) return -EINVAL;
  if (!nr || nr & (nr - 1) || nr >= MAX_BIDS) return -EINVAL; // full and empty must differ
  const old = bufGroup(ctx, bgid);
  if (old) {
    if (old.flags & GROUP_RING || old.first) return -EEXIST;
    groupFree(ctx, old);
  }
  const pages = ((nr << BUF_SHIFT) + PAGE_SIZE - 1) >> PAGE_SHIFT, t = current();
  const charged = ctx.acct != 0 && has(B_RING_MEM_ACCT);
  if (charged && accountMem(t, pages)) return -ENOMEM;
  const at = flags & IOU_PBUF_RING_MMAP ? kernelRing(pages) : userRing(load<u64>(p, BUF_REG_OFF_RING_ADDR), pages);
  const g = at < 0 ? nil<BufGroup>() : bufGroupNew(ctx, bgid);
  if (!g) {
    if (charged) unaccountMem(ctx.acct_uid, pages);
    return at < 0 ? at : -ENOMEM;
  }
  g.flags = GROUP_RING | (flags & IOU_PBUF_RING_INC ? GROUP_INC : 0) | (flags & IOU_PBUF_RING_MMAP ? GROUP_MMAP : 0);
  g.ring = at as usize;
  g.mask = nr - 1;
  g.pages = pages;
  g.acct = charged ? 1 : 0;
  for (let i: u32 = 0; i < pages; i++) getPage(g.ring + ((i as usize) << PAGE_SHIFT));
  return 0;
}

/** Memory of the kernel's, which the program may map at IORING_OFF_PBUF_RING | bgid << 16. */
function kernelRing(pages: u32): i32 {
  const at = vmMap((pages << PAGE_SHIFT) as usize, 0);
  if (at > 0) vmUnmap(at, (pages << PAGE_SHIFT) as usize); // the caller pins it; nobody's mapping yet
  return at as i32;
}

function userRing(addr: u64, pages: u32): i32 {
  const size = pages << PAGE_SHIFT;
  if (addr & ((PAGE_SIZE - 1) as u64)) return -EINVAL;
  if (!addr) return -EFAULT;
  if (addr + (size as u64) < addr) return -EOVERFLOW;
  return userWritable(addr, size) ? -EFAULT : (addr as i32);
}

/** IORING_UNREGISTER_PBUF_RING. EINVAL (a legacy group, too), EFAULT, ENOENT. */
export function unregisterPbufRing(ctx: RingCtx, arg: u64): i32 {
  const p = SCRATCH_BUF_REG;
  if (copyFromUser(p, arg, BUF_REG_SIZE)) return -EFAULT;
  if (load<u64>(p, BUF_REG_OFF_RESV) | load<u64>(p, BUF_REG_OFF_RESV + 8) | load<u64>(p, BUF_REG_OFF_RESV + 16)) return -EINVAL;
  if (load<u16>(p, BUF_REG_OFF_FLAGS)) return -EINVAL;
  const g = bufGroup(ctx, load<u16>(p, BUF_REG_OFF_BGID) as u32);
  if (!g) return -ENOENT;
  if (!(g.flags & GROUP_RING)) return -EINVAL;
  groupFree(ctx, g);
  return 0;
}

/** IORING_REGISTER_PBUF_STATUS: the head of a ring. EINVAL, EFAULT, ENOENT. */
export function pbufStatus(ctx: RingCtx, arg: u64): i32 {
  const p = SCRATCH_BUF_REG;
  if (copyFromUser(p, arg, BUF_STATUS_SIZE)) return -EFAULT;
  for (let i: u32 = BUF_STATUS_OFF_RESV; i < BUF_STATUS_SIZE; i += 4) if (load<u32>(p + (i as usize))) return -EINVAL;
  const g = bufGroup(ctx, load<u32>(p));
  if (!g) return -ENOENT;
  if (!(g.flags & GROUP_RING)) return -EINVAL;
  store<u32>(p, g.head, BUF_STATUS_OFF_HEAD);
  return copyToUser(arg, p, BUF_STATUS_SIZE);
}

/** mmap(2) of a ring in kernel memory: all of it (more is allowed). Address, -EFAULT (less), -ENOMEM (no such ring, no memory). */
export function pbufMmap(f: File, ctx: RingCtx, offset: u32, len: u32): i32 {
  const g = bufGroup(ctx, (offset & ~IORING_OFF_MMAP_MASK) >> IORING_OFF_PBUF_SHIFT);
  if (!g || !(g.flags & GROUP_MMAP)) return -ENOMEM;
  if (((len + PAGE_SIZE - 1) >> PAGE_SHIFT) < g.pages) return -EFAULT;
  return mapFile(f, g.ring, (g.pages << PAGE_SHIFT) as usize, len);
}

/** Takes the group off the ring and frees it with what is left in it. */
function groupFree(ctx: RingCtx, g: BufGroup): void {
  const slot = groupSlot(ctx, g.bgid);
  let prev = changetype<BufGroup>(load<u32>(slot) as usize);
  if (prev == g) {
    store<u32>(slot, changetype<usize>(g.next) as u32);
  } else {
    while (prev.next != g) prev = prev.next;
    prev.next = g.next;
  }
  if (g.flags & GROUP_RING) {
    for (let i: u32 = 0; i < g.pages; i++) putPage(g.ring + ((i as usize) << PAGE_SHIFT));
    if (g.acct) unaccountMem(ctx.acct_uid, g.pages);
  } else {
    takeBuffers(g, u32.MAX_VALUE);
  }
  poolFree(POOL_NODE, changetype<usize>(g));
}

/** Ring exit. */
export function destroyBufGroups(ctx: RingCtx): void {
  for (let i: u32 = 0; i < 16; i++) {
    for (let g = changetype<BufGroup>(load<u32>(groupSlot(ctx, i)) as usize); g; g = changetype<BufGroup>(load<u32>(groupSlot(ctx, i)) as usize)) groupFree(ctx, g);
  }
}
