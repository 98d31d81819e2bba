// Assertions. A failed one is a bug of ours, never of the program: it leaves a record and stops the machine.
import { PANIC_BASE } from "../abi/layout";

@external("env", "panic") declare function envPanic(code: u32, arg0: u32, arg1: u32): void;

/** True in the debug build: poison, range checks and invariants that cost time. */
export const DEBUG: bool = ASC_OPTIMIZE_LEVEL < 3;

/** Stops the machine if `bad`. `code` is a BUG_* of abi/bug.ts. */
@inline export function bugOn(bad: bool, code: u32, arg0: usize = 0, arg1: usize = 0): void {
  if (bad) bug(code, arg0, arg1);
}

export function bug(code: u32, arg0: usize, arg1: usize): void {
  store<u32>(PANIC_BASE, code);
  store<u32>(PANIC_BASE, arg0 as u32, 4);
  store<u32>(PANIC_BASE, arg1 as u32, 8);
  envPanic(code, arg0 as u32, arg1 as u32);
  unreachable();
}
