// The virtual clock of a machine, for the NICs and wires around it: calls wait in the host, one timer of the core each.
//
// Every timer runs the earliest call that is due, not one of its own. So the calls of one device for one instant keep
// their order, and what is left to the seed is the order between devices.
import type { CoreExports } from "../core/exports.ts";
import type { Clock } from "./wire.ts";

interface Call {
  at_ns: bigint;
  then: () => void;
}

export class DeviceClock implements Clock {
  readonly #exports: CoreExports;
  readonly #dev: number;
  /** By time, and in the order asked for within one instant. */
  readonly #calls: Call[] = [];

  constructor(exports: CoreExports, dev: number) {
    this.#exports = exports;
    this.#dev = dev;
  }

  get now_ns(): bigint {
    return this.#exports.now_ns();
  }

  after(ns: number, then: () => void): void {
    const delay = BigInt(Math.max(0, Math.ceil(ns)));
    const at_ns = this.now_ns + delay;
    let index = this.#calls.length;
    while (index > 0 && this.#calls[index - 1].at_ns > at_ns) index--;
    this.#calls.splice(index, 0, { at_ns, then });
    this.#exports.nic_timer(this.#dev, delay, 0);
  }

  /** A timer of the core fired (NIC_TIMER). */
  fire(): void {
    if (this.#calls.length > 0 && this.#calls[0].at_ns <= this.now_ns) this.#calls.shift()?.then();
  }
}
