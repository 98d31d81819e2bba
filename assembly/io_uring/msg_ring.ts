// MSG_RING: a CQE, or a file of a fixed slot, for another ring. Whoever owns the target's CQ posts it: the sender itself, or,
// where only the target's task may (DEFER_TASKRUN), task work of that task. Man: io_uring_prep_msg_ring(3).
//
// Request fields used: cmd_addr = user_data, cmd_len = len, done_io = command, msg_flags = flags, zc_flags = source slot,
// buf_index = file_index, notif (as a file) = the file under way.
import { EBADF, EBADFD, EFAULT, EINVAL, ENOMEM } from "../abi/errno";
import {
  IORING_MSG_DATA, IORING_MSG_RING_CQE_SKIP, IORING_MSG_RING_FLAGS_PASS, IORING_MSG_SEND_FD, IORING_OP_MSG_RING, IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_R_DISABLED, SQE_OFF_ADDR, SQE_OFF_ADDR3, SQE_OFF_BUF_INDEX, SQE_OFF_FD, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF,
  SQE_SIZE,
} from "../abi/uapi";
import { ROW_MSG_RING } from "../abi/profile";
import { validFlags } from "../lib/profile";
import { SCRATCH_REGISTER } from "../lib/state";
import { copyFromUser } from "../mm/vma";
import { FILE_RING, File, fdFile, fget, fputLater } from "../fs/file";
import { cqCommit, postCqe } from "./cq";
import { fixedFdInstall, fixedFile } from "./filetable";
import { reqAlloc, reqFree, taskComplete } from "./req";
import { flushTimeouts } from "./timeout";
import { reqTaskWorkAdd, taskWorkAdd } from "./tw";
import { IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, REQ_F_CQE_SKIP, REQ_F_NEED_CLEANUP, Req, RingCtx, setFail, setRes } from "./types";

export function msgRingPrep(req: Req, sqe: usize): i32 {
  if (load<u32>(sqe, SQE_OFF_BUF_INDEX)) return -EINVAL; // nor a personality
  req.cmd_addr = load<u64>(sqe, SQE_OFF_OFF);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.done_io = load<u32>(sqe, SQE_OFF_ADDR);
  req.zc_flags = load<u32>(sqe, SQE_OFF_ADDR3);
  req.buf_index = load<u32>(sqe, SQE_OFF_FILE_INDEX);
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  req.nd_head = changetype<Req>(0);
  return req.msg_flags & ~validFlags(ROW_MSG_RING) ? -EINVAL : 0;
}

export function msgRing(req: Req): i32 {
  let ret: i32 = -EBADFD;
  if (req.file.kind == FILE_RING) {
    const target = changetype<RingCtx>(req.file.priv);
    if (req.done_io == IORING_MSG_DATA) ret = sendData(target, req.cmd_addr, req.cmd_len, req.msg_flags, req.buf_index, req.zc_flags);
    else if (req.done_io == IORING_MSG_SEND_FD) ret = sendFd(req, target);
    else ret = -EINVAL;
  }
  if (ret == IOU_ISSUE_SKIP_COMPLETE) return ret;
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

/** Only the target's task may post there. */
@inline function needsRemote(target: RingCtx): bool { return (target.flags & IORING_SETUP_DEFER_TASKRUN) != 0; }

function sendData(target: RingCtx, userData: u64, len: u32, flags: u32, dst: u32, src: u32): i32 {
  const pass = (flags & IORING_MSG_RING_FLAGS_PASS) != 0;
  if (src || flags & ~IORING_MSG_RING_FLAGS_PASS) return -EINVAL;
  if (!pass && dst) return -EINVAL;
  if (target.flags & IORING_SETUP_R_DISABLED) return -EBADFD;
  if (!needsRemote(target)) {
    postAux(target, userData, len as i32, pass ? dst : 0);
    return 0;
  }
  const m = reqAlloc(target); // stands for the message in the target's local work
  if (!m) return -ENOMEM;
  m.opcode = 0;
  m.flags = REQ_F_CQE_SKIP;
  m.fd = -1;
  m.user_data = userData;
  setRes(m, len as i32, pass ? dst : 0);
  reqTaskWorkAdd(m, messageArrives.index);
  return 0;
}

/** Task work of the target: the message becomes a CQE, before those of what finished in the same batch. */
function messageArrives(m: Req): void {
  const ctx = m.ctx;
  postCqe(ctx, changetype<usize>(ctx), m.user_data, m.res, m.cflags);
  ctx.cq_flush = 1;
  reqFree(m);
}

/** A CQE that is no request's: posted and published at once. */
function postAux(ctx: RingCtx, userData: u64, res: i32, cflags: u32): void {
  postCqe(ctx, changetype<usize>(ctx), userData, res, cflags);
  cqCommit(ctx);
  if (ctx.timeouts_active) flushTimeouts(ctx);
}

// Files -------------------------------------------------------------------------------------------------------------------

function sendFd(req: Req, target: RingCtx): i32 {
  if (req.cmd_len || req.ctx == target) return -EINVAL;
  if (target.flags & IORING_SETUP_R_DISABLED) return -EBADFD;
  const f = fixedFile(req.ctx, req.zc_flags);
  if (!f) return -EBADF;
  req.nd_head = changetype<Req>(fget(f));
  req.flags |= REQ_F_NEED_CLEANUP;
  if (!needsRemote(target)) return install(req, target);
  return taskWorkAdd(fileArrives.index, changetype<usize>(req)) ? IOU_ISSUE_SKIP_COMPLETE : -ENOMEM;
}

/** Task work of the target's task. */
function fileArrives(p: usize): void {
  const req = changetype<Req>(p), ret = install(req, changetype<RingCtx>(req.file.priv));
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  reqTaskWorkAdd(req, taskComplete.index);
}

/** Into the target's table, and a CQE there that says in which slot. */
function install(req: Req, target: RingCtx): i32 {
  const f = changetype<File>(req.nd_head);
  req.nd_head = changetype<Req>(0);
  const ret = fixedFdInstall(target, f, req.buf_index);
  if (ret >= 0 && !(req.msg_flags & IORING_MSG_RING_CQE_SKIP)) postAux(target, req.cmd_addr, ret, 0);
  return ret;
}

export function msgRingCleanup(req: Req): void {
  if (req.nd_head) fputLater(changetype<File>(req.nd_head));
  req.nd_head = changetype<Req>(0);
}

/** IORING_REGISTER_SEND_MSG_RING: one SQE, without a ring of the sender's. 0, EFAULT, EINVAL, EBADF, EBADFD. */
export function msgRingSync(arg: u64): i32 {
  const sqe = SCRATCH_REGISTER;
  if (copyFromUser(sqe, arg, SQE_SIZE)) return -EFAULT;
  const head = load<u16>(sqe) as u32, flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  if (head != IORING_OP_MSG_RING || load<u32>(sqe, SQE_OFF_BUF_INDEX) || flags & ~validFlags(ROW_MSG_RING)) return -EINVAL; // no SQE flags either
  if (load<u32>(sqe, SQE_OFF_ADDR) != IORING_MSG_DATA) return -EINVAL;
  const f = fdFile(load<i32>(sqe, SQE_OFF_FD));
  if (!f) return -EBADF;
  if (f.kind != FILE_RING) return -EBADFD;
  return sendData(
    changetype<RingCtx>(f.priv), load<u64>(sqe, SQE_OFF_OFF), load<u32>(sqe, SQE_OFF_LEN), flags, load<u32>(sqe, SQE_OFF_FILE_INDEX),
    load<u32>(sqe, SQE_OFF_ADDR3),
  );
}
