// Instantiates a core over a memory of its own. One instance per memory, ever: a second one over the same memory would
// write the module's static data again.
import * as bugs from "../../assembly/abi/bug.ts";
import { ABI_VERSION } from "../../assembly/abi/layout.ts";
import type { CoreExports, CoreImports } from "./exports.ts";
import { CoreMemory } from "./memory.ts";

const INITIAL_PAGES = 3136;
const MAXIMUM_PAGES = 16384;

/** The core stopped at one of its own assertions: a bug of the emulator, never of the program that it ran. */
export class CorePanic extends Error {
  override readonly name = "CorePanic";
  /** BUG_* of assembly/abi/bug.ts. */
  readonly code: number;
  readonly args: readonly [number, number];

  constructor(code: number, arg0: number, arg1: number) {
    const hex = (value: number) => `0x${(value >>> 0).toString(16)}`;
    super(
      `the core stopped at an assertion: ${bugName(code)} (${hex(arg0)}, ${hex(arg1)}). This is a bug of ringzero.`,
    );
    this.code = code;
    this.args = [arg0, arg1];
  }
}

export function bugName(code: number): string {
  for (const [name, value] of Object.entries(bugs)) if (value === code) return name;
  return `BUG_${code}`;
}

/** The host's side of the NIC: assembly/abi/nic.ts says what `what` and `arg` are. */
export type NicImport = (dev: number, what: number, arg: number) => void;

export interface Core {
  readonly exports: CoreExports;
  readonly memory: CoreMemory;
  /** Set once the core has panicked: its memory may be looked at, but nothing may be called. */
  panic: CorePanic | undefined;
}

export interface InstantiateOptions {
  /** Whether the module was built for shared memory (all builds but `plain`). */
  shared?: boolean;
  nic?: NicImport;
}

/** A core that has not booted yet, over new, zeroed memory. */
export async function instantiateCore(module: WebAssembly.Module, options: InstantiateOptions = {}): Promise<Core> {
  const shared = options.shared ?? typeof SharedArrayBuffer !== "undefined";
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES, shared });
  let core: Core | undefined;
  const imports: CoreImports = {
    env: {
      memory,
      nic: options.nic ?? (() => {}),
      panic(code, arg0, arg1): never {
        const panic = new CorePanic(code, arg0, arg1);
        if (core !== undefined) core.panic = panic;
        throw panic;
      },
    },
  };
  const instance = await WebAssembly.instantiate(module, imports as unknown as WebAssembly.Imports);
  const exports = instance.exports as unknown as CoreExports;
  const version = exports.abi_version();
  if (version !== ABI_VERSION) {
    throw new Error(
      `this core speaks version ${version} of the interface, the host version ${ABI_VERSION}: build again`,
    );
  }
  core = { exports, memory: new CoreMemory(memory), panic: undefined };
  return core;
}
