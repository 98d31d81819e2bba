// splice(2), tee(2): pages that change hands. A pipe's buffer is a page reference and a range, so moving it
// copies nothing:
//
//   pipe -> pipe     buffers move, or are shared when only a part of one is wanted
//   file -> pipe     the pages of the file's cache themselves: a later write to the file shows in the pipe
//   pipe -> socket   the pages become frags (MSG_SPLICE_PAGES), where the protocol can take them
//   socket -> pipe   the frags become buffers; what an skb holds linearly is copied
//   pipe -> file     copied; /dev/null drops it
//
// Nothing in here waits. A call that would says where through S_SLEEP_WQ (0: its caller or a file forbids it): with
// -EAGAIN when it got nothing done, with a count when it means to go on for the rest.
import { O_APPEND, O_NONBLOCK } from "../abi/fcntl";
import { CHUNK_SIZE, PAGE_SIZE } from "../abi/layout";
import { MSG_DONTWAIT, MSG_MORE, MSG_SPLICE_PAGES, MSG_TRUNC, AF_INET, AF_UNIX, SOCK_STREAM } from "../abi/socket";
import { EAGAIN, EBADF, EINVAL, ENOMEM, EPIPE, ESPIPE } from "../abi/errno";
import { S_SLEEP_MASK, S_SLEEP_WQ } from "../lib/state";
import { IovIter, ITER_BVEC, iterUbuf, iterVec } from "../mm/iov_iter";
import { chunkAlloc, getPage, pageAlloc, putPage } from "../mm/page";
import { FILE_MEM, FILE_NULL, FILE_PIPE, FILE_SOCKET, FMODE_POS, FMODE_READ, FMODE_WRITE, File, RW_WRITE, filePos, fileRw, fileSetPos } from "../fs/file";
import { memFileOf, memFilePage } from "../fs/memfile";
import {
  PIPE_BUF_CAN_MERGE, Pipe, PipeBuf, pipeConsume, pipeEmpty, pipeFull, pipeOf, pipePush, pipeRdWq, pipeSlot, pipeWakeReaders, pipeWakeWriters, pipeWrWq,
} from "../fs/pipe";
import { SkBuff, fragAddr, fragSize, skbHeadlen } from "./skbuff";
import { msgInit } from "./msg_import";
import { SCRATCH_MSG, SCRATCH_SPLICE } from "./scratch";
import { MsgHdr, POLLIN_MASK, POLLOUT_MASK, Sock, receiveQueue, sockWq } from "./sock";
import { sockRecvmsg, sockSendmsg } from "./socket";
import { unixHeadLen, unixStreamConsume } from "./unix_stream";

const SPLICE_F_NONBLOCK: u32 = 2;
const SPLICE_F_MORE: u32 = 4;
export const SPLICE_F_ALL: u32 = 15;
/** No offset given: the file's own position. */
export const SPLICE_NO_OFF: u64 = u64.MAX_VALUE;
/** Buffers that one send takes. */
const BATCH: u32 = 16;

@inline function pipeOrNil(f: File): Pipe { return f.kind == FILE_PIPE ? pipeOf(f) : changetype<Pipe>(0); }

/** It would wait on `wq` for one of `mask`; `no`: but must not. */
function wouldSleep(wq: usize, mask: u32, no: bool): i32 {
  store<u32>(S_SLEEP_WQ, no ? 0 : (wq as u32));
  store<u32>(S_SLEEP_MASK, mask | 0x18); // and for errors and hang-ups
  return -EAGAIN;
}

/**
 * Bytes moved, 0 = the end, -errno. `done`: bytes that earlier attempts of the same call have moved. An offset that is not
 * SPLICE_NO_OFF is advanced by the caller.
 */
