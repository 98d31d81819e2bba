// ASYNC_CANCEL: only what waits can be cancelled, i.e. armed polls, timeouts and requests queued in io-wq. A request whose
// CQE is posted is gone (ENOENT), and a notification cannot be cancelled at all. Spec: send-zc.md 2.9.
import { EALREADY, EBADF, EINVAL, ENOENT } from "../abi/errno";
import {
  IORING_ASYNC_CANCEL_ALL, IORING_ASYNC_CANCEL_ANY, IORING_ASYNC_CANCEL_FD, IORING_ASYNC_CANCEL_FD_FIXED, IORING_ASYNC_CANCEL_OP,
  IORING_ASYNC_CANCEL_USERDATA, SQE_OFF_ADDR, SQE_OFF_CANCEL_FLAGS, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_OFF,
} from "../abi/uapi";
import { TR_IO_URING_CANCEL, TRACE_RING } from "../abi/trace";
import { trace } from "../lib/trace";
import { FD_MAX, fdSlot } from "../kernel/task";
import { iowqCancel, iowqInterrupt, iowqRunning } from "./iowq";
import { pollCancel } from "./poll";
import { fixedFile } from "./rsrc";
import { timeoutCancel } from "./timeout";
import { CANCEL_IOWQ, CANCEL_LTIMEOUT, CANCEL_POLL, CANCEL_RUNNING, CANCEL_TIMEOUT, IOU_COMPLETE, REQ_F_BUFFER_SELECT, REQ_F_FIXED_FILE, Req, RingCtx, setFail, setRes } from "./types";

export const CANCEL_FLAG_USERDATA: u32 = IORING_ASYNC_CANCEL_USERDATA;
const CANCEL_FLAGS: u32 = 0x3f;

export function asyncCancelPrep(req: Req, sqe: usize): i32 {
  if (req.flags & REQ_F_BUFFER_SELECT) return -EINVAL;
  if (load<u64>(sqe, SQE_OFF_OFF) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_CANCEL_FLAGS);
  if (flags & ~CANCEL_FLAGS) return -EINVAL;
  if (flags & IORING_ASYNC_CANCEL_ANY && flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP)) return -EINVAL;
  req.msg_flags = flags;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  return 0;
}

export function asyncCancel(req: Req): i32 {
  const flags = req.msg_flags;
  let ret: i32, file: usize = 0;
  if (flags & IORING_ASYNC_CANCEL_FD) {
    const fd = req.fd as u32;
    file = req.flags & REQ_F_FIXED_FILE || flags & IORING_ASYNC_CANCEL_FD_FIXED
      ? changetype<usize>(fixedFile(req.ctx, fd))
      : fd < FD_MAX ? load<u32>(fdSlot(req.task, fd)) as usize : 0;
  }
  if (flags & IORING_ASYNC_CANCEL_FD && !file) {
    ret = -EBADF;
  } else if (flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY)) {
    ret = 0; // how many were cancelled
    req.ctx.cancel_seq++;
    while (tryCancel(req.ctx, flags, req.cmd_addr, file, req.cmd_len) == 0) ret++;
    if (runningMatches(req.ctx, flags, req.cmd_addr, file, req.cmd_len)) ret++;
  } else {
    ret = tryCancel(req.ctx, flags, req.cmd_addr, file, req.cmd_len);
    if (ret == -ENOENT && runningMatches(req.ctx, flags, req.cmd_addr, file, req.cmd_len)) ret = -EALREADY;
  }
  trace(TRACE_RING, TR_IO_URING_CANCEL, changetype<usize>(req), req.cmd_addr, ret as u32, 0);
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

@inline function matches(req: Req, flags: u32, data: u64, file: usize, opcode: u32): bool {
  if (flags & IORING_ASYNC_CANCEL_ANY) return true;
  if (flags & IORING_ASYNC_CANCEL_FD && changetype<usize>(req.file) != file) return false;
  if (flags & IORING_ASYNC_CANCEL_OP && req.opcode != opcode) return false;
  const byData = (flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP)) == 0 || (flags & IORING_ASYNC_CANCEL_USERDATA) != 0;
  return !byData || req.user_data == data;
}

/**
 * Is a worker just running a match? It is too late for that one (it may be the cancel request itself), but a worker that
 * sleeps is interrupted.
 */
function runningMatches(ctx: RingCtx, flags: u32, data: u64, file: usize, opcode: u32): bool {
  if (cancelKind(ctx, CANCEL_RUNNING, flags, data, file, opcode)) return true;
  const running = iowqRunning();
  return running != changetype<Req>(0) && matches(running, flags, data, file, opcode);
}

/** Cancels the first match, looking at io-wq, then polls, then timeouts: 0 or -ENOENT. */
export function tryCancel(ctx: RingCtx, flags: u32, data: u64, file: usize, opcode: u32): i32 {
  if (cancelKind(ctx, CANCEL_IOWQ, flags, data, file, opcode)) return 0;
  if (cancelKind(ctx, CANCEL_POLL, flags, data, file, opcode)) return 0;
  if (!(flags & IORING_ASYNC_CANCEL_FD) && cancelKind(ctx, CANCEL_TIMEOUT, flags, data, file, opcode)) return 0;
  return -ENOENT;
}

function cancelKind(ctx: RingCtx, kind: u32, flags: u32, data: u64, file: usize, opcode: u32): bool {
  for (let req = ctx.cancel_first; req; req = req.cancel_next) {
    if (req.on_cancel != kind || !matches(req, flags, data, file, opcode)) continue;
    if (flags & (IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY)) { // each once per cancellation
      if (req.cancel_seq == ctx.cancel_seq) continue;
      req.cancel_seq = ctx.cancel_seq;
    }
    cancelOne(req);
    return true;
  }
  return false;
}

function cancelOne(req: Req): void {
  switch (req.on_cancel) {
    case CANCEL_IOWQ: iowqCancel(req); return;
    case CANCEL_POLL: pollCancel(req); return;
    case CANCEL_RUNNING: iowqInterrupt(req); return;
    case CANCEL_TIMEOUT: timeoutCancel(req); return;
  }
}

/** Everything that can be cancelled is (ring exit). */
export function cancelAll(ctx: RingCtx): void {
  ctx.cancel_seq++;
  let req = ctx.cancel_first;
  while (req) { // one may take others off the list: look from the start again
    if (req.on_cancel == CANCEL_LTIMEOUT || req.cancel_seq == ctx.cancel_seq) {
      req = req.cancel_next;
      continue;
    }
    req.cancel_seq = ctx.cancel_seq;
    cancelOne(req);
    req = ctx.cancel_first;
  }
}
