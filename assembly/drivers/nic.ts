// The driver of the simulated NIC. It posts descriptors that point straight at the bytes of an skb, the user's pages
// included, rings the doorbell, and frees the skb when the NIC says that it has read them: until then a program that
// reuses its buffer changes what goes over the wire. Rings and hand-over: abi/nic.ts.
//
//   chunk 0: block header | TX descriptors | skb of each frame's last descriptor      chunks 1..: RX slots
//
// The NIC is not trusted with memory: counters that it writes are checked, its cookies are not used.
import { CHUNK_SIZE } from "../abi/layout";
import { DEV_KIND_NIC, NETIF_F_FRAGLIST, NETIF_F_HIGHDMA, NETIF_F_HW_CSUM, NETIF_F_SG } from "../abi/dev";
import {
  NIC_DOORBELL, NIC_RX_CSUM_OK, NIC_RX_ENTRIES, NIC_RX_HEAD, NIC_RX_RING, NIC_RX_SLOT_SIZE, NIC_RX_SPACE, NIC_RX_TAIL, NIC_TIMER, NIC_TXD_ADDR,
  NIC_TXD_COOKIE, NIC_TXD_CSUM, NIC_TXD_EOP, NIC_TXD_FLAGS, NIC_TXD_GSO_SIZE, NIC_TXD_LEN, NIC_TXD_SIZE, NIC_TXD_USER, NIC_TX_DONE,
  NIC_TX_ENTRIES, NIC_TX_HEAD, NIC_TX_RING, NIC_BLOCK_SIZE,
} from "../abi/nic";
import { EBUSY, EINVAL, EOPNOTSUPP } from "../abi/errno";
import { ETH_P_IP } from "../abi/socket";
import { REF_TX_DONE, TR_NIC_RX, TR_NIC_TX, TR_NIC_TX_DONE, TRACE_NET } from "../abi/trace";
import { csumFold } from "../lib/csum";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { S_CHUNK_FREE, nowNs } from "../lib/state";
import { trace } from "../lib/trace";
import { Timer, timerArm, timerFree, timerNew } from "../lib/timer";
import { localBhDisable, localBhEnable } from "../kernel/sched";
import { chunkAlloc, isUserPage, pageFragRefill, pageFragTake, putPage } from "../mm/page";
import { checksumField, pseudoSum } from "../net/checksum";
import { ETH_HLEN, NEIGH_TABLE, NetDevice, devAlloc, devDrop, devQueue, netifRx, traceQueued } from "../net/dev";
import {
  CHECKSUM_NONE, CHECKSUM_PARTIAL, CHECKSUM_UNNECESSARY, SKB_OVERHEAD, SkBuff, allocSkb, fragAddr, fragSize, kfreeSkb, skbCopyBits, skbFillPage,
  skbHeadlen, skbPush, skbUnclone,
} from "../net/skbuff";
import { isLinkBroadcast } from "../net/route";
import { skbTxTimestamp } from "../net/tx_timestamp";
import { skbDequeue, skbQueueTail } from "../net/skb_queue";

@external("env", "nic") declare function envNic(dev: u32, what: u32, arg: u32): void;

/** Room for descriptors; the ring in use may be smaller. One frame takes up to 18, so 32 is the least that makes sense. */
const TX_ENTRIES_MIN: u32 = 32;
const TX_ENTRIES_MAX: u32 = 256;
const TX_RING: u32 = NIC_BLOCK_SIZE;
const TX_SKBS: u32 = TX_RING + TX_ENTRIES_MAX * NIC_TXD_SIZE; // u32 skb per descriptor, ours alone
const TX_CLEAN: u32 = TX_SKBS + TX_ENTRIES_MAX * 4; // u32: descriptors cleaned, ours alone
const RX_CHUNKS: u32 = 8;
const RX_HEADER: u32 = 8; // u32 length, u32 flags
/** txqueuelen: frames that wait for room in the ring. */
const TX_QUEUE_LEN: u32 = 1000;
/** Bytes of a received frame that become linear: all headers that IPv4 and TCP can have. */
const RX_LINEAR: u32 = 128;

export function nicCreate(ns: u32): NetDevice {
  const dev = devAlloc(DEV_KIND_NIC, ns);
  if (!dev) return dev;
  dev.features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA;
  dev.neigh_mode = NEIGH_TABLE;
  dev.tx_ring = TX_ENTRIES_MAX;
  dev.xmit = nicXmit.index;
  return dev;
}