export function splice(fin: File, offIn: u64, fout: File, offOut: u64, len: u32, flags: u32, done: u32): i32 {
  store<u32>(S_SLEEP_WQ, 0);
  if (!(fin.mode & FMODE_READ) || !(fout.mode & FMODE_WRITE)) return -EBADF;
  const from = pipeOrNil(fin), to = pipeOrNil(fout);
  if (from && to) {
    if (offIn != SPLICE_NO_OFF || offOut != SPLICE_NO_OFF) return -ESPIPE;
    if (from == to) return -EINVAL;
    return pipeToPipe(from, to, len, (flags & SPLICE_F_NONBLOCK) != 0 || ((fin.flags | fout.flags) & O_NONBLOCK) != 0);
  }
  if (from) {
    if (offIn != SPLICE_NO_OFF) return -ESPIPE;
    if (offOut != SPLICE_NO_OFF && !(fout.mode & FMODE_POS)) return -EINVAL;
    if (fout.flags & O_APPEND) return -EINVAL;
    const pos = offOut == SPLICE_NO_OFF ? filePos(fout) : offOut;
    if ((pos as i64) < 0 || (pos as i64) + (len as i64) < 0) return -EINVAL;
    const nowait = (flags & SPLICE_F_NONBLOCK) != 0 || (fin.flags & O_NONBLOCK) != 0;
    if (fout.kind == FILE_SOCKET) return pos ? -ESPIPE : pipeToSocket(from, fout, len, flags, nowait, done);
    if (fout.kind != FILE_MEM && fout.kind != FILE_NULL) return -EINVAL;
    const ret = pipeToFile(from, fout, pos, len, nowait, done);
    if (ret > 0 && offOut == SPLICE_NO_OFF) fileSetPos(fout, pos + (ret as u64));
    return ret;
  }
  if (to) {
    if (offOut != SPLICE_NO_OFF) return -ESPIPE;
    if (offIn != SPLICE_NO_OFF && !(fin.mode & FMODE_POS)) return -EINVAL;
    const pos = offIn == SPLICE_NO_OFF ? filePos(fin) : offIn;
    const nowait = (flags & SPLICE_F_NONBLOCK) != 0 || (fout.flags & O_NONBLOCK) != 0;
    const ret = fileToPipe(fin, to, pos, len, flags, nowait, done);
    if (ret > 0) {
      pipeWakeReaders(to);
      if (offIn == SPLICE_NO_OFF) fileSetPos(fin, pos + (ret as u64));
    }
    return ret;
  }
  return -EINVAL;
}

/** Waits for input: 1 = there is some, 0 = there never will be, -EAGAIN. */
function inputReady(p: Pipe, nowait: bool): i32 {
  if (!pipeEmpty(p)) return 1;
  return p.writers ? wouldSleep(pipeRdWq(p), POLLIN_MASK, nowait) : 0;
}
/** Waits for room: 1, -EPIPE, -EAGAIN. */
function roomReady(p: Pipe, nowait: bool): i32 {
  if (!p.readers) return -EPIPE;
  return pipeFull(p) ? wouldSleep(pipeWrWq(p), POLLOUT_MASK, nowait) : 1;
}

function pipeToPipe(from: Pipe, to: Pipe, len: u32, nowait: bool): i32 {
  let ready = inputReady(from, nowait);
  if (ready < 0) return ready;
  ready = roomReady(to, nowait);
  if (ready < 0) return ready;
  let done: u32 = 0, freed = false;
  while (done < len && !pipeEmpty(from) && !pipeFull(to)) {
    const buf = pipeSlot(from, from.tail), left = len - done;
    if (left >= buf.len) {
      pipePush(to, buf.page, buf.off, buf.len, buf.flags);
      done += buf.len;
      from.tail++;
      freed = true;
    } else {
      share(to, buf, left);
      buf.off += left;
      buf.len -= left;
      done += left;
    }
  }
  if (done) pipeWakeReaders(to);
  if (freed) pipeWakeWriters(from);
  return done as i32;
}

/** A second buffer over the first `n` bytes of `buf`. */
function share(to: Pipe, buf: PipeBuf, n: u32): void {
  getPage(buf.page);
  pipePush(to, buf.page, buf.off, n, buf.flags & ~PIPE_BUF_CAN_MERGE);
}

/** tee(2): the output gets what the input keeps. */
export function tee(fin: File, fout: File, len: u32, flags: u32): i32 {
  store<u32>(S_SLEEP_WQ, 0);
  if (!(fin.mode & FMODE_READ) || !(fout.mode & FMODE_WRITE)) return -EBADF;
  const from = pipeOrNil(fin), to = pipeOrNil(fout);
  if (!from || !to || from == to) return -EINVAL;
  const nowait = (flags & SPLICE_F_NONBLOCK) != 0 || ((fin.flags | fout.flags) & O_NONBLOCK) != 0;
  let ready = inputReady(from, nowait);
  if (ready < 0) return ready;
  ready = roomReady(to, nowait);
  if (ready < 0) return ready;
  let done: u32 = 0;
  for (let i = from.tail; done < len && i != from.head && !pipeFull(to); i++) {
    const buf = pipeSlot(from, i), n = buf.len < len - done ? buf.len : len - done;
    share(to, buf, n);
    done += n;
  }
  if (done) pipeWakeReaders(to);
  return done as i32;
}

// Out of a pipe --------------------------------------------------------------------------------------------------------

