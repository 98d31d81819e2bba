// One TCP stream through a NIC to a peer without a kernel, and a ring to send on it: for the experiments in which the
// application decides from its completions what to do next.
import { type Cqe, liburing, libc, Machine, parseIp, type Ring, Sink, type SimNic, uapi, type Wire } from "ringzero";
import type { Design } from "./lab.ts";

export interface StreamOptions {
  /** One way. */
  delay_us?: number;
  /** Bits per second. */
  rate?: number;
  /** SO_SNDBUF, so that the socket is full soon. */
  sndbuf?: number;
}

export interface TimedCqe extends Cqe {
  at_us: number;
}

export class Stream {
  readonly machine: Machine;
  readonly ring: Ring;
  readonly socket: number;
  readonly sink: Sink;
  readonly nic: SimNic;
  readonly wire: Wire;

  static async open(kernel: Design, options: StreamOptions = {}): Promise<Stream> {
    const machine = await Machine.create({ profile: kernel.profile, switches: kernel.switches });
    return new Stream(machine, options);
  }

  private constructor(machine: Machine, { delay_us = 50, rate = 1e9, sndbuf }: StreamOptions) {
    this.machine = machine;
    const { sys, user } = machine;
    this.nic = machine.addNic({ address: "10.90.0.1", linkRate: rate });
    this.sink = new Sink();
    this.wire = machine.connect(this.nic, this.sink, { delay_ns: delay_us * 1000 });
    this.socket = sys.socket(libc.AF_INET, libc.SOCK_STREAM);
    if (sndbuf !== undefined) {
      const value = user.alloc(4);
      user.setU32(value, sndbuf);
      sys.setsockopt(this.socket, libc.SOL_SOCKET, libc.SO_SNDBUF, value, 4);
    }
    sys.connect(this.socket, user.sockaddrIn(parseIp("10.90.0.2") as number, 80), libc.SOCKADDR_IN_SIZE);
    this.ring = machine.ring(64);
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
  request(ud: number, fill: (ring: Ring, sqe: number) => void, flags = 0): void {
    const sqe = this.ring.getSqe();
    fill(this.ring, sqe);
    liburing.setData(this.ring, sqe, ud);
    if (flags !== 0) liburing.sqeSetFlags(this.ring, sqe, flags);
  }

  /** The next CQE, when there is one; undefined when none will ever come. */
  next(): TimedCqe | undefined {
    const at = this.ring.waitCqe();
    if (at <= 0) return undefined;
    const cqe = { ...this.ring.cqe(at), at_us: this.now_us };
    this.ring.cqeSeen(at);
    return cqe;
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

export const isNotification = ({ flags }: Cqe): boolean => (flags & uapi.IORING_CQE_F_NOTIF) !== 0;
