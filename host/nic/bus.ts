// Where the NICs of one machine are plugged in: it hands what the core says to the NIC it is meant for, and knows the
// wires, so that a tap can see all frames of a machine.
import type { Core, NicImport } from "../core/load.ts";
import { type NicOptions, SimNic } from "./device.ts";
import { type Port, type Tap, Wire, type WireOptions } from "./wire.ts";

export class NicBus {
  readonly #core: Core;
  readonly #seed: number;
  readonly #nics = new Map<number, SimNic>();
  readonly #taps: Tap[] = [];
  #wires = 0;

  constructor(core: Core, seed: number) {
    this.#core = core;
    this.#seed = seed;
  }

  /** The import `env.nic`. */
  readonly onCore: NicImport = (dev, what, arg) => this.#nics.get(dev)?.onCore(what, arg);

  /** A NIC for a DEV_KIND_NIC device of the core. */
  add(dev: number, name: string, options?: NicOptions): SimNic {
    const nic = new SimNic(this.#core, dev, name, options);
    this.#nics.set(dev, nic);
    return nic;
  }

  /** A wire between two ports, its faults drawn from the machine's seed unless it has one of its own. */
  connect(first: Port, second: Port, options: WireOptions = {}): Wire {
    // Wires must not lose the same frames only because they were made from the same seed.
    const wire = new Wire(first, second, { seed: (this.#seed + this.#wires++) >>> 0, ...options });
    wire.tap((frame) => {
      for (const tap of this.#taps) tap(frame);
    });
    return wire;
  }

  /** Sees every frame on every wire, those of wires yet to come included. */
  tap(tap: Tap): void {
    this.#taps.push(tap);
  }
}
