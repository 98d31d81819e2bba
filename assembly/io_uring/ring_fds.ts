// Registered ring descriptors (IORING_REGISTER_RING_FDS): sixteen slots per task. io_uring_enter() with
// IORING_ENTER_REGISTERED_RING and io_uring_register() with IORING_REGISTER_USE_REGISTERED_RING take a slot instead of a
// descriptor; a ring of IORING_SETUP_REGISTERED_FD_ONLY has nothing else. Man: io_uring_register(2).
import { EBADF, EBUSY, EFAULT, EINVAL, EOPNOTSUPP } from "../abi/errno";
import { RSRC_UPDATE_OFF_DATA, RSRC_UPDATE_OFF_OFFSET, RSRC_UPDATE_OFF_RESV, RSRC_UPDATE_SIZE } from "../abi/uapi";
import { SCRATCH_REGISTER, nil } from "../lib/state";
import { copyFromUser, copyToUser } from "../mm/vma";
import { RING_FDS_MAX, Task, current, ringFdSlot } from "../kernel/task";
import { FILE_RING, File, fdFile, fget, fputLater } from "../fs/file";

const ANY_SLOT: u32 = 0xffffffff;

/** The ring behind a slot of the current task; nil, with the errno of the caller in `registeredRingError()`. */
@inline export function registeredRing(slot: u32): File {
  return slot < RING_FDS_MAX ? changetype<File>(load<u32>(ringFdSlot(current(), slot)) as usize) : nil<File>();
}
/** Why registeredRing() gave nil: EINVAL outside of the table, EBADF for an empty slot. */
export function registeredRingError(slot: u32): i32 {
  return current().uring && slot < RING_FDS_MAX ? -EBADF : -EINVAL;
}

/** Puts `f` (its reference moves) into the first free slot of [from, to): the slot, or -EBUSY. */
export function ringFdAdd(t: Task, f: File, from: u32, to: u32): i32 {
  for (let i = from; i < to; i++) {
    if (load<u32>(ringFdSlot(t, i))) continue;
    store<u32>(ringFdSlot(t, i), changetype<usize>(f) as u32);
    return i as i32;
  }
  return -EBUSY;
}

/** Array of struct io_uring_rsrc_update; how many were done, or the first one's -errno. Slots chosen are written back. */
export function registerRingFds(arg: u64, nr: u32): i32 {
  if (!nr || nr > RING_FDS_MAX) return -EINVAL;
  for (let i: u32 = 0; i < nr; i++) {
    const err = registerOne(arg + ((i * RSRC_UPDATE_SIZE) as u64));
    if (err < 0) return i ? (i as i32) : err;
  }
  return nr as i32;
}

function registerOne(at: u64): i32 {
  const u = SCRATCH_REGISTER, t = current();
  if (copyFromUser(u, at, RSRC_UPDATE_SIZE)) return -EFAULT;
  if (load<u32>(u, RSRC_UPDATE_OFF_RESV)) return -EINVAL;
  let from = load<u32>(u, RSRC_UPDATE_OFF_OFFSET), to: u32 = RING_FDS_MAX;
  if (from == ANY_SLOT) from = 0;
  else if (from >= RING_FDS_MAX) return -EINVAL;
  else to = from + 1;
  const f = fdFile(load<i32>(u, RSRC_UPDATE_OFF_DATA));
  if (!f) return -EBADF;
  if (f.kind != FILE_RING) return -EOPNOTSUPP;
  const slot = ringFdAdd(t, f, from, to);
  if (slot < 0) return slot;
  store<u32>(u, slot, RSRC_UPDATE_OFF_OFFSET);
  if (copyToUser(at, u, RSRC_UPDATE_SIZE)) {
    store<u32>(ringFdSlot(t, slot), 0);
    return -EFAULT;
  }
  fget(f);
  return 0;
}

export function unregisterRingFds(arg: u64, nr: u32): i32 {
  if (!nr || nr > RING_FDS_MAX) return -EINVAL;
  for (let i: u32 = 0; i < nr; i++) {
    const err = unregisterOne(arg + ((i * RSRC_UPDATE_SIZE) as u64));
    if (err < 0) return i ? (i as i32) : err;
  }
  return nr as i32;
}

function unregisterOne(at: u64): i32 {
  const u = SCRATCH_REGISTER;
  if (copyFromUser(u, at, RSRC_UPDATE_SIZE)) return -EFAULT;
  const slot = load<u32>(u, RSRC_UPDATE_OFF_OFFSET);
  if (load<u32>(u, RSRC_UPDATE_OFF_RESV) || load<u64>(u, RSRC_UPDATE_OFF_DATA) || slot >= RING_FDS_MAX) return -EINVAL;
  const f = registeredRing(slot);
  if (!f) return 0;
  store<u32>(ringFdSlot(current(), slot), 0);
  fputLater(f);
  return 0;
}
