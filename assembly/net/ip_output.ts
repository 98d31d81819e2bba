// IPv4 output: route, header, the fragment decision, and the way to the link.
import { EHOSTUNREACH } from "../abi/errno";
import { IPPROTO_TCP, IPPROTO_UDP } from "../abi/socket";
import { REF_DROPPED } from "../abi/trace";
import { NetDevice } from "./dev";
import { IP_DEFAULT_TTL, IP_DF, ipNextId, ipPushHeader } from "./ip";
import { SkBuff, kfreeSkb } from "./skbuff";
import { Sock } from "./sock";
import { fibLookup, fixUnspecified, routeGen } from "./route";
import { neighOutput } from "./neigh";
import { ipFragment } from "./ip_frag";

/** ip_finish_output(): a packet with its header to the link. Takes over the skb. */
export function ipFinishOutput(skb: SkBuff, dev: NetDevice, nexthop: u32): void {
  if (skb.len <= dev.mtu || skb.shinfo.gso_size) neighOutput(skb, dev, nexthop);
  else ipFragment(skb, dev, nexthop);
}

/**
 * ip_queue_xmit(): sends a segment of a connected stream; `data` is at the transport header. The route is the socket's
 * (route_dev), looked up again when routes have changed. 0, or -EHOSTUNREACH: the skb is gone.
 */
export function ipQueueXmit(sk: Sock, skb: SkBuff): i32 {
  let dev = changetype<NetDevice>(sk.route_dev), nexthop = sk.route_nexthop;
  if (!dev || sk.route_gen != routeGen()) {
    const e = fibLookup(sk.netns, fixUnspecified(sk.saddr, sk.daddr), sk.bound_dev);
    if (!e) {
      kfreeSkb(skb, REF_DROPPED);
      return -EHOSTUNREACH;
    }
    dev = e.out;
    nexthop = e.gateway ? e.gateway : sk.daddr;
    sk.route_dev = changetype<usize>(dev);
    sk.route_gen = routeGen();
    sk.route_nexthop = nexthop;
  }
  if (!skb.th) skb.th = skb.data;
  skb.src_addr = sk.saddr;
  ipPushHeader(skb, sk.saddr, sk.daddr, IPPROTO_TCP, sk.tos, sk.ttl ? sk.ttl : IP_DEFAULT_TTL, ipNextId(), IP_DF);
  ipFinishOutput(skb, dev, nexthop);
  return 0;
}

/**
 * Sends a packet that belongs to no socket (a reset, an ICMP message). `data` is at the transport header, `saddr` 0 = the
 * route's. 0, or -EHOSTUNREACH: the skb is gone.
 */
export function ipSendReply(netns: u32, saddr: u32, daddr: u32, skb: SkBuff, protocol: u32): i32 {
  const e = fibLookup(netns, daddr, 0);
  if (!e) {
    kfreeSkb(skb, REF_DROPPED);
    return -EHOSTUNREACH;
  }
  if (!saddr) saddr = e.src;
  if (!skb.th) skb.th = skb.data;
  skb.src_addr = saddr;
  ipPushHeader(skb, saddr, daddr, protocol, 0, IP_DEFAULT_TTL, ipNextId(), protocol == IPPROTO_UDP ? 0 : IP_DF);
  ipFinishOutput(skb, e.out, e.gateway ? e.gateway : daddr);
  return 0;
}
