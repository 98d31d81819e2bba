// tcp_collapse(): when the receive buffer is over its limit, skbs that cost much more than they carry are copied together.
// A receiver of many small zero-copy sends, each charged a page, lives on this.
//
// Linux copies into the linear part of fresh skbs, up to a page each; what is left of that part takes further bytes for
// nothing. Here the bytes go to one page fragment of the same size, and SkBuff.when (of no other use in a receive queue)
// counts the bytes left in it.
import { REF_READ } from "../abi/trace";
import { nil } from "../lib/state";
import { pageFragRefill, pageFragTake } from "../mm/page";
import { SkBuff, allocSkb, fragAddr, fragSet, fragSize, kfreeSkb, skbCopyBits, skbFillPage } from "./skbuff";
import { skbQueueAfter, skbUnlink } from "./skb_queue";
import { Sock, receiveQueue } from "./sock";
import { SHARED_INFO_SIZE, SK_BUFF_SIZE, TH_FIN, before } from "./tcp_defs";
import { memSchedule, tcpSetOwnerR, winFromSpace } from "./tcp_mem";

/** Largest linear part: a page less the bookkeeping behind it. */
const COLLAPSED_MAX: u32 = 4096 - SHARED_INFO_SIZE;
const SMALL_HEAD: u32 = 576;

/** Linear room that Linux allocates for `n` bytes: a small head, or what its allocator rounds up to. */
function linearRoom(n: u32): u32 {
  const need = ((n + 63) & ~63) + SHARED_INFO_SIZE;
  return (need <= SMALL_HEAD ? SMALL_HEAD : 1 << (32 - clz<u32>(need - 1))) - SHARED_INFO_SIZE;
}

/** Bytes that can be added to a collapsed skb without any cost. */
@inline export function tailroom(skb: SkBuff): u32 { return skb.shinfo.nr_frags == 1 ? (skb.when as u32) : 0; }

/** Appends the payload of `from`, which fits the tailroom. */
export function appendTail(to: SkBuff, from: SkBuff): void {
  const sh = to.shinfo, size = fragSize(sh, 0), n = from.len;
  skbCopyBits(from, 0, fragAddr(sh, 0) + (size as usize), n);
  fragSet(sh, 0, fragAddr(sh, 0), size + n);
  to.when -= n as u64;
}

/** An empty skb with room for `n` bytes, charged to the socket; nil when out of memory. */
function collapsedSkb(sk: Sock, seq: u32, n: u32): SkBuff {
  const room = linearRoom(n), at = pageFragRefill(room);
  if (!at) return nil<SkBuff>();
  const skb = allocSkb(0, SK_BUFF_SIZE + SHARED_INFO_SIZE + room);
  if (!skb) return skb;
  pageFragTake(room, true);
  skbFillPage(skb.shinfo, at, 0);
  skb.when = room as u64;
  skb.seq = seq;
  skb.end_seq = seq;
  memSchedule(sk, skb.truesize);
  tcpSetOwnerR(skb, sk);
  return skb;
}

/** The first skb from which copying together pays: it costs more than the window it was given is worth. */
function firstBloated(sk: Sock): SkBuff {
  let start = sk.copied_seq;
  for (let skb = receiveQueue(sk).first; skb; skb = skb.next) {
    if (skb.tcp_flags & TH_FIN) return nil<SkBuff>();
    if (winFromSpace(sk, skb.truesize as i32) > (skb.len as i32) || before(skb.seq, start)) return skb;
    start = skb.end_seq;
  }
  return nil<SkBuff>();
}

/** Copies together what waits to be read. The bytes and their order stay. */
export function tcpCollapse(sk: Sock): void {
  const q = receiveQueue(sk);
  let skb = firstBloated(sk);
  if (!skb) return;
  let start = before(skb.seq, sk.copied_seq) ? sk.copied_seq : skb.seq;
  while (skb && !(skb.tcp_flags & TH_FIN)) {
    const left = sk.rcv_nxt - start, want = left < COLLAPSED_MAX ? left : COLLAPSED_MAX;
    const n = collapsedSkb(sk, start, want);
    if (!n) return;
    skbQueueAfter(q, skb.prev, n);
    n.tcp_flags = skb.tcp_flags;
    let room = want;
    while (room && skb && !(skb.tcp_flags & TH_FIN)) {
      const have = skb.end_seq - start, step = have < room ? have : room, sh = n.shinfo, size = fragSize(sh, 0);
      skbCopyBits(skb, start - skb.seq, fragAddr(sh, 0) + (size as usize), step);
      fragSet(sh, 0, fragAddr(sh, 0), size + step);
      n.len += step;
      n.data_len += step;
      n.end_seq += step;
      n.when -= step as u64;
      start += step;
      room -= step;
      if (start != skb.end_seq) break;
      const next = skb.next;
      skbUnlink(q, skb);
      kfreeSkb(skb, REF_READ);
      skb = next;
    }
  }
}
