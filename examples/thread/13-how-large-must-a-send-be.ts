// How large must a send be without slots?
//
// Without them, Begunkov warns, a payload on TCP would have to be large enough, or performance would suffer. The same number of messages
// on one stream, in growing sizes, by copying, through a slot, and with a notification each. The costs are those of the model
// of `ringzero compare`: it weighs what was counted, and predicts nothing for any machine.
import { cost_ns, findDesign, findWorkload, MEASURED, runWorkload } from "ringzero";
import { expect, experiment, list } from "./report.ts";

const MESSAGES = 64;
const SIZES = [200, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000] as const;
const COPYING = "send";
const DESIGNS = [COPYING, "rc3", "6.0", "6.18"] as const;
type Name = (typeof DESIGNS)[number];

interface Cost {
  ns: number;
  skbs: number;
}

async function costOf(name: Name, size: number): Promise<Cost> {
  const small = findWorkload("small-tcp");
  const way = findDesign(name);
  expect(small !== undefined && way !== undefined, "the workload and the designs of `ringzero compare`");
  const sizes = new Array<number>(MESSAGES).fill(size);
  const { counts } = await runWorkload({ ...small, sizes, fixed: true }, way);
  return { ns: cost_ns(counts, MEASURED) / MESSAGES, skbs: counts.skbs / MESSAGES };
}

export default experiment("How large must a send be without slots?", async (notes) => {
  const costs = new Map<Name, Cost[]>();
  for (const name of DESIGNS) {
    const all: Cost[] = [];
    for (const size of SIZES) all.push(await costOf(name, size));
    costs.set(name, all);
  }
  const of = (name: Name): Cost[] => costs.get(name) ?? [];
  notes.table(
    `${MESSAGES} messages on one TCP stream from registered buffers, one every microsecond: CPU ns each by the model (skbs each):`,
    ["bytes", ...DESIGNS],
    SIZES.map((size, index) => [
      size,
      ...DESIGNS.map((name) => `${Math.round(of(name)[index].ns)} (${of(name)[index].skbs.toFixed(2)})`),
    ]),
  );
  /** The smallest of the sizes from which on it costs less than copying. */
  const worthwhile = (name: Name): number | undefined => {
    const loses = SIZES.map((_, index) => of(name)[index].ns >= of(COPYING)[index].ns);
    return SIZES[loses.lastIndexOf(true) + 1];
  };
  const zeroCopy = DESIGNS.filter((name) => name !== COPYING);
  const sizes = zeroCopy.map((name) => ({ name, size: worthwhile(name) }));
  expect(
    sizes.every(({ size }) => size !== undefined && size > SIZES[0]),
    "each design pays from some size on",
  );
  const said = sizes.map(({ name, size }) => `${size} bytes with ${name}`);
  const largest = sizes.reduce((a, b) => ((a.size ?? 0) >= (b.size ?? 0) ? a : b));
  return (
    `Of these sizes zero copy costs less than copying, by the model, from ${list(said)}; ` +
    `it is ${largest.name} that needs the most, where each small send has ${of(largest.name)[0].skbs.toFixed(2)} skbs instead of ${of(COPYING)[0].skbs.toFixed(2)}.`
  );
});
