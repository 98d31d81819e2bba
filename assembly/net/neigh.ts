// Neighbours: who has a next-hop address on the link.
//
// On veth the question goes to the other end, which answers at once if its namespace has the address (arp_ignore 0: on
// any of its devices). The ARP packets themselves are not modelled, their outcome and their time are:
// DEVIATION: neighbour-packets. Nobody answers: the packet waits in the entry's queue, the question is repeated twice, and
// after the third silence everything queued is dropped and its senders are told that the host is unreachable.
//
// Spec: send-zc.md 3.4 (3.07 s), 3.6.
import { POOL_SMALL, poolAlloc } from "../lib/pool";
import { SMALL_SIZE } from "../abi/layout";
import { S_HOOK_LINK_FAILURE, nil, nowNs } from "../lib/state";
import { Timer, timerArm, timerFree, timerNew } from "../lib/timer";
import { NEIGH_ARP, NetDevice, devDrop, devQueueXmit } from "./dev";
import { SkBuff } from "./skbuff";
import { SKB_QUEUE_SIZE, SkbQueue, skbDequeue, skbQueueTail } from "./skb_queue";
import { isLinkBroadcast, isLocalAddr } from "./route";

/** mcast_probes */
const PROBES: u32 = 3;
/** retrans_time_ms of 1000, as the timer wheel rounds it: three of these are the 3.07 s seen. */
const RETRANS_NS: u64 = 1024000000;
/** unres_qlen_bytes */
const UNRES_BYTES: u32 = 212992;

/** gc_thresh3, here for each device. */
const NEIGH_MAX: u32 = 1024;

const NUD_NONE: u32 = 0;
const NUD_INCOMPLETE: u32 = 1;
const NUD_REACHABLE: u32 = 2;
const NUD_FAILED: u32 = 3;

@unmanaged @final export class Neigh {
  pad: u32;
  next: Neigh;
  dev: NetDevice;
  addr: u32;
  state: u32;
  probes: u32;
  timer: Timer;
  bytes: u32; // truesize of the queue
  q0: u32; q1: u32; q2: u32; // SkbQueue: packets that wait for the answer
}
if (offsetof<Neigh>() > SMALL_SIZE) ERROR("Neigh does not fit its pool");
if (SKB_QUEUE_SIZE != 12) ERROR("the queue is embedded as three words");

@inline function queue(n: Neigh): SkbQueue { return changetype<SkbQueue>(changetype<usize>(n) + offsetof<Neigh>("q0")); }

/** Sends to `nexthop` on the link of `dev`; takes over the skb. */
@inline export function neighOutput(skb: SkBuff, dev: NetDevice, nexthop: u32): void {
  skb.dst_addr = nexthop;
  if (dev.neigh_mode == NEIGH_ARP && !dev.all_reachable) neighResolve(skb, dev, nexthop);
  else devQueueXmit(skb, dev);
}

/** Without carrier the question goes nowhere. */
function answers(dev: NetDevice, addr: u32): bool {
  return dev.running != 0 && isLocalAddr(dev.peer.ns, addr);
}

function neighLookup(dev: NetDevice, addr: u32): Neigh {
  let count: u32 = 0;
  for (let n = changetype<Neigh>(dev.neighs); n; n = n.next) {
    if (n.addr == addr) return n;
    count++;
  }
  const n = count < NEIGH_MAX ? changetype<Neigh>(poolAlloc(POOL_SMALL)) : nil<Neigh>();
  if (!n) return n;
  memory.fill(changetype<usize>(n), 0, SMALL_SIZE);
  n.next = changetype<Neigh>(dev.neighs);
  n.dev = dev;
  n.addr = addr;
  n.state = NUD_NONE;
  dev.neighs = changetype<usize>(n);
  return n;
}

export function neighCount(dev: NetDevice): u32 {
  let count: u32 = 0;
  for (let n = changetype<Neigh>(dev.neighs); n; n = n.next) count++;
  return count;
}

/** neigh_resolve_output() */
function neighResolve(skb: SkBuff, dev: NetDevice, addr: u32): void {
  const multicast = addr >> 28 == 14 || isLinkBroadcast(dev, addr);
  const n = multicast ? nil<Neigh>() : neighLookup(dev, addr);
  if (multicast || (n && n.state == NUD_REACHABLE)) {
    devQueueXmit(skb, dev);
    return;
  }
  if (!n) {
    devDrop(skb, dev);
    return;
  }
  if (n.state != NUD_INCOMPLETE) {
    if (answers(dev, addr)) {
      n.state = NUD_REACHABLE;
      devQueueXmit(skb, dev);
      return;
    }
    n.state = NUD_INCOMPLETE;
    n.probes = 1;
    n.bytes = 0;
    n.timer = timerNew(neighTimer.index, changetype<usize>(n));
    timerArm(n.timer, nowNs() + RETRANS_NS);
  }
  // Too much is waiting: the oldest go.
  while (n.bytes + skb.truesize > UNRES_BYTES && queue(n).qlen) devDrop(take(n), dev);
  n.bytes += skb.truesize;
  skb.dev = changetype<usize>(dev);
  skbQueueTail(queue(n), skb);
}

function take(n: Neigh): SkBuff {
  const skb = skbDequeue(queue(n));
  if (skb) n.bytes -= skb.truesize;
  return skb;
}

/** One second without an answer. Runs in softirq. */
function neighTimer(arg: usize): void {
  const n = changetype<Neigh>(arg), dev = n.dev;
  const ok = answers(dev, n.addr);
  if (!ok && n.probes < PROBES) {
    n.probes++;
    timerArm(n.timer, nowNs() + RETRANS_NS);
    return;
  }
  n.state = ok ? NUD_REACHABLE : NUD_FAILED;
  timerFree(n.timer);
  n.timer = nil<Timer>();
  for (let skb = take(n); skb; skb = take(n)) {
    if (ok) {
      devQueueXmit(skb, dev);
    } else {
      call_indirect<void>(load<u32>(S_HOOK_LINK_FAILURE), skb);
      devDrop(skb, dev);
    }
  }
}

/** The device has lost its carrier: what was known of the link is forgotten; a question goes on being asked (seen on 6.18). */
export function neighCarrierDown(dev: NetDevice): void {
  for (let n = changetype<Neigh>(dev.neighs); n; n = n.next) if (n.state == NUD_REACHABLE) n.state = NUD_NONE;
}

/** For reports: packets that wait for an answer on `dev`. */
export function neighPending(dev: NetDevice): u32 {
  let count: u32 = 0;
  for (let n = changetype<Neigh>(dev.neighs); n; n = n.next) count += queue(n).qlen;
  return count;
}
