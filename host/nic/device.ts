// The host half of one simulated NIC. The core's driver posts descriptors and rings the doorbell; what happens from there
// to the wire and back is decided here, in virtual time:
//
//   doorbell            descriptors are read
//   + dmaDelay_ns       DMA: the bytes are read out of machine memory, cut and checksummed if asked for, and sent
//   + size / linkRate   the last bit has left; the next frame may start
//   doorbell + txLatency_ns, but not before the last bit has left
//                       completion: NIC_TX_DONE moves on. The interrupt may come later (moderation).
//
// A buffer that changes before its DMA changes what goes over the wire, as on hardware. Completions are in order, since
// NIC_TX_DONE is one counter: a NIC that never completes holds every frame that it was given.
import {
  DEV_SET_FEATURES,
  DEV_SET_MTU,
  DEV_SET_TX_RING,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HW_CSUM,
  NETIF_F_SG,
  NETIF_F_TSO,
} from "../../assembly/abi/dev.ts";
import { EBUSY } from "../../assembly/abi/errno.ts";
import { NIC_DOORBELL, NIC_RX_CSUM_OK, NIC_TIMER } from "../../assembly/abi/nic.ts";
import { must, SyscallError } from "../core/errno.ts";
import type { Core } from "../core/load.ts";
import { DeviceClock } from "./clock.ts";
import { checksumsOk, ETH_HLEN, fillChecksums, parseFrame, segmentFrame } from "./frame.ts";
import { NicRings, type TxFrame } from "./rings.ts";
import type { Clock, Port, WireEnd } from "./wire.ts";

export interface NicOptions {
  /** NETIF_F_SG: the NIC gathers a frame from several places. Without it, and without checksumOffload, Linux copies. */
  scatterGather?: boolean;
  /** NETIF_F_HW_CSUM: the NIC computes TCP and UDP checksums. */
  checksumOffload?: boolean;
  /** NETIF_F_TSO: the NIC cuts large TCP frames into segments. Needs scatterGather. */
  tso?: boolean;
  /** NETIF_F_GSO_UDP_L4: the same for UDP datagrams of one UDP_SEGMENT send. */
  udpSegmentation?: boolean;
  /** Largest IPv4 packet. To be raised before the first frame only: the receive slots are cut to it. */
  mtu?: number;
  /** TX descriptors: a power of two from 32 to 256. Takes effect when no descriptor is in use. */
  txRing?: number;
  /** Frames that may wait for the driver; further ones are dropped. The core has room for at least two. */
  rxRing?: number;
  /** Bits per second. Infinity: no frame takes any time. */
  linkRate?: number;
  /** From the doorbell to the DMA of a frame. */
  dmaDelay_ns?: number;
  /** From the doorbell to the completion of a frame, if the link is idle. */
  txLatency_ns?: number;
  /** Completions gathered before one interrupt... */
  moderationFrames?: number;
  /** ...or the time that the first of them waits at most. */
  moderationTime_ns?: number;
  /** The transmitter stands still: on, off, or for a span of virtual time. */
  stall?: boolean | { from_ns: number; to_ns: number };
  /** Frames go out, their descriptors never come back. Switched off, all of them come back at once. */
  neverComplete?: boolean;
}

export interface NicStats {
  /** Frames on the wire, and their bytes. */
  txFrames: number;
  txBytes: number;
  rxFrames: number;
  /** Frames that found no slot, or a slot too small. */
  rxDropped: number;
  interrupts: number;
}

/** Preamble, frame check sequence and the gap between two frames, and the shortest frame: IEEE 802.3 4.4.2. */
const WIRE_OVERHEAD = 24;
const FRAME_MIN = 60;

type Timing =
  | "rxRing"
  | "linkRate"
  | "dmaDelay_ns"
  | "txLatency_ns"
  | "moderationFrames"
  | "moderationTime_ns"
  | "stall"
  | "neverComplete";

/** What the driver does not keep, so that the NIC has to. */
const DEFAULTS: Required<Pick<NicOptions, Timing>> = {
  rxRing: Number.POSITIVE_INFINITY,
  linkRate: 10e9,
  dmaDelay_ns: 1000,
  txLatency_ns: 5000,
  moderationFrames: 1,
  moderationTime_ns: 50_000,
  stall: false,
  neverComplete: false,
};

interface Posted {
  frame: TxFrame;
  doorbell_ns: bigint;
}

const later = (a: bigint, b: bigint) => (a > b ? a : b);

