// The two objects of io_uring: the ring (io_ring_ctx) and the request (io_kiocb). A notification is a request too: it is
// allocated, counted and freed like one, and posts one CQE (spec: send-zc.md 2.1).
import { IovIter } from "../mm/iov_iter";
import { CTX_SIZE, REQ_SIZE } from "../abi/layout";
import { File } from "../fs/file";
import { Task } from "../kernel/task";
import { WaitEntry } from "../kernel/wait";
import { UBUF_SIZE, UbufInfo } from "../net/ubuf_info";

/** Intrusive FIFO of requests through Req.next: two words in the owner. */
@unmanaged @final export class ReqList { first: Req; last: Req; }

@inline export function reqListAdd(l: ReqList, req: Req): void {
  req.next = changetype<Req>(0);
  if (l.first) l.last.next = req;
  else l.first = req;
  l.last = req;
}

@unmanaged @final export class RingCtx {
  pad: u32;
  flags: u32; // IORING_SETUP_*
  refs: u32;
  task: Task; // submitter
  file: File;
  sq_entries: u32;
  cq_entries: u32;
  sqe_shift: u32;
  cqe_shift: u32;
  rings: usize; // shared ring page(s)
  rings_len: u32;
  sqes: usize;
  sqes_len: u32;
  sq_array: usize; // 0 with NO_SQARRAY
  cached_sq_head: u32;
  cached_cq_tail: u32;
  cq_slot: u32; // the next CQE goes here ...
  cq_slot_end: u32; // ... until this one: slots known to be free (cq.ts)
  cq_timeouts: u32; // CQEs posted by expired timeouts, not counted by completion-count timeouts
  cq_last_tm_flush: u32; // how many completions there were when they were looked at last
  // submission state
  link_head: Req;
  link_last: Req;
  free_reqs: Req; // requests ready for reuse (through Req.next)
  compl0: u32; compl1: u32; // requests whose CQE waits for the end of the batch (ReqList)
  cq_flush: u32; // CQEs were posted outside of the list (multishot): publish them at the end of the batch
  // task work of DEFER_TASKRUN and SQPOLL rings (ReqList)
  work0: u32; work1: u32;
  work_count: u32;
  work_force: u32; // one of them wakes a waiter at once
  retry0: u32; retry1: u32; // taken from there and not run yet (ReqList)
  retry_count: u32;
  // CQ overflow: list of Overflow entries
  overflow_first: usize;
  overflow_last: usize;
  // drain
  defer0: u32; defer1: u32; // ReqList through next
  nr_req_allocated: u32; // every io_kiocb alive, notifications included
  nr_drained: u32; // of those, held in the defer list (with their links)
  drain_active: u32;
  drain_next: u32;
  drain_disabled: u32;
  cq_extra: u32; // CQEs without an SQE of their own, less SQEs without a CQE (drain.ts, before 6.16)
  // requests that can be cancelled, by state: first and last of each list (cancel_list.ts)
  cancel_lists: u64;
  cancel_list1: u64; cancel_list2: u64; cancel_list3: u64; cancel_list4: u64; cancel_list5: u64;
  cancel_end: u32;
  cancel_seq: u32;
  timeouts_active: u32;
  nr_notifs: u32;
  // registered resources
  buf_table: usize; // io_uring/rsrc_table.ts
  buf_nr: u32;
  rsrc_node: usize; // the node that is current, 0 = this profile has none; then those that are to retire (rsrc_quiesce.ts)
  rsrc_first: usize;
  rsrc_last: usize;
  rsrc_round: u32;
  notif_table: usize; // notification slots (notif_slots.ts), 0 = none registered
  notif_slots: u32;
  vec_cache: usize; // lengths of the vectors in idle message headers (net_vec.ts), 0 = never had one
  buf_groups: u64; // provided buffers: 16 chains of BufGroup by bgid (kbuf.ts)
  buf_groups1: u64; buf_groups2: u64; buf_groups3: u64; buf_groups4: u64; buf_groups5: u64; buf_groups6: u64; buf_groups7: u64;
  file_table: usize;
  file_nr: u32;
  file_alloc_start: u32; // slots for IORING_FILE_INDEX_ALLOC, and where the search begins
  file_alloc_end: u32;
  file_alloc_hint: u32;
  // accounting
  acct: u32; // 1: locked memory is charged to acct_uid; as the ring was set up, for good
  acct_uid: u32;
  acct_ring_pages: u32;
  // life
  dying: u32;
  wq_head: usize; // waiters on the ring fd
  wq_tail: usize;
  next: RingCtx; // all rings
  prev: RingCtx;
  exit_timer: usize;
  exit_turns: u32;
  // SQPOLL
  sqd: usize; // SqData: the thread, which several rings can share (sqpoll.ts)
  sqd_next: RingCtx;
  sq_idle_ns: u64;
  id: u32;
  // registered with the ring
  evfd: File; // eventfd.ts
  evfd_async: u32;
  evfd_tail: u32; // CQ tail at the last signal
  poll_activated: u32; // CQEs wake the waiters of the ring fd
  poll_activating: u32;
  personalities: usize; // list of Creds (personality.ts)
  pers_last: u32; // the id given last
  restricted: u32; // restrictions.ts
  res_ops: u64; // bit per opcode allowed
  res_register: u64; // bit per register opcode allowed
  res_flags: u32; // SQE flags allowed, and required
  res_flags_required: u32;
  res_registered: u32;
  napi_to: u32; // napi.ts
  napi_prefer: u32;
  napi_mode: u32; // 0 = off, else 1 + IO_URING_NAPI_TRACKING_*
  napi_ids: usize;
  clockid: u32; // 0 = CLOCK_MONOTONIC
  region: usize; // parameter region (region.ts)
  region_len: u32;
  region_charged: u32; // pages
  region_user: u32; // it is the program's own memory
  region_wait: u32; // holds arguments of waits
  wait_timeouts: u32; // cq_timeouts when the current wait began
}
if (offsetof<RingCtx>() > CTX_SIZE) ERROR("RingCtx does not fit its pool");

