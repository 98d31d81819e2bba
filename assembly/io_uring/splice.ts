// SPLICE and TEE: always a worker's job, because either end may have to wait. The input may be a registered file
// (SPLICE_F_FD_IN_FIXED), apart from what IOSQE_FIXED_FILE says about the output.
//
//   req.fd, file: output   zc_flags: input descriptor   cmd_len: sqe.len   msg_flags: splice_flags
//   cmd_addr: offset of the input   uarg: offset of the output   done_io: bytes before the worker slept
//   uarg1: input File while the worker sleeps (REQ_F_NEED_CLEANUP), one reference
import { EAGAIN, EBADF, EINVAL, ERESTARTSYS } from "../abi/errno";
import { SPLICE_F_FD_IN_FIXED, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF, SQE_OFF_SPLICE_FD_IN, SQE_OFF_SPLICE_OFF_IN } from "../abi/uapi";
import { MAX_RW_COUNT } from "../abi/socket";
import { S_SLEEP_WQ, nil } from "../lib/state";
import { FD_MAX, fdSlot } from "../kernel/task";
import { File, fget, fput } from "../fs/file";
import { SPLICE_F_ALL, SPLICE_NO_OFF, splice, tee } from "../net/splice";
import { fixedFile } from "./filetable";
import { IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_CANCELLED, REQ_F_FORCE_ASYNC, REQ_F_NEED_CLEANUP, Req, setFail, setRes } from "./types";

function prepCommon(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  if (req.msg_flags & ~(SPLICE_F_FD_IN_FIXED | SPLICE_F_ALL)) return -EINVAL;
  req.zc_flags = load<u32>(sqe, SQE_OFF_SPLICE_FD_IN);
  req.flags |= REQ_F_FORCE_ASYNC;
  return 0;
}

export function splicePrep(req: Req, sqe: usize): i32 {
  req.cmd_addr = load<u64>(sqe, SQE_OFF_SPLICE_OFF_IN);
  req.uarg = load<u64>(sqe, SQE_OFF_OFF);
  return prepCommon(req, sqe);
}

export function teePrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_SPLICE_OFF_IN) || load<u64>(sqe, SQE_OFF_OFF)) return -EINVAL;
  return prepCommon(req, sqe);
}

/** The input file with a reference, or nil. A worker that slept goes on with the one it began with. */
function inputFile(req: Req): File {
  if (req.flags & REQ_F_NEED_CLEANUP) {
    req.flags &= ~REQ_F_NEED_CLEANUP;
    return changetype<File>(req.uarg1 as usize);
  }
  const fd = req.zc_flags;
  const f = req.msg_flags & SPLICE_F_FD_IN_FIXED
    ? fixedFile(req.ctx, fd)
    : fd < FD_MAX ? changetype<File>(load<u32>(fdSlot(req.task, fd)) as usize) : nil<File>();
  return f ? fget(f) : f;
}

/** It ends while its worker sleeps. */
export function spliceCleanup(req: Req): void {
  req.flags &= ~REQ_F_NEED_CLEANUP;
  fput(changetype<File>(req.uarg1 as usize));
}

export function spliceIssue(req: Req, issueFlags: u32): i32 { return transfer(req, issueFlags, false); }
export function teeIssue(req: Req, issueFlags: u32): i32 { return transfer(req, issueFlags, true); }

function transfer(req: Req, issueFlags: u32, isTee: bool): i32 {
  if (issueFlags & IO_URING_F_NONBLOCK) return -EAGAIN;
  const fin = inputFile(req);
  let ret: i32 = -EBADF;
  store<u32>(S_SLEEP_WQ, 0);
  if (fin) {
    const len = (req.cmd_len < MAX_RW_COUNT ? req.cmd_len : MAX_RW_COUNT) - req.done_io, flags = req.msg_flags & SPLICE_F_ALL;
    if (!req.cmd_len) ret = 0;
    else if (isTee) ret = tee(fin, req.file, len, flags);
    else ret = splice(fin, offset(req.cmd_addr, req.done_io), req.file, offset(req.uarg, req.done_io), len, flags, req.done_io);
    if (ret > 0) req.done_io += ret;
    if (load<u32>(S_SLEEP_WQ)) {
      if (!(req.flags & REQ_F_CANCELLED)) { // it may sleep on the input, whose descriptor can be closed meanwhile
        req.uarg1 = changetype<usize>(fin) as u64;
        req.flags |= REQ_F_NEED_CLEANUP;
        return IOU_WOULD_SLEEP;
      }
      store<u32>(S_SLEEP_WQ, 0);
      ret = -ERESTARTSYS; // as it is: nobody turns it into EINTR here
    }
    fput(fin);
  }
  if (req.done_io) ret = req.done_io as i32;
  if (ret != (req.cmd_len as i32)) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

@inline function offset(off: u64, done: u32): u64 { return off == SPLICE_NO_OFF ? off : off + (done as u64); }
