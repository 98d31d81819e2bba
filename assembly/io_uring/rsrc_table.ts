// The table behind the registered buffers or files of a ring: a node pointer per slot, in chunks of 8192 slots, which an
// array of chunk pointers names. Limits are those of Linux: 16384 buffers, 1048576 files.
import { EINVAL, ENXIO, EOVERFLOW } from "../abi/errno";
import { ASYNC_SIZE, CHUNK_SIZE } from "../abi/layout";
import { POOL_ASYNC, poolAlloc, poolFree } from "../lib/pool";
import { chunkAlloc, putPage } from "../mm/page";
import { RsrcNode, nodePut } from "./rsrc_node";
import { resourceRemove } from "./rsrc_quiesce";

export const IORING_MAX_REG_BUFFERS: u32 = 16384;
export const IORING_MAX_FIXED_FILES: u32 = 1048576;

const SLOTS_SHIFT: u32 = 13;
const SLOTS: u32 = 1 << SLOTS_SHIFT;
if (SLOTS * 4 != CHUNK_SIZE) ERROR("a chunk has 8192 slots");
if ((IORING_MAX_FIXED_FILES >> SLOTS_SHIFT) * 4 > ASYNC_SIZE) ERROR("the array does not name all chunks");

@inline function chunkCount(nr: u32): u32 { return (nr + SLOTS - 1) >> SLOTS_SHIFT; }
@inline function chunkSlot(table: usize, c: u32): usize { return table + ((c as usize) << 2); }

/** Where slot `i` of a table is. */
@inline function slot(table: usize, i: u32): usize {
  return (load<u32>(chunkSlot(table, i >> SLOTS_SHIFT)) as usize) + (((i & (SLOTS - 1)) as usize) << 2);
}

@inline export function tableGet(table: usize, i: u32): RsrcNode { return changetype<RsrcNode>(load<u32>(slot(table, i)) as usize); }
@inline export function tableSet(table: usize, i: u32, node: RsrcNode): void { store<u32>(slot(table, i), changetype<usize>(node) as u32); }

/** An empty table of `nr` slots, 1 to IORING_MAX_FIXED_FILES; 0 = ENOMEM. */
export function tableAlloc(nr: u32): usize {
  const table = poolAlloc(POOL_ASYNC);
  if (!table) return 0;
  for (let c: u32 = 0, n = chunkCount(nr); c < n; c++) {
    const chunk = chunkAlloc();
    if (!chunk) {
      freeChunks(table, c);
      return 0;
    }
    memory.fill(chunk, 0, c + 1 < n ? CHUNK_SIZE : (nr - (c << SLOTS_SHIFT)) << 2);
    store<u32>(chunkSlot(table, c), chunk as u32);
  }
  return table;
}

function freeChunks(table: usize, n: u32): void {
  for (let c: u32 = 0; c < n; c++) putPage(load<u32>(chunkSlot(table, c)) as usize);
  poolFree(POOL_ASYNC, table);
}

/** Are slots `offset` to `offset + nr` in a table of `size` slots? 0, -ENXIO (no table), -EOVERFLOW, -EINVAL. */
export function tableRange(table: usize, size: u32, offset: u32, nr: u32): i32 {
  if (!table) return -ENXIO;
  const end = (offset as u64) + (nr as u64);
  return end > (u32.MAX_VALUE as u64) ? -EOVERFLOW : end > (size as u64) ? -EINVAL : 0;
}

/** Empties slot `i`; false if it was empty. */
export function tableReset(table: usize, i: u32): bool {
  const node = tableGet(table, i);
  if (!node) return false;
  tableSet(table, i, changetype<RsrcNode>(0));
  resourceRemove(node);
  return true;
}

/** Empties a table that nobody uses, or whose users hold what they use, its last slot first, and frees it. */
export function tableFree(table: usize, nr: u32): void {
  for (let i = nr; i > 0; i--) {
    const node = changetype<usize>(tableGet(table, i - 1));
    if (node) nodePut(node);
  }
  freeChunks(table, chunkCount(nr));
}

/** A registration that failed half-way says nothing about what it had put into the table. */
export function tableClearTags(table: usize, nr: u32): void {
  for (let i: u32 = 0; i < nr; i++) {
    const node = tableGet(table, i);
    if (node) node.tag = 0;
  }
}
