// The emulator's side of a comparison: text in, events and how it ended out, and the time that it took.
import { findLeaks, restingCounts } from "../core/leaks.ts";
import type { CoreBuild } from "../core/source.ts";
import { Machine, type MachineOptions } from "../machine.ts";
import type { ProgramEvent } from "../program/events.ts";
import type { Outcome } from "../program/outcome.ts";
import { parseProgram } from "../program/parse.ts";
import { runProgram } from "../program/run.ts";

export interface EmulatorRun {
  events: ProgramEvent[];
  /**
   * `crash`: the core stopped at an assertion or trapped. `leak`: something was left when all was closed. Bugs, whatever
   * the kernel says.
   */
  outcome: Outcome | { kind: "crash" | "leak"; report: string };
  /** Wall time, from the text to the last event. */
  spent_ms: number;
}

export class Emulator {
  readonly #build: CoreBuild;
  /** The machine of the program before, whose memory the next one gets. */
  #idle: Machine | undefined;

  constructor(build: CoreBuild) {
    this.#build = build;
  }

  /** The debug build also looks for leaks at the end. Throws ProgramSyntaxError for a text that is no program. */
  async run(text: string, seed = 0): Promise<EmulatorRun> {
    const start = performance.now();
    const program = parseProgram(text, "program");
    const machine = await this.#machine({ ...program.machine, seed });
    const events: ProgramEvent[] = [];
    const before = this.#build === "debug" ? restingCounts(machine) : undefined;
    let outcome: EmulatorRun["outcome"];
    let spent_ms = 0;
    try {
      ({ outcome } = runProgram(machine, program, { onEvent: (event) => events.push(event) }));
      spent_ms = performance.now() - start;
      const leaks = before === undefined ? [] : findLeaks(machine, before);
      if (leaks.length > 0) outcome = { kind: "leak", report: `left when all was closed: ${leaks.join(", ")}` };
      this.#idle = machine;
    } catch (error) {
      outcome = { kind: "crash", report: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    return { events, outcome, spent_ms };
  }

  /** After a crash there is none to reuse: what a core is worth that broke is not known. */
  async #machine(options: MachineOptions): Promise<Machine> {
    const idle = this.#idle;
    this.#idle = undefined;
    return idle === undefined ? Machine.create({ build: this.#build, ...options }) : Machine.recycle(idle, options);
  }
}
