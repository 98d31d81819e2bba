// Memory accounting of a TCP socket.
//
//   wmem_queued  truesize of everything in the write and retransmit queues: what sndbuf limits
//   rmem_alloc   truesize of received skbs that nobody has read yet: what rcvbuf limits
//   fwd_alloc    bytes reserved (in pages) but not charged. Payload of a pure zero-copy skb is not charged: its pages are
//                the user's
//   wmem_alloc   truesize of clones on their way through a device; keeps a closed socket alive until they are back
//
// Sizes on the send side grow with the window in segments (sndbufExpand), on the receive side with what the reader takes
// per round trip (tcp_rcvbuf.ts). Spec: send-zc.md 3.1, 3.3.
import { PAGE_SIZE } from "../abi/layout";
import { BUG_PURE, BUG_RMEM, BUG_WMEM } from "../abi/bug";
import { REF_ACKED } from "../abi/trace";
import { DEBUG, bugOn } from "../lib/bug";
import { isUserPage } from "../mm/page";
import { SkBuff, fragAddr, kfreeSkb, skbZcopy } from "./skbuff";
import { SOCK_F_SNDBUF_LOCK, Sock, sockPut } from "./sock";
import { SKBFL_PURE_ZEROCOPY } from "./ubuf_info";
import {
  MAX_TCP_HEADER, SHARED_INFO_SIZE, SK_BUFF_SIZE, TCP_INIT_CWND, TCP_SKB_OVERHEAD, TCP_SNDBUF_WINDOWS, TCP_WMEM_MAX,
} from "./tcp_defs";

const PAGE_MASK: u32 = PAGE_SIZE - 1;

// Forward allocation ------------------------------------------------------------------------------------------------

/** sk_wmem_schedule(), sk_rmem_schedule(): makes sure that `n` bytes can be charged. */
@inline export function memSchedule(sk: Sock, n: u32): void {
  const missing = (n as i32) - sk.fwd_alloc;
  if (missing > 0) sk.fwd_alloc += ((missing as u32) + PAGE_MASK & ~PAGE_MASK) as i32;
}
@inline export function memCharge(sk: Sock, n: u32): void { sk.fwd_alloc -= n as i32; }
/** Whole pages that are not needed any more go back at once. */
@inline export function memUncharge(sk: Sock, n: u32): void {
  const left = sk.fwd_alloc + (n as i32);
  sk.fwd_alloc = left >= (PAGE_SIZE as i32) ? left & (PAGE_MASK as i32) : left;
}

// Send side ---------------------------------------------------------------------------------------------------------

@inline export function skbIsPure(skb: SkBuff): bool { return (skb.shinfo.flags & SKBFL_PURE_ZEROCOPY) != 0; }

/** What of the skb's truesize is charged to forward-alloc memory. */
@inline function chargedSize(skb: SkBuff): u32 { return skbIsPure(skb) ? TCP_SKB_OVERHEAD : skb.truesize; }

/** I19: what is not charged is the application's own pages, held by an owner. */
function assertPure(skb: SkBuff): void {
  if (!skbIsPure(skb)) return;
  bugOn(!skbZcopy(skb) && skb.data_len != 0, BUG_PURE, changetype<usize>(skb), skb.data_len);
  for (let i: u32 = 0; i < skb.shinfo.nr_frags; i++) bugOn(!isUserPage(fragAddr(skb.shinfo, i)), BUG_PURE, changetype<usize>(skb), i);
}

/** tcp_wmem_free_skb(): an skb of a send queue goes. */
export function wmemFreeSkb(sk: Sock, skb: SkBuff, reason: u32): void {
  bugOn(sk.wmem_queued < skb.truesize, BUG_WMEM, changetype<usize>(sk), sk.wmem_queued);
  if (DEBUG) assertPure(skb);
  sk.wmem_queued -= skb.truesize;
  memUncharge(sk, chargedSize(skb));
  kfreeSkb(skb, reason);
}
@inline export function wmemFreeAcked(sk: Sock, skb: SkBuff): void { wmemFreeSkb(sk, skb, REF_ACKED); }

