// The parameter region of a ring (IORING_REGISTER_MEM_REGION): memory that ring and program share for arguments, the kernel's
// (mapped at IORING_OFF_PARAM_REGION) or the program's own. With REG_WAIT_ARG it holds the arguments of waits (struct
// io_uring_reg_wait), which io_uring_enter() then takes by their offset. Man: io_uring_register_region(3).
import { E2BIG, EBUSY, EFAULT, EINVAL, ENOMEM } from "../abi/errno";
import { PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import {
  IORING_MEM_REGION_REG_WAIT_ARG, IORING_MEM_REGION_TYPE_USER, IORING_OFF_PARAM_REGION, IORING_SETUP_R_DISABLED, MEM_REGION_OFF_FLAGS,
  MEM_REGION_OFF_RESV, MEM_REGION_OFF_UPTR, MEM_REGION_SIZE, REGION_DESC_SIZE, REGION_OFF_FLAGS, REGION_OFF_ID, REGION_OFF_MMAP_OFFSET,
  REGION_OFF_RESV, REGION_OFF_SIZE, REGION_OFF_USER_ADDR, REG_WAIT_SIZE,
} from "../abi/uapi";
import { SCRATCH_REGISTER } from "../lib/state";
import { copyFromUser, copyToUser, userWritable, vmMap, vmUnmap } from "../mm/vma";
import { accountMem, current, unaccountMem } from "../kernel/task";
import { checkUserRegion, pinRange, unpinRange } from "./ring_mem";
import { RingCtx } from "./types";

/** What a kernel region can be here. */
const REGION_MAX: u64 = 64 << 20;

export function registerMemRegion(ctx: RingCtx, arg: u64): i32 {
  const r = SCRATCH_REGISTER, d = SCRATCH_REGISTER + (MEM_REGION_SIZE as usize);
  if (ctx.region) return -EBUSY;
  if (copyFromUser(r, arg, MEM_REGION_SIZE)) return -EFAULT;
  const uptr = load<u64>(r, MEM_REGION_OFF_UPTR), flags = load<u64>(r, MEM_REGION_OFF_FLAGS);
  if (copyFromUser(d, uptr, REGION_DESC_SIZE)) return -EFAULT;
  if (load<u64>(r, MEM_REGION_OFF_RESV) || load<u64>(r, MEM_REGION_OFF_RESV + 8)) return -EINVAL;
  if (flags & ~(IORING_MEM_REGION_REG_WAIT_ARG as u64)) return -EINVAL;
  // Nobody can be waiting on a ring that is still disabled.
  if (flags & (IORING_MEM_REGION_REG_WAIT_ARG as u64) && !(ctx.flags & IORING_SETUP_R_DISABLED)) return -EINVAL;
  const err = create(ctx, d);
  if (err) return err;
  if (userWritable(uptr, REGION_DESC_SIZE)) {
    regionFree(ctx);
    return -EFAULT;
  }
  copyToUser(uptr, d, REGION_DESC_SIZE);
  ctx.region_wait = flags as u32;
  return 0;
}

/** The region that the descriptor at `d` asks for. */
function create(ctx: RingCtx, d: usize): i32 {
  for (let i: usize = 0; i < 32; i += 8) if (load<u64>(d + i, REGION_OFF_RESV)) return -EINVAL;
  const flags = load<u32>(d, REGION_OFF_FLAGS), at = load<u64>(d, REGION_OFF_USER_ADDR), size = load<u64>(d, REGION_OFF_SIZE);
  if (flags & ~IORING_MEM_REGION_TYPE_USER) return -EINVAL;
  if ((flags != 0) != (at != 0)) return -EFAULT;
  if (!size || load<u64>(d, REGION_OFF_MMAP_OFFSET) || load<u32>(d, REGION_OFF_ID)) return -EINVAL;
  if (size >> PAGE_SHIFT > 0x7fffffff) return -E2BIG;
  if ((at | size) & ((PAGE_SIZE - 1) as u64)) return -EINVAL;
  if (size > REGION_MAX) return flags ? -EFAULT : -ENOMEM;
  const t = current(), pages = (size >> PAGE_SHIFT) as u32;
  if (ctx.acct && accountMem(t, pages)) return -ENOMEM;
  const place = flags ? checkUserRegion(at, size as u32) : (vmMap(size as usize, 0) as i32);
  if (place < 0 && place > -4096) {
    if (ctx.acct) unaccountMem(ctx.acct_uid, pages);
    return place;
  }
  ctx.region = flags ? (at as usize) : (place as usize);
  ctx.region_len = size as u32;
  ctx.region_charged = ctx.acct ? pages : 0;
  ctx.region_user = flags;
  pinRange(ctx.region, ctx.region_len);
  if (flags) return 0;
  vmUnmap(ctx.region, ctx.region_len as usize);
  store<u64>(d, IORING_OFF_PARAM_REGION as u64, REGION_OFF_MMAP_OFFSET);
  return 0;
}

export function regionFree(ctx: RingCtx): void {
  if (!ctx.region) return;
  unpinRange(ctx.region, ctx.region_len);
  if (ctx.region_charged) unaccountMem(ctx.acct_uid, ctx.region_charged);
  ctx.region = 0;
}

/** Address of the struct io_uring_reg_wait at `offset` of the wait region, or 0. 6.18 takes the first for the very last. */
export function regWait(ctx: RingCtx, offset: u64): usize {
  const last = (ctx.region_len - REG_WAIT_SIZE) as u64;
  if (!ctx.region_wait || offset & 7 || offset > last) return 0;
  return offset < last ? ctx.region + (offset as usize) : ctx.region;
}
