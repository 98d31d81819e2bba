// Provided buffers: IOSQE_BUFFER_SELECT takes the buffer of a request from a group (sqe.buf_group) when there is something
// to put into it. Two kinds of group:
//
//   legacy   buffers given by PROVIDE_BUFFERS, a list in kernel memory; taking one removes it, giving it back puts it first
//   ring     entries that the application writes to shared memory (struct io_uring_buf_ring); head is the kernel's, tail the
//            application's. Taking one only looks at it; it is committed (head moves) when the request consumed it.
//
// A worker commits a ring buffer as it takes it: nobody keeps others from taking the same one while it waits. With IOU_PBUF_RING_INC
// a commit consumes bytes of the entry, and the head moves when the entry is used up.
//
// The bid is reported in the CQE: putKbuf() ends the use of a buffer and returns its flags. What is neither put nor recycled
// when the request ends is lost to its group, as on Linux.
// Man pages: io_uring_setup_buf_ring(3), io_uring_provide_buffers(3); observed: tests/scenarios/pbuf-6.18.json.
import { KBUF_SIZE, NODE_SIZE } from "../abi/layout";
import { ENOBUFS } from "../abi/errno";
import {
  BUF_OFF_ADDR, BUF_OFF_BID, BUF_OFF_LEN, BUF_SHIFT, BUF_RING_OFF_TAIL, IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER, IORING_CQE_F_BUF_MORE,
} from "../abi/uapi";
import { POOL_KBUF, POOL_NODE, poolAlloc, poolFree } from "../lib/pool";
import { SCRATCH_BUF_SEL, nil } from "../lib/state";
import { IO_URING_F_UNLOCKED, REQ_F_BL_EMPTY, REQ_F_BUFFERS_COMMIT, REQ_F_BUF_MORE, REQ_F_BUFFER_RING, REQ_F_BUFFER_SELECT, REQ_F_BUFFER_SELECTED, Req, RingCtx } from "./types";

/** A buffer of a legacy group. */
@unmanaged @final export class KBuf {
  next: KBuf;
  len: u32;
  addr: u64;
  bid: u32;
}
if (offsetof<KBuf>() > KBUF_SIZE) ERROR("KBuf does not fit its pool");

export const GROUP_RING: u32 = 1;
export const GROUP_INC: u32 = 2; // IOU_PBUF_RING_INC
export const GROUP_MMAP: u32 = 4; // the memory is the kernel's, for mmap()

@unmanaged @final export class BufGroup {
  next: BufGroup; // of the same hash
  bgid: u32;
  flags: u32; // GROUP_*
  first: KBuf; // legacy: FIFO
  last: KBuf;
  nbufs: u32;
  ring: usize; // ring: its memory
  mask: u32;
  head: u32; // u16, wraps
  pages: u32;
  acct: u32; // 1: its pages are charged
}
if (offsetof<BufGroup>() > NODE_SIZE) ERROR("BufGroup does not fit its pool");

/** What bufferSelect() found. Valid until the next selection: copy what is needed later. */
@unmanaged @final export class BufSel {
  addr: u64;
  len: u32; // asked for, cut to the buffer's
  group: BufGroup; // nil if there is nothing to commit any more
  partial: u32; // of several: the last one was cut or left out
}
@inline export function bufSel(): BufSel { return changetype<BufSel>(SCRATCH_BUF_SEL); }

// Groups ----------------------------------------------------------------------------------------------------------------

@inline export function groupSlot(ctx: RingCtx, bgid: u32): usize {
  return changetype<usize>(ctx) + offsetof<RingCtx>("buf_groups") + ((bgid & 15) << 2);
}

/** The group, or nil. */
export function bufGroup(ctx: RingCtx, bgid: u32): BufGroup {
  let g = changetype<BufGroup>(load<u32>(groupSlot(ctx, bgid)) as usize);
  while (g && g.bgid != bgid) g = g.next;
  return g;
}

/** A new empty legacy group, or nil (no memory). */
export function bufGroupNew(ctx: RingCtx, bgid: u32): BufGroup {
  const g = changetype<BufGroup>(poolAlloc(POOL_NODE)), slot = groupSlot(ctx, bgid);
  if (!g) return g;
  memory.fill(changetype<usize>(g), 0, offsetof<BufGroup>());
  g.bgid = bgid;
  g.next = changetype<BufGroup>(load<u32>(slot) as usize);
  store<u32>(slot, changetype<usize>(g) as u32);
  return g;
}

@inline export function ringEntry(g: BufGroup, index: u32): usize { return g.ring + (((index & g.mask) as usize) << BUF_SHIFT); }
/** Entries between head and tail. The tail is the application's: up to 65535, whatever the size of the ring. */
@inline export function ringQueued(g: BufGroup): u32 { return (((atomic.load<u16>(g.ring, BUF_RING_OFF_TAIL) as u32) - g.head) as u32) & 0xffff; }

