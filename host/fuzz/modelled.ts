// What the core knows, found by asking it: one request of each opcode, one io_uring_register of each.
import * as uapi from "../../assembly/abi/uapi.ts";
import { CALLS } from "../program/sys_calls.ts";
import type { SysCall } from "../program/vocabulary.ts";
import type { Emulator } from "./emulator.ts";

export interface Modelled {
  ops: ReadonlySet<number>;
  registers: ReadonlySet<number>;
  calls: ReadonlySet<SysCall>;
}

const REGISTERS = 48;

export async function findModelled(emulator: Emulator): Promise<Modelled> {
  const known = async (count: number, program: (number: number) => string) => {
    const found = new Set<number>();
    for (let number = 0; number < count; number++) {
      if ((await emulator.run(program(number))).outcome.kind !== "not-modelled") found.add(number);
    }
    return found;
  };
  return {
    ops: await known(
      uapi.IORING_OP_LAST,
      (op) => `setup 2 0\npair A B unix\nbuf b 100\nsqe ${op} fd=A buf=b\nsubmit\n`,
    ),
    registers: await known(REGISTERS, (op) => `setup 2 0\nbuf b 100\npoke b 0 100 0\nreg ${op} &b 1\n`),
    calls: new Set(Object.keys(CALLS) as SysCall[]),
  };
}
