// The error queue of a socket: records that recvmsg(MSG_ERRQUEUE) takes off one at a time (ip(7) under IP_RECVERR). Here
// they are the completions of MSG_ZEROCOPY sends and, for who asks, ICMP errors.
//
// A record is an skb whose linear area begins with a struct sock_extended_err and the sockaddr_in of the offender; what an
// ICMP message quotes follows as payload. For an error of the network, skb.dst_addr and skb.cb2 are the address and port
// that the failed datagram was sent to.
import {
  AF_INET, IP_RECVERR, MSG_ERRQUEUE, MSG_TRUNC, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_TIMESTAMPING, SO_EE_ORIGIN_ZEROCOPY, SO_TIMESTAMPING, SOCKADDR_IN_OFF_ADDR,
  SOCKADDR_IN_OFF_FAMILY, SOCKADDR_IN_OFF_PORT, SOCKADDR_IN_SIZE, SOCK_EXTENDED_ERR_OFF_CODE, SOCK_EXTENDED_ERR_OFF_DATA,
  SOCK_EXTENDED_ERR_OFF_ERRNO, SOCK_EXTENDED_ERR_OFF_INFO,
  SOCK_EXTENDED_ERR_OFF_ORIGIN, SOCK_EXTENDED_ERR_OFF_TYPE, SOCK_EXTENDED_ERR_SIZE, SOL_IP, SOL_SOCKET,
} from "../abi/socket";
import { EAGAIN, EFAULT } from "../abi/errno";
import { REF_PURGED, REF_READ } from "../abi/trace";
import { NSEC_PER_SEC } from "../mm/timespec";
import { putCmsg } from "./msg_import";
import { SCRATCH_WORDS } from "./scratch";
import { SkBuff, kfreeSkb, skbHead } from "./skbuff";
import { skbQueuePurge, skbQueueTail, skbUnlink } from "./skb_queue";
import { skbCopyToIter } from "./skb_iter";
import { MsgHdr, Sock, errorQueue, skErrorReport } from "./sock";

const SCM_TIMESTAMPING_SIZE: u32 = 48;
const ERRHDR_SIZE: u32 = SOCK_EXTENDED_ERR_SIZE + SOCKADDR_IN_SIZE;

/** Fills in the sock_extended_err of a record; the offender stays all zero. */
export function sockErrInit(skb: SkBuff, errno: u32, origin: u32, type: u32, code: u32, info: u32, data: u32): void {
  const ee = skbHead(skb);
  memory.fill(ee, 0, ERRHDR_SIZE);
  store<u32>(ee, errno, SOCK_EXTENDED_ERR_OFF_ERRNO);
  store<u8>(ee, origin as u8, SOCK_EXTENDED_ERR_OFF_ORIGIN);
  store<u8>(ee, type as u8, SOCK_EXTENDED_ERR_OFF_TYPE);
  store<u8>(ee, code as u8, SOCK_EXTENDED_ERR_OFF_CODE);
  store<u32>(ee, info, SOCK_EXTENDED_ERR_OFF_INFO);
  store<u32>(ee, data, SOCK_EXTENDED_ERR_OFF_DATA);
}

@inline export function sockErrOrigin(skb: SkBuff): u32 { return load<u8>(skbHead(skb), SOCK_EXTENDED_ERR_OFF_ORIGIN) as u32; }
@inline export function sockErrInfo(skb: SkBuff): u32 { return load<u32>(skbHead(skb), SOCK_EXTENDED_ERR_OFF_INFO); }
@inline export function sockErrData(skb: SkBuff): u32 { return load<u32>(skbHead(skb), SOCK_EXTENDED_ERR_OFF_DATA); }
@inline export function sockErrSetData(skb: SkBuff, data: u32): void { store<u32>(skbHead(skb), data, SOCK_EXTENDED_ERR_OFF_DATA); }

/** Names the offender: who reported the error (host byte order). */
export function sockErrOffender(skb: SkBuff, addr: u32): void { sinStore(skbHead(skb) + SOCK_EXTENDED_ERR_SIZE, addr, 0); }

function sinStore(sin: usize, addr: u32, port: u32): void {
  store<u16>(sin, AF_INET as u16, SOCKADDR_IN_OFF_FAMILY);
  store<u16>(sin, bswap<u16>(port as u16), SOCKADDR_IN_OFF_PORT);
  store<u32>(sin, bswap<u32>(addr), SOCKADDR_IN_OFF_ADDR);
  store<u64>(sin, 0, 8);
}

/** Appends a record and raises POLLERR. */
export function sockQueueErr(sk: Sock, skb: SkBuff): void {
  skbQueueTail(errorQueue(sk), skb);
  skErrorReport(sk);
}

/** recvmsg(MSG_ERRQUEUE): bytes of payload copied, or -EAGAIN. Never waits, whatever the flags say. */
export function recvErrqueue(sk: Sock, msg: MsgHdr): i32 {
  const q = errorQueue(sk), skb = q.first;
  if (!skb) return -EAGAIN;
  skbUnlink(q, skb);
  const next = q.first;
  if (sockErrOrigin(skb) == SO_EE_ORIGIN_ICMP) sk.err = next && sockErrOrigin(next) == SO_EE_ORIGIN_ICMP ? load<i32>(skbHead(next)) : 0;
  if (next) skErrorReport(sk);

  let copied = skb.len;
  if (copied > msg.iter.count) {
    msg.out_flags |= MSG_TRUNC;
    copied = msg.iter.count;
  }
  if (skbCopyToIter(skb, 0, copied, msg.iter) != copied) {
    kfreeSkb(skb, REF_READ);
    return -EFAULT;
  }
  const origin = sockErrOrigin(skb);
  if (msg.name && origin != SO_EE_ORIGIN_ZEROCOPY && origin != SO_EE_ORIGIN_TIMESTAMPING) {
    sinStore(msg.name, skb.dst_addr, skb.cb2);
    msg.namelen = SOCKADDR_IN_SIZE;
  }
  if (skb.tstamp) { // struct scm_timestamping: software, nothing, hardware
    memory.fill(SCRATCH_WORDS, 0, SCM_TIMESTAMPING_SIZE);
    store<u64>(SCRATCH_WORDS, skb.tstamp / NSEC_PER_SEC);
    store<u64>(SCRATCH_WORDS, skb.tstamp % NSEC_PER_SEC, 8);
    putCmsg(msg, SOL_SOCKET, SO_TIMESTAMPING, SCRATCH_WORDS, SCM_TIMESTAMPING_SIZE);
  }
  memory.copy(SCRATCH_WORDS, skbHead(skb), ERRHDR_SIZE);
  putCmsg(msg, SOL_IP, IP_RECVERR, SCRATCH_WORDS, ERRHDR_SIZE);
  msg.out_flags |= MSG_ERRQUEUE;
  kfreeSkb(skb, REF_READ);
  return copied;
}

/** The socket is going: nobody will read the records. */
export function errqueuePurge(sk: Sock): void { skbQueuePurge(errorQueue(sk), REF_PURGED); }
