// AF_PACKET sockets: taps. A socket for ETH_P_ALL sees what a device sends and receives, one for a single protocol only
// what it receives. They cannot send here.
//
// A tap must not hold the user's pages. Of an outgoing packet it gets a clone whose frags are copied: the packet itself goes
// out as it was. Of an incoming one the packet's own frags are copied. Either way the pages' owner is told, even if every
// tap then throws the packet away.
//
// Spec: send-zc.md 3.5, 3.6; man: packet(7).
import { IovIter, copyToIter } from "../mm/iov_iter";
import {
  AF_PACKET, ETH_P_ALL, ETH_P_IP, MSG_PEEK, MSG_TRUNC, POLLIN, POLLRDNORM, SO_ATTACH_FILTER, SOCK_RAW, SOCKADDR_LL_OFF_FAMILY, SOCKADDR_LL_OFF_IFINDEX,
  SOCKADDR_LL_OFF_PROTOCOL, SOCKADDR_LL_SIZE,
} from "../abi/socket";
import { EAGAIN, EFAULT, EINVAL, ENODEV, ENOENT, ENOPROTOOPT, EOPNOTSUPP } from "../abi/errno";
import { COPY_TAP, REF_PURGED, REF_READ } from "../abi/trace";
import { notModelled } from "../lib/not_modelled";
import { S_HOOK_TAP, S_TAP_LIST, nil } from "../lib/state";
import { copyFromUser } from "../mm/vma";
import { ETH_HLEN, NetDevice, devByIndex } from "./dev";
import { SCRATCH_WORDS } from "./scratch";
import { SkBuff, kfreeSkb, skbClone, skbOrphanFragsRx } from "./skbuff";
import { skbCopyToIter } from "./skb_iter";
import { skbQueuePurge, skbQueueTail, skbUnlink } from "./skb_queue";
import { MsgHdr, POLLERR_MASK, POLLOUT_MASK, Sock, receiveQueue, skDataReady, skbSetOwnerR, sockError, sockPut } from "./sock";
import { TCP_CLOSE } from "./tcp_states";

const PACKET_IGNORE_OUTGOING: i32 = 23;
const PACKET_OUTGOING: u8 = 4;
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
// sockaddr_ll fields behind the interface index
const LL_OFF_HATYPE: usize = 8;
const LL_OFF_PKTTYPE: usize = 10;
const LL_OFF_HALEN: usize = 11;
const LL_OFF_ADDR: usize = 12;

/** Sock.packet_flags */
const IGNORE_OUTGOING: u32 = 1;
const HAS_FILTER: u32 = 2;
const DROPS_ALL: u32 = 4;

// struct sock_fprog and its one instruction
const FPROG_SIZE: i32 = 16;
const BPF_RET_K: u32 = 6;

/** Sock.hash_next links the taps, Sock.bound_dev is the device (0 = any of the namespace). */
@inline function taps(): Sock { return changetype<Sock>(load<u32>(S_TAP_LIST) as usize); }

export function packetInitSock(sk: Sock): void {
  sk.state = TCP_CLOSE;
  sk.op_sendmsg = packetSendmsg.index;
  sk.op_recvmsg = packetRecvmsg.index;
  sk.op_poll = packetPoll.index;
  sk.op_release = packetRelease.index;
  sk.op_shutdown = packetShutdown.index;
  store<u32>(S_HOOK_TAP, packetTap.index);
  hook(sk, bswap<u16>(sk.protocol as u16) as u32); // socket(2) takes the protocol in network order
}

function unhook(sk: Sock): void {
  let prev = nil<Sock>();
  for (let at = taps(); at; at = at.hash_next) {
    if (at == sk) {
      if (prev) prev.hash_next = sk.hash_next;
      else store<u32>(S_TAP_LIST, changetype<usize>(sk.hash_next) as u32);
      break;
    }
    prev = at;
  }
  sk.hash_next = nil<Sock>();
}

