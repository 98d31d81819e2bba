// Pipes: a ring of buffers, each a part of a page, between a file for reading and a file for writing. man: pipe(7).
//
// A write fills the last page up if what it leaves over a multiple of a page fits there, then takes pages of its own; so
// how much a pipe holds depends on how it was written, and a pipe with a page free takes any write of up to a page
// whole (PIPE_BUF). splice(2) and tee(2) move and share buffers (net/splice.ts): such a page is somebody else's, too, and is
// never filled up.
import { O_DIRECT, O_NONBLOCK } from "../abi/fcntl";
import { PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/socket";
import { EAGAIN, EBUSY, EFAULT, EINVAL, ENFILE, ENOMEM, EPERM, EPIPE } from "../abi/errno";
import { POOL_ASYNC, poolAlloc, poolFree } from "../lib/pool";
import { IovIter, copyFromIter, copyToIter, iterRevert } from "../mm/iov_iter";
import { chunkAlloc, pageAlloc, putPage } from "../mm/page";
import { wakeUp } from "../kernel/wait";
import { FILE_PIPE, FMODE_NOWAIT, FMODE_READ, FMODE_STREAM, FMODE_WRITE, File, RW_WRITE, fileNew, fput } from "./file";

export const PIPE_SLOTS: u32 = 16;
/** fs.pipe-max-size */
const SIZE_MAX: u32 = 1 << 20;
/** Slots for which one kernel chunk has room. */
const SLOTS_MAX: u32 = 2048;

@unmanaged @final export class Pipe {
  pad: u32;
  readers: u32;
  writers: u32;
  head: u32; // free-running: slots filled
  tail: u32; // free-running: slots emptied
  slots: u32; // a power of two
  bufs: usize; // PipeBuf per slot: behind this struct, or a chunk
  rd_head: usize; // wait queue of the readers
  rd_tail: usize;
  wr_head: usize; // of the writers
  wr_tail: usize;
  poll_usage: u32; // somebody has polled it: every write announces itself
  packets: u32;
}
/** A slot. */
@unmanaged @final export class PipeBuf {
  page: usize; // start of the memory that `off` counts from; one page reference
  off: u32;
  len: u32;
  flags: u32; // PIPE_BUF_*
}
export const PIPE_BUF_CAN_MERGE: u32 = 1;
export const PIPE_BUF_PACKET: u32 = 2;
const INLINE: usize = 64;
if (offsetof<Pipe>() > INLINE || offsetof<PipeBuf>() != 16) ERROR("a pipe's layout");

@inline export function pipeSlot(p: Pipe, i: u32): PipeBuf { return changetype<PipeBuf>(p.bufs + (((i & (p.slots - 1)) as usize) << 4)); }
@inline export function pipeRdWq(p: Pipe): usize { return changetype<usize>(p) + offsetof<Pipe>("rd_head"); }
@inline export function pipeWrWq(p: Pipe): usize { return changetype<usize>(p) + offsetof<Pipe>("wr_head"); }
@inline export function pipeOf(f: File): Pipe { return changetype<Pipe>(f.priv); }
@inline export function pipeEmpty(p: Pipe): bool { return p.head == p.tail; }
@inline export function pipeFull(p: Pipe): bool { return p.head - p.tail >= p.slots; }
@inline export function pipeWakeReaders(p: Pipe): void { wakeUp(pipeRdWq(p), POLLIN | POLLRDNORM); }
@inline export function pipeWakeWriters(p: Pipe): void { wakeUp(pipeWrWq(p), POLLOUT | POLLWRNORM); }

/** Two files over a new pipe as u32 words at `to` (read end, write end): 0 or -errno. `flags`: O_NONBLOCK, O_DIRECT. */
export function pipeCreate(to: usize, flags: u32 = 0): i32 {
  const p = changetype<Pipe>(poolAlloc(POOL_ASYNC));
  if (!p) return -ENOMEM;
  memory.fill(changetype<usize>(p), 0, INLINE);
  p.readers = 1;
  p.writers = 1;
  p.slots = PIPE_SLOTS;
  p.bufs = changetype<usize>(p) + INLINE;
  p.packets = flags & O_DIRECT;
  const r = fileNew(FILE_PIPE, changetype<usize>(p), pipeRelease.index, pipePoll.index, pipeRdWq(p));
  const w = r ? fileNew(FILE_PIPE, changetype<usize>(p), pipeRelease.index, pipePoll.index, pipeWrWq(p)) : r;
  if (!w) {
    if (r) {
      r.mode = FMODE_READ;
      p.writers = 0;
      fput(r);
    } else {
      poolFree(POOL_ASYNC, changetype<usize>(p));
    }
    return -ENFILE;
  }
  r.mode = FMODE_READ | FMODE_STREAM | FMODE_NOWAIT;
  w.mode = FMODE_WRITE | FMODE_STREAM | FMODE_NOWAIT;
  r.flags = flags & O_NONBLOCK;
  w.flags = flags & (O_NONBLOCK | O_DIRECT);
  r.rw = pipeRw.index;
  w.rw = pipeRw.index;
  store<u32>(to, changetype<usize>(r) as u32);
  store<u32>(to, changetype<usize>(w) as u32, 4);
  return 0;
}

/** File.release of either end. */
function pipeRelease(f: File): void {
  const p = pipeOf(f);
  if (f.mode & FMODE_READ) p.readers--;
  if (f.mode & FMODE_WRITE) p.writers--;
  if (p.readers || p.writers) {
    // The end that is left may have waited for this one.
    wakeUp(pipeRdWq(p), u32.MAX_VALUE); // says only that something changed
    wakeUp(pipeWrWq(p), u32.MAX_VALUE);
    return;
  }
  for (; p.tail != p.head; p.tail++) putPage(pipeSlot(p, p.tail).page);
  if (p.bufs != changetype<usize>(p) + INLINE) putPage(p.bufs);
  poolFree(POOL_ASYNC, changetype<usize>(p));
}

/** File.poll. */
function pipePoll(f: File): u32 {
  const p = pipeOf(f);
  p.poll_usage = 1;
  let mask: u32 = 0;
  if (f.mode & FMODE_READ) {
    if (!pipeEmpty(p)) mask |= POLLIN | POLLRDNORM;
    if (!p.writers) mask |= POLLHUP;
  }
  if (f.mode & FMODE_WRITE) {
    if (!pipeFull(p)) mask |= POLLOUT | POLLWRNORM;
    if (!p.readers) mask |= POLLERR;
  }
  return mask;
}

/** File.rw. */
function pipeRw(f: File, it: IovIter, pos: u64, flags: u32): i32 {
  return flags & RW_WRITE ? pipeWrite(pipeOf(f), it, f.flags) : pipeRead(pipeOf(f), it);
}

/** The first buffer is used up: its slot is free. True if that ends a full pipe. */
export function pipeConsume(p: Pipe): bool {
  const full = pipeFull(p);
  putPage(pipeSlot(p, p.tail).page);
  p.tail++;
  return full;
}

/** Bytes, 0 = all writers are gone, -EAGAIN = empty, -EFAULT. */
function pipeRead(p: Pipe, it: IovIter): i32 {
  if (!it.count) return 0;
  let done: u32 = 0, wake = false, err: i32 = 0;
  while (it.count && !pipeEmpty(p)) {
    const buf = pipeSlot(p, p.tail), n = buf.len < it.count ? buf.len : it.count;
    const got = copyToIter(buf.page + (buf.off as usize), n, it);
    if (got != n) {
      iterRevert(it, got);
      err = -EFAULT; // the buffer that faults stays as it was
      break;
    }
    done += n;
    buf.off += n;
    buf.len -= n;
    const packet = (buf.flags & PIPE_BUF_PACKET) != 0; // what does not fit of a packet is lost
    if (!buf.len || packet) wake = pipeConsume(p) || wake;
    if (packet) break;
  }
  if (wake) pipeWakeWriters(p);
  if (done) return done as i32;
  return err ? err : p.writers ? -EAGAIN : 0;
}

/** Bytes, -EPIPE = nobody reads, -EAGAIN = full, -EFAULT, -ENOMEM. */
function pipeWrite(p: Pipe, it: IovIter, fileFlags: u32): i32 {
  const len = it.count;
  if (!len) return 0;
  if (!p.readers) return -EPIPE;
  const wasEmpty = pipeEmpty(p), packets = fileFlags & O_DIRECT;
  let done: u32 = 0, err: i32 = 0;
  const rest = len & (PAGE_SIZE - 1);
  if (rest && !wasEmpty) {
    const buf = pipeSlot(p, p.head - 1), end = buf.off + buf.len;
    if (buf.flags & PIPE_BUF_CAN_MERGE && end + rest <= PAGE_SIZE) {
      const got = copyFromIter(buf.page + (end as usize), rest, it);
      if (got != rest) {
        iterRevert(it, got);
        return -EFAULT;
      }
      buf.len += rest;
      done = rest;
    }
  }
  while (it.count) {
    if (pipeFull(p)) {
      err = -EAGAIN;
      break;
    }
    const page = pageAlloc(), want = it.count < PAGE_SIZE ? it.count : PAGE_SIZE;
    if (!page) {
      err = -ENOMEM;
      break;
    }
    const got = copyFromIter(page, want, it);
    if (got != want) {
      iterRevert(it, got);
      putPage(page);
      err = -EFAULT;
      break;
    }
    pipePush(p, page, 0, want, packets ? PIPE_BUF_PACKET : PIPE_BUF_CAN_MERGE);
    done += want;
  }
  if (done && (wasEmpty || p.poll_usage)) pipeWakeReaders(p);
  return done ? (done as i32) : err;
}

/** Fills the next slot; the page reference moves to the pipe. The caller has checked for room. */
export function pipePush(p: Pipe, page: usize, off: u32, len: u32, flags: u32): void {
  const buf = pipeSlot(p, p.head);
  buf.page = page;
  buf.off = off;
  buf.len = len;
  buf.flags = flags;
  p.head++;
}

/** Bytes in the pipe (FIONREAD). */
export function pipeBytes(p: Pipe): u32 {
  let n: u32 = 0;
  for (let i = p.tail; i != p.head; i++) n += pipeSlot(p, i).len;
  return n;
}

@inline export function pipeSize(p: Pipe): i32 { return (p.slots << PAGE_SHIFT) as i32; }

/** F_SETPIPE_SZ: the new size in bytes, -EINVAL, -EPERM (more than the limit), -EBUSY (would not hold what is in it). */
export function pipeResize(p: Pipe, size: u32): i32 {
  if (size > (1 << 31)) return -EINVAL;
  if (size <= PAGE_SIZE) size = PAGE_SIZE;
  else size = (1 as u32) << (32 - clz<u32>(size - 1));
  const slots = size >> PAGE_SHIFT;
  if (slots > p.slots && size > SIZE_MAX) return -EPERM; // only CAP_SYS_RESOURCE may, which the harness's root lacks, too
  const used = p.head - p.tail;
  if (slots < used) return -EBUSY;
  if (slots > SLOTS_MAX) return -ENOMEM;
  if (slots == p.slots) return size as i32;
  const inline = changetype<usize>(p) + INLINE, old = p.bufs;
  const fresh = slots <= PIPE_SLOTS && old != inline ? inline : chunkAlloc();
  if (!fresh) return -ENOMEM;
  for (let i: u32 = 0; i < used; i++) memory.copy(fresh + ((i as usize) << 4), changetype<usize>(pipeSlot(p, p.tail + i)), 16);
  const full = pipeFull(p);
  if (old != inline) putPage(old);
  p.bufs = fresh;
  p.slots = slots;
  p.tail = 0;
  p.head = used;
  if (full && slots > used) pipeWakeWriters(p);
  return size as i32;
}
