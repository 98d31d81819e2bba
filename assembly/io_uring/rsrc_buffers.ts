// Registering buffers: io_uring_register(2) BUFFERS, BUFFERS2, BUFFERS_UPDATE, and the lookups that requests make.
// spec: send-zc.md 2.2 D5, 5.
import { PAGE_SIZE } from "../abi/layout";
import { EBUSY, EFAULT, EINVAL, ENOMEM, ENXIO, EOVERFLOW } from "../abi/errno";
import { SCRATCH_RSRC, nil } from "../lib/state";
import { copyFromUser, userWritable } from "../mm/vma";
import { accountMem } from "../kernel/task";
import { RsrcNode, bufNodeNew, bufPages, mapBuf, unmapBuf } from "./rsrc_node";
import { resourceHold, rsrcQuiesce } from "./rsrc_quiesce";
import { IORING_MAX_REG_BUFFERS, tableAlloc, tableClearTags, tableFree, tableGet, tableRange, tableReset, tableSet } from "./rsrc_table";
import { Req, RingCtx } from "./types";

const IOVEC: u32 = 16;
const BUF_MAX: u64 = 1 << 30;
/** In SCRATCH_RSRC: a struct iovec, then the tag. */
const TAG: usize = 16;

/** The node of slot `index`, or nil (empty, out of range, no table). */
@inline export function bufNode(ctx: RingCtx, index: u32): RsrcNode {
  return index < ctx.buf_nr ? tableGet(ctx.buf_table, index) : nil<RsrcNode>();
}

/** The same for a request's buf_index; `holder` (the request, or its notification) keeps the buffer until it is freed. */
export function holdBufNode(holder: Req, ctx: RingCtx, index: u32): RsrcNode {
  const node = bufNode(ctx, index);
  if (!node) return node;
  if (!holder.buf_node) holder.buf_node = resourceHold(ctx, node);
  return node;
}

/** Is [addr, addr + len) inside the registered buffer? */
@inline export function nodeCovers(node: RsrcNode, addr: u64, len: u64): bool {
  return addr >= (node.addr as u64) && len <= (node.len as u64) && addr - (node.addr as u64) <= (node.len as u64) - len;
}

/**
 * `nr` iovecs at `iovs`, or none for an empty table, with tags (u64) at `tags` if that is not 0. {NULL, 0} leaves a slot empty.
 * EBUSY, EINVAL, ENOMEM, EFAULT, EOVERFLOW.
 */
export function registerBuffers(ctx: RingCtx, iovs: u64, nr: u32, tags: u64): i32 {
  if (ctx.buf_table) return -EBUSY;
  if (!nr || nr > IORING_MAX_REG_BUFFERS) return -EINVAL;
  const table = tableAlloc(nr);
  if (!table) return -ENOMEM;
  ctx.buf_table = table;
  ctx.buf_nr = nr;
  for (let i: u32 = 0; i < nr; i++) {
    const node = importBuffer(ctx, iovs ? iovs + ((i * IOVEC) as u64) : 0, tags, i);
    if (node >= 0) {
      tableSet(table, i, changetype<RsrcNode>(node as usize));
      continue;
    }
    tableClearTags(table, nr);
    dropBuffers(ctx);
    return node;
  }
  return 0;
}

/** The node for the iovec at `at` (0 = an empty one) with tag `n` as its address, 0 for an empty slot, or -errno. */
function importBuffer(ctx: RingCtx, at: u64, tags: u64, n: u32): i32 {
  const p = SCRATCH_RSRC;
  memory.fill(p, 0, IOVEC + 8);
  if (at && copyFromUser(p, at, IOVEC)) return -EFAULT;
  if (tags && copyFromUser(p + TAG, tags + ((n as u64) << 3), 8)) return -EFAULT;
  const base = load<u64>(p), len = load<u64>(p, 8), tag = load<u64>(p, TAG);
  if (!base) return len ? -EFAULT : tag ? -EINVAL : 0;
  const node = pinBuffer(ctx, base, len);
  if (node > 0) changetype<RsrcNode>(node as usize).tag = tag;
  return node;
}

function pinBuffer(ctx: RingCtx, base: u64, len: u64): i32 {
  if (!len || len > BUF_MAX) return -EFAULT;
  if (base + len + PAGE_SIZE < base) return -EOVERFLOW;
  if (userWritable(base, len as u32)) return -EFAULT; // pinned for writing, too
  const pages = bufPages(base as u32, len as u32);
  if (ctx.acct && accountMem(ctx.task, pages)) return -ENOMEM;
  const buf = mapBuf(base as u32, len as u32);
  if (!buf) return -ENOMEM;
  if (ctx.acct) {
    buf.acct_pages = pages;
    buf.acct_uid = ctx.acct_uid;
  }
  const node = bufNodeNew(ctx, buf);
  if (node) return changetype<usize>(node) as i32;
  unmapBuf(buf);
  return -ENOMEM;
}

/**
 * Empties the table at once; buffers in use live on in the notifications that hold them. Before 6.13 it waits for those first,
 * and for all other users of the ring's resources. ENXIO without a table.
 */
export function unregisterBuffers(ctx: RingCtx): i32 {
  if (!ctx.buf_table) return -ENXIO;
  const nr = ctx.buf_nr;
  ctx.buf_nr = 0; // no new users while it waits
  const err = rsrcQuiesce(ctx);
  ctx.buf_nr = nr;
  return err ? err : dropBuffers(ctx);
}

/** Without waiting: a registration that failed, the end of the ring. */
export function dropBuffers(ctx: RingCtx): i32 {
  if (!ctx.buf_table) return -ENXIO;
  const table = ctx.buf_table, nr = ctx.buf_nr;
  ctx.buf_table = 0;
  ctx.buf_nr = 0;
  tableFree(table, nr);
  return 0;
}

/**
 * Slots `offset` to `offset + nr` get new buffers, or none for {NULL, 0}. A slot keeps what it has if its new buffer is no
 * good. How many were done before one failed, or the errno if it was the first.
 */
export function updateBuffers(ctx: RingCtx, offset: u32, iovs: u64, nr: u32, tags: u64): i32 {
  const bad = tableRange(ctx.buf_table, ctx.buf_nr, offset, nr);
  if (bad) return bad;
  for (let done: u32 = 0; done < nr; done++) {
    // An array at address 0 is no empty one here: its entries are read, and cannot be.
    const node = iovs ? importBuffer(ctx, iovs + ((done * IOVEC) as u64), tags, done) : -EFAULT;
    if (node < 0) return done ? (done as i32) : node;
    tableReset(ctx.buf_table, offset + done);
    tableSet(ctx.buf_table, offset + done, changetype<RsrcNode>(node as usize));
  }
  return nr as i32;
}
