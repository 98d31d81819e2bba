// Runs text programs on this machine's own kernel, as the other side of a comparison.
//
// The C programs beside netup.sh are compiled on first use and kept in the user's cache, keyed by
// their source. A KernelNet is a pair of network namespaces with the devices a program can name; a
// KernelRunner executes programs in the first of them, one process each.
//
// Namespaces are machine-wide and outlive a process, so who removes them is the one thing to get
// right here. Three layers, each for what the one before cannot see:
//   1. dispose(), and an exit hook for callers that forget it;
//   2. a guard process that reads a pipe from us: the pipe closes however we die (SIGINT, SIGKILL, a
//      crash), also while we are blocked in a synchronous call, where a signal handler never runs;
//   3. names carry our pid: the next KernelNet removes what a dead pid left (guard killed as well).

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { constants, homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseJson } from "../program/events.ts";
import { namesHeader } from "./names_header.ts";

/** One observation. `step` is the line of the program, counted from 1. */
export interface KernelEvent {
  step: number;
  op: string;
  ev: string;
  [field: string]: string | number | bigint;
}

export interface KernelRun {
  events: KernelEvent[];
  /** Exit status, or 128 + the number of the signal that ended the process. */
  exit: number;
  stderr: string;
}

// The harness ends itself after 20 s. This is for the case that it cannot.
const RUN_TIMEOUT_MS = 25_000;
const OUTPUT_BYTES_MAX = 64 << 20;

/**
 * The folder of netup.sh and the C sources. Looked for upwards from this module, then from the
 * current folder, so that it is found from dist/, from host/kernel/ and from a bundle elsewhere.
 */
export function findKernelFolder(): string {
  for (const start of [dirname(fileURLToPath(import.meta.url)), process.cwd()]) {
    for (let folder = start; ; folder = dirname(folder)) {
      const candidate = join(folder, "tests", "kernel");
      if (existsSync(join(candidate, "zcoracle.c"))) return candidate;
      if (folder === dirname(folder)) break;
    }
  }
  throw new Error("tests/kernel/zcoracle.c is not part of this installation");
}

/**
 * Compiles one C file, with a header that it includes, and returns the path of the program. Quiet; throws with the compiler's output.
 * Two processes may compile the same file at once: the rename makes either result the right one.
 */
export function compile(source: string, name: string, header?: { name: string; text: string }): string {
  const hash = createHash("sha256")
    .update(readFileSync(source))
    .update(header?.text ?? "")
    .digest("hex");
  const folder = cacheFolder(hash);
  const program = join(folder, name);
  if (existsSync(program)) return program;
  const partial = `${program}.${process.pid}.partial`;
  if (header !== undefined) {
    writeFileSync(`${partial}.h`, header.text);
    renameSync(`${partial}.h`, join(folder, header.name));
  }
  const cc = spawnSync("cc", ["-O2", `-I${folder}`, "-o", partial, source], { encoding: "utf8" });
  if (cc.error || cc.status !== 0) {
    rmSync(partial, { force: true });
    throw new Error(`cc cannot compile ${source}: ${cc.error?.message ?? cc.stderr.trim()}`);
  }
  renameSync(partial, program);
  return program;
}

/** The program that runs programs. */
export function compileHarness(folder: string = findKernelFolder()): string {
  return compile(join(folder, "zcoracle.c"), "zcoracle", { name: "names.h", text: namesHeader() });
}

// What is found here is executed as root, so a folder somebody else made is not used.
function cacheFolder(hash: string): string {
  const bases = [process.env.XDG_CACHE_HOME, join(homedir(), ".cache"), tmpdir()];
  for (const base of bases) {
    if (!base) continue;
    const root = join(base, "ringzero");
    const folder = join(root, hash);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (isPrivate(root) && isPrivate(folder)) return folder;
    } catch {
      // Not writable: the next one.
    }
  }
  throw new Error(`no cache folder is writable: ${bases.filter(Boolean).join(", ")}`);
}

function isPrivate(folder: string): boolean {
  const stat = lstatSync(folder);
  return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
}

const NETNS_FOLDER = "/run/netns";
const NETNS_NAME = /^ringzero-(\d+)-\d+-[ab]$/;
const liveNets = new Set<KernelNet>();
let netCount = 0;

/** Two network namespaces with the devices of netup.sh. Needs root. */
export class KernelNet implements Disposable {
  readonly folder: string;
  /** Programs run here. */
  readonly nsA: string;
  /** The peer of the veth pair. */
  readonly nsB: string;
  private guard: ChildProcess;

