// What a task is allowed and where it is: setrlimit(2), setuid(2), setns(2).
import { RLIM_INFINITY, RLIMIT_MEMLOCK, RLIMIT_NOFILE } from "../abi/socket";
import { EFAULT, EINVAL, EPERM } from "../abi/errno";
import { S_MEMLOCK_HARD, S_NS_COUNT } from "../lib/state";
import { current, setNofileLimit } from "../kernel/task";
import { notModelled } from "../lib/not_modelled";
import { copyFromUser } from "../mm/vma";
import { SCRATCH_WORDS } from "../net/scratch";
import { sysReturn } from "./call";

const RLIM_NLIMITS: u32 = 16;
const MEMLOCK_DEFAULT: u64 = 8 << 20;

@inline function rlim(value: u32): u64 { return value == RLIM_INFINITY ? u64.MAX_VALUE : (value as u64); }

/** Only RLIMIT_MEMLOCK and RLIMIT_NOFILE have an effect on anything here. */
export function sys_setrlimit(resource: u32, soft: u32, hard: u32): i32 {
  if (resource >= RLIM_NLIMITS || rlim(soft) > rlim(hard)) return sysReturn(-EINVAL);
  if (resource == RLIMIT_NOFILE) {
    setNofileLimit(soft);
    return sysReturn(0);
  }
  if (resource != RLIMIT_MEMLOCK) return sysReturn(notModelled(resource));
  const stored = load<u64>(S_MEMLOCK_HARD), old = stored ? stored : MEMLOCK_DEFAULT;
  if (rlim(hard) > old && !current().privileged) return sysReturn(-EPERM);
  store<u64>(S_MEMLOCK_HARD, rlim(hard));
  current().memlock = rlim(soft);
  return sysReturn(0);
}

/** setrlimit(2) as it is called: struct rlimit, two u64, at `at`. */
export function sys_setrlimit64(resource: u32, at: u64): i32 {
  if (copyFromUser(SCRATCH_WORDS, at, 16)) return sysReturn(-EFAULT);
  const soft = load<u64>(SCRATCH_WORDS), hard = load<u64>(SCRATCH_WORDS, 8), most = u32.MAX_VALUE as u64;
  return sys_setrlimit(resource, min<u64>(soft, most) as u32, min<u64>(hard, most) as u32);
}

/** Only root has capabilities, and whoever stops being root has none left. */
export function sys_setuid(uid: u32): i32 {
  const t = current();
  if (!t.privileged && uid != t.uid) return sysReturn(-EPERM);
  t.uid = uid;
  if (uid) t.privileged = 0;
  return sysReturn(0);
}

export function sys_setns(ns: u32): i32 {
  if (ns >= load<u32>(S_NS_COUNT)) return sysReturn(-EINVAL);
  if (!current().privileged) return sysReturn(-EPERM);
  current().netns = ns;
  return sysReturn(0);
}