export class SimNic implements Port {
  readonly name: string;
  /** Index of the device in the core. */
  readonly dev: number;
  readonly stats: NicStats = { txFrames: 0, txBytes: 0, rxFrames: 0, rxDropped: 0, interrupts: 0 };
  readonly #core: Core;
  readonly #clock: DeviceClock;
  #options: NicOptions & typeof DEFAULTS = DEFAULTS;
  #rings: NicRings | undefined;
  #wire: WireEnd | undefined;
  /** Posted, not yet read. */
  readonly #posted: Posted[] = [];
  #wantedTxRing: number | undefined;
  #linkBusyUntil_ns = 0n;
  /** When the transmitter is next called, if it is. */
  #wake_ns: bigint | undefined;
  #lastCompletion_ns = 0n;
  /** NIC_TX_DONE that a NIC with neverComplete owes. */
  #owed: number | undefined;
  /** Completions that no interrupt has reported, and a number for each time that this was reset. */
  #unreported = 0;
  #interruptRound = 0;

  constructor(core: Core, dev: number, name: string, options: NicOptions = {}) {
    this.#core = core;
    this.dev = dev;
    this.name = name;
    this.#clock = new DeviceClock(core.exports, dev);
    this.configure(options);
  }

  get clock(): Clock {
    return this.#clock;
  }

  get options(): Readonly<NicOptions> {
    return this.#options;
  }

  /** Frames that the driver waits for: posted and not completed. */
  get txDescriptorsUsed(): number {
    return this.#rings?.txUsed ?? 0;
  }

  /** What is not given stays as it is. Throws a SyscallError for what the driver refuses. */
  configure(options: NicOptions): void {
    checkOptions(options);
    this.#setFeatures(options);
    if (options.mtu !== undefined) this.#setMtu(options.mtu);
    if (options.txRing !== undefined) this.#setTxRing(options.txRing);
    this.#options = { ...this.#options, ...options };
    if (!this.#options.neverComplete && this.#owed !== undefined) {
      const end = this.#owed;
      this.#owed = undefined;
      this.#clock.after(0, () => this.#complete(end));
    }
    if (this.#posted.length > 0) this.#clock.after(0, () => this.#transmit());
  }

  #setFeatures({ scatterGather, checksumOffload, tso, udpSegmentation }: NicOptions): void {
    const { exports } = this.#core;
    const before = must("ethtool features", exports.dev_get(this.dev, DEV_SET_FEATURES));
    let features = before;
    const turn = (bit: number, on: boolean | undefined) => {
      if (on !== undefined) features = on ? features | bit : features & ~bit;
    };
    turn(NETIF_F_SG, scatterGather);
    turn(NETIF_F_HW_CSUM, checksumOffload);
    turn(NETIF_F_TSO, tso);
    turn(NETIF_F_GSO_UDP_L4, udpSegmentation);
    if (features !== before) must("ethtool features", exports.dev_set(this.dev, DEV_SET_FEATURES, features));
  }

  #setMtu(mtu: number): void {
    if (this.#rings !== undefined && mtu + ETH_HLEN > this.#rings.rxFrameSize) throw new SyscallError("mtu", -EBUSY);
    must("mtu", this.#core.exports.dev_set(this.dev, DEV_SET_MTU, mtu));
  }

  /** A ring cannot change its size around descriptors that are in use: then it changes once they are done. */
  #setTxRing(entries: number): void {
    const result = this.#core.exports.dev_set(this.dev, DEV_SET_TX_RING, entries);
    this.#wantedTxRing = result === -EBUSY ? entries : undefined;
    if (result !== -EBUSY) must("ethtool tx", result);
  }

  plug(end: WireEnd): void {
    this.#wire = end;
  }

  /** env.nic(): the driver wants something. */
  onCore(what: number, arg: number): void {
    if (what === NIC_DOORBELL) this.#doorbell(arg);
    else if (what === NIC_TIMER) this.#clock.fire();
    // NIC_RX_SPACE asks for nothing: a frame that found no slot is lost already.
  }

