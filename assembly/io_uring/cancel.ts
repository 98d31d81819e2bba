// ASYNC_CANCEL: only what waits can be cancelled, i.e. requests queued in io-wq, armed polls and timeouts. A worker that
// runs a request is interrupted, which ends it if it sleeps. A request whose CQE is posted is gone (ENOENT), and a
// notification cannot be cancelled at all.
// Spec: send-zc.md 2.9. man: io_uring_prep_cancel(3).
import { EALREADY, EBADF, EINVAL, ENOENT } from "../abi/errno";
import {
  IORING_ASYNC_CANCEL_ALL, IORING_ASYNC_CANCEL_ANY, IORING_ASYNC_CANCEL_FD, IORING_ASYNC_CANCEL_FD_FIXED, IORING_ASYNC_CANCEL_OP,
  IORING_ASYNC_CANCEL_USERDATA, SQE_OFF_ADDR, SQE_OFF_CANCEL_FLAGS, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_OFF,
} from "../abi/uapi";
import { TR_IO_URING_CANCEL, TRACE_RING } from "../abi/trace";
import { ROW_CANCEL } from "../abi/profile";
import { validFlags } from "../lib/profile";
import { SCRATCH_CANCEL } from "../lib/state";
import { trace } from "../lib/trace";
import { FD_MAX, Task, fdSlot } from "../kernel/task";
import { File, fget } from "../fs/file";
import { CANCEL_FUTEX, CANCEL_IOWQ, CANCEL_POLL, CANCEL_RUNNING, CANCEL_TIMEOUT, cancelFirst } from "./cancel_list";
import { iowqCancel, iowqInterrupt } from "./iowq";
import { pollCancel } from "./poll";
import { futexCancel } from "./futex";
import { fixedFile } from "./filetable";
import { timeoutCancel } from "./timeout";
import {
  IOU_COMPLETE, REQ_F_BUFFER_SELECT, REQ_F_FIXED_FILE, REQ_F_UNBOUND, Req, RingCtx, setFail, setRes,
} from "./types";

const ALL: u32 = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;

/** What a cancellation looks for. */
@unmanaged @final export class Wanted {
  flags: u32; // IORING_ASYNC_CANCEL_*
  opcode: u32;
  data: u64; // user_data
  file: usize; // File
  pad: u32;
}
export function want(flags: u32, data: u64, file: usize, opcode: u32): Wanted {
  const w = changetype<Wanted>(SCRATCH_CANCEL);
  w.flags = flags;
  w.opcode = opcode;
  w.data = data;
  w.file = file;
  return w;
}

export function asyncCancelPrep(req: Req, sqe: usize): i32 {
  if (req.flags & REQ_F_BUFFER_SELECT) return -EINVAL;
  if (load<u64>(sqe, SQE_OFF_OFF) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_CANCEL_FLAGS);
  if (flags & ~validFlags(ROW_CANCEL)) return -EINVAL;
  if (flags & IORING_ASYNC_CANCEL_ANY && flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP)) return -EINVAL;
  req.msg_flags = flags;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  return 0;
}

