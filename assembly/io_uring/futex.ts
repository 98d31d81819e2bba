// FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAITV. A waiting request holds no worker: who wakes it queues its completion as task work.
//
//   cmd_addr  futex or vector      uarg  value      uarg1  mask      msg_flags  FUTEX2_*      zc_flags  its first FutexQ
// (FUTEX_WAITV before its issue: the chunk with the copied vector)
import { FUTEX2_SIZE_MASK, FUTEX2_SIZE_U32, FUTEX_WAITV_MAX } from "../abi/futex";
import { ECANCELED, EFAULT, EINVAL, ENOMEM } from "../abi/errno";
import {
  SQE_OFF_ADDR, SQE_OFF_ADDR3, SQE_OFF_BUF_INDEX, SQE_OFF_FD, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF,
} from "../abi/uapi";
import { nil } from "../lib/state";
import { chunkAlloc, putPage } from "../mm/page";
import { copyFromUser } from "../mm/vma";
import { FUTEX2_VALID, FutexQ, futexFree, futexKey, futexQueue, futexWake } from "../kernel/futex";
import { CANCEL_FUTEX, cancelListAddFront, cancelListDel } from "./cancel_list";
import { taskComplete } from "./req";
import { reqTaskWorkAdd } from "./tw";
import { IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, REQ_F_NEED_CLEANUP, Req, setFail, setRes } from "./types";

/** struct futex_waitv: u64 val, u64 uaddr, u32 flags, u32 reserved. */
const WAITV_SIZE: u32 = 24;

/** Flags of one futex: 0, -EINVAL. Only 32-bit futexes exist. */
function checkFlags(flags: u32): i32 {
  return flags & ~FUTEX2_VALID || (flags & FUTEX2_SIZE_MASK) != FUTEX2_SIZE_U32 ? -EINVAL : 0;
}

export function futexPrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  req.zc_flags = 0;
  if (load<u32>(sqe, SQE_OFF_LEN) || load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.uarg = load<u64>(sqe, SQE_OFF_OFF);
  req.uarg1 = load<u64>(sqe, SQE_OFF_ADDR3);
  req.msg_flags = load<u32>(sqe, SQE_OFF_FD);
  const err = checkFlags(req.msg_flags);
  if (err) return err;
  return (req.uarg | req.uarg1) >> 32 ? -EINVAL : 0;
}

/** The result of an issue that ends the request. */
function done(req: Req, ret: i32): i32 {
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

export function futexWaitIssue(req: Req): i32 {
  if (!(req.uarg1 as u32)) return done(req, -EINVAL);
  const q = futexQueue(req.cmd_addr, req.msg_flags, req.uarg as u32, req.uarg1 as u32, reqWake.index, changetype<usize>(req));
  if (q < 0) return done(req, q);
  req.zc_flags = q;
  cancelListAddFront(req, CANCEL_FUTEX);
  return IOU_ISSUE_SKIP_COMPLETE;
}

export function futexWakeIssue(req: Req): i32 {
  const nr = req.uarg as i32, mask = req.uarg1 as u32, flags = req.msg_flags;
  if (nr || !mask) return done(req, futexWake(req.cmd_addr, flags, nr, mask));
  return done(req, futexKey(req.cmd_addr, flags)); // none wanted: none woken
}

/** FutexQ.wake: the request is done; of several futexes the one that woke it is told. */
function reqWake(q: FutexQ): void {
  const req = changetype<Req>(q.owner);
  setRes(req, q.index, 0);
  finish(req);
}

function finish(req: Req): void {
  cancelListDel(req);
  freeQueues(req);
  reqTaskWorkAdd(req, taskComplete.index);
}

function freeQueues(req: Req): void {
  let q = changetype<FutexQ>(req.zc_flags as usize);
  req.zc_flags = 0;
  while (q) {
    const next = q.sibling;
    futexFree(q);
    q = next;
  }
}

/** A cancellation takes it off its futexes, and is no failure to its chain. */
export function futexCancel(req: Req): void {
  setRes(req, -ECANCELED, 0);
  finish(req);
}

/** The vector is copied once, at prep, to a chunk that lasts until the issue. */
export function futexWaitvPrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  req.zc_flags = 0;
  if (load<u32>(sqe, SQE_OFF_FD) || load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_FILE_INDEX) || load<u64>(sqe, SQE_OFF_OFF)
    || load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u64>(sqe, SQE_OFF_ADDR3)) return -EINVAL;
  const addr = load<u64>(sqe, SQE_OFF_ADDR), nr = load<u32>(sqe, SQE_OFF_LEN);
  if (!nr || nr > FUTEX_WAITV_MAX) return -EINVAL;
  const chunk = chunkAlloc();
  if (!chunk) return -ENOMEM;
  req.zc_flags = chunk as u32;
  req.cmd_len = nr;
  req.flags |= REQ_F_NEED_CLEANUP;
  for (let i: u32 = 0; i < nr; i++) {
    const e = chunk + ((i * WAITV_SIZE) as usize);
    if (copyFromUser(e, addr + (i as u64) * (WAITV_SIZE as u64), WAITV_SIZE)) return -EFAULT;
    if (load<u32>(e, 20)) return -EINVAL;
    const err = checkFlags(load<u32>(e, 16));
    if (err) return err;
    if (load<u64>(e) >> 32) return -EINVAL;
  }
  return 0;
}

/** The vector goes: it has been issued, or never will be. */
export function futexCleanup(req: Req): void {
  if (req.zc_flags) putPage(req.zc_flags as usize);
  req.zc_flags = 0;
  req.flags &= ~REQ_F_NEED_CLEANUP;
}

export function futexWaitvIssue(req: Req): i32 {
  const vec = req.zc_flags as usize, nr = req.cmd_len;
  let ret: i32 = 0, first = nil<FutexQ>(), last = first;
  for (let i: u32 = 0; i < nr && !ret; i++) {
    const e = vec + ((i * WAITV_SIZE) as usize);
    ret = futexKey(load<u64>(e, 8), load<u32>(e, 16));
  }
  for (let i: u32 = 0; i < nr && !ret; i++) {
    const e = vec + ((i * WAITV_SIZE) as usize);
    const made = futexQueue(load<u64>(e, 8), load<u32>(e, 16), load<u32>(e), u32.MAX_VALUE, reqWake.index, changetype<usize>(req));
    if (made < 0) {
      ret = made;
      break;
    }
    const q = changetype<FutexQ>(made as usize);
    q.index = i;
    if (last) last.sibling = q;
    else first = q;
    last = q;
  }
  futexCleanup(req);
  req.zc_flags = changetype<usize>(first) as u32;
  if (!ret) {
    cancelListAddFront(req, CANCEL_FUTEX);
    return IOU_ISSUE_SKIP_COMPLETE;
  }
  freeQueues(req);
  return done(req, ret);
}
