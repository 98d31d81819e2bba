// ifb that nothing is redirected to: every packet ends at transmit. It stands in for a NIC that is always done at once
// (and, behind the tbf qdisc, for one that completes late): user pages are never copied on this way.
import { DEV_KIND_IFB, NETIF_F_FRAGLIST, NETIF_F_GSO_UDP_L4, NETIF_F_HIGHDMA, NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO } from "../abi/dev";
import { REF_TX_DONE } from "../abi/trace";
import { NEIGH_NONE, NetDevice, devAlloc } from "../net/dev";
import { SkBuff, kfreeSkb } from "../net/skbuff";

const IFB_FEATURES: u32 = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_GSO_UDP_L4 | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA;

export function ifbCreate(ns: u32): NetDevice {
  const dev = devAlloc(DEV_KIND_IFB, ns);
  if (!dev) return dev;
  dev.features = IFB_FEATURES;
  dev.neigh_mode = NEIGH_NONE; // arp off
  dev.xmit = ifbXmit.index;
  return dev;
}

/** ifb_xmit() */
function ifbXmit(skb: SkBuff, dev: NetDevice): void { kfreeSkb(skb, REF_TX_DONE); }
