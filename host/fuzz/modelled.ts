// Which opcodes the core knows, found by asking it: one request of each on a machine of its own.
import * as uapi from "../../assembly/abi/uapi.ts";
import type { Emulator } from "./emulator.ts";

/** Opcodes that do not end a run as "not modelled". */
export async function modelledOps(emulator: Emulator): Promise<Set<number>> {
  const known = new Set<number>();
  for (let op = 0; op < uapi.IORING_OP_LAST; op++) {
    const { outcome } = await emulator.run(`setup 2 0\npair A B unix\nbuf b 100\nsqe ${op} fd=A buf=b\nsubmit\n`);
    if (outcome.kind !== "not-modelled") known.add(op);
  }
  return known;
}
