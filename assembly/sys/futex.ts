// futex(2): waiting and waking, by value and by bit set.
import {
  FUTEX_CLOCK_REALTIME, FUTEX_CMD_LAST, FUTEX_PRIVATE_FLAG, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET,
} from "../abi/futex";
import { EAGAIN, EINVAL, ENOSYS, ETIMEDOUT } from "../abi/errno";
import { NOT_MODELLED_FUTEX } from "../abi/not_modelled";
import { WAIT_POLL } from "../abi/wait";
import { SCRATCH_TIMESPEC, nowNs } from "../lib/state";
import { notModelled } from "../lib/not_modelled";
import { importTimespecStrict } from "../mm/timespec";
import { CLOCK_MONOTONIC_START, CLOCK_REALTIME_START, FOREVER, fromClock } from "../kernel/sched";
import { FutexQ, futexFree, futexQueue, futexWake } from "../kernel/futex";
import { sleepMore, sysReturn, waitForever } from "./call";

export function sys_futex(uaddr: u64, op: u32, val: u32, timeout: u64, uaddr2: u64, val3: u32): i32 {
  return sysReturn(futex(uaddr, op, val, timeout, val3));
}

function futex(uaddr: u64, op: u32, val: u32, timeout: u64, val3: u32): i32 {
  const cmd = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), flags = op & FUTEX_PRIVATE_FLAG; // the same bit as FUTEX2_PRIVATE
  switch (cmd) {
    case FUTEX_WAKE: return futexWake(uaddr, flags, val as i32, u32.MAX_VALUE);
    case FUTEX_WAKE_BITSET: return futexWake(uaddr, flags, val as i32, val3);
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
      const bitset = cmd == FUTEX_WAIT ? u32.MAX_VALUE : val3;
      let deadline = FOREVER;
      if (timeout) {
        const err = importTimespecStrict(timeout), ns = load<u64>(SCRATCH_TIMESPEC);
        if (err) return err;
        deadline = cmd == FUTEX_WAIT ? nowNs() + ns : fromClock(ns, op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME_START : CLOCK_MONOTONIC_START);
      }
      return bitset ? wait(uaddr, flags, val, bitset, deadline) : -EINVAL;
    }
    default: return cmd > FUTEX_CMD_LAST ? -ENOSYS : notModelled(NOT_MODELLED_FUTEX | cmd);
  }
}

function wait(uaddr: u64, flags: u32, val: u32, bitset: u32, deadline: u64): i32 {
  const made = futexQueue(uaddr, flags, val, bitset, 0, 0);
  if (made < 0) return made;
  const q = changetype<FutexQ>(made as usize), started = nowNs();
  let ret: i32 = 0;
  while (!q.woken && !ret) ret = sleepMore(deadline, started);
  if (q.woken) ret = 0;
  else if (ret == -EAGAIN) ret = -ETIMEDOUT;
  else ret = waitForever(WAIT_POLL, -1, 1, 0);
  futexFree(q);
  return ret;
}
