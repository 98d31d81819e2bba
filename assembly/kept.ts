// What a machine makes at its first need and keeps for good: no leak, and the reason why a machine that has come to rest holds
// more than one that has only booted.
import { KEPT_CHUNKS, KEPT_SMALL, KEPT_TIMERS } from "./abi/counters";
import { S_DEV_COUNT, S_IOWQ_TIMER, S_PFRAG_CHUNK } from "./lib/state";
import { nicChunks } from "./drivers/nic";
import { devByIndex } from "./net/dev";
import { icmpPeers } from "./net/icmp";
import { neighCount } from "./net/neigh";
import { fibCount } from "./net/route";

/** How many objects of kind KEPT_*. */
export function keptObjects(kind: u32): u32 {
  switch (kind) {
    case KEPT_TIMERS: return (load<u32>(S_IOWQ_TIMER) ? 1 : 0) + overDevices(kind);
    case KEPT_SMALL: return icmpPeers() + fibCount() + overDevices(kind);
    case KEPT_CHUNKS: return (load<u32>(S_PFRAG_CHUNK) ? 1 : 0) + overDevices(kind); // page fragments are being cut from one
    default: return 0;
  }
}

/** The timers of token buckets, the neighbours that were asked for, the rings of NICs. */
function overDevices(kind: u32): u32 {
  let n: u32 = 0;
  for (let i: u32 = 1; i <= load<u32>(S_DEV_COUNT); i++) {
    const dev = devByIndex(i);
    if (!dev) continue;
    if (kind == KEPT_TIMERS) n += dev.tbf_timer ? 1 : 0;
    else n += kind == KEPT_SMALL ? neighCount(dev) : nicChunks(dev);
  }
  return n;
}
