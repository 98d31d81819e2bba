// A wire between two ports. Each direction keeps its order and takes `delay_ns`; faults (fault.ts) are drawn per
// direction. Whoever wants to see the frames registers a tap, which is told the fate of each frame when it is sent.
import { type Fate, FaultInjector, type FaultOptions } from "./fault.ts";
import { Random } from "./random.ts";

/** Virtual time, as one machine sees it. */
export interface Clock {
  readonly now_ns: bigint;
  /** Calls `then` when `ns` have passed; calls for the same instant come in the order in which they were asked for. */
  after(ns: number, then: () => void): void;
}

/** What the wire gives to the port at its end. */
export interface WireEnd {
  readonly clock: Clock;
  send(frame: Uint8Array): void;
}

/** Something with a socket for a wire: a NIC, or a peer without a machine. */
export interface Port {
  readonly name: string;
  /** Undefined for a port that has no time of its own and uses that of the other end. */
  readonly clock?: Clock;
  plug(end: WireEnd): void;
  receive(frame: Uint8Array): void;
}

export interface WireOptions {
  /** From the last bit sent to its arrival. */
  delay_ns?: number;
  /** Faults of both directions, or of each: first those of what the first port sends. */
  faults?: FaultOptions | readonly [FaultOptions, FaultOptions];
  seed?: number;
}

export interface WireFrame {
  time_ns: bigint;
  from: string;
  to: string;
  /** The bytes as they were sent. A tap must not change them. */
  frame: Uint8Array;
  fate: Fate;
}

export type Tap = (frame: WireFrame) => void;

/** 200 m of fibre. */
const DELAY_NS = 1000;

class Direction {
  readonly from: Port;
  readonly to: Port;
  readonly faults: FaultInjector;
  /** The sender's time, and that of the arrival. */
  readonly clock: Clock;
  readonly #arrival: Clock;
  readonly #wire: Wire;

  constructor(wire: Wire, from: Port, to: Port, faults: FaultInjector) {
    const clock = from.clock ?? to.clock;
    if (clock === undefined) throw new Error("a wire needs a port with a clock: a NIC of a machine");
    this.#wire = wire;
    this.from = from;
    this.to = to;
    this.faults = faults;
    this.clock = clock;
    this.#arrival = to.clock ?? clock;
  }

  send(sent: Uint8Array): void {
    const { fate, frame, extraDelay_ns } = this.faults.judge(sent);
    this.#wire.report({ time_ns: this.clock.now_ns, from: this.from.name, to: this.to.name, frame: sent, fate });
    if (fate === "lost") return;
    const copies = fate === "duplicated" ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#arrival.after(this.#wire.delay_ns + extraDelay_ns, () => this.to.receive(frame));
    }
  }
}

export class Wire {
  delay_ns: number;
  readonly #directions: readonly [Direction, Direction];
  readonly #taps: Tap[] = [];

  constructor(first: Port, second: Port, options: WireOptions = {}) {
    const { delay_ns = DELAY_NS, faults = {}, seed = 0 } = options;
    this.delay_ns = delay_ns;
    const [there, back] = isPair(faults) ? faults : [faults, faults];
    this.#directions = [
      new Direction(this, first, second, new FaultInjector(new Random(seed, 1), there)),
      new Direction(this, second, first, new FaultInjector(new Random(seed, 2), back)),
    ];
    for (const each of this.#directions) each.from.plug({ clock: each.clock, send: (frame) => each.send(frame) });
  }

  /** Faults of what `from` sends, or of both directions. */
  configureFaults(faults: FaultOptions, from?: Port): void {
    for (const each of this.#directions) if (from === undefined || each.from === from) each.faults.configure(faults);
  }

  /** Returns what takes the tap off again. */
  tap(tap: Tap): () => void {
    this.#taps.push(tap);
    return () => {
      const at = this.#taps.indexOf(tap);
      if (at >= 0) this.#taps.splice(at, 1);
    };
  }

  report(frame: WireFrame): void {
    for (const tap of this.#taps) tap(frame);
  }
}

function isPair(faults: NonNullable<WireOptions["faults"]>): faults is readonly [FaultOptions, FaultOptions] {
  return Array.isArray(faults);
}
