// What a running program has: its machine, its names, the ring it set up last, and where its events go. Every system
// call goes through call(), which ends the run when a call would wait for ever or is not modelled.
import { describeNotModelled } from "../core/not_modelled.ts";
import { IOVEC_SIZE, MSGHDR_SIZE, SOCKADDR_STORAGE_SIZE } from "../../assembly/abi/socket.ts";
import { ENOTMODELLED, EWAITFOREVER } from "../../assembly/abi/errno.ts";
import { errnoName } from "../core/errno.ts";
import type { RingParams } from "../liburing/setup.ts";
import type { Machine } from "../machine.ts";
import type { Sys } from "../sys/sys.ts";
import { pageAlign, type UserMemory } from "../sys/user_memory.ts";
import { type EventValue, exactNumber, type ProgramEvent } from "./events.ts";
import { describeWait, RunStopped, readWaitReport } from "./outcome.ts";
import type { Arg, FdRef } from "./steps.ts";

/** An address that no machine has memory at. */
const BEYOND_MEMORY = 0xffff_f000;

export interface Buffer {
  address: number;
  length: number;
  /** False once the program has unmapped or protected it. */
  isWritable: boolean;
}

/** Segments that one message has room for. */
export const MSG_IOV_MAX = 1100;
export const MSG_CONTROL_SIZE = 256;
/** A message's memory: header, iovec array, control area, address. The C harness has the same order. */
export const MESSAGE_SIZE = MSGHDR_SIZE + MSG_IOV_MAX * IOVEC_SIZE + MSG_CONTROL_SIZE + SOCKADDR_STORAGE_SIZE;

/** A `msg`: where its struct msghdr, its iovec array, its control area and its address are. */
export interface Message {
  header: number;
  iov: number;
  control: number;
  name: number;
}

/** The ring that the program set up last, as the application keeps it. */
export interface RingState {
  fd: number;
  params: RingParams;
  sqeSize: number;
  cqeSize: number;
  /** Address of the mapping that SQ and CQ share, and of the SQEs. */
  rings: number;
  sqes: number;
  /** SQEs filled and not known to be consumed, as the harness counts them: a u32. */
  pending: number;
  tail: number;
  /** False once the program has closed it, or when setup failed. */
  alive: boolean;
}

/** A place for a ring: `use R` selects one. */
interface RingSlot {
  name: string;
  ring: RingState | undefined;
  /** What `enter` and `register` use: -1 before the first setup and after one that failed. */
  fd: number;
  /** Flags that every io_uring_enter of the program has: for a ring that has only a registered descriptor. */
  enterFlags: number;
}

export class RunContext {
  readonly machine: Machine;
  readonly sys: Sys;
  readonly user: UserMemory;
  readonly #emit: (event: ProgramEvent) => void;
  readonly #fds = new Map<string, number>();
  readonly #bufs = new Map<string, Buffer>();
  readonly #msgs = new Map<string, Message>();
  readonly #rings = new Map<string, RingSlot>();
  /** The slot that every ring step works on. */
  #slot: RingSlot;
  /** 256 bytes for the structs of one call. */
  readonly scratch: number;
  line = 0;
  op = "";
  /** Told of each SQE that the program has filled: its address. */
  onSqe: ((address: number) => void) | undefined;

  constructor(machine: Machine, emit: (event: ProgramEvent) => void) {
    this.machine = machine;
    this.sys = machine.sys;
    this.user = machine.user;
    this.#emit = emit;
    this.scratch = machine.user.alloc(256);
    this.#slot = this.useRing("0");
  }

  out(ev: string, fields: Record<string, EventValue> = {}): void {
    this.#emit({ step: this.line, op: this.op, ev, ...fields });
  }

  /** The event of a call whose result is a count or an errno. */
  outResult(ev: string, result: number): void {
    if (result < 0) this.out(ev, { ret: -1, errno: errnoName(-result) });
    else this.out(ev, { ret: result });
  }

  /** The event of `sys`. */
  outCall(call: string, result: number): void {
    if (result < 0) this.out("sys", { call, ret: -1, errno: errnoName(-result) });
    else this.out("sys", { call, ret: result });
  }

  /** Stops a run that cannot go on: where the C harness prints a message and exits. */
  fail(report: string): never {
    throw new RunStopped("failed", report);
  }

