// Open files: a reference-counted object behind each descriptor and each registered file slot. The last reference
// releases what is behind it, through the release function of its kind.
import { POOL_FILE, poolAlloc, poolFree } from "../lib/pool";
import { FILE_SIZE } from "../abi/layout";
import { CNT_FILES_LIVE } from "../abi/counters";
import { BUG_REF_UNDERFLOW } from "../abi/bug";
import { EBADF, EINVAL, EMFILE } from "../abi/errno";
import { bugOn } from "../lib/bug";
import { S_FPUT_COUNT, S_FPUT_LIST, cntDec, cntInc, nil } from "../lib/state";
import { FD_MAX, Task, current, fdEnd, fdSetCloexec, fdSlot } from "../kernel/task";
import { epollFileGone } from "./epoll";
import { IovIter } from "../mm/iov_iter";

export const FILE_SOCKET: u32 = 1;
export const FILE_RING: u32 = 2;
export const FILE_PIPE: u32 = 3;
export const FILE_MEM: u32 = 4;
export const FILE_EVENTFD: u32 = 5;
export const FILE_EPOLL: u32 = 6;
export const FILE_NULL: u32 = 9; // /dev/null, the standard descriptors


// File.mode
export const FMODE_READ: u32 = 1;
export const FMODE_WRITE: u32 = 2;
export const FMODE_POS: u32 = 4; // pread(2), pwrite(2) and lseek(2) mean something
export const FMODE_STREAM: u32 = 8; // has no position at all: any offset is ignored
export const FMODE_NOWAIT: u32 = 16; // can be tried without waiting
export const FMODE_WAITING_WRITE: u32 = 64; // writing has no form that never waits, unless O_NONBLOCK is set
export const FMODE_REG: u32 = 32; // a regular file: short transfers are continued

// Flags of a transfer (fileRw)
export const RW_WRITE: u32 = 1;
export const RW_NOWAIT: u32 = 2; // fail instead of waiting for the disk
export const RW_WAITS: u32 = 8; // the caller sleeps on -EAGAIN and comes again
export const RW_APPEND: u32 = 4;

@unmanaged @final export class File {
  pad: u32;
  kind: u32;
  refs: u32;
  flags: u32; // O_*
  priv: usize; // Sock, RingCtx, Pipe...
  release: u32; // table index of (file: File) => void
  poll: u32; // table index of (file: File) => u32 (EPOLL mask), 0 = always ready
  wq: usize; // WaitQueue of the object, 0 = none
  mode: u32; // FMODE_*
  rw: u32; // table index of the transfer (fileRw), 0 = neither read nor written
  ep_items: usize; // EpItem: the epolls that watch it
  next: File; // waiting for its release (fputLater)
}
if (offsetof<File>() > FILE_SIZE) ERROR("File does not fit its pool");

export function fileNew(kind: u32, priv: usize, release: u32, poll: u32, wq: usize): File {
  const f = changetype<File>(poolAlloc(POOL_FILE));
  if (!f) return f;
  f.kind = kind;
  f.refs = 1;
  f.flags = 0;
  f.priv = priv;
  f.release = release;
  f.poll = poll;
  f.wq = wq;
  f.mode = FMODE_READ | FMODE_WRITE;
  f.rw = 0;
  f.ep_items = 0;
  cntInc(CNT_FILES_LIVE);
  return f;
}

@inline export function fget(f: File): File { f.refs++; return f; }

/** Drops a reference; the last one releases the file at once, as close(2) does. */
export function fput(f: File): void {
  bugOn(f.refs == 0, BUG_REF_UNDERFLOW, changetype<usize>(f));
  if (--f.refs == 0) fileRelease(f);
}

/**
 * fput() of a request: the last reference releases the file on the way out of the kernel, so what else the same submission
 * does still finds the object open.
 */
export function fputLater(f: File): void {
  bugOn(f.refs == 0, BUG_REF_UNDERFLOW, changetype<usize>(f));
  if (--f.refs) return;
  f.next = changetype<File>(load<u32>(S_FPUT_LIST) as usize);
  store<u32>(S_FPUT_LIST, changetype<usize>(f) as u32);
  store<u32>(S_FPUT_COUNT, load<u32>(S_FPUT_COUNT) + 1);
}

