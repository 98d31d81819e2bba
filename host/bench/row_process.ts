// One row in a process of its own, like a measurement of the C benchmark. In one process for all, a row would also tell
// what ran before it: the engine compiles for what it has seen, and after three rings it knows less about a ring than
// after one.
//
// The child is this same command, told by its environment that it measures for a parent. The parent sends how long to
// measure, the child answers with the result, until the parent hangs up.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Machine } from "../machine.ts";
import { loadApps } from "./app.ts";
import { type Clocks, type Meter, measure } from "./measure.ts";
import { ROWS } from "./rows.ts";

const ROW_VARIABLE = "RINGZERO_BENCH_ROW";

type Request = { wall_ms: number };
type Answer = { ns: number } | { error: string };

export const processClocks: Clocks = {
  cpu_ns() {
    const { user, system } = process.cpuUsage();
    return (user + system) * 1000;
  },
  wall_ns: () => performance.now() * 1e6,
};

/** The parent's end. */
export class RowProcess implements Meter {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Answer>;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    this.#child = fork(process.argv[1], ["bench"], { env: { ...process.env, [ROW_VARIABLE]: name } });
    this.#ended = once(this.#child, "exit").then(([code, signal]) => ({
      error: `its process ended: ${code ?? signal}`,
    }));
  }

  async measure(wall_ms: number): Promise<number> {
    const child = this.#child;
    child.send({ wall_ms } satisfies Request);
    const answered = once(child, "message").then(([message]) => message as Answer);
    const answer = await Promise.race([answered, this.#ended]);
    if ("error" in answer) throw new Error(`${this.#name}: ${answer.error}`);
    return answer.ns;
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

/** The child's end: true if this process is one. It ends when the parent hangs up. */
export async function serveRow(): Promise<boolean> {
  const name = process.env[ROW_VARIABLE];
  if (name === undefined || process.send === undefined) return false;
  const answer = (message: Answer) => process.send?.(message);
  await loadApps();
  const workload = ROWS.get(name)?.(await Machine.create());
  process.on("message", ({ wall_ms }: Request) => {
    try {
      if (workload === undefined) throw new Error("no such row");
      answer({ ns: measure(workload, processClocks, wall_ms) });
    } catch (error) {
      answer({ error: (error as Error).message });
    }
  });
  return true;
}