  /** The result of a system call, unless it ends the run. */
  call(syscall: string, result: number, fd = "the task"): number {
    if (result === -EWAITFOREVER)
      throw new RunStopped("waits", describeWait(syscall, readWaitReport(this.machine), fd));
    if (result === -ENOTMODELLED) this.notModelled(describeNotModelled(syscall, this.machine.exports.not_modelled()));
    return result;
  }

  /** Like call(), for a step that means nothing when the call fails. */
  must(syscall: string, result: number, fd?: string): number {
    if (this.call(syscall, result, fd) < 0) this.fail(`${syscall}: ${errnoName(-result)}`);
    return result;
  }

  notModelled(what: string): never {
    throw new RunStopped("not-modelled", `not modelled: ${what}`);
  }

  // Names -------------------------------------------------------------------------------------------------------------

  fd(ref: FdRef): number {
    const fd = this.#fds.get(ref);
    return fd ?? Number(ref);
  }

  setFd(name: string, fd: number): void {
    this.#fds.set(name, fd);
  }

  /** The first buffer of that name: a second one never hides it. */
  buf(name: string): Buffer {
    return this.#bufs.get(name) ?? this.fail(`there is no buffer ${name}`);
  }

  /** The buffer that an address lies in, with its name. */
  bufferAt(address: number): { name: string; buffer: Buffer } | undefined {
    for (const [name, buffer] of this.#bufs) {
      if (address >= buffer.address && address < buffer.address + Math.max(1, buffer.length)) return { name, buffer };
    }
    return undefined;
  }

  addBuf(name: string, buffer: Buffer): void {
    if (!this.#bufs.has(name)) this.#bufs.set(name, buffer);
  }

  msg(name: string): Message {
    return this.#msgs.get(name) ?? this.fail(`there is no message ${name}`);
  }

  addMsg(name: string, message: Message): void {
    if (!this.#msgs.has(name)) this.#msgs.set(name, message);
  }

  /** The value of an ARG. An address of the machine is never beyond 32 bits. */
  arg(arg: Arg): bigint {
    if (typeof arg === "bigint") return arg;
    if ("fd" in arg) return BigInt.asUintN(64, BigInt(this.fd(arg.fd)));
    return BigInt(this.area(arg.at).address + arg.offset);
  }

  /** An ARG as a call that takes an int sees it. */
  argI32(arg: Arg): number {
    return Number(BigInt.asIntN(32, this.arg(arg)));
  }

  argU32(arg: Arg): number {
    return Number(BigInt.asUintN(32, this.arg(arg)));
  }

  /** An ARG as a pointer, or as a size. What is beyond 32 bits on Linux is beyond the memory here, too. */
  argPointer(arg: Arg): number {
    const value = this.arg(arg);
    return value > 0xffff_ffffn ? BEYOND_MEMORY : Number(value);
  }

  /** A buffer, or the memory of a message. */
  area(name: string): Buffer {
    const buffer = this.#bufs.get(name);
    if (buffer !== undefined) return buffer;
    return { address: this.msg(name).header, length: MESSAGE_SIZE, isWritable: true };
  }

  /** Where `length` bytes at `offset` of a buffer or message are. They may end with the last page of the buffer. */
  within(name: string, offset: number, length: number): number {
    const area = this.area(name);
    if (!area.isWritable) this.fail(`${this.op}: buffer ${name} was unmapped or protected`);
    if (offset + length > pageAlign(area.length))
      this.fail(`${this.op} reaches beyond buffer ${name} (${area.length} bytes)`);
    return area.address + offset;
  }

  // Rings -------------------------------------------------------------------------------------------------------------

  useRing(name: string): RingSlot {
    let slot = this.#rings.get(name);
    if (slot === undefined) {
      slot = { name, ring: undefined, fd: -1, enterFlags: 0 };
      this.#rings.set(name, slot);
    }
    this.#slot = slot;
    return slot;
  }

  get slot(): RingSlot {
    return this.#slot;
  }

  get ring(): RingState | undefined {
    return this.#slot.ring;
  }

  get ringFd(): number {
    return this.#slot.fd;
  }

  liveRing(): RingState {
    return this.ring ?? this.fail("there is no ring: setup comes first, and it must have succeeded");
  }

  u64(address: number): number | bigint {
    return exactNumber(this.user.getU64(address));
  }
}
