// Waiting for readiness. A request whose issue would block is armed on its file's wait queue and issued again from task
// work when an event that it wants arrives (fast poll). POLL_ADD is the same machinery with the mask as result; a multishot
// one posts a CQE per wake-up and stays armed.
//
// Waking and cancelling only queue task work; what to do is decided there. Req.poll_refs counts the wake-ups since the last
// look: the first one owns the request and queues the task work, which is handed the mask of that wake-up. If there were
// more, the mask says too little and the file is asked again.
// Spec: send-zc.md 2.3, 2.4, 2.9. man: io_uring_enter(2), io_uring_prep_poll_add(3).
import { EAGAIN, EALREADY, ECANCELED, EINVAL, ENOENT, ENOMEM } from "../abi/errno";
import {
  IORING_CQE_F_MORE, IORING_OP_ACCEPT, IORING_OP_POLL_ADD, IORING_OP_RECV, IORING_OP_RECVMSG, IORING_OP_SEND, IORING_OP_SENDMSG, IORING_OP_SENDMSG_ZC, IORING_OP_SEND_ZC, IORING_POLL_ADD_MULTI, IORING_POLL_UPDATE_EVENTS, IORING_POLL_UPDATE_USER_DATA,
  SQE_OFF_ADDR, SQE_OFF_BUF_INDEX, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_OFF, SQE_OFF_POLL32_EVENTS,
} from "../abi/uapi";
import { TR_IO_URING_POLL_ARM, TR_IO_URING_POLL_WAKE, TRACE_RING } from "../abi/trace";
import { B_POLL_ONCE, OPI_SENDMSGZC_NOTIF, OPI_SENDZC_NOTIF } from "../abi/profile";
import { has } from "../lib/profile";
import { nil } from "../lib/state";
import { trace, traceOn } from "../lib/trace";
import { filePoll } from "../fs/file";
import { EPOLL_URING_WAKE, WaitEntry, waitAdd, waitAddExclusive, waitEntryFree, waitEntryNew, waitRemove } from "../kernel/wait";
import { CANCEL_POLL, cancelFirst, cancelListAddFront, cancelListDel } from "./cancel_list";
import { OP_POLLIN, OP_POLLOUT, opFlags } from "./opdef";
import { completeDefer, deferFailed, reqPostCqe, taskComplete } from "./req";
import { issueSqe, taskSubmit } from "./submit";
import { reqTaskWorkAdd, reqTaskWorkAddLazy } from "./tw";
import {
  IO_URING_F_MULTISHOT, IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_ISSUE_SKIP_COMPLETE, IOU_REQUEUE, REQ_F_APOLL_MULTISHOT, REQ_F_CQE_SKIP, REQ_F_POLLED, Req, RingCtx, setFail, setRes,
} from "./types";

const EPOLLIN: u32 = 1, EPOLLPRI: u32 = 2, EPOLLOUT: u32 = 4, EPOLLERR: u32 = 8, EPOLLHUP: u32 = 0x10, EPOLLNVAL: u32 = 0x20;
const EPOLLRDNORM: u32 = 0x40, EPOLLWRNORM: u32 = 0x100, EPOLLRDHUP: u32 = 0x2000;
const EPOLLEXCLUSIVE: u32 = 1 << 28, EPOLLONESHOT: u32 = 1 << 30, EPOLLET: u32 = 1 << 31;
/** Events that cannot be masked. */
const ALWAYS: u32 = EPOLLERR | EPOLLHUP | EPOLLNVAL | EPOLLRDHUP;
/** What POLL_ADD keeps of its events: the events of poll(2), and how to wait. */
const POLL_EVENTS: u32 = 0x27ff;
const POLL_MODES: u32 = EPOLLEXCLUSIVE | EPOLLONESHOT | EPOLLET;
/** What a file says that has no poll function: always readable and writable. */
const DEFAULT_POLLMASK: u32 = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
/** A request goes back to poll at most this often before a worker blocks for it. */
const APOLL_MAX_RETRY: u32 = 128;

