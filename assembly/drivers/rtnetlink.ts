// What `ip` and `tc` do: namespaces, devices, addresses, routes, the qdisc. The functions behind the exports of the same
// names; device numbers are global to the machine, 0 is none.
import {
  DEV_GET_NS, DEV_GET_RX_PACKETS, DEV_GET_TX_DROPPED, DEV_GET_TX_PACKETS, DEV_KIND_IFB, DEV_KIND_LO, DEV_KIND_NIC, DEV_KIND_VETH,
  DEV_SET_FEATURES, DEV_SET_FORWARDING, DEV_SET_GATEWAY, DEV_SET_MAC_LO, DEV_SET_MTU, DEV_SET_PEER, DEV_SET_TBF_BURST, DEV_SET_TBF_LIMIT,
  DEV_SET_TBF_RATE, DEV_SET_TX_RING, DEV_SET_UP, NETIF_F_GSO_UDP_L4, NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO,
} from "../abi/dev";
import { EINVAL, ENFILE, ENODEV, EOPNOTSUPP } from "../abi/errno";
import { S_FORWARDING, S_LO_TABLE, S_NS_COUNT } from "../lib/state";
import { MAX_NS, NetDevice, devByIndex } from "../net/dev";
import { ipInit } from "../net/ip_input";
import { RTN_UNICAST, fibAdd, fibDelDefault, routeAddAddr, routeFlushCache } from "../net/route";
import { ifbCreate } from "./ifb";
import { loopbackCreate } from "./loopback";
import { nicCreate, nicSetTxRing } from "./nic";
import { tbfChange } from "./tbf";
import { vethCreate, vethPair, vethUpdateCarrier } from "./veth";

const TBF_LIMIT_DEFAULT: u32 = 100000;
const MTU_MIN: u32 = 68; // RFC 791 3.2
const MTU_MAX: u32 = 65536;

/** Installs IPv4 input. Call once at boot, before the first namespace. */
export function driversInit(): void { ipInit(); }

/** A namespace with its lo, up, 127.0.0.1/8: its number, or -errno. The first is namespace 0. */
export function netNsCreate(): i32 {
  const ns = load<u32>(S_NS_COUNT);
  if (ns == MAX_NS) return -ENFILE;
  const lo = loopbackCreate(ns);
  if (!lo) return -ENFILE;
  store<u32>(S_NS_COUNT, ns + 1);
  store<u32>(S_LO_TABLE + (ns << 2), changetype<usize>(lo) as u32);
  const err = routeAddAddr(lo, lo, 0x7f000001, 8);
  return err ? err : ns;
}

@inline function nsLo(ns: u32): NetDevice { return changetype<NetDevice>(load<u32>(S_LO_TABLE + (ns << 2)) as usize); }

/** A device of DEV_KIND_*, up, without address: its index, or -errno. */
export function devCreate(kind: u32, ns: u32): i32 {
  if (ns >= load<u32>(S_NS_COUNT)) return -EINVAL;
  if (kind == DEV_KIND_LO) return nsLo(ns).index; // every namespace has exactly one
  if (kind != DEV_KIND_VETH && kind != DEV_KIND_IFB && kind != DEV_KIND_NIC) return -EINVAL;
  const dev = kind == DEV_KIND_VETH ? vethCreate(ns) : kind == DEV_KIND_IFB ? ifbCreate(ns) : nicCreate(ns);
  return dev ? dev.index : -ENFILE;
}

