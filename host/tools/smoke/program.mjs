// What every runtime does: run one program on a fresh machine and hash its trace. `ringzero` is the library as that
// runtime loads it.
export async function smoke(ringzero, text, build) {
  const machine = await ringzero.Machine.create({ seed: 1, trace: true, ...(build ? { build } : {}) });
  const reader = new ringzero.TraceReader(machine);
  const { events, outcome } = ringzero.runProgram(machine, ringzero.parseProgram(text, "smoke.zc"));
  if (outcome.kind !== "end") throw new Error(`line ${outcome.line}: ${outcome.report}`);
  const records = reader.read();
  return { hash: ringzero.hashTrace(records), records: records.length, events: events.map(ringzero.formatEvent) };
}
