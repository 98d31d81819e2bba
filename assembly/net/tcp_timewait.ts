// TIME_WAIT (RFC 9293 3.6.1): the end that closed first answers for the connection for a while, so that a lost last ACK can
// be repeated and old segments find nobody. The program's socket is closed already; a small stand-in is hashed instead.
//
// The stand-ins are limited (net.ipv4.tcp_max_tw_buckets): virtual time hardly moves while a program opens and closes many
// connections, and the oldest goes when there are too many.
import { S_TCP_TW_COUNT, S_TCP_TW_HEAD, S_TCP_TW_TAIL, nil } from "../lib/state";
import { timerArm, timerFree, timerNew } from "../lib/timer";
import { TR_TCP_TIMER, TRACE_NET } from "../abi/trace";
import { trace } from "../lib/trace";
import { SOCK_F_DEAD, SOCK_F_REUSEADDR, Sock, skAlloc, sockPut } from "./sock";
import { SkBuff } from "./skbuff";
import { TCP_TIME_WAIT } from "./tcp_states";
import { TCP_SF_TSTAMP, TCP_TIMEWAIT_LEN, TH_ACK, TH_RST, TH_SYN, after } from "./tcp_defs";
import { tcpHash, tcpUnhash } from "./tcp_hash";
import { TCPOPT_SAW_TS, segHas, segTsval } from "./tcp_parse";
import { tcpDone, tickAfter } from "./tcp_sock";
import { receiveWindow } from "./tcp_window";
import { sendTimeWaitAck } from "./tcp_xmit";

const TW_MAX: u32 = 1024;
const TIMER_TIMEWAIT: u32 = 5;

@inline function listHead(): Sock { return changetype<Sock>(load<u32>(S_TCP_TW_HEAD) as usize); }
@inline function listTail(): Sock { return changetype<Sock>(load<u32>(S_TCP_TW_TAIL) as usize); }

/** tcp_time_wait(): the connection of `sk` lives on in a stand-in, the socket itself is done. */
export function tcpTimeWait(sk: Sock): void {
  if (load<u32>(S_TCP_TW_COUNT) >= TW_MAX) timeWaitKill(listHead());
  const tw = skAlloc(sk.family, sk.type, sk.protocol, sk.netns);
  if (tw) {
    tw.flags = SOCK_F_DEAD | (sk.flags & SOCK_F_REUSEADDR);
    tw.state = TCP_TIME_WAIT;
    tw.saddr = sk.saddr;
    tw.daddr = sk.daddr;
    tw.sport = sk.sport;
    tw.dport = sk.dport;
    tw.snd_nxt = sk.snd_nxt;
    tw.rcv_nxt = sk.rcv_nxt;
    tw.rcv_wnd = receiveWindow(sk);
    tw.rcv_wscale = sk.rcv_wscale;
    tw.ts_recent = sk.ts_recent;
    tw.tcp_flags = sk.tcp_flags & TCP_SF_TSTAMP;
    tw.keepalive_timer = timerNew(timeWaitTimer.index, changetype<usize>(tw));
  }
  tcpDone(sk);
  if (!tw) return; // as under memory pressure: no TIME_WAIT
  tcpHash(tw);
  timerArm(tw.keepalive_timer, tickAfter(TCP_TIMEWAIT_LEN));
  if (listTail()) listTail().accept_next = tw;
  else store<u32>(S_TCP_TW_HEAD, changetype<usize>(tw) as u32);
  store<u32>(S_TCP_TW_TAIL, changetype<usize>(tw) as u32);
  store<u32>(S_TCP_TW_COUNT, load<u32>(S_TCP_TW_COUNT) + 1);
}

function timeWaitTimer(arg: usize): void {
  trace(TRACE_NET, TR_TCP_TIMER, arg, 0, TIMER_TIMEWAIT, 0);
  timeWaitKill(changetype<Sock>(arg));
}

/** inet_twsk_deschedule_put(): forgets the connection. */
export function timeWaitKill(tw: Sock): void {
  let prev = nil<Sock>(), at = listHead();
  while (at != tw) {
    prev = at;
    at = at.accept_next;
  }
  if (prev) prev.accept_next = tw.accept_next;
  else store<u32>(S_TCP_TW_HEAD, changetype<usize>(tw.accept_next) as u32);
  if (listTail() == tw) store<u32>(S_TCP_TW_TAIL, changetype<usize>(prev) as u32);
  store<u32>(S_TCP_TW_COUNT, load<u32>(S_TCP_TW_COUNT) - 1);
  tcpUnhash(tw);
  timerFree(tw.keepalive_timer);
  sockPut(tw);
}

/** tcp_timewait_state_process(). true: the stand-in is gone, the segment is a SYN for a listener. */
export function timeWaitRcv(tw: Sock, skb: SkBuff): bool {
  const flags = skb.tcp_flags;
  if (flags & TH_RST) {
    if (skb.seq == tw.rcv_nxt) timeWaitKill(tw);
    return false;
  }
  if (flags & TH_SYN && !(flags & TH_ACK)) {
    // RFC 6191: a new incarnation, told apart by its sequence number or timestamp.
    const newer = tw.tcp_flags & TCP_SF_TSTAMP && segHas(skb, TCPOPT_SAW_TS) && ((segTsval(skb) - tw.ts_recent) as i32) > 0;
    if (after(skb.seq, tw.rcv_nxt) || newer) {
      timeWaitKill(tw);
      return true;
    }
  }
  if (skb.seq == skb.end_seq && skb.seq == tw.rcv_nxt && !(flags & TH_SYN)) return false; // a bare ACK needs no answer
  timerArm(tw.keepalive_timer, tickAfter(TCP_TIMEWAIT_LEN));
  sendTimeWaitAck(tw, skb);
  return false;
}
