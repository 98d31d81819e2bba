// TCP's numbers: header, options, limits, timers, and the meaning of TCP's words in skbs and sockets. Values are those of
// Linux 6.18 where a program can see them; sysctls are at the values of the machine the recorded scenarios come from.
//
// An skb of a send queue: seq, end_seq, tcp_flags, sacked (TCPCB_*), tx_count, cb0 = segments it counts for, cb1 = segment
// size of that count, `when` = last transmission. A received one: seq, end_seq, ack_seq, tcp_flags and cb0..cb3 as
// tcpParse() (tcp_parse.ts) leaves them.
import { SkBuff } from "./skbuff";

export const TH_FIN: u32 = 1;
export const TH_SYN: u32 = 2;
export const TH_RST: u32 = 4;
export const TH_PSH: u32 = 8;
export const TH_ACK: u32 = 16;
export const TH_URG: u32 = 32;

export const TCP_HLEN: u32 = 20;
export const TCP_TSTAMP_ALIGNED: u32 = 12; // timestamp option with its padding
export const IP_TCP_HLEN: u32 = 40;

export const TCP_MSS_DEFAULT: u32 = 536; // RFC 9293 3.7.1
export const TCP_MIN_MSS: u32 = 88;
export const TCP_MIN_SND_MSS: u32 = 48;
export const TCP_MAX_ADVMSS: u32 = 65495; // largest IPv4 packet less the headers
export const TCP_MAX_WSCALE: u32 = 14; // RFC 7323 2.3
export const TCP_INIT_CWND: u32 = 10; // RFC 6928
export const TCP_INFINITE_SSTHRESH: u32 = 0x7fffffff;
export const TCP_FASTRETRANS_THRESH: u32 = 3; // RFC 5681 3.2

/** What Linux charges for one skb of a stream before its payload. */
export const TCP_SKB_OVERHEAD: u32 = 832;
/** Headers that Linux reserves in front of a segment, and the bookkeeping behind its linear part. */
export const MAX_TCP_HEADER: u32 = 256;
export const SHARED_INFO_SIZE: u32 = 320;
export const SK_BUFF_SIZE: u32 = 256;
/** Largest GSO skb, less its headers: a datagram of IPv4 ends at 65535. */
export const GSO_MAX_PAYLOAD: u32 = 65536 - 1 - MAX_TCP_HEADER;
export const GSO_MAX_SEGS: u32 = 65535;
export const TCP_MIN_TSO_SEGS: u32 = 2; // net.ipv4.tcp_min_tso_segs

// net.ipv4.tcp_wmem, tcp_rmem: default and maximum. The default congestion control of the recorded machine asks for three
// windows of send buffer.
export const TCP_WMEM_DEFAULT: u32 = 16384;
export const TCP_WMEM_MAX: u32 = 4194304;
export const TCP_RMEM_DEFAULT: u32 = 131072;
export const TCP_RMEM_MAX: u32 = 33554432;
export const TCP_SNDBUF_WINDOWS: u32 = 2;
export const TCP_APP_WIN: u32 = 31; // net.ipv4.tcp_app_win
export const TCP_SCALING_RATIO_DEFAULT: u32 = 128;

// Timers, us. A timer is rounded up to the next tick (HZ = 250) and never comes early.
export const TICK_NS: u64 = 4000000;
export const TICK_US: u32 = 4000;
export const TCP_RTO_MIN: u32 = 200000;
export const TCP_RTO_MAX: u32 = 120000000;
export const TCP_TIMEOUT_INIT: u32 = 1000000; // RFC 6298 2
export const TCP_TIMEOUT_MIN_US: u32 = 2000;
export const TCP_DELACK_MIN: u32 = 40000;
export const TCP_DELACK_MAX: u32 = 200000;
export const TCP_ATO_MIN: u32 = 40000;
export const TCP_TIMEWAIT_LEN: u32 = 60000000;
export const TCP_FIN_TIMEOUT: u32 = 60000000;
/** The shortest round trip. Virtual time stands still while a packet crosses lo; a measured zero would mean "unknown". */
export const TCP_RTT_FLOOR: u32 = 16;

// Retries before giving up (net.ipv4.tcp_*)
export const TCP_SYN_RETRIES: u32 = 6;
export const TCP_SYN_LINEAR_TIMEOUTS: u32 = 4;
export const TCP_SYNACK_RETRIES: u32 = 5;
export const TCP_RETRIES2: u32 = 15;
export const TCP_ORPHAN_RETRIES: u32 = 8;

// Sock.nonagle
export const TCP_NAGLE_OFF: u32 = 1; // TCP_NODELAY
export const TCP_NAGLE_CORK: u32 = 2; // TCP_CORK
export const TCP_NAGLE_PUSH: u32 = 4; // what is queued goes out once, whatever its size

// Sock.rtx_pending
export const ICSK_TIME_NONE: u32 = 0;
export const ICSK_TIME_RETRANS: u32 = 1;
export const ICSK_TIME_PROBE0: u32 = 3;
export const ICSK_TIME_LOSS_PROBE: u32 = 5;

// Sock.ack_pending
export const ICSK_ACK_SCHED: u32 = 1; // an ACK is owed
export const ICSK_ACK_TIMER: u32 = 2; // and the delayed ACK timer runs for it
export const ICSK_ACK_PUSHED: u32 = 4; // for a segment below full size
export const ICSK_ACK_PUSHED2: u32 = 8; // for two of them
export const ICSK_ACK_NOW: u32 = 16;
export const ICSK_ACK_NOMEM: u32 = 32; // there was no room for a segment: close the window
export const TCP_MAX_QUICKACKS: u32 = 16;

// Sock.ca_state
export const TCP_CA_OPEN: u32 = 0;
export const TCP_CA_RECOVERY: u32 = 3;
export const TCP_CA_LOSS: u32 = 4;

// Sock.tcp_flags
export const TCP_SF_TSTAMP: u32 = 1; // both sides use timestamps (RFC 7323)
export const TCP_SF_WSCALE: u32 = 2; // both sides scale windows
export const TCP_SF_DONE: u32 = 4; // the peer has closed its side, or the connection is gone: reads end
export const TCP_SF_ACK_DEFERRED: u32 = 8; // an ACK waits for the end of the system call
export const TCP_SF_IN_ACCEPT: u32 = 16; // on a listener's queue
export const TCP_SF_DESTROYED: u32 = 32;
export const TCP_SF_QUICKACK: u32 = 64; // TCP_QUICKACK was asked for
// sk.urg_data, beside the byte itself
export const TCP_URG_VALID: u32 = 0x100;
export const TCP_URG_NOTYET: u32 = 0x200; // announced, still to come
export const TCP_URG_READ: u32 = 0x400;
export const TCP_SF_CWND_LIMITED: u32 = 128; // the congestion window was what held the sender back

// SkBuff.sacked
export const TCPCB_LOST: u32 = 1;
export const TCPCB_RETRANS: u32 = 2; // sent again since it was marked lost
export const TCPCB_EVER_RETRANS: u32 = 4; // tells nothing about the round trip (Karn)
export const TCPCB_EOR: u32 = 8; // MSG_EOR: nothing is appended

@inline export function before(a: u32, b: u32): bool { return ((a - b) as i32) < 0; }
@inline export function after(a: u32, b: u32): bool { return ((b - a) as i32) < 0; }

@inline export function pcount(skb: SkBuff): u32 { return skb.cb0; }
