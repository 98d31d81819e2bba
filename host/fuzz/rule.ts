// A rule of the grammar: one thing that a program can do next. Rules live in rules/, one file for each area; a profile
// gives every area a weight.
import type { SysCall } from "../program/vocabulary.ts";
import type { Draft } from "./draft.ts";

export const AREAS = [
  "zc",
  "net",
  "poll",
  "timeout",
  "cancel",
  "link",
  "rsrc",
  "pbuf",
  "sockets",
  "rw",
  "rings",
  "hostile",
  "sys",
  "end",
  "observe",
] as const;

export type Area = (typeof AREAS)[number];

export interface Rule {
  name: string;
  area: Area;
  /** How often, compared with the other rules of its area. */
  weight: number;
  /** Opcodes that it writes: without one of them in the core it is left out. */
  ops?: readonly number[];
  /** The same for opcodes of io_uring_register, and for raw system calls. */
  registers?: readonly number[];
  calls?: readonly SysCall[];
  /** Whether it makes sense now. */
  when?(draft: Draft): boolean;
  write(draft: Draft): void;
}
