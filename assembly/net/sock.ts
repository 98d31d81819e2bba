// struct sock: what all socket families share, followed by the fields of TCP. Memory accounting, error state, the
// socket lock (owned by the task while it is in a system call; packets that arrive meanwhile go to the backlog).
import { IovIter } from "../mm/iov_iter";
import { POOL_SOCK, poolAlloc, poolFree } from "../lib/pool";
import { SOCK_SIZE } from "../abi/layout";
import { CNT_SOCKS_LIVE } from "../abi/counters";
import { BUG_REF_UNDERFLOW, BUG_RMEM, BUG_WMEM } from "../abi/bug";
import { bugOn } from "../lib/bug";
import { S_SOCK_LIST, cntDec, cntInc } from "../lib/state";
import { Timer } from "../lib/timer";
import { wakeUp } from "../kernel/wait";
import { SkBuff } from "./skbuff";
import { SKB_QUEUE_SIZE, SkbQueue, skbDequeue, skbQueueTail } from "./skb_queue";
import { UbufInfo } from "./ubuf_info";

/** A send or receive in the kernel's own terms (struct msghdr after import). */
@unmanaged @final export class MsgHdr {
  name: usize; // kernel copy of the address, 0 = none; on receive: room for one (128 bytes) or 0
  namelen: u32;
  iter: IovIter;
  control: usize; // kernel copy of the ancillary data; on receive: user pointer (low 32 bits)
  controllen: u32;
  flags: u32; // MSG_*
  ubuf: UbufInfo; // caller's ubuf_info (SEND_ZC), nil = none
  managed: u32; // pages are held by the ubuf's owner: frags take no references (registered buffers)
  out_flags: u32; // receive: MSG_TRUNC, MSG_CTRUNC, MSG_ERRQUEUE
  out_controllen: u32;
  inq: u32; // receive: bytes left (IORING_CQE_F_SOCK_NONEMPTY)
  short: u32; // receive: a mark in the stream ends the call, whatever MSG_WAITALL says
}
export const MSGHDR_SIZE: usize = 48;
if (offsetof<MsgHdr>() != MSGHDR_SIZE) ERROR("MsgHdr must be 48 bytes");

export const SOCK_F_DEAD: u32 = 1; // no file refers to it any more
export const SOCK_F_ZEROCOPY: u32 = 2; // SO_ZEROCOPY
export const SOCK_F_SUPPORT_ZC: u32 = 4; // takes a caller's ubuf_info (SOCK_SUPPORT_ZC)
export const SOCK_F_LINGER: u32 = 8;
export const SOCK_F_SNDBUF_LOCK: u32 = 16; // SO_SNDBUF was set: no autotuning
export const SOCK_F_RCVBUF_LOCK: u32 = 32;
export const SOCK_F_OWNED: u32 = 64; // a system call holds the socket lock
export const SOCK_F_REUSEADDR: u32 = 128;
export const SOCK_F_CORK: u32 = 256; // TCP_CORK
export const SOCK_F_NODELAY: u32 = 512;
export const SOCK_F_NOSPACE: u32 = 1024; // a writer waits for room (SOCK_NOSPACE)
export const SOCK_F_BOUND: u32 = 2048;
export const SOCK_F_UNHASHED: u32 = 4096; // no longer found by input
export const SOCK_F_PORT_LOCK: u32 = 8192; // bind() named the port: it stays when a connection ends (SOCK_BINDPORT_LOCK)

export const SHUTDOWN_RCV: u32 = 1;
export const SHUTDOWN_SEND: u32 = 2;

@unmanaged @final export class Sock {
  pad: u32;
  refs: u32; // file, timers in flight, skbs with a destructor hold none (wmem keeps it alive, see skFree)
  family: u32;
  type: u32;
  protocol: u32;
  state: u32; // TCP_* states, also for the other families (TCP_ESTABLISHED = connected)
  shutdown: u32;
  flags: u32; // SOCK_F_*
  err: i32; // pending error (positive errno)
  netns: u32;
  list_next: Sock; // all sockets
  list_prev: Sock;

  // operations, table indices
  op_sendmsg: u32; // (sk: Sock, msg: MsgHdr) => i32: bytes, -EAGAIN instead of waiting
  op_recvmsg: u32; // (sk: Sock, msg: MsgHdr) => i32
  op_poll: u32; // (sk: Sock) => u32
  op_release: u32; // (sk: Sock) => void: the last file is gone
  op_shutdown: u32; // (sk: Sock, how: u32) => i32
  op_backlog_rcv: u32; // (sk: Sock, skb: SkBuff) => void

