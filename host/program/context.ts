// What a running program has: its machine, its names, the ring it set up last, and where its events go. Every system
// call goes through call(), which ends the run when a call would wait for ever or is not modelled.
import { describeNotModelled } from "../core/not_modelled.ts";
import { ENOTMODELLED, EWAITFOREVER } from "../../assembly/abi/errno.ts";
import { errnoName } from "../core/errno.ts";
import type { RingParams } from "../liburing/setup.ts";
import type { Machine } from "../machine.ts";
import type { Sys } from "../sys/sys.ts";
import type { UserMemory } from "../sys/user_memory.ts";
import { type EventValue, exactNumber, type ProgramEvent } from "./events.ts";
import { describeWait, RunStopped, readWaitReport } from "./outcome.ts";
import type { FdRef } from "./steps.ts";

export interface Buffer {
  address: number;
  length: number;
  /** False once the program has unmapped or protected it. */
  isWritable: boolean;
}

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

export class RunContext {
  readonly machine: Machine;
  readonly sys: Sys;
  readonly user: UserMemory;
  readonly #emit: (event: ProgramEvent) => void;
  readonly #fds = new Map<string, number>();
  readonly #bufs = new Map<string, Buffer>();
  readonly #msgs = new Map<string, Message>();
  /** 256 bytes for the structs of one call. */
  readonly scratch: number;
  ring: RingState | undefined;
  /** What `enter` and `register` use: -1 before the first setup and after one that failed. */
  ringFd = -1;
  line = 0;
  op = "";

  constructor(machine: Machine, emit: (event: ProgramEvent) => void) {
    this.machine = machine;
    this.sys = machine.sys;
    this.user = machine.user;
    this.#emit = emit;
    this.scratch = machine.user.alloc(256);
  }

  out(ev: string, fields: Record<string, EventValue> = {}): void {
    this.#emit({ step: this.line, op: this.op, ev, ...fields });
  }

  /** The event of a call whose result is a count or an errno. */
  outResult(ev: string, result: number): void {
    if (result < 0) this.out(ev, { ret: -1, errno: errnoName(-result) });
    else this.out(ev, { ret: result });
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

  addBuf(name: string, buffer: Buffer): void {
    if (!this.#bufs.has(name)) this.#bufs.set(name, buffer);
  }

  msg(name: string): Message {
    return this.#msgs.get(name) ?? this.fail(`there is no message ${name}`);
  }

  addMsg(name: string, message: Message): void {
    if (!this.#msgs.has(name)) this.#msgs.set(name, message);
  }

  liveRing(): RingState {
    return this.ring ?? this.fail("there is no ring: setup comes first, and it must have succeeded");
  }

  u64(address: number): number | bigint {
    return exactNumber(this.user.getU64(address));
  }
}
