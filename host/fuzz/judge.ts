// Says whether a program means the same on both sides. The kernel is the measure, but it does not always give the same
// answer itself: a program that differs is asked again, and where the kernel leaves an order open the emulator may
// reproduce its answer under another seed.
import { outcomeText, sameEvents } from "../conform/compare.ts";
import type { ProgramEvent } from "../program/events.ts";
import type { Emulator, EmulatorRun } from "./emulator.ts";
import { addHints } from "./hints.ts";

export interface KernelAnswer {
  events: ProgramEvent[];
  /** 0 at the end of the program, 2 when the harness refused it. */
  exit: number;
  /** The program did not end by itself. */
  killed: boolean;
  stderr: string;
  /** Wall time of its process. */
  spent_ms: number;
}

/** Runs a program on the kernel; `limit_ms` after which it is killed. */
export type AskKernel = (program: string, limit_ms: number) => Promise<KernelAnswer>;

export const VERDICTS = ["same", "again", "seed", "waits", "different", "not-modelled", "refused"] as const;
/**
 * `again`: the kernel gave this answer when it was asked again. `seed`: another seed of the emulator gives the kernel's
 * answer. `waits`: both sides wait for ever, at the same step. `refused`: the harness cannot take the program.
 */
export type Verdict = (typeof VERDICTS)[number];

export interface Judgement {
  verdict: Verdict;
  ours: EmulatorRun;
  /** The kernel's answers, those that differ from each other, in the order they came. */
  theirs: KernelAnswer[];
  /** What ended our run early, or why the harness refused. */
  report?: string;
  /** Seed that reproduced the kernel's answer, or under which our side broke. */
  seed?: number;
}

export interface JudgeOptions {
  /** How often the kernel is asked again. */
  again: number;
  /** Seeds 1 to this one are tried. */
  seeds: number;
}

const LIMIT_MS = 3000;
// Where the emulator says that nothing can come any more, the kernel is not given long to prove it.
const WAITS_LIMIT_MS = 700;

export class Judge {
  readonly #emulator: Emulator;
  readonly #ask: AskKernel;
  readonly #options: JudgeOptions;

  constructor(emulator: Emulator, ask: AskKernel, options: JudgeOptions) {
    this.#emulator = emulator;
    this.#ask = ask;
    this.#options = options;
  }

  async judge(program: string, again = this.#options.again): Promise<Judgement> {
    const ours = await this.#emulator.run(program);
    const report = describe(ours);
    if (ours.outcome.kind === "not-modelled") return { verdict: "not-modelled", ours, theirs: [], report };
    const limit = ours.outcome.kind === "waits" ? WAITS_LIMIT_MS : LIMIT_MS;
    const first = await this.#ask(addHints(program, ours.events), limit);
    const theirs = [first];
    if (broke(ours)) return { verdict: "different", ours, theirs, report };
    if (first.exit === 2) return { verdict: "refused", ours, theirs, report: first.stderr.trim() };
    if (agree(ours, first)) return { verdict: ours.outcome.kind === "waits" ? "waits" : "same", ours, theirs };
    // Without hints: what the kernel does when it is only watched.
    for (let round = 0; round < again; round++) {
      const answer = await this.#ask(round % 2 === 0 ? program : addHints(program, ours.events), limit);
      if (agree(ours, answer)) return { verdict: "again", ours, theirs: [...theirs, answer] };
      if (!theirs.some((known) => equal(known, answer))) theirs.push(answer);
    }
    for (let seed = 1; seed <= this.#options.seeds; seed++) {
      const other = await this.#emulator.run(program, seed);
      if (broke(other)) return { verdict: "different", ours: other, theirs, report: describe(other), seed };
      if (theirs.some((answer) => agree(other, answer))) return { verdict: "seed", ours, theirs, seed };
    }
    return { verdict: "different", ours, theirs, ...(report === undefined ? {} : { report }) };
  }
}

function describe({ outcome }: EmulatorRun): string | undefined {
  if (outcome.kind === "end") return undefined;
  return "line" in outcome ? outcomeText(outcome) : outcome.report;
}

/** A crash or a leak is a bug of ours, whatever the kernel says. */
function broke({ outcome }: EmulatorRun): boolean {
  return outcome.kind === "crash" || outcome.kind === "leak";
}

/** The kernel cannot say that a wait never ends; it can only not end. */
function agree(ours: EmulatorRun, theirs: KernelAnswer): boolean {
  if (theirs.killed !== (ours.outcome.kind === "waits")) return false;
  if (!theirs.killed && (ours.outcome.kind !== "end" || theirs.exit !== 0)) return false;
  return sameEvents(ours.events, theirs.events);
}

function equal(a: KernelAnswer, b: KernelAnswer): boolean {
  return a.exit === b.exit && sameEvents(a.events, b.events);
}