  sndbuf: u32;
  rcvbuf: u32;
  wmem_alloc: u32; // bytes of skbs in flight that charge this socket
  wmem_queued: u32; // TCP: bytes in write and retransmit queues
  rmem_alloc: u32;
  fwd_alloc: i32;
  omem_alloc: u32; // MSG_ZEROCOPY records
  zckey: u32; // next MSG_ZEROCOPY id
  lingertime: u32; // seconds
  sndtimeo: u64; // ns, 0 = none
  rcvtimeo: u64;
  wq_head: usize; // WaitQueue: two words
  wq_tail: usize;
  rq0: u32; rq1: u32; rq2: u32; // receive queue (SkbQueue)
  wq0: u32; wq1: u32; wq2: u32; // write queue
  eq0: u32; eq1: u32; eq2: u32; // error queue
  bq0: u32; bq1: u32; bq2: u32; // backlog

  // addresses, host byte order
  saddr: u32;
  daddr: u32;
  sport: u32;
  dport: u32;
  bound_dev: u32; // 0 = any
  peer: Sock; // AF_UNIX
  parent: Sock; // listener that made it
  accept_head: Sock; // listener: sockets ready to be accepted
  accept_tail: Sock;
  accept_next: Sock;
  accept_len: u32;
  backlog_max: u32;
  file: usize; // File, 0 = none (orphan, or not accepted yet)
  gso_size: u32; // UDP_SEGMENT
  cork_skb: SkBuff; // UDP: pending datagram
  cork_flags: u32;
  cork_addr: u32;
  cork_port: u32;
  cork_dev: usize;
  route_dev: usize; // NetDevice of the cached route, 0 = none
  route_caps: u32; // NETIF_F_* when the route was cached (TCP)
  packet_proto: u32; // AF_PACKET: ethertype
  packet_flags: u32;
  priv: usize;
  ss_state: u32; // SS_* (net/tcp_states.ts): what connect() has come to, apart from the protocol's own state
  rcvlowat: u32; // SO_RCVLOWAT, 0 = 1
  opts: u32; // SKOPT_* (net/sockopt.ts): options that are only remembered
  priority: u32;
  sk_mark: u32;
  ip_opts: u32; // IPOPT_* (net/sockopt_inet.ts)
  tsflags: u32; // SO_TIMESTAMPING
  tos: u32; // IP_TOS
  ttl: u32; // IP_TTL, 0 = the default
  route_gen: u32; // S_ROUTE_GEN when route_dev was looked up
  route_nexthop: u32;
  hash_next: Sock; // UDP: sockets whose local ports share a hash chain
  cork: usize; // UDP: IpCork of the pending datagram, 0 = none was ever begun
  rmem_deficit: u32; // UDP: read but not yet given back to rmem_alloc
  reader_qlen: u32; // UDP: skbs at the head of the receive queue that the reader has to itself
  bound_addr: u32; // address given to bind()
  peer_pid: u32; peer_uid: u32; peer_gid: u32; // AF_UNIX: who connected, or called listen() (SO_PEERCRED)
  last_port: u32; // TCP: getsockname() still shows the port of a connection that is over