export function devSet(index: u32, what: u32, value: u32): i32 {
  const dev = devByIndex(index);
  if (!dev) return -ENODEV;
  switch (what) {
    case DEV_SET_MTU:
      if (value < MTU_MIN || value > MTU_MAX) return -EINVAL;
      dev.mtu = value;
      return 0;
    case DEV_SET_FEATURES:
      return setFeatures(dev, value);
    case DEV_SET_UP:
      return setUp(dev, value != 0);
    case DEV_SET_PEER:
      return vethPair(dev, devByIndex(value));
    case DEV_SET_TBF_RATE:
      tbfChange(dev, value, dev.tbf_burst, dev.tbf_limit ? dev.tbf_limit : TBF_LIMIT_DEFAULT);
      return 0;
    case DEV_SET_TBF_BURST:
      tbfChange(dev, dev.tbf_rate, value, dev.tbf_limit);
      return 0;
    case DEV_SET_TBF_LIMIT:
      tbfChange(dev, dev.tbf_rate, dev.tbf_burst, value);
      return 0;
    case DEV_SET_MAC_LO:
      dev.mac = 0x0002 | ((bswap<u32>(value) as u64) << 16);
      return 0;
    case DEV_SET_GATEWAY:
      dev.all_reachable = (value != 0) as u32;
      return 0;
    case DEV_SET_TX_RING:
      return nicSetTxRing(dev, value);
    case DEV_SET_FORWARDING: {
      const bit: u32 = 1 << dev.ns, mask = load<u32>(S_FORWARDING);
      store<u32>(S_FORWARDING, value ? mask | bit : mask & ~bit);
      return 0;
    }
    default:
      return -EINVAL;
  }
}

/** netdev_fix_features(): gathering makes no sense without checksum offload, segmentation none without gathering. */
function setFeatures(dev: NetDevice, value: u32): i32 {
  if (dev.kind == DEV_KIND_LO) return (value & dev.features) == dev.features ? 0 : -EOPNOTSUPP;
  if (!(value & NETIF_F_HW_CSUM)) value &= ~NETIF_F_SG;
  if (!(value & NETIF_F_SG)) value &= ~(NETIF_F_TSO | NETIF_F_GSO_UDP_L4);
  dev.features = value;
  return 0;
}

function setUp(dev: NetDevice, up: bool): i32 {
  dev.up = up as u32;
  if (dev.kind == DEV_KIND_VETH) {
    vethUpdateCarrier(dev);
    if (dev.peer) vethUpdateCarrier(dev.peer);
  } else {
    dev.running = dev.up;
    dev.active = dev.up;
  }
  routeFlushCache();
  return 0;
}

export function devGet(index: u32, what: u32): i32 {
  const dev = devByIndex(index);
  if (!dev) return -ENODEV;
  switch (what) {
    case DEV_SET_MTU: return dev.mtu;
    case DEV_SET_FEATURES: return dev.features;
    case DEV_SET_UP: return dev.up;
    case DEV_SET_PEER: return dev.peer ? dev.peer.index : 0;
    case DEV_SET_TBF_RATE: return dev.tbf_rate;
    case DEV_SET_TBF_BURST: return dev.tbf_burst;
    case DEV_SET_TBF_LIMIT: return dev.tbf_limit;
    case DEV_SET_MAC_LO: return bswap<u32>((dev.mac >> 16) as u32);
    case DEV_SET_GATEWAY: return dev.all_reachable;
    case DEV_SET_TX_RING: return dev.tx_ring;
    case DEV_GET_TX_PACKETS: return dev.tx_packets;
    case DEV_GET_TX_DROPPED: return dev.tx_dropped;
    case DEV_GET_RX_PACKETS: return dev.rx_packets;
    case DEV_GET_NS: return dev.ns;
    default: return -EINVAL;
  }
}

/** `ip addr add`: address in host order. */
export function devAddrAdd(index: u32, addr: u32, prefixLen: u32): i32 {
  const dev = devByIndex(index);
  return dev ? routeAddAddr(dev, nsLo(dev.ns), addr, prefixLen) : -ENODEV;
}

/** `ip route replace default via gateway dev`. */
export function devDefaultRoute(index: u32, gateway: u32): i32 {
  const dev = devByIndex(index);
  if (!dev) return -ENODEV;
  fibDelDefault(dev);
  return fibAdd(dev.ns, RTN_UNICAST, 0, 0, dev, dev, gateway, dev.addr);
}
