// IPv4 input: is the packet sound, is it ours, which protocol takes it.
//
// Order matters for zero copy (spec send-zc.md 3.5): user pages are copied only once the route says "for us". A packet that
// is dropped before, or forwarded, goes as it came.
import { ETH_P_IP, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from "../abi/socket";
import { COPY_LOCAL_DELIVERY, REF_DROPPED } from "../abi/trace";
import { csumFold, csumPartial } from "../lib/csum";
import {
  S_FORWARDING, S_HOOK_IP_RCV, S_HOOK_LINK_FAILURE, S_HOOK_NET_RX, S_HOOK_TCP_RCV, S_HOOK_UDP_ERR, S_HOOK_UDP_RCV,
} from "../lib/state";
import { NetDevice, devDrop, netRxAction } from "./dev";
import { IP_DF, IP_HLEN, IP_MF, IP_OFFSET, ipDaddr, ipFixChecksum, ipFragOff, ipHeaderLen, ipProtocol, ipSaddr, ipTotLen, ipTtl } from "./ip";
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH, ICMP_PROT_UNREACH, ICMP_TIME_EXCEEDED, icmpRcv, icmpSend } from "./icmp";
import { fragFlatten, ipDefrag } from "./ip_frag";
import { ipFinishOutput } from "./ip_output";
import { RTN_BROADCAST, RTN_LOCAL, RTN_UNICAST, fibLookup, isLocalAddr } from "./route";
import { SkBuff, kfreeSkb, skbHeadlen, skbOrphan, skbOrphanFragsRx, skbPull, skbUnclone } from "./skbuff";
import { skbTrim } from "./skb_trim";
import { udpErr, udpRcv } from "./udp_input";

const LOOPBACK_NET: u32 = 127;

/** Installs the input side of IPv4. */
export function ipInit(): void {
  store<u32>(S_HOOK_NET_RX, netRxAction.index);
  store<u32>(S_HOOK_IP_RCV, ipRcv.index);
  store<u32>(S_HOOK_UDP_RCV, udpRcv.index);
  store<u32>(S_HOOK_UDP_ERR, udpErr.index);
  store<u32>(S_HOOK_LINK_FAILURE, linkFailure.index);
}

/** ipv4_link_failure(): the next hop does not answer; the packet's sender is told. */
function linkFailure(skb: SkBuff): void { icmpSend(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0); }

/** ip_rcv(): a packet from a device, `data` at the IPv4 header. Consumes it. */
function ipRcv(skb: SkBuff, dev: NetDevice): void {
  const iph = skb.data, ihl = ipHeaderLen(iph), head = skbHeadlen(skb);
  const tot = ipTotLen(iph);
  if (
    head < IP_HLEN || load<u8>(iph) >> 4 != 4 || ihl < IP_HLEN || head < ihl || csumFold(csumPartial(iph, ihl, 0)) != 0 ||
    (tot > skb.len || tot < ihl)
  ) {
    drop(skb, dev);
    return;
  }
  if (tot < skb.len) {
    if (skbUnclone(skb)) {
      drop(skb, dev);
      return;
    }
    skbTrim(skb, tot);
  }
  skbOrphan(skb); // the sender is not charged for what a receiver holds
  skb.cb3 = 0; // no followers (net/ip_frag.ts)
  skb.nh = skb.data;
  skb.th = skb.data + (ihl as usize);
  const saddr = ipSaddr(iph), daddr = ipDaddr(iph);
  skb.src_addr = saddr;
  skb.dst_addr = daddr;
  if (dev.loopback) {
    if (isLocalAddr(dev.ns, daddr)) ipLocalDeliver(skb, dev);
    else drop(skb, dev);
    return;
  }
  // Martians: addresses that cannot come from outside (RFC 1122 3.2.1.3, RFC 1812 5.3.7).
  if (saddr >> 24 == LOOPBACK_NET || daddr >> 24 == LOOPBACK_NET || saddr >> 28 == 14 || isLocalAddr(dev.ns, saddr)) {
    drop(skb, dev);
    return;
  }
  const route = fibLookup(dev.ns, daddr, 0);
  if (route && (route.type == RTN_LOCAL || route.type == RTN_BROADCAST)) {
    ipLocalDeliver(skb, dev);
    return;
  }
  if (!(load<u32>(S_FORWARDING) & (1 << dev.ns))) {
    drop(skb, dev);
    return;
  }
  if (!route || route.type != RTN_UNICAST) {
    icmpSend(skb, ICMP_DEST_UNREACH, 0, 0);
    drop(skb, dev);
    return;
  }
  ipForward(skb, dev, route.out, route.gateway ? route.gateway : daddr);
}

@inline function drop(skb: SkBuff, dev: NetDevice): void { devDrop(skb, dev); }

/** ip_forward(): to another link. User pages stay where they are. */
function ipForward(skb: SkBuff, dev: NetDevice, out: NetDevice, nexthop: u32): void {
  if (ipTtl(skb.nh) <= 1) {
    icmpSend(skb, ICMP_TIME_EXCEEDED, 0, 0);
    drop(skb, dev);
    return;
  }
  if (skb.len > out.mtu && !skb.shinfo.gso_size && ipFragOff(skb.nh) & IP_DF) {
    icmpSend(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, out.mtu);
    drop(skb, dev);
    return;
  }
  if (skbUnclone(skb)) { // the header changes; other clones keep theirs
    drop(skb, dev);
    return;
  }
  store<u8>(skb.nh, (ipTtl(skb.nh) - 1) as u8, 8);
  ipFixChecksum(skb.nh);
  ipFinishOutput(skb, out, nexthop);
}

/** ip_local_deliver(): the packet is for this namespace. */
function ipLocalDeliver(skb: SkBuff, dev: NetDevice): void {
  const iph = skb.nh;
  if (ipFragOff(iph) & (IP_MF | IP_OFFSET)) {
    skb = ipDefrag(skb, dev.ns, ipSaddr(iph), ipDaddr(iph));
    if (!skb) return;
  }
  if (skbOrphanFragsRx(skb, COPY_LOCAL_DELIVERY)) {
    drop(skb, dev);
    return;
  }
  const protocol = ipProtocol(skb.nh);
  if (skb.cb3 && protocol != IPPROTO_UDP && !fragFlatten(skb)) {
    drop(skb, dev);
    return;
  }
  skbPull(skb, (skb.th - skb.nh) as u32);
  if (protocol == IPPROTO_UDP) {
    udpRcv(skb);
  } else if (protocol == IPPROTO_TCP) {
    const hook = load<u32>(S_HOOK_TCP_RCV);
    if (hook) call_indirect<void>(hook, skb);
    else drop(skb, dev);
  } else if (protocol == IPPROTO_ICMP) {
    icmpRcv(skb);
  } else {
    icmpSend(skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
    kfreeSkb(skb, REF_DROPPED);
  }
}
if (ETH_P_IP != 0x800) ERROR("the input queue carries IPv4 only");
