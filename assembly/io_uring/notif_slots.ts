// Notification slots: the zero-copy API before each request had a notification of its own. An application registers slots; sends
// name one, and all that are sent to it share its notification until somebody flushes it. Then the slot lets go, the next send gets a
// new notification, and the old one posts its CQE when the network has let go, too.
//
//   EMPTY --a send looks the slot up--> ACTIVE --flush, unregister, ring exit--> FLUSHED --last reference--> one CQE
//
// A notification has the tag that the slot had when it was allocated, and the slot's next sequence number. It is an io_kiocb like
// any other (notif.ts), so it outlives the table, and a closed ring waits for it.
//
// Spec: notif-slots.md 2, 3.1.
import { CHUNK_SIZE, SMALL_SIZE } from "../abi/layout";
import { EBUSY, EFAULT, EINVAL, ENOMEM, ENXIO } from "../abi/errno";
import {
  IORING_NOTIF_SEQ_MASK, NOTIF_REGISTER_OFF_DATA, NOTIF_REGISTER_OFF_NR_SLOTS, NOTIF_REGISTER_OFF_RESV, NOTIF_REGISTER_OFF_RESV2,
  NOTIF_REGISTER_OFF_RESV3, NOTIF_REGISTER_SIZE, NOTIF_SLOT_OFF_RESV, NOTIF_SLOT_OFF_TAG, NOTIF_SLOT_SIZE,
} from "../abi/notif_slots";
import { REF_SLOT, TR_NOTIF_SLOT, TRACE_ZC } from "../abi/trace";
import { IORING_CQE_F_NOTIF } from "../abi/uapi";
import { B_NOTIF_CQE_MARKED, B_NOTIF_POSTS, B_NOTIF_TW, L_NOTIF_SLOTS } from "../abi/profile";
import { has, limit } from "../lib/profile";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { SCRATCH_RSRC_ARG, nil } from "../lib/state";
import { trace } from "../lib/trace";
import { chunkAlloc, putPage } from "../mm/page";
import { copyFromUser } from "../mm/vma";
import { NOTIF_END_BATCH, NOTIF_END_POST, NOTIF_END_TW, allocNotif, notifDrop, reportCopied } from "./notif";
import { rsrcNodeHold } from "./rsrc_quiesce";
import { IO_URING_F_UNLOCKED, Req, RingCtx, reqUarg, setRes } from "./types";

@unmanaged @final export class NotifSlot {
  notif: Req; // nil: empty
  seq: u32; // of the next notification
  tag: u64;
}
const SLOT: u32 = 16;
if (offsetof<NotifSlot>() != SLOT) ERROR("a slot has 16 bytes");

// The table: an array of chunks, each with 2048 slots.
const CHUNK_SLOTS: u32 = CHUNK_SIZE / SLOT;
const SLOTS_MAX: u32 = 32768;
if ((SLOTS_MAX / CHUNK_SLOTS) * 4 > SMALL_SIZE) ERROR("the array does not name all chunks");

@inline function chunkAt(table: usize, c: u32): usize { return table + ((c as usize) << 2); }
@inline function chunkCount(nr: u32): u32 { return (nr + CHUNK_SLOTS - 1) / CHUNK_SLOTS; }

/** Slot `i` < ctx.notif_slots. */
export function notifSlot(ctx: RingCtx, i: u32): NotifSlot {
  const chunk = load<u32>(chunkAt(ctx.notif_table, i / CHUNK_SLOTS)) as usize;
  return changetype<NotifSlot>(chunk + ((i % CHUNK_SLOTS) as usize) * (SLOT as usize));
}

/**
 * IORING_REGISTER_NOTIFIERS: struct io_uring_notification_register at `arg`, whose size the caller says. EBUSY, EINVAL, EFAULT,
 * ENOMEM, in the order of 3.1; after an error in the array of slots there is no table again.
 */
export function registerNotifiers(ctx: RingCtx, arg: u64, size: u32): i32 {
  if (ctx.notif_table) return -EBUSY;
  if (size != NOTIF_REGISTER_SIZE) return -EINVAL;
  const p = SCRATCH_RSRC_ARG;
  if (copyFromUser(p, arg, NOTIF_REGISTER_SIZE)) return -EFAULT;
  const nr = load<u32>(p, NOTIF_REGISTER_OFF_NR_SLOTS), data = load<u64>(p, NOTIF_REGISTER_OFF_DATA);
  if (!nr || nr > limit(L_NOTIF_SLOTS)) return -EINVAL;
  if (load<u32>(p, NOTIF_REGISTER_OFF_RESV) || load<u64>(p, NOTIF_REGISTER_OFF_RESV2) | load<u64>(p, NOTIF_REGISTER_OFF_RESV3)) return -EINVAL;
  if (!tableAlloc(ctx, nr)) return -ENOMEM;
  for (let i: u32 = 0; i < nr; i++) {
    const err = readSlot(notifSlot(ctx, i), data + ((i as u64) * (NOTIF_SLOT_SIZE as u64)));
    if (!err) continue;
    tableFree(ctx);
    return err;
  }
  return 0;
}

