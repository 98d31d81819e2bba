// READ, WRITE, READV, WRITEV and their _FIXED forms, on anything that can be read or written.
//
// What can be waited for by polling (pipes, sockets, eventfds) is tried without waiting and goes back to poll; a write to a
// regular file always goes to a worker. A transfer that comes out shorter than asked for is a failure for the chain
// behind it, although its CQE tells the bytes. A failed write completes from task work, a failed read at once.
//
//   req.cmd_addr, cmd_len  sqe.addr, sqe.len       req.done_io    bytes of earlier attempts
//   req.msg_flags          rw_flags                req.zc_flags   RWS_*
import { O_NONBLOCK, RWF_HIPRI, RWF_NOWAIT } from "../abi/fcntl";
import { EAGAIN, EBADF, EBADFD, EFAULT, EINTR, EINVAL, EOPNOTSUPP } from "../abi/errno";
import { MAX_RW_COUNT, UIO_MAXIOV } from "../abi/socket";
import {
  IORING_CQE_F_MORE, IORING_OP_READ_MULTISHOT, IORING_OP_READV, IORING_OP_READV_FIXED, IORING_OP_READ_FIXED, IORING_OP_WRITE, IORING_OP_WRITEV, IORING_OP_WRITEV_FIXED,
  IORING_OP_WRITE_FIXED, IORING_SETUP_IOPOLL, SQE_OFF_ADDR, SQE_OFF_ADDR3, SQE_OFF_IOPRIO, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF, SQE_OFF_PAD2,
} from "../abi/uapi";
import { SCRATCH_RSRC, nil } from "../lib/state";
import { accessOk, copyFromUser, userReadable } from "../mm/vma";
import { ITER_BVEC, IovIter, iterUbuf, kvecBase, kvecLen } from "../mm/iov_iter";
import {
  FILE_EVENTFD, FILE_MEM, FMODE_NOWAIT, FMODE_READ, FMODE_REG, FMODE_STREAM, FMODE_WAITING_WRITE, FMODE_WRITE, File, RW_APPEND, RW_NOWAIT,
  RW_WAITS, RW_WRITE, filePoll, filePos, fileRw, fileSetPos,
} from "../fs/file";
import { memFileOf } from "../fs/memfile";
import { rwFlags } from "../fs/rwf";
import { POLLIN_MASK, POLLOUT_MASK } from "../net/sock";
import { BufGroup, bufSel, bufferSelect, doBufferSelect, putKbuf, recycleKbuf } from "./kbuf";
import { sendAlloc, sendCleanup, setupVec } from "./net";
import { reqPostCqe, taskComplete } from "./req";
import { holdBufNode, nodeCovers } from "./rsrc_buffers";
import { RsrcNode } from "./rsrc_node";
import { reqTaskWorkAdd } from "./tw";
import {
  IO_URING_F_MULTISHOT, IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, IOU_WOULD_SLEEP, REQ_F_APOLL_MULTISHOT, REQ_F_BUFFERS_COMMIT, REQ_F_BUFFER_SELECT, REQ_F_CANCELLED, REQ_F_NOWAIT, Req, reqIter, setFail,
  setRes,
} from "./types";

// req.zc_flags
const RWS_CUR_POS: u32 = 1; // goes by the file's position
const RWS_IMPORTED: u32 = 2; // the iterator is set up
const RWS_STARTED: u32 = 4; // the position is decided
const RWS_PI: u32 = 8; // wants protection information

/** The position, in a field that only notifications use otherwise. */
@inline function rwPos(req: Req): u64 { return req.uarg; }
@inline function setRwPos(req: Req, pos: u64): void { req.uarg = pos; }

const IOPRIO_CLASS_MAX: u32 = 3; // IOPRIO_CLASS_IDLE
const ATTR_FLAG_PI: u64 = 1;
const PI_ATTR_SIZE: u32 = 32;

@inline function isFixed(op: u32): bool {
  return op == IORING_OP_READ_FIXED || op == IORING_OP_WRITE_FIXED || op == IORING_OP_READV_FIXED || op == IORING_OP_WRITEV_FIXED;
}
@inline function isVector(op: u32): bool {
  return op == IORING_OP_READV || op == IORING_OP_WRITEV || op == IORING_OP_READV_FIXED || op == IORING_OP_WRITEV_FIXED;
}
@inline function isWrite(op: u32): bool {
  return op == IORING_OP_WRITE || op == IORING_OP_WRITEV || op == IORING_OP_WRITE_FIXED || op == IORING_OP_WRITEV_FIXED;
}