/** Flag in Req.poll_refs, above the count: the poll was cancelled. */
const CANCEL_FLAG: u32 = 1 << 31;
const REF_MASK: u32 = CANCEL_FLAG - 1;

export const APOLL_OK: u32 = 0; // armed, it will be issued again
export const APOLL_READY: u32 = 1; // the event is there already: issue again
export const APOLL_ABORTED: u32 = 2; // cannot be polled

/** Can the file of the request announce readiness? */
@inline export function filePollable(req: Req): bool { return req.file && req.file.wq != 0; }

/** Has it got something done already? */
function partialIo(req: Req): bool {
  switch (req.opcode) {
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
    case OPI_SENDZC_NOTIF:
    case OPI_SENDMSGZC_NOTIF: return req.done_io != 0;
    default: return false;
  }
}

/** Arms fast poll for a request that returned -EAGAIN. */
export function armPoll(req: Req): u32 {
  const def = opFlags(req.opcode);
  if (!(def & (OP_POLLIN | OP_POLLOUT)) || !filePollable(req)) return APOLL_ABORTED;
  if (++req.apoll_retries > APOLL_MAX_RETRY) return APOLL_ABORTED;
  if (req.flags & REQ_F_POLLED && has(B_POLL_ONCE) && !partialIo(req)) return APOLL_ABORTED;
  let mask = EPOLLERR | EPOLLPRI | EPOLLET | (def & OP_POLLIN ? EPOLLIN | EPOLLRDNORM : EPOLLOUT | EPOLLWRNORM);
  if (!(req.flags & REQ_F_APOLL_MULTISHOT)) mask |= EPOLLONESHOT;
  if (req.opcode == IORING_OP_ACCEPT) mask |= EPOLLEXCLUSIVE; // one connection wakes one
  req.flags |= REQ_F_POLLED;
  const ready = arm(req, mask);
  return ready < 0 ? APOLL_ABORTED : ready ? APOLL_READY : APOLL_OK;
}

/** Events (positive) that hold now, for a one-shot; 0 = armed; -ENOMEM; -EINVAL: the file has no way to announce them. */
function arm(req: Req, mask: u32): i32 {
  const events = mask | ALWAYS;
  req.poll_events = events;
  req.poll_refs = 0;
  req.poll_mask = 0;
  if (!req.file.wq) {
    const now = (req.file.poll ? filePoll(req.file) : DEFAULT_POLLMASK) & events;
    return now && events & EPOLLET ? (now as i32) : -EINVAL;
  }
  const entry = waitEntryNew(pollWake.index, changetype<usize>(req), events & ~(EPOLLPRI | POLL_MODES));
  if (!entry) return -ENOMEM;
  // On the queue first: looking at the file may arm its own wake-up (SOCK_NOSPACE).
  if (events & EPOLLEXCLUSIVE) waitAddExclusive(req.file.wq, entry);
  else waitAdd(req.file.wq, entry);
  const ready = filePoll(req.file) & events;
  if (ready && (events & (EPOLLET | EPOLLONESHOT)) == (EPOLLET | EPOLLONESHOT)) {
    waitEntryFree(entry);
    return ready as i32;
  }
  req.poll_entry = entry;
  cancelListAddFront(req, CANCEL_POLL);
  trace(TRACE_RING, TR_IO_URING_POLL_ARM, changetype<usize>(req), req.user_data, mask, 0);
  if (ready && events & EPOLLET && ownership(req)) execute(req, ready);
  return 0;
}

/** Takes one more reference; true if nobody had one. Who gets it must queue the task work (or end the poll). */
function ownership(req: Req): bool {
  const refs = req.poll_refs;
  req.poll_refs = refs + 1;
  return (refs & REF_MASK) == 0;
}

