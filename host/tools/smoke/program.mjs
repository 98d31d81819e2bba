// What every runtime does: run each program on a fresh machine, and hash all traces. `ringzero` is the library as that
// runtime loads it.
export async function smoke(ringzero, programs, build) {
  const hash = new ringzero.TraceHash();
  let records = 0;
  for (const { name, text } of programs) {
    const machine = await ringzero.Machine.create({ seed: 1, trace: true, ...(build ? { build } : {}) });
    const reader = new ringzero.TraceReader(machine);
    const { outcome } = ringzero.runProgram(machine, ringzero.parseProgram(text, name));
    if (outcome.kind !== "end") throw new Error(`${name}:${outcome.line}: ${outcome.report}`);
    for (const record of reader.read()) {
      hash.add(record);
      records++;
    }
  }
  return { hash: hash.digest(), records };
}
