// RWF_* flags of preadv2(2), pwritev2(2) and io_uring's rw_flags: which of them a file takes.
import { O_APPEND, RWF_APPEND, RWF_DONTCACHE, RWF_DSYNC, RWF_HIPRI, RWF_NOAPPEND, RWF_NOSIGNAL, RWF_NOWAIT, RWF_SYNC } from "../abi/fcntl";
import { EINVAL, EOPNOTSUPP } from "../abi/errno";
import { FMODE_NOWAIT, FMODE_REG, File, RW_APPEND, RW_NOWAIT, RW_WRITE } from "./file";

/** RWF_ATOMIC (0x40) needs direct I/O, which no file here has. */
const RWF_TAKEN: u32 = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND | RWF_DONTCACHE | RWF_NOSIGNAL;

/** RW_* for a transfer with these flags, or -EOPNOTSUPP, -EINVAL. */
export function rwFlags(f: File, rwf: u32, write: u32): i32 {
  const append = write & RW_WRITE && f.flags & O_APPEND ? RW_APPEND : 0;
  if (!rwf) return (write | append) as i32;
  if (rwf & ~RWF_TAKEN) return -EOPNOTSUPP;
  if ((rwf & (RWF_APPEND | RWF_NOAPPEND)) == (RWF_APPEND | RWF_NOAPPEND)) return -EINVAL;
  if (rwf & RWF_NOWAIT && !(f.mode & FMODE_NOWAIT)) return -EOPNOTSUPP;
  if (rwf & RWF_DONTCACHE && !(f.mode & FMODE_REG)) return -EOPNOTSUPP;
  let flags = write | (rwf & RWF_NOAPPEND ? 0 : append);
  if (rwf & RWF_NOWAIT) flags |= RW_NOWAIT;
  if (rwf & RWF_APPEND && write & RW_WRITE) flags |= RW_APPEND;
  return flags as i32;
}