@inline export function complList(ctx: RingCtx): ReqList { return changetype<ReqList>(changetype<usize>(ctx) + offsetof<RingCtx>("compl0")); }
@inline export function workList(ctx: RingCtx): ReqList { return changetype<ReqList>(changetype<usize>(ctx) + offsetof<RingCtx>("work0")); }
@inline export function retryList(ctx: RingCtx): ReqList { return changetype<ReqList>(changetype<usize>(ctx) + offsetof<RingCtx>("retry0")); }
@inline export function deferList(ctx: RingCtx): ReqList { return changetype<ReqList>(changetype<usize>(ctx) + offsetof<RingCtx>("defer0")); }
@inline export function ringWq(ctx: RingCtx): usize { return changetype<usize>(ctx) + offsetof<RingCtx>("wq_head"); }

// Request flags. The low byte is the SQE's.
export const REQ_F_FIXED_FILE: u32 = 0x1;
export const REQ_F_IO_DRAIN: u32 = 0x2;
export const REQ_F_LINK: u32 = 0x4;
export const REQ_F_HARDLINK: u32 = 0x8;
export const REQ_F_FORCE_ASYNC: u32 = 0x10;
export const REQ_F_BUFFER_SELECT: u32 = 0x20;
export const REQ_F_CQE_SKIP: u32 = 0x40;
export const REQ_F_FAIL: u32 = 0x100; // failed: its links are cancelled
export const REQ_F_NOWAIT: u32 = 0x200; // EAGAIN is final
export const REQ_F_NEED_CLEANUP: u32 = 0x400;
export const REQ_F_POLLED: u32 = 0x800; // went through poll at least once
export const REQ_F_REFCOUNT: u32 = 0x1000; // refs counts (io-wq, link timeouts); otherwise there is one owner
export const REQ_F_SKIP_LINK_CQES: u32 = 0x2000;
export const REQ_F_ARM_LTIMEOUT: u32 = 0x4000; // a LINK_TIMEOUT follows
export const REQ_F_LINK_TIMEOUT: u32 = 0x8000; // its timer is armed
export const REQ_F_NOTIF: u32 = 0x10000; // this io_kiocb is a notification
export const REQ_F_POSTED: u32 = 0x20000; // its CQE was posted (debug check I1)
export const REQ_F_IOWQ: u32 = 0x40000; // a worker has started it and sleeps
export const REQ_F_CANCELLED: u32 = 0x80000; // a signal interrupts the worker that sleeps in it
export const REQ_F_ASYNC_DATA: u32 = 0x100000; // async_data is set
export const REQ_F_BUFFER_SELECTED: u32 = 0x200000; // holds a legacy buffer: kbuf is a KBuf
export const REQ_F_BUFFER_RING: u32 = 0x400000; // holds a buffer of a ring: kbuf is its bid
export const REQ_F_BUFFERS_COMMIT: u32 = 0x800000; // and the ring's head has not moved yet
export const REQ_F_BL_EMPTY: u32 = 0x1000000; // took the last buffer of its group
export const REQ_F_UNBOUND: u32 = 0x10000000; // its worker may block for ever: it does not count against the bounded ones
export const REQ_F_APOLL_MULTISHOT: u32 = 0x2000000; // stays armed: issued again at every event
export const REQ_F_BIG_CQE: u32 = 0x20000000; // iter and iter1 are the upper half of a 32-byte CQE
export const REQ_F_CREDS: u32 = 0x40000000; // issued with the credentials of a registered personality
export const REQ_F_BUF_MORE: u32 = 0x4000000; // an incremental buffer was committed as it was taken, and has bytes left
export const REQ_F_MULTISHOT: u32 = 0x8000000; // posts several CQEs without staying armed (send bundles)
export const REQ_F_VEC: u32 = 0x80000000; // has a vector from an earlier use (net_vec.ts)
export const REQ_LINK_FLAGS: u32 = 0xc;
/** Freeing such a request is more than recycling it: references, links, cleanup, holds. */
export const REQ_SLOW_FREE: u32 = REQ_F_REFCOUNT | REQ_LINK_FLAGS | REQ_F_NEED_CLEANUP | REQ_F_ARM_LTIMEOUT | REQ_F_NOTIF | REQ_F_POLLED | REQ_F_ASYNC_DATA
  | REQ_F_BUFFER_SELECTED | REQ_F_CREDS;

