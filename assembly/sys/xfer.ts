// Sending and receiving with waiting: what send(2), recv(2), read(2), write(2) and their relatives share once the message
// has been imported. Streams accumulate: a blocking send goes on until all is taken, a receive with MSG_WAITALL until all
// is there. Progress that has been made is never lost over a later error or timeout.
import { O_NONBLOCK } from "../abi/fcntl";
import {
  AF_UNIX, IPPROTO_TCP, MSG_DONTWAIT, MSG_ERRQUEUE, MSG_PEEK, MSG_WAITALL, MSG_ZEROCOPY, SOCK_DGRAM, SOCK_STREAM,
} from "../abi/socket";
import { EAGAIN, ENOBUFS, EWAITFOREVER } from "../abi/errno";
import { WAIT_RECV, WAIT_SEND } from "../abi/wait";
import { NETIF_F_SG } from "../abi/dev";
import { nil, nowNs } from "../lib/state";
import { File, fget, fput } from "../fs/file";
import { msgZerocopyMarkCopied, msgZerocopyPut, msgZerocopyPutAbort, msgZerocopyRealloc } from "../net/msg_zerocopy";
import { skbZcopy } from "../net/skbuff";
import { MsgHdr, SHUTDOWN_RCV, SOCK_F_ZEROCOPY, Sock, writeQueue } from "../net/sock";
import { sockRecvmsg, sockSendmsg } from "../net/socket";
import { UbufInfo } from "../net/ubuf_info";
import { deadlineAfter, sleepMore, waitForever } from "./call";

/** Sends `msg` on the socket of `f`; sleeps unless told not to. Bytes or -errno. */
export function sendWait(fd: i32, f: File, msg: MsgHdr): i32 {
  if (f.flags & O_NONBLOCK) msg.flags |= MSG_DONTWAIT;
  const sk = changetype<Sock>(f.priv);
  if (msg.flags & MSG_DONTWAIT) return sockSendmsg(sk, msg);
  const zerocopy = (msg.flags & MSG_ZEROCOPY) != 0 && (sk.flags & SOCK_F_ZEROCOPY) != 0 && sk.protocol == IPPROTO_TCP;
  return zerocopy && msg.iter.count ? sendZerocopy(fd, f, sk, msg) : sendMaybeSleep(fd, f, sk, msg);
}

/**
 * A blocking MSG_ZEROCOPY send of a stream is one call with one id, however often it has to wait: its record is made here
 * and given to every attempt.
 */
function sendZerocopy(fd: i32, f: File, sk: Sock, msg: MsgHdr): i32 {
  const want = msg.iter.count, tail = writeQueue(sk).last;
  const uarg = msgZerocopyRealloc(sk, want, tail ? skbZcopy(tail) : nil<UbufInfo>());
  if (!uarg) return -ENOBUFS;
  if (!(sk.route_caps & NETIF_F_SG)) msgZerocopyMarkCopied(uarg);
  msg.ubuf = uarg;
  const ret = sendMaybeSleep(fd, f, sk, msg);
  if (msg.iter.count < want) msgZerocopyPut(uarg);
  else msgZerocopyPutAbort(uarg);
  return ret;
}

function sendMaybeSleep(fd: i32, f: File, sk: Sock, msg: MsgHdr): i32 {
  const want = msg.iter.count, ret = sockSendmsg(sk, msg);
  if (ret == -EAGAIN || (ret >= 0 && sk.type == SOCK_STREAM && (ret as u32) < want)) return sendSleep(fd, f, sk, msg, ret, want);
  return ret;
}

function sendSleep(fd: i32, f: File, sk: Sock, msg: MsgHdr, ret: i32, want: u32): i32 {
  fget(f); // task work may close the descriptor
  let done: u32 = ret > 0 ? ret : 0;
  const started = nowNs();
  let deadline = deadlineAfter(sk.sndtimeo);
  for (;;) {
    const slept = sleepMore(deadline, started);
    if (slept) {
      ret = slept == -EWAITFOREVER ? waitForever(WAIT_SEND, fd, want, done) : done ? (done as i32) : slept;
      break;
    }
    const before = msg.iter.count;
    ret = sockSendmsg(sk, msg);
    if (ret > 0 || (ret == 0 && before == 0)) {
      done += ret;
      if (sk.type != SOCK_STREAM || done >= want) {
        ret = done as i32;
        break;
      }
      if (sk.family == AF_UNIX) deadline = deadlineAfter(sk.sndtimeo); // each skb waits anew
    } else if (ret != -EAGAIN) {
      if (done) ret = done as i32;
      break;
    }
  }
  fput(f);
  return ret;
}

/** Receives into `msg` from the socket of `f`; sleeps unless told not to. Bytes or -errno. */
export function recvWait(fd: i32, f: File, msg: MsgHdr): i32 {
  if (f.flags & O_NONBLOCK) msg.flags |= MSG_DONTWAIT;
  const sk = changetype<Sock>(f.priv), want = msg.iter.count;
  msg.short = 0;
  const ret = sockRecvmsg(sk, msg);
  if (msg.flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) return ret;
  if (msg.short) return ret;
  const target = recvTarget(sk, msg, want);
  return ret == -EAGAIN || (ret > 0 && (ret as u32) < target) ? recvSleep(fd, f, sk, msg, ret, target) : ret;
}

/** Bytes below which a receive goes on waiting. Only streams put several pieces together, and a peek takes none away. */
function recvTarget(sk: Sock, msg: MsgHdr, want: u32): u32 {
  if (sk.type != SOCK_STREAM || msg.flags & MSG_PEEK) return 0;
  return msg.flags & MSG_WAITALL || sk.rcvlowat > want ? want : sk.rcvlowat;
}

function recvSleep(fd: i32, f: File, sk: Sock, msg: MsgHdr, ret: i32, target: u32): i32 {
  fget(f);
  let done: u32 = ret > 0 ? ret : 0;
  const started = nowNs(), deadline = deadlineAfter(sk.rcvtimeo);
  for (;;) {
    // What ends a stream or fails it stays pending for the next call if there is something to return now.
    if (sk.shutdown & SHUTDOWN_RCV && (done || sk.type == SOCK_DGRAM)) {
      ret = done as i32;
      break;
    }
    if (done && sk.err) {
      ret = done as i32;
      break;
    }
    const slept = sleepMore(deadline, started);
    if (slept) {
      ret = slept == -EWAITFOREVER ? waitForever(WAIT_RECV, fd, target ? target : 1, done) : done ? (done as i32) : slept;
      break;
    }
    ret = sockRecvmsg(sk, msg);
    if (ret > 0) {
      done += ret;
      if (done < target && !msg.short) continue;
      ret = done as i32;
      break;
    }
    if (ret != -EAGAIN) {
      if (done) ret = done as i32;
      break;
    }
  }
  fput(f);
  return ret;
}
