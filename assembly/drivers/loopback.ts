// lo: what is sent comes back in through the input queue. The sender is not charged for it any more.
import { DEV_KIND_LO, NETIF_F_FRAGLIST, NETIF_F_GSO_UDP_L4, NETIF_F_HIGHDMA, NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO } from "../abi/dev";
import { NEIGH_NONE, NetDevice, devAlloc, netifRx } from "../net/dev";
import { SkBuff, skbOrphan } from "../net/skbuff";
import { skbTxTimestamp } from "../net/tx_timestamp";

export const LOOPBACK_FEATURES: u32 = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_GSO_UDP_L4 | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA;
const LOOPBACK_MTU: u32 = 65536;

export function loopbackCreate(ns: u32): NetDevice {
  const dev = devAlloc(DEV_KIND_LO, ns);
  if (!dev) return dev;
  dev.mtu = LOOPBACK_MTU;
  dev.features = LOOPBACK_FEATURES;
  dev.loopback = 1;
  dev.neigh_mode = NEIGH_NONE;
  dev.xmit = loopbackXmit.index;
  return dev;
}

/** loopback_xmit() */
function loopbackXmit(skb: SkBuff, dev: NetDevice): void {
  skbTxTimestamp(skb);
  skbOrphan(skb);
  netifRx(skb, dev);
}
