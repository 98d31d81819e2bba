// Network devices: the table, transmit and input.
//
//   devQueueXmit -> qdisc? -> devHardStartXmit -> validate -> taps -> driver
//   driver -> netifRx -> input queue -> (softirq) netRxAction -> taps -> IPv4
//
// What a device cannot do is done in software before the driver sees the skb (net/gso.ts). Input is queued per CPU (there
// is one) and handled in softirq when the outermost bottom-half section ends, so a packet sent over `lo` is received
// before devQueueXmit() returns to a task, but never in the middle of another packet's handling.
import { POOL_DEV, poolAlloc } from "../lib/pool";
import { DEV_MAX, DEV_SIZE } from "../abi/layout";
import { CNT_TX_FRAGS, CNT_TX_PACKETS } from "../abi/counters";
import { BUG_SOFTIRQ_LOOP } from "../abi/bug";
import { NETIF_F_HW_CSUM, NETIF_F_SG } from "../abi/dev";
import { TR_NET_DEV_DROP, TR_NET_DEV_QUEUE, TR_NET_DEV_RX, TR_NET_DEV_XMIT, TRACE_NET, COPY_LOCAL_DELIVERY, REF_DROPPED } from "../abi/trace";
import { B_COPY_AT_DELIVERY } from "../abi/profile";
import { bugOn } from "../lib/bug";
import { has } from "../lib/profile";
import {
  S_BACKLOG_HEAD, S_BACKLOG_LEN, S_BACKLOG_TAIL, S_DEV_COUNT, S_DEV_TABLE, S_HOOK_IP_RCV, S_HOOK_TAP, S_TAP_LIST, cntAdd, cntInc, nil,
} from "../lib/state";
import { trace } from "../lib/trace";
import { Timer } from "../lib/timer";
import { localBhDisable, localBhEnable } from "../kernel/sched";
import { CHECKSUM_PARTIAL, SkBuff, kfreeSkb, skbOrphanFragsRx } from "./skbuff";
import { SkbQueue } from "./skb_queue";
import { gsoFeature, skbSegment, validateSlow } from "./gso";

/** Network namespaces of one machine. */
export const MAX_NS: u32 = 32;
/** net.core.netdev_max_backlog */
const NETDEV_MAX_BACKLOG: u32 = 1000;
/** Packets that one softirq run may handle before it must be a loop of ours. */
const RX_BUDGET: u32 = 1 << 22;
export const ETH_HLEN: u32 = 14;

// How a device finds its link-layer destination.
export const NEIGH_NONE: u32 = 0; // no address needed: lo, ifb
export const NEIGH_ARP: u32 = 1; // asks the other end (veth)
export const NEIGH_TABLE: u32 = 2; // everybody on the link is known (nic)

@unmanaged @final export class NetDevice {
  pad: u32;
  index: u32;
  kind: u32;
  ns: u32;
  mtu: u32;
  features: u32; // NETIF_F_*
  up: u32;
  carrier: u32;
  running: u32; // up and carrier
  active: u32; // its queue takes packets: follows `running`, a moment later where a worker does that (veth)
  loopback: u32;
  mac: u64;
  peer: NetDevice; // veth
  xmit: u32; // table index of (skb: SkBuff, dev: NetDevice) => void; consumes the skb
  qdisc_enqueue: u32; // table index of (skb: SkBuff, dev: NetDevice) => void, 0 = noqueue
  priv: usize; // private state of the driver
  addr: u32; // first IPv4 address, host order
  prefix_len: u32;
  neigh_mode: u32; // NEIGH_*
  all_reachable: u32; // NEIGH_ARP without asking: whoever it is sent to, the wire takes it
  neighs: usize; // Neigh list
  tx_packets: u32;
  tx_dropped: u32;
  rx_packets: u32;
  q0: u32; q1: u32; q2: u32; // SkbQueue of the qdisc or the driver
  q_bytes: u32;
  tx_ring: u32; // nic: TX descriptors
  tbf_rate: u32; // bytes per second
  tbf_burst: u32; // bytes
  tbf_limit: u32; // bytes
  tbf_tokens: i64; // ns of transmission
  tbf_time: u64; // when tbf_tokens was right
  linkwatch: Timer; // veth: armed when the carrier comes or goes
  tbf_timer: Timer;
}
if (offsetof<NetDevice>() > DEV_SIZE) ERROR("NetDevice does not fit its pool");

@inline export function devQueue(dev: NetDevice): SkbQueue {
  return changetype<SkbQueue>(changetype<usize>(dev) + offsetof<NetDevice>("q0"));
}
@inline export function devByIndex(i: u32): NetDevice {
  return i < DEV_MAX ? changetype<NetDevice>(load<u32>(S_DEV_TABLE + (i << 2)) as usize) : nil<NetDevice>();
}

/** A device that is up, with carrier, without address or driver; nil when the table is full. */
export function devAlloc(kind: u32, ns: u32): NetDevice {
  const i = load<u32>(S_DEV_COUNT) + 1; // index 0 means "any device"
  if (i >= DEV_MAX) return nil<NetDevice>();
  const dev = changetype<NetDevice>(poolAlloc(POOL_DEV));
  if (!dev) return dev;
  memory.fill(changetype<usize>(dev), 0, DEV_SIZE);
  dev.index = i;
  dev.kind = kind;
  dev.ns = ns;
  dev.up = 1;
  dev.carrier = 1;
  dev.running = 1;
  dev.active = 1;
  dev.mtu = 1500;
  store<u32>(S_DEV_TABLE + (i << 2), changetype<usize>(dev) as u32);
  store<u32>(S_DEV_COUNT, i);
  return dev;
}