export function rwPrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  req.zc_flags = 0;
  const ioprio = load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  if (ioprio && !ioprioOk(ioprio)) return -EINVAL;
  setRwPos(req, load<u64>(sqe, SQE_OFF_OFF));
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  const attr = load<u64>(sqe, SQE_OFF_PAD2);
  if (attr) {
    if (attr != ATTR_FLAG_PI) return -EINVAL;
    if (userReadable(load<u64>(sqe, SQE_OFF_ADDR3), PI_ATTR_SIZE)) return -EFAULT;
    req.zc_flags |= RWS_PI;
  }
  if (req.flags & REQ_F_BUFFER_SELECT) return prepSelect(req);
  return isVector(req.opcode) ? prepVector(req) : isFixed(req.opcode) ? 0 : prepRange(req);
}

/** The buffer comes with the data. A vector must have one segment, of which only the length counts. */
function prepSelect(req: Req): i32 {
  if (req.opcode == IORING_OP_READ_MULTISHOT) {
    if (req.cmd_addr || req.cmd_len) return -EINVAL;
    req.flags |= REQ_F_APOLL_MULTISHOT;
    return 0;
  }
  if (req.opcode != IORING_OP_READV) return 0;
  if (req.cmd_len != 1) return -EINVAL;
  if (copyFromUser(SCRATCH_RSRC, req.cmd_addr, 16)) return -EFAULT;
  req.cmd_len = load<u32>(SCRATCH_RSRC, 8);
  return 0;
}

/** Takes a buffer of the request's group. 0 and bufSel(), -ENOBUFS, -EFAULT. */
function importSelected(req: Req, issueFlags: u32): i32 {
  const err = bufferSelect(req, req.cmd_len, issueFlags);
  if (err) return err;
  const sel = bufSel(), len = sel.len < MAX_RW_COUNT ? sel.len : MAX_RW_COUNT;
  req.cmd_len = sel.len; // and is not asked for more if it has to take another one
  if (!accessOk(sel.addr, len as u64)) return -EFAULT;
  iterUbuf(reqIter(req), sel.addr, len);
  req.zc_flags |= RWS_IMPORTED;
  return 0;
}

/** ioprio_check_cap(): a class that exists; the lowest bits of none must be 0 as well. */
function ioprioOk(ioprio: u32): bool {
  const cls = ioprio >> 13;
  return cls == 0 ? (ioprio & 7) == 0 : cls <= IOPRIO_CLASS_MAX;
}

function prepRange(req: Req): i32 {
  let len = req.cmd_len;
  if (len > MAX_RW_COUNT) len = MAX_RW_COUNT;
  if (!accessOk(req.cmd_addr, len as u64)) return -EFAULT;
  iterUbuf(reqIter(req), req.cmd_addr, len);
  req.zc_flags |= RWS_IMPORTED;
  return 0;
}

function prepVector(req: Req): i32 {
  if (req.cmd_len > UIO_MAXIOV) return -EINVAL;
  if (!sendAlloc(req)) return -EAGAIN;
  const err = setupVec(req, req.cmd_addr, req.cmd_len as u64);
  if (err) return err;
  if (!isFixed(req.opcode)) req.zc_flags |= RWS_IMPORTED;
  return 0;
}

/** Looks the registered buffer up; it is held until the request is freed. 0 or -EFAULT. */
function importFixed(req: Req): i32 {
  const node = holdBufNode(req, req.ctx, req.buf_index), it = reqIter(req);
  if (!node) return -EFAULT;
  if (isVector(req.opcode)) {
    const err = coversVector(node, it);
    if (err) return err;
  } else {
    if (req.cmd_len > MAX_RW_COUNT || !nodeCovers(node, req.cmd_addr, req.cmd_len as u64)) return -EFAULT;
    iterUbuf(it, req.cmd_addr, req.cmd_len);
  }
  it.kind = ITER_BVEC;
  req.zc_flags |= RWS_IMPORTED;
  return 0;
}

