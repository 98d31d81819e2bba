// The NIC's view of the two rings that it shares with its driver (layout: assembly/abi/nic.ts). It reads descriptors when
// the doorbell rings and the frame's bytes only when gather() is called, so what it sends is what memory holds by then.
//
// Pairs with assembly/drivers/nic.ts: the doorbell comes after the descriptors were written, so they are whole; the driver
// frees an skb when it sees NIC_TX_DONE beyond its last descriptor, so `done` moves only after the bytes were read.
import * as abi from "../../assembly/abi/nic.ts";
import type { Core } from "../core/load.ts";

export interface TxSegment {
  address: number;
  length: number;
}

export interface TxFrame {
  segments: readonly TxSegment[];
  length: number;
  wantsChecksum: boolean;
  /** Payload bytes of one packet when the NIC is to cut the frame, 0 otherwise. */
  gsoSize: number;
  /** Whether some of the bytes are the program's own pages. */
  isZeroCopy: boolean;
  /** Value of NIC_TX_DONE once the frame is completed. */
  end: number;
}

/** A frame with a slot to arrive in: `u32 length, u32 flags`, then its bytes. */
const RX_HEADER = 8;

const distance = (head: number, tail: number) => (head - tail) >>> 0;

export class NicRings {
  readonly #core: Core;
  readonly #block: number;
  readonly rxEntries: number;
  readonly rxFrameSize: number;
  readonly #rxRing: number;
  readonly #rxSlotSize: number;
  /** Descriptors read. */
  #fetched = 0;

  /** Lays the rings out, for the MTU that the device has at this moment. */
  constructor(core: Core, dev: number) {
    this.#core = core;
    this.#block = core.exports.nic_rings(dev) >>> 0;
    if (this.#block === 0) throw new Error("no kernel memory for the rings of a NIC");
    this.rxEntries = this.#get(abi.NIC_RX_ENTRIES);
    this.#rxRing = this.#get(abi.NIC_RX_RING);
    this.#rxSlotSize = this.#get(abi.NIC_RX_SLOT_SIZE);
    this.rxFrameSize = this.#rxSlotSize - RX_HEADER;
  }

  #get(field: number): number {
    return this.#core.memory.view.getUint32(this.#block + field, true);
  }

  #set(field: number, value: number): void {
    this.#core.memory.view.setUint32(this.#block + field, value >>> 0, true);
  }

  /** Descriptors that are posted and not completed. */
  get txUsed(): number {
    return distance(this.#get(abi.NIC_TX_HEAD), this.#get(abi.NIC_TX_DONE));
  }

  // Transmit ----------------------------------------------------------------------------------------------------------

  /** The frames posted since the last call, up to `head`. */
  fetch(head: number): TxFrame[] {
    const { view } = this.#core.memory;
    const mask = this.#get(abi.NIC_TX_ENTRIES) - 1;
    const ring = this.#get(abi.NIC_TX_RING);
    const frames: TxFrame[] = [];
    let segments: TxSegment[] = [];
    let frame = { wantsChecksum: false, gsoSize: 0, isZeroCopy: false };
    // A driver never posts more than its ring holds.
    for (let left = Math.min(distance(head, this.#fetched), mask + 1); left > 0; left--) {
      const at = ring + (this.#fetched & mask) * abi.NIC_TXD_SIZE;
      const flags = view.getUint16(at + abi.NIC_TXD_FLAGS, true);
      if (segments.length === 0) {
        const gsoSize = view.getUint16(at + abi.NIC_TXD_GSO_SIZE, true);
        frame = { wantsChecksum: (flags & abi.NIC_TXD_CSUM) !== 0, gsoSize, isZeroCopy: false };
      }
      if (flags & abi.NIC_TXD_USER) frame.isZeroCopy = true;
      const address = view.getUint32(at + abi.NIC_TXD_ADDR, true);
      segments.push({ address, length: view.getUint32(at + abi.NIC_TXD_LEN, true) });
      this.#fetched = (this.#fetched + 1) >>> 0;
      if (!(flags & abi.NIC_TXD_EOP)) continue;
      const length = segments.reduce((sum, segment) => sum + segment.length, 0);
      frames.push({ ...frame, segments, length, end: this.#fetched });
      segments = [];
    }
    return frames;
  }

  /** DMA: the bytes of a frame as memory holds them at this moment. */
  gather(frame: TxFrame): Uint8Array {
    const { u8 } = this.#core.memory;
    const bytes = new Uint8Array(frame.length);
    let at = 0;
    for (const { address, length } of frame.segments) {
      bytes.set(u8.subarray(address, address + length), at);
      at += length;
    }
    return bytes;
  }

  complete(end: number): void {
    this.#set(abi.NIC_TX_DONE, end);
  }

  // Receive -----------------------------------------------------------------------------------------------------------

  /** Frames delivered that the driver has not taken out yet. */
  get rxUsed(): number {
    return distance(this.#get(abi.NIC_RX_HEAD), this.#get(abi.NIC_RX_TAIL));
  }

  /** Puts a frame into the next slot. The caller has checked that there is one, and that the frame fits. */
  deliver(frame: Uint8Array, flags: number): void {
    const { view, u8 } = this.#core.memory;
    const head = this.#get(abi.NIC_RX_HEAD);
    const slot = this.#rxRing + (head & (this.rxEntries - 1)) * this.#rxSlotSize;
    view.setUint32(slot, frame.length, true);
    view.setUint32(slot + 4, flags, true);
    u8.set(frame, slot + RX_HEADER);
    this.#set(abi.NIC_RX_HEAD, head + 1);
  }
}
