// Follows a run: its steps, its events and the records of its trace, in their order. What comes out is a life for every
// request, which the rules (surprises.ts, advice.ts) and the report look at.
import { SO_EE_ORIGIN_ZEROCOPY } from "../../assembly/abi/socket.ts";
import { IOSQE_CQE_SKIP_SUCCESS } from "../../assembly/abi/uapi.ts";
import * as trace from "../../assembly/abi/trace.ts";
import type { Machine } from "../machine.ts";
import type { RunContext } from "../program/context.ts";
import type { ProgramEvent } from "../program/events.ts";
import type { Step, StepOf } from "../program/steps.ts";
import type { TraceRecord } from "../trace/decode.ts";
import { deviceNames, type Observer } from "../trace/watch.ts";
import { opcodeText } from "../trace/words.ts";
import { Areas } from "./areas.ts";
import { Intervals } from "./intervals.ts";
import { Life, type Memory, type Moment, Note } from "./life.ts";
import { Notes, postedOf } from "./notes.ts";
import { ProgramWatch } from "./program_watch.ts";
import { readSqe, writesMemory } from "./sqe.ts";

interface Posted {
  ring: number;
  user_data: bigint;
  res: number;
  flags: number;
  of: Life | Note;
  seen: boolean;
}

interface Filled {
  line: number;
  at: Moment;
  ring: string;
  fdName: string;
}

const READ_CQE = "the application has read the CQE";
const isZcEvent = (event: number) => event >= trace.TR_NOTIF_ALLOC && event < trace.TR_SKB_ALLOC;
const isNetEvent = (event: number) => event >= trace.TR_SKB_ALLOC;

export class Tracker implements Observer {
  readonly lives: Life[] = [];
  readonly notes: Notes;
  readonly #areas: Areas;
  readonly #machine: Machine;
  readonly #intervals = new Intervals();
  readonly #byRequest = new Map<number, Life>();
  readonly #sqes = new Map<number, Filled>();
  /** The name that the program gave to a ring, by its address in the core. */
  readonly #rings = new Map<number, string>();
  readonly #overflowed = new Map<number, (Life | Note)[]>();
  readonly #posted: Posted[] = [];
  readonly #watch: ProgramWatch;
  #devices = new Map<number, string>();
  #run: RunContext | undefined;
  #issuing: Life | undefined;
  /** The system call that runs, once it is known to send. */
  #call: Life | undefined;
  #step: Step | undefined;
  #steps = 0;
  #tick = 0;
  #now = 0n;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#areas = new Areas((index) => this.#deviceName(index));
    this.notes = new Notes(this.#areas);
    this.#watch = new ProgramWatch(this.lives);
  }

  start(run: RunContext): void {
    this.#run = run;
    run.onSqe = (address) => {
      const step = this.#step;
      if (step?.op !== "sqe") return;
      const fd = step.settings.find((setting) => setting.key === "fd");
      const at = this.#moment(this.#machine.now_ns);
      this.#sqes.set(address, { line: step.line, at, ring: run.slot.name, fdName: fd?.key === "fd" ? fd.fd : "" });
    };
  }

  // Steps and events --------------------------------------------------------------------------------------------------

  step(step: Step): void {
    const at = this.#moment(this.#machine.now_ns);
    this.#endCall();
    this.#step = step;
    this.#steps++;
    if (this.#run !== undefined) this.#watch.step(step, this.#run, at);
    if (step.op === "syssend") this.#startCall(step);
  }

  event(event: ProgramEvent): void {
    const at = this.#moment(this.#machine.now_ns);
    if (event.ev === "cqe") this.#sawCqe(event, at);
    else if (event.ev === "errq") this.#sawErrorQueue(event, at);
    else if ((event.ev === "send" || event.ev === "sys") && this.#call !== undefined) {
      const res = Number(event.ret);
      this.#call.completion = { res, flags: 0, posted_ns: Number(at.ns), seen_ns: Number(at.ns), at, seen: at };
      if (this.#call.notes.length === 0) this.#free(this.#call, at, "the call has returned");
      else this.#intervals.update([this.#call], at, "the call has returned");
    }
  }

  /** The end of the program: everything that has not ended by now stays as it is. */
  end(): void {
    this.#endCall();
    this.#intervals.finish(this.lives);
  }

  #moment(ns: bigint): Moment {
    this.#now = ns;
    return { ns, tick: this.#tick++ };
  }

  #startCall(step: StepOf<"syssend">): void {
    const run = this.#run;
    if (run === undefined) return;
    const { address, length } = run.buf(step.buf);
    const call = this.#newCall(step.line, "send()", step.fd);
    call.bytes = step.length ?? length;
    if (call.bytes > 0) call.memory = [{ address, length: call.bytes }];
    this.#intervals.update([call], call.submitted, "");
  }

  #newCall(line: number, operation: string, fdName: string): Life {
    const at = this.#moment(this.#now);
    const call = new Life(this.lives.length + 1, line, operation, at);
    call.fdName = fdName;
    call.isSend = true;
    call.accepted = true;
    call.batch = this.#steps;
    this.lives.push(call);
    this.#call = call;
    return call;
  }

