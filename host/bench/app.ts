// The application of the no-op rows: compiled code (assembly/app/nops.ts) in the machine's memory, because the other side
// of the comparison is compiled code as well. What the helpers of host/liburing add per operation is a row of its own.
import { packagedFile } from "../core/source.ts";
import type { Machine } from "../machine.ts";

export interface NopsApp {
  /** `rounds` times `batch` no-ops. Operations completed, or a negative errno. */
  nops(fd: number, rings: number, sqes: number, batch: number, rounds: number): number;
}

let module: WebAssembly.Module | undefined;

/** Reads and compiles the module once; nopsApp() needs it. */
export async function loadApps(): Promise<void> {
  module ??= await WebAssembly.compile(await packagedFile("nops.wasm"));
}

export function nopsApp(machine: Machine): NopsApp {
  if (module === undefined) throw new Error("loadApps() was not called");
  const env = { memory: machine.core.memory.wasm, io_uring_enter: machine.exports.sys_io_uring_enter };
  return new WebAssembly.Instance(module, { env }).exports as unknown as NopsApp;
}
