// Network devices: the table, features, transmit and input.
//
// devQueueXmit() hands an skb to its output device: taps see it, what the device cannot do is done in software
// (validateXmit: linearize, checksum, segment), then the device's xmit function, or its qdisc, gets it. Input is queued per
// CPU (there is one) and handled in softirq when the outermost bottom-half section ends, so a packet sent over `lo` is
// received before devQueueXmit() returns to a task, but never in the middle of another packet's handling.
import { POOL_DEV, poolAlloc } from "../lib/pool";
import { DEV_MAX, DEV_SIZE } from "../abi/layout";
import { CNT_TX_PACKETS } from "../abi/counters";
import { BUG_SOFTIRQ_LOOP } from "../abi/bug";
import { ENOBUFS } from "../abi/errno";
import { DEV_SET_MTU } from "../abi/dev";
import { TR_NET_DEV_DROP, TR_NET_DEV_RX, TR_NET_DEV_XMIT, TRACE_NET, REF_DROPPED } from "../abi/trace";
import { bugOn } from "../lib/bug";
import { S_BACKLOG_HEAD, S_BACKLOG_TAIL, S_DEV_COUNT, S_DEV_TABLE, S_TAP_LIST, cntInc, nil } from "../lib/state";
import { trace } from "../lib/trace";
import { localBhDisable, localBhEnable } from "../kernel/sched";
import { SkBuff, kfreeSkb } from "./skbuff";

export const MAX_NS: u32 = 32;

@unmanaged @final export class NetDevice {
  pad: u32;
  index: u32;
  kind: u32;
  ns: u32;
  mtu: u32;
  features: u32; // NETIF_F_*
  up: u32;
  mac: u64;
  peer: NetDevice; // veth
  xmit: u32; // table index of (skb: SkBuff, dev: NetDevice) => void; consumes the skb
  qdisc_enqueue: u32; // table index of (skb, dev) => void, 0 = noqueue
  qdisc: usize; // private state of the qdisc
  priv: usize; // private state of the driver
  addr: u32; // first IPv4 address, host order
  prefix_len: u32;
  gateway: u32;
  loopback: u32;
  tx_packets: u32;
  tx_dropped: u32;
  rx_packets: u32;
  taps: u32; // packet sockets bound to it
  q0: u32; q1: u32; q2: u32; // SkbQueue of qdisc or driver
  d0: u64; d1: u64; d2: u64; d3: u64; // qdisc and driver words
  t0: usize; t1: usize;
}
if (offsetof<NetDevice>() > DEV_SIZE) ERROR("NetDevice does not fit its pool");

@inline export function devByIndex(i: u32): NetDevice {
  return i < DEV_MAX ? changetype<NetDevice>(load<u32>(S_DEV_TABLE + (i << 2)) as usize) : nil<NetDevice>();
}

export function devAlloc(kind: u32, ns: u32): NetDevice {
  const i = load<u32>(S_DEV_COUNT) + 1; // index 0 means "any device"
  if (i >= DEV_MAX) return nil<NetDevice>();
  const dev = changetype<NetDevice>(poolAlloc(POOL_DEV));
  memory.fill(changetype<usize>(dev), 0, DEV_SIZE);
  dev.index = i;
  dev.kind = kind;
  dev.ns = ns;
  dev.up = 1;
  dev.mtu = 1500;
  store<u32>(S_DEV_TABLE + (i << 2), changetype<usize>(dev) as u32);
  store<u32>(S_DEV_COUNT, i);
  return dev;
}

@inline function traceWord(skb: SkBuff, dev: NetDevice): u64 { return (dev.index | (dev.ns << 8)) as u64; }