/** Lays up to BATCH buffers of the pipe out as segments, `len` bytes at most: bytes. */
function gather(p: Pipe, it: IovIter, len: u32): u32 {
  let nr: u32 = 0, total: u32 = 0;
  for (let i = p.tail; i != p.head && nr < BATCH && total < len; i++, nr++) {
    const buf = pipeSlot(p, i), n = buf.len < len - total ? buf.len : len - total, seg = SCRATCH_SPLICE + ((nr as usize) << 4);
    store<u64>(seg, (buf.page as u64) + (buf.off as u64));
    store<u64>(seg, n as u64, 8);
    total += n;
  }
  iterVec(it, ITER_BVEC, SCRATCH_SPLICE, nr, total);
  return total;
}

/** `n` bytes have left the pipe. */
function consume(p: Pipe, n: u32): void {
  let freed = false;
  while (n) {
    const buf = pipeSlot(p, p.tail), step = buf.len < n ? buf.len : n;
    buf.off += step;
    buf.len -= step;
    n -= step;
    if (buf.len) continue;
    pipeConsume(p);
    freed = true;
  }
  if (freed) pipeWakeWriters(p);
}

@inline function spliceIter(): IovIter { return changetype<IovIter>(SCRATCH_SPLICE + 256); }

function pipeToFile(p: Pipe, f: File, pos: u64, len: u32, nowait: bool, before: u32): i32 {
  if (pipeEmpty(p) && before) return 0;
  const ready = inputReady(p, nowait);
  if (ready <= 0) return ready;
  let done: u32 = 0;
  while (done < len && !pipeEmpty(p)) {
    const it = spliceIter();
    gather(p, it, len - done);
    const ret = fileRw(f, it, pos + (done as u64), RW_WRITE);
    if (ret < 0) return done ? (done as i32) : ret;
    consume(p, ret);
    done += ret;
  }
  return done as i32;
}

function pipeToSocket(p: Pipe, f: File, len: u32, flags: u32, nowait: bool, before: u32): i32 {
  const sk = changetype<Sock>(f.priv), msg = changetype<MsgHdr>(SCRATCH_MSG);
  let done: u32 = 0;
  while (done < len) {
    if (pipeEmpty(p) && before + done) break;
    const ready = inputReady(p, nowait);
    if (ready < 0) return ready;
    if (!ready) break;
    const it = spliceIter(), n = gather(p, it, len - done);
    let more = flags & SPLICE_F_MORE ? MSG_MORE : 0;
    if (done + n < len && occupied(p) > it.nr_segs) more = MSG_MORE;
    msgInit(msg, it, MSG_SPLICE_PAGES | MSG_DONTWAIT | more);
    const ret = sockSendmsg(sk, msg);
    if (ret > 0) {
      consume(p, ret);
      done += ret;
      if ((ret as u32) == n) continue;
    }
    if (ret > 0 || ret == -EAGAIN) { // the stream is full
      wouldSleep(sockWq(sk), POLLOUT_MASK, (f.flags & O_NONBLOCK) != 0);
      return done ? (done as i32) : -EAGAIN;
    }
    return done ? (done as i32) : ret;
  }
  return done as i32;
}

@inline function occupied(p: Pipe): u32 { return p.head - p.tail; }

// Into a pipe ----------------------------------------------------------------------------------------------------------

function fileToPipe(f: File, to: Pipe, pos: u64, len: u32, flags: u32, nowait: bool, before: u32): i32 {
  const ready = roomReady(to, nowait);
  if (ready < 0) return ready == -EAGAIN && before ? 0 : ready;
  const room = (to.slots - occupied(to)) * PAGE_SIZE;
  if (len > room) len = room;
  if ((pos as i64) < 0 || (pos as i64) + (len as i64) < 0) return -EINVAL;
  if (f.kind == FILE_MEM) return cacheToPipe(f, to, pos, len);
  if (f.kind != FILE_SOCKET) return -EINVAL;
  if (pos) return -ESPIPE;
  return socketToPipe(f, changetype<Sock>(f.priv), to, len, flags, before);
}

function cacheToPipe(f: File, to: Pipe, pos: u64, len: u32): i32 {
  const m = memFileOf(f);
  let done: u32 = 0;
  while (done < len && !pipeFull(to) && pos < m.size) {
    const page = memFilePage(m, pos), start = (page as u32) & (PAGE_SIZE - 1);
    if (!page) return done ? (done as i32) : -ENOMEM;
    let n = PAGE_SIZE - start;
    if (n > len - done) n = len - done;
    if ((n as u64) > m.size - pos) n = (m.size - pos) as u32;
    getPage(page);
    pipePush(to, page - (start as usize), start, n, 0);
    done += n;
    pos += n as u64;
  }
  return done as i32;
}