/** Listens for `protocol` (host order), 0 = for nothing. */
function hook(sk: Sock, protocol: u32): void {
  unhook(sk);
  sk.packet_proto = protocol;
  if (!protocol) return;
  sk.hash_next = taps();
  store<u32>(S_TAP_LIST, changetype<usize>(sk) as u32);
}

/** bind(2) with a sockaddr_ll: the device, and the protocol unless that is 0. */
export function packetBind(sk: Sock, addr: usize, len: u32): i32 {
  if (len < SOCKADDR_LL_SIZE || load<u16>(addr, SOCKADDR_LL_OFF_FAMILY) != (AF_PACKET as u16)) return -EINVAL;
  const index = load<u32>(addr, SOCKADDR_LL_OFF_IFINDEX), protocol = bswap<u16>(load<u16>(addr, SOCKADDR_LL_OFF_PROTOCOL)) as u32;
  if (index) {
    const dev = devByIndex(index);
    if (!dev || dev.ns != sk.netns) return -ENODEV;
  }
  sk.bound_dev = index;
  hook(sk, protocol ? protocol : sk.packet_proto);
  return 0;
}

/** getsockname(2): length of the sockaddr_ll written to `to`. */
export function packetGetname(sk: Sock, to: usize): i32 {
  fillAddress(to, devByIndex(sk.bound_dev), sk.packet_proto, 0);
  store<u32>(to, sk.bound_dev, SOCKADDR_LL_OFF_IFINDEX);
  return SOCKADDR_LL_SIZE;
}

/** setsockopt(2) of level SOL_PACKET. */
export function packetSetsockopt(sk: Sock, name: i32, val: i32): i32 {
  if (name != PACKET_IGNORE_OUTGOING) return -ENOPROTOOPT;
  if (val < 0 || val > 1) return -EINVAL;
  sk.packet_flags = (sk.packet_flags & ~IGNORE_OUTGOING) | (val ? IGNORE_OUTGOING : 0);
  return 0;
}

/**
 * SO_ATTACH_FILTER: the program that takes every packet whole, or none; others are not modelled. It runs last, on the tap's own
 * copy: a tap that throws everything away has cost the sender its copy.
 */
export function packetAttachFilter(sk: Sock, uprog: u64, len: i32): i32 {
  const p = SCRATCH_WORDS;
  if (len != FPROG_SIZE) return -EINVAL;
  if (copyFromUser(p, uprog, FPROG_SIZE)) return -EFAULT;
  if (!load<u16>(p) || !load<u64>(p, 8)) return -EINVAL;
  if (load<u16>(p) != 1) return notModelled(SO_ATTACH_FILTER);
  if (copyFromUser(p, load<u64>(p, 8), 8)) return -EFAULT;
  const k = load<u32>(p, 4);
  if (load<u16>(p) != (BPF_RET_K as u16) || (k && k < 0xffff)) return notModelled(SO_ATTACH_FILTER);
  sk.packet_flags = (sk.packet_flags & IGNORE_OUTGOING) | HAS_FILTER | (k ? 0 : DROPS_ALL);
  return 0;
}

/** SO_DETACH_FILTER */
export function packetDetachFilter(sk: Sock): i32 {
  if (!(sk.packet_flags & HAS_FILTER)) return -ENOENT;
  sk.packet_flags &= IGNORE_OUTGOING;
  return 0;
}

@inline function wants(sk: Sock, dev: NetDevice, outgoing: bool): bool {
  if (sk.netns != dev.ns || (sk.bound_dev && sk.bound_dev != dev.index)) return false;
  if (sk.packet_proto == ETH_P_ALL) return !(outgoing && sk.packet_flags & IGNORE_OUTGOING);
  return !outgoing && sk.packet_proto == ETH_P_IP;
}

/** dev_queue_xmit_nit() and the tap part of netif_receive_skb(). The skb stays the caller's. */
function packetTap(skb: SkBuff, dev: NetDevice, outgoing: u32): void {
  let shared = nil<SkBuff>();
  for (let sk = taps(); sk; sk = sk.hash_next) {
    if (!wants(sk, dev, outgoing != 0)) continue;
    if (!shared) {
      shared = outgoing ? skbClone(skb) : skb;
      if (!shared || skbOrphanFragsRx(shared, COPY_TAP)) break;
    }
    packetRcv(sk, shared, dev, outgoing != 0);
  }
  if (shared && shared != skb) kfreeSkb(shared, REF_READ);
}

