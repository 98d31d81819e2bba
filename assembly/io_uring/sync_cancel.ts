// IORING_REGISTER_SYNC_CANCEL: cancels from a system call of its own. If a worker runs the request, the call waits until it is
// gone. man: io_uring_register_sync_cancel(3).
import { EALREADY, EBADF, EFAULT, EINVAL, ENOENT, ETIME, EWAITFOREVER } from "../abi/errno";
import { WAIT_REPORT_BASE } from "../abi/layout";
import {
  IORING_ASYNC_CANCEL_FD, IORING_ASYNC_CANCEL_FD_FIXED, IORING_ASYNC_CANCEL_OP, SYNC_CANCEL_OFF_ADDR, SYNC_CANCEL_OFF_FD, SYNC_CANCEL_OFF_FLAGS,
  SYNC_CANCEL_OFF_OPCODE, SYNC_CANCEL_OFF_TIMEOUT, SYNC_CANCEL_SIZE,
} from "../abi/uapi";
import { WAIT_KIND, WAIT_RING, WAIT_SIZE } from "../abi/wait";
import { ROW_CANCEL } from "../abi/profile";
import { validFlags } from "../lib/profile";
import { SCRATCH_SYNC_CANCEL, nowNs } from "../lib/state";
import { timespecNs } from "../mm/timespec";
import { copyFromUser } from "../mm/vma";
import { FOREVER, SLEEP_DEADLINE, SLEEP_NEVER, sleepStep } from "../kernel/sched";
import { current } from "../kernel/task";
import { cancel, cancelFile, want } from "./cancel";
import { runTaskWork } from "./tw";
import { RingCtx } from "./types";

/**
 * `arg`: struct io_uring_sync_cancel_reg, 64 bytes. How many were cancelled with ALL or ANY, else 0; ENOENT, EBADF, EINVAL,
 * EFAULT; ETIME: a worker still runs it when the time is up.
 */
export function syncCancel(ctx: RingCtx, arg: u64): i32 {
  const p = SCRATCH_SYNC_CANCEL;
  if (copyFromUser(p, arg, SYNC_CANCEL_SIZE)) return -EFAULT;
  const flags = load<u32>(p, SYNC_CANCEL_OFF_FLAGS), fd = load<u32>(p, SYNC_CANCEL_OFF_FD);
  const valid = validFlags(ROW_CANCEL);
  if (flags & ~valid) return -EINVAL;
  for (let i: usize = SYNC_CANCEL_OFF_OPCODE + (valid & IORING_ASYNC_CANCEL_OP ? 1 : 0); i < SYNC_CANCEL_SIZE; i++) if (load<u8>(p + i)) return -EINVAL;
  const data = load<u64>(p, SYNC_CANCEL_OFF_ADDR), opcode = load<u8>(p, SYNC_CANCEL_OFF_OPCODE) as u32;
  const sec = load<i64>(p, SYNC_CANCEL_OFF_TIMEOUT), nsec = load<i64>(p, SYNC_CANCEL_OFF_TIMEOUT + 8);
  const deadline = sec == -1 && nsec == -1 ? FOREVER : nowNs() + (max<i64>(timespecNs(sec, nsec), 0) as u64);
  let ret = once(ctx, flags, data, fd, opcode);
  if (ret != -EALREADY) return ret;
  while (ret == -EALREADY) {
    runTaskWork();
    const step = sleepStep(deadline);
    if (step == SLEEP_DEADLINE) return -ETIME;
    if (step == SLEEP_NEVER) return waitForEver();
    ret = once(ctx, flags, data, fd, opcode);
  }
  return ret == -ENOENT ? 0 : ret;
}

function once(ctx: RingCtx, flags: u32, data: u64, fd: u32, opcode: u32): i32 {
  let file: usize = 0;
  if (flags & IORING_ASYNC_CANCEL_FD) {
    file = changetype<usize>(cancelFile(ctx, current(), fd, (flags & IORING_ASYNC_CANCEL_FD_FIXED) != 0));
    if (!file) return -EBADF;
  }
  return cancel(ctx, want(flags, data, file, opcode));
}

function waitForEver(): i32 {
  memory.fill(WAIT_REPORT_BASE, 0, WAIT_SIZE);
  store<u32>(WAIT_REPORT_BASE, WAIT_RING, WAIT_KIND);
  return -EWAITFOREVER;
}