function socketToPipe(f: File, sk: Sock, to: Pipe, len: u32, flags: u32, before: u32): i32 {
  let nowait = (f.flags & O_NONBLOCK) != 0;
  if (sk.type != SOCK_STREAM || (sk.family != AF_UNIX && sk.family != AF_INET)) return copyToPipe(sk, to, len, nowait);
  if (sk.family == AF_UNIX && flags & SPLICE_F_NONBLOCK) nowait = true;
  if (!len) return 0;
  const taken = takeFrags(sk, to, len);
  if (taken) {
    // What the pipe has now leaves the stream.
    if (sk.family == AF_UNIX) {
      unixStreamConsume(sk, taken);
    } else {
      const it = spliceIter(), msg = changetype<MsgHdr>(SCRATCH_MSG);
      iterUbuf(it, 0, taken);
      msgInit(msg, it, MSG_DONTWAIT | MSG_TRUNC);
      sockRecvmsg(sk, msg);
    }
    return taken as i32;
  }
  if (before) return 0;
  // Nothing there: the state of the socket decides, as for a receive that finds nothing.
  const it = spliceIter(), msg = changetype<MsgHdr>(SCRATCH_MSG);
  iterUbuf(it, 0, 1);
  msgInit(msg, it, MSG_DONTWAIT | (sk.family == AF_UNIX ? 0 : MSG_TRUNC));
  const ret = sockRecvmsg(sk, msg);
  return ret == -EAGAIN ? wouldSleep(sockWq(sk), POLLIN_MASK, nowait) : ret;
}

/** Hands up to `len` bytes at the front of a stream's queue to the pipe, without taking them off the queue. */
function takeFrags(sk: Sock, to: Pipe, len: u32): u32 {
  const unix = sk.family == AF_UNIX;
  let done: u32 = 0, seq = sk.copied_seq;
  for (let skb = receiveQueue(sk).first; skb && done < len && !pipeFull(to); skb = skb.next) {
    const off = unix ? skb.cb0 : seq - skb.seq, n = skb.len - off < len - done ? skb.len - off : len - done;
    const got = skbToPipe(skb, off, n, to, unix ? unixHeadLen(skb) : skbHeadlen(skb));
    done += got;
    seq += got;
    if (got != n) break;
    if (!unix && skb.end_seq != skb.seq + skb.len) break; // a FIN ends the stream
  }
  return done;
}

/** One skb: its linear part (as Linux has it, `head` bytes) in pages of the pipe's own, its frags by reference. */
function skbToPipe(skb: SkBuff, off: u32, n: u32, to: Pipe, head: u32): u32 {
  const real = skbHeadlen(skb), sh = skb.shinfo;
  let done: u32 = 0, at: u32 = 0; // at: where the part that is looked at starts
  for (let i: i32 = -1; i < (sh.nr_frags as i32) && done < n; i++) {
    const addr = i < 0 ? skb.data : fragAddr(sh, i), size = i < 0 ? real : fragSize(sh, i);
    while (done < n && off + done < at + size) {
      if (pipeFull(to)) return done;
      const pos = off + done;
      let step = at + size - pos;
      if (step > n - done) step = n - done;
      if (pos < head && pos + step > head) step = head - pos; // Linux has a linear part in front
      const from = addr + ((pos - at) as usize);
      if (i < 0) {
        const page = pageAlloc();
        if (!page) return done;
        memory.copy(page, from, step);
        pipePush(to, page, 0, step, 0);
      } else {
        getPage(from);
        pipePush(to, from, 0, step, 0);
      }
      done += step;
    }
    at += size;
  }
  return done;
}

/** Sockets that only know how to receive: into fresh pages, one message. */
function copyToPipe(sk: Sock, to: Pipe, len: u32, nowait: bool): i32 {
  const temp = chunkAlloc();
  if (!temp) return -ENOMEM;
  if (len > CHUNK_SIZE) len = CHUNK_SIZE;
  const it = spliceIter(), msg = changetype<MsgHdr>(SCRATCH_MSG);
  iterUbuf(it, temp as u64, len);
  it.kind = ITER_BVEC;
  msgInit(msg, it, MSG_DONTWAIT);
  const ret = sockRecvmsg(sk, msg);
  for (let done: u32 = 0; ret > 0 && done < (ret as u32); done += PAGE_SIZE) {
    const n = (ret as u32) - done < PAGE_SIZE ? (ret as u32) - done : PAGE_SIZE;
    getPage(temp);
    pipePush(to, temp + (done as usize), 0, n, 0);
  }
  putPage(temp);
  return ret == -EAGAIN ? wouldSleep(sockWq(sk), POLLIN_MASK, nowait) : ret;
}
