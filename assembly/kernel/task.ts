// A task: who calls, with which limits, in which network namespace, with which open files. Task work (kernel/task_work)
// and io_uring's per-task state hang off it.
import { POOL_TASK, poolAlloc } from "../lib/pool";
import { PAGE_SHIFT, TASK_SIZE } from "../abi/layout";
import { BUG_MEMLOCK } from "../abi/bug";
import { ENOMEM } from "../abi/errno";
import { bugOn } from "../lib/bug";
import { S_CURRENT, S_RLIM_NOFILE, S_USER_ACCT } from "../lib/state";

export const FD_MAX: u32 = 1024;
/** RLIMIT_NOFILE that a task starts with. */
const NOFILE_DEFAULT: u32 = FD_MAX;
const UIDS_MAX: u32 = 64;

@unmanaged @final export class Task {
  pad: u32;
  id: u32;
  uid: u32;
  privileged: u32; // CAP_IPC_LOCK, CAP_NET_RAW, ...
  netns: u32;
  memlock: u64; // RLIMIT_MEMLOCK soft limit, bytes
  tw_head: usize; // task work of rings without DEFER_TASKRUN: io_kiocb list in order of arrival
  tw_tail: usize;
  tw_running: u32;
  in_kernel: u32; // executing a system call (task work waits for its end)
  fd_hint: u32; // no free descriptor below
  uring: u32; // it has set a ring up
}
const FDS: usize = 64; // u32 file pointer per descriptor
const CLOEXEC: usize = FDS + (FD_MAX as usize) * 4; // a bit per descriptor
/** Registered rings of a task (io_uring_task). */
export const RING_FDS_MAX: u32 = 16;
const RING_FDS: usize = CLOEXEC + (FD_MAX as usize) / 8; // u32 file pointer per slot
if (offsetof<Task>() > 64) ERROR("Task header overlaps its descriptor table");
if ((TASK_SIZE as usize) < RING_FDS + (RING_FDS_MAX as usize) * 4) ERROR("Task does not hold its tables");

@inline export function current(): Task { return changetype<Task>(load<u32>(S_CURRENT) as usize); }

export function taskCreate(id: u32): Task {
  const t = changetype<Task>(poolAlloc(POOL_TASK));
  memory.fill(changetype<usize>(t), 0, TASK_SIZE);
  t.id = id;
  t.privileged = 1;
  t.memlock = 8 << 20;
  return t;
}

@inline export function fdSlot(t: Task, fd: u32): usize { return changetype<usize>(t) + FDS + ((fd as usize) << 2); }

/** RLIMIT_NOFILE: descriptors, and registered files. A task never has more than FD_MAX descriptors. */
export function nofileLimit(): u32 {
  const set = load<u32>(S_RLIM_NOFILE);
  return set ? set - 1 : NOFILE_DEFAULT;
}
/** The first descriptor that cannot be given out. */
export function fdEnd(): u32 { return min<u32>(FD_MAX, nofileLimit()); }
export function setNofileLimit(nr: u32): void { store<u32>(S_RLIM_NOFILE, nr < u32.MAX_VALUE ? nr + 1 : nr); }
/** Slot `i` of the task's registered rings. */
@inline export function ringFdSlot(t: Task, i: u32): usize { return changetype<usize>(t) + RING_FDS + ((i as usize) << 2); }

// Close-on-exec is without effect here, but it can be asked for.
@inline function cloexecByte(t: Task, fd: u32): usize { return changetype<usize>(t) + CLOEXEC + ((fd >> 3) as usize); }
export function fdCloexec(t: Task, fd: u32): bool { return (load<u8>(cloexecByte(t, fd)) & (1 << (fd & 7))) != 0; }
export function fdSetCloexec(t: Task, fd: u32, on: bool): void {
  const at = cloexecByte(t, fd), bit: u32 = 1 << (fd & 7), old = load<u8>(at) as u32;
  store<u8>(at, (on ? old | bit : old & ~bit) as u8);
}

/** Locked pages of the task's user (shared by all tasks of that uid). */
@inline function acctSlot(uid: u32): usize { return S_USER_ACCT + ((uid % UIDS_MAX) << 2); }

/** Charges `nr` pages against RLIMIT_MEMLOCK of `t`'s user; 0 or -ENOMEM. */
export function accountMem(t: Task, nr: u32): i32 {
  const slot = acctSlot(t.uid), limit = t.memlock >> PAGE_SHIFT;
  if ((load<u32>(slot) as u64) + (nr as u64) > limit) return -ENOMEM;
  store<u32>(slot, load<u32>(slot) + nr);
  return 0;
}
export function unaccountMem(uid: u32, nr: u32): void {
  const slot = acctSlot(uid);
  bugOn(load<u32>(slot) < nr, BUG_MEMLOCK, uid, nr);
  store<u32>(slot, load<u32>(slot) - nr);
}
