// IORING_REGISTER_RESTRICTIONS: what a ring that is still disabled may be used for once it is enabled. What the list does not
// name is refused: SQEs with a CQE of EACCES, register calls with EACCES. Man: io_uring_register(2).
import { EBADFD, EBUSY, EFAULT, EINVAL } from "../abi/errno";
import {
  IORING_RESTRICTION_REGISTER_OP, IORING_RESTRICTION_SQE_FLAGS_ALLOWED, IORING_RESTRICTION_SQE_FLAGS_REQUIRED,
  IORING_RESTRICTION_SQE_OP, IORING_SETUP_R_DISABLED, RESTRICTION_OFF_ARG, RESTRICTION_OFF_OPCODE, RESTRICTION_SIZE,
} from "../abi/uapi";
import { NOT_MODELLED_OP } from "../abi/not_modelled";
import { notModelled } from "../lib/not_modelled";
import { opLast, registerLast } from "../lib/profile";
import { SCRATCH_REGISTER } from "../lib/state";
import { copyFromUser } from "../mm/vma";
import { RingCtx } from "./types";

/** IORING_RESTRICTION_*. */
const KINDS: u32 = 4;

/** Array of `nr` struct io_uring_restriction. EBADFD, EBUSY, EINVAL, EFAULT; a list that fails leaves nothing. */
export function registerRestrictions(ctx: RingCtx, arg: u64, nr: u32): i32 {
  if (!(ctx.flags & IORING_SETUP_R_DISABLED)) return -EBADFD;
  if (ctx.res_registered) return -EBUSY;
  if (!arg || nr > opLast() + registerLast() + KINDS) return -EINVAL; // more than there are things to name
  for (let i: u32 = 0; i < nr; i++) {
    const err = addOne(ctx, arg + ((i * RESTRICTION_SIZE) as u64));
    if (!err) continue;
    ctx.res_ops = 0;
    ctx.res_register = 0;
    ctx.res_flags = 0;
    ctx.res_flags_required = 0;
    return err;
  }
  ctx.res_registered = 1;
  return 0;
}

function addOne(ctx: RingCtx, at: u64): i32 {
  const r = SCRATCH_REGISTER;
  if (copyFromUser(r, at, RESTRICTION_SIZE)) return -EFAULT;
  const value = load<u8>(r, RESTRICTION_OFF_ARG) as u32;
  switch (load<u16>(r, RESTRICTION_OFF_OPCODE) as u32) {
    case IORING_RESTRICTION_REGISTER_OP:
      if (value >= registerLast()) return -EINVAL;
      ctx.res_register |= (1 as u64) << value;
      return 0;
    case IORING_RESTRICTION_SQE_OP:
      if (value >= opLast()) return -EINVAL;
      if (value > 63) return notModelled(NOT_MODELLED_OP | value);
      ctx.res_ops |= (1 as u64) << value;
      return 0;
    case IORING_RESTRICTION_SQE_FLAGS_ALLOWED: ctx.res_flags = value; return 0;
    case IORING_RESTRICTION_SQE_FLAGS_REQUIRED: ctx.res_flags_required = value; return 0;
    default: return -EINVAL;
  }
}

/** May this SQE pass? */
export function restrictionAllows(ctx: RingCtx, opcode: u32, flags: u32): bool {
  if (opcode > 63 || !(ctx.res_ops & ((1 as u64) << opcode))) return false;
  if ((flags & ctx.res_flags_required) != ctx.res_flags_required) return false;
  return (flags & ~(ctx.res_flags | ctx.res_flags_required)) == 0;
}
@inline export function restrictionAllowsRegister(ctx: RingCtx, opcode: u32): bool { return (ctx.res_register & ((1 as u64) << opcode)) != 0; }
