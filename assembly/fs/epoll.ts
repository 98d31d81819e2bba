// epoll: a file that watches other files. man: epoll(7), epoll_ctl(2).
//
// Each watched file has an item, which sits on the file's wait queue and, when something may have happened, on the epoll's
// ready list. What is on that list is only a candidate: collecting polls each file again, drops those that are not ready,
// and puts level-triggered ones back at the end.
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from "../abi/socket";
import { EBADF, EEXIST, EFAULT, EINVAL, ELOOP, ENFILE, ENOENT, ENOMEM, EPERM } from "../abi/errno";
import { SMALL_SIZE } from "../abi/layout";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { SCRATCH_EPOLL, nil } from "../lib/state";
import { accessOk, copyToUser } from "../mm/vma";
import { WaitEntry, waitAdd, waitEntryFree, waitEntryNew, wakeUp } from "../kernel/wait";
import { FILE_EPOLL, FMODE_READ, FMODE_WRITE, File, fileNew, filePoll } from "./file";

export const EPOLL_CTL_ADD: u32 = 1;
export const EPOLL_CTL_DEL: u32 = 2;
export const EPOLL_CTL_MOD: u32 = 3;
/** struct epoll_event is packed: u32 events, u64 data. */
export const EPOLL_EVENT_SIZE: u32 = 12;
const EP_MAX_EVENTS: i32 = i32.MAX_VALUE / 12;
const EP_MAX_NESTS: i32 = 4;

const EPOLLEXCLUSIVE: u32 = 1 << 28;
const EPOLLWAKEUP: u32 = 1 << 29;
const EPOLLONESHOT: u32 = 1 << 30;
const EPOLLET: u32 = 1 << 31;
const PRIVATE_BITS: u32 = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET;
const EXCLUSIVE_OK_BITS: u32 = POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

@unmanaged @final class Epoll {
  pad: u32;
  items: EpItem; // the latest first
  rd_first: EpItem; // ready list
  rd_last: EpItem;
  wq_head: usize; // who polls the epoll itself
  wq_tail: usize;
  file: File;
}

@unmanaged @final export class EpItem {
  pad: u32;
  ep: Epoll;
  file: File;
  fd: i32;
  events: u32;
  data_lo: u32;
  data_hi: u32;
  entry: WaitEntry;
  next: EpItem; // of the epoll
  file_next: EpItem; // of the file
  rd_next: EpItem;
  ready: u32; // is on the ready list
}
if (offsetof<Epoll>() > SMALL_SIZE || offsetof<EpItem>() > SMALL_SIZE) ERROR("epoll objects do not fit their pool");

@inline function epollOf(f: File): Epoll { return changetype<Epoll>(f.priv); }
@inline function epollWq(ep: Epoll): usize { return changetype<usize>(ep) + offsetof<Epoll>("wq_head"); }

/** An open epoll as its address, or -errno. */
export function epollCreate(): i32 {
  const ep = changetype<Epoll>(poolAlloc(POOL_SMALL));
  if (!ep) return -ENOMEM;
  memory.fill(changetype<usize>(ep), 0, offsetof<Epoll>());
  const f = fileNew(FILE_EPOLL, changetype<usize>(ep), epollRelease.index, epollPoll.index, epollWq(ep));
  if (!f) {
    poolFree(POOL_SMALL, changetype<usize>(ep));
    return -ENFILE;
  }
  f.mode = FMODE_READ | FMODE_WRITE;
  ep.file = f;
  return changetype<usize>(f) as i32;
}

function epollRelease(f: File): void {
  const ep = epollOf(f);
  while (ep.items) remove(ep.items);
  poolFree(POOL_SMALL, changetype<usize>(ep));
}

/** The last reference to a watched file is gone. */
export function epollFileGone(f: File): void {
  while (f.ep_items) remove(changetype<EpItem>(f.ep_items));
}

// The ready list ---------------------------------------------------------------------------------------------------------

