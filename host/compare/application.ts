// The application that every design is an application of: one machine, one socket, a pool of buffers, a peer. What
// differs between designs is only how it sends (designs/*.ts).
import {
  AF_INET,
  MSG_TRUNC,
  MSG_WAITALL,
  SO_RCVBUFFORCE,
  SO_SNDBUFFORCE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOCKADDR_IN_SIZE,
  SOL_SOCKET,
} from "../../assembly/abi/socket.ts";
import { CNT_PAGES_HELD } from "../../assembly/abi/counters.ts";
import { must } from "../core/errno.ts";
import { prepRecv } from "../liburing/prep.ts";
import type { Ring } from "../liburing/ring.ts";
import type { RingOptions } from "../liburing/setup.ts";
import type { Machine } from "../machine.ts";
import { DEVICE_PEERS, NS_A } from "../net/standard.ts";
import type { SimNic } from "../nic/device.ts";
import { Sink } from "../nic/sink.ts";
import { parseIp } from "../sys/user_memory.ts";
import type { Message, Span } from "./message.ts";
import type { AppCounts } from "./meter.ts";
import { Talk } from "./talk.ts";
import type { Workload } from "./workloads.ts";

const OUR_ADDRESS = "10.90.0.1";
const PEER_ADDRESS = "10.90.0.2";
const PORT = 445;
/** What a connection of a data centre is tuned to; the kernel doubles it. */
const SNDBUF = 512 << 10;
const RCVBUF = 4 << 20;
const WINDOW = 4 << 20;
/** How long the peer gathers segments before it acknowledges them. */
const MERGE_NS = 10_000;
/** For the handshake, and for what the network still does afterwards. */
const QUIET_NS = 100_000_000n;
const PAGE = 4096;

export class Application implements AppCounts {
  readonly machine: Machine;
  readonly workload: Workload;
  readonly fd: number;
  /** What holds the payloads: `buffers` of `stride` bytes. */
  readonly buffers: readonly Span[];
  readonly peer: Sink | undefined;
  /** Bytes of rings, which the kernel holds as it holds buffers. */
  ringBytes = 0;
  nic: SimNic | undefined;
  /** What begins with the first message: a connection is made before the link goes bad. */
  start: () => void = () => {};
  readonly talk = new Talk();
  requests = 0;
  syscalls = 0;
  bounced = 0;
  read = 0;
  /** Buffers that nobody uses, and whether the next message may go. */
  readonly #free: number[] = [];
  #unsafe = 0;
  #lent = 0;
  readonly #destinations: readonly number[];
  readonly #headers: readonly Span[];

  constructor(machine: Machine, workload: Workload) {
    this.machine = machine;
    this.workload = workload;
    const { user } = machine;
    this.peer = workload.device === "nic" ? this.#plugNic() : undefined;
    this.fd = this.#socket();
    this.#destinations = Array.from({ length: workload.addresses }, (_, index) =>
      user.sockaddrIn(this.#peerAddress() + index, PORT),
    );
    const stride = Math.ceil(Math.max(...workload.sizes) / PAGE) * PAGE;
    const memory = user.pages(stride * workload.buffers);
    this.buffers = Array.from({ length: workload.buffers }, (_, index) => ({
      address: memory + index * stride,
      length: stride,
    }));
    this.#headers = this.buffers.map(() => ({ address: user.alloc(workload.header), length: workload.header }));
    for (let index = 0; index < workload.buffers; index++) this.#free.push(index);
  }

  get isStream(): boolean {
    return this.workload.transport === "tcp";
  }

  // The network --------------------------------------------------------------------------------------------------------

