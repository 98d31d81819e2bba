// ringzero compare: one workload through every design that the thread named, side by side.
import { type Command, Option } from "commander";
import { calibrate } from "../compare/calibration.ts";
import { compare } from "../compare/compare.ts";
import type { Design } from "../compare/design.ts";
import { DEFAULT_DESIGNS, designNames, findDesign, parseDesign } from "../compare/designs/index.ts";
import { renderCalibration } from "../compare/calibration_table.ts";
import { COST_SETS, type CostSet, findCosts, MEASURED } from "../compare/cost_model.ts";
import { renderReport } from "../compare/report.ts";
import { renderComparison } from "../compare/table.ts";
import { findWorkload, WORKLOADS } from "../compare/workloads.ts";
import { listed } from "../core/layout.ts";
import { noSuch } from "../core/near.ts";
import { EXIT_FAILED, UsageError } from "./errors.ts";
import { checkOutputFile, writeText } from "./input.ts";

interface Options {
  profiles?: string;
  json?: boolean;
  list?: boolean;
  costs?: string;
  html?: string;
  calibration?: boolean;
}

export function compareCommand(program: Command): void {
  program
    .command("compare")
    .description("run one workload through every design, side by side")
    .argument("[workload]", "what is sent; without it, the workloads are listed")
    .option("--profiles <names>", "only these profiles or designs, separated by commas")
    .option("--json", "print everything as JSON")
    .option("--html <file>", "write a report with plots as well")
    .option("--list", "list the workloads and the designs")
    .option("--costs <machine>", "constants of the CPU model: those of this machine")
    .addOption(
      new Option("--calibration", "how far the CPU model is from each figure it was fitted to").conflicts([
        "profiles",
        "list",
        "costs",
        "html",
      ]),
    )
    .action(run);
}

async function run(name: string | undefined, options: Options): Promise<void> {
  if (options.calibration) {
    if (name !== undefined) throw new UsageError("--calibration takes no workload");
    const calibration = await calibrate();
    console.log(options.json ? JSON.stringify(calibration, undefined, 2) : renderCalibration(calibration));
    if (calibration.signs.same < calibration.signs.decided) process.exitCode = EXIT_FAILED;
    return;
  }
  const designs = chooseDesigns(options.profiles);
  const costs = chooseCosts(options.costs);
  if (name === undefined || options.list) {
    if (options.html !== undefined) throw new UsageError("--html is the report of a workload, so it needs one");
    if (name !== undefined) throw new UsageError("--list takes no workload");
    list(options.json ?? false);
    return;
  }
  const workload = findWorkload(name);
  if (workload === undefined)
    throw new UsageError(
      noSuch(
        "workload",
        name,
        WORKLOADS.map((each) => each.name),
      ),
    );
  if (options.html !== undefined) checkOutputFile(options.html);
  const comparison = await compare(workload, designs, costs);
  if (options.json) console.log(JSON.stringify(comparison, undefined, 2));
  else console.log(renderComparison(comparison));
  if (options.html !== undefined) writeText(options.html, renderReport(comparison));
}

function chooseDesigns(text: string | undefined): Design[] {
  const names = text?.split(",").map((word) => word.trim()) ?? DEFAULT_DESIGNS;
  const designs = names.map((name) => {
    const design = parseDesign(name);
    if ("error" in design) throw new UsageError(design.error);
    return design;
  });
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`'${twice}' is named twice`);
  return designs;
}

function chooseCosts(name = MEASURED.name): CostSet {
  const found = findCosts(name);
  if (found === undefined)
    throw new UsageError(`no costs are named '${name}' (${COST_SETS.map((set) => set.name).join(", ")})`);
  return found;
}

function list(asJson: boolean): void {
  const workloads = WORKLOADS.map(({ name, title }) => ({ name, title }));
  const designs = designNames().map((name) => ({ name, title: findDesign(name)?.title }));
  if (asJson) {
    console.log(JSON.stringify({ workloads, designs, default: DEFAULT_DESIGNS }, undefined, 2));
    return;
  }
  const lines = [
    "workloads",
    ...listed(workloads.map(({ name, title }) => [name, title])),
    "",
    "designs and profiles (* compared unless others are named)",
    ...listed(
      designs.map(({ name, title = "" }) => [`${DEFAULT_DESIGNS.includes(name) ? "*" : " "} ${name}`, title]),
      "",
    ),
  ];
  console.log(lines.join("\n"));
}