/** The object announces `mask`. */
function pollWake(entry: WaitEntry, mask: u32): void {
  const req = changetype<Req>(entry.arg), known = mask == u32.MAX_VALUE ? 0 : mask; // a state change says nothing about events
  trace(TRACE_RING, TR_IO_URING_POLL_WAKE, changetype<usize>(req), req.user_data, mask, 0);
  if (!ownership(req)) return;
  // Woken by a ring, it could wake that ring again and again with its own CQEs: the last event of a multishot.
  if (known & EPOLL_URING_WAKE) req.poll_events |= EPOLLONESHOT;
  if (known && req.poll_events & EPOLLONESHOT) waitRemove(entry);
  execute(req, known);
}

function execute(req: Req, mask: u32): void {
  req.poll_mask = mask;
  if (req.opcode == IORING_OP_SEND_ZC || req.opcode == IORING_OP_SENDMSG_ZC) reqTaskWorkAdd(req, pollTaskFunc.index);
  else reqTaskWorkAddLazy(req, pollTaskFunc.index);
}

/** Cancels an armed poll. The request fails with ECANCELED from task work, even if it became ready meanwhile. */
export function pollCancel(req: Req): void {
  req.poll_refs |= CANCEL_FLAG; // it stays on the list until task work takes it off: another cancellation finds it as well
  if (ownership(req)) execute(req, 0);
}

/** Off the wait queue and the list of what can be cancelled. */
function disarm(req: Req): void {
  cancelListDel(req);
  if (req.poll_entry) {
    waitEntryFree(req.poll_entry);
    req.poll_entry = nil<WaitEntry>();
  }
  req.poll_refs = 0;
}

// What the look at a woken poll decides, besides -errno.
const POLL_DONE: i32 = 0; // the event is there (req.poll_mask)
const POLL_NO_ACTION: i32 = 1; // stays armed
const POLL_USE_RES: i32 = 2; // ends with req.poll_mask as result
const POLL_REISSUE: i32 = 3; // woken for nothing: from the start
const POLL_COMPLETED: i32 = 4; // a multishot operation has come to its end, its result is set

function checkEvents(req: Req): i32 {
  let refs: u32;
  do {
    refs = req.poll_refs;
    if (refs & CANCEL_FLAG) return -ECANCELED;
    if ((refs & REF_MASK) != 1) req.poll_mask = 0; // only the first wake-up left its mask
    if (!req.poll_mask) req.poll_mask = filePoll(req.file);
    req.poll_mask &= req.poll_events;
    if (req.poll_mask) {
      if (req.poll_events & EPOLLONESHOT) return POLL_DONE;
      if (req.flags & REQ_F_APOLL_MULTISHOT) {
        const ret = issueSqe(req, IO_URING_F_NONBLOCK | IO_URING_F_MULTISHOT, traceOn(TRACE_RING));
        if (ret == IOU_REQUEUE) {
          req.poll_mask = 0;
          reqTaskWorkAdd(req, pollTaskFunc.index);
          return POLL_NO_ACTION;
        }
        if (ret != -EAGAIN) return ret ? ret : POLL_COMPLETED; // else it has taken what there was and waits on
      } else if (!reqPostCqe(req, req.poll_mask as i32, IORING_CQE_F_MORE)) {
        return POLL_USE_RES;
      }
    } else if (req.poll_events & EPOLLONESHOT) {
      return POLL_REISSUE;
    }
    req.poll_mask = 0;
    req.poll_refs -= refs & REF_MASK;
  } while (req.poll_refs & REF_MASK);
  return POLL_NO_ACTION;
}

/** Task work of a woken or cancelled poll. */
function pollTaskFunc(req: Req): void {
  const ret = checkEvents(req);
  if (ret == POLL_NO_ACTION) return;
  disarm(req);
  if (req.opcode != IORING_OP_POLL_ADD) {
    if (ret < 0) deferFailed(req, ret);
    else if (ret == POLL_COMPLETED) completeDefer(req);
    else taskSubmit(req);
  } else if (ret == POLL_REISSUE) {
    taskSubmit(req);
  } else {
    if (ret < 0) setFail(req);
    setRes(req, ret < 0 ? ret : (req.poll_mask as i32), 0);
    completeDefer(req);
  }
}

