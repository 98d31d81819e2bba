// Machine state: every variable of the core that is not inside an object lives here, at an address, so that a snapshot
// of the memory is a snapshot of the machine. Module globals would be invisible to it.
import { STATE_BASE, COUNTERS_BASE } from "../abi/layout";

export const S_NOW: usize = STATE_BASE; // u64 virtual time in ns
export const S_TIMER_COUNT: usize = STATE_BASE + 8;
export const S_TIMER_SEQ: usize = STATE_BASE + 16; // u64
export const S_SEED: usize = STATE_BASE + 24; // u64, 0 = the order recorded on Linux
export const S_RNG: usize = STATE_BASE + 32; // u64
export const S_CURRENT: usize = STATE_BASE + 40; // Task
export const S_BH_DEPTH: usize = STATE_BASE + 44;
export const S_IN_SOFTIRQ: usize = STATE_BASE + 48;
export const S_BACKLOG_HEAD: usize = STATE_BASE + 52; // per-CPU input queue: SkBuff list
export const S_BACKLOG_TAIL: usize = STATE_BASE + 56;
export const S_TRACE_MASK: usize = STATE_BASE + 60;
export const S_TRACE_CTX: usize = STATE_BASE + 64;
export const S_CHUNK_HIWATER: usize = STATE_BASE + 68;
export const S_CHUNK_FREE: usize = STATE_BASE + 72;
export const S_PFRAG_CHUNK: usize = STATE_BASE + 76; // the page fragment being cut
export const S_PFRAG_OFF: usize = STATE_BASE + 80;
export const S_USER_BRK: usize = STATE_BASE + 84; // end of the user region used so far
export const S_NS_COUNT: usize = STATE_BASE + 88;
export const S_DEV_COUNT: usize = STATE_BASE + 92;
export const S_IP_ID: usize = STATE_BASE + 96;
export const S_PORT_NEXT: usize = STATE_BASE + 100;
export const S_SOCK_LIST: usize = STATE_BASE + 104; // all sockets (Sock list), newest first
export const S_TASK1: usize = STATE_BASE + 108;
export const S_CTX_LIST: usize = STATE_BASE + 112; // all rings
export const S_NOTIF_OPS_COMPLETE: usize = STATE_BASE + 116;
export const S_NOTIF_OPS_LINK: usize = STATE_BASE + 120;
export const S_LAST_CONTEXT: usize = STATE_BASE + 124; // softirq depth guard
export const S_IPFRAG_LIST: usize = STATE_BASE + 128;
export const S_IN_SYSCALL: usize = STATE_BASE + 132;
export const S_NOT_MODELLED: usize = STATE_BASE + 136; // what the last ENOTMODELLED was about
export const S_FREE_REASON: usize = STATE_BASE + 140; // REF_* given to the next skb frees
export const S_HOOK_NET_RX: usize = STATE_BASE + 164; // () => void: drains the input queue (net/dev.ts)
export const S_HOOK_IP_RCV: usize = STATE_BASE + 168; // (skb, dev) => void: IPv4 input (net/ip_input.ts)
export const S_HOOK_TAP: usize = STATE_BASE + 172; // (skb, dev, outgoing: u32) => void: packet taps (net/packet.ts)
export const S_HOOK_TASK_WORK: usize = STATE_BASE + 176; // () => void: runs the current task's work (io_uring/tw.ts)
export const S_HOOK_TCP_RCV: usize = STATE_BASE + 180; // (skb) => void
export const S_HOOK_UDP_RCV: usize = STATE_BASE + 184; // (skb) => void
export const S_HOOK_SEGMENT: usize = STATE_BASE + 188; // software segmentation of a GSO skb
export const S_DEV_TABLE: usize = STATE_BASE + 0x400; // u32 per device, 1024 bytes
export const S_TAP_LIST: usize = STATE_BASE + 144; // packet sockets
export const S_USER_ACCT: usize = STATE_BASE + 0x800; // locked pages per small user index, 256 bytes
export const S_TCP_ISN: usize = STATE_BASE + 148;
export const S_ROUTE_LIST: usize = STATE_BASE + 152;
export const S_PORT_TABLE: usize = STATE_BASE + 156;
export const S_MEMLOCK_HARD: usize = STATE_BASE + 192; // u64, hard limit of RLIMIT_MEMLOCK (sys/task.ts); 0 = never set
export const S_UNIX_AUTOBIND: usize = STATE_BASE + 200; // next abstract name of an autobind (net/unix.ts)
export const S_ROUTE_GEN: usize = STATE_BASE + 0x140; // counts changes of the routes (net/route.ts)
export const S_BACKLOG_LEN: usize = STATE_BASE + 0x144; // packets in the input queue
export const S_HOOK_LINK_FAILURE: usize = STATE_BASE + 0x148; // (skb) => void: the next hop does not answer
export const S_HOOK_UDP_ERR: usize = STATE_BASE + 0x14c; // (skb, quoted transport header, errno) => void: ICMP error
export const S_HOOK_TCP_ERR: usize = STATE_BASE + 0x150; // the same for TCP
export const S_UDP_PORT_NEXT: usize = STATE_BASE + 0x154;
export const S_FORWARDING: usize = STATE_BASE + 0x158; // one bit per namespace: net.ipv4.ip_forward
export const S_ICMP_PEERS: usize = STATE_BASE + 0x15c; // hosts that ICMP errors were sent to (net/icmp.ts)
export const S_LO_TABLE: usize = STATE_BASE + 0x200; // u32 per namespace: its lo
export const S_UDP_CORK: usize = STATE_BASE + 0x180; // IpCork of the datagram that is built in one call, 64 bytes
export const S_UDP_HASH: usize = STATE_BASE + 0xc00; // 256 chains of UDP sockets by local port, 1024 bytes
export const S_IOWQ_HEAD: usize = STATE_BASE + 208; // io-wq: queued requests (ReqList)
export const S_IOWQ_TIMER: usize = STATE_BASE + 216; // the worker's next turn
export const S_IOWQ_BUSY: usize = STATE_BASE + 0x1e10; // workers asleep in a request, bounded and unbounded, 8 bytes
export const S_IOWQ_MAX: usize = STATE_BASE + 0x1e18; // how many there may be of each, 8 bytes
export const S_IOWQ_TURN: usize = STATE_BASE + 0x1e24; // a worker runs while the submitter is not in a submission
export const S_IOWQ_IDLE: usize = STATE_BASE + 0x1f80; // workers that wait for work, bounded and unbounded, 8 bytes
export const S_USER_FREE: usize = STATE_BASE + 224; // no page below this one can be handed out by mmap()
export const S_FPUT_LIST: usize = STATE_BASE + 232; // files to be released on the way out of the kernel
export const S_FPUT_COUNT: usize = STATE_BASE + 236;
export const S_FPUT_MARK: usize = STATE_BASE + 240; // of those, queued before the task's ring work
export const S_OPDEF: usize = STATE_BASE + 0x900; // u8 per opcode: properties (io_uring/opdef.ts), 256 bytes
export const S_RING_ID: usize = STATE_BASE + 220;
// lib/profile.ts
export const S_OP_MEANS: usize = STATE_BASE + 0xa00; // u8 per opcode of an SQE: what it is done as, 256 bytes
export const S_REGISTER_MEANS: usize = STATE_BASE + 0xb00; // u8 per opcode of io_uring_register, 64 bytes
export const S_PROFILE: usize = STATE_BASE + 0xb40;
export const S_BEHAVIOURS: usize = STATE_BASE + 0xb48; // u64, bit B_*
export const S_LIMITS: usize = STATE_BASE + 0xb50; // u32 per L_*, 32 bytes
export const S_PROFILE_MASKS: usize = STATE_BASE + 0x1f90; // u32 of valid flags per kind of row, 112 bytes
export const S_SWITCHES: usize = STATE_BASE + 0xba0; // u8 per SW_*, 32 bytes
export const S_SWITCHED: usize = STATE_BASE + 0xbc8; // is any of them on?
export const S_SENDZC_MEANS: usize = STATE_BASE + 0xbc0; // u8 per bit of SENDZC's ioprio: the bit of SENDZC_*, 255 = refused, 8 bytes
// net/tcp_hash.ts
export const S_TCP_EHASH: usize = STATE_BASE + 0x1800; // 256 chains of connections, 1024 bytes
export const S_TCP_LHASH: usize = STATE_BASE + 0x1c00; // 64 chains of listeners, 256 bytes
export const S_TCP_TW_COUNT: usize = STATE_BASE + 0x1d00; // sockets in TIME_WAIT
export const S_TCP_TW_HEAD: usize = STATE_BASE + 0x1d04; // the oldest, linked by accept_next
export const S_TCP_TW_TAIL: usize = STATE_BASE + 0x1d08;
// Files, pipes and what waits on them (mm/page.ts, io_uring/iowq.ts)
export const S_PAGE_CHUNK: usize = STATE_BASE + 0x1e00; // chunk that single pages are cut from, 0 = none
export const S_PAGE_OFF: usize = STATE_BASE + 0x1e04;
export const S_SLEEP_WQ: usize = STATE_BASE + 0x1e08; // where the request that would sleep waits, 0 = on its file
export const S_RLIM_NOFILE: usize = STATE_BASE + 0x1e20; // RLIMIT_NOFILE, 0 = never set (kernel/task.ts)
export const S_SLEEP_MASK: usize = STATE_BASE + 0x1e0c;
export const S_MAP_LIST: usize = STATE_BASE + 0x1e40; // mappings of files (fs/mapping.ts)
export const S_FUTEX_HEAD: usize = STATE_BASE + 0x1e60; // all waiters (kernel/futex.ts)
export const S_FUTEX_TAIL: usize = STATE_BASE + 0x1e64;
export const S_TASK_WORKS: usize = STATE_BASE + 0x1f00; // task work that belongs to no request (io_uring/tw.ts)
// Scratch of code that neither sleeps nor calls the other users of the same piece.
export const SCRATCH_FRAGS: usize = 0x11000; // frag list being replaced (net/skbuff.ts), 136 bytes
export const SCRATCH_RSRC: usize = 0x11100; // one entry of an array of resources (io_uring/rsrc_*.ts), 24 bytes
export const SCRATCH_RSRC_ARG: usize = 0x11120; // the argument of a register call for resources, 32 bytes
export const SCRATCH_SEND_MSG: usize = 0x11280; // MsgHdr of the send being issued (io_uring/net.ts)
export const SCRATCH_TIMESPEC: usize = 0x11300; // mm/timespec.ts
export const SCRATCH_BUF_SEL: usize = 0x11320; // BufSel (io_uring/kbuf.ts), 24 bytes
export const SCRATCH_BUF_REG: usize = 0x11340; // struct io_uring_buf_reg (io_uring/kbuf_ops.ts), 40 bytes
export const SCRATCH_CANCEL: usize = 0x11380; // what is looked for (io_uring/cancel.ts), 32 bytes
export const SCRATCH_EPOLL: usize = 0x11370; // struct epoll_event (fs/epoll.ts), 12 bytes
export const SCRATCH_COUNT: usize = 0x11310; // u64 of an eventfd (fs/eventfd.ts)
export const SCRATCH_SYNC_CANCEL: usize = 0x113a0; // struct io_uring_sync_cancel_reg (io_uring/sync_cancel.ts), 64 bytes
export const SCRATCH_PARAMS: usize = 0x13b00; // struct io_uring_params (io_uring/ring.ts), 120 bytes
export const SCRATCH_GETEVENTS: usize = 0x13b80; // struct io_uring_getevents_arg (io_uring/enter.ts)
export const SCRATCH_SENDZC_ADDR: usize = 0x13c80; // the address of the attempt that runs (io_uring/net_zc_slots.ts), 128 bytes
export const SCRATCH_REGISTER: usize = 0x13c00; // argument structs of register calls (io_uring/register.ts), 128 bytes
/** What the running system call keeps in kernel memory: 36 KiB, laid out in net/scratch.ts. */
export const SYSCALL_SCRATCH: usize = 0x14000;

@inline export function cntInc(offset: u32): void { const p: usize = COUNTERS_BASE + offset; store<u32>(p, load<u32>(p) + 1); }
/** Counts one more of what is alive, and the most there ever were. */
@inline export function cntIncMax(offset: u32, max: u32): void {
  const p: usize = COUNTERS_BASE + offset, n = load<u32>(p) + 1;
  store<u32>(p, n);
  if (n > load<u32>(COUNTERS_BASE + max)) store<u32>(COUNTERS_BASE + max, n);
}
@inline export function cntDec(offset: u32): void { const p: usize = COUNTERS_BASE + offset; store<u32>(p, load<u32>(p) - 1); }
@inline export function cntAdd(offset: u32, n: u32): void { const p: usize = COUNTERS_BASE + offset; store<u32>(p, load<u32>(p) + n); }
@inline export function nowNs(): u64 { return load<u64>(S_NOW); }
@inline export function nil<T>(): T { return changetype<T>(0); }
