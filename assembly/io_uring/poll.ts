// Waiting for readiness. A request whose issue would block is armed on its file's wait queue and issued again from task
// work when an event that it wants arrives (fast poll). POLL_ADD is the same machinery with the mask as result.
//
// Waking and cancelling only queue task work; what to do is decided there, by looking at the file again.
// Spec: send-zc.md 2.3, 2.4, 2.9.
import { NOT_MODELLED_FORM } from "../abi/not_modelled";
import { ECANCELED, EINVAL } from "../abi/errno";
import { SQE_OFF_ADDR, SQE_OFF_BUF_INDEX, SQE_OFF_LEN, SQE_OFF_OFF, SQE_OFF_POLL32_EVENTS } from "../abi/uapi";
import { TR_IO_URING_POLL_ARM, TR_IO_URING_POLL_WAKE, TRACE_RING } from "../abi/trace";
import { notModelled } from "../lib/not_modelled";
import { nil } from "../lib/state";
import { trace } from "../lib/trace";
import { filePoll } from "../fs/file";
import { WaitEntry, waitAdd, waitEntryFree, waitEntryNew, waitRemove } from "../kernel/wait";
import { OP_POLLIN, OP_POLLOUT, opFlags } from "./opdef";
import { completeDefer, deferFailed } from "./req";
import { taskSubmit } from "./submit";
import { reqTaskWorkAdd } from "./tw";
import { CANCEL_POLL, IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, REQ_F_POLLED, Req, cancelListAdd, cancelListDel, setRes } from "./types";

const EPOLLIN: u32 = 1, EPOLLPRI: u32 = 2, EPOLLOUT: u32 = 4, EPOLLERR: u32 = 8, EPOLLHUP: u32 = 16;
const EPOLLRDNORM: u32 = 64, EPOLLWRNORM: u32 = 256;
/** A request goes back to poll at most this often before a worker blocks for it. */
const APOLL_MAX_RETRY: u32 = 128;

export const APOLL_OK: u32 = 0; // armed, it will be issued again
export const APOLL_READY: u32 = 1; // the event is there already: issue again
export const APOLL_ABORTED: u32 = 2; // cannot be polled

/** Arms fast poll for a request that returned -EAGAIN. */
export function armPoll(req: Req): u32 {
  const def = opFlags(req.opcode);
  if (!(def & (OP_POLLIN | OP_POLLOUT)) || !req.file || !req.file.wq) return APOLL_ABORTED;
  if (++req.apoll_retries > APOLL_MAX_RETRY) return APOLL_ABORTED;
  const mask = EPOLLERR | EPOLLPRI | (def & OP_POLLIN ? EPOLLIN | EPOLLRDNORM : EPOLLOUT | EPOLLWRNORM);
  req.flags |= REQ_F_POLLED;
  const ready = arm(req, mask);
  return ready == u32.MAX_VALUE ? APOLL_ABORTED : ready ? APOLL_READY : APOLL_OK;
}

/** Events of `mask` (or error, hang-up) that hold now; 0 = armed; u32.MAX_VALUE = no memory. */
function arm(req: Req, mask: u32): u32 {
  req.poll_events = mask | EPOLLERR | EPOLLHUP;
  req.poll_owned = 0;
  req.poll_mask = 0;
  const entry = waitEntryNew(pollWake.index, changetype<usize>(req), req.poll_events);
  if (!entry) return u32.MAX_VALUE;
  // On the queue first: looking at the file may arm its own wake-up (SOCK_NOSPACE).
  waitAdd(req.file.wq, entry);
  const ready = filePoll(req.file) & req.poll_events;
  if (ready) {
    waitEntryFree(entry);
    return ready;
  }
  req.poll_entry = entry;
  cancelListAdd(req, CANCEL_POLL);
  trace(TRACE_RING, TR_IO_URING_POLL_ARM, changetype<usize>(req), req.user_data, mask, 0);
  return 0;
}

/** The object announces `mask`. One-shot: the entry leaves the queue, the rest is task work. */
function pollWake(entry: WaitEntry, mask: u32): void {
  const req = changetype<Req>(entry.arg);
  trace(TRACE_RING, TR_IO_URING_POLL_WAKE, changetype<usize>(req), req.user_data, mask, 0);
  if (req.poll_owned) return;
  waitRemove(entry);
  req.poll_mask = mask == u32.MAX_VALUE ? 0 : mask; // a state change says nothing about events
  execute(req);
}

function execute(req: Req): void {
  req.poll_owned = 1;
  reqTaskWorkAdd(req, pollTaskFunc.index);
}

/** Cancels an armed poll. The request fails with ECANCELED from task work, even if it became ready meanwhile. */
export function pollCancel(req: Req): void {
  req.poll_events = 0; // it stays on the list until task work takes it off: another cancellation finds it as well
  if (!req.poll_owned) execute(req);
}

function disarm(req: Req): void {
  cancelListDel(req);
  if (req.poll_entry) {
    waitEntryFree(req.poll_entry);
    req.poll_entry = nil<WaitEntry>();
  }
  req.poll_owned = 0;
}

/** Looks at the file again: act, or wait on if the wake-up was for nothing. */
function pollTaskFunc(req: Req): void {
  const cancelled = req.poll_events == 0;
  // What the wake-up said counts, even if somebody else was faster and it no longer holds.
  const ready = cancelled ? 0 : (req.poll_mask ? req.poll_mask : filePoll(req.file)) & req.poll_events;
  if (!cancelled && !ready) {
    waitAdd(req.file.wq, req.poll_entry);
    req.poll_owned = 0;
    return;
  }
  disarm(req);
  if (cancelled) {
    deferFailed(req, -ECANCELED);
  } else if (opFlags(req.opcode) & (OP_POLLIN | OP_POLLOUT)) {
    taskSubmit(req);
  } else {
    setRes(req, ready as i32, 0);
    completeDefer(req);
  }
}

// POLL_ADD ---------------------------------------------------------------------------------------------------------------

export function pollAddPrep(req: Req, sqe: usize): i32 {
  if (load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u64>(sqe, SQE_OFF_OFF) || load<u64>(sqe, SQE_OFF_ADDR)) return -EINVAL;
  if (load<u32>(sqe, SQE_OFF_LEN)) return notModelled(NOT_MODELLED_FORM | req.opcode); // multishot, level-triggered
  req.msg_flags = load<u32>(sqe, SQE_OFF_POLL32_EVENTS);
  return 0;
}

export function pollAddIssue(req: Req): i32 {
  if (!req.file.wq) {
    setRes(req, ((EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM) & req.msg_flags) as i32, 0);
    return IOU_COMPLETE;
  }
  const ready = arm(req, req.msg_flags);
  if (ready == u32.MAX_VALUE) return -ECANCELED;
  if (!ready) return IOU_ISSUE_SKIP_COMPLETE;
  setRes(req, ready as i32, 0);
  return IOU_COMPLETE;
}
