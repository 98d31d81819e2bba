// skbs of AF_UNIX: how large Linux makes them (which decides how much fits a send buffer), and who pays.
//
// A message is charged to the sender until the receiver has consumed all of it. Linux takes the linear part from its
// kmalloc sizes and the rest in whole pages; what is charged (truesize) is measured from the outside with SO_MEMINFO and
// follows the two functions below exactly. Where the bytes really lie here (net/skb_iter.ts) does not matter to anybody.
//
//   skb.cb0  bytes of the payload already read (stream)
import { BUG_WMEM } from "../abi/bug";
import { PAGE_SIZE } from "../abi/layout";
import { SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET } from "../abi/socket";
import { EAGAIN, EINVAL, EPIPE } from "../abi/errno";
import { bugOn } from "../lib/bug";
import { POOL_ASYNC, poolFree } from "../lib/pool";
import { wakeUp } from "../kernel/wait";
import { CMSG_END, cmsgFirst, cmsgLevel, cmsgNext, cmsgOk, cmsgType } from "./msg_import";
import { notModelled } from "../lib/not_modelled";
import { SkBuff, allocSkb } from "./skbuff";
import { MsgHdr, POLLOUT_MASK, SHUTDOWN_SEND, SOCK_F_NOSPACE, Sock, sockError, sockPut, sockWfree, sockWq } from "./sock";
import { TCP_LISTEN } from "./tcp_states";

const SHINFO_ALIGNED: u32 = 320; // what an skb's data area needs besides the data
const SK_BUFF_ALIGNED: u32 = 256;
const KMALLOC_MIN: u32 = 512; // smallest allocation that holds SHINFO_ALIGNED and some data
/** Most data in the linear part without leaving a page: 3776 bytes. */
export const SKB_MAX_HEAD: u32 = PAGE_SIZE - SHINFO_ALIGNED;
/** Most data in a linear part of four pages: 16064 bytes. */
export const SKB_MAX_ALLOC: u32 = PAGE_SIZE * 4 - SHINFO_ALIGNED;
/** The most that a stream puts behind the linear part of one skb. */
export const UNIX_SKB_FRAGS_SIZE: u32 = 32768;

@inline export function pageAlign(n: u32): u32 { return (n + (PAGE_SIZE - 1)) & ~(PAGE_SIZE - 1); }

/** truesize of an skb with `head` linear bytes: rounded to cache lines, then to a power of two with its bookkeeping. */
export function headTruesize(head: u32): u32 {
  const need = ((head + 63) & ~63) + SHINFO_ALIGNED;
  const size = need <= KMALLOC_MIN ? KMALLOC_MIN : (1 << (32 - clz<u32>(need - 1)));
  return size + SK_BUFF_ALIGNED;
}

/** The name of a socket, shared with the sockets that a listener's accept() makes. It lives as long as the socket. */
@unmanaged @final export class UnixAddr {
  pad: u32;
  refs: u32;
  len: u32; // of the sockaddr_un: family and name
  netns: u32; // abstract names belong to a namespace; unused for paths
}
export const UNIX_ADDR_NAME: usize = offsetof<UnixAddr>(); // the sockaddr_un, up to 110 bytes (one more for a NUL)

@inline export function unixAddr(sk: Sock): UnixAddr { return changetype<UnixAddr>(sk.priv); }
export function unixAddrGet(addr: UnixAddr): UnixAddr {
  addr.refs++;
  return addr;
}
function dropName(sk: Sock): void {
  const addr = unixAddr(sk);
  sk.priv = 0;
  if (addr && --addr.refs == 0) poolFree(POOL_ASYNC, changetype<usize>(addr));
}

/** sockPut() of an AF_UNIX socket: the last reference takes the name with it. */
export function unixPut(sk: Sock): void {
  if (sk.refs == 1 && sk.wmem_alloc == 0) dropName(sk);
  sockPut(sk);
}

/** An skb charged to `sk`, truesize as for `head` linear bytes and `data` bytes in pages; nil when out of memory. */
export function unixAllocSkb(sk: Sock, head: u32, data: u32): SkBuff {
  const skb = allocSkb(0, headTruesize(head) + pageAlign(data));
  if (!skb) return skb;
  skb.sk = changetype<usize>(sk);
  skb.destructor = unixWfree.index;
  sk.wmem_alloc += skb.truesize;
  return skb;
}

/**
 * May `sk` allocate an skb now? 0, a pending error, -EPIPE (shut down), -EAGAIN (buffer full). A buffer that is not full
 * yet takes one more skb of any size.
 */
export function unixSendRoom(sk: Sock): i32 {
  const err = sockError(sk);
  if (err) return err;
  if (sk.shutdown & SHUTDOWN_SEND) return -EPIPE;
  if (sk.wmem_alloc < sk.sndbuf) return 0;
  sk.flags |= SOCK_F_NOSPACE;
  return -EAGAIN;
}

/** unix_writable(): poll and wake-ups want three quarters of the buffer free. */
@inline export function unixWritable(sk: Sock): bool {
  return sk.state != TCP_LISTEN && ((sk.wmem_alloc as u64) << 2) <= (sk.sndbuf as u64);
}

/** Destructor: the message has been read, or will never be. */
function unixWfree(skb: SkBuff): void {
  const sk = changetype<Sock>(skb.sk);
  if (!sk.refs) {
    if (sk.wmem_alloc == skb.truesize) dropName(sk);
    sockWfree(skb); // the sender is gone but for its charge
    return;
  }
  bugOn(sk.wmem_alloc < skb.truesize, BUG_WMEM, changetype<usize>(sk), sk.wmem_alloc);
  sk.wmem_alloc -= skb.truesize;
  if (unixWritable(sk)) {
    sk.flags &= ~SOCK_F_NOSPACE;
    wakeUp(sockWq(sk), POLLOUT_MASK);
  }
}

/** The ancillary data of a send: 0 or -errno. unix(7) knows two kinds, neither of which is modelled. */
export function unixScmSend(msg: MsgHdr): i32 {
  for (let off = cmsgFirst(msg); off != CMSG_END; off = cmsgNext(msg, off)) {
    if (!cmsgOk(msg, off)) return -EINVAL;
    if (cmsgLevel(msg, off) != SOL_SOCKET) continue;
    const type = cmsgType(msg, off);
    if (type != SCM_RIGHTS && type != SCM_CREDENTIALS) return -EINVAL;
    return notModelled(type);
  }
  return 0;
}
