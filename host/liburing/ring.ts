// One ring, with the helpers that liburing's users know, in camelCase. An SQE is a number: its address in the machine's
// memory (0 = none), so that getSqe(), a prep function and setData() allocate nothing. The prep functions are in prep.ts
// and take the ring first only because they need its view of that memory.
//
// Indices are free-running and kept as int32, which wraps where a u32 does and stays a small integer for the engine.
// Barriers: the store of sq.tail pairs with the core's load of it in io_uring/submit.ts (it then sees whole SQEs), the
// store of cq.head with its test for room in io_uring/ring.ts (it then may overwrite what was read), and the load of
// cq.tail with its store after filling a CQE.
import { PROT_READ, PROT_WRITE } from "../../assembly/abi/socket.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { must } from "../core/errno.ts";
import type { Sys } from "../sys/sys.ts";
import type { UserMemory } from "../sys/user_memory.ts";
import { type RingOptions, readParams, ringBytes, sharedOf, writeParams } from "./setup.ts";

export interface Cqe {
  userData: bigint;
  res: number;
  flags: number;
}

// The fields are only declared here and get their value in the constructor. A field that is first defined as undefined has
// no single type for the engine, which then checks the type of `words` at every access: half of the cost of a NOP.
export class Ring {
  declare readonly fd: number;
  declare readonly flags: number;
  declare readonly features: number;
  declare readonly sqEntries: number;
  declare readonly cqEntries: number;
  /** Where the two mappings are in the machine's memory, for code that talks to the ring itself. */
  declare readonly ringsAddress: number;
  declare readonly sqesAddress: number;
  /** The machine's memory as 4-byte and 8-byte words, for prep.ts. Valid after getSqe() returned an SQE. */
  declare words: Int32Array;
  declare doubles: Float64Array;

  declare private readonly sys: Sys;
  declare private readonly user: UserMemory;
  declare private readonly mappings: readonly [address: number, length: number][];
  // Word indices of the shared fields.
  declare private readonly sqHead: number;
  declare private readonly sqTail: number;
  declare private readonly sqFlags: number;
  declare private readonly cqHead: number;
  declare private readonly cqTail: number;
  declare private readonly sqes: number;
  declare private readonly sqeShift: number;
  declare private readonly sqMask: number;
  declare private readonly cqes: number;
  declare private readonly cqeShift: number;
  declare private readonly cqMask: number;
  // The application's private copies: SQEs handed out, and the kernel's head as last seen.
  declare private sqeTail: number;
  declare private sqeHead: number;
  declare private readonly extArg: number;

  /** io_uring_queue_init_params(). Throws a SyscallError when the kernel refuses. */
  static init(user: UserMemory, entries: number, options: RingOptions = {}): Ring {
    const { sys } = user;
    const { params } = sharedOf(user);
    writeParams(user, params, options);
    const fd = must("io_uring_setup", sys.io_uring_setup(entries, params));
    return new Ring(user, fd, params);
  }

  private constructor(user: UserMemory, fd: number, paramsAt: number) {
    const params = readParams(user, paramsAt);
    this.sqeTail = 0;
    this.sqeHead = 0;
    this.sys = user.sys;
    this.user = user;
    this.fd = fd;
    this.flags = params.flags;
    this.features = params.features;
    this.sqEntries = params.sqEntries;
    this.cqEntries = params.cqEntries;
    this.sqeShift = params.flags & uapi.IORING_SETUP_SQE128 ? 7 : 6;
    this.cqeShift = params.flags & uapi.IORING_SETUP_CQE32 ? 5 : 4;
    const prot = PROT_READ | PROT_WRITE;
    const size = ringBytes(params);
    const rings = must("mmap", this.sys.mmap(size, prot, fd, uapi.IORING_OFF_SQ_RING));
    const sqesSize = params.sqEntries << this.sqeShift;
    this.sqes = must("mmap", this.sys.mmap(sqesSize, prot, fd, uapi.IORING_OFF_SQES));
    this.ringsAddress = rings;
    this.sqesAddress = this.sqes;
    this.mappings = [
      [rings, size],
      [this.sqes, sqesSize],
    ];
    this.sqHead = (rings + params.sqOff.head) >> 2;
    this.sqTail = (rings + params.sqOff.tail) >> 2;
    this.sqFlags = (rings + params.sqOff.flags) >> 2;
    this.cqHead = (rings + params.cqOff.head) >> 2;
    this.cqTail = (rings + params.cqOff.tail) >> 2;
    this.cqes = rings + params.cqOff.cqes;
    this.sqMask = params.sqEntries - 1;
    this.cqMask = params.cqEntries - 1;
    const { extArg, words, doubles } = sharedOf(user);
    this.extArg = extArg;
    this.words = words;
    this.doubles = doubles;
    // Slot i of the array names SQE i for good, as liburing does it.
    if (!(params.flags & uapi.IORING_SETUP_NO_SQARRAY)) {
      const array = (rings + params.sqOff.array) >> 2;
      for (let index = 0; index < params.sqEntries; index++) words[array + index] = index;
    }
  }

