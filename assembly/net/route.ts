// IPv4 routes: one list for all namespaces, best match first. What `ip addr add` and `ip route add` put in.
//
//   local      an address of the namespace: delivered through its lo
//   broadcast  the last address of a connected subnet
//   unicast    a connected subnet, or the default route with its gateway
//
// The list is kept in order of precedence (local table, then longer prefixes), so the first match is the route.
// S_ROUTE_GEN counts changes: a socket that keeps its route looks again when it has moved.
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { SMALL_SIZE } from "../abi/layout";
import { EACCES, EINVAL, ENETUNREACH, ENOMEM } from "../abi/errno";
import { INADDR_LOOPBACK } from "../abi/socket";
import { S_ROUTE_GEN, S_ROUTE_LIST, nil } from "../lib/state";
import { NetDevice } from "./dev";

export const RTN_UNICAST: u32 = 1;
export const RTN_LOCAL: u32 = 2;
export const RTN_BROADCAST: u32 = 3;

@unmanaged @final export class FibEntry {
  pad: u32;
  next: FibEntry;
  ns: u32;
  type: u32; // RTN_*
  dest: u32; // host order
  mask: u32;
  dev: NetDevice; // device that the entry came with
  out: NetDevice; // device that packets leave by
  gateway: u32; // 0 = the destination is on the link
  src: u32; // source address for who has none
}
if (offsetof<FibEntry>() > SMALL_SIZE) ERROR("FibEntry does not fit its pool");

@inline function head(): FibEntry { return changetype<FibEntry>(load<u32>(S_ROUTE_LIST) as usize); }
@inline export function prefixMask(len: u32): u32 { return len == 0 ? 0 : u32.MAX_VALUE << (32 - len); }
@inline export function routeGen(): u32 { return load<u32>(S_ROUTE_GEN); }
/** Makes every cached route be looked up again. */
export function routeFlushCache(): void { store<u32>(S_ROUTE_GEN, load<u32>(S_ROUTE_GEN) + 1); }

@inline function rank(e: FibEntry): u64 { return ((e.type == RTN_UNICAST ? 0 : 1) as u64) << 32 | (e.mask as u64); }

export function fibAdd(ns: u32, type: u32, dest: u32, mask: u32, dev: NetDevice, out: NetDevice, gateway: u32, src: u32): i32 {
  const e = changetype<FibEntry>(poolAlloc(POOL_SMALL));
  if (!e) return -ENOMEM;
  e.ns = ns;
  e.type = type;
  e.dest = dest & mask;
  e.mask = mask;
  e.dev = dev;
  e.out = out;
  e.gateway = gateway;
  e.src = src;
  let prev = nil<FibEntry>(), at = head();
  while (at && rank(at) >= rank(e)) {
    prev = at;
    at = at.next;
  }
  e.next = at;
  if (prev) prev.next = e;
  else store<u32>(S_ROUTE_LIST, changetype<usize>(e) as u32);
  routeFlushCache();
  return 0;
}

/** Removes the default routes through `dev`. */
export function fibDelDefault(dev: NetDevice): void {
  let prev = nil<FibEntry>(), e = head();
  while (e) {
    const next = e.next;
    if (e.dev == dev && e.mask == 0) {
      if (prev) prev.next = next;
      else store<u32>(S_ROUTE_LIST, changetype<usize>(next) as u32);
      poolFree(POOL_SMALL, changetype<usize>(e));
    } else {
      prev = e;
    }
    e = next;
  }
  routeFlushCache();
}

/** Entries of all namespaces. */
export function fibCount(): u32 {
  let count: u32 = 0;
  for (let e = head(); e; e = e.next) count++;
  return count;
}

/** The route to `daddr` (through device `oif` if that is not 0), or nil. */
export function fibLookup(ns: u32, daddr: u32, oif: u32): FibEntry {
  for (let e = head(); e; e = e.next) {
    if (e.ns != ns || (daddr & e.mask) != e.dest) continue;
    if (oif && e.dev.index != oif && e.out.index != oif) continue;
    if (e.type != RTN_LOCAL && !e.dev.up) continue;
    return e;
  }
  return nil<FibEntry>();
}

/** Is `addr` an address of the namespace? */
export function isLocalAddr(ns: u32, addr: u32): bool {
  for (let e = head(); e; e = e.next) {
    if (e.type != RTN_LOCAL) continue;
    if (e.ns == ns && (addr & e.mask) == e.dest) return true;
  }
  return false;
}

/** Is `addr` for everybody on the link of `dev`: 255.255.255.255, or the last address of its subnet? */
export function isLinkBroadcast(dev: NetDevice, addr: u32): bool {
  return addr == u32.MAX_VALUE || (dev.prefix_len > 0 && dev.prefix_len < 31 && addr == (dev.addr | ~prefixMask(dev.prefix_len)));
}

/** Linux takes the unspecified destination for the sender itself. */
@inline export function fixUnspecified(saddr: u32, daddr: u32): u32 {
  return daddr ? daddr : saddr ? saddr : INADDR_LOOPBACK;
}

/** Output device for `daddr`, nil = ENETUNREACH. `saddr` 0 = not chosen yet. */
export function routeOutput(netns: u32, saddr: u32, daddr: u32): NetDevice {
  const e = fibLookup(netns, fixUnspecified(saddr, daddr), 0);
  return e ? e.out : nil<NetDevice>();
}

/** Source address that a packet to `daddr` gets when its socket has none; 0 when there is no route. */
export function routeSource(netns: u32, daddr: u32): u32 {
  const e = fibLookup(netns, fixUnspecified(0, daddr), 0);
  return e ? e.src : 0;
}

/** Largest IPv4 packet that the device takes. IPv4 itself ends at 65535, whatever the MTU of lo says. */
@inline export function routeMtu(dev: NetDevice): u32 { return dev.mtu < 65535 ? dev.mtu : 65535; }

/** The errno of a lookup from `saddr` (0 = not chosen yet) for a socket that may (`broadcast`) send to broadcast addresses. */
@inline export function routeErrno(e: FibEntry, saddr: u32, broadcast: bool): i32 {
  if (!e) return -ENETUNREACH;
  if (isLoopback(saddr) && !e.out.loopback) return -EINVAL; // such an address never leaves the host
  return e.type == RTN_BROADCAST && !broadcast ? -EACCES : 0;
}
@inline function isLoopback(addr: u32): bool { return addr >> 24 == 127; }

/** `ip addr add`: the address, its subnet and the subnet's broadcast address. `lo`: the namespace's loopback device. */
export function routeAddAddr(dev: NetDevice, lo: NetDevice, addr: u32, prefixLen: u32): i32 {
  if (prefixLen > 32 || !addr) return -EINVAL;
  const mask = prefixMask(prefixLen);
  if (!dev.addr) {
    dev.addr = addr;
    dev.prefix_len = prefixLen;
  }
  // Every address of the loopback subnet is local.
  const host = dev.loopback ? mask : u32.MAX_VALUE;
  let err = fibAdd(dev.ns, RTN_LOCAL, addr, host, dev, lo, 0, addr);
  if (err || dev.loopback || prefixLen == 32) return err;
  if (prefixLen < 31) {
    err = fibAdd(dev.ns, RTN_BROADCAST, addr | ~mask, u32.MAX_VALUE, dev, dev, 0, addr);
    if (err) return err;
  }
  return fibAdd(dev.ns, RTN_UNICAST, addr, mask, dev, dev, 0, addr);
}