@unmanaged @final export class Req {
  // First cache line: all that a request touches that completes at once.
  next: Req; // list it is on: completions, task work, defer, io-wq, the ring's free requests
  ctx: RingCtx;
  user_data: u64;
  res: i32;
  cflags: u32;
  opcode: u32;
  flags: u32; // REQ_F_*
  fd: i32;
  buf_index: u32;
  cmd_len: u32; // operation state, see below
  tw_fn: u32; // table index of (req: Req) => void
  task: Task;
  file: File; // resolved at issue; one reference. From here to `apoll_retries` a free request has its start values (req.ts)
  notif: Req; // zc sends: the notification until it is flushed
  refs: u32; // 1
  link: Req; // next of the chain
  async_data: usize; // ASYNC pool block, 0 = none
  poll_entry: WaitEntry; // armed poll, nil = none
  buf_node: usize; // resource node held (registered buffer)
  file_node: usize; // resource node that `file` belongs to, 0 = `file` is a reference of its own
  on_cancel: u32; // which list: CANCEL_*
  cancel_seq: u32; // the last cancellation that matched it
  poll_refs: u32; // wake-ups since the last look, and whether it was cancelled (poll.ts)
  apoll_retries: u32;
  poll_events: u32; // EPOLL*, and how to wait
  poll_mask: u32; // events of the wake-up, 0 = look at the file
  cancel_next: Req;
  cancel_prev: Req;
  kbuf: u32; // provided buffer held, see REQ_F_BUFFER_SELECTED and REQ_F_BUFFER_RING
  big0: u32; // Timer of a timeout
  // operation state: see net.ts, timeout.ts, ...
  done_io: u32;
  msg_flags: u32;
  zc_flags: u32; // IORING_RECVSEND_*
  cmd_addr: u64;
  iter: u64; // IovIter, 40 bytes
  iter1: u64; iter2: u64; iter3: u64; iter4: u64;
  // notification state; of a receive or send bundle: NetState (net_bundle.ts)
  uarg: u64; // UbufInfo, 32 bytes
  uarg1: u64; uarg2: u64; uarg3: u64;
  nd_next: Req; // further notifications completed with this one
  nd_head: Req; // notification whose completion completes this one (itself at first)
  account_pages: u32;
  zc_report: u32;
  zc_used: u32;
  zc_copied: u32;
  copy_reason: u32; // COPY_*, for the explanation
  nd_main_posted: u32;
  nd_cqe: u32; // which CQE tells that it is done (zc_cqes.ts)
  creds: usize; // REQ_F_CREDS: Creds, one reference
}
if (offsetof<Req>() > REQ_SIZE) ERROR("Req does not fit its pool");
if (offsetof<Req>("cflags") != offsetof<Req>("res") + 4) ERROR("res and cflags are copied to the CQE as one");
if (UBUF_SIZE != 32) ERROR("uarg room is 32 bytes");

@inline export function reqIter(req: Req): IovIter { return changetype<IovIter>(changetype<usize>(req) + offsetof<Req>("iter")); }
@inline export function reqUarg(notif: Req): UbufInfo { return changetype<UbufInfo>(changetype<usize>(notif) + offsetof<Req>("uarg")); }
@inline export function uargReq(uarg: usize): Req { return changetype<Req>(uarg - offsetof<Req>("uarg")); }

// Issue flags.
export const IO_URING_F_NONBLOCK: u32 = 1; // do not wait: return -EAGAIN
export const IO_URING_F_COMPLETE_DEFER: u32 = 2; // put the CQE on the deferred list
export const IO_URING_F_UNLOCKED: u32 = 4; // io-wq worker
export const IO_URING_F_MULTISHOT: u32 = 8; // from an armed poll that stays armed: -EAGAIN means wait for the next event

// Results of issue() besides -errno.
export const IOU_COMPLETE: i32 = 0; // res and cflags are set, post the CQE
export const IOU_ISSUE_SKIP_COMPLETE: i32 = -529; // it will complete later
export const IOU_REQUEUE: i32 = -532; // had its turn and could go on: to the end of the task work
export const IOU_WOULD_SLEEP: i32 = -531; // a worker would sleep here until the file is ready, then go on

@inline export function setRes(req: Req, res: i32, cflags: u32): void { req.res = res; req.cflags = cflags; }
/** req_set_fail(): the chain behind breaks, and a skipped CQE is posted after all (while its links' are not). */
export function setFail(req: Req): void {
  req.flags |= REQ_F_FAIL;
  if (req.flags & REQ_F_CQE_SKIP) req.flags = (req.flags & ~REQ_F_CQE_SKIP) | REQ_F_SKIP_LINK_CQES;
}