  /** io_uring_queue_exit() */
  exit(): void {
    for (const [address, length] of this.mappings) this.sys.munmap(address, length);
    this.sys.close(this.fd);
  }

  [Symbol.dispose](): void {
    this.exit();
  }

  // Submission --------------------------------------------------------------------------------------------------------

  /** The next free SQE, or 0 when the ring is full until the next submit. */
  getSqe(): number {
    if (this.words.length === 0) this.refresh();
    const tail = this.sqeTail;
    if (((tail - this.sqeHead) | 0) >= this.sqEntries) {
      this.sqeHead = Atomics.load(this.words, this.sqHead);
      if (((tail - this.sqeHead) | 0) >= this.sqEntries) return 0;
    }
    this.sqeTail = (tail + 1) | 0;
    return this.sqes + ((tail & this.sqMask) << this.sqeShift);
  }

  /** SQEs handed out that the kernel has not taken yet. */
  sqReady(): number {
    return (this.sqeTail - Atomics.load(this.view(), this.sqHead)) | 0;
  }

  sqSpaceLeft(): number {
    return this.sqEntries - this.sqReady();
  }

  /** Publishes the SQEs and enters the kernel. SQEs consumed, or a negative errno. */
  submit(): number {
    return this.enterSubmit(this.flushSq(), 0);
  }

  submitAndWait(waitNr: number): number {
    return this.enterSubmit(this.flushSq(), waitNr);
  }

  /** Publishes the SQEs without entering the kernel (for a ring with SQPOLL, or to look at what a reader sees). */
  flushSq(): number {
    const words = this.view();
    if (words[this.sqTail] !== this.sqeTail) Atomics.store(words, this.sqTail, this.sqeTail);
    return (this.sqeTail - Atomics.load(words, this.sqHead)) | 0;
  }

  private enterSubmit(submitted: number, waitNr: number): number {
    let flags = 0;
    let enters = submitted > 0;
    if (this.flags & uapi.IORING_SETUP_SQPOLL && submitted > 0) {
      enters = (Atomics.load(this.words, this.sqFlags) & uapi.IORING_SQ_NEED_WAKEUP) !== 0;
      if (enters) flags = uapi.IORING_ENTER_SQ_WAKEUP;
    }
    if (waitNr > 0 || this.cqNeedsEnter()) {
      flags |= uapi.IORING_ENTER_GETEVENTS;
      enters = true;
    }
    return enters ? this.sys.io_uring_enter(this.fd, submitted, waitNr, flags) : submitted;
  }

  /** Something waits inside the kernel that only a call brings out: overflowed CQEs, or task work it was told to flag. */
  private cqNeedsEnter(): boolean {
    if (this.flags & uapi.IORING_SETUP_IOPOLL) return true;
    const waiting = uapi.IORING_SQ_CQ_OVERFLOW | uapi.IORING_SQ_TASKRUN;
    return (Atomics.load(this.words, this.sqFlags) & waiting) !== 0;
  }

  // Completion --------------------------------------------------------------------------------------------------------

  cqReady(): number {
    const words = this.view();
    return (Atomics.load(words, this.cqTail) - words[this.cqHead]) | 0;
  }

