// One host with a simulated NIC, a sink without a kernel at the other end of the wire, and a ring: what tests of the NIC and of
// forged acknowledgements start from.
import assert from "node:assert/strict";
import "../../host/cli/node.ts";
import { CNT_NOTIFS_LIVE, CNT_PAGES_PINNED, CNT_SKBS_LIVE } from "../../assembly/abi/counters.ts";
import { AF_INET } from "../../assembly/abi/socket.ts";
import * as abi from "../../assembly/abi/trace.ts";
import {
  IORING_CQE_F_MORE,
  IORING_CQE_F_NOTIF,
  IORING_NOTIF_USAGE_ZC_COPIED,
  IORING_SEND_ZC_REPORT_USAGE,
  IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_SINGLE_ISSUER,
} from "../../assembly/abi/uapi.ts";
import { prepSendZc, setData } from "../../host/liburing/prep.ts";
import type { Ring } from "../../host/liburing/ring.ts";
import { Machine, type MachineOptions } from "../../host/machine.ts";
import type { NicOptions } from "../../host/nic/device.ts";
import type { FaultOptions } from "../../host/nic/fault.ts";
import * as frames from "../../host/nic/frame.ts";
import { Sink, type SinkOptions } from "../../host/nic/sink.ts";
import type { WireFrame } from "../../host/nic/wire.ts";
import { parseIp } from "../../host/sys/user_memory.ts";
import { TraceReader, type TraceRecord } from "../../host/trace/decode.ts";

export const MS = 1_000_000n;
export const US = 1000n;
const SINK_ADDRESS = parseIp("10.90.0.2") ?? 0;
/** The sink has no timestamps, so a segment has room for all that its option says. */
export const MSS = 1460;

interface Setup {
  nic?: NicOptions;
  sink?: SinkOptions;
  faults?: FaultOptions;
  seed?: number;
  build?: MachineOptions["build"];
}

/** One host with a NIC, a sink at the other end of the wire, and a ring. */
export class Bench {
  readonly machine: Machine;
  readonly sink: Sink;
  readonly ring: Ring;
  readonly sent: WireFrame[] = [];
  readonly nic;
  readonly wire;
  readonly #reader: TraceReader;
  readonly #records: TraceRecord[] = [];

  static async create(setup: Setup = {}): Promise<Bench> {
    return new Bench(await Machine.create({ trace: true, seed: setup.seed ?? 0, build: setup.build }), setup);
  }

  private constructor(machine: Machine, { nic, sink, faults = {} }: Setup) {
    this.machine = machine;
    this.#reader = new TraceReader(machine);
    this.nic = machine.addNic({ address: "10.90.0.1", ...nic });
    this.sink = new Sink(sink);
    this.wire = machine.connect(this.nic, this.sink, { faults: [faults, {}] });
    this.wire.tap((frame) => this.sent.push({ ...frame, frame: frame.frame.slice() }));
    this.ring = machine.ring(16, { flags: IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER });
  }

  connect(type: number): number {
    const { sys, user } = this.machine;
    const fd = sys.socket(AF_INET, type);
    assert.equal(sys.connect(fd, user.sockaddrIn(SINK_ADDRESS, 80), 16), 0);
    // The last ACK of a handshake is still under way when connect() returns.
    this.machine.exports.run_events(100n * US);
    return fd;
  }

  buffer(length: number, byte = 0x41): number {
    const address = this.machine.user.pages(length);
    this.machine.user.fill(address, length, byte);
    return address;
  }

  send(fd: number, address: number, length: number, userData = 1): void {
    prepSendZc(this.ring, this.sqe(), fd, address, length, 0, IORING_SEND_ZC_REPORT_USAGE);
    setData(this.ring, this.#last, userData);
    assert.equal(this.ring.submit(), 1);
  }

  #last = 0;
  sqe(): number {
    this.#last = this.ring.getSqe();
    assert.notEqual(this.#last, 0);
    return this.#last;
  }

  /** The CQEs that come within `ns`: [res, flags]. */
  cqes(ns: bigint): [res: number, flags: number][] {
    const found: [number, number][] = [];
    const end = this.machine.now_ns + ns;
    for (;;) {
      this.ring.forEachCqe((cqe) => found.push([this.ring.cqeRes(cqe), this.ring.cqeFlags(cqe)]));
      const left = end - this.machine.now_ns;
      if (left <= 0n || this.ring.waitCqesTimeout(1, left) < 0) break;
    }
    this.ring.forEachCqe((cqe) => found.push([this.ring.cqeRes(cqe), this.ring.cqeFlags(cqe)]));
    return found;
  }

  records(): TraceRecord[] {
    this.#records.push(...this.#reader.read());
    return this.#records;
  }

  /** Times of an event, in the order of the trace. */
  times(event: number, matches: (record: TraceRecord) => boolean = () => true): bigint[] {
    return this.records()
      .filter((record) => record.event === event && matches(record))
      .map(({ time_ns }) => time_ns);
  }

  notifTime(): bigint {
    const times = this.times(abi.TR_IO_URING_COMPLETE, ({ c }) => (c & IORING_CQE_F_NOTIF) !== 0);
    assert.equal(times.length, 1, "exactly one notification");
    return times[0];
  }

  payloads(): Uint8Array[] {
    return this.sent
      .filter(({ from }) => from === this.nic.name)
      .map(({ frame }) => frames.parseFrame(frame).payload)
      .filter(({ length }) => length > 0);
  }

  /** Nothing is left of a run that is over. */
  drained(...fds: number[]): void {
    for (const fd of fds) this.machine.sys.close(fd);
    this.ring.exit();
    this.machine.exports.run_events(600_000n * MS);
    for (const counter of [CNT_NOTIFS_LIVE, CNT_SKBS_LIVE, CNT_PAGES_PINNED]) {
      assert.equal(this.machine.counter(counter), 0, `counter ${counter}`);
    }
    assert.equal(this.machine.exports.ring_exit_pending(), 0);
  }
}

export const FIRST = (length: number): [number, number] => [length, IORING_CQE_F_MORE];
export const FREE: [number, number] = [0, IORING_CQE_F_NOTIF];
export const COPIED: [number, number] = [IORING_NOTIF_USAGE_ZC_COPIED | 0, IORING_CQE_F_NOTIF];