// One buffer ------------------------------------------------------------------------------------------------------------

/** Has the request to take a buffer now? Not if it asked for none, or holds one from an earlier issue. */
@inline export function doBufferSelect(req: Req): bool {
  return (req.flags & (REQ_F_BUFFER_SELECT | REQ_F_BUFFER_SELECTED | REQ_F_BUFFER_RING)) == REQ_F_BUFFER_SELECT;
}

/**
 * Takes a buffer of the request's group for at most `len` bytes (0: as many as it has). 0 and bufSel(), or -ENOBUFS.
 * Every use ends with putKbuf() or recycleKbuf(), which want bufSel().group.
 */
export function bufferSelect(req: Req, len: u32, issueFlags: u32): i32 {
  const g = bufGroup(req.ctx, req.buf_index), sel = bufSel();
  if (!g) return -ENOBUFS;
  sel.group = g;
  return g.flags & GROUP_RING ? selectRing(req, g, sel, len, issueFlags) : selectLegacy(req, g, sel, len);
}

function selectLegacy(req: Req, g: BufGroup, sel: BufSel, len: u32): i32 {
  const buf = g.first;
  if (!buf) return -ENOBUFS;
  g.first = buf.next;
  g.nbufs--;
  if (!g.first) req.flags |= REQ_F_BL_EMPTY;
  req.flags |= REQ_F_BUFFER_SELECTED;
  req.kbuf = changetype<usize>(buf) as u32;
  sel.addr = buf.addr;
  sel.len = !len || len > buf.len ? buf.len : len;
  return buf.addr ? 0 : -ENOBUFS;
}

function selectRing(req: Req, g: BufGroup, sel: BufSel, len: u32, issueFlags: u32): i32 {
  const queued = ringQueued(g);
  if (!queued) return -ENOBUFS;
  if (queued == 1) req.flags |= REQ_F_BL_EMPTY;
  const e = ringEntry(g, g.head), room = load<u32>(e, BUF_OFF_LEN);
  sel.addr = load<u64>(e, BUF_OFF_ADDR);
  sel.len = !len || len > room ? room : len;
  req.flags |= REQ_F_BUFFER_RING | REQ_F_BUFFERS_COMMIT;
  req.kbuf = load<u16>(e, BUF_OFF_BID) as u32;
  if (shouldCommit(req, issueFlags)) {
    commitNow(req, sel, 1);
  }
  return sel.addr ? 0 : -ENOBUFS; // a null pointer is no buffer, wherever it comes from
}

/** A worker, or a file that cannot be polled: the buffer would stay up for others while this request waits. */
@inline export function shouldCommit(req: Req, issueFlags: u32): bool { return (issueFlags & IO_URING_F_UNLOCKED) != 0 || !req.file.wq; }

/** Commits what was just taken: `nr` entries, or sel.len bytes. The CQE says later whether any are left. */
export function commitNow(req: Req, sel: BufSel, nr: u32): void {
  if (!commit(req, sel.group, sel.len, nr)) req.flags |= REQ_F_BUF_MORE;
  sel.group = nil<BufGroup>();
}

/** Consumes `len` bytes in `nr` entries. False: the last entry touched has bytes left (INC). */
export function commit(req: Req, g: BufGroup, len: i32, nr: u32): bool {
  if (!(req.flags & REQ_F_BUFFERS_COMMIT)) return true;
  req.flags &= ~REQ_F_BUFFERS_COMMIT;
  if (len < 0) return true;
  if (g.flags & GROUP_INC) return commitBytes(g, len as u32);
  g.head = (g.head + nr) & 0xffff;
  return true;
}

function commitBytes(g: BufGroup, len: u32): bool {
  do {
    const e = ringEntry(g, g.head), has = load<u32>(e, BUF_OFF_LEN), take = len < has ? len : has;
    if (has > take || !take) {
      store<u64>(e, load<u64>(e, BUF_OFF_ADDR) + take, BUF_OFF_ADDR);
      store<u32>(e, has - take, BUF_OFF_LEN);
      return false;
    }
    store<u32>(e, 0, BUF_OFF_LEN);
    g.head = (g.head + 1) & 0xffff;
    len -= take;
  } while (len);
  return true;
}

/** The request is done with its buffer, having put `len` bytes (or -errno) there: the flags for its CQE. */
@inline export function putKbuf(req: Req, len: i32, group: BufGroup): u32 { return putKbufs(req, len, group, 1); }

