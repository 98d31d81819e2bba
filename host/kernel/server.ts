// Many programs on this machine's kernel: one harness process per server stays and forks a process for each program, so
// a program costs what it does and not the start of a process, and its result is a promise.
//
// Each server has a pair of namespaces of its own: programs that run at the same time share no device, no port and no
// packet tap.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { parseJson } from "../program/events.ts";
import { compileHarness, type KernelEvent, KernelNet, type KernelRun } from "./harness.ts";

export interface ServedRun extends KernelRun {
  /** Wall time of the program's process, microseconds. */
  us: number;
}

export interface ServeOptions {
  /** After this the program is killed; its run ends with `exit` 142 (128 + SIGALRM). */
  timeLimit_ms?: number;
  /** How long a step waits for what a `#=N` at the end of its line says will come. */
  patience_ms?: number;
}

/** The program was killed because it took too long. */
export const EXIT_ALARM = 142;

const TIME_LIMIT_MS = 2500;
const PATIENCE_MS = 300;
/** A process that cannot be killed by its own alarm: beyond this the server is given up. */
const STUCK_MS = 20_000;

interface Waiting {
  resolve(run: ServedRun): void;
  reject(error: Error): void;
}

export class KernelServer implements Disposable {
  readonly net: KernelNet;
  readonly #child: ChildProcessWithoutNullStreams;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  #failure: Error | undefined;

  constructor(folder?: string) {
    this.net = new KernelNet(folder);
    const harness = compileHarness(this.net.folder);
    this.#child = spawn("ip", ["netns", "exec", this.net.nsA, harness, "--serve"], { env: this.net.env });
    this.#child.stdout.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.#child.stdin.on("error", () => {}); // the exit says it
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("exit", (code, signal) => this.#fail(new Error(`the harness ended (${signal ?? `exit ${code}`})`)));
  }

  /** One program at a time. */
  async run(program: string, options: ServeOptions = {}): Promise<ServedRun> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#waiting !== undefined) throw new Error("the server is still running a program");
    const { timeLimit_ms = TIME_LIMIT_MS, patience_ms = PATIENCE_MS } = options;
    const stuck = setTimeout(() => this.#child.kill("SIGKILL"), timeLimit_ms + STUCK_MS);
    try {
      return await new Promise<ServedRun>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        const text = Buffer.from(program);
        this.#child.stdin.write(`${text.length} ${timeLimit_ms} ${patience_ms}\n`);
        this.#child.stdin.write(text);
      });
    } finally {
      clearTimeout(stuck);
    }
  }

  dispose(): void {
    this.#failure ??= new Error("the server was disposed of");
    this.#child.kill("SIGKILL");
    this.net.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const lineEnd = this.#received.indexOf(10);
    if (lineEnd < 0) return;
    const [exit, outBytes, errBytes, us] = this.#received.toString("utf8", 0, lineEnd).split(" ").map(Number);
    const outEnd = lineEnd + 1 + outBytes;
    if (this.#received.length < outEnd + errBytes) return;
    const out = this.#received.toString("utf8", lineEnd + 1, outEnd);
    const stderr = this.#received.toString("utf8", outEnd, outEnd + errBytes);
    this.#received = this.#received.subarray(outEnd + errBytes);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    try {
      waiting?.resolve({ events: parseLines(out), exit, stderr, us });
    } catch (error) {
      waiting?.reject(error as Error);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }
}

// The harness writes whole lines; a last one without its end belongs to a process that was killed while it wrote.
function parseLines(text: string): KernelEvent[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => parseJson(line) as KernelEvent);
}
