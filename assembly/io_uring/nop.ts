// NOP, which is also how a program tries out what all requests have in common: results, files, registered buffers, task work,
// 32-byte CQEs.
//
// Request fields used: cmd_len = result, msg_flags = IORING_NOP_*, iter and iter1 = upper half of the CQE.
import { EBADF, EFAULT, EINVAL } from "../abi/errno";
import {
  IORING_CQE_F_32, IORING_NOP_CQE32, IORING_NOP_FILE, IORING_NOP_FIXED_BUFFER, IORING_NOP_FIXED_FILE, IORING_NOP_INJECT_RESULT, IORING_NOP_TW,
  IORING_SETUP_CQE32, IORING_SETUP_CQE_MIXED, SQE_OFF_ADDR, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF,
} from "../abi/uapi";
import { ROW_NOP } from "../abi/profile";
import { validFlags } from "../lib/profile";
import { resourceHold } from "./rsrc_quiesce";
import { bufNode } from "./rsrc_buffers";
import { taskComplete } from "./req";
import { assignFile } from "./submit";
import { reqTaskWorkAdd } from "./tw";
import { IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, REQ_F_BIG_CQE, REQ_F_FIXED_FILE, Req, setFail, setRes } from "./types";

/** nop_flags: INJECT_RESULT takes the result from sqe.len; unknown flags are EINVAL. Before 6.10 nobody looked at them. */
@inline export function nopPrep(req: Req, sqe: usize): i32 {
  const flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  req.cmd_len = 0;
  req.msg_flags = flags;
  return flags ? nopPrepFlags(req, sqe, flags) : 0;
}

function nopPrepFlags(req: Req, sqe: usize, flags: u32): i32 {
  const valid = validFlags(ROW_NOP);
  if (!valid) {
    req.msg_flags = 0;
    return 0;
  }
  if (flags & ~valid) return -EINVAL;
  if (flags & IORING_NOP_INJECT_RESULT) req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  if (!(flags & IORING_NOP_CQE32)) return 0;
  if (!(req.ctx.flags & (IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED))) return -EINVAL;
  req.iter = load<u64>(sqe, SQE_OFF_OFF);
  req.iter1 = load<u64>(sqe, SQE_OFF_ADDR);
  return 0;
}

@inline export function nop(req: Req): i32 {
  if (req.msg_flags & ~IORING_NOP_INJECT_RESULT) return nopSlow(req);
  const res = req.cmd_len as i32;
  if (res < 0) setFail(req);
  setRes(req, res, 0);
  return IOU_COMPLETE;
}

/** Takes the file and the buffer that it names: 0, -EBADF, -EFAULT. */
function nopResources(req: Req, flags: u32): i32 {
  if (flags & IORING_NOP_FILE) {
    if (flags & IORING_NOP_FIXED_FILE) req.flags |= REQ_F_FIXED_FILE;
    if (!req.file && !assignFile(req)) return -EBADF;
  }
  if (!(flags & IORING_NOP_FIXED_BUFFER) || req.buf_node) return 0;
  const node = bufNode(req.ctx, req.buf_index);
  if (!node) return -EFAULT;
  req.buf_node = resourceHold(req.ctx, node);
  return 0;
}

function nopSlow(req: Req): i32 {
  const flags = req.msg_flags;
  const err = nopResources(req, flags), res = err ? err : (req.cmd_len as i32);
  let cflags: u32 = 0;
  if (res < 0) setFail(req);
  if (flags & IORING_NOP_CQE32) {
    req.flags |= REQ_F_BIG_CQE;
    if (req.ctx.flags & IORING_SETUP_CQE_MIXED) cflags = IORING_CQE_F_32;
  }
  setRes(req, res, cflags);
  if (!(flags & IORING_NOP_TW)) return IOU_COMPLETE;
  reqTaskWorkAdd(req, taskComplete.index);
  return IOU_ISSUE_SKIP_COMPLETE;
}
