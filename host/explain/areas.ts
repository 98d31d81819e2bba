// Where the skbs are that hold a buffer. An sk_buff stands in one place (a queue, a device); several may share one data
// area, and it is the data area that holds the reference on the notification.
import * as trace from "../../assembly/abi/trace.ts";
import type { TraceRecord } from "../trace/decode.ts";
import type { Area, Note, OpenReference, Place } from "./life.ts";

export class Areas {
  readonly #areas = new Map<number, Area>();
  /** The data area of each sk_buff that has one with a notification. */
  readonly #skbs = new Map<number, Area>();
  readonly #deviceName: (index: number) => string;
  #count = 0;

  constructor(deviceName: (index: number) => string) {
    this.#deviceName = deviceName;
  }

  /** TR_UBUF_SKB. `reference`: the one that was just taken for it, or that the call hands over. */
  carry({ b: skb, c: at }: TraceRecord, note: Note, reference: OpenReference | undefined): Area {
    const old = this.#skbs.get(skb);
    const isPart = reference !== undefined && reference.kind === trace.REF_SPLIT;
    const area: Area = { note, label: `skb ${++this.#count}`, isPart, reference, handles: new Map() };
    const handle = old?.handles.get(skb);
    old?.handles.delete(skb);
    // What comes out of an skb that waits for its acknowledgement waits for the same one.
    const waits = isPart && [...note.areas].every(({ handles }) => places(handles).every(isWaiting));
    const place: Place = waits && note.areas.size > 0 ? "retransmit queue" : "send queue";
    area.handles.set(skb, handle ?? { place, original: true, device: null });
    this.#areas.set(at, area);
    this.#skbs.set(skb, area);
    note.areas.add(area);
    return area;
  }

  /** TR_UBUF_SKB_END */
  end({ c: at }: TraceRecord): Area | undefined {
    const area = this.#areas.get(at);
    if (area === undefined) return undefined;
    this.#areas.delete(at);
    for (const skb of area.handles.keys()) if (this.#skbs.get(skb) === area) this.#skbs.delete(skb);
    area.note.areas.delete(area);
    return area;
  }

  /** A network event. True when it moved an skb that holds a buffer. */
  move(record: TraceRecord): boolean {
    const area = this.#skbs.get(record.object);
    if (area === undefined) return false;
    const device = this.#deviceName(Number(record.a & 0xffn));
    switch (record.event) {
      case trace.TR_SKB_CLONE:
        this.#skbs.set(Number(record.a), area);
        area.handles.set(Number(record.a), { place: "path", original: false, device: null });
        return true;
      case trace.TR_SKB_FREE:
        area.handles.delete(record.object);
        this.#skbs.delete(record.object);
        return true;
      case trace.TR_TCP_XMIT:
        if (record.c > 0) area.note.retransmissions++;
        transmit(area, record.object);
        return true;
      case trace.TR_NET_DEV_QUEUE:
        return this.#place(area, record.object, "device queue", device);
      case trace.TR_NET_DEV_XMIT:
        return this.#place(area, record.object, "device", device);
      case trace.TR_NIC_TX:
        return this.#place(area, record.object, "NIC", device);
      case trace.TR_NET_DEV_RX:
        return this.#place(area, record.object, "input queue", device);
      default:
        return false;
    }
  }

  #place(area: Area, skb: number, place: Place, device: string): boolean {
    const handle = area.handles.get(skb);
    if (handle === undefined) return false;
    handle.place = place;
    handle.device = device;
    return true;
  }
}

const places = (handles: Area["handles"]): Place[] => [...handles.values()].map(({ place }) => place);
const isWaiting = (place: Place) => place === "retransmit queue";

/** TCP sends a clone, or a part that was made for it; what was cloned stays behind for a retransmission. */
function transmit(area: Area, skb: number): void {
  const sent = area.handles.get(skb);
  if (sent === undefined) return;
  const behind = sent.original && area.isPart ? [...area.note.areas].filter((each) => each !== area) : [area];
  for (const each of behind) {
    for (const handle of each.handles.values()) {
      if (handle !== sent && handle.original && handle.place === "send queue") handle.place = "retransmit queue";
    }
  }
  sent.place = "path";
}
