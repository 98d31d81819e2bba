// The network that the recorded programs used, built through the calls that stand for `ip` and `tc`:
//
//   namespace a (0): the program runs here          namespace b (1)
//   lo    127.0.0.1, MTU 65536                      lo   127.0.0.1
//   va    10.77.0.1/24 ----------- veth ----------- vb   10.77.0.2/24, MTU 1500
//   if0   10.78.0.1/24, MTU 1500: an IFB that nobody redirects to, drops what it is given to transmit
//   if1   10.79.0.1/24, the same behind a token bucket of 10000 bytes/s: a NIC that completes late
//   if2   10.80.0.1/24, the same as if0 with MTU 65535
//   nic0  10.81.0.1/24 ------------ wire ---------- nic1 10.81.0.2/24: simulated NICs, built when first asked for
import {
  DEV_KIND_IFB,
  DEV_KIND_NIC,
  DEV_KIND_VETH,
  DEV_SET_FEATURES,
  DEV_SET_GATEWAY,
  DEV_SET_MTU,
  DEV_SET_PEER,
  DEV_SET_TBF_BURST,
  DEV_SET_TBF_LIMIT,
  DEV_SET_TBF_RATE,
} from "../../assembly/abi/dev.ts";
import { must } from "../core/errno.ts";
import type { CoreExports } from "../core/exports.ts";

/** How a program names a device, and the address that it reaches on the other side. */
export const DEVICE_PEERS = {
  lo: 0x7f000001,
  veth: 0x0a4d0002,
  ifb: 0x0a4e0002,
  ifbslow: 0x0a4f0002,
  ifb65: 0x0a500002,
  nic: 0x0a510002,
} as const;

export type DeviceName = keyof typeof DEVICE_PEERS;

export const NS_A = 0;

export const SUBNET = 24;
const TBF_RATE = 10_000;
const TBF_BURST = 1500;
const TBF_LIMIT = 100_000;

export class StandardNetwork {
  readonly #exports: CoreExports;
  /** Index of a device by the name that `ip link` would show. */
  readonly devices = new Map<string, number>();
  readonly nsB: number;

  readonly #wanted = new Map<number, { features: number }>();

  constructor(exports: CoreExports) {
    this.#exports = exports;
    this.nsB = must("net_ns_create", exports.net_ns_create());
    const va = this.#add("va", DEV_KIND_VETH, NS_A);
    const vb = this.#add("vb", DEV_KIND_VETH, this.nsB);
    this.#set(va, DEV_SET_PEER, vb);
    this.#address(va, DEVICE_PEERS.veth - 1);
    this.#address(vb, DEVICE_PEERS.veth);
    this.#ifb("if0", DEVICE_PEERS.ifb - 1, 1500);
    const slow = this.#ifb("if1", DEVICE_PEERS.ifbslow - 1, 1500);
    this.#set(slow, DEV_SET_TBF_RATE, TBF_RATE);
    this.#set(slow, DEV_SET_TBF_BURST, TBF_BURST);
    this.#set(slow, DEV_SET_TBF_LIMIT, TBF_LIMIT);
    this.#ifb("if2", DEVICE_PEERS.ifb65 - 1, 65535);
  }

  /** Two NICs, one in each namespace, not yet connected to anything. */
  addNics(): readonly [number, number] {
    const near = this.#add("nic0", DEV_KIND_NIC, NS_A);
    const far = this.#add("nic1", DEV_KIND_NIC, this.nsB);
    this.#address(near, DEVICE_PEERS.nic - 1);
    this.#address(far, DEVICE_PEERS.nic);
    return [near, far];
  }

  /** The features of a device that were asked for, from what it has at the start. */
  wanted(dev: number): { features: number } {
    const wanted = this.#wanted.get(dev) ?? { features: this.#exports.dev_get(dev, DEV_SET_FEATURES) };
    this.#wanted.set(dev, wanted);
    return wanted;
  }

  #add(name: string, kind: number, ns: number): number {
    const dev = must("dev_create", this.#exports.dev_create(kind, ns));
    this.devices.set(name, dev);
    return dev;
  }

  #ifb(name: string, address: number, mtu: number): number {
    const dev = this.#add(name, DEV_KIND_IFB, NS_A);
    this.#set(dev, DEV_SET_MTU, mtu);
    this.#address(dev, address);
    this.#set(dev, DEV_SET_GATEWAY, 1);
    return dev;
  }

  #set(dev: number, what: number, value: number): void {
    must("dev_set", this.#exports.dev_set(dev, what, value));
  }

  #address(dev: number, address: number): void {
    must("dev_addr_add", this.#exports.dev_addr_add(dev, address, SUBNET));
  }
}