function coversVector(node: RsrcNode, it: IovIter): i32 {
  if (!it.iov) return nodeCovers(node, it.base, it.count as u64) ? 0 : -EFAULT;
  for (let i: u32 = 0; i < it.nr_segs; i++) {
    const len = kvecLen(it.iov, i);
    if (!len || !nodeCovers(node, kvecBase(it.iov, i), len as u64)) return -EFAULT;
  }
  return 0;
}

/** RW_* flags of this attempt, or the -errno that ends the request. */
function initFile(req: Req, write: u32): i32 {
  const f = req.file;
  if (!(f.mode & (write ? FMODE_WRITE : FMODE_READ))) return -EBADF;
  const flags = rwFlags(f, req.msg_flags, write);
  if (flags < 0) return flags;
  if (req.msg_flags & RWF_NOWAIT || (f.flags & O_NONBLOCK && !(f.mode & FMODE_NOWAIT))) req.flags |= REQ_F_NOWAIT;
  if (req.ctx.flags & IORING_SETUP_IOPOLL) return -EOPNOTSUPP; // no file here can be polled for completions
  if (req.msg_flags & RWF_HIPRI) return -EINVAL;
  return req.zc_flags & RWS_PI ? -EINVAL : flags;
}

/** May it be tried without waiting? */
function supportsNowait(f: File, mask: u32): bool {
  if (f.mode & FMODE_NOWAIT) return true;
  return f.wq != 0 && (f.flags & O_NONBLOCK || (filePoll(f) & mask) != 0);
}

/** Decides the position at the first attempt. 0 or -EINVAL. */
function startPos(req: Req, count: u32): i32 {
  if (!(req.zc_flags & RWS_STARTED)) {
    req.zc_flags |= RWS_STARTED;
    if (rwPos(req) == u64.MAX_VALUE) {
      if (!(req.file.mode & FMODE_STREAM)) req.zc_flags |= RWS_CUR_POS;
      setRwPos(req, filePos(req.file));
    }
  }
  const pos = rwPos(req) as i64;
  return pos < 0 || pos + (count as i64) < 0 ? -EINVAL : 0;
}

export function rwIssue(req: Req, issueFlags: u32): i32 {
  if (!(req.flags & REQ_F_BUFFER_SELECT)) return issue(req, issueFlags, nil<BufGroup>());
  let group = nil<BufGroup>();
  if (doBufferSelect(req)) {
    const err = importSelected(req, issueFlags);
    group = bufSel().group;
    if (err) return err == -EFAULT && req.flags & REQ_F_BUFFERS_COMMIT ? drop(req, group, err) : err;
  }
  const ret = issue(req, issueFlags, group);
  if (ret == IOU_COMPLETE || ret == IOU_WOULD_SLEEP) return ret;
  // A buffer of a legacy group stays with the request: for the next attempt, or lost and named in its CQE.
  return req.flags & REQ_F_BUFFERS_COMMIT ? drop(req, group, ret) : ret;
}

function drop(req: Req, group: BufGroup, ret: i32): i32 {
  recycleKbuf(req, group);
  return ret;
}

/**
 * READ_MULTISHOT: reads at each event for as long as the file is ready, and ends when it fails, the file ends or no buffer is there. The
 * first issue reads once and leaves the rest to the poll it arms.
 */
export function readMultishotIssue(req: Req, issueFlags: u32): i32 {
  if (!req.file.wq) return -EBADFD;
  do {
    let group = nil<BufGroup>(), ret: i32 = 0;
    if (doBufferSelect(req)) {
      ret = importSelected(req, issueFlags);
      group = bufSel().group;
    }
    if (!ret) ret = attempt(req, issueFlags);
    if (ret == -EAGAIN) {
      req.cmd_len = 0; // the next buffer may be longer
      recycleKbuf(req, group);
      if (!(req.file.mode & FMODE_NOWAIT)) req.flags &= ~REQ_F_APOLL_MULTISHOT;
      return -EAGAIN;
    }
    let cflags: u32 = 0;
    if (ret <= 0) {
      recycleKbuf(req, group);
      if (ret < 0) setFail(req);
    } else {
      cflags = putKbuf(req, ret, group);
    }
    req.cmd_len = 0;
    if (ret <= 0 || !(req.flags & REQ_F_APOLL_MULTISHOT) || !reqPostCqe(req, ret, cflags | IORING_CQE_F_MORE)) {
      setRes(req, ret, cflags);
      return IOU_COMPLETE;
    }
  } while (issueFlags & IO_URING_F_MULTISHOT && filePoll(req.file) & POLLIN_MASK);
  return -EAGAIN;
}