export function asyncCancel(req: Req): i32 {
  const flags = req.msg_flags;
  let ret: i32;
  if (flags & IORING_ASYNC_CANCEL_FD && !req.file && !holdFile(req)) {
    ret = -EBADF;
  } else {
    ret = cancel(req.ctx, want(flags, req.cmd_addr, changetype<usize>(req.file), req.cmd_len));
  }
  trace(TRACE_RING, TR_IO_URING_CANCEL, changetype<usize>(req), req.cmd_addr, ret as u32, 0);
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

function holdFile(req: Req): bool {
  if (req.msg_flags & IORING_ASYNC_CANCEL_FD_FIXED) req.flags |= REQ_F_FIXED_FILE;
  const f = cancelFile(req.ctx, req.task, req.fd as u32, (req.flags & REQ_F_FIXED_FILE) != 0);
  if (!f) return false;
  req.file = fget(f);
  return true;
}

export function cancelFile(ctx: RingCtx, task: Task, fd: u32, fixed: bool): File {
  if (fixed) return fixedFile(ctx, fd);
  return fd < FD_MAX ? changetype<File>(load<u32>(fdSlot(task, fd)) as usize) : changetype<File>(0);
}

/** Cancels the first match, or with ALL or ANY every one: 0 (1 for a futex), how many, -ENOENT, -EALREADY (a worker runs it). */
export function cancel(ctx: RingCtx, w: Wanted): i32 {
  const all = (w.flags & ALL) != 0;
  let n: i32 = 0;
  ctx.cancel_seq++;
  for (;;) {
    const ret = tryCancel(ctx, w);
    if (ret == -ENOENT) break;
    if (!all) return ret;
    n++;
  }
  // Only now it counts that a worker was found running it.
  const ret = cancelIowq(ctx, w);
  if (!all) return ret;
  return ret == -ENOENT ? n : n + 1;
}

/** One round: io-wq, polls, futexes, timeouts. 0, a number (futexes), or -ENOENT. */
function tryCancel(ctx: RingCtx, w: Wanted): i32 {
  if (cancelIowq(ctx, w) == 0) return 0;
  if (cancelPoll(ctx, w)) return 0;
  const futexes = cancelFutex(ctx, w);
  if (futexes) return futexes;
  if (w.flags & IORING_ASYNC_CANCEL_FD) return -ENOENT;
  for (let req = cancelFirst(ctx, CANCEL_TIMEOUT); req; req = req.cancel_next) {
    if (!matches(req, w)) continue;
    timeoutCancel(taken(req));
    return 0;
  }
  return -ENOENT;
}

/** What an expired LINK_TIMEOUT does to the request it guards. 0 or -ENOENT. */
export function cancelByData(ctx: RingCtx, data: u64): i32 { return tryCancel(ctx, want(0, data, 0, 0)); }

/** Does `req` match? With ALL and ANY each one is taken only once per cancellation. */
function matches(req: Req, w: Wanted): bool {
  const flags = w.flags;
  if (!(flags & IORING_ASYNC_CANCEL_ANY)) {
    if (flags & IORING_ASYNC_CANCEL_FD && changetype<usize>(req.file) != w.file) return false;
    if (flags & IORING_ASYNC_CANCEL_OP && req.opcode != w.opcode) return false;
    const byData = (flags & (IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_OP)) == 0 || (flags & IORING_ASYNC_CANCEL_USERDATA) != 0;
    if (byData && req.user_data != w.data) return false;
    if (!(flags & IORING_ASYNC_CANCEL_ALL)) return true;
  }
  return req.cancel_seq != req.ctx.cancel_seq;
}
@inline function taken(req: Req): Req {
  req.cancel_seq = req.ctx.cancel_seq;
  return req;
}

/** Requests of io-wq: 0 = a queued one (or all of them) was cancelled, -EALREADY = a running one was interrupted, -ENOENT. */
function cancelIowq(ctx: RingCtx, w: Wanted): i32 {
  const all = (w.flags & ALL) != 0;
  let pending = false, running = false;
  for (let unbound: u32 = 0; unbound <= REQ_F_UNBOUND; unbound += REQ_F_UNBOUND) {
    let req = cancelFirst(ctx, CANCEL_IOWQ);
    while (req) {
      const next = req.cancel_next;
      if ((req.flags & REQ_F_UNBOUND) == unbound && matches(req, w)) {
        iowqCancel(taken(req));
        if (!all) return 0;
        pending = true;
      }
      req = next;
    }
  }
  let req = cancelFirst(ctx, CANCEL_RUNNING);
  while (req) {
    const next = req.cancel_next;
    if (matches(req, w)) {
      iowqInterrupt(taken(req));
      running = true;
      if (!all) break;
    }
    req = next;
  }
  return running ? -EALREADY : pending ? 0 : -ENOENT;
}

// Armed polls are kept in a hash table by user_data, the latest of a bucket first. Which bucket comes first shows in the
// order in which a cancellation with ALL, ANY, FD or OP takes them.
const HASH_MULTIPLIER: u64 = 0x61c8864680b583eb; // 2^64 divided by the golden ratio squared: Fibonacci hashing

function bucketOf(ctx: RingCtx, data: u64): u32 {
  const log = 31 - clz<u32>(ctx.cq_entries), bits: u32 = log < 7 ? 1 : log > 12 ? 8 : log - 5;
  return ((data * HASH_MULTIPLIER) >> ((64 - bits) as u64)) as u32;
}

function cancelPoll(ctx: RingCtx, w: Wanted): bool {
  let found = changetype<Req>(0), first: u32 = u32.MAX_VALUE;
  for (let req = cancelFirst(ctx, CANCEL_POLL); req && first; req = req.cancel_next) {
    const bucket = bucketOf(ctx, req.user_data);
    if (bucket >= first || !matches(req, w)) continue;
    found = req;
    first = bucket;
  }
  if (!found) return false;
  pollCancel(taken(found));
  return true;
}

/** Requests that wait on futexes, with ALL every match: how many. Unlike the others it says the number. */
function cancelFutex(ctx: RingCtx, w: Wanted): i32 {
  let n: i32 = 0, req = cancelFirst(ctx, CANCEL_FUTEX);
  while (req) {
    const next = req.cancel_next;
    if (matches(req, w)) {
      futexCancel(taken(req));
      n++;
      if (!(w.flags & IORING_ASYNC_CANCEL_ALL)) break;
    }
    req = next;
  }
  return n;
}

/** Everything that can be cancelled is (ring exit). */
export function cancelAll(ctx: RingCtx): void {
  cancel(ctx, want(IORING_ASYNC_CANCEL_ANY, 0, 0, 0));
}
