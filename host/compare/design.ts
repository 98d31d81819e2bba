// What a design is: a kernel (profile and switches) and the way an application written for it sends.
//
// A design is compared by really running it: open() gives a Sender, the engine (run.ts) hands it messages and is told when
// the next one may go and when a buffer is free again. A further dialect is one more file in designs/.
import type { MachineOptions } from "../machine.ts";
import type { Application } from "./application.ts";
import type { Message } from "./message.ts";

export type DesignMachine = Pick<MachineOptions, "profile" | "switches">;

export interface Design {
  /** As `--profiles` takes it. */
  readonly name: string;
  /** Designs of one family send in the same way, each in its own profile. */
  readonly family: string;
  /** How an application sends, in a few words. */
  readonly title: string;
  /** The same for messages that have a header, where that is another way. */
  readonly headed?: string;
  readonly machine: DesignMachine;
  /** What an application cannot say or be told in this design, whatever it sends. */
  readonly cannot: readonly string[];
  /** The bytes of a message may not change until the design says so. */
  readonly zeroCopy: boolean;
  open(app: Application): Sender;
}

/** One socket's sends in one dialect. Everything it is told about a message it passes on to the application. */
export interface Sender {
  /** Takes a message; the kernel hears of it at the next submit() or wait(). */
  send(message: Message): void;
  /** Gives the kernel what was sent since the last time. */
  submit(): void;
  /** Looks at completions that need no waiting for. */
  poll(): void;
  /** Sleeps until there is news; `buffer`: the caller is out of buffers, so what holds them must be asked back. */
  wait(need: "order" | "buffer"): void;
  /** No message follows: asks for everything that nobody has asked for yet. */
  finish(): void;
}