  constructor(folder: string = findKernelFolder()) {
    this.folder = folder;
    removeStaleNets(folder);
    const prefix = `ringzero-${process.pid}-${netCount++}`;
    this.nsA = `${prefix}-a`;
    this.nsB = `${prefix}-b`;
    this.guard = startGuard(folder, this.env);
    if (liveNets.size === 0) process.once("exit", disposeAll);
    liveNets.add(this);
    const up = netup(folder, "up", this.env);
    if (up.error || up.status !== 0) {
      this.dispose();
      throw new Error(`netup.sh: ${up.error?.message ?? (up.stderr.trim() || `exit ${up.status}`)}`);
    }
  }

  /** What the C programs and netup.sh read the names from. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, ZC_NS_A: this.nsA, ZC_NS_B: this.nsB };
  }

  /** Starts a program in namespace A and waits for its end. */
  spawn(program: string, args: string[], timeout_ms: number, input = "") {
    if (!liveNets.has(this)) throw new Error("the namespaces were removed");
    const child = spawnSync("ip", ["netns", "exec", this.nsA, program, ...args], {
      encoding: "utf8",
      env: this.env,
      input,
      killSignal: "SIGKILL",
      maxBuffer: OUTPUT_BYTES_MAX,
      timeout: timeout_ms,
    });
    // A child that could be started but not awaited (timeout, too much output) has a pid.
    if (child.error && !child.pid) throw child.error;
    return child;
  }

  dispose(): void {
    if (!liveNets.delete(this)) return;
    netup(this.folder, "down", this.env);
    this.guard.stdin?.end("released\n");
    if (liveNets.size === 0) process.off("exit", disposeAll);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function disposeAll(): void {
  for (const net of [...liveNets]) net.dispose();
}

function netup(folder: string, action: "up" | "down", env: NodeJS.ProcessEnv) {
  return spawnSync("sh", [join(folder, "netup.sh"), action], { encoding: "utf8", env });
}

// Own session, so that a Ctrl-C meant for us does not reach it. The read ends with the word when the
// namespaces are already gone, and with end-of-file when we are.
function startGuard(folder: string, env: NodeJS.ProcessEnv): ChildProcess {
  const script = 'read -r word; [ "$word" = released ] || exec sh "$0" down';
  const guard = spawn("sh", ["-c", script, join(folder, "netup.sh")], {
    cwd: "/",
    detached: true,
    env,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.on("error", () => {}); // netup.sh needs the same shell and reports it
  guard.stdin?.on("error", () => {}); // somebody killed the guard: the next start cleans up
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return guard;
}

/** Names of the existing namespaces that belong to process `pid`. */
export function listNets(pid: number): string[] {
  return listNetNames().filter((name) => Number(NETNS_NAME.exec(name)?.[1]) === pid);
}

function listNetNames(): string[] {
  return existsSync(NETNS_FOLDER) ? readdirSync(NETNS_FOLDER).filter((name) => NETNS_NAME.test(name)) : [];
}

function removeStaleNets(folder: string): void {
  for (const name of listNetNames()) {
    if (isAlive(Number(NETNS_NAME.exec(name)?.[1]))) continue;
    const prefix = name.slice(0, -2);
    netup(folder, "down", { ...process.env, ZC_NS_A: `${prefix}-a`, ZC_NS_B: `${prefix}-b` });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Executes programs of the text language, each in a process of its own, one after the other. */
export class KernelRunner {
  private readonly net: KernelNet;
  private readonly harness: string;

  constructor(net: KernelNet) {
    this.net = net;
    this.harness = compileHarness(net.folder);
  }

  /** Blocks until the program has ended. Exit 2: the program is not valid, stderr names the line. */
  run(program: string): KernelRun {
    const child = this.net.spawn(this.harness, [], RUN_TIMEOUT_MS, program);
    const signal = child.signal;
    return {
      events: parseEvents(child.stdout, signal !== null),
      exit: child.status ?? 128 + (signal ? constants.signals[signal] : 0),
      stderr: signal ? `${child.stderr}ended by ${signal}\n` : child.stderr,
    };
  }

  /** `onRun` is told of each result as it comes. */
  runMany(programs: Iterable<string>, onRun?: (run: KernelRun, index: number) => void): KernelRun[] {
    const runs: KernelRun[] = [];
    for (const program of programs) {
      const run = this.run(program);
      runs.push(run);
      onRun?.(run, runs.length - 1);
    }
    return runs;
  }
}

// A process that was killed may have written half of its last line.
function parseEvents(text: string, isCut: boolean): KernelEvent[] {
  const lines = text.split("\n");
  const last = lines.pop();
  if (last && !isCut) throw new Error(`the harness ended within a line: ${last}`);
  return lines.map((line) => parseJson(line) as KernelEvent);
}