/** Word `a` of the TR_NET_DEV_* events. The protocol is that of the IPv4 header. */
@inline function traceWord(skb: SkBuff, dev: NetDevice): u64 {
  const protocol: u32 = skb.nh ? load<u8>(skb.nh, 9) : 0;
  return (dev.index | (dev.ns << 8) | (protocol << 16)) as u64;
}

/** The skb waits in a qdisc or for a descriptor. */
export function traceQueued(skb: SkBuff, dev: NetDevice): void {
  trace(TRACE_NET, TR_NET_DEV_QUEUE, changetype<usize>(skb), traceWord(skb, dev), skb.len, 0);
}

export function devDrop(skb: SkBuff, dev: NetDevice): void {
  dev.tx_dropped++;
  trace(TRACE_NET, TR_NET_DEV_DROP, changetype<usize>(skb), traceWord(skb, dev), skb.len, 0);
  kfreeSkb(skb, REF_DROPPED);
}

/** Takes over an skb whose data starts at its IPv4 header. A device that is not active drops it. */
export function devQueueXmit(skb: SkBuff, dev: NetDevice): void {
  localBhDisable();
  skb.dev = changetype<usize>(dev);
  if (!dev.active) devDrop(skb, dev);
  else if (dev.qdisc_enqueue) call_indirect<void>(dev.qdisc_enqueue, skb, dev);
  else devHardStartXmit(skb, dev);
  localBhEnable();
}

/** From the qdisc, or from devQueueXmit() if there is none, to the driver. */
export function devHardStartXmit(skb: SkBuff, dev: NetDevice): void {
  const sh = skb.shinfo, f = dev.features;
  if (
    (sh.nr_frags != 0 && !(f & NETIF_F_SG)) ||
    (skb.ip_summed == CHECKSUM_PARTIAL && !(f & NETIF_F_HW_CSUM)) ||
    (sh.gso_size != 0 && !(f & gsoFeature(skb)))
  ) {
    xmitSlow(skb, dev);
    return;
  }
  xmitOne(skb, dev);
}

function xmitSlow(skb: SkBuff, dev: NetDevice): void {
  if (skb.shinfo.gso_size && !(dev.features & gsoFeature(skb))) {
    let seg = skbSegment(skb);
    if (!seg) {
      devDrop(skb, dev);
      return;
    }
    while (seg) {
      const next = seg.next;
      seg.next = nil<SkBuff>();
      if (validateSlow(seg, dev.features)) devDrop(seg, dev);
      else xmitOne(seg, dev);
      seg = next;
    }
    return;
  }
  if (validateSlow(skb, dev.features)) devDrop(skb, dev);
  else xmitOne(skb, dev);
}

@inline function xmitOne(skb: SkBuff, dev: NetDevice): void {
  if (load<u32>(S_TAP_LIST)) call_indirect<void>(load<u32>(S_HOOK_TAP), skb, dev, 1 as u32);
  dev.tx_packets++;
  cntInc(CNT_TX_PACKETS);
  cntAdd(CNT_TX_FRAGS, skb.shinfo.nr_frags);
  trace(TRACE_NET, TR_NET_DEV_XMIT, changetype<usize>(skb), traceWord(skb, dev), skb.len, skb.shinfo.nr_frags);
  call_indirect<void>(dev.xmit, skb, dev);
}

// Input -----------------------------------------------------------------------------------------------------------

/** Appends to the input queue. The caller is inside a bottom-half section. */
export function netifRx(skb: SkBuff, dev: NetDevice): void {
  const len = load<u32>(S_BACKLOG_LEN);
  if (len > NETDEV_MAX_BACKLOG) {
    devDrop(skb, dev);
    return;
  }
  store<u32>(S_BACKLOG_LEN, len + 1);
  skb.dev = changetype<usize>(dev);
  skb.next = nil<SkBuff>();
  const tail = changetype<SkBuff>(load<u32>(S_BACKLOG_TAIL) as usize);
  if (load<u32>(S_BACKLOG_HEAD)) tail.next = skb;
  else store<u32>(S_BACKLOG_HEAD, changetype<usize>(skb) as u32);
  store<u32>(S_BACKLOG_TAIL, changetype<usize>(skb) as u32);
}

/** The NET_RX softirq: handles packets until the input queue is empty, including those that arrive meanwhile. */
export function netRxAction(): void {
  let budget = RX_BUDGET;
  for (;;) {
    const skb = changetype<SkBuff>(load<u32>(S_BACKLOG_HEAD) as usize);
    if (!skb) return;
    bugOn(budget-- == 0, BUG_SOFTIRQ_LOOP);
    store<u32>(S_BACKLOG_HEAD, changetype<usize>(skb.next) as u32);
    store<u32>(S_BACKLOG_LEN, load<u32>(S_BACKLOG_LEN) - 1);
    skb.next = nil<SkBuff>();
    const dev = changetype<NetDevice>(skb.dev);
    dev.rx_packets++;
    trace(TRACE_NET, TR_NET_DEV_RX, changetype<usize>(skb), traceWord(skb, dev), skb.len, 0);
    if (load<u32>(S_TAP_LIST)) call_indirect<void>(load<u32>(S_HOOK_TAP), skb, dev, 0 as u32);
    if (!has(B_COPY_AT_DELIVERY) && skbOrphanFragsRx(skb, COPY_LOCAL_DELIVERY)) devDrop(skb, dev); // whether it is for us or not
    else call_indirect<void>(load<u32>(S_HOOK_IP_RCV), skb, dev);
  }
}
