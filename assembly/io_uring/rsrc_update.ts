// RSRC_UPDATE: FILES_UPDATE of the slot era, whose ioprio says what is updated: registered files, or notification slots. An update
// of slots gives each active one of a range a new tag (0: the old one stays) and flushes it. The flushed notification keeps the tag
// that it was allocated with; the new one is the next notification's. Empty slots are passed over, tag and all: that a tag for an
// empty slot is lost is what the proposals upd_tag_first, upd_tag_always and upd_alloc_empty were about.
//
// Spec: notif-slots.md 1.3, 3.5, 6 (a)-(c).
import { EINVAL, ENOMEM, EOVERFLOW } from "../abi/errno";
import { IORING_RSRC_UPDATE_FILES, IORING_RSRC_UPDATE_NOTIF } from "../abi/notif_slots";
import { SW_UPD_ALLOC_EMPTY, SW_UPD_ALLOC_TAG, SW_UPD_TAG_ALWAYS, SW_UPD_TAG_FIRST } from "../abi/profile";
import { SQE_OFF_IOPRIO } from "../abi/uapi";
import { switchOn } from "../lib/profile";
import { flushSlot, notifSlot, slotNotif } from "./notif_slots";
import { filesUpdateIssue, filesUpdatePrep } from "./rsrc_ops";
import { IOU_COMPLETE, Req, RingCtx, setFail, setRes } from "./types";

/** msg_flags = first slot, cmd_len = how many, cmd_addr = tag, zc_flags = what. */
export function rsrcUpdatePrep(req: Req, sqe: usize): i32 {
  req.zc_flags = load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  return filesUpdatePrep(req, sqe); // the same fields for both
}

export function rsrcUpdateIssue(req: Req, issueFlags: u32): i32 {
  if (req.zc_flags == IORING_RSRC_UPDATE_FILES) return filesUpdateIssue(req);
  const ret = req.zc_flags == IORING_RSRC_UPDATE_NOTIF ? updateSlots(req.ctx, req.msg_flags, req.cmd_len, req.cmd_addr, issueFlags) : -EINVAL;
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

/** All or nothing: with one slot of the range beyond the table none is touched. */
function updateSlots(ctx: RingCtx, first: u32, nr: u32, tag: u64, issueFlags: u32): i32 {
  const end = (first as u64) + (nr as u64);
  if (end > (u32.MAX_VALUE as u64)) return -EOVERFLOW;
  if (end > (ctx.notif_slots as u64)) return -EINVAL;
  const sets = tag != 0 || switchOn(SW_UPD_TAG_ALWAYS) != 0;
  if (switchOn(SW_UPD_ALLOC_EMPTY) && !fillSlots(ctx, first, nr, tag, sets)) return -ENOMEM;
  const setsEmpty = sets && (switchOn(SW_UPD_TAG_ALWAYS) | switchOn(SW_UPD_TAG_FIRST)) != 0;
  for (let i: u32 = 0; i < nr; i++) {
    const slot = notifSlot(ctx, first + i);
    if (slot.notif ? sets : setsEmpty) slot.tag = tag;
    flushSlot(slot, issueFlags);
  }
  return 0;
}

/** upd_alloc_empty, first half: every slot becomes active. False: out of memory; those that are active stay so, none is flushed. */
function fillSlots(ctx: RingCtx, first: u32, nr: u32, tag: u64, sets: bool): bool {
  for (let i: u32 = 0; i < nr; i++) {
    const slot = notifSlot(ctx, first + i);
    if (slot.notif) continue;
    if (sets && !switchOn(SW_UPD_ALLOC_TAG)) slot.tag = tag;
    if (!slotNotif(ctx, slot, first + i)) return false;
  }
  return true;
}