/** Queues a clone for one tap. */
function packetRcv(sk: Sock, skb: SkBuff, dev: NetDevice, outgoing: bool): void {
  if (sk.packet_flags & DROPS_ALL || sk.rmem_alloc >= sk.rcvbuf) return;
  const n = skbClone(skb);
  if (!n) return;
  n.dst_dev = changetype<usize>(dev);
  n.cb1 = outgoing ? 1 : 0;
  skbSetOwnerR(n, sk);
  skbQueueTail(receiveQueue(sk), n);
  skDataReady(sk);
}

function packetSendmsg(sk: Sock, msg: MsgHdr): i32 { return -EOPNOTSUPP; }

/** One frame. SOCK_RAW sees the Ethernet header too; it is made up here, as no device but the NIC has one. */
function packetRecvmsg(sk: Sock, msg: MsgHdr): i32 {
  if (sk.err) return sockError(sk);
  const q = receiveQueue(sk), skb = q.first;
  if (!skb) return -EAGAIN;
  const dev = changetype<NetDevice>(skb.dst_dev), raw = sk.type == SOCK_RAW, len = skb.len + (raw ? ETH_HLEN : 0);
  let copied = len;
  if (copied > msg.iter.count) {
    copied = msg.iter.count;
    msg.out_flags |= MSG_TRUNC;
  }
  const peek = (msg.flags & MSG_PEEK) != 0;
  if (!peek) skbUnlink(q, skb);
  const ok = copyFrame(skb, dev, raw, copied, msg.iter);
  if (ok && msg.name) {
    fillAddress(msg.name, dev, ETH_P_IP, skb.cb1);
    msg.namelen = SOCKADDR_LL_SIZE;
  }
  if (!peek) kfreeSkb(skb, REF_READ);
  return !ok ? -EFAULT : msg.flags & MSG_TRUNC ? len : copied;
}

function copyFrame(skb: SkBuff, dev: NetDevice, raw: bool, n: u32, it: IovIter): bool {
  if (raw) {
    const head = n < ETH_HLEN ? n : ETH_HLEN, eth = SCRATCH_WORDS;
    memory.fill(eth, 0, ETH_HLEN);
    store<u64>(eth, dev.mac, 6);
    store<u16>(eth, bswap<u16>(ETH_P_IP as u16), 12);
    if (copyToIter(eth, head, it) != head) return false;
    n -= head;
  }
  return skbCopyToIter(skb, 0, n, it) == n;
}

function fillAddress(to: usize, dev: NetDevice, protocol: u32, outgoing: u32): void {
  memory.fill(to, 0, SOCKADDR_LL_SIZE);
  store<u16>(to, AF_PACKET as u16, SOCKADDR_LL_OFF_FAMILY);
  store<u16>(to, bswap<u16>(protocol as u16), SOCKADDR_LL_OFF_PROTOCOL);
  if (!dev) return;
  store<u32>(to, dev.index, SOCKADDR_LL_OFF_IFINDEX);
  store<u16>(to, dev.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER, LL_OFF_HATYPE);
  store<u8>(to, outgoing ? PACKET_OUTGOING : 0, LL_OFF_PKTTYPE);
  store<u8>(to, 6, LL_OFF_HALEN);
  store<u64>(to, dev.mac, LL_OFF_ADDR);
}

function packetPoll(sk: Sock): u32 {
  return POLLOUT_MASK | (sk.err ? POLLERR_MASK : 0) | (receiveQueue(sk).first ? POLLIN | POLLRDNORM : 0);
}

function packetShutdown(sk: Sock, how: u32): i32 { return -EOPNOTSUPP; }

function packetRelease(sk: Sock): void {
  unhook(sk);
  skbQueuePurge(receiveQueue(sk), REF_PURGED);
  sockPut(sk);
}
