// One TCP stream through a NIC to a peer without a kernel, and a ring to send on it: for the experiments in which the
// application decides from its completions what to do next.
import { liburing, libc, Machine, notifSlots, parseIp, type Ring, Sink, type SimNic, uapi, type Wire } from "ringzero";
import { TAG } from "./dialect.ts";
import { type Design, isNotification, isSlotEra, type Posted } from "./lab.ts";
import { expect } from "./report.ts";

export interface StreamOptions {
  /** One way. */
  delay_us?: number;
  /** Bits per second. */
  rate?: number;
  /** SO_SNDBUF, so that the socket is full soon. */
  sndbuf?: number;
  /** From the arrival of a segment at the peer to its ACK. */
  ack_us?: number;
}

export interface StreamCqe extends Posted {
  isNotification: boolean;
}

/** What fills an SQE. */
export type Fill = (ring: Ring, sqe: number) => void;

const SLOTS = 8;
/** The slot era's flags in ioprio. */
const RFC3 = { fixed: notifSlots.IORING_SENDZC_FIXED_BUF, flush: notifSlots.IORING_SENDZC_FLUSH } as const;
const RC = { fixed: uapi.IORING_RECVSEND_FIXED_BUF, flush: notifSlots.IORING_RECVSEND_NOTIF_FLUSH } as const;

export class Stream {
  readonly kernel: Design;
  readonly machine: Machine;
  readonly ring: Ring;
  readonly socket: number;
  readonly sink: Sink;
  readonly nic: SimNic;
  readonly wire: Wire;

  static async open(kernel: Design, options: StreamOptions = {}): Promise<Stream> {
    const machine = await Machine.create({ profile: kernel.profile, switches: kernel.switches });
    return new Stream(kernel, machine, options);
  }

  private constructor(
    kernel: Design,
    machine: Machine,
    { delay_us = 50, rate = 1e9, sndbuf, ack_us = 0 }: StreamOptions,
  ) {
    this.kernel = kernel;
    this.machine = machine;
    const { sys, user } = machine;
    this.nic = machine.addNic({ address: "10.90.0.1", linkRate: rate });
    this.sink = new Sink({ ackDelay_ns: ack_us * 1000 });
    this.wire = machine.connect(this.nic, this.sink, { delay_ns: delay_us * 1000 });
    this.socket = sys.socket(libc.AF_INET, libc.SOCK_STREAM);
    if (sndbuf !== undefined) {
      const value = user.alloc(4);
      user.setU32(value, sndbuf);
      sys.setsockopt(this.socket, libc.SOL_SOCKET, libc.SO_SNDBUF, value, 4);
    }
    sys.connect(this.socket, user.sockaddrIn(parseIp("10.90.0.2") as number, 80), libc.SOCKADDR_IN_SIZE);
    this.ring = machine.ring(64);
    if (isSlotEra(kernel)) {
      const tags = Array.from({ length: SLOTS }, (_, slot) => BigInt(TAG + slot));
      expect(liburing.registerNotifications(machine, this.ring, tags) === 0, "slots are registered");
    }
  }

  get now_us(): number {
    return Number(this.machine.now_ns) / 1000;
  }

  /** Memory that holds one letter, by which it is known at the peer. */
  buffer(letter: string, length: number): number {
    const { user } = this.machine;
    const address = user.pages(length);
    user.fill(address, length, letter.charCodeAt(0));
    return address;
  }

  /** struct msghdr of one buffer. */
  message(address: number, length: number): number {
    const { user } = this.machine;
    const header = user.alloc(libc.MSGHDR_SIZE);
    user.fill(header, libc.MSGHDR_SIZE, 0);
    user.setPointer(header + libc.MSGHDR_OFF_IOV, user.iovec([{ base: address, length }], user.alloc(libc.IOVEC_SIZE)));
    user.setPointer(header + libc.MSGHDR_OFF_IOVLEN, 1);
    return header;
  }

  /** The reading end of a pipe that holds the buffer. */
  pipeOf(address: number, length: number): number {
    const { sys, user } = this.machine;
    const ends = user.alloc(8);
    sys.pipe(ends);
    sys.write(user.getI32(ends + 4), address, length);
    return user.getI32(ends);
  }

  /** An SQE that the caller fills; it is named when it is full. */
  request(ud: number, fill: Fill, flags = 0): void {
    const sqe = this.ring.getSqe();
    fill(this.ring, sqe);
    liburing.setData(this.ring, sqe, ud);
    if (flags !== 0) liburing.sqeSetFlags(this.ring, sqe, flags);
  }

  /** A zero-copy send, in the words of the kernel, perhaps from registered buffer 0; in the slot era on slot 0, flushed or not. */
  zeroCopy(buffer: number, length: number, msgFlags = 0, { flush = true, fixed = false } = {}): Fill {
    const { kernel, socket } = this;
    const { prepSendZc, prepSendZcFixed, prepSendzc } = liburing;
    if (!isSlotEra(kernel)) {
      if (fixed) return (ring, sqe) => prepSendZcFixed(ring, sqe, socket, buffer, length, msgFlags, 0, 0);
      return (ring, sqe) => prepSendZc(ring, sqe, socket, buffer, length, msgFlags, 0);
    }
    const era = kernel.profile === "rfc3" ? RFC3 : RC;
    const flags = (flush ? era.flush : 0) | (fixed ? era.fixed : 0);
    return (ring, sqe) => prepSendzc(ring, sqe, socket, buffer, length, msgFlags, 0, flags);
  }

  /** The next CQE, when there is one; undefined when none will ever come. */
  next(): StreamCqe | undefined {
    const { ring } = this;
    const at = ring.waitCqe();
    if (at <= 0) return undefined;
    const cqe = { ud: ring.cqeData(at), res: ring.cqeRes(at), flags: ring.cqeFlags(at), at_us: this.now_us };
    ring.cqeSeen(at);
    return { ...cqe, isNotification: isNotification(this.kernel, cqe) };
  }

  /** What the peer got: "A B A" for bytes of A, then of B, then of A again. */
  received(): string {
    let order = "";
    for (const byte of this.sink.connection().received) {
      const letter = String.fromCharCode(byte);
      if (order.at(-1) !== letter) order += letter;
    }
    return [...order].join(" ");
  }
}
