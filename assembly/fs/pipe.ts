// Pipes: a ring of sixteen pages between a file for reading and a file for writing. man: pipe(7).
//
// A write fills the last page up if what it leaves over a multiple of a page fits there, then takes pages of its own; so
// how much a pipe holds depends on how it was written, and a pipe with a page free takes any write of up to a page
// whole (PIPE_BUF).
import { CHUNK_SIZE, PAGE_SHIFT, PAGE_SIZE } from "../abi/layout";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../abi/socket";
import { EAGAIN, EFAULT, ENFILE, ENOMEM, EPIPE } from "../abi/errno";
import { POOL_ASYNC, poolAlloc, poolFree } from "../lib/pool";
import { chunkAlloc, putPage } from "../mm/page";
import { wakeUp } from "../kernel/wait";
import { FILE_PIPE, File, fileNew, fput } from "./file";
import { copyPartFromUser, copyPartToUser } from "./user_copy";

const SLOTS: u32 = 16;
const PAGES_PER_CHUNK: u32 = CHUNK_SIZE / PAGE_SIZE;

@unmanaged @final export class Pipe {
  pad: u32;
  readers: u32;
  writers: u32;
  head: u32; // free-running: slots filled
  tail: u32; // free-running: slots emptied
  wq_head: usize; // wait queue of both ends
  wq_tail: usize;
  pages0: usize; // chunks behind the pages of slots 0..7 and 8..15, 0 = not needed yet
  pages1: usize;
}
const SLOT: usize = offsetof<Pipe>(); // per slot: u32 offset, u32 length

@inline function slotOf(p: Pipe, i: u32): usize { return changetype<usize>(p) + SLOT + (((i & (SLOTS - 1)) as usize) << 3); }
@inline function pipeWq(p: Pipe): usize { return changetype<usize>(p) + offsetof<Pipe>("wq_head"); }
@inline export function pipeOf(f: File): Pipe { return changetype<Pipe>(f.priv); }

/** Two files over a new pipe as u32 words at `to` (read end, write end): 0 or -errno. */
export function pipeCreate(to: usize): i32 {
  const p = changetype<Pipe>(poolAlloc(POOL_ASYNC));
  if (!p) return -ENOMEM;
  memory.fill(changetype<usize>(p), 0, SLOT + (SLOTS << 3));
  p.readers = 1;
  p.writers = 1;
  const r = fileNew(FILE_PIPE, changetype<usize>(p), pipeRelease.index, pipePoll.index, pipeWq(p));
  const w = r ? fileNew(FILE_PIPE, changetype<usize>(p), pipeRelease.index, pipePoll.index, pipeWq(p)) : r;
  if (!w) {
    if (r) {
      r.mode = 1;
      p.writers = 0;
      fput(r);
    } else {
      poolFree(POOL_ASYNC, changetype<usize>(p));
    }
    return -ENFILE;
  }
  r.mode = 1;
  w.mode = 2;
  store<u32>(to, changetype<usize>(r) as u32);
  store<u32>(to, changetype<usize>(w) as u32, 4);
  return 0;
}

/** File.release of either end. */
function pipeRelease(f: File): void {
  const p = pipeOf(f);
  if (f.mode & 1) p.readers--;
  if (f.mode & 2) p.writers--;
  if (p.readers || p.writers) {
    wakeUp(pipeWq(p), u32.MAX_VALUE);
    return;
  }
  if (p.pages0) putPage(p.pages0);
  if (p.pages1) putPage(p.pages1);
  poolFree(POOL_ASYNC, changetype<usize>(p));
}

/** File.poll. */
function pipePoll(f: File): u32 {
  const p = pipeOf(f);
  let mask: u32 = 0;
  if (f.mode & 1) {
    if (p.head != p.tail) mask |= POLLIN | POLLRDNORM;
    if (!p.writers) mask |= POLLHUP;
  }
  if (f.mode & 2) {
    if (p.head - p.tail < SLOTS) mask |= POLLOUT | POLLWRNORM;
    if (!p.readers) mask |= POLLERR;
  }
  return mask;
}

/** The page of slot `i`, or 0 (ENOMEM). Memory comes with the first use of each half. */
function pageOf(p: Pipe, i: u32): usize {
  i &= SLOTS - 1;
  const second = i >= PAGES_PER_CHUNK;
  let chunk = second ? p.pages1 : p.pages0;
  if (!chunk) {
    chunk = chunkAlloc();
    if (!chunk) return 0;
    if (second) p.pages1 = chunk;
    else p.pages0 = chunk;
  }
  return chunk + (((i & (PAGES_PER_CHUNK - 1)) as usize) << PAGE_SHIFT);
}

/** read(2) of `len` bytes to `buf`: bytes, 0 = all writers are gone, -EAGAIN = empty, -EFAULT. */
export function pipeRead(p: Pipe, buf: u64, len: u32): i32 {
  if (!len) return 0;
  const wasFull = p.head - p.tail == SLOTS;
  let done: u32 = 0;
  while (done < len && p.head != p.tail) {
    const slot = slotOf(p, p.tail), off = load<u32>(slot), have = load<u32>(slot, 4), n = have < len - done ? have : len - done;
    if (copyPartToUser(buf + (done as u64), pageOf(p, p.tail) + (off as usize), n) != n) {
      if (!done) return -EFAULT; // the page that faults stays as it was
      break;
    }
    done += n;
    store<u32>(slot, off + n);
    store<u32>(slot, have - n, 4);
    if (n == have) p.tail++;
  }
  if (!done) return p.writers ? -EAGAIN : 0;
  if (wasFull && p.head - p.tail < SLOTS) wakeUp(pipeWq(p), POLLOUT | POLLWRNORM);
  return done as i32;
}

/** write(2) of `len` bytes from `buf`: bytes, -EPIPE = nobody reads, -EAGAIN = full, -EFAULT, -ENOMEM. */
export function pipeWrite(p: Pipe, buf: u64, len: u32): i32 {
  if (!len) return 0;
  if (!p.readers) return -EPIPE;
  const wasEmpty = p.head == p.tail;
  let done: u32 = 0, err: i32 = 0;
  const rest = len & (PAGE_SIZE - 1);
  if (rest && !wasEmpty) {
    const slot = slotOf(p, p.head - 1), end = load<u32>(slot) + load<u32>(slot, 4);
    if (end + rest <= PAGE_SIZE) {
      if (copyPartFromUser(pageOf(p, p.head - 1) + (end as usize), buf, rest) != rest) return -EFAULT;
      store<u32>(slot, load<u32>(slot, 4) + rest, 4);
      done = rest;
    }
  }
  while (done < len && p.head - p.tail < SLOTS) {
    const page = pageOf(p, p.head), want = len - done < PAGE_SIZE ? len - done : PAGE_SIZE;
    if (!page || copyPartFromUser(page, buf + (done as u64), want) != want) {
      err = page ? -EFAULT : -ENOMEM;
      break;
    }
    const slot = slotOf(p, p.head);
    store<u32>(slot, 0);
    store<u32>(slot, want, 4);
    p.head++;
    done += want;
  }
  if (!done) return err ? err : -EAGAIN;
  if (wasEmpty) wakeUp(pipeWq(p), POLLIN | POLLRDNORM);
  return done as i32;
}
