// io_uring_params: what goes in, what comes back, and how large the mapping is that follows from it.
import { TIMESPEC_SIZE } from "../../assembly/abi/socket.ts";
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
  const { view } = user.memory;
  for (let offset = 0; offset < uapi.PARAMS_SIZE; offset += 8) view.setFloat64(at + offset, 0);
  view.setUint32(at + uapi.PARAMS_OFF_FLAGS, cqEntries === undefined ? flags : flags | uapi.IORING_SETUP_CQSIZE, true);
  view.setUint32(at + uapi.PARAMS_OFF_CQ_ENTRIES, cqEntries ?? 0, true);
  view.setUint32(at + uapi.PARAMS_OFF_SQ_THREAD_IDLE, sqThreadIdle, true);
}

export function readParams(user: UserMemory, at: number): RingParams {
  const { view } = user.memory;
  const u32 = (offset: number) => view.getUint32(at + offset, true);
  const sq = uapi.PARAMS_OFF_SQ_OFF;
  const cq = uapi.PARAMS_OFF_CQ_OFF;
  return {
    sqEntries: u32(uapi.PARAMS_OFF_SQ_ENTRIES),
    cqEntries: u32(uapi.PARAMS_OFF_CQ_ENTRIES),
    flags: u32(uapi.PARAMS_OFF_FLAGS),
    features: u32(uapi.PARAMS_OFF_FEATURES),
    sqOff: {
      head: u32(sq + uapi.SQOFF_OFF_HEAD),
      tail: u32(sq + uapi.SQOFF_OFF_TAIL),
      flags: u32(sq + uapi.SQOFF_OFF_FLAGS),
      dropped: u32(sq + uapi.SQOFF_OFF_DROPPED),
      array: u32(sq + uapi.SQOFF_OFF_ARRAY),
    },
    cqOff: {
      head: u32(cq + uapi.CQOFF_OFF_HEAD),
      tail: u32(cq + uapi.CQOFF_OFF_TAIL),
      ringMask: u32(cq + uapi.CQOFF_OFF_RING_MASK),
      overflow: u32(cq + uapi.CQOFF_OFF_OVERFLOW),
      cqes: u32(cq + uapi.CQOFF_OFF_CQES),
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

/** What the rings of one application share, so that one ring more costs no memory that is never given back. */
export interface Shared {
  /** Places for what a call reads or fills, and does not keep: io_uring_params, and the argument of a timed wait. */
  readonly params: number;
  readonly extArg: number;
  /** The machine's memory as 4-byte and 8-byte words. */
  words: Int32Array;
  doubles: Float64Array;
}

const applications = new WeakMap<UserMemory, Shared>();

/** With views of the memory as long as it is now. */
export function sharedOf(user: UserMemory): Shared {
  let shared = applications.get(user);
  const length = user.memory.byteLength;
  if (shared === undefined) {
    const params = user.alloc(uapi.PARAMS_SIZE);
    const extArg = user.alloc(uapi.GETEVENTS_ARG_SIZE + TIMESPEC_SIZE);
    shared = { params, extArg, words: new Int32Array(0), doubles: new Float64Array(0) };
    applications.set(user, shared);
  }
  if (shared.words.byteLength !== length) {
    const { buffer } = user.memory.wasm;
    shared.words = new Int32Array(buffer);
    shared.doubles = new Float64Array(buffer);
  }
  return shared;
}
