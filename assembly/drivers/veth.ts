// veth: a pair of devices, what one sends the other receives, usually in another namespace. The skb itself moves over:
// user pages are not copied here (spec send-zc.md 3.5).
import { DEV_KIND_VETH, NETIF_F_FRAGLIST, NETIF_F_GSO_UDP_L4, NETIF_F_HIGHDMA, NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO } from "../abi/dev";
import { EINVAL } from "../abi/errno";
import { COPY_TAP } from "../abi/trace";
import { nil, nowNs } from "../lib/state";
import { Timer, timerArm, timerFree, timerNew } from "../lib/timer";
import { NEIGH_ARP, NetDevice, devAlloc, devDrop, netifRx } from "../net/dev";
import { neighCarrierDown } from "../net/neigh";
import { SkBuff, skbOrphanFrags } from "../net/skbuff";
import { skbTxTimestamp } from "../net/tx_timestamp";

const VETH_FEATURES: u32 = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_GSO_UDP_L4 | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA;

/** One end. It has no carrier before it is paired. */
export function vethCreate(ns: u32): NetDevice {
  const dev = devAlloc(DEV_KIND_VETH, ns);
  if (!dev) return dev;
  dev.features = VETH_FEATURES;
  dev.neigh_mode = NEIGH_ARP;
  dev.xmit = vethXmit.index;
  setCarrier(dev);
  dev.active = 0;
  return dev;
}

export function vethPair(a: NetDevice, b: NetDevice): i32 {
  if (!b || a == b || a.kind != DEV_KIND_VETH || b.kind != DEV_KIND_VETH || a.peer || b.peer) return -EINVAL;
  a.peer = b;
  b.peer = a;
  setCarrier(a);
  setCarrier(b);
  a.active = a.running;
  b.active = b.running;
  return 0;
}

/** An end has carrier while both are up. */
function setCarrier(dev: NetDevice): void {
  const peer = dev.peer;
  dev.carrier = (peer != nil<NetDevice>() && dev.up != 0 && peer.up != 0) as u32;
  dev.running = dev.carrier;
}

/** What follows from a change of carrier is a worker's job. Until then packets reach the driver, and neighbours count. */
const LINKWATCH_NS: u64 = 200000;

/** One of the ends went up or down. */
export function vethUpdateCarrier(dev: NetDevice): void {
  const had = dev.running;
  setCarrier(dev);
  if (had == dev.running || dev.linkwatch) return;
  dev.linkwatch = timerNew(linkwatch.index, changetype<usize>(dev));
  timerArm(dev.linkwatch, nowNs() + LINKWATCH_NS);
}

/** Timer. */
function linkwatch(arg: usize): void {
  const dev = changetype<NetDevice>(arg);
  timerFree(dev.linkwatch);
  dev.linkwatch = nil<Timer>();
  dev.active = dev.running;
  if (!dev.active) neighCarrierDown(dev);
}

/** veth_xmit(): a packet too big for the other end is dropped there, unless it is still to be cut; without carrier all are. */
function vethXmit(skb: SkBuff, dev: NetDevice): void {
  const peer = dev.peer;
  if (!dev.running || (skb.len > peer.mtu && !skb.shinfo.gso_size) || skbOrphanFrags(skb, COPY_TAP)) {
    devDrop(skb, dev);
    return;
  }
  skbTxTimestamp(skb);
  netifRx(skb, peer);
}
