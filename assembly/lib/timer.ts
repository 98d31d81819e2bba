// The one clock and its timer heap. A timer calls fn(arg) when the clock reaches `expires`; timers of the same instant
// run in the order in which they were armed. The clock moves only in runNextTimer() and advanceTo().
import { POOL_TIMER, poolAlloc, poolFree } from "./pool";
import { POOLS_BASE, REQ_MAX, SOCK_MAX, TIMER_HEAP_BASE, TIMER_HEAP_MAX, TIMER_MAX, TIMER_SIZE } from "../abi/layout";
import { CNT_TIMERS_LIVE } from "../abi/counters";
import { BUG_TIMER } from "../abi/bug";
import { bugOn } from "./bug";
import { choose } from "./rng";
import { S_NOW, S_TIMER_COUNT, S_TIMER_SEQ, cntDec, cntInc } from "./state";

@unmanaged @final export class Timer {
  pad: u32;
  index: u32; // position in the heap + 1; 0 = not armed
  expires: u64;
  seq: u64;
  fn: u32; // table index of (arg: usize) => void
  arg: usize;
  why: u32; // shown in traces
  pad2: u32;
}
if (offsetof<Timer>() > TIMER_SIZE) ERROR("Timer does not fit its pool");
// What a program can have of requests and sockets, and so of timers, never exhausts the pool.
if (TIMER_MAX < REQ_MAX + SOCK_MAX * 3 || TIMER_HEAP_MAX < TIMER_MAX) ERROR("too few timers");
if (TIMER_HEAP_BASE + (TIMER_HEAP_MAX << 2) > POOLS_BASE) ERROR("the timer heap reaches into the pools");

@inline function at(i: u32): usize { return TIMER_HEAP_BASE + ((i as usize) << 2); }
@inline function get(i: u32): Timer { return changetype<Timer>(load<u32>(at(i)) as usize); }
@inline function put(i: u32, t: Timer): void { store<u32>(at(i), changetype<usize>(t) as u32); t.index = i + 1; }
@inline function before(a: Timer, b: Timer): bool { return a.expires < b.expires || (a.expires == b.expires && a.seq < b.seq); }

export function timerNew(fn: u32, arg: usize): Timer {
  const t = changetype<Timer>(poolAlloc(POOL_TIMER));
  bugOn(!t, BUG_TIMER);
  t.index = 0;
  t.fn = fn;
  t.arg = arg;
  t.why = 0;
  cntInc(CNT_TIMERS_LIVE);
  return t;
}

/** Cancels and frees. */
export function timerFree(t: Timer): void {
  if (!t) return;
  timerCancel(t);
  cntDec(CNT_TIMERS_LIVE);
  poolFree(POOL_TIMER, changetype<usize>(t));
}

@inline export function timerArmed(t: Timer): bool { return changetype<usize>(t) != 0 && t.index != 0; }

/** (Re)arms for the absolute time `expires`. With a seed, timers of one instant run in a drawn order. */
export function timerArm(t: Timer, expires: u64): void {
  if (t.index) timerCancel(t);
  const now = load<u64>(S_NOW);
  t.expires = expires < now ? now : expires;
  const seq = load<u64>(S_TIMER_SEQ) + 1;
  store<u64>(S_TIMER_SEQ, seq);
  t.seq = seq ^ ((choose(4) as u64) << 2);
  const n = load<u32>(S_TIMER_COUNT);
  bugOn(n >= TIMER_HEAP_MAX, BUG_TIMER, n);
  store<u32>(S_TIMER_COUNT, n + 1);
  siftUp(n, t);
}

@inline export function timerArmIn(t: Timer, delay: u64): void { timerArm(t, load<u64>(S_NOW) + delay); }

export function timerCancel(t: Timer): void {
  if (!t.index) return;
  const i = t.index - 1;
  t.index = 0;
  const n = load<u32>(S_TIMER_COUNT) - 1;
  store<u32>(S_TIMER_COUNT, n);
  if (i == n) return;
  const last = get(n);
  if (i > 0 && before(last, get((i - 1) >> 1))) siftUp(i, last);
  else siftDown(i, last, n);
}

function siftUp(i: u32, t: Timer): void {
  while (i > 0) {
    const parent = (i - 1) >> 1, p = get(parent);
    if (!before(t, p)) break;
    put(i, p);
    i = parent;
  }
  put(i, t);
}

function siftDown(i: u32, t: Timer, n: u32): void {
  for (;;) {
    let child = (i << 1) + 1;
    if (child >= n) break;
    if (child + 1 < n && before(get(child + 1), get(child))) child++;
    if (!before(get(child), t)) break;
    put(i, get(child));
    i = child;
  }
  put(i, t);
}

@inline export function timersPending(): u32 { return load<u32>(S_TIMER_COUNT); }
/** Time of the next timer; call only when one is pending. */
@inline export function nextTimerAt(): u64 { return get(0).expires; }

/** Takes the first timer off the heap, moves the clock to it and runs it. */
export function runNextTimer(): void {
  const t = get(0);
  timerCancel(t);
  if (t.expires > load<u64>(S_NOW)) store<u64>(S_NOW, t.expires);
  call_indirect<void>(t.fn, t.arg);
}

export function advanceTo(when: u64): void {
  if (when > load<u64>(S_NOW)) store<u64>(S_NOW, when);
}
