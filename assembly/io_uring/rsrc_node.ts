// A registered buffer. The table holds one reference, each notification (or request) that uses the buffer another; pages
// stay pinned until the last one goes, so unregistering while data is in flight is safe (spec: send-zc.md 5, bug A07).
import { PAGE_SHIFT, PAGE_SIZE, NODE_SIZE } from "../abi/layout";
import { BUG_REF_UNDERFLOW } from "../abi/bug";
import { bugOn } from "../lib/bug";
import { POOL_NODE, poolAlloc, poolFree } from "../lib/pool";
import { getPage, putPage } from "../mm/page";
import { unaccountMem } from "../kernel/task";

@unmanaged @final export class RsrcNode {
  pad: u32;
  refs: u32;
  addr: u32; // user address
  len: u32;
  acct_pages: u32; // locked pages charged, 0 = none
  acct_uid: u32;
}
if (offsetof<RsrcNode>() > NODE_SIZE) ERROR("RsrcNode does not fit its pool");

/** A node with one reference that pins every page of the range; nil when out of memory. */
export function nodeNew(addr: u32, len: u32): RsrcNode {
  const node = changetype<RsrcNode>(poolAlloc(POOL_NODE));
  if (!node) return node;
  node.refs = 1;
  node.addr = addr;
  node.len = len;
  node.acct_pages = 0;
  const end = addr + len;
  for (let p = addr & ~(PAGE_SIZE - 1); p < end; p += PAGE_SIZE) getPage(p as usize);
  return node;
}

@inline export function nodePages(addr: u32, len: u32): u32 {
  return ((addr + len + PAGE_SIZE - 1) >> PAGE_SHIFT) - (addr >> PAGE_SHIFT);
}

@inline export function nodeGet(node: RsrcNode): void { node.refs++; }

export function nodePut(p: usize): void {
  const node = changetype<RsrcNode>(p);
  bugOn(node.refs == 0, BUG_REF_UNDERFLOW, p);
  if (--node.refs) return;
  const end = node.addr + node.len;
  for (let page = node.addr & ~(PAGE_SIZE - 1); page < end; page += PAGE_SIZE) putPage(page as usize);
  if (node.acct_pages) unaccountMem(node.acct_uid, node.acct_pages);
  poolFree(POOL_NODE, p);
}
