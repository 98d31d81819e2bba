// What the switch copy_debug tells, as events of a program: the log line that an administrator would find.
import { TR_COPY_DEBUG } from "../../assembly/abi/trace.ts";
import type { Machine } from "../machine.ts";
import { TraceReader } from "../trace/decode.ts";
import { copyBecause } from "../trace/words.ts";
import type { EventValue } from "./events.ts";

/** Emits a `copied` event for each record since the last call; nothing on a machine without the switch. */
export function copyLog(machine: Machine, out: (ev: string, fields: Record<string, EventValue>) => void): () => void {
  if (!machine.tellsCopies) return () => {};
  const reader = new TraceReader(machine);
  reader.read();
  return () => {
    for (const { event, a, b, c } of reader.read()) {
      if (event === TR_COPY_DEBUG) out("copied", { ud: a, bytes: b, why: copyBecause(c) });
    }
  };
}