  #plugNic(): Sink {
    const { link } = this.workload;
    const sink = new Sink({ window: WINDOW, merge_ns: MERGE_NS });
    const { machine } = this;
    const nic = machine.addNic({ address: OUR_ADDRESS, linkRate: link.rate, mtu: link.mtu, tso: true, txRing: 256 });
    const wire = machine.connect(nic, sink, { delay_ns: link.delay_ns });
    this.nic = nic;
    this.start = () => {
      if (link.faults !== undefined) wire.configureFaults(link.faults, nic);
    };
    return sink;
  }

  #peerAddress(): number {
    const { device } = this.workload;
    return device === "nic" ? (parseIp(PEER_ADDRESS) as number) : DEVICE_PEERS[device];
  }

  #socket(): number {
    const { machine, workload } = this;
    const { sys, user } = machine;
    const fd = must("socket", sys.socket(AF_INET, this.isStream ? SOCK_STREAM : SOCK_DGRAM));
    this.setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, workload.sndbuf ?? SNDBUF);
    if (workload.addresses > 0) return fd;
    const address = user.sockaddrIn(this.#peerAddress(), PORT);
    const listener = this.isStream && workload.device !== "nic" ? this.#listen(address) : undefined;
    must("connect", sys.connect(fd, address, SOCKADDR_IN_SIZE));
    machine.exports.run_events(QUIET_NS);
    if (listener !== undefined) this.#read(must("accept", sys.accept4(listener)));
    return fd;
  }

  /** A peer on this machine, for devices that lead back to it. */
  #listen(address: number): number {
    const { sys, network } = this.machine;
    const isFar = this.workload.device === "veth" && network !== undefined;
    if (isFar) must("setns", sys.setns(network.nsB));
    const listener = must("socket", sys.socket(AF_INET, SOCK_STREAM));
    if (isFar) must("setns", sys.setns(NS_A));
    this.setOption(listener, SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF);
    must("bind", sys.bind(listener, address, SOCKADDR_IN_SIZE));
    must("listen", sys.listen(listener, 1));
    return listener;
  }

  /** That peer takes what comes and throws it away: one request, for all the bytes there will be. */
  #read(fd: number): void {
    const { machine, workload } = this;
    const total = workload.sizes.reduce((sum, size) => sum + size + workload.header, 0);
    const ring = this.ring(1);
    this.start = () => {
      const sqe = ring.getSqe();
      prepRecv(ring, sqe, fd, machine.user.pages(total), total, MSG_TRUNC | MSG_WAITALL);
      must("io_uring_enter", ring.submit());
    };
  }

  /** A ring of this application. */
  ring(entries: number, options: RingOptions = {}): Ring {
    const { machine } = this;
    const before = machine.counter(CNT_PAGES_HELD);
    const ring = machine.ring(entries, options);
    this.ringBytes += (machine.counter(CNT_PAGES_HELD) - before) * PAGE;
    return ring;
  }

  setOption(fd: number, level: number, name: number, value: number): void {
    const { sys, user } = this.machine;
    const at = user.alloc(4);
    user.setU32(at, value);
    must("setsockopt", sys.setsockopt(fd, level, name, at, 4));
  }

  // Buffers and order --------------------------------------------------------------------------------------------------

  /** A buffer to write the next message into, undefined if all are lent. */
  takeBuffer(): number | undefined {
    const buffer = this.#free.shift();
    if (buffer !== undefined) this.#lent++;
    return buffer;
  }

  /** Whether the next message may go without overtaking one of before. */
  get mayGo(): boolean {
    return !this.isStream || this.#unsafe === 0;
  }

  get lent(): number {
    return this.#lent;
  }

  destinationOf(index: number): number {
    return this.#destinations.length > 0 ? this.#destinations[index % this.#destinations.length] : 0;
  }

  headerOf(buffer: number): Span | undefined {
    return this.workload.header > 0 ? this.#headers[buffer] : undefined;
  }

  /** The message was made and goes to the design now. */
  sent(_: Message): void {
    this.#unsafe++;
  }

  /** The design says: what comes next can no longer overtake this message. */
  orderSafe(message: Message): void {
    if (message.orderSafe_ns !== undefined) return;
    message.orderSafe_ns = this.machine.now_ns;
    this.#unsafe--;
  }

  /** The design says: the kernel no longer needs the message's memory. */
  bufferFree(message: Message): void {
    this.orderSafe(message);
    message.free_ns = this.machine.now_ns;
    this.release(message);
  }

  /** The application takes the buffer back, told or not. */
  release(message: Message): void {
    this.#free.push(message.buffer);
    this.#lent--;
  }
}