function readSlot(slot: NotifSlot, at: u64): i32 {
  const p = SCRATCH_RSRC_ARG;
  if (copyFromUser(p, at, NOTIF_SLOT_SIZE)) return -EFAULT;
  if (load<u64>(p, NOTIF_SLOT_OFF_RESV) | load<u64>(p, NOTIF_SLOT_OFF_RESV + 8) | load<u64>(p, NOTIF_SLOT_OFF_RESV + 16)) return -EINVAL;
  slot.tag = load<u64>(p, NOTIF_SLOT_OFF_TAG);
  return 0;
}

function tableAlloc(ctx: RingCtx, nr: u32): bool {
  const table = poolAlloc(POOL_SMALL);
  if (!table) return false;
  memory.fill(table, 0, SMALL_SIZE);
  ctx.notif_table = table;
  ctx.notif_slots = nr;
  for (let c: u32 = 0, n = chunkCount(nr); c < n; c++) {
    const chunk = chunkAlloc();
    store<u32>(chunkAt(table, c), chunk as u32);
    if (!chunk) {
      tableFree(ctx);
      return false;
    }
    memory.fill(chunk, 0, CHUNK_SIZE);
  }
  return true;
}

function tableFree(ctx: RingCtx): void {
  const table = ctx.notif_table;
  for (let c: u32 = 0, n = chunkCount(ctx.notif_slots); c < n; c++) {
    const chunk = load<u32>(chunkAt(table, c)) as usize;
    if (chunk) putPage(chunk);
  }
  poolFree(POOL_SMALL, table);
  ctx.notif_table = 0;
  ctx.notif_slots = 0;
}

/** IORING_UNREGISTER_NOTIFIERS. */
export function unregisterNotifiers(ctx: RingCtx): i32 { return ctx.notif_table ? dropSlots(ctx) : -ENXIO; }

/** Flushes every slot and frees the table. What the network still holds posts its CQE later. */
export function dropSlots(ctx: RingCtx): i32 {
  if (!ctx.notif_table) return 0;
  for (let i: u32 = 0; i < ctx.notif_slots; i++) {
    const notif = notifSlot(ctx, i).notif;
    if (notif) notifDrop(notif, has(B_NOTIF_POSTS) ? NOTIF_END_POST : NOTIF_END_TW, REF_SLOT);
  }
  tableFree(ctx);
  return 0;
}

/** The notification of slot `i`, allocated if it has none; nil = ENOMEM. */
export function slotNotif(ctx: RingCtx, slot: NotifSlot, i: u32): Req {
  if (slot.notif) return slot.notif;
  const notif = slotEraNotif(ctx, i, slot.tag, slot.seq);
  if (!notif) return notif;
  slot.seq++;
  slot.notif = notif;
  return notif;
}

/** A notification of slot `i` (IORING_NOTIF_SLOTLESS: of a request) with the CQE of the era (1.5). It serves any number of requests, so none of them has to be posted before it. */
export function slotEraNotif(ctx: RingCtx, i: u32, tag: u64, seq: u32): Req {
  const notif = allocNotif(ctx, tag);
  if (!notif) return notif;
  trace(TRACE_ZC, TR_NOTIF_SLOT, changetype<usize>(reqUarg(notif)), tag, i, seq);
  if (has(B_NOTIF_CQE_MARKED)) setRes(notif, (seq & IORING_NOTIF_SEQ_MASK) as i32, IORING_CQE_F_NOTIF);
  else setRes(notif, 0, seq);
  notif.nd_main_posted = 1;
  notif.zc_report = reportCopied();
  notif.buf_node = rsrcNodeHold(ctx); // every registered resource from now on: it outlives the sends (2.8)
  return notif;
}

/** The slot lets go of its notification; with nobody else left it completes where the profile says (2.3). False: it had none. */
export function flushSlot(slot: NotifSlot, issueFlags: u32): bool {
  const notif = slot.notif;
  if (!notif) return false;
  slot.notif = nil<Req>();
  notifDrop(notif, flushEnd(issueFlags), REF_SLOT);
  return true;
}

/** A worker has no batch that the CQE could join. */
export function flushEnd(issueFlags: u32): u32 {
  if (has(B_NOTIF_TW)) return NOTIF_END_TW;
  return has(B_NOTIF_POSTS) || issueFlags & IO_URING_F_UNLOCKED ? NOTIF_END_POST : NOTIF_END_BATCH;
}