function readyAdd(item: EpItem): void {
  const ep = item.ep;
  if (item.ready) return;
  item.ready = 1;
  item.rd_next = nil<EpItem>();
  if (ep.rd_first) ep.rd_last.rd_next = item;
  else ep.rd_first = item;
  ep.rd_last = item;
}

function readyDel(item: EpItem): void {
  if (!item.ready) return;
  item.ready = 0;
  const ep = item.ep;
  let prev = nil<EpItem>();
  for (let i = ep.rd_first; i != item; i = i.rd_next) prev = i;
  if (prev) prev.rd_next = item.rd_next;
  else ep.rd_first = item.rd_next;
  if (ep.rd_last == item) ep.rd_last = prev;
}

/** ep_poll_callback(): the watched file says that something has happened. */
function itemWake(entry: WaitEntry, mask: u32): void {
  const item = changetype<EpItem>(entry.arg);
  if (!(item.events & ~PRIVATE_BITS)) return; // used up (EPOLLONESHOT)
  if (mask != u32.MAX_VALUE && !(mask & item.events)) return;
  readyAdd(item);
  wakeUp(epollWq(item.ep), POLLIN);
}

@inline function itemPoll(item: EpItem): u32 { return filePoll(item.file) & item.events; }

/** File.poll: is any candidate really ready? Those in front of it that are not leave the list. */
function epollPoll(f: File): u32 {
  const ep = epollOf(f);
  for (let item = ep.rd_first; item; item = ep.rd_first) {
    if (itemPoll(item)) return POLLIN | POLLRDNORM;
    readyDel(item);
  }
  return 0;
}

// epoll_ctl --------------------------------------------------------------------------------------------------------------

function find(ep: Epoll, f: File, fd: i32): EpItem {
  let item = ep.items;
  while (item && (item.file != f || item.fd != fd)) item = item.next;
  return item;
}

/** epoll_ctl(2) on files: 0 or -errno. */
export function epollCtl(epf: File, op: u32, fd: i32, f: File, events: u32, data: u64): i32 {
  if (!f.wq) return -EPERM; // always ready: nothing to watch
  if (epf == f || epf.kind != FILE_EPOLL) return -EINVAL;
  const ep = epollOf(epf);
  if (op != EPOLL_CTL_DEL && events & EPOLLEXCLUSIVE) {
    if (op == EPOLL_CTL_MOD) return -EINVAL;
    if (op == EPOLL_CTL_ADD && (f.kind == FILE_EPOLL || events & ~EXCLUSIVE_OK_BITS)) return -EINVAL;
  }
  if (op == EPOLL_CTL_ADD && f.kind == FILE_EPOLL && nestsTooDeep(ep, epollOf(f))) return -ELOOP;
  const item = find(ep, f, fd);
  events = (events & ~EPOLLWAKEUP) | POLLERR | POLLHUP;
  switch (op) {
    case EPOLL_CTL_ADD: return item ? -EEXIST : insert(ep, f, fd, events, data);
    case EPOLL_CTL_DEL:
      if (!item) return -ENOENT;
      remove(item);
      return 0;
    case EPOLL_CTL_MOD:
      if (!item) return -ENOENT;
      if (item.events & EPOLLEXCLUSIVE) return -EINVAL;
      item.events = events;
      item.data_lo = data as u32;
      item.data_hi = (data >> 32) as u32;
      if (itemPoll(item)) announce(item);
      return 0;
    default: return -EINVAL;
  }
}

function announce(item: EpItem): void {
  if (item.ready) return;
  readyAdd(item);
  wakeUp(epollWq(item.ep), POLLIN);
}

function insert(ep: Epoll, f: File, fd: i32, events: u32, data: u64): i32 {
  const item = changetype<EpItem>(poolAlloc(POOL_SMALL));
  if (!item) return -ENOMEM;
  const entry = waitEntryNew(itemWake.index, changetype<usize>(item), u32.MAX_VALUE);
  if (!entry) {
    poolFree(POOL_SMALL, changetype<usize>(item));
    return -ENOMEM;
  }
  item.ep = ep;
  item.file = f;
  item.fd = fd;
  item.events = events;
  item.data_lo = data as u32;
  item.data_hi = (data >> 32) as u32;
  item.entry = entry;
  item.next = ep.items;
  item.file_next = changetype<EpItem>(f.ep_items);
  item.rd_next = nil<EpItem>();
  item.ready = 0;
  ep.items = item;
  f.ep_items = changetype<usize>(item);
  waitAdd(f.wq, entry);
  if (itemPoll(item)) announce(item);
  return 0;
}