/** `ethtool -G tx`. Positions in the ring change their place, so it has to be idle (-EBUSY). */
export function nicSetTxRing(dev: NetDevice, entries: u32): i32 {
  if (dev.kind != DEV_KIND_NIC) return -EOPNOTSUPP;
  if (entries < TX_ENTRIES_MIN || entries > TX_ENTRIES_MAX || entries & (entries - 1)) return -EINVAL;
  const block = dev.priv;
  if (block && (load<u32>(block, NIC_TX_HEAD) != load<u32>(block + TX_CLEAN) || devQueue(dev).qlen)) return -EBUSY;
  dev.tx_ring = entries;
  if (block) store<u32>(block, entries, NIC_TX_ENTRIES);
  return 0;
}

/** The MAC address of `addr` on a simulated wire: locally administered, with the address in it. Bytes in memory order. */
@inline export function nicMac(addr: u32): u64 { return 0x0002 | ((bswap<u32>(addr) as u64) << 16); }
@inline function ownMac(dev: NetDevice): u64 { return dev.mac ? dev.mac : nicMac(dev.addr); }

/** Address of the ring block. Lays it out on the first call: the MTU is to be set before. 0 = no memory. */
export function nicRings(dev: NetDevice): u32 {
  if (dev.priv) return dev.priv as u32;
  const block = chunkAlloc();
  if (!block) return 0;
  const slots = rxChunks();
  if (!slots) return 0;
  memory.fill(block, 0, CHUNK_SIZE);
  const slot = (RX_HEADER + ETH_HLEN + dev.mtu + 63) & ~63;
  let entries: u32 = 1;
  while (entries * 2 * slot <= RX_CHUNKS * CHUNK_SIZE) entries <<= 1;
  store<u32>(block, dev.tx_ring, NIC_TX_ENTRIES);
  store<u32>(block, block as u32 + TX_RING, NIC_TX_RING);
  store<u32>(block, entries, NIC_RX_ENTRIES);
  store<u32>(block, slots as u32, NIC_RX_RING);
  store<u32>(block, slot, NIC_RX_SLOT_SIZE);
  dev.priv = block;
  return block as u32;
}

/** Chunks that the device has for its rings, for good. */
@inline export function nicChunks(dev: NetDevice): u32 { return dev.kind == DEV_KIND_NIC && dev.priv ? RX_CHUNKS + 1 : 0; }

/** RX_CHUNKS chunks in a row: from the untouched end of the region, as freed ones lie anywhere. */
function rxChunks(): usize {
  const free = load<u32>(S_CHUNK_FREE);
  store<u32>(S_CHUNK_FREE, 0);
  const first = chunkAlloc();
  let last = first;
  for (let i: u32 = 1; last && i < RX_CHUNKS; i++) last = chunkAlloc();
  store<u32>(S_CHUNK_FREE, free);
  return last ? first : 0;
}

// Transmit --------------------------------------------------------------------------------------------------------

/** ndo_start_xmit(): queues behind frames that already wait for the ring. */
function nicXmit(skb: SkBuff, dev: NetDevice): void {
  if (!nicRings(dev)) {
    devDrop(skb, dev);
    return;
  }
  const q = devQueue(dev);
  if (q.qlen >= TX_QUEUE_LEN) {
    devDrop(skb, dev);
    return;
  }
  if (q.qlen || !nicPost(skb, dev)) {
    traceQueued(skb, dev);
    skbQueueTail(q, skb);
  }
}

@inline function txdAt(dev: NetDevice, i: u32): usize { return dev.priv + TX_RING + (i & (dev.tx_ring - 1)) * NIC_TXD_SIZE; }
@inline function txSkbAt(dev: NetDevice, i: u32): usize { return dev.priv + TX_SKBS + ((i & (dev.tx_ring - 1)) << 2); }
/** Descriptors that can be posted. */
@inline function txRoom(dev: NetDevice): u32 {
  return dev.tx_ring - (load<u32>(dev.priv, NIC_TX_HEAD) - load<u32>(dev.priv + TX_CLEAN));
}

