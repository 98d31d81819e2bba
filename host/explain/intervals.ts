// The owners of a buffer as intervals without gaps. Each record may change who owns a buffer; an interval ends with the
// record that changed it, and what the record means is why it ended.
import * as trace from "../../assembly/abi/trace.ts";
import type { TraceRecord } from "../trace/decode.ts";
import { refShort } from "../trace/words.ts";
import type { Holder, Life, Moment } from "./life.ts";
import { holdersOf } from "./owners.ts";
import type { Interval, Owner } from "./shape.ts";

/** Others who hold a buffer since a moment. They count when they held it for a while. */
interface Others {
  owners: Owner[];
  since: bigint;
}

export class Intervals {
  readonly #others = new Map<Life, Others>();

  /** `because`: why the owner changed, where no record says so. */
  update(lives: readonly Life[], at: Moment, because: string, record?: TraceRecord): void {
    for (const life of lives) {
      if (life.memory.length === 0) continue;
      const last = life.intervals.at(-1);
      // Nothing happens any more to a buffer that is the application's again.
      if (last?.owner === "application" && last.to_ns === null) continue;
      if (last === undefined) this.#begin(life);
      const [holder, ...others] = holdersOf(life);
      this.#change(life, holder, at, because === "" ? reasonOf(holder, record) : because);
      this.#others.set(life, { owners: others.map(({ owner }) => owner), since: at.ns });
    }
  }

  /** The application owns the buffer until the kernel takes the SQE. */
  #begin(life: Life): void {
    const from = Number((life.filled ?? life.submitted).ns);
    const to_ns = Number(life.submitted.ns);
    const until = "the kernel takes it";
    life.intervals.push({ owner: "application", device: null, from_ns: from, to_ns, until, also: [] });
  }

  #change(life: Life, { owner, device }: Holder, at: Moment, until: string): void {
    const last = life.intervals.at(-1);
    const others = this.#others.get(life);
    if (last !== undefined && last.to_ns === null) {
      if (others !== undefined && others.since < at.ns) addOthers(last, others.owners);
      if (last.owner === owner && last.device === device) return;
      Object.assign(last, { to_ns: Number(at.ns), until });
    }
    life.intervals.push({ owner, device, from_ns: Number(at.ns), to_ns: null, until: "", also: [] });
  }

  finish(lives: readonly Life[]): void {
    for (const life of lives) {
      const last = life.intervals.at(-1);
      if (last !== undefined && last.to_ns === null && last.owner !== "application") {
        last.until = "the program ends first";
        addOthers(last, this.#others.get(life)?.owners ?? []);
      }
      tidy(life.intervals);
    }
  }
}

function addOthers(interval: Interval, owners: readonly Owner[]): void {
  interval.also = [...new Set([...interval.also, ...owners.filter((owner) => owner !== interval.owner)])];
}

const ON_THE_WAY: readonly Owner[] = ["device queue", "device", "NIC", "input queue"];

/** What takes no time and is only a step towards the next owner. */
function isStep(here: Interval, next: Interval | undefined): boolean {
  if (here.to_ns !== here.from_ns || next === undefined) return false;
  if (here.owner === "device queue" && here.device === null) return true;
  if (here.owner === "device" && next.owner === "NIC") return true;
  return here.owner === "retransmit queue" && ON_THE_WAY.includes(next.owner);
}

/**
 * What takes no time is told once: a large send over lo goes through send queue, device and receiver a hundred times in
 * the same nanosecond.
 */
function tidy(intervals: Interval[]): void {
  for (let index = 1; index < intervals.length; index++) {
    const here = intervals[index];
    const isSame = ({ owner, device, to_ns }: Interval) =>
      owner !== "application" && owner === here.owner && device === here.device && to_ns === here.from_ns;
    const isKnown = here.to_ns === here.from_ns && intervals.slice(0, index).some(isSame);
    if (isKnown || isStep(here, intervals[index + 1])) intervals.splice(index--, 1);
  }
}

/** What happened, as the reason for which an owner let go. */
function reasonOf(next: Holder, record: TraceRecord | undefined): string {
  if (record === undefined) return "";
  const device = next.device ?? "the device";
  switch (record.event) {
    case trace.TR_UBUF_SKB:
      return "an skb takes its pages";
    case trace.TR_SKB_CLONE:
    case trace.TR_TCP_XMIT:
      return "TCP sends it";
    case trace.TR_NET_DEV_QUEUE:
      return `${device} cannot take it yet`;
    case trace.TR_NET_DEV_XMIT:
      return `${device} gets the frame`;
    case trace.TR_NIC_TX:
      return `${device} gets the frame`;
    case trace.TR_NET_DEV_RX:
      return `${device} delivers it`;
    case trace.TR_SKB_FREE:
      return next.owner === "retransmit queue" ? "the device is done; TCP waits for the ACK" : letGo(record.c);
    case trace.TR_UBUF_PUT:
      return letGo(record.c);
    case trace.TR_NOTIF_REQ:
      return "it shares a notification that an skb carries already";
    case trace.TR_NOTIF_LINK:
      return "its bytes join another send's skb";
    case trace.TR_NOTIF_DONE:
      return "its record is queued";
    case trace.TR_IO_URING_COMPLETE:
      return "its CQE is posted";
    case trace.TR_IO_URING_CQE_OVERFLOW:
      return "the CQ is full";
    default:
      return "";
  }
}

/** Why an skb, or the request, gave the buffer up. */
const LET_GO: Record<number, string> = {
  [trace.REF_REQUEST]: "the request is done with it",
  [trace.REF_SLOT]: "the slot is flushed",
  [trace.REF_ACKED]: "the peer has acknowledged all of it",
  [trace.REF_TX_DONE]: "the device has read it",
  [trace.REF_ORPHANED]: "the skb got a copy",
  [trace.REF_DROPPED]: "the packet was dropped",
  [trace.REF_PURGED]: "the socket threw its queue away",
  [trace.REF_READ]: "the receiver has read it",
  [trace.REF_ABORTED]: "the send was undone",
  [trace.REF_SPLIT]: "its parts go on",
};

const letGo = (reason: number): string => LET_GO[reason] ?? refShort(reason);