  #endCall(): void {
    this.#call = undefined;
  }

  #sawCqe(event: ProgramEvent, at: Moment): void {
    const { ud, res, flags } = event;
    const ring = this.#run?.slot.name;
    const seen = this.#posted.find(
      (each) =>
        !each.seen &&
        each.user_data === BigInt(ud) &&
        each.res === Number(res) &&
        each.flags === Number(flags) &&
        (this.#rings.get(each.ring) ?? ring) === ring,
    );
    if (seen === undefined) return;
    seen.seen = true;
    const of = seen.of;
    if (of instanceof Life) {
      if (of.completion !== undefined) Object.assign(of.completion, { seen: at, seen_ns: Number(at.ns) });
      if (of.notes.length === 0) this.#free(of, at, READ_CQE);
      // 6.0: of a send that failed after a part of it nothing tells when the rest of its buffer is free.
      for (const note of of.notes) if (note.isOnlyCqe && note.refs === 0) this.#sawNote(note, at, READ_CQE);
    } else {
      for (const { completion } of of.isOnlyCqe ? of.lives : [])
        if (completion !== undefined) Object.assign(completion, { seen: at, seen_ns: Number(at.ns) });
      this.#sawNote(of, at, of.isOnlyCqe ? READ_CQE : "the application has read the notification");
    }
  }

  #sawErrorQueue({ ee_origin, ee_info, ee_data }: ProgramEvent, at: Moment): void {
    if (ee_origin !== SO_EE_ORIGIN_ZEROCOPY) return;
    const fd = this.#step !== undefined && "fd" in this.#step ? String(this.#step.fd) : "";
    for (const note of this.notes.all) {
      const isMeant = note.userData >= BigInt(ee_info) && note.userData <= BigInt(ee_data) && note.done && !note.seen;
      if (!note.isMsgZerocopy || !isMeant || !note.lives.some(({ fdName }) => fdName === fd)) continue;
      this.#sawNote(note, at, "the application has read the error queue");
    }
  }

  /** A buffer is free when the application has seen everything that holds it end. */
  #sawNote(note: Note, at: Moment, because: string): void {
    note.seen = at;
    for (const life of note.lives)
      if (life.notes.every(({ seen }) => seen !== undefined)) this.#free(life, at, because);
  }

  #free(life: Life, at: Moment, because: string): void {
    life.free ??= at;
    this.#intervals.update([life], at, because);
  }

  // Records -----------------------------------------------------------------------------------------------------------

  records(records: readonly TraceRecord[]): void {
    if (records.length > 0) this.#devices = deviceNames(this.#machine);
    for (const record of records) this.#record(record);
  }

  #record(record: TraceRecord): void {
    const at = this.#moment(record.time_ns);
    const { event } = record;
    if (event === trace.TR_NET_DEV_RX) this.notes.delivers(this.#deviceName(Number(record.a & 0xffn)));
    if (isNetEvent(event)) {
      if (!this.#areas.move(record)) return;
    } else if (isZcEvent(event)) {
      this.notes.add({ ...record, index: at.tick });
      if (event === trace.TR_NOTIF_REQ) this.#use(record);
      // The put that follows says why.
      if (event === trace.TR_UBUF_SKB_END || event === trace.TR_UBUF_GET) return;
    } else {
      this.#ring(record, at);
    }
    this.#intervals.update(this.lives, at, "", record);
  }

  #deviceName(index: number): string {
    return this.#devices.get(index) ?? "lo";
  }

  /** TR_NOTIF_REQ: a send uses a notification. */
  #use(record: TraceRecord): void {
    const note = this.notes.of(record.object);
    if (note === undefined) return;
    let life = this.#byRequest.get(record.b) ?? this.#issuing;
    if (life === undefined) {
      const { op = "", line = 0 } = this.#step ?? {};
      const fd = this.#step?.op === "sys" ? this.#step.args[0] : undefined;
      const name = typeof fd === "object" && "fd" in fd ? fd.fd : "";
      life = this.#call ?? this.#newCall(line, `${this.#step?.op === "sys" ? this.#step.call : op}()`, name);
    }
    life.isZeroCopy = true;
    life.isSend = true;
    life.fixed ||= record.c !== 0;
    if (life.notes.includes(note)) return;
    life.notes.push(note);
    note.lives.push(life);
  }

  #ring(record: TraceRecord, at: Moment): void {
    const { event, object } = record;
    if (event === trace.TR_IO_URING_SQE) {
      this.#take(record, at);
      return;
    }
    if (event === trace.TR_IO_URING_COMPLETE || event === trace.TR_IO_URING_CQE_OVERFLOW) {
      this.#complete(record, at);
      return;
    }
    const life = this.#byRequest.get(object);
    if (life === undefined || life.completion !== undefined) return;
    switch (event) {
      case trace.TR_IO_URING_SUBMIT_REQ:
        life.accepted = true;
        // What the profile takes the opcode for.
        life.operation = opcodeText(record.b);
        return;
      case trace.TR_IO_URING_SOCKET:
        life.socket = { object: record.b, family: record.c >>> 16, type: record.c & 0xffff };
        return;
      case trace.TR_IO_URING_ISSUE:
        life.issues++;
        life.issuedAt ??= at;
        this.#issuing = life;
        return;
      case trace.TR_IO_URING_ISSUE_RET:
        this.#issuing = undefined;
        // A success that no CQE tells: the kernel is done with it all the same.
        if (life.flags & IOSQE_CQE_SKIP_SUCCESS && (record.b | 0) >= 0 && life.notes.length === 0) {
          this.#free(life, at, "it has succeeded, and no CQE is asked for");
        }
        return;
      case trace.TR_IO_URING_POLL_ARM:
        life.waits.push({ kind: "poll", at });
        return;
      case trace.TR_IO_URING_QUEUE_ASYNC_WORK:
        life.waits.push({ kind: "worker", at });
        return;
      case trace.TR_IO_URING_DEFER:
        life.waits.push({ kind: "drain", at });
        return;
      case trace.TR_IO_URING_FAIL_LINK:
        life.linkFailed = true;
        return;
    }
  }

  /** TR_IO_URING_SQE: a request begins. */
  #take({ object, a, b, c }: TraceRecord, at: Moment): void {
    const filled = this.#sqes.get(b);
    const opcode = this.#machine.core.memory.view.getUint8(b);
    const life = new Life(this.lives.length + 1, filled?.line ?? this.#step?.line ?? 0, opcodeText(opcode), at);
    life.userData = a;
    life.ringObject = c;
    life.filled = filled?.at;
    life.fdName = filled?.fdName ?? "";
    life.batch = this.#steps;
    if (filled !== undefined) this.#rings.set(c, filled.ring);
    life.ring = this.#rings.get(c) ?? null;
    if (this.#run !== undefined) readSqe(this.#run.user, b, life);
    this.notes.forgetRequest(object);
    this.#byRequest.set(object, life);
    this.lives.push(life);
    if (writesMemory(life)) this.#watch.write(life.memory, `${life.operation} of ${life.name}`, life.line, at, life);
  }

  #complete({ event, object, a, b, c }: TraceRecord, at: Moment): void {
    const isOverflow = event === trace.TR_IO_URING_CQE_OVERFLOW;
    const waiting = this.#overflowed.get(object);
    const of = (isOverflow ? undefined : waiting?.shift()) ?? this.#meant(object, a);
    if (of === undefined) return;
    const ring = of instanceof Life ? of.ringObject : (of.lives[0]?.ringObject ?? 0);
    if (isOverflow) {
      of.overflowed = true;
      this.#overflowed.set(ring, [...(this.#overflowed.get(ring) ?? []), of]);
      return;
    }
    this.#posted.push({ ring, user_data: a, res: b | 0, flags: c, of, seen: false });
    const completion = { res: b | 0, flags: c, posted_ns: Number(at.ns), seen_ns: null, at };
    if (of instanceof Note) {
      Object.assign(of, { userData: a, posted: postedOf(completion) });
      if (of.isOnlyCqe) for (const life of of.lives) life.completion ??= { ...completion };
    } else {
      of.completion = completion;
      for (const note of of.notes) if (note.isOnlyCqe) note.posted ??= postedOf(completion);
    }
  }

  /** Whose CQE it is: the object says so, unless it is posted for somebody whose memory is used otherwise by now. */
  #meant(object: number, userData: bigint): Life | Note | undefined {
    const note = this.notes.ofRequest(object);
    if (note !== undefined && note.posted === undefined) return note;
    const life = this.#byRequest.get(object);
    if (life !== undefined) return life;
    return this.notes.all.find(
      (each) => !each.isMsgZerocopy && each.userData === userData && each.posted === undefined && each.refs === 0,
    );
  }

  /** Memory as the program names it. */
  span({ address, length }: Memory): { buffer: string | null; offset: number; length: number } {
    const found = this.#run?.bufferAt(address);
    if (found === undefined) return { buffer: null, offset: address, length };
    return { buffer: found.name, offset: address - found.buffer.address, length };
  }
}