function remove(item: EpItem): void {
  const ep = item.ep, f = item.file;
  readyDel(item);
  waitEntryFree(item.entry);
  if (ep.items == item) {
    ep.items = item.next;
  } else {
    let i = ep.items;
    while (i.next != item) i = i.next;
    i.next = item.next;
  }
  if (f.ep_items == changetype<usize>(item)) {
    f.ep_items = changetype<usize>(item.file_next);
  } else {
    let i = changetype<EpItem>(f.ep_items);
    while (i.file_next != item) i = i.file_next;
    i.file_next = item.file_next;
  }
  poolFree(POOL_SMALL, changetype<usize>(item));
}

/** Epolls below `ep`; more than EP_MAX_NESTS if `top` is among them. */
function depthBelow(ep: Epoll, top: Epoll, level: i32): i32 {
  if (ep == top || level > EP_MAX_NESTS) return EP_MAX_NESTS + 1;
  let depth: i32 = 0;
  for (let i = ep.items; i; i = i.next) {
    if (i.file.kind != FILE_EPOLL) continue;
    const d = depthBelow(epollOf(i.file), top, level + 1) + 1;
    if (d > depth) depth = d;
  }
  return depth;
}
function depthAbove(ep: Epoll, level: i32): i32 {
  let depth: i32 = 0;
  if (level > EP_MAX_NESTS) return depth;
  for (let i = changetype<EpItem>(ep.file.ep_items); i; i = i.file_next) {
    const d = depthAbove(i.ep, level + 1) + 1;
    if (d > depth) depth = d;
  }
  return depth;
}
function nestsTooDeep(ep: Epoll, below: Epoll): bool {
  return depthBelow(below, ep, 0) + 1 + depthAbove(ep, 0) > EP_MAX_NESTS;
}

// epoll_wait -------------------------------------------------------------------------------------------------------------

/** What epoll_wait(2) checks first: 0, -EINVAL, -EFAULT. */
export function epollCheck(f: File, events: u64, max: i32): i32 {
  if (max <= 0 || max > EP_MAX_EVENTS) return -EINVAL;
  if (!accessOk(events, (max as u64) * (EPOLL_EVENT_SIZE as u64))) return -EFAULT;
  return f.kind == FILE_EPOLL ? 0 : -EINVAL;
}

/** Up to `max` events to user memory: how many, 0 = none is there, -EFAULT. */
export function epollSend(f: File, events: u64, max: i32): i32 {
  const ep = epollOf(f);
  let n: i32 = 0, item = ep.rd_first, last = ep.rd_last, again = item != nil<EpItem>();
  while (again && n < max) {
    item = ep.rd_first;
    again = item != last; // what is put back is not looked at twice
    readyDel(item);
    const mask = itemPoll(item);
    if (!mask) continue;
    store<u32>(SCRATCH_EPOLL, mask);
    store<u32>(SCRATCH_EPOLL, item.data_lo, 4);
    store<u32>(SCRATCH_EPOLL, item.data_hi, 8);
    if (copyToUser(events + (n as u64) * (EPOLL_EVENT_SIZE as u64), SCRATCH_EPOLL, EPOLL_EVENT_SIZE)) {
      item.ready = 1; // stays the first
      item.rd_next = ep.rd_first;
      ep.rd_first = item;
      if (!ep.rd_last) ep.rd_last = item;
      return n ? n : -EFAULT;
    }
    n++;
    if (item.events & EPOLLONESHOT) item.events &= PRIVATE_BITS;
    else if (!(item.events & EPOLLET)) readyAdd(item);
  }
  return n;
}
