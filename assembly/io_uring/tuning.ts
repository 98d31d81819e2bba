// Register calls that tune and are seen again only through themselves: NAPI busy polling, the clock of waits, io-wq's
// affinity. Nothing here changes what a request does.
// Man: io_uring_register(2), io_uring_register_napi(3), io_uring_register_iowq_max_workers(3); values observed on 6.18.
import { EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM } from "../abi/errno";
import {
  CLOCK_REGISTER_SIZE, IORING_SETUP_IOPOLL, IO_URING_NAPI_REGISTER_OP, IO_URING_NAPI_STATIC_ADD_ID, IO_URING_NAPI_STATIC_DEL_ID,
  IO_URING_NAPI_TRACKING_INACTIVE, IO_URING_NAPI_TRACKING_STATIC, NAPI_OFF_BUSY_POLL_TO, NAPI_OFF_OPCODE, NAPI_OFF_OP_PARAM, NAPI_OFF_PAD,
  NAPI_OFF_PREFER_BUSY_POLL, NAPI_OFF_RESV, NAPI_SIZE,
} from "../abi/uapi";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { SCRATCH_REGISTER } from "../lib/state";
import { copyFromUser, copyToUser } from "../mm/vma";
import { RingCtx } from "./types";

// NAPI --------------------------------------------------------------------------------------------------------------------

const BUSY_POLL_TO_MAX: u32 = 10000;
/** Smaller numbers are CPUs. */
const MIN_NAPI_ID: u32 = 257;

@unmanaged @final class NapiId { pad: u32; next: NapiId; id: u32; }

function napiFree(ctx: RingCtx): void {
  while (ctx.napi_ids) {
    const n = changetype<NapiId>(ctx.napi_ids);
    ctx.napi_ids = changetype<usize>(n.next);
    poolFree(POOL_SMALL, changetype<usize>(n));
  }
}
export function napiExit(ctx: RingCtx): void { napiFree(ctx); }

/** Writes the settings so far over the program's struct. */
function napiShow(ctx: RingCtx, arg: u64, mode: u32): i32 {
  const n = SCRATCH_REGISTER;
  memory.fill(n, 0, NAPI_SIZE);
  store<u32>(n, ctx.napi_to, NAPI_OFF_BUSY_POLL_TO);
  store<u8>(n, ctx.napi_prefer as u8, NAPI_OFF_PREFER_BUSY_POLL);
  store<u32>(n, mode, NAPI_OFF_OP_PARAM);
  return copyToUser(arg, n, NAPI_SIZE);
}
@inline function napiMode(ctx: RingCtx): u32 { return ctx.napi_mode ? ctx.napi_mode - 1 : IO_URING_NAPI_TRACKING_INACTIVE; }

/** IORING_REGISTER_NAPI: sets busy polling, or one id of the static list. EINVAL, EFAULT, EEXIST, ENOENT. */
export function registerNapi(ctx: RingCtx, arg: u64): i32 {
  const n = SCRATCH_REGISTER;
  if (ctx.flags & IORING_SETUP_IOPOLL) return -EINVAL;
  if (copyFromUser(n, arg, NAPI_SIZE)) return -EFAULT;
  if (load<u16>(n, NAPI_OFF_PAD) || load<u32>(n, NAPI_OFF_RESV)) return -EINVAL;
  const to = load<u32>(n, NAPI_OFF_BUSY_POLL_TO), prefer = load<u8>(n, NAPI_OFF_PREFER_BUSY_POLL);
  const op = load<u8>(n, NAPI_OFF_OPCODE) as u32, param = load<u32>(n, NAPI_OFF_OP_PARAM);
  if (napiShow(ctx, arg, napiMode(ctx))) return -EFAULT;
  switch (op) {
    case IO_URING_NAPI_REGISTER_OP:
      if (param > IO_URING_NAPI_TRACKING_STATIC) return -EINVAL;
      napiFree(ctx);
      ctx.napi_mode = param + 1;
      ctx.napi_to = min<u32>(to, BUSY_POLL_TO_MAX);
      ctx.napi_prefer = prefer ? 1 : 0;
      return 0;
    case IO_URING_NAPI_STATIC_ADD_ID: return napiMode(ctx) == IO_URING_NAPI_TRACKING_STATIC ? napiAdd(ctx, param) : -EINVAL;
    case IO_URING_NAPI_STATIC_DEL_ID: return napiMode(ctx) == IO_URING_NAPI_TRACKING_STATIC ? napiDel(ctx, param) : -EINVAL;
    default: return -EINVAL;
  }
}

function napiAdd(ctx: RingCtx, id: u32): i32 {
  if (id < MIN_NAPI_ID) return -EINVAL;
  for (let n = changetype<NapiId>(ctx.napi_ids); n; n = n.next) if (n.id == id) return -EEXIST;
  const n = changetype<NapiId>(poolAlloc(POOL_SMALL));
  if (!n) return -ENOMEM;
  n.id = id;
  n.next = changetype<NapiId>(ctx.napi_ids);
  ctx.napi_ids = changetype<usize>(n);
  return 0;
}

function napiDel(ctx: RingCtx, id: u32): i32 {
  if (id < MIN_NAPI_ID) return -EINVAL;
  let prev = changetype<NapiId>(0);
  for (let n = changetype<NapiId>(ctx.napi_ids); n; n = n.next) {
    if (n.id != id) {
      prev = n;
      continue;
    }
    if (prev) prev.next = n.next;
    else ctx.napi_ids = changetype<usize>(n.next);
    poolFree(POOL_SMALL, changetype<usize>(n));
    return 0;
  }
  return -ENOENT;
}

/** IORING_UNREGISTER_NAPI: `arg` may be 0, else the settings so far are written to it. */
export function unregisterNapi(ctx: RingCtx, arg: u64): i32 {
  if (arg && napiShow(ctx, arg, 0)) return -EFAULT;
  ctx.napi_to = 0;
  ctx.napi_prefer = 0;
  ctx.napi_mode = 0;
  return 0;
}

// Clock -------------------------------------------------------------------------------------------------------------------

const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_BOOTTIME: u32 = 7;

/** IORING_REGISTER_CLOCK. The machine never sleeps, so the two clocks are one. */
export function registerClock(arg: u64): i32 {
  const c = SCRATCH_REGISTER;
  if (copyFromUser(c, arg, CLOCK_REGISTER_SIZE)) return -EFAULT;
  if (load<u32>(c, 4) || load<u64>(c, 8)) return -EINVAL;
  const id = load<u32>(c);
  return id == CLOCK_MONOTONIC || id == CLOCK_BOOTTIME ? 0 : -EINVAL;
}

// io-wq -------------------------------------------------------------------------------------------------------------------

const CPUMASK_SIZE: u32 = 32;
/** A mask of `len` bytes, of which only the readability matters. */
export function registerIowqAff(arg: u64, len: u32): i32 {
  if (!arg || !len) return -EINVAL;
  return copyFromUser(SCRATCH_REGISTER, arg, min<u32>(len, CPUMASK_SIZE));
}
