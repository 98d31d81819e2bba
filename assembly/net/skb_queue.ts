// Doubly linked skb queues: a head of three words in the owner (first, last, count), links in the skbs.
import { nil } from "../lib/state";
import { SkBuff, kfreeSkb } from "./skbuff";

@unmanaged @final export class SkbQueue {
  first: SkBuff;
  last: SkBuff;
  qlen: u32;
}
export const SKB_QUEUE_SIZE: usize = 12;
if (offsetof<SkbQueue>() != SKB_QUEUE_SIZE) ERROR("SkbQueue must be 12 bytes");

export function skbQueueTail(q: SkbQueue, skb: SkBuff): void {
  skb.next = nil<SkBuff>();
  skb.prev = q.last;
  if (q.last) q.last.next = skb;
  else q.first = skb;
  q.last = skb;
  q.qlen++;
}

/** Inserts `skb` after `at` (nil: at the front). */
export function skbQueueAfter(q: SkbQueue, at: SkBuff, skb: SkBuff): void {
  const next = at ? at.next : q.first;
  skb.prev = at;
  skb.next = next;
  if (at) at.next = skb;
  else q.first = skb;
  if (next) next.prev = skb;
  else q.last = skb;
  q.qlen++;
}

export function skbUnlink(q: SkbQueue, skb: SkBuff): void {
  if (skb.prev) skb.prev.next = skb.next;
  else q.first = skb.next;
  if (skb.next) skb.next.prev = skb.prev;
  else q.last = skb.prev;
  skb.next = nil<SkBuff>();
  skb.prev = nil<SkBuff>();
  q.qlen--;
}

export function skbDequeue(q: SkbQueue): SkBuff {
  const skb = q.first;
  if (skb) skbUnlink(q, skb);
  return skb;
}

/** Frees every skb of the queue; `reason` is a REF_*. */
export function skbQueuePurge(q: SkbQueue, reason: u32): void {
  for (let skb = skbDequeue(q); skb; skb = skbDequeue(q)) kfreeSkb(skb, reason);
}