  // TCP: assembly/net/tcp*.ts. Names of struct tcp_sock where it has one; times in us unless they are u64 (ns).
  snd_una: u32; snd_nxt: u32; write_seq: u32; snd_wnd: u32; snd_wl1: u32; max_window: u32;
  rcv_nxt: u32; copied_seq: u32; rcv_wnd: u32; rcv_wup: u32;
  rx0: u32; rx1: u32; rx2: u32; // retransmit queue (SkbQueue)
  ooo0: u32; ooo1: u32; ooo2: u32; // out-of-order queue, by sequence
  hash_key: u32; // hash chain + 1 of a connection or listener (net/tcp_hash.ts), 0 = on none
  nonagle: u32; // TCP_NAGLE_*
  tcp_flags: u32; // TCP_SF_*: yes-or-no state (net/tcp_defs.ts)
  mss_cache: u32; advmss: u32; // what may be sent in a segment, what the peer may send
  mss_clamp: u32; // the peer's MSS option
  user_mss: u32; // TCP_MAXSEG, 0 = none
  gso_segs: u32; // segments per skb that size_goal was last rounded to
  tcp_header_len: u32; // with the options of every segment
  snd_wscale: u32; rcv_wscale: u32; window_clamp: u32; rcv_ssthresh: u32;
  cwnd: u32; ssthresh: u32; cwnd_cnt: u32; // segments
  max_packets_out: u32; cwnd_usage_seq: u32; // most in flight in this window of data, and where that ends (RFC 7661)
  packets_out: u32; retrans_out: u32; lost_out: u32; dupacks: u32; high_seq: u32;
  ca_state: u32; // TCP_CA_*
  srtt: u32; rttvar: u32; rto: u32; backoff: u32;
  retransmits: u32; // timeouts in a row without progress
  probes_out: u32; tlp_high_seq: u32;
  rtx_timer: Timer; delack_timer: Timer; keepalive_timer: Timer;
  rtx_pending: u32; // ICSK_TIME_*: what the retransmit timer is for
  ack_pending: u32; ack_quick: u32; ack_pingpong: u32; ack_ato: u32; // ICSK_ACK_* and the delayed ACK's estimators
  last_seg_size: u32; rcv_mss: u32;
  lrcvtime: u64; lsndtime: u64; // last data received, sent
  snd_sml: u32; // end of the last small segment sent (Minshall's variant of Nagle's rule)
  pushed_seq: u32;
  rcvq_space: u32; rcvq_seq: u32; rcvq_time: u64; // receive autotuning: measured bytes per round trip
  rcv_rtt: u32; rcv_rtt_seq: u32; rcv_rtt_tsecr: u32; rcv_rtt_time: u64;
  scaling_ratio: u32; // payload per 256 bytes of truesize
  backlog_len: u32; // truesize of the backlog
  isn: u32; irs: u32;
  snd_up: u32; // end of the urgent data we sent
  urg_data: u32; urg_seq: u32; // TCP_URG_* and the byte; where it is in the stream
  ts_recent: u32; syn_retries: u32; linear_timeouts: u32; user_timeout: u32;
  total_retrans: u32;
}
if (offsetof<Sock>() > SOCK_SIZE) ERROR("Sock does not fit its pool");

@inline export function receiveQueue(sk: Sock): SkbQueue { return changetype<SkbQueue>(changetype<usize>(sk) + offsetof<Sock>("rq0")); }
@inline export function writeQueue(sk: Sock): SkbQueue { return changetype<SkbQueue>(changetype<usize>(sk) + offsetof<Sock>("wq0")); }
@inline export function errorQueue(sk: Sock): SkbQueue { return changetype<SkbQueue>(changetype<usize>(sk) + offsetof<Sock>("eq0")); }
@inline export function backlogQueue(sk: Sock): SkbQueue { return changetype<SkbQueue>(changetype<usize>(sk) + offsetof<Sock>("bq0")); }
@inline export function rtxQueue(sk: Sock): SkbQueue { return changetype<SkbQueue>(changetype<usize>(sk) + offsetof<Sock>("rx0")); }
@inline export function oooQueue(sk: Sock): SkbQueue { return changetype<SkbQueue>(changetype<usize>(sk) + offsetof<Sock>("ooo0")); }
@inline export function sockWq(sk: Sock): usize { return changetype<usize>(sk) + offsetof<Sock>("wq_head"); }

/** net.core.{w,r}mem_default. */
export const SK_MEM_DEFAULT: u32 = 212992;
export const SK_MEM_MAX: u32 = 4194304;
export const SOCK_MIN_SNDBUF: u32 = 4608;
export const SOCK_MIN_RCVBUF: u32 = 2304;

/** A zeroed socket with one reference, default buffers, on the list of all sockets; nil when out of memory. */
export function skAlloc(family: u32, type: u32, protocol: u32, netns: u32): Sock {
  const sk = changetype<Sock>(poolAlloc(POOL_SOCK));
  if (!sk) return sk;
  memory.fill(changetype<usize>(sk), 0, SOCK_SIZE);
  sk.refs = 1;
  sk.family = family;
  sk.type = type;
  sk.protocol = protocol;
  sk.netns = netns;
  sk.sndbuf = SK_MEM_DEFAULT;
  sk.rcvbuf = SK_MEM_DEFAULT;
  const first = changetype<Sock>(load<u32>(S_SOCK_LIST) as usize);
  sk.list_next = first;
  if (first) first.list_prev = sk;
  store<u32>(S_SOCK_LIST, changetype<usize>(sk) as u32);
  cntInc(CNT_SOCKS_LIVE);
  return sk;
}

@inline export function sockHold(sk: Sock): void { sk.refs++; }