/** Releases the files that wait for it, the latest first, until `keep` of them are left. */
export function runFputs(keep: u32): void {
  while (load<u32>(S_FPUT_COUNT) > keep) {
    const f = changetype<File>(load<u32>(S_FPUT_LIST) as usize);
    store<u32>(S_FPUT_LIST, changetype<usize>(f.next) as u32);
    store<u32>(S_FPUT_COUNT, load<u32>(S_FPUT_COUNT) - 1);
    fileRelease(f);
  }
}

function fileRelease(f: File): void {
  if (f.ep_items) epollFileGone(f);
  if (f.release) call_indirect<void>(f.release, f);
  cntDec(CNT_FILES_LIVE);
  poolFree(POOL_FILE, changetype<usize>(f));
}

/** The file behind `fd` of the current task without taking a reference, or nil. */
@inline export function fdFile(fd: i32): File {
  return (fd as u32) < FD_MAX ? changetype<File>(load<u32>(fdSlot(current(), fd as u32)) as usize) : nil<File>();
}

/** Installs `f` (its reference moves to the table) at the lowest free descriptor; fd or -EMFILE. */
export function fdInstall(t: Task, f: File, cloexec: bool = false): i32 {
  const fd = fdFree(t);
  if (fd < 0) return fd;
  store<u32>(fdSlot(t, fd), changetype<usize>(f) as u32);
  fdSetCloexec(t, fd, cloexec);
  t.fd_hint = (fd as u32) + 1;
  return fd;
}

/** Installs `f` at `fd`, which it takes from what is there; that file's reference is the caller's (nil: it was free). */
export function fdReplace(t: Task, fd: u32, f: File, cloexec: bool): File {
  const slot = fdSlot(t, fd), old = changetype<File>(load<u32>(slot) as usize);
  store<u32>(slot, changetype<usize>(f) as u32);
  fdSetCloexec(t, fd, cloexec);
  return old;
}

/** The descriptor that fdInstall() would give out next, or -EMFILE. */
export function fdFree(t: Task): i32 {
  const end = fdEnd();
  let fd = t.fd_hint;
  while (fd < end && load<u32>(fdSlot(t, fd))) fd++;
  t.fd_hint = fd;
  return fd < end ? (fd as i32) : -EMFILE;
}

export function fdClose(t: Task, fd: i32): i32 {
  const f = fdTake(t, fd);
  if (!f) return -EBADF;
  fput(f);
  return 0;
}

/** Frees the descriptor and gives its reference to the caller; nil if it is not open. */
export function fdTake(t: Task, fd: i32): File {
  if ((fd as u32) >= FD_MAX) return nil<File>();
  const slot = fdSlot(t, fd as u32), f = changetype<File>(load<u32>(slot) as usize);
  if (!f) return f;
  store<u32>(slot, 0);
  if ((fd as u32) < t.fd_hint) t.fd_hint = fd as u32;
  return f;
}

/** EPOLL* events that hold on the file now. */
@inline export function filePoll(f: File): u32 { return f.poll ? call_indirect<u32>(f.poll, f) : 0x45; }

/**
 * Reads into or writes from `it`, at `pos` if the file has positions: bytes, 0 = the end (read), -EAGAIN instead of waiting,
 * -errno. A write may take less than offered; whether to wait for the rest is the caller's decision.
 */
@inline export function fileRw(f: File, it: IovIter, pos: u64, flags: u32): i32 {
  return f.rw ? call_indirect<i32>(f.rw, f, it, pos, flags) : -EINVAL;
}

/** The file's own position, for a transfer that names none. */
@inline export function filePos(f: File): u64 { return f.mode & FMODE_POS && f.priv ? load<u64>(f.priv, FILE_POS) : 0; }
@inline export function fileSetPos(f: File, pos: u64): void { if (f.mode & FMODE_POS && f.priv) store<u64>(f.priv, pos, FILE_POS); }
/** Where an object with positions keeps the current one; /dev/null has no object, and is always at 0. */
export const FILE_POS: usize = 16;