/** Posts one frame; false when the ring has no room for it. */
function nicPost(skb: SkBuff, dev: NetDevice): bool {
  const block = dev.priv, head = load<u32>(block, NIC_TX_HEAD);
  let sh = skb.shinfo;
  if (txRoom(dev) < sh.nr_frags + 1) return false;
  const frame = skb.len + ETH_HLEN;
  skbTxTimestamp(skb);
  if (!(dev.features & NETIF_F_SG) && sh.nr_frags) {
    pushEthernet(skb, dev);
    if (!gather(skb)) {
      devDrop(skb, dev);
      return true;
    }
    sh = skb.shinfo;
  } else {
    pushEthernet(skb, dev);
  }
  let flags: u32 = 0;
  if (skb.ip_summed == CHECKSUM_PARTIAL) {
    flags = NIC_TXD_CSUM;
    // What the hardware adds to: the sum of the pseudo-header, not complemented.
    const field = checksumField(skb);
    skb.data += ETH_HLEN;
    skb.len -= ETH_HLEN;
    if (field) store<u16>(field, (csumFold(pseudoSum(skb)) ^ 0xffff) as u16);
    skb.data -= ETH_HLEN;
    skb.len += ETH_HLEN;
  }
  let at = head;
  const linear = skbHeadlen(skb);
  if (linear) post(dev, at++, skb.data, linear, flags, sh.gso_size);
  for (let i: u32 = 0; i < sh.nr_frags; i++) {
    const addr = fragAddr(sh, i);
    post(dev, at++, addr, fragSize(sh, i), flags | (isUserPage(addr) ? NIC_TXD_USER : 0), at == head ? sh.gso_size : 0);
  }
  const last = txdAt(dev, at - 1);
  store<u16>(last, (load<u16>(last, NIC_TXD_FLAGS) | (NIC_TXD_EOP as u16)) as u16, NIC_TXD_FLAGS);
  store<u32>(last, changetype<usize>(skb) as u32, NIC_TXD_COOKIE);
  store<u32>(txSkbAt(dev, at - 1), changetype<usize>(skb) as u32);
  store<u32>(block, at, NIC_TX_HEAD);
  trace(TRACE_NET, TR_NIC_TX, changetype<usize>(skb), dev.index as u64, frame, 0);
  envNic(dev.index, NIC_DOORBELL, at);
  return true;
}

@inline function post(dev: NetDevice, i: u32, addr: usize, len: u32, flags: u32, gso: u32): void {
  const d = txdAt(dev, i);
  store<u32>(d, addr as u32, NIC_TXD_ADDR);
  store<u32>(d, len, NIC_TXD_LEN);
  store<u16>(d, flags as u16, NIC_TXD_FLAGS);
  store<u16>(d, gso as u16, NIC_TXD_GSO_SIZE);
  store<u32>(d, 0, NIC_TXD_COOKIE);
  store<u32>(txSkbAt(dev, i), 0);
}

function pushEthernet(skb: SkBuff, dev: NetDevice): void {
  const eth = skbPush(skb, ETH_HLEN), broadcast = isLinkBroadcast(dev, skb.dst_addr);
  const dst: u64 = broadcast ? 0xffffffffffff : nicMac(skb.dst_addr), src = ownMac(dev);
  store<u32>(eth, dst as u32);
  store<u16>(eth, (dst >> 32) as u16, 4);
  store<u32>(eth, src as u32, 6);
  store<u16>(eth, (src >> 32) as u16, 10);
  store<u16>(eth, bswap<u16>(ETH_P_IP as u16), 12);
}

/** A NIC without scatter-gather gets the frame in one piece. Its payload is kernel data here (net/gso.ts saw to that). */
function gather(skb: SkBuff): bool {
  if (skbUnclone(skb)) return false; // a stream, or a tap, keeps its own frags
  const len = skb.len, to = len <= CHUNK_SIZE ? pageFragRefill(len) : 0, sh = skb.shinfo;
  if (!to) return false;
  skbCopyBits(skb, 0, to, len);
  pageFragTake(len, true);
  for (let i: u32 = 0; i < sh.nr_frags; i++) putPage(fragAddr(sh, i));
  sh.nr_frags = 0;
  skbFillPage(sh, to, len);
  const delta = to - skb.data;
  skb.nh += delta;
  skb.th += delta;
  skb.data = to;
  skb.data_len = len;
  return true;
}

// Interrupt -------------------------------------------------------------------------------------------------------

/** The NIC has finished descriptors, or delivered frames. */
export function nicIrq(dev: NetDevice): void {
  if (!dev.priv) return;
  localBhDisable();
  cleanTx(dev);
  receive(dev);
  localBhEnable();
}

