// sendmsg() of TCP. The message is appended to the last skb of the write queue while that has room, then to new ones:
//
//   zero copy   the user's pages become frags, the caller's ubuf_info is attached to each skb it touches
//   copy        the bytes go to kernel page fragments
//
// An skb that cannot take the caller's owner (-EEXIST) or is out of frags (-EMSGSIZE) is closed, and the next one begun.
// What has been queued is never lost to a later error: the call then returns the short count (spec send-zc.md 2.4, 3.3).
import { IovIter, copyFromIter, iterRevert } from "../mm/iov_iter";
import { NETIF_F_SG } from "../abi/dev";
import { CNT_COPIED_BY, CNT_COPIED_TX, CNT_COPIED_ZC, CNT_TX_SKBS } from "../abi/counters";
import { EAGAIN, EEXIST, EFAULT, EMSGSIZE, ENOBUFS, EPIPE } from "../abi/errno";
import { MSG_DONTWAIT, MSG_EOR, MSG_MORE, MSG_OOB, MSG_SPLICE_PAGES, MSG_ZEROCOPY } from "../abi/socket";
import { COPY_NO_SG, REF_ABORTED, TR_UBUF_COPY, TRACE_ZC } from "../abi/trace";
import { cntAdd, cntInc, nil } from "../lib/state";
import { trace } from "../lib/trace";
import { pageFragRefill, pageFragRoom, pageFragTake } from "../mm/page";
import { copyDebug } from "./copy_debug";
import { MAX_SKB_FRAGS, SKB_HEADROOM, SkBuff, allocSkb, fragAddr, fragSet, fragSize, skbCanCoalesce, skbFillPage, skbZcopy, skbZcopyDowngradeManaged } from "./skbuff";
import { skbUnlink } from "./skb_queue";
import { MsgHdr, SHUTDOWN_SEND, SOCK_F_NOSPACE, SOCK_F_ZEROCOPY, Sock, lockSock, sockError, writeQueue } from "./sock";
import { sockCmsgSend } from "./sock_cmsg";
import { TCP_SYN_RECV, TCP_SYN_SENT } from "./tcp_states";
import { SKBFL_PURE_ZEROCOPY, UbufInfo } from "./ubuf_info";
import { msgZerocopyMarkCopied, msgZerocopyPut, msgZerocopyPutAbort, msgZerocopyRealloc } from "./msg_zerocopy";
import { skbSpliceFromIter, skbZerocopyIterStream } from "./zerocopy";
import { TCPCB_EOR, TCP_NAGLE_CORK, TCP_NAGLE_PUSH, TCP_SF_ACK_DEFERRED, TCP_SKB_OVERHEAD, TH_ACK, TH_PSH, after } from "./tcp_defs";
import { TCPF_SENDING, queuesEmpty, sendHead, stateIn, tcpFlushBacklog, tcpUnlock } from "./tcp_sock";
import { downgradePure, memSchedule, skbIsPure, streamMemoryFree, wmemFreeSkb } from "./tcp_mem";
import { currentMss, pushPending, queueSkb, sizeGoal, streamWriteSpace, writeXmit } from "./tcp_output";
import { sendAck } from "./tcp_xmit";

/** Skbs after which the ACKs that came in meanwhile are looked at, so that a long send does not starve its own window. */
const BACKLOG_FLUSH_SKBS: u32 = 16;

// What became of an attempt to append
const APPEND_NEW_SKB: i32 = -10001;
const APPEND_NO_SPACE: i32 = -10002;

/** tcp_release_cb(): what input left for the end of a system call. */
export function tcpReleaseCb(sk: Sock): void {
  if (!(sk.tcp_flags & TCP_SF_ACK_DEFERRED)) return;
  sk.tcp_flags &= ~TCP_SF_ACK_DEFERRED;
  sendAck(sk);
}

/** Bytes queued, -EAGAIN instead of waiting, -errno. The caller repeats the call for the rest if it means to wait. */
export function tcpSendmsg(sk: Sock, msg: MsgHdr): i32 {
  lockSock(sk);
  const ret = sendmsgLocked(sk, msg);
  tcpUnlock(sk, tcpReleaseCb.index);
  return ret;
}

/** sk_stream_error(): a broken pipe is reported as what broke it, once. */
function streamError(sk: Sock, err: i32): i32 {
  if (err != -EPIPE) return err;
  const pending = sockError(sk);
  return pending ? pending : -EPIPE;
}