/** tcp_downgrade_zcopy_pure(): copied bytes are about to join a pure zero-copy skb, so its payload is charged after all. */
export function downgradePure(sk: Sock, skb: SkBuff): void {
  if (!skbIsPure(skb)) return;
  const extra = skb.truesize - TCP_SKB_OVERHEAD;
  memSchedule(sk, extra);
  memCharge(sk, extra);
  skb.shinfo.flags &= ~SKBFL_PURE_ZEROCOPY;
}

/** sk_stream_memory_free(): may another skb be started? */
@inline export function streamMemoryFree(sk: Sock): bool { return sk.wmem_queued < sk.sndbuf; }

/** sk_stream_is_writeable(): POLLOUT once a third of what is in use is free. */
@inline export function streamIsWriteable(sk: Sock): bool {
  return (sk.sndbuf as i32) - (sk.wmem_queued as i32) >= ((sk.wmem_queued >> 1) as i32) && streamMemoryFree(sk);
}

/** tcp_sndbuf_expand(): room for a few windows of full-sized skbs, however their pages round up. */
export function sndbufExpand(sk: Sock): void {
  if (sk.flags & SOCK_F_SNDBUF_LOCK) return;
  let perMss = (sk.mss_clamp > sk.mss_cache ? sk.mss_clamp : sk.mss_cache) + MAX_TCP_HEADER + SHARED_INFO_SIZE;
  perMss = (1 << (32 - clz<u32>(perMss - 1))) + SK_BUFF_SIZE;
  const segs = sk.cwnd > TCP_INIT_CWND ? sk.cwnd : TCP_INIT_CWND;
  const want = (TCP_SNDBUF_WINDOWS as u64) * (segs as u64) * (perMss as u64);
  const size = want < (TCP_WMEM_MAX as u64) ? (want as u32) : TCP_WMEM_MAX;
  if (size > sk.sndbuf) sk.sndbuf = size;
}

/** Clones in flight charge the socket, and keep it alive, until the device or the receiver lets go of them. */
export function tcpSetOwnerW(skb: SkBuff, sk: Sock): void {
  skb.sk = changetype<usize>(sk);
  skb.destructor = tcpWfree.index;
  sk.wmem_alloc += skb.truesize;
}
function tcpWfree(skb: SkBuff): void {
  const sk = changetype<Sock>(skb.sk);
  bugOn(sk.wmem_alloc < skb.truesize, BUG_WMEM, changetype<usize>(sk), sk.wmem_alloc);
  sk.wmem_alloc -= skb.truesize;
  if (sk.refs == 0 && sk.wmem_alloc == 0) {
    sk.refs = 1;
    sockPut(sk);
  }
}

// Receive side ------------------------------------------------------------------------------------------------------

export function tcpSetOwnerR(skb: SkBuff, sk: Sock): void {
  skb.sk = changetype<usize>(sk);
  skb.destructor = tcpRfree.index;
  sk.rmem_alloc += skb.truesize;
  memCharge(sk, skb.truesize);
}
function tcpRfree(skb: SkBuff): void {
  const sk = changetype<Sock>(skb.sk);
  bugOn(sk.rmem_alloc < skb.truesize, BUG_RMEM, changetype<usize>(sk), sk.rmem_alloc);
  sk.rmem_alloc -= skb.truesize;
  memUncharge(sk, skb.truesize);
}

/** Window that `space` bytes of buffer are worth, at the payload-to-truesize ratio seen last. */
@inline export function winFromSpace(sk: Sock, space: i32): i32 {
  return (((space as i64) * (sk.scaling_ratio as i64)) >> 8) as i32;
}
@inline export function spaceFromWin(sk: Sock, win: u32): u64 { return ((win as u64) << 8) / (sk.scaling_ratio as u64); }
/** tcp_space(): window that the free part of the receive buffer is worth. */
@inline export function tcpSpace(sk: Sock): i32 {
  return winFromSpace(sk, (sk.rcvbuf as i32) - (sk.backlog_len as i32) - (sk.rmem_alloc as i32));
}
@inline export function tcpFullSpace(sk: Sock): i32 { return winFromSpace(sk, sk.rcvbuf as i32); }