/** The same for `nr` entries; the first one's bid is reported. */
export function putKbufs(req: Req, len: i32, group: BufGroup, nr: u32): u32 {
  if (req.flags & REQ_F_BUFFER_RING) {
    let flags = IORING_CQE_F_BUFFER | (req.kbuf << IORING_CQE_BUFFER_SHIFT);
    if (group && !commit(req, group, len, nr)) flags |= IORING_CQE_F_BUF_MORE;
    if (req.flags & REQ_F_BUF_MORE) flags |= IORING_CQE_F_BUF_MORE;
    req.flags &= ~(REQ_F_BUFFER_RING | REQ_F_BUF_MORE);
    return flags;
  }
  if (!(req.flags & REQ_F_BUFFER_SELECTED)) return 0;
  const bid = changetype<KBuf>(req.kbuf as usize).bid;
  dropKbuf(req);
  return IORING_CQE_F_BUFFER | (bid << IORING_CQE_BUFFER_SHIFT);
}

/** It was not used: the group has it again, unless it is committed already. */
export function recycleKbuf(req: Req, group: BufGroup): void {
  if (req.flags & REQ_F_BUFFER_RING) {
    if (group) req.flags &= ~(REQ_F_BUFFER_RING | REQ_F_BUFFERS_COMMIT);
    return;
  }
  if (!(req.flags & REQ_F_BUFFER_SELECTED)) return;
  const g = bufGroup(req.ctx, req.buf_index);
  if (!g || g.flags & GROUP_RING) { // replaced or gone meanwhile
    dropKbuf(req);
    return;
  }
  const buf = changetype<KBuf>(req.kbuf as usize);
  buf.next = g.first;
  if (!g.first) g.last = buf;
  g.first = buf;
  g.nbufs++;
  req.flags &= ~REQ_F_BUFFER_SELECTED;
}

/** A legacy buffer that the request holds belongs to nobody any more. */
export function dropKbuf(req: Req): void {
  req.flags &= ~REQ_F_BUFFER_SELECTED;
  poolFree(POOL_KBUF, req.kbuf as usize);
}

// Several buffers (bundles) ---------------------------------------------------------------------------------------------

/** Most buffers that are taken at once when the number of bytes is known. */
const PEEK_MAX: u32 = 256;
/** Segments of a vector (mm/iov_iter.ts). */
const KVEC_SHIFT: usize = 4;

/**
 * How many entries of a ring group to look at for `max` bytes (0: unknown) with a vector of `room` segments, which may grow
 * (`expand`) if the number of bytes is known. All are taken to be as long as the first. -ENOBUFS: none, or an empty one.
 */
export function peekCount(g: BufGroup, max: u32, room: u32, expand: bool): i32 {
  let avail = ringQueued(g);
  if (!avail) return -ENOBUFS;
  if (max) {
    const len = load<u32>(ringEntry(g, g.head), BUF_OFF_LEN);
    if (!len) return -ENOBUFS;
    const need = ((max as u64) + (len as u64) - 1) / (len as u64);
    if ((avail as u64) > need) avail = need as u32;
    if (avail > PEEK_MAX) avail = PEEK_MAX;
    if (expand) return avail;
  }
  return avail < room ? avail : room;
}

/**
 * Describes up to `nr` entries in `kvec`, at most `max` bytes (0: no limit). The one that goes beyond is left out, cut if it
 * is the first or the ring is incremental. Segments written; bufSel() has the bytes, and `partial`.
 */
export function peekBuffers(req: Req, g: BufGroup, kvec: usize, nr: u32, max: u32): u32 {
  const sel = bufSel();
  let head = g.head, left = max ? max : (i32.MAX_VALUE as u32), n: u32 = 0;
  sel.group = g;
  sel.len = 0;
  sel.partial = 0;
  sel.addr = load<u64>(ringEntry(g, head), BUF_OFF_ADDR);
  req.kbuf = load<u16>(ringEntry(g, head), BUF_OFF_BID) as u32;
  const tail = (g.head + ringQueued(g)) & 0xffff;
  while (n < nr) {
    const e = ringEntry(g, head), seg = kvec + ((n as usize) << KVEC_SHIFT);
    let len = load<u32>(e, BUF_OFF_LEN);
    if (len > left) {
      len = left;
      if (!(g.flags & GROUP_INC)) {
        sel.partial = 1;
        if (n) break;
      }
    }
    store<u64>(seg, load<u64>(e, BUF_OFF_ADDR));
    store<u64>(seg, len as u64, 8);
    n++;
    sel.len += len;
    left -= len;
    if (!left) break;
    head = (head + 1) & 0xffff;
  }
  if (head == tail) req.flags |= REQ_F_BL_EMPTY;
  req.flags |= REQ_F_BUFFER_RING | REQ_F_BUFFERS_COMMIT;
  return n;
}