function sendmsgLocked(sk: Sock, msg: MsgHdr): i32 {
  const flags = msg.flags, it = msg.iter;
  let uarg = nil<UbufInfo>(), zc = false, classic = false;
  if (flags & MSG_ZEROCOPY && it.count) {
    const sg = (sk.route_caps & NETIF_F_SG) != 0;
    if (msg.ubuf) {
      uarg = msg.ubuf;
      zc = sg;
      if (!sg) trace(TRACE_ZC, TR_UBUF_COPY, changetype<usize>(uarg), uarg.user_data, 0, COPY_NO_SG);
    } else if (sk.flags & SOCK_F_ZEROCOPY) {
      const tail = writeQueue(sk).last;
      uarg = msgZerocopyRealloc(sk, it.count, tail ? skbZcopy(tail) : nil<UbufInfo>());
      if (!uarg) return endWithError(sk, -ENOBUFS);
      classic = true;
      zc = sg;
      if (!sg) msgZerocopyMarkCopied(uarg);
    }
  }
  const ret = fillQueue(sk, msg, it, uarg, zc);
  if (uarg && !zc && ret > 0) { // nobody on the way could gather
    cntAdd(CNT_COPIED_ZC, ret);
    cntAdd(CNT_COPIED_BY + (COPY_NO_SG << 2), ret);
    if (!classic) copyDebug(uarg, ret as u32, COPY_NO_SG);
  }
  if (!classic) return ret;
  if (ret > 0) msgZerocopyPut(uarg);
  else msgZerocopyPutAbort(uarg);
  return ret;
}

function fillQueue(sk: Sock, msg: MsgHdr, it: IovIter, uarg: UbufInfo, zc: bool): i32 {
  const flags = msg.flags, oob = (flags & MSG_OOB) != 0, managed = msg.managed != 0;
  if (!stateIn(sk, TCPF_SENDING)) {
    // sk_stream_wait_connect()
    const pending = sockError(sk);
    if (pending) return pending;
    return stateIn(sk, (1 << TCP_SYN_SENT) | (1 << TCP_SYN_RECV)) ? waitConnect(sk) : endWithError(sk, -EPIPE);
  }
  if (msg.controllen) {
    const err = sockCmsgSend(msg);
    if (err) return endWithError(sk, err);
  }
  let copied: u32 = 0, allocated: u32 = 0;
  let mss = currentMss(sk), goal = sizeGoal(sk, mss, oob);
  if (sk.err || sk.shutdown & SHUTDOWN_SEND) return endWithError(sk, -EPIPE);
  const splicing = (flags & MSG_SPLICE_PAGES) != 0 && (sk.route_caps & NETIF_F_SG) != 0;
  let fresh = false; // the tail is closed: begin a new skb
  while (it.count) {
    let skb = writeQueue(sk).last;
    if (fresh || !skb || skb.len >= goal || skb.sacked & TCPCB_EOR) {
      fresh = false;
      skb = nil<SkBuff>();
      if (streamMemoryFree(sk)) {
        if (allocated >= BACKLOG_FLUSH_SKBS) {
          allocated = 0;
          if (tcpFlushBacklog(sk)) {
            // The connection may have changed under us.
            if (sk.err || sk.shutdown & SHUTDOWN_SEND) return copied ? finish(sk, flags, mss, goal, copied) : endWithError(sk, -EPIPE);
            mss = currentMss(sk);
            goal = sizeGoal(sk, mss, oob);
            continue;
          }
        }
        skb = entail(sk);
        allocated++;
      }
      if (!skb) return waitForSpace(sk, flags, mss, goal, copied);
    }
    let want = goal - skb.len;
    if (want > it.count) want = it.count;
    const n = zc ? appendPages(sk, skb, it, want, uarg, managed) : splicing ? appendSplice(sk, skb, it, want) : appendCopy(sk, skb, it, want);
    if (n < 0) {
      if (n == APPEND_NEW_SKB) {
        markPush(sk, skb);
        fresh = true;
        continue;
      }
      if (n == APPEND_NO_SPACE) return waitForSpace(sk, flags, mss, goal, copied);
      removeEmptySkb(sk);
      return copied ? finish(sk, flags, mss, goal, copied) : endWithError(sk, n);
    }
    if (!copied) skb.tcp_flags &= ~TH_PSH;
    sk.write_seq += n;
    skb.end_seq += n;
    skb.cb0 = 0; // counted when it is sent
    copied += n;
    if (!it.count) {
      if (flags & MSG_EOR) skb.sacked |= TCPCB_EOR;
      break;
    }
    if (skb.len < goal || oob) continue; // nothing goes out before it is known what is urgent
    if (forcedPush(sk)) {
      markPush(sk, skb);
      pushPending(sk, mss, TCP_NAGLE_PUSH);
    } else if (skb == sendHead(sk)) {
      writeXmit(sk, mss, TCP_NAGLE_PUSH, 1);
    }
  }
  return finish(sk, flags, mss, goal, copied);
}

/** A nonblocking send on a socket that is still connecting waits like one without room. */
function waitConnect(sk: Sock): i32 {
  sk.flags |= SOCK_F_NOSPACE;
  return -EAGAIN;
}

function finish(sk: Sock, flags: u32, mss: u32, goal: u32, copied: u32): i32 {
  if (copied) push(sk, flags, mss, sk.nonagle, goal);
  return copied as i32;
}

