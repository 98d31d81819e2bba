// ringzero demo: one zero-copy send whose buffer is held by a lost segment, and the same send where Linux copies.
import type { Command } from "commander";
import { UsageError } from "./errors.ts";

export function demoCommand(program: Command): void {
  program
    .command("demo")
    .description("show what holds a buffer: a lost segment over the NIC, a copy over lo")
    .action(() => {
      throw new UsageError("demo: this build has no simulated NIC");
    });
}