function cleanTx(dev: NetDevice): void {
  const block = dev.priv, done = load<u32>(block, NIC_TX_DONE);
  let clean = load<u32>(block + TX_CLEAN);
  if (done - clean > load<u32>(block, NIC_TX_HEAD) - clean) return; // more than was posted: not believed
  while (clean != done) {
    const slot = txSkbAt(dev, clean), skb = changetype<SkBuff>(load<u32>(slot) as usize);
    clean++;
    store<u32>(block + TX_CLEAN, clean);
    if (!skb) continue;
    store<u32>(slot, 0);
    trace(TRACE_NET, TR_NIC_TX_DONE, changetype<usize>(skb), dev.index as u64, skb.len, 0);
    kfreeSkb(skb, REF_TX_DONE);
  }
  const q = devQueue(dev);
  while (q.qlen) {
    const skb = q.first;
    if (txRoom(dev) < skb.shinfo.nr_frags + 1) return;
    skbDequeue(q);
    nicPost(skb, dev);
  }
}

function receive(dev: NetDevice): void {
  const block = dev.priv, entries = load<u32>(block, NIC_RX_ENTRIES), slotSize = load<u32>(block, NIC_RX_SLOT_SIZE);
  const head = load<u32>(block, NIC_RX_HEAD);
  let tail = load<u32>(block, NIC_RX_TAIL);
  if (head == tail || head - tail > entries) return;
  while (tail != head) {
    const slot = (load<u32>(block, NIC_RX_RING) + (tail & (entries - 1)) * slotSize) as usize;
    const len = load<u32>(slot), flags = load<u32>(slot, 4);
    tail++;
    trace(TRACE_NET, TR_NIC_RX, 0, dev.index as u64, len, flags);
    if (len <= slotSize - RX_HEADER && dev.running) receiveFrame(dev, slot + RX_HEADER, len, flags);
  }
  store<u32>(block, tail, NIC_RX_TAIL);
  envNic(dev.index, NIC_RX_SPACE, tail);
}

/** Copies a frame out of its slot, which the NIC may fill again. Frames that are not IPv4 or not for us are ignored. */
function receiveFrame(dev: NetDevice, eth: usize, len: u32, flags: u32): void {
  if (len < ETH_HLEN + 20 || load<u16>(eth, 12) != bswap<u16>(ETH_P_IP as u16)) return;
  const dst = load<u64>(eth) & 0xffffffffffff;
  if (!(dst & 1) && dst != ownMac(dev) && dst != nicMac(dev.addr)) return;
  len -= ETH_HLEN;
  const packet = eth + ETH_HLEN, linear = len < RX_LINEAR ? len : RX_LINEAR, rest = len - linear;
  const skb = allocSkb(0, SKB_OVERHEAD + len);
  if (!skb) return;
  memory.copy(skb.data, packet, linear);
  skb.nh = skb.data; // for the trace; input sets it again
  skb.len = linear;
  let done: u32 = 0;
  while (done < rest) {
    const want = rest - done < CHUNK_SIZE ? rest - done : CHUNK_SIZE, to = pageFragRefill(want);
    if (!to) {
      devDrop(skb, dev);
      return;
    }
    memory.copy(to, packet + ((linear + done) as usize), want);
    pageFragTake(want, true);
    skbFillPage(skb.shinfo, to, want);
    skb.len += want;
    skb.data_len += want;
    done += want;
  }
  skb.ip_summed = flags & NIC_RX_CSUM_OK ? CHECKSUM_UNNECESSARY : CHECKSUM_NONE;
  netifRx(skb, dev);
}

// Timers for the NIC ----------------------------------------------------------------------------------------------

@unmanaged @final class NicTimer {
  pad: u32;
  dev: u32;
  cookie: u32;
  timer: Timer;
}

/** Calls env.nic(dev, NIC_TIMER, cookie) after `ns` of virtual time. */
export function nicTimer(dev: NetDevice, ns: u64, cookie: u32): void {
  const t = changetype<NicTimer>(poolAlloc(POOL_SMALL));
  if (!t) return;
  t.dev = dev.index;
  t.cookie = cookie;
  t.timer = timerNew(nicTimerFired.index, changetype<usize>(t));
  timerArm(t.timer, nowNs() + ns);
}

function nicTimerFired(arg: usize): void {
  const t = changetype<NicTimer>(arg), dev = t.dev, cookie = t.cookie;
  timerFree(t.timer);
  poolFree(POOL_SMALL, arg);
  envNic(dev, NIC_TIMER, cookie);
}