// POLL_ADD ---------------------------------------------------------------------------------------------------------------

function parseEvents(sqe: usize, flags: u32): u32 {
  const events = load<u32>(sqe, SQE_OFF_POLL32_EVENTS);
  return (events & (POLL_EVENTS | POLL_MODES)) | EPOLLET | (flags & IORING_POLL_ADD_MULTI ? 0 : EPOLLONESHOT);
}

export function pollAddPrep(req: Req, sqe: usize): i32 {
  if (load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u64>(sqe, SQE_OFF_OFF) || load<u64>(sqe, SQE_OFF_ADDR)) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_LEN);
  if (flags & ~IORING_POLL_ADD_MULTI) return -EINVAL; // IORING_POLL_ADD_LEVEL is refused as well
  if (flags && req.flags & REQ_F_CQE_SKIP) return -EINVAL;
  req.msg_flags = parseEvents(sqe, flags);
  return 0;
}

export function pollAddIssue(req: Req): i32 {
  const ready = arm(req, req.msg_flags);
  if (ready < 0) return ready;
  if (!ready) return IOU_ISSUE_SKIP_COMPLETE;
  setRes(req, ready, 0);
  return IOU_COMPLETE;
}

// POLL_REMOVE ------------------------------------------------------------------------------------------------------------

/** cmd_addr = user_data to look for, iter = the new one, cmd_len = IORING_POLL_UPDATE_*, msg_flags = the new events. */
export function pollRemovePrep(req: Req, sqe: usize): i32 {
  if (load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_LEN), updates = IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA;
  if (flags & ~(updates | IORING_POLL_ADD_MULTI)) return -EINVAL;
  if (flags == IORING_POLL_ADD_MULTI) return -EINVAL; // says how to wait for events that are not given
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.iter = load<u64>(sqe, SQE_OFF_OFF);
  if (!(flags & IORING_POLL_UPDATE_USER_DATA) && req.iter) return -EINVAL;
  req.msg_flags = 0;
  if (flags & IORING_POLL_UPDATE_EVENTS) req.msg_flags = parseEvents(sqe, flags);
  else if (load<u32>(sqe, SQE_OFF_POLL32_EVENTS)) return -EINVAL;
  req.cmd_len = flags;
  return 0;
}

/** The latest POLL_ADD with that user_data that is armed, or nil. */
function findPoll(ctx: RingCtx, data: u64): Req {
  let req = cancelFirst(ctx, CANCEL_POLL);
  while (req && (req.user_data != data || req.opcode != IORING_OP_POLL_ADD)) req = req.cancel_next;
  return req;
}

/** Ends an armed poll with ECANCELED, or changes it and arms it again. ENOENT; EALREADY: it was just woken. */
export function pollRemove(req: Req): i32 {
  const poll = findPoll(req.ctx, req.cmd_addr);
  let ret: i32 = 0;
  if (!poll) ret = -ENOENT;
  else if (!ownership(poll)) ret = -EALREADY;
  else updatePoll(req, poll);
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

function updatePoll(req: Req, poll: Req): void {
  disarm(poll);
  let res = -ECANCELED;
  if (req.cmd_len) {
    // Only the events change; whether it is multishot stays.
    if (req.cmd_len & IORING_POLL_UPDATE_EVENTS) poll.msg_flags = (poll.msg_flags & 0xffff0000) | (req.msg_flags & 0xffff);
    if (req.cmd_len & IORING_POLL_UPDATE_USER_DATA) poll.user_data = req.iter;
    const ret = pollAddIssue(poll);
    if (ret == IOU_ISSUE_SKIP_COMPLETE) return;
    if (ret == IOU_COMPLETE) res = poll.res;
  }
  if (res < 0) setFail(poll);
  setRes(poll, res, 0);
  reqTaskWorkAdd(poll, taskComplete.index);
}
