// Whether this machine can run programs on its own kernel, and if not, what is missing first.
//
// The checks go from cheap to complete and end with the real thing: the namespaces are built once and
// a ring is set up in them. So "ok" means that a run works, and a kernel without IFB devices or a
// container without the right to create namespaces is a reason to skip, not a failed test.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { platform, release } from "node:os";
import { findKernelFolder, KernelNet, KernelRunner } from "./harness.ts";

export type KernelProbe = { ok: true; release: string } | { ok: false; missing: string };

const TOOLS: [name: string, version: string, purpose: string][] = [
  ["cc", "--version", "a C compiler, to build the kernel harness"],
  ["ip", "-V", "from iproute2, to build network namespaces"],
  ["tc", "-V", "from iproute2, to set the queues of the devices"],
];

const cache = new Map<string, KernelProbe>();

/** The answer is computed once per process and folder. */
export function probeKernel(folder?: string): KernelProbe {
  const key = folder ?? "";
  const known = cache.get(key) ?? probe(folder);
  cache.set(key, known);
  return known;
}

function probe(folder: string | undefined): KernelProbe {
  const missing = missingBasics() ?? missingTool() ?? missingInTrial(folder);
  return missing ? { ok: false, missing } : { ok: true, release: release() };
}

function missingBasics(): string | undefined {
  if (platform() !== "linux") return `This needs Linux; this machine runs ${platform()}.`;
  if (process.getuid?.() !== 0) return "This needs root, to create network namespaces.";
  let disabled = "";
  try {
    disabled = readFileSync("/proc/sys/kernel/io_uring_disabled", "utf8").trim();
  } catch {
    // Kernels before 6.6 have no such switch.
  }
  if (disabled === "2") return "io_uring is switched off (sysctl kernel.io_uring_disabled is 2).";
  return undefined;
}

function missingTool(): string | undefined {
  for (const [name, version, purpose] of TOOLS) {
    const tool = spawnSync(name, [version], { stdio: "ignore" });
    if (tool.error || tool.status !== 0) return `The command ${name} is missing (${purpose}).`;
  }
  return undefined;
}

function missingInTrial(folder: string | undefined): string | undefined {
  let net: KernelNet | undefined;
  try {
    net = new KernelNet(folder ?? findKernelFolder());
    const run = new KernelRunner(net).run("setup 8 0\n");
    const setup = run.events.find((event) => event.ev === "setup");
    if (!setup) return `The kernel harness does not run: ${oneLine(run.stderr) || `exit ${run.exit}`}.`;
    if (setup.ret !== 0) return `io_uring cannot be used: io_uring_setup fails with ${setup.errno}.`;
    return undefined;
  } catch (error) {
    return `The test network cannot be built: ${oneLine((error as Error).message)}.`;
  } finally {
    net?.dispose();
  }
}

function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s*\n\s*/g, "; ")
    .replace(/\.$/, "");
}