/** The buffer is full: what has been queued goes out, and the caller decides whether to wait. */
function waitForSpace(sk: Sock, flags: u32, mss: u32, goal: u32, copied: u32): i32 {
  sk.flags |= SOCK_F_NOSPACE;
  removeEmptySkb(sk);
  if (!copied) return endWithError(sk, -EAGAIN);
  push(sk, flags & ~MSG_MORE, mss, TCP_NAGLE_PUSH, goal);
  if (flags & MSG_DONTWAIT) push(sk, flags, mss, sk.nonagle, goal); // the call ends here
  return copied as i32;
}

function endWithError(sk: Sock, err: i32): i32 {
  const ret = streamError(sk, err);
  // A writer that waits for an edge must not wait for one that cannot come.
  if (ret == -EAGAIN && queuesEmpty(sk)) streamWriteSpace(sk);
  return ret;
}

// Skbs --------------------------------------------------------------------------------------------------------------

/** tcp_skb_entail(): a new skb at the end of the write queue; nil when out of memory. */
function entail(sk: Sock): SkBuff {
  const skb = allocSkb(SKB_HEADROOM, TCP_SKB_OVERHEAD);
  if (!skb) return skb;
  cntInc(CNT_TX_SKBS);
  skb.seq = sk.write_seq;
  skb.end_seq = sk.write_seq;
  skb.tcp_flags = TH_ACK;
  queueSkb(sk, skb);
  sk.nonagle &= ~TCP_NAGLE_PUSH;
  return skb;
}

/** tcp_remove_empty_skb(): an skb was begun and nothing came into it. */
function removeEmptySkb(sk: Sock): void {
  const skb = writeQueue(sk).last;
  if (!skb || skb.end_seq != skb.seq) return;
  skbUnlink(writeQueue(sk), skb);
  wmemFreeSkb(sk, skb, REF_ABORTED);
}

function appendPages(sk: Sock, skb: SkBuff, it: IovIter, want: u32, uarg: UbufInfo, managed: bool): i32 {
  if (!skb.len) skb.shinfo.flags |= SKBFL_PURE_ZEROCOPY;
  if (!skbIsPure(skb)) memSchedule(sk, want);
  const n = skbZerocopyIterStream(sk, skb, it, want, uarg, managed);
  if (n == -EEXIST || n == -EMSGSIZE) return APPEND_NEW_SKB;
  return n;
}

/** The pages of a splice become frags as they are: whoever else holds them can still change what is sent. */
function appendSplice(sk: Sock, skb: SkBuff, it: IovIter, want: u32): i32 {
  downgradePure(sk, skb);
  skbZcopyDowngradeManaged(skb);
  const n = skbSpliceFromIter(skb, it, want);
  if (!n) return APPEND_NEW_SKB;
  memSchedule(sk, n);
  skb.truesize += n;
  sk.wmem_queued += n;
  sk.fwd_alloc -= n as i32;
  return n as i32;
}

function appendCopy(sk: Sock, skb: SkBuff, it: IovIter, want: u32): i32 {
  const to = pageFragRefill(32);
  if (!to) return APPEND_NO_SPACE;
  const sh = skb.shinfo, merge = skbCanCoalesce(sh, to);
  if (!merge && sh.nr_frags == MAX_SKB_FRAGS) return APPEND_NEW_SKB;
  let n = pageFragRoom();
  if (n > want) n = want;
  downgradePure(sk, skb);
  skbZcopyDowngradeManaged(skb);
  memSchedule(sk, n);
  const got = copyFromIter(to, n, it);
  if (got != n) {
    iterRevert(it, got);
    return -EFAULT; // a stretch is taken whole or not at all
  }
  pageFragTake(got, !merge);
  if (merge) {
    const last = sh.nr_frags - 1;
    fragSet(sh, last, fragAddr(sh, last), fragSize(sh, last) + got);
  } else {
    skbFillPage(sh, to, got);
  }
  skb.len += got;
  skb.data_len += got;
  skb.truesize += got;
  sk.wmem_queued += got;
  sk.fwd_alloc -= got as i32;
  cntAdd(CNT_COPIED_TX, got);
  return got as i32;
}

// Pushing -----------------------------------------------------------------------------------------------------------

/** forced_push(): half of the largest window seen has been queued since PSH was set last. */
@inline function forcedPush(sk: Sock): bool { return after(sk.write_seq, sk.pushed_seq + (sk.max_window >> 1)); }

@inline function markPush(sk: Sock, skb: SkBuff): void {
  skb.tcp_flags |= TH_PSH;
  sk.pushed_seq = sk.write_seq;
}

/** tcp_push(): the message is complete (or the buffer full). MSG_MORE holds a partial segment back like a cork. */
function push(sk: Sock, flags: u32, mss: u32, nonagle: u32, goal: u32): void {
  const skb = writeQueue(sk).last;
  if (!skb) return;
  if (!(flags & MSG_MORE) || forcedPush(sk)) markPush(sk, skb);
  if (flags & MSG_OOB) sk.snd_up = sk.write_seq;
  pushPending(sk, mss, flags & MSG_MORE ? TCP_NAGLE_CORK : nonagle);
}
