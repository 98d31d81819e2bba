// futex(2): waiting and waking, by value and by bit set.
import { EAGAIN, EFAULT, EINVAL, ENOSYS, ETIMEDOUT } from "../abi/errno";
import { WAIT_POLL } from "../abi/wait";
import { nowNs } from "../lib/state";
import { notModelled } from "../lib/not_modelled";
import { copyFromUser } from "../mm/vma";
import { FOREVER } from "../kernel/sched";
import { FutexQ, futexFree, futexQueue, futexWake } from "../kernel/futex";
import { SCRATCH_WORDS } from "../net/scratch";
import { sleepMore, sysReturn, waitForever } from "./call";

const FUTEX_WAIT: u32 = 0;
const FUTEX_WAKE: u32 = 1;
const FUTEX_WAIT_BITSET: u32 = 9;
const FUTEX_WAKE_BITSET: u32 = 10;
const FUTEX_CMD_LAST: u32 = 13;
const FUTEX_PRIVATE_FLAG: u32 = 128;
const FUTEX_CLOCK_REALTIME: u32 = 256;

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
        if (copyFromUser(SCRATCH_WORDS, timeout, 16)) return -EFAULT;
        const sec = load<i64>(SCRATCH_WORDS), ns = load<u64>(SCRATCH_WORDS, 8);
        if (sec < 0 || ns >= 1000000000) return -EINVAL;
        if (cmd == FUTEX_WAIT_BITSET) return notModelled(cmd); // an absolute time
        deadline = nowNs() + min<u64>(sec as u64, 4000000000) * 1000000000 + ns; // cut, so that the sum cannot wrap
      }
      return bitset ? wait(uaddr, flags, val, bitset, deadline) : -EINVAL;
    }
    default: return cmd > FUTEX_CMD_LAST ? -ENOSYS : notModelled(cmd);
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
