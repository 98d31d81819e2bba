// FSYNC, SYNC_FILE_RANGE, FTRUNCATE, FALLOCATE, FADVISE, MADVISE: all but the cheap kinds of FADVISE are a worker's job. There
// is no disk behind a memory file, so syncing and advice come down to their checks.
//
//   uarg offset     uarg1 length     msg_flags flags or advice     cmd_len mode
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_ZERO_RANGE, FALLOC_FL_INSERT_RANGE, FADV_SEQUENTIAL, FADV_LAST } from "../abi/fcntl";
import { EAGAIN, EBADF, EFBIG, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP, ESPIPE } from "../abi/errno";
import { PAGE_SIZE } from "../abi/layout";
import { NOT_MODELLED_FORM } from "../abi/not_modelled";
import {
  IORING_FSYNC_DATASYNC, SQE_OFF_ADDR, SQE_OFF_ADDR3, SQE_OFF_BUF_INDEX, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF,
} from "../abi/uapi";
import { notModelled } from "../lib/not_modelled";
import { PROT_READ, userSpan } from "../mm/vma";
import { FILE_MEM, FILE_PIPE, FMODE_WRITE } from "../fs/file";
import { FILE_SIZE_MAX, memFileOf, memFileTruncate, memFileZero } from "../fs/memfile";
import { IO_URING_F_NONBLOCK, IOU_COMPLETE, REQ_F_FORCE_ASYNC, Req, setFail, setRes } from "./types";

const SYNC_FILE_RANGE_VALID: u32 = 7;
const FALLOC_MOVING: u32 = FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE;
const MADV_WILLNEED: u32 = 3;
const MADV_LAST: u32 = 25;

@inline function dirty(sqe: usize): bool { return load<u16>(sqe, SQE_OFF_BUF_INDEX) != 0 || load<u32>(sqe, SQE_OFF_FILE_INDEX) != 0; }

/** An error is a result like any other: the chain goes on, and CQE_SKIP_SUCCESS skips it. Only FADVISE fails. */
function done(req: Req, ret: i32): i32 {
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

export function fsyncPrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (load<u64>(sqe, SQE_OFF_ADDR) || dirty(sqe)) return -EINVAL;
  if (load<u32>(sqe, SQE_OFF_MSG_FLAGS) & ~IORING_FSYNC_DATASYNC || load<i64>(sqe, SQE_OFF_OFF) < 0) return -EINVAL;
  req.flags |= REQ_F_FORCE_ASYNC;
  return 0;
}
export function fsyncIssue(req: Req, issueFlags: u32): i32 {
  if (issueFlags & IO_URING_F_NONBLOCK) return -EAGAIN;
  return done(req, req.file.kind == FILE_MEM ? 0 : -EINVAL);
}

export function syncRangePrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (load<u64>(sqe, SQE_OFF_ADDR) || dirty(sqe)) return -EINVAL;
  req.uarg = load<u64>(sqe, SQE_OFF_OFF);
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  req.flags |= REQ_F_FORCE_ASYNC;
  return 0;
}
export function syncRangeIssue(req: Req, issueFlags: u32): i32 {
  if (issueFlags & IO_URING_F_NONBLOCK) return -EAGAIN;
  if (req.msg_flags & ~SYNC_FILE_RANGE_VALID || (req.uarg as i64) < 0) return done(req, -EINVAL);
  return done(req, req.file.kind == FILE_MEM ? 0 : -ESPIPE);
}

export function ftruncatePrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u64>(sqe, SQE_OFF_ADDR) || load<u32>(sqe, SQE_OFF_LEN) || dirty(sqe) || load<u64>(sqe, SQE_OFF_ADDR3)) return -EINVAL;
  req.uarg = load<u64>(sqe, SQE_OFF_OFF);
  req.flags |= REQ_F_FORCE_ASYNC;
  return 0;
}
export function ftruncateIssue(req: Req, issueFlags: u32): i32 {
  if (issueFlags & IO_URING_F_NONBLOCK) return -EAGAIN;
  return done(req, req.file.kind == FILE_MEM ? memFileTruncate(memFileOf(req.file), req.uarg as i64) : -EINVAL);
}

export function fallocatePrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (dirty(sqe) || load<u32>(sqe, SQE_OFF_MSG_FLAGS)) return -EINVAL;
  req.uarg = load<u64>(sqe, SQE_OFF_OFF);
  req.uarg1 = load<u64>(sqe, SQE_OFF_ADDR);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.flags |= REQ_F_FORCE_ASYNC;
  return 0;
}
export function fallocateIssue(req: Req, issueFlags: u32): i32 { return issueFlags & IO_URING_F_NONBLOCK ? -EAGAIN : done(req, fallocate(req)); }

function fallocate(req: Req): i32 {
  const mode = req.cmd_len, f = req.file, off = req.uarg as i64, len = req.uarg1 as i64;
  if (off < 0 || len <= 0) return -EINVAL;
  if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_MOVING)) return -EOPNOTSUPP;
  if (mode & FALLOC_FL_PUNCH_HOLE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) return -EOPNOTSUPP;
  if (mode & FALLOC_MOVING) return notModelled(NOT_MODELLED_FORM | req.opcode);
  if (!(f.mode & FMODE_WRITE)) return -EBADF;
  if (f.kind == FILE_PIPE) return -ESPIPE;
  if (f.kind != FILE_MEM) return -ENODEV;
  if (off + len < 0 || ((off + len) as u64) > FILE_SIZE_MAX) return -EFBIG;
  const m = memFileOf(f), end = (off + len) as u64;
  if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) memFileZero(m, off as u64, end);
  if (!(mode & FALLOC_FL_KEEP_SIZE) && end > m.size) m.size = end;
  return 0;
}

export function fadvisePrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (dirty(sqe)) return -EINVAL;
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  if (req.msg_flags > FADV_SEQUENTIAL) req.flags |= REQ_F_FORCE_ASYNC;
  return 0;
}
export function fadviseIssue(req: Req, issueFlags: u32): i32 {
  if (issueFlags & IO_URING_F_NONBLOCK && req.msg_flags > FADV_SEQUENTIAL) return -EAGAIN;
  const ret = req.file.kind == FILE_PIPE ? -ESPIPE : req.msg_flags > FADV_LAST ? -EINVAL : 0;
  if (ret < 0) setFail(req);
  return done(req, ret);
}

export function madvisePrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (dirty(sqe)) return -EINVAL;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.uarg1 = load<u64>(sqe, SQE_OFF_OFF);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  req.flags |= REQ_F_FORCE_ASYNC;
  return 0;
}
/** Only what changes nothing: reading ahead and the like. */
export function madviseIssue(req: Req, issueFlags: u32): i32 {
  if (issueFlags & IO_URING_F_NONBLOCK) return -EAGAIN;
  const len = req.uarg1 ? req.uarg1 : (req.cmd_len as u64), addr = req.cmd_addr;
  if (req.msg_flags > MADV_LAST || addr & (PAGE_SIZE - 1)) return done(req, -EINVAL);
  if (req.msg_flags > MADV_WILLNEED) return done(req, notModelled(NOT_MODELLED_FORM | req.opcode));
  if (len > (i32.MAX_VALUE as u64)) return done(req, addr + len < addr ? -EINVAL : -ENOMEM);
  return done(req, len && userSpan(addr, len as u32, PROT_READ) != (len as u32) ? -ENOMEM : 0);
}
