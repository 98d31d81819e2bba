// veth: a pair of devices, what one sends the other receives, usually in another namespace. The skb itself moves over:
// user pages are not copied here (spec send-zc.md 3.5).
import { DEV_KIND_VETH, NETIF_F_FRAGLIST, NETIF_F_GSO_UDP_L4, NETIF_F_HIGHDMA, NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO } from "../abi/dev";
import { EINVAL } from "../abi/errno";
import { COPY_TAP } from "../abi/trace";
import { nil } from "../lib/state";
import { NEIGH_ARP, NetDevice, devAlloc, devDrop, netifRx } from "../net/dev";
import { SkBuff, skbOrphanFrags } from "../net/skbuff";

const VETH_FEATURES: u32 = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_GSO_UDP_L4 | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA;

/** One end. It has no carrier before it is paired. */
export function vethCreate(ns: u32): NetDevice {
  const dev = devAlloc(DEV_KIND_VETH, ns);
  if (!dev) return dev;
  dev.features = VETH_FEATURES;
  dev.neigh_mode = NEIGH_ARP;
  dev.xmit = vethXmit.index;
  vethUpdateCarrier(dev);
  return dev;
}

export function vethPair(a: NetDevice, b: NetDevice): i32 {
  if (!b || a == b || a.kind != DEV_KIND_VETH || b.kind != DEV_KIND_VETH || a.peer || b.peer) return -EINVAL;
  a.peer = b;
  b.peer = a;
  vethUpdateCarrier(a);
  vethUpdateCarrier(b);
  return 0;
}

/** An end has carrier while both are up. */
export function vethUpdateCarrier(dev: NetDevice): void {
  const peer = dev.peer;
  dev.carrier = (peer != nil<NetDevice>() && dev.up != 0 && peer.up != 0) as u32;
  dev.running = dev.carrier;
}

/** veth_xmit(): a packet too big for the other end is dropped there, unless it is still to be cut. */
function vethXmit(skb: SkBuff, dev: NetDevice): void {
  const peer = dev.peer;
  if ((skb.len > peer.mtu && !skb.shinfo.gso_size) || skbOrphanFrags(skb, COPY_TAP)) {
    devDrop(skb, dev);
    return;
  }
  netifRx(skb, peer);
}
