// Provided buffers for sends and receives: one buffer, or a bundle of as many as the data fills.
//
// A bundle's vector starts with one segment and grows when the number of bytes is known: from sqe.len, or from what the
// socket said was left after the receive before (msg_inq). It never shrinks, and is handed on (net_vec.ts).
import { iterUbuf, kvecBase, kvecLen } from "../mm/iov_iter";
import { EFAULT, ENOENT, ENOMEM } from "../abi/errno";
import { IORING_RECVSEND_BUNDLE } from "../abi/uapi";
import { accessOk } from "../mm/vma";
import { chunkAlloc } from "../mm/page";
import { iterFromKvec } from "../net/msg_import";
import { BufGroup, GROUP_RING, bufGroup, bufSel, bufferSelect, commit, commitNow, peekBuffers, peekCount } from "./kbuf";
import { AD_IOV, NR_INLINE, sendState } from "./net";
import { vecGrow, vecRoom } from "./net_vec";
import { IO_URING_F_UNLOCKED, REQ_F_NEED_CLEANUP, Req, reqIter } from "./types";

/** What a receive or a bundle remembers besides the fields of Req; in the place of the notification state. */
@unmanaged @final export class NetState {
  mshot_len: u32; // sqe.len, for each CQE anew
  mshot_left: u32; // bytes until a multishot receive ends by itself (RECV_F_LIMIT)
  loops: u32; // receives in a row
  inq: i32; // what the receive before left in the socket; -1: it did not say
  segs: u32; // segments of the selection
  kvec: usize; // they
  vec_nr: u32; // length of the vector it has from an earlier use (REQ_F_VEC, net_vec.ts)
}
if (offsetof<NetState>() > 32) ERROR("NetState must fit in the place of uarg");
@inline export function netState(req: Req): NetState { return changetype<NetState>(changetype<usize>(req) + offsetof<Req>("uarg")); }

// req.zc_flags above the 16 bits of sqe.ioprio.
export const RECV_F_RETRY: u32 = 0x10000; // a bundle that goes on with what was left
export const RECV_F_NO_RETRY: u32 = 0x20000; // a buffer was cut: it does not
export const RECV_F_LIMIT: u32 = 0x40000; // mshot_left counts
export const RECV_F_DONE: u32 = 0x80000; // and has come to 0
export const RECV_F_PER_CQE: u32 = RECV_F_RETRY | RECV_F_NO_RETRY;

const INT_MAX: u32 = 0x7fffffff;
@inline function minNotZero(a: u32, b: u32): u32 { return !a || (b && b < a) ? b : a; }

/** Room for `nr` segments, 0 = no memory. */
function kvecRoom(req: Req, nr: u32): usize {
  if (nr <= (NR_INLINE as u32)) return req.async_data + AD_IOV;
  const s = sendState(req);
  if (!s.iov_chunk) {
    s.iov_chunk = chunkAlloc();
    req.flags |= REQ_F_NEED_CLEANUP;
  }
  return s.iov_chunk;
}

/** Takes as many buffers as suit `max` bytes, or one of a legacy group for `legacyMax`. Segments (in the NetState), or -ENOENT (no group), -ENOBUFS, -ENOMEM. */
function peek(req: Req, max: u32, legacyMax: u32, expand: bool, issueFlags: u32): i32 {
  const g = bufGroup(req.ctx, req.buf_index), s = netState(req);
  if (!g) return -ENOENT;
  if (!(g.flags & GROUP_RING)) return peekLegacy(req, legacyMax, issueFlags);
  const room = expand ? vecRoom(req) : 1, nr = peekCount(g, max, room, expand);
  if (nr < 0) return nr;
  const kvec = kvecRoom(req, nr);
  if (!kvec) return -ENOMEM;
  s.kvec = kvec;
  s.segs = peekBuffers(req, g, kvec, nr, max);
  if ((nr as u32) > room) vecGrow(req, s.segs);
  return s.segs;
}

/** Of a legacy group only ever one. */
function peekLegacy(req: Req, max: u32, issueFlags: u32): i32 {
  const err = bufferSelect(req, max, issueFlags), s = netState(req), sel = bufSel();
  if (err) return err;
  s.kvec = kvecRoom(req, 1);
  s.segs = 1;
  store<u64>(s.kvec, sel.addr);
  store<u64>(s.kvec, sel.len as u64, 8);
  sel.partial = 0;
  return 1;
}

/** The iterator over the selection. 0 or -EFAULT: a single one that cannot be user memory. */
function iterate(req: Req): i32 {
  const s = netState(req);
  if (s.segs == 1 && !accessOk(kvecBase(s.kvec, 0), kvecLen(s.kvec, 0) as u64)) return -EFAULT;
  iterFromKvec(reqIter(req), s.kvec, s.segs, bufSel().len);
  return 0;
}

/** Selection of a receive, and its iterator: 0 or -errno (bufSel().group may have to be recycled). */
export function recvSelect(req: Req, issueFlags: u32): i32 {
  const s = netState(req), sel = bufSel();
  sel.group = changetype<BufGroup>(0);
  if (!(req.zc_flags & IORING_RECVSEND_BUNDLE) || issueFlags & IO_URING_F_UNLOCKED) { // a worker takes one at a time
    const err = bufferSelect(req, req.cmd_len, issueFlags);
    if (err) return err;
    req.cmd_len = sel.len;
    if (!accessOk(sel.addr, sel.len as u64)) return -EFAULT;
    iterUbuf(reqIter(req), sel.addr, sel.len);
    return 0;
  }
  let max = req.cmd_len;
  if (s.inq > 1) max = minNotZero(max, s.inq as u32);
  if (req.zc_flags & RECV_F_LIMIT) max = minNotZero(max, s.mshot_left);
  const nr = peek(req, max, max, true, issueFlags);
  if (nr < 0) return nr;
  if (sel.partial) req.zc_flags |= RECV_F_NO_RETRY;
  if (nr == 1) req.cmd_len = sel.len;
  return iterate(req);
}

/** Selection of a send: committed at once, it is not given back. 0 or -errno. */
export function sendSelect(req: Req, issueFlags: u32): i32 {
  const sel = bufSel(), bundle = (req.zc_flags & IORING_RECVSEND_BUNDLE) != 0;
  const nr = peek(req, minNotZero(req.cmd_len, INT_MAX), 0, bundle, issueFlags); // a legacy buffer is sent as a whole
  if (nr < 0) return nr;
  if (sel.group && sel.group.flags & GROUP_RING) commitNow(req, sel, nr);
  req.cmd_len = sel.len;
  return iterate(req);
}

/** How many buffers of the selection `len` bytes fill. */
export function bundleNbufs(req: Req, len: i32): u32 {
  const s = netState(req), it = reqIter(req);
  if (!it.iov) return 1;
  if (!it.count) return s.segs;
  let left = len > 0 ? (len as u32) : 0, n: u32 = 0;
  while (left && n < s.segs) {
    const has = kvecLen(s.kvec, n);
    left -= has < left ? has : left;
    n++;
  }
  return n;
}

/** A short receive or send goes on in the buffers it has: what it filled belongs to it alone from now on (A41). */
export function commitPartial(req: Req, group: BufGroup, len: i32): void { if (group) commit(req, group, len, bundleNbufs(req, len)); }
