// qdisc tbf: a token bucket. Tokens are time: sending a frame of n bytes costs n/rate seconds, the bucket holds
// burst/rate seconds and fills by itself. Frames that find it too empty wait in a queue of `limit` bytes, which is how a
// device behind it looks like a slow one.
//
// Lengths count the Ethernet header. man: tc-tbf(8).
import { nil, nowNs } from "../lib/state";
import { Timer, timerArm, timerArmed, timerCancel, timerFree, timerNew } from "../lib/timer";
import { ETH_HLEN, NetDevice, devDrop, devHardStartXmit, devQueue, traceQueued } from "../net/dev";
import { gsoSegs, headerLen, skbSegment } from "../net/gso";
import { SkBuff } from "../net/skbuff";
import { skbDequeue, skbQueueTail } from "../net/skb_queue";

const SEC: u64 = 1000000000;

/** Sets the parameters of `dev`'s tbf; rate 0 takes it away (noqueue), which drops what waits. */
export function tbfChange(dev: NetDevice, rate: u32, burst: u32, limit: u32): void {
  dev.tbf_rate = rate;
  dev.tbf_burst = burst;
  dev.tbf_limit = limit;
  if (!rate) {
    dev.qdisc_enqueue = 0;
    timerFree(dev.tbf_timer);
    dev.tbf_timer = nil<Timer>();
    for (let skb = skbDequeue(devQueue(dev)); skb; skb = skbDequeue(devQueue(dev))) devDrop(skb, dev);
    dev.q_bytes = 0;
    return;
  }
  if (!dev.tbf_timer) dev.tbf_timer = timerNew(tbfTimer.index, changetype<usize>(dev));
  dev.qdisc_enqueue = tbfEnqueue.index;
  dev.tbf_tokens = bucketNs(dev) as i64; // a new bucket is full
  dev.tbf_time = nowNs();
}

@inline function costNs(dev: NetDevice, bytes: u32): u64 { return ((bytes as u64) * SEC) / (dev.tbf_rate as u64); }
@inline function bucketNs(dev: NetDevice): u64 { return costNs(dev, dev.tbf_burst); }

/** qdisc_pkt_len: bytes on the wire, for a GSO skb with the headers of all its segments. */
function wireLen(skb: SkBuff): u32 {
  const segs = gsoSegs(skb);
  return skb.len + ETH_HLEN + (segs > 1 ? (segs - 1) * (headerLen(skb) + ETH_HLEN) : 0);
}

function tbfEnqueue(skb: SkBuff, dev: NetDevice): void {
  const len = wireLen(skb);
  if (len > dev.tbf_burst) { // no bucket ever holds enough for it
    const gso = skb.shinfo.gso_size != 0 && skb.shinfo.gso_size + headerLen(skb) + ETH_HLEN <= dev.tbf_burst;
    let seg = gso ? skbSegment(skb) : nil<SkBuff>();
    if (!seg) {
      devDrop(skb, dev);
      return;
    }
    while (seg) {
      const next = seg.next;
      seg.next = nil<SkBuff>();
      tbfQueue(seg, dev, wireLen(seg));
      seg = next;
    }
  } else {
    tbfQueue(skb, dev, len);
  }
  tbfRun(dev);
}

function tbfQueue(skb: SkBuff, dev: NetDevice, len: u32): void {
  if (dev.q_bytes + len > dev.tbf_limit) {
    devDrop(skb, dev);
    return;
  }
  dev.q_bytes += len;
  traceQueued(skb, dev);
  skbQueueTail(devQueue(dev), skb);
}

/** Sends what the tokens pay for, and sleeps until the next frame's are there. */
function tbfRun(dev: NetDevice): void {
  const q = devQueue(dev);
  for (let skb = q.first; skb; skb = q.first) {
    const len = wireLen(skb), now = nowNs(), bucket = bucketNs(dev) as i64;
    let tokens = dev.tbf_tokens + ((now - dev.tbf_time) as i64);
    if (tokens > bucket) tokens = bucket;
    tokens -= costNs(dev, len) as i64;
    if (tokens < 0) {
      timerArm(dev.tbf_timer, now + ((-tokens) as u64));
      return;
    }
    dev.tbf_tokens = tokens;
    dev.tbf_time = now;
    skbDequeue(q);
    dev.q_bytes -= len;
    if (dev.running) devHardStartXmit(skb, dev);
    else devDrop(skb, dev);
  }
  if (timerArmed(dev.tbf_timer)) timerCancel(dev.tbf_timer);
}

function tbfTimer(arg: usize): void { tbfRun(changetype<NetDevice>(arg)); }
