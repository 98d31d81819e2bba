// Tells the harness what the emulator saw, as `#=N` at the end of the lines that wait for silence: when as much has come
// it need not wait long for more, and when less has come it is patient. The answer is the kernel's either way; only the
// time it gets depends on the hint. The last settle of a program has none: what comes too much would come there.
import type { ProgramEvent } from "../program/events.ts";

/** How much a step brought, by the event that closes it. */
const AMOUNTS: Record<string, (event: ProgramEvent) => number> = {
  settled: ({ n }) => Number(n),
  recv: ({ ret }) => (Number(ret) >= 0 ? 1 : 0),
  recvall: ({ bytes }) => Number(bytes),
  drainrx: ({ got, bytes }) => Number(bytes ?? got),
  errq: () => 1,
  errq_end: () => 0,
};

export function addHints(program: string, events: readonly ProgramEvent[]): string {
  const amounts = new Map<number, number>();
  for (const event of events) {
    const amount = AMOUNTS[event.ev]?.(event);
    if (amount !== undefined) amounts.set(event.step, (amounts.get(event.step) ?? 0) + amount);
  }
  const last = Math.max(...events.filter(({ ev }) => ev === "settled").map(({ step }) => step));
  return program
    .split("\n")
    .map((line, index) => {
      const amount = index + 1 === last ? undefined : amounts.get(index + 1);
      return amount === undefined ? line : `${line} #=${amount}`;
    })
    .join("\n");
}
