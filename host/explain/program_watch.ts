// What the program itself does to a buffer that it has lent: writes into it, closes what its completion would come to,
// takes its registration away.
import * as uapi from "../../assembly/abi/uapi.ts";
import type { RunContext } from "../program/context.ts";
import type { Arg, Step } from "../program/steps.ts";
import { NUMBER_TYPES } from "../program/vocabulary.ts";
import type { Closed, Life, Memory, Moment } from "./life.ts";
import { holdersOf } from "./owners.ts";

/** Calls that write into memory: index of the argument with the address, and of the one with the length. */
const WRITING_CALLS: Record<string, readonly [at: number, length: number]> = {
  read: [1, 2],
  pread64: [1, 2],
  recvfrom: [1, 2],
};
const LET_GO: readonly number[] = [uapi.IORING_UNREGISTER_BUFFERS, uapi.IORING_REGISTER_BUFFERS_UPDATE];

function overlaps(one: Memory, other: Memory): boolean {
  return one.address < other.address + other.length && other.address < one.address + one.length;
}

function closedAt({ keepers, completion }: Life, line: number, what: "ring" | "socket"): Closed {
  const inNetwork = keepers.some(({ areas }) => areas.size > 0) || completion === undefined;
  const unflushed = keepers.some((note) => note.slot !== undefined && note.hasOwnReference);
  return { line, what, inNetwork, unflushed };
}

export class ProgramWatch {
  readonly #lives: readonly Life[];

  constructor(lives: readonly Life[]) {
    this.#lives = lives;
  }

  step(step: Step, run: RunContext, at: Moment): void {
    switch (step.op) {
      case "poke":
        this.#poke(run, step.buf, step.offset, step.length, "poke", step.line, at);
        return;
      case "put":
        this.#poke(run, step.name, step.offset, NUMBER_TYPES[step.type][0] * step.values.length, "put", step.line, at);
        return;
      case "sys":
        this.#call(run, step.call, step.args, step.line, at);
        return;
      case "unregbuf":
        this.#unregister(run, step.line);
        return;
      case "reg":
        if (LET_GO.includes(step.opcode)) this.#unregister(run, step.line);
        return;
      case "closering":
        this.#closeRing(run.slot.name, step.line);
        return;
      case "close":
        if (step.fd.startsWith("ring")) this.#closeRing(step.fd.slice("ring".length), step.line);
        else this.#closeSocket(step.fd, step.line);
        return;
    }
  }

  /** Something writes into `memory`. `by`: the request that does, which may of course. */
  write(memory: readonly Memory[], what: string, line: number, at: Moment, by?: Life): void {
    for (const life of this.#lives) {
      const isHit =
        life !== by && life.isSend && life.memory.some((one) => memory.some((other) => overlaps(one, other)));
      if (!isHit || life.free !== undefined) continue;
      const others = this.#lives.filter((other) => other !== life && other.ring === life.ring);
      const sawOthers = others
        .flatMap(({ notes }) => notes)
        .filter(({ seen }) => seen !== undefined && seen.tick > life.submitted.tick)
        .map(({ label }) => label);
      const sawCompletion = life.completion?.seen !== undefined;
      life.writes.push({
        line,
        what,
        at,
        owner: holdersOf(life)[0],
        sawCompletion,
        sawOthers: [...new Set(sawOthers)],
      });
    }
  }

  #poke(run: RunContext, name: string, offset: number, length: number, what: string, line: number, at: Moment): void {
    const { address } = run.area(name);
    this.write([{ address: address + offset, length }], what, line, at);
  }

  #call(run: RunContext, call: string, args: readonly Arg[], line: number, at: Moment): void {
    if (call === "close") {
      const [fd] = args;
      if (typeof fd !== "object" || !("fd" in fd)) return;
      if (fd.fd.startsWith("ring")) this.#closeRing(fd.fd.slice("ring".length), line);
      else this.#closeSocket(fd.fd, line);
      return;
    }
    const places = WRITING_CALLS[call];
    if (places === undefined) return;
    const [at0, at1] = places;
    if (args[at0] === undefined || args[at1] === undefined) return;
    this.write([{ address: run.argPointer(args[at0]), length: run.argPointer(args[at1]) }], call, line, at);
  }

  #unregister(run: RunContext, line: number): void {
    for (const life of this.#inUse()) {
      if (life.fixed && life.ring === run.slot.name) life.unregistered.push(line);
    }
  }

  #closeRing(slot: string, line: number): void {
    for (const life of this.#inUse()) if (life.ring === slot) life.closed.push(closedAt(life, line, "ring"));
  }

  #closeSocket(name: string, line: number): void {
    for (const life of this.#inUse()) if (life.fdName === name) life.closed.push(closedAt(life, line, "socket"));
  }

  #inUse(): Life[] {
    const isOut = (life: Life) => life.notes.some(({ posted, done }) => posted === undefined && done === undefined);
    return this.#lives.filter((life) => life.isSend && isOut(life));
  }
}
