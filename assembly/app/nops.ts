// An application compiled to Wasm: it shares the machine's memory, talks to its ring there, and calls the kernel for
// io_uring_enter(2). The benchmark's no-op rows run it, as zcbench.c runs compiled code on Linux; it is not part of the core.
import { CQE_OFF_FLAGS, CQE_OFF_RES, CQE_SIZE, IORING_CQE_F_NOTIF, RING_OFF_CQES, RING_OFF_CQ_HEAD, RING_OFF_CQ_TAIL, RING_OFF_SQ_TAIL, SQE_OFF_USER_DATA, SQE_SIZE } from "../abi/uapi";

@external("env", "io_uring_enter")
declare function io_uring_enter(fd: i32, toSubmit: u32, minComplete: u32, flags: u32, arg: usize, argsz: u32): i32;

/**
 * `rounds` times `batch` no-ops on the ring at `rings` and `sqes` (ring sizes: batch and twice the batch, both powers of
 * two): clear and fill each SQE, publish, submit and wait, read each CQE. Operations completed, or -errno.
 */
export function nops(fd: i32, rings: usize, sqes: usize, batch: u32, rounds: u32): i32 {
  const sqMask = batch - 1, cqMask = batch * 2 - 1;
  let done: u32 = 0, sum: u32 = 0;
  for (let round: u32 = 0; round < rounds; round++) {
    let tail = load<u32>(rings, RING_OFF_SQ_TAIL);
    for (let i: u32 = 0; i < batch; i++, tail++) {
      const sqe = sqes + ((tail & sqMask) * SQE_SIZE) as usize;
      v128.store(sqe, i32x4(0, 0, 0, 0)); // memset() of 64 bytes, as a C compiler writes it
      v128.store(sqe, i32x4(0, 0, 0, 0), 16);
      v128.store(sqe, i32x4(0, 0, 0, 0), 32);
      v128.store(sqe, i32x4(0, 0, 0, 0), 48);
      store<u64>(sqe, i as u64, SQE_OFF_USER_DATA);
    }
    atomic.store<u32>(rings, tail, RING_OFF_SQ_TAIL);
    const ret = io_uring_enter(fd, batch, batch, 1, 0, 0);
    if (ret < 0) return ret;
    let head = load<u32>(rings, RING_OFF_CQ_HEAD);
    const end = atomic.load<u32>(rings, RING_OFF_CQ_TAIL);
    for (; head != end; head++) {
      const cqe = rings + RING_OFF_CQES + ((head & cqMask) * CQE_SIZE) as usize;
      if (!(load<u32>(cqe, CQE_OFF_FLAGS) & IORING_CQE_F_NOTIF)) {
        done++;
        sum += load<u32>(cqe, CQE_OFF_RES);
      }
    }
    atomic.store<u32>(rings, head, RING_OFF_CQ_HEAD);
  }
  return sum ? -1 : (done as i32);
}
