// Software time stamps of transmissions (SO_TIMESTAMPING): a driver that can tell calls skbTxTimestamp() with each frame it is
// given, and the sender finds a record in its error queue, with the frame or, if it wants the time alone, without. The record
// is a copy: what it shows is the user's pages, and an error queue must not hold those. man: the kernel's timestamping guide.
import {
  SO_EE_ORIGIN_TIMESTAMPING, SOF_TIMESTAMPING_OPT_TSONLY, SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_TX_SOFTWARE,
} from "../abi/socket";
import { EINVAL, ENOMSG } from "../abi/errno";
import { COPY_TIMESTAMP, REF_DROPPED } from "../abi/trace";
import { nowNs } from "../lib/state";
import { pageFragRefill, pageFragTake } from "../mm/page";
import { CLOCK_REALTIME_START } from "../kernel/sched";
import { sockErrInit, sockQueueErr } from "./errqueue";
import { ETH_HLEN } from "./dev";
import { SkBuff, allocSkb, kfreeSkb, skbClone, skbCopyBits, skbFillPage, skbOrphanFragsRx } from "./skbuff";
import { SKB_TRUESIZE_MIN, Sock } from "./sock";

/** SkBuff.mark: its sender wants to know when it leaves. */
export const SKB_MARK_TX_SOFTWARE: u32 = 1;
/** All flags of 6.18. */
export const SOF_TIMESTAMPING_MASK: u32 = 0x7ffff;
/** Those that are modelled. */
export const SOF_TIMESTAMPING_HERE: u32 = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;

/** For a datagram that `sk` is about to send. */
@inline export function markTimestamp(skb: SkBuff, sk: Sock): void {
  if (sk.tsflags & SOF_TIMESTAMPING_TX_SOFTWARE) skb.mark |= SKB_MARK_TX_SOFTWARE;
}

/** skb_tx_timestamp() */
@inline export function skbTxTimestamp(skb: SkBuff): void { if (skb.mark & SKB_MARK_TX_SOFTWARE && skb.sk) stamp(skb, changetype<Sock>(skb.sk)); }

function stamp(skb: SkBuff, sk: Sock): void {
  const record = allocSkb(0, SKB_TRUESIZE_MIN);
  if (!record) return;
  if (!(sk.tsflags & SOF_TIMESTAMPING_OPT_TSONLY) && !copyFrame(record, skb)) {
    kfreeSkb(record, REF_DROPPED);
    return;
  }
  sockErrInit(record, ENOMSG, SO_EE_ORIGIN_TIMESTAMPING, 0, 0, 0, 0);
  record.tstamp = sk.tsflags & SOF_TIMESTAMPING_SOFTWARE ? CLOCK_REALTIME_START + nowNs() : 0;
  sockQueueErr(sk, record);
}

/** The frame as the device has it, by way of a clone that lets go of the user's pages. */
function copyFrame(record: SkBuff, skb: SkBuff): bool {
  const clone = skbClone(skb);
  if (!clone) return false;
  const n = skb.len + ETH_HLEN, to = skbOrphanFragsRx(clone, COPY_TIMESTAMP) ? 0 : pageFragRefill(n);
  if (to) {
    memory.fill(to, 0, ETH_HLEN); // no addresses: devices here have none of Ethernet's
    store<u16>(to, 8, 12);
    skbCopyBits(clone, 0, to + (ETH_HLEN as usize), skb.len);
    pageFragTake(n, true);
    skbFillPage(record.shinfo, to, n);
    record.len = n;
    record.data_len = n;
  }
  kfreeSkb(clone, REF_DROPPED);
  return to != 0;
}

/** SO_TIMESTAMPING: 0, -EINVAL, or 1 for what is not modelled. */
export function setTimestamping(sk: Sock, flags: u32): i32 {
  if (flags & ~SOF_TIMESTAMPING_MASK) return -EINVAL;
  if (flags & ~SOF_TIMESTAMPING_HERE) return 1;
  sk.tsflags = flags;
  return 0;
}
