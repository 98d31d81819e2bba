// io_uring_params: what goes in, what comes back, and how large the mapping is that follows from it.
import * as uapi from "../../assembly/abi/uapi.ts";
import type { UserMemory } from "../sys/user_memory.ts";

export interface RingOptions {
  /** IORING_SETUP_* */
  flags?: number;
  /** Entries of the completion queue; sets IORING_SETUP_CQSIZE. */
  cqEntries?: number;
  sqThreadIdle?: number;
}

export interface RingParams {
  sqEntries: number;
  cqEntries: number;
  flags: number;
  features: number;
  sqOff: { head: number; tail: number; flags: number; dropped: number; array: number };
  cqOff: { head: number; tail: number; ringMask: number; overflow: number; cqes: number };
}

export function writeParams(user: UserMemory, at: number, options: RingOptions): void {
  const { flags = 0, cqEntries, sqThreadIdle = 0 } = options;
  user.fill(at, uapi.PARAMS_SIZE, 0);
  user.setU32(at + uapi.PARAMS_OFF_FLAGS, cqEntries === undefined ? flags : flags | uapi.IORING_SETUP_CQSIZE);
  user.setU32(at + uapi.PARAMS_OFF_CQ_ENTRIES, cqEntries ?? 0);
  user.setU32(at + uapi.PARAMS_OFF_SQ_THREAD_IDLE, sqThreadIdle);
}

export function readParams(user: UserMemory, at: number): RingParams {
  const sq = at + uapi.PARAMS_OFF_SQ_OFF;
  const cq = at + uapi.PARAMS_OFF_CQ_OFF;
  return {
    sqEntries: user.getU32(at + uapi.PARAMS_OFF_SQ_ENTRIES),
    cqEntries: user.getU32(at + uapi.PARAMS_OFF_CQ_ENTRIES),
    flags: user.getU32(at + uapi.PARAMS_OFF_FLAGS),
    features: user.getU32(at + uapi.PARAMS_OFF_FEATURES),
    sqOff: {
      head: user.getU32(sq + uapi.SQOFF_OFF_HEAD),
      tail: user.getU32(sq + uapi.SQOFF_OFF_TAIL),
      flags: user.getU32(sq + uapi.SQOFF_OFF_FLAGS),
      dropped: user.getU32(sq + uapi.SQOFF_OFF_DROPPED),
      array: user.getU32(sq + uapi.SQOFF_OFF_ARRAY),
    },
    cqOff: {
      head: user.getU32(cq + uapi.CQOFF_OFF_HEAD),
      tail: user.getU32(cq + uapi.CQOFF_OFF_TAIL),
      ringMask: user.getU32(cq + uapi.CQOFF_OFF_RING_MASK),
      overflow: user.getU32(cq + uapi.CQOFF_OFF_OVERFLOW),
      cqes: user.getU32(cq + uapi.CQOFF_OFF_CQES),
    },
  };
}

/** Bytes of the mapping that SQ and CQ share (IORING_FEAT_SINGLE_MMAP): up to the end of the SQ array or of the CQEs. */
export function ringBytes(params: RingParams): number {
  const cqe = params.flags & uapi.IORING_SETUP_CQE32 ? uapi.CQE32_SIZE : uapi.CQE_SIZE;
  const cq = params.cqOff.cqes + params.cqEntries * cqe;
  if (params.flags & uapi.IORING_SETUP_NO_SQARRAY) return cq;
  return Math.max(cq, params.sqOff.array + params.sqEntries * 4);
}
