// A registered resource: a file, or a range of pinned memory. The table's slot holds one reference, each request or
// notification that uses it another; so a slot can be emptied while data is in flight, and the file stays open and the pages
// pinned until the last user is gone (spec: send-zc.md 5, bug A07). Then its tag, if it has one, is posted as a CQE. Before
// 6.13 the users hold a node of the ring instead, which is no resource (rsrc_quiesce.ts).
//
// Pinned memory has references of its own: rings that cloned a table share it.
import { NODE_SIZE, PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { BUG_REF_UNDERFLOW } from "../abi/bug";
import { bugOn } from "../lib/bug";
import { POOL_NODE, poolAlloc, poolFree } from "../lib/pool";
import { nil } from "../lib/state";
import { getPage, putPage } from "../mm/page";
import { unaccountMem } from "../kernel/task";
import { File, fputLater } from "../fs/file";
import { cqCommit, postCqe } from "./cq";
import { rsrcRetire } from "./rsrc_quiesce";
import { RingCtx } from "./types";

/** A pinned range (io_mapped_ubuf). */
@unmanaged @final export class MappedBuf {
  pad: u32;
  refs: u32; // nodes of all rings
  addr: u32; // user address
  len: u32;
  acct_pages: u32; // locked pages charged, 0 = none
  acct_uid: u32;
}
if (offsetof<MappedBuf>() > NODE_SIZE) ERROR("MappedBuf does not fit its pool");

@unmanaged @final export class RsrcNode {
  pad: u32;
  refs: u32;
  addr: u32; // of the buffer, copied from it
  len: u32;
  file: File; // nil: it is a buffer
  buf: MappedBuf;
  tag: u64; // 0 = none
  ctx: RingCtx;
  // before 6.13 (rsrc_quiesce.ts)
  round: u32; // a node of the ring: the how many-th, from 1; 0 = a resource
  next: RsrcNode; // the node that retires after this one; the resource that is released after this one
  items: RsrcNode; // resources that go when this node retires
  last_item: RsrcNode;
}
if (offsetof<RsrcNode>() > NODE_SIZE) ERROR("RsrcNode does not fit its pool");

/** A node with one reference that stands for nothing yet; nil when out of memory. */
export function nodeNew(ctx: RingCtx): RsrcNode {
  const node = changetype<RsrcNode>(poolAlloc(POOL_NODE));
  if (!node) return node;
  node.refs = 1;
  node.addr = 0;
  node.len = 0;
  node.file = nil<File>();
  node.buf = nil<MappedBuf>();
  node.tag = 0;
  node.ctx = ctx;
  node.round = 0;
  node.items = nil<RsrcNode>();
  return node;
}

/** A node with one reference that takes over a reference to `file`; nil when out of memory. */
export function fileNodeNew(ctx: RingCtx, file: File): RsrcNode {
  const node = nodeNew(ctx);
  if (node) node.file = file;
  return node;
}

/** A node with one reference, and one of its own on `buf`; nil when out of memory. */
export function bufNodeNew(ctx: RingCtx, buf: MappedBuf): RsrcNode {
  const node = nodeNew(ctx);
  if (!node) return node;
  node.addr = buf.addr;
  node.len = buf.len;
  node.buf = buf;
  buf.refs++;
  return node;
}

/** Pins every page of the range, with no reference yet; nil when out of memory. */
export function mapBuf(addr: u32, len: u32): MappedBuf {
  const buf = changetype<MappedBuf>(poolAlloc(POOL_NODE));
  if (!buf) return buf;
  buf.refs = 0;
  buf.addr = addr;
  buf.len = len;
  buf.acct_pages = 0;
  const end = addr + len;
  for (let p = addr & ~(PAGE_SIZE - 1); p < end; p += PAGE_SIZE) getPage(p as usize);
  return buf;
}

/** Unpins a range that nobody uses (any more). */
export function unmapBuf(buf: MappedBuf): void {
  const end = buf.addr + buf.len;
  for (let page = buf.addr & ~(PAGE_SIZE - 1); page < end; page += PAGE_SIZE) putPage(page as usize);
  if (buf.acct_pages) unaccountMem(buf.acct_uid, buf.acct_pages);
  poolFree(POOL_NODE, changetype<usize>(buf));
}

@inline export function bufPages(addr: u32, len: u32): u32 {
  return ((addr + len + PAGE_SIZE - 1) >> PAGE_SHIFT) - (addr >> PAGE_SHIFT);
}

@inline export function nodeGet(node: RsrcNode): void { node.refs++; }

export function nodePut(p: usize): void {
  const node = changetype<RsrcNode>(p);
  bugOn(node.refs == 0, BUG_REF_UNDERFLOW, p);
  if (--node.refs == 0) nodeRelease(node);
}

/** Nobody uses the resource any more. The tag is posted at once, also in the middle of a submission whose own CQEs are still to come. */
export function nodeRelease(node: RsrcNode): void {
  const ctx = node.ctx;
  if (node.round) {
    rsrcRetire(ctx);
    return;
  }
  if (node.tag && !ctx.dying) {
    postCqe(ctx, changetype<usize>(node), node.tag, 0, 0);
    cqCommit(ctx);
  }
  if (node.file) fputLater(node.file);
  else if (node.buf && --node.buf.refs == 0) unmapBuf(node.buf);
  poolFree(POOL_NODE, changetype<usize>(node));
}