/** Drops a reference. The object goes when nothing refers to it and no skb in flight charges it (wmem_alloc == 0). */
export function sockPut(sk: Sock): void {
  bugOn(sk.refs == 0, BUG_REF_UNDERFLOW, changetype<usize>(sk));
  if (--sk.refs == 0 && sk.wmem_alloc == 0) skFree(sk);
}

function skFree(sk: Sock): void {
  bugOn(sk.rmem_alloc != 0, BUG_RMEM, changetype<usize>(sk), sk.rmem_alloc);
  if (sk.list_prev) sk.list_prev.list_next = sk.list_next;
  else store<u32>(S_SOCK_LIST, changetype<usize>(sk.list_next) as u32);
  if (sk.list_next) sk.list_next.list_prev = sk.list_prev;
  cntDec(CNT_SOCKS_LIVE);
  poolFree(POOL_SOCK, changetype<usize>(sk));
}

/** Linux's charge for an skb whose linear part holds headers only: 576 + 256 bytes. */
export const SKB_TRUESIZE_MIN: u32 = 832;

// Accounting ------------------------------------------------------------------------------------------------------

/** skb_set_owner_w(): the skb charges the sender until it is freed or orphaned. */
export function skbSetOwnerW(skb: SkBuff, sk: Sock): void {
  skb.sk = changetype<usize>(sk);
  skb.destructor = sockWfree.index;
  sk.wmem_alloc += skb.truesize;
}

/** sock_wfree(): gives the charge back and tells writers. */
export function sockWfree(skb: SkBuff): void {
  const sk = changetype<Sock>(skb.sk);
  bugOn(sk.wmem_alloc < skb.truesize, BUG_WMEM, changetype<usize>(sk), sk.wmem_alloc);
  sk.wmem_alloc -= skb.truesize;
  if (sk.refs == 0) {
    if (sk.wmem_alloc == 0) skFree(sk);
    return;
  }
  // sock_def_write_space(): wake only when at least half of the buffer is free
  if (sk.wmem_alloc + 1 < sk.sndbuf >> 1) wakeUp(sockWq(sk), POLLOUT_MASK);
}
/** EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND, what a write-space wake-up announces. */
export const POLLOUT_MASK: u32 = 0x304;
/** EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND. */
export const POLLIN_MASK: u32 = 0xc3;
export const POLLERR_MASK: u32 = 0x8;
export const POLLHUP_MASK: u32 = 0x10;

/** skb_set_owner_r(): a received skb charges the receiver. */
export function skbSetOwnerR(skb: SkBuff, sk: Sock): void {
  skb.sk = changetype<usize>(sk);
  skb.destructor = sockRfree.index;
  sk.rmem_alloc += skb.truesize;
}
export function sockRfree(skb: SkBuff): void {
  const sk = changetype<Sock>(skb.sk);
  bugOn(sk.rmem_alloc < skb.truesize, BUG_RMEM, changetype<usize>(sk), sk.rmem_alloc);
  sk.rmem_alloc -= skb.truesize;
}

// Errors and wake-ups ---------------------------------------------------------------------------------------------

/** Takes the pending error: 0 or -errno. */
@inline export function sockError(sk: Sock): i32 {
  const err = sk.err;
  if (err) sk.err = 0;
  return -err;
}
@inline export function skDataReady(sk: Sock): void { wakeUp(sockWq(sk), 0x41 | 0x80 | 2); }
@inline export function skErrorReport(sk: Sock): void { wakeUp(sockWq(sk), POLLERR_MASK); }
@inline export function skStateChange(sk: Sock): void { wakeUp(sockWq(sk), u32.MAX_VALUE); }

// The socket lock --------------------------------------------------------------------------------------------------

@inline export function lockSock(sk: Sock): void { sk.flags |= SOCK_F_OWNED; }
@inline export function sockOwned(sk: Sock): bool { return (sk.flags & SOCK_F_OWNED) != 0; }

/** Packets that arrived while the lock was held are handled now, before the caller goes on. */
export function skFlushBacklog(sk: Sock): bool {
  const q = backlogQueue(sk);
  if (!q.first) return false;
  for (let skb = skbDequeue(q); skb; skb = skbDequeue(q)) call_indirect<void>(sk.op_backlog_rcv, sk, skb);
  return true;
}
export function releaseSock(sk: Sock): void {
  if (backlogQueue(sk).first) skFlushBacklog(sk);
  sk.flags &= ~SOCK_F_OWNED;
}
export function skAddBacklog(sk: Sock, skb: SkBuff): void { skbQueueTail(backlogQueue(sk), skb); }
if (SKB_QUEUE_SIZE != 12) ERROR("queues are embedded as three words");