/** One read without waiting: bytes or -errno. */
function attempt(req: Req, issueFlags: u32): i32 {
  const flags = initFile(req, 0), it = reqIter(req);
  if (flags < 0) return flags;
  if (issueFlags & IO_URING_F_NONBLOCK && !supportsNowait(req.file, POLLIN_MASK)) return -EAGAIN;
  const err = startPos(req, it.count);
  return err ? err : fileRw(req.file, it, rwPos(req), flags);
}

function issue(req: Req, issueFlags: u32, group: BufGroup): i32 {
  const write = isWrite(req.opcode) ? RW_WRITE : 0, nonblock = (issueFlags & IO_URING_F_NONBLOCK) != 0, f = req.file, it = reqIter(req);
  let err = req.zc_flags & RWS_IMPORTED ? 0 : importFixed(req);
  if (err) return err;
  const flags = initFile(req, write);
  if (flags < 0) return flags;
  const want = it.count;
  if (nonblock) {
    if (!supportsNowait(f, write ? POLLOUT_MASK : POLLIN_MASK)) return -EAGAIN;
    if (write && (f.mode & FMODE_REG || (f.mode & FMODE_WAITING_WRITE && !(f.flags & O_NONBLOCK)))) return -EAGAIN;
  }
  err = startPos(req, want);
  if (err) return err;
  const waits = !nonblock && !(req.flags & REQ_F_NOWAIT) && !(f.flags & O_NONBLOCK) ? RW_WAITS : 0;
  // An eventfd is written segment by segment, and nothing at all when there is none.
  const ret = write && !want && f.kind == FILE_EVENTFD ? 0 : fileRw(f, it, rwPos(req), flags | waits);
  if (ret == -EAGAIN && !(write && req.flags & REQ_F_NOWAIT)) {
    if (nonblock || req.flags & REQ_F_NOWAIT) return -EAGAIN;
    if (!(f.flags & O_NONBLOCK)) return sleepOrEnd(req);
  }
  if (ret < 0) return write ? failLater(req, ret) : ret;
  if (write && !nonblock && (ret as u32) < want && !(f.flags & O_NONBLOCK) && !(flags & RW_NOWAIT) && f.wq && f.kind != FILE_EVENTFD) {
    req.done_io += ret; // a worker writes everything
    return sleepOrEnd(req);
  }
  return rwDone(req, ret, want, flags, group);
}

function rwDone(req: Req, ret: i32, want: u32, flags: u32, group: BufGroup): i32 {
  if (req.zc_flags & RWS_CUR_POS && req.file.kind == FILE_MEM) fileSetPos(req.file, flags & RW_APPEND ? memFileOf(req.file).size : rwPos(req) + (ret as u64));
  if ((ret as u32) != want) setFail(req);
  setRes(req, ret + (req.done_io as i32), req.flags & REQ_F_BUFFER_SELECT ? putKbuf(req, ret, group) : 0);
  return IOU_COMPLETE;
}

/** The worker goes to sleep, unless a cancellation has interrupted it. */
function sleepOrEnd(req: Req): i32 {
  if (!(req.flags & REQ_F_CANCELLED)) return IOU_WOULD_SLEEP;
  setFail(req);
  setRes(req, req.done_io ? (req.done_io as i32) : -EINTR, 0);
  return IOU_COMPLETE;
}

/** A write's error is the file's own completion, and comes by task work. */
function failLater(req: Req, err: i32): i32 {
  setFail(req);
  setRes(req, req.done_io ? (req.done_io as i32) : err, 0);
  reqTaskWorkAdd(req, taskComplete.index);
  return IOU_ISSUE_SKIP_COMPLETE;
}

/** The fail hook: what was transferred before counts. */
export function rwFail(req: Req): void {
  if (req.done_io) req.res = req.done_io as i32;
}

export function rwCleanup(req: Req): void { sendCleanup(req); }
