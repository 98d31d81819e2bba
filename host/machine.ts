// One machine: one core with one memory, booted, with its network. Everything it does follows from what it is asked and
// from its seed.
import { DEV_KIND_NIC } from "../assembly/abi/dev.ts";
import { TRACE_ALL, TRACE_COPY } from "../assembly/abi/trace.ts";
import type { CoreExports } from "./core/exports.ts";
import { must } from "./core/errno.ts";
import { type Core, instantiateCore, type NicImport } from "./core/load.ts";
import { type CoreBuild, coreModule, defaultBuild } from "./core/source.ts";
import type { RingOptions } from "./liburing/setup.ts";
import { Ring } from "./liburing/ring.ts";
import { NS_A, StandardNetwork, SUBNET } from "./net/standard.ts";
import { NicBus } from "./nic/bus.ts";
import type { NicOptions, SimNic } from "./nic/device.ts";
import { NicPair } from "./nic/pair.ts";
import type { Port, Tap, Wire, WireOptions } from "./nic/wire.ts";
import {
  DEFAULT_PROFILE,
  findProfile,
  SWITCHES,
  switchesError,
  switchIsOn,
  type SwitchValues,
  switchValue,
} from "./profile/profiles.ts";
import { Sys } from "./sys/sys.ts";
import { parseIp, UserMemory } from "./sys/user_memory.ts";

export interface MachineOptions {
  /** Decides every order that Linux leaves open. 0 is the order that was recorded on Linux. */
  seed?: number;
  /** `standard`: the devices of host/net/standard.ts. `none`: only `lo` of the first namespace. */
  network?: "standard" | "none";
  /** Whether the trace ring is written, or which parts of it (TRACE_* of assembly/abi/trace.ts). */
  trace?: boolean | number;
  build?: CoreBuild;
  /** Which kernel it behaves as: a name of host/profile/profiles.ts. */
  profile?: string;
  /** Proposals and open choices on top of it, by name. */
  switches?: SwitchValues;
}

export interface NewNic extends NicOptions {
  /** "10.90.0.1" */
  address: string;
  prefix?: number;
  /** As `ip link` would show it. */
  name?: string;
  /** Network namespace; 0 is where programs run. */
  namespace?: number;
}

interface NicSocket {
  handler?: NicImport;
}

/** nic0 and nic1 are the standard pair, made or not. */
const FIRST_OWN_NIC = 2;

export class Machine {
  readonly core: Core;
  readonly exports: CoreExports;
  readonly sys: Sys;
  readonly user: UserMemory;
  readonly network: StandardNetwork | undefined;
  readonly seed: number;
  readonly profile: string;
  /** The switch copy_debug: the trace says why sends are copied. */
  readonly tellsCopies: boolean;
  readonly #bus: NicBus;
  readonly #socket: NicSocket;
  #pair: NicPair | undefined;
  #nics = FIRST_OWN_NIC;

  static async create(options: MachineOptions = {}): Promise<Machine> {
    const build = options.build ?? defaultBuild();
    const module = await coreModule(build);
    // The core can call its NIC as soon as it has booted; who answers is known only once NICs were asked for.
    const socket: NicSocket = {};
    const nic: NicImport = (dev, what, arg) => socket.handler?.(dev, what, arg);
    const core = await instantiateCore(module, { shared: build !== "plain", nic });
    return new Machine(core, socket, options);
  }

  /**
   * A new machine in the memory of `old`, which must not be used any more: a fifth of the time that create() takes, for
   * who runs thousands of programs. The build is that of `old`.
   */
  static recycle(old: Machine, options: Omit<MachineOptions, "build"> = {}): Machine {
    old.exports.clear();
    return new Machine(old.core, old.#socket, options);
  }

  private constructor(core: Core, socket: NicSocket, options: MachineOptions) {
    this.core = core;
    this.#socket = socket;
    this.exports = core.exports;
    this.seed = options.seed ?? 0;
    this.#bus = new NicBus(core, this.seed);
    socket.handler = this.#bus.onCore;
    this.profile = options.profile ?? DEFAULT_PROFILE;
    const profile = findProfile(this.profile);
    if (profile === undefined) throw new RangeError(`no profile is named '${this.profile}'`);
    const { switches = {} } = options;
    const wrong = switchesError(profile, switches);
    if (wrong !== undefined) throw new RangeError(wrong);
    this.exports.boot(this.seed, profile.id);
    for (const [name, value] of Object.entries(switches)) this.#switch(name, value);
    const { trace = false } = options;
    this.tellsCopies = switchIsOn(switches, "copy_debug");
    const mask = (trace === true ? TRACE_ALL : trace === false ? 0 : trace) | (this.tellsCopies ? TRACE_COPY : 0);
    if (mask !== 0) this.exports.trace_enable(mask);
    this.sys = new Sys(core);
    this.user = new UserMemory(this.sys);
    this.network = options.network === "none" ? undefined : new StandardNetwork(this.exports);
  }

  #switch(name: string, value: number | string): void {
    const found = SWITCHES.find((one) => one.name === name);
    const number = found && switchValue(found, value);
    if (found !== undefined && number !== undefined) must("switch_set", this.exports.switch_set(found.id, number));
  }

  /** The pair of simulated NICs of the standard network with the wire between them, made at the first call. */
  nic(): NicPair {
    if (this.#pair !== undefined) return this.#pair;
    if (this.network === undefined) throw new Error("this machine was created without the standard network");
    const [near, far] = this.network.addNics().map((dev, index) => this.#bus.add(dev, `nic${index}`));
    this.#pair = new NicPair(near, far, this.#bus.connect(near, far));
    return this.#pair;
  }

  /** A simulated NIC of one's own, to be connected to another port: a NIC, or a peer without a kernel. */
  addNic({ address, prefix = SUBNET, name = `nic${this.#nics++}`, namespace = NS_A, ...options }: NewNic): SimNic {
    const ip = parseIp(address);
    if (ip === undefined) throw new RangeError(`addNic: '${address}' is not an IPv4 address`);
    const dev = must("dev_create", this.exports.dev_create(DEV_KIND_NIC, namespace));
    must("dev_addr_add", this.exports.dev_addr_add(dev, ip, prefix));
    this.network?.devices.set(name, dev);
    return this.#bus.add(dev, name, options);
  }

  /** A wire between two ports. Its faults follow from the machine's seed. */
  connect(first: Port, second: Port, options: WireOptions = {}): Wire {
    return this.#bus.connect(first, second, options);
  }

  /** Sees every frame on every wire of this machine when it is sent. */
  onFrame(tap: Tap): void {
    this.#bus.tap(tap);
  }

  /** A ring with its mappings (io_uring_queue_init_params). */
  ring(entries: number, options: RingOptions = {}): Ring {
    return Ring.init(this.user, entries, options);
  }

  get now_ns(): bigint {
    return this.exports.now_ns();
  }

  /** A counter of assembly/abi/counters.ts. */
  counter(offset: number): number {
    return this.core.memory.view.getUint32(this.exports.counters() + offset, true);
  }
}
