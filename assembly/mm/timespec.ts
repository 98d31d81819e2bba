// struct timespec, {s64 sec, s64 nsec}: every call and request that takes or gives back a time does it here.
import { EFAULT, EINVAL } from "../abi/errno";
import { SCRATCH_TIMESPEC } from "../lib/state";
import { copyFromUser, copyToUser } from "./vma";

export const NSEC_PER_SEC: u64 = 1000000000;
const TIMESPEC_SIZE: u32 = 16;
/** Far beyond any run. Times are cut there, so that no sum with the clock can wrap. */
const SEC_MOST: i64 = 4000000000;
const NSEC_MOST: i64 = 4000000000000000000;
export const TIME_MOST: u64 = 4000000000000000000;

/** In ns. Parts may be negative; so may the sum. */
export function timespecNs(sec: i64, nsec: i64): i64 {
  return max(min(sec, SEC_MOST), -SEC_MOST) * (NSEC_PER_SEC as i64) + max(min(nsec, NSEC_MOST), -NSEC_MOST);
}

/** The time at `at` as ns in SCRATCH_TIMESPEC (u64): 0, -EFAULT, -EINVAL (a negative part). */
export function importTimespec(at: u64): i32 { return importParts(at, i64.MAX_VALUE); }
/** The same as most system calls want it: more than a second of ns is -EINVAL, too. */
export function importTimespecStrict(at: u64): i32 { return importParts(at, (NSEC_PER_SEC as i64) - 1); }

function importParts(at: u64, nsecMost: i64): i32 {
  if (copyFromUser(SCRATCH_TIMESPEC, at, TIMESPEC_SIZE)) return -EFAULT;
  const sec = load<i64>(SCRATCH_TIMESPEC), nsec = load<i64>(SCRATCH_TIMESPEC, 8);
  if (sec < 0 || nsec < 0 || nsec > nsecMost) return -EINVAL;
  store<i64>(SCRATCH_TIMESPEC, timespecNs(sec, nsec));
  return 0;
}

/** Writes `ns` to user memory: 0 or -EFAULT. */
export function exportTimespec(at: u64, ns: u64): i32 {
  store<u64>(SCRATCH_TIMESPEC, ns / NSEC_PER_SEC);
  store<u64>(SCRATCH_TIMESPEC, ns % NSEC_PER_SEC, 8);
  return copyToUser(at, SCRATCH_TIMESPEC, TIMESPEC_SIZE);
}
