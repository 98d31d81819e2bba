// splice(2), tee(2).
import { MAX_RW_COUNT } from "../abi/socket";
import { EBADF, EFAULT, EINVAL, ESPIPE } from "../abi/errno";
import { WAIT_SEND } from "../abi/wait";
import { S_SLEEP_WQ, nowNs } from "../lib/state";
import { copyFromUser, copyToUser } from "../mm/vma";
import { FOREVER } from "../kernel/sched";
import { FILE_NULL, FILE_PIPE, File, fdFile, fget, fput } from "../fs/file";
import { SCRATCH_WORDS } from "../net/scratch";
import { SPLICE_F_ALL, SPLICE_NO_OFF, splice, tee } from "../net/splice";
import { endsRun, sleepMore, sysReturn, waitForever } from "./call";

export function sys_splice(fdIn: i32, offIn: u64, fdOut: i32, offOut: u64, len: u64, flags: u32): i32 {
  return sysReturn(spliceUser(fdIn, offIn, fdOut, offOut, len, flags));
}

function spliceUser(fdIn: i32, uoffIn: u64, fdOut: i32, uoffOut: u64, len: u64, flags: u32): i32 {
  if (!len) return 0;
  if (flags & ~SPLICE_F_ALL) return -EINVAL;
  const fin = fdFile(fdIn), fout = fdFile(fdOut);
  if (!fin || !fout) return -EBADF;
  if ((fin.kind == FILE_PIPE && uoffIn) || (fout.kind == FILE_PIPE && uoffOut)) return -ESPIPE;
  let offIn = SPLICE_NO_OFF, offOut = SPLICE_NO_OFF;
  if (uoffOut) {
    if (copyFromUser(SCRATCH_WORDS, uoffOut, 8)) return -EFAULT;
    offOut = load<u64>(SCRATCH_WORDS);
  }
  if (uoffIn) {
    if (copyFromUser(SCRATCH_WORDS, uoffIn, 8)) return -EFAULT;
    offIn = load<u64>(SCRATCH_WORDS);
  }
  if ((offIn == SPLICE_NO_OFF && uoffIn) || (offOut == SPLICE_NO_OFF && uoffOut)) return -EINVAL; // no such offset
  const ret = wait(fin, offIn, fout, offOut, clip(len), flags, false);
  if (ret < 0) return ret;
  if (uoffOut && putOffset(uoffOut, fout.kind == FILE_NULL ? offOut : offOut + (ret as u64))) return -EFAULT;
  return uoffIn && putOffset(uoffIn, offIn + (ret as u64)) ? -EFAULT : ret;
}

@inline function clip(len: u64): u32 { return len < (MAX_RW_COUNT as u64) ? (len as u32) : MAX_RW_COUNT; }

function putOffset(to: u64, off: u64): i32 {
  store<u64>(SCRATCH_WORDS, off);
  return copyToUser(to, SCRATCH_WORDS, 8);
}

export function sys_tee(fdIn: i32, fdOut: i32, len: u64, flags: u32): i32 {
  if (flags & ~SPLICE_F_ALL) return sysReturn(-EINVAL);
  if (!len) return sysReturn(0);
  const fin = fdFile(fdIn), fout = fdFile(fdOut);
  return sysReturn(fin && fout ? wait(fin, 0, fout, 0, clip(len), flags, true) : -EBADF);
}

/** Repeats until nothing is left to wait for. */
function wait(fin: File, offIn: u64, fout: File, offOut: u64, len: u32, flags: u32, isTee: bool): i32 {
  fget(fin);
  fget(fout);
  const started = nowNs();
  let done: u32 = 0, ret: i32;
  for (;;) {
    ret = isTee ? tee(fin, fout, len, flags) : splice(fin, at(offIn, done), fout, at(offOut, done), len - done, flags, done);
    if (ret > 0) done += ret;
    if (!load<u32>(S_SLEEP_WQ)) break;
    store<u32>(S_SLEEP_WQ, 0);
    if (sleepMore(FOREVER, started)) {
      ret = waitForever(WAIT_SEND, -1, len, done);
      break;
    }
  }
  fput(fin);
  fput(fout);
  return done && !endsRun(ret) ? (done as i32) : ret;
}

@inline function at(off: u64, done: u32): u64 { return off == SPLICE_NO_OFF ? off : off + (done as u64); }
