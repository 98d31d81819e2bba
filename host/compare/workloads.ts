// What is sent. A workload says nothing about how: that is the design's part.
import type { FaultOptions } from "../nic/fault.ts";
import type { DeviceName } from "../net/standard.ts";

/** How the Samba server of the thread may answer: four ways to send a header and a payload. */
export type Variant = "splice" | "zc" | "bounce" | "copy" | "read";

export const VARIANT_TITLES: Readonly<Record<Variant, string>> = {
  splice: "SEND of the header with MSG_MORE, then SPLICE file -> pipe -> socket",
  zc: "header and payload together, zero copy",
  bounce: "payload encrypted into a bounce buffer, then header and payload together",
  copy: "header and payload in one plain SENDMSG",
  read: "READ of the file into a buffer, then as copy",
};

export interface Link {
  /** Bits per second. */
  rate: number;
  /** One way. */
  delay_ns: number;
  /** Of what the machine sends. */
  faults?: FaultOptions;
  mtu?: number;
}

export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly transport: "tcp" | "udp";
  /** `nic`: the simulated NIC with a peer that acknowledges. Others are devices of the standard network. */
  readonly device: "nic" | Exclude<DeviceName, "nic">;
  readonly link: Link;
  /** Payload bytes of each message, in order. */
  readonly sizes: readonly number[];
  /** Bytes in front of each payload, 0 for none. */
  readonly header: number;
  /** Destinations; 0: the socket is connected. */
  readonly addresses: number;
  /** Messages that the application makes at a time. */
  readonly burst: number;
  /** Between two bursts. */
  readonly interval_ns: number;
  /** SO_SNDBUF. */
  readonly sndbuf?: number;
  /** Buffers of the largest size that the application owns. */
  readonly buffers: number;
  readonly variants: readonly Variant[];
  /** Registered buffers. */
  readonly fixed?: boolean;
  /** The application sends from buffers that it did not get back, as a benchmark does. */
  readonly careless?: boolean;
  /** Waits for every buffer after each burst. */
  readonly collect?: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** A data centre: 10 Gbit/s, 20 us to the peer. */
const NEAR: Link = { rate: 10e9, delay_ns: 20_000 };

const BASE = {
  device: "nic",
  header: 0,
  addresses: 0,
  burst: 1,
  interval_ns: 0,
  variants: [],
} as const;

const repeat = (count: number, size: number) => new Array<number>(count).fill(size);

export const WORKLOADS: readonly Workload[] = [
  {
    ...BASE,
    name: "small-tcp",
    title: "1000 messages of 200 bytes on one TCP stream, one every microsecond: do they share skbs?",
    transport: "tcp",
    link: NEAR,
    sizes: repeat(1000, 200),
    interval_ns: 1000,
    buffers: 256,
  },
  {
    ...BASE,
    name: "large-tcp",
    title: "100 messages of 64 KiB on one TCP stream, as fast as they go",
    transport: "tcp",
    link: NEAR,
    sizes: repeat(100, 64 * KIB),
    buffers: 16,
  },
  {
    ...BASE,
    name: "udp-many",
    title: "1000 datagrams of 1200 bytes to 50 addresses, 25 at a time",
    transport: "udp",
    link: NEAR,
    sizes: repeat(1000, 1200),
    addresses: 50,
    burst: 25,
    interval_ns: 25_000,
    buffers: 200,
  },
  {
    ...BASE,
    name: "lossy",
    title: "200 messages of 8 KiB over 1 Gbit/s, 1 ms away, that loses 2 frames of 100",
    transport: "tcp",
    link: { rate: 1e9, delay_ns: 1_000_000, faults: { loss: 0.02 } },
    sizes: repeat(200, 8 * KIB),
    interval_ns: 100_000,
    buffers: 64,
  },
  {
    ...BASE,
    name: "samba",
    title: "the file server of the thread: a header of 250 bytes and 64 KiB, 1 MiB, 8 MiB of a file",
    transport: "tcp",
    link: NEAR,
    sizes: [64 * KIB, MIB, 8 * MIB],
    header: 250,
    buffers: 2,
    variants: ["splice", "zc", "bounce", "copy"],
  },
];

export const findWorkload = (name: string): Workload | undefined => WORKLOADS.find((each) => each.name === name);