  #ringsNow(): NicRings {
    this.#rings ??= new NicRings(this.#core, this.dev);
    return this.#rings;
  }

  // Transmit ----------------------------------------------------------------------------------------------------------

  /** Never transmits from here: the driver is in the middle of posting. */
  #doorbell(head: number): void {
    const doorbell_ns = this.#clock.now_ns;
    for (const frame of this.#ringsNow().fetch(head)) this.#posted.push({ frame, doorbell_ns });
    this.#schedule();
  }

  /** Sees to it that the transmitter is called when it can take the next frame. */
  #schedule(): void {
    const next = this.#posted[0];
    if (next === undefined) return;
    const { stall, dmaDelay_ns } = this.#options;
    if (stall === true) return;
    let start_ns = later(next.doorbell_ns + BigInt(dmaDelay_ns), this.#linkBusyUntil_ns);
    if (typeof stall === "object" && start_ns >= BigInt(stall.from_ns)) {
      start_ns = later(start_ns, BigInt(stall.to_ns));
    }
    const now = this.#clock.now_ns;
    start_ns = later(start_ns, now);
    if (this.#wake_ns !== undefined && this.#wake_ns <= start_ns) return;
    this.#wake_ns = start_ns;
    this.#clock.after(Number(start_ns - now), () => {
      this.#wake_ns = undefined;
      this.#transmit();
    });
  }

  #transmit(): void {
    const next = this.#posted[0];
    if (next === undefined) return;
    const now = this.#clock.now_ns;
    const { stall, dmaDelay_ns } = this.#options;
    const stalled = typeof stall === "object" ? now >= BigInt(stall.from_ns) && now < BigInt(stall.to_ns) : stall;
    const ready = next.doorbell_ns + BigInt(dmaDelay_ns) <= now && this.#linkBusyUntil_ns <= now;
    if (!stalled && ready) {
      this.#posted.shift();
      this.#send(next, now);
    }
    this.#schedule();
  }

  #send({ frame, doorbell_ns }: Posted, now: bigint): void {
    const bytes = this.#ringsNow().gather(frame);
    let sent_ns = now;
    for (const packet of frame.gsoSize > 0 ? segmentFrame(bytes, frame.gsoSize) : [bytes]) {
      if (frame.wantsChecksum) fillChecksums(parseFrame(packet));
      sent_ns += this.#onWire_ns(packet);
      this.stats.txFrames++;
      this.stats.txBytes += packet.length;
      this.#clock.after(Number(sent_ns - now), () => this.#wire?.send(packet));
    }
    this.#linkBusyUntil_ns = sent_ns;
    const done_ns = later(sent_ns, doorbell_ns + BigInt(this.#options.txLatency_ns));
    this.#lastCompletion_ns = later(this.#lastCompletion_ns, done_ns);
    this.#clock.after(Number(this.#lastCompletion_ns - now), () => this.#complete(frame.end));
  }

  #onWire_ns(packet: Uint8Array): bigint {
    const bits = (Math.max(packet.length, FRAME_MIN) + WIRE_OVERHEAD) * 8;
    return BigInt(Math.ceil((bits * 1e9) / this.#options.linkRate));
  }

  // Completion and interrupt ------------------------------------------------------------------------------------------

  #complete(end: number): void {
    const { neverComplete, moderationFrames, moderationTime_ns } = this.#options;
    if (neverComplete) {
      this.#owed = end;
      return;
    }
    this.#ringsNow().complete(end);
    this.#unreported++;
    if (this.#unreported >= moderationFrames) {
      this.#interrupt();
    } else if (this.#unreported === 1) {
      const round = this.#interruptRound;
      this.#clock.after(moderationTime_ns, () => {
        if (round === this.#interruptRound) this.#interrupt();
      });
    }
  }

  /** The driver looks at both rings, whichever of them this is about. */
  #interrupt(): void {
    this.#unreported = 0;
    this.#interruptRound++;
    this.stats.interrupts++;
    this.#core.exports.nic_irq(this.dev);
    if (this.#wantedTxRing !== undefined) this.#setTxRing(this.#wantedTxRing);
  }

  // Receive -----------------------------------------------------------------------------------------------------------

  receive(frame: Uint8Array): void {
    const rings = this.#ringsNow();
    const slots = Math.min(rings.rxEntries, this.#options.rxRing);
    if (rings.rxUsed >= slots || frame.length > rings.rxFrameSize) {
      this.stats.rxDropped++;
      return;
    }
    this.stats.rxFrames++;
    const checksumOffload = (this.#core.exports.dev_get(this.dev, DEV_SET_FEATURES) & NETIF_F_HW_CSUM) !== 0;
    rings.deliver(frame, checksumOffload && checksumsOk(parseFrame(frame)) ? NIC_RX_CSUM_OK : 0);
    this.#interrupt();
  }
}

function checkOptions(options: NicOptions): void {
  const positive = ["linkRate", "moderationFrames", "rxRing"] as const;
  for (const key of positive) {
    const value = options[key];
    if (value !== undefined && !(value > 0)) throw new RangeError(`${key} must be more than 0, got ${value}`);
  }
  const times = ["dmaDelay_ns", "txLatency_ns", "moderationTime_ns"] as const;
  for (const key of times) {
    const value = options[key];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new RangeError(`${key} must be a whole number of nanoseconds, got ${value}`);
    }
  }
}
