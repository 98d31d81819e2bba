// How far the cost model is from each figure: every setup is run on the emulator, its counts are multiplied with the constants of
// the figure's machine.
import { must } from "../core/errno.ts";
import { prepNop } from "../liburing/prep.ts";
import { Machine } from "../machine.ts";
import { COST_SETS, type Constants, type CostSet, NOT_A_PREDICTION, quantities, total_ns } from "./cost_model.ts";
import type { Design } from "./design.ts";
import { findDesign } from "./designs/index.ts";
import { msgPlainDesign } from "./designs/msg_zerocopy.ts";
import { plainDesign } from "./designs/plain.ts";
import { requestDesign } from "./designs/request.ts";
import { slotDesign } from "./designs/slots.ts";
import { FIGURES, type Figure, type Setup, UNUSABLE, type Unusable } from "./figures.ts";
import { type Counts, Meter } from "./meter.ts";
import { runOn } from "./run.ts";
import type { Variant, Workload } from "./workloads.ts";

export interface Cell {
  name: string;
  machine: string;
  source: string;
  /** CPU ns of one operation: as published or measured, and by the model. */
  figure_ns: number;
  model_ns: number;
  /** model / figure - 1 */
  error: number;
  /** Counts of one operation. */
  quantities: Constants;
  /** How much faster than what it was published against: as published, by the model. */
  gain?: { against: string; figure: number; model: number; isDecided: boolean; sameSign: boolean };
}

export interface Calibration {
  note: string;
  sets: readonly CostSet[];
  cells: Cell[];
  unusable: readonly Unusable[];
  /** Decided signs that the model has, all of them, and how many figures have an undecided one. */
  signs: { same: number; decided: number; undecided: number };
  /** Root of the mean of the squared relative errors, by machine. */
  rms: Record<string, number>;
}

const OPERATIONS = 256;
/** A NIC that is never what limits the sender, as published rates are taken to be a processor's. */
const FAST_LINK = { rate: 400e9, delay_ns: 2000, mtu: 9000 };
const BUFFERS = 64;

export async function calibrate(figures: readonly Figure[] = FIGURES): Promise<Calibration> {
  const cells: Cell[] = [];
  const byName = new Map<string, Cell>();
  for (const figure of figures) {
    const cell = cellOf(figure, await runSetup(figure.setup));
    cells.push(cell);
    byName.set(cell.name, cell);
  }
  for (const figure of figures) compareWithBase(figure, byName);
  const gains = cells.flatMap(({ gain }) => (gain === undefined ? [] : [gain]));
  const decided = gains.filter(({ isDecided }) => isDecided);
  return {
    note: NOT_A_PREDICTION,
    sets: COST_SETS,
    cells,
    unusable: UNUSABLE,
    signs: {
      same: decided.filter(({ sameSign }) => sameSign).length,
      decided: decided.length,
      undecided: gains.length - decided.length,
    },
    rms: rmsByMachine(cells),
  };
}

function cellOf({ name, machine, source, ns }: Figure, { counts, operations }: Measured): Cell {
  const set = COST_SETS.find((each) => each.name === machine);
  if (set === undefined) throw new Error(`no constants for ${machine}`);
  const each = quantities(counts, set);
  for (const key of Object.keys(each) as (keyof Constants)[]) each[key] /= operations;
  const model_ns = total_ns(each, set);
  return { name, machine, source, figure_ns: ns, model_ns, error: model_ns / ns - 1, quantities: each };
}

function compareWithBase({ name, against, quartiles }: Figure, cells: ReadonlyMap<string, Cell>): void {
  const cell = cells.get(name);
  const base = cells.get(against ?? "");
  if (against === undefined || cell === undefined || base === undefined) return;
  const figure = base.figure_ns / cell.figure_ns - 1;
  const model = base.model_ns / cell.model_ns - 1;
  const isDecided = quartiles === undefined || quartiles[0] * quartiles[1] > 0;
  cell.gain = { against, figure, model, isDecided, sameSign: Math.sign(figure) === Math.sign(model) };
}

function rmsByMachine(cells: readonly Cell[]): Record<string, number> {
  const rms: Record<string, number> = {};
  for (const { name } of COST_SETS) {
    const errors = cells.filter(({ machine }) => machine === name).map(({ error }) => error * error);
    if (errors.length > 0) rms[name] = Math.sqrt(errors.reduce((sum, each) => sum + each, 0) / errors.length);
  }
  return rms;
}

// Running a setup --------------------------------------------------------------------------------------------------------

interface Measured {
  counts: Counts;
  operations: number;
}

async function runSetup(setup: Setup): Promise<Measured> {
  const design = designOf(setup);
  const machine = await Machine.create({ seed: 1, ...design.machine });
  if (setup.way === "nop") return runNops(machine, setup.batch);
  const { counts } = runOn(machine, workloadOf(setup), design, variantOf(setup));
  return { counts, operations: counts.messages };
}

function workloadOf({ bytes, batch, fixed, transport, device, header = 0, profile }: Setup): Workload {
  const isSamba = header > 0;
  const isCareless = !isSamba && profile !== "6.18";
  return {
    name: "calibration",
    title: "",
    transport,
    device,
    link: FAST_LINK,
    sizes: new Array<number>(isSamba ? 1 : OPERATIONS).fill(bytes),
    header,
    addresses: 0,
    burst: batch,
    interval_ns: 0,
    buffers: isSamba || isCareless ? 1 : BUFFERS,
    variants: [],
    fixed,
    sndbuf: 4 << 20,
    // Benchmarks of the series send the same buffer again and again; ours waited for all notifications of a batch.
    careless: isCareless,
    collect: profile === "6.18",
  };
}

function variantOf({ way }: Setup): Variant | undefined {
  return way === "splice" || way === "copy" || way === "bounce" || way === "read" ? way : undefined;
}

function designOf({ way, profile }: Setup): Design {
  const named = (name: string): Design => {
    const design = findDesign(name);
    if (design === undefined) throw new Error(`no design is named ${name}`);
    return design;
  };
  switch (way) {
    case "msg":
      return msgPlainDesign({ profile });
    case "msg-zc":
      return { ...named("msg_zerocopy"), machine: { profile } };
    case "send":
    case "nop":
      return plainDesign({ profile });
    case "zc":
      return profile === "6.18" ? requestDesign(profile, profile) : slotDesign(profile, profile, {}, 0);
    case "zc-flush":
      return slotDesign(profile, profile, {}, 1);
    default:
      return named(profile);
  }
}

function runNops(machine: Machine, batch: number): Measured {
  const ring = machine.ring(batch);
  const meter = new Meter(machine);
  let requests = 0;
  while (requests < OPERATIONS) {
    for (let index = 0; index < batch; index++) prepNop(ring, ring.getSqe());
    must("io_uring_enter", ring.submitAndWait(batch));
    ring.cqAdvance(batch);
    requests += batch;
  }
  const app = { requests, syscalls: 0, bounced: 0, read: 0, ringBytes: 0 };
  return { counts: meter.read(app, []), operations: requests };
}
