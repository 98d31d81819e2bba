// The pair of NICs of the standard network, nic0 and nic1 with a wire between them: what device `nic` of a program means,
// and what its `nic` lines turn.
//
// Without `dev`, a line that describes hardware (offloads, rings, times) is about both NICs, and a line that makes
// something go wrong is about what nic0 sends, since nic0 sends what the program sends.
import type { NicControl, NicKnobs } from "../net/nic_control.ts";
import type { NicOptions, SimNic } from "./device.ts";
import type { FaultOptions } from "./fault.ts";
import type { Wire } from "./wire.ts";

const NS_PER_US = 1000;

/** The entries that are given: a knob that is not turned keeps its value. */
function given<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

const nanoseconds = (us: number | undefined) => (us === undefined ? undefined : us * NS_PER_US);

function hardware(knobs: NicKnobs): Partial<NicOptions> {
  return given({
    scatterGather: knobs.sg,
    checksumOffload: knobs.csum,
    tso: knobs.tso,
    mtu: knobs.mtu,
    txRing: knobs.tx_ring,
    rxRing: knobs.rx_ring,
    linkRate: knobs.rate_mbit === undefined ? undefined : knobs.rate_mbit * 1e6,
    dmaDelay_ns: nanoseconds(knobs.dma_us),
    txLatency_ns: nanoseconds(knobs.latency_us),
    moderationFrames: knobs.moderation,
    moderationTime_ns: nanoseconds(knobs.moderation_us),
  });
}

function misbehaviour(knobs: NicKnobs): Partial<NicOptions> {
  return given({ stall: knobs.stall, neverComplete: knobs.never_complete });
}

function faults(knobs: NicKnobs): Partial<FaultOptions> {
  return given({
    loss: knobs.loss,
    dropNth: knobs.drop_nth,
    corrupt: knobs.corrupt,
    corruptNth: knobs.corrupt_nth,
    duplicate: knobs.duplicate,
    duplicateNth: knobs.duplicate_nth,
    reorder: knobs.reorder,
    reorderNth: knobs.reorder_nth,
  });
}

export class NicPair implements NicControl {
  readonly near: SimNic;
  readonly far: SimNic;
  readonly wire: Wire;

  constructor(near: SimNic, far: SimNic, wire: Wire) {
    this.near = near;
    this.far = far;
    this.wire = wire;
  }

  configure(knobs: NicKnobs): void {
    const named = [this.near, this.far].filter(({ name }) => name === knobs.dev);
    for (const nic of named.length > 0 ? named : [this.near, this.far]) nic.configure(hardware(knobs));
    const sender = named[0] ?? this.near;
    sender.configure(misbehaviour(knobs));
    this.wire.configureFaults(faults(knobs), sender);
    if (knobs.wire_us !== undefined) this.wire.delay_ns = knobs.wire_us * NS_PER_US;
  }
}