  /** The oldest CQE that was not seen yet, without a system call unless the kernel holds some back; 0 for none. */
  peekCqe(): number {
    if (this.cqReady() === 0) {
      if (!this.cqNeedsEnter()) return 0;
      this.sys.io_uring_enter(this.fd, 0, 0, uapi.IORING_ENTER_GETEVENTS);
      if (this.cqReady() === 0) return 0;
    }
    return this.cqes + ((this.words[this.cqHead] & this.cqMask) << this.cqeShift);
  }

  /** Waits for a CQE. Its address, or a negative errno (a wait that nothing can end returns -EWAITFOREVER). */
  waitCqe(): number {
    const ready = this.peekCqe();
    if (ready !== 0) return ready;
    const result = this.sys.io_uring_enter(this.fd, 0, 1, uapi.IORING_ENTER_GETEVENTS);
    return result < 0 ? result : this.peekCqe();
  }

  /** Waits at most `ns` for `waitNr` CQEs. The result of io_uring_enter: 0, or -ETIME. */
  waitCqesTimeout(waitNr: number, ns: bigint): number {
    const { view } = this.user.memory;
    const timespec = this.extArg + uapi.GETEVENTS_ARG_SIZE;
    view.setUint32(this.extArg + uapi.GETEVENTS_OFF_TS, timespec, true);
    view.setBigInt64(timespec, ns / 1_000_000_000n, true);
    view.setBigInt64(timespec + 8, ns % 1_000_000_000n, true);
    const flags = uapi.IORING_ENTER_GETEVENTS | uapi.IORING_ENTER_EXT_ARG;
    return this.sys.io_uring_enter(this.fd, 0, waitNr, flags, this.extArg, uapi.GETEVENTS_ARG_SIZE);
  }

  cqeSeen(cqe: number): void {
    if (cqe !== 0) this.cqAdvance(1);
  }

  /** Gives `count` CQEs back to the kernel. */
  cqAdvance(count: number): void {
    const words = this.view();
    Atomics.store(words, this.cqHead, (words[this.cqHead] + count) | 0);
  }

  /** The CQE `index` places behind the oldest that was not seen yet; `index` is below cqReady(). */
  cqeAt(index: number): number {
    return this.cqes + (((this.words[this.cqHead] + index) & this.cqMask) << this.cqeShift);
  }

  /** Visits the CQEs that are there, oldest first, and gives them back afterwards. How many there were. */
  forEachCqe(visit: (cqe: number) => void): number {
    const words = this.view();
    const head = words[this.cqHead];
    const count = (Atomics.load(words, this.cqTail) - head) | 0;
    for (let index = 0; index < count; index++) {
      visit(this.cqes + (((head + index) & this.cqMask) << this.cqeShift));
    }
    if (count > 0) this.cqAdvance(count);
    return count;
  }

  cqeRes(cqe: number): number {
    return this.words[(cqe + uapi.CQE_OFF_RES) >> 2];
  }

  cqeFlags(cqe: number): number {
    return this.words[(cqe + uapi.CQE_OFF_FLAGS) >> 2] >>> 0;
  }

  /** The low half of user_data: all of it for an application whose tokens are u32. */
  cqeData(cqe: number): number {
    return this.words[cqe >> 2] >>> 0;
  }

  cqeDataHigh(cqe: number): number {
    return this.words[(cqe >> 2) + 1] >>> 0;
  }

  cqeData64(cqe: number): bigint {
    return (BigInt(this.cqeDataHigh(cqe)) << 32n) | BigInt(this.cqeData(cqe));
  }

  /** The CQE as an object, which stays as it is when the kernel uses the slot again. */
  cqe(cqe: number): Cqe {
    return { userData: this.cqeData64(cqe), res: this.cqeRes(cqe), flags: this.cqeFlags(cqe) };
  }

  /** The memory as words. A plain memory that has grown detaches its old view; a shared one keeps it valid. */
  private view(): Int32Array {
    if (this.words.length === 0) this.refresh();
    return this.words;
  }

  private refresh(): void {
    const { words, doubles } = sharedOf(this.user);
    this.words = words;
    this.doubles = doubles;
  }
}
