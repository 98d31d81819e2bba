// The eventfd of a ring (IORING_REGISTER_EVENTFD): signalled once for every time that CQEs are published, if any were since
// the signal before. With DEFER_TASKRUN also when the first item of local work is queued, since only the program can run it.
// The asynchronous form is signalled by io-wq workers only. Man: io_uring_register(2); counts observed on 6.18.
import { EBADF, EBUSY, EFAULT, EINVAL, ENXIO } from "../abi/errno";
import { TRACE_CTX_IOWQ } from "../abi/trace";
import { IORING_CQ_EVENTFD_DISABLED, RING_OFF_CQ_FLAGS } from "../abi/uapi";
import { SCRATCH_REGISTER, S_TRACE_CTX, nil } from "../lib/state";
import { copyFromUser } from "../mm/vma";
import { EPOLL_URING_WAKE } from "../kernel/wait";
import { eventFdSignal } from "../fs/eventfd";
import { FILE_EVENTFD, File, fdFile, fget, fput } from "../fs/file";
import { RingCtx } from "./types";

/** IORING_REGISTER_EVENTFD(_ASYNC): one s32 descriptor at `arg`. EINVAL, EBUSY, EFAULT, EBADF. */
export function registerEventfd(ctx: RingCtx, arg: u64, nr: u32, isAsync: u32): i32 {
  if (nr != 1) return -EINVAL;
  if (ctx.evfd) return -EBUSY;
  if (copyFromUser(SCRATCH_REGISTER, arg, 4)) return -EFAULT;
  const f = fdFile(load<i32>(SCRATCH_REGISTER));
  if (!f) return -EBADF;
  if (f.kind != FILE_EVENTFD) return -EINVAL;
  ctx.evfd = fget(f);
  ctx.evfd_async = isAsync;
  ctx.evfd_tail = ctx.cached_cq_tail;
  return 0;
}

export function unregisterEventfd(ctx: RingCtx): i32 {
  const f = ctx.evfd;
  if (!f) return -ENXIO;
  ctx.evfd = nil<File>();
  fput(f);
  return 0;
}

/** `isCqe`: CQEs were published; else local work waits. */
export function eventfdSignal(ctx: RingCtx, isCqe: bool): void {
  if (load<u32>(ctx.rings, RING_OFF_CQ_FLAGS) & IORING_CQ_EVENTFD_DISABLED) return;
  if (ctx.evfd_async && load<u32>(S_TRACE_CTX) != TRACE_CTX_IOWQ) return;
  if (isCqe) {
    if (ctx.evfd_tail == ctx.cached_cq_tail) return;
    ctx.evfd_tail = ctx.cached_cq_tail;
  }
  eventFdSignal(ctx.evfd, EPOLL_URING_WAKE);
}
