// A workload through several designs: which runs that makes, and what comes out of them.
import { type Constants, type CostSet, cost_ns, costParts_ns, MEASURED, NOT_A_PREDICTION } from "./cost_model.ts";
import type { Design } from "./design.ts";
import { switchesOf, withoutSwitch } from "./designs/index.ts";
import { plainDesign } from "./designs/plain.ts";
import { copiedBytes, type Counts } from "./meter.ts";
import { type Run, runWorkload, type Spread } from "./run.ts";
import type { Variant, Workload } from "./workloads.ts";

export interface Row {
  design: string;
  family: string;
  title: string;
  variant: Variant | undefined;
  counts: Counts;
  copiedBytes: number;
  skbsPerMessage: number;
  /** Model nanoseconds for each message. */
  cost_ns: number;
  /** The same by what it is spent on. */
  costParts: Record<string, number>;
  orderSafe: Spread;
  /** undefined: the application is never told. */
  free: Spread | undefined;
  duration_ns: number;
  wireFrames: number;
  /** Switches of the design that change nothing: without them, this workload has the same requests, answers, counts and times. */
  unused: readonly string[];
  cannot: readonly string[];
}

export interface Comparison {
  workload: string;
  title: string;
  rows: Row[];
  costModel: { name: string; source: string; constants: Constants; note: string };
}

/** These two send no notification: a kernel's dialect of zero copy does not matter to them. */
export const SHARED_VARIANTS: readonly Variant[] = ["splice", "copy"];

export async function compare(
  workload: Workload,
  designs: readonly Design[],
  set: CostSet = MEASURED,
): Promise<Comparison> {
  const rows: Row[] = [];
  for (const [design, variant] of runsOf(workload, designs))
    rows.push(await rowOf(workload, await runWorkload(workload, design, variant), set));
  return {
    workload: workload.name,
    title: workload.title,
    rows,
    costModel: { ...set, note: NOT_A_PREDICTION },
  };
}

function runsOf(workload: Workload, designs: readonly Design[]): [Design, Variant | undefined][] {
  if (workload.variants.length === 0) return designs.map((design) => [design, undefined]);
  const shared = workload.variants.filter((variant) => SHARED_VARIANTS.includes(variant));
  const own = workload.variants.filter((variant) => !SHARED_VARIANTS.includes(variant));
  const newest = designs[designs.length - 1];
  return [
    ...shared.map((variant): [Design, Variant] => [plainDesign(newest.machine), variant]),
    ...designs.flatMap((design) =>
      own.filter((each) => isOf(each, design)).map((each): [Design, Variant] => [design, each]),
    ),
  ];
}

/** Who copies anyway has one way less, but may be encrypted as well. */
const isOf = (variant: Variant, { zeroCopy }: Design): boolean => zeroCopy || variant !== "zc";

/** Found by running it without each. */
async function unusedSwitches(workload: Workload, run: Run): Promise<string[]> {
  const unused: string[] = [];
  const seen = ({ design: _, ...rest }: Run) => JSON.stringify(rest);
  for (const name of switchesOf(run.design))
    if (seen(await runWorkload(workload, withoutSwitch(run.design, name), run.variant)) === seen(run))
      unused.push(name);
  return unused;
}

async function rowOf(workload: Workload, run: Run, set: CostSet): Promise<Row> {
  const { design, variant, counts, talk: _, ...times } = run;
  const cannot = variant === "splice" ? ["being told when the file may change"] : design.cannot;
  return {
    design: design.name,
    family: design.family,
    title: (workload.header > 0 ? design.headed : undefined) ?? design.title,
    variant,
    counts,
    copiedBytes: copiedBytes(counts),
    skbsPerMessage: counts.skbs / counts.messages,
    cost_ns: cost_ns(counts, set) / counts.messages,
    costParts: Object.fromEntries(
      Object.entries(costParts_ns(counts, set)).map(([group, ns]) => [group, ns / counts.messages]),
    ),
    ...times,
    unused: variant !== undefined && SHARED_VARIANTS.includes(variant) ? [] : await unusedSwitches(workload, run),
    cannot,
  };
}
