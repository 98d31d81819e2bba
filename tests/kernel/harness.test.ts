// The harness itself: it reports what the kernel did, refuses what is not a program, and leaves the
// machine as it found it. Skips with a reason where the kernel cannot be used.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { compileHarness, KernelNet, KernelRunner, listNets } from "../../host/kernel/harness.ts";
import { probeKernel } from "../../host/kernel/probe.ts";

// The last tests start this file again as a process that dies with a network of its own: by a call of
// exit(), or blocked in a synchronous wait, as it is while a program runs, until a signal ends it.
const ROLE = "RINGZERO_TEST_ROLE";
if (process.env[ROLE]) {
  new KernelNet();
  writeSync(1, "ready\n");
  if (process.env[ROLE] !== "exit") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30_000);
  process.exit(0);
}

function kernelTest(name: string, body: (t: TestContext) => void | Promise<void>): void {
  test(name, async (t) => {
    const probe = probeKernel();
    if (!probe.ok) return t.skip(probe.missing);
    await body(t);
  });
}

function withRunner(body: (runner: KernelRunner) => void): void {
  const net = new KernelNet();
  try {
    body(new KernelRunner(net));
  } finally {
    net.dispose();
  }
}

const program = (...lines: string[]) => `${lines.join("\n")}\n`;

test("the probe gives a reason or a release", () => {
  const probe = probeKernel();
  if (probe.ok) assert.match(probe.release, /^\d+\.\d+/);
  else assert.match(probe.missing, /^\S.*\.$/);
});

kernelTest("a loopback TCP send posts its result and then its notification", () => {
  withRunner((runner) => {
    const run = runner.run(
      program(
        "setup 8 0",
        "pair A B tcp lo",
        "buf b 1000 1",
        "sqe send_zc fd=A buf=b ud=1",
        "submit",
        "settle",
        "recv B 4096",
        "ring",
      ),
    );
    assert.equal(run.exit, 0, run.stderr);
    assert.equal(run.stderr, "");
    const [setup, ...rest] = run.events;
    assert.equal(setup.sq_entries, 8);
    assert.equal(setup.cq_entries, 16);
    assert.deepEqual(rest, [
      { step: 5, op: "submit", ev: "enter", ret: 1 },
      { step: 6, op: "settle", ev: "cqe", ud: 1, res: 1000, flags: 2 },
      { step: 6, op: "settle", ev: "cqe", ud: 1, res: 0, flags: 8 },
      { step: 6, op: "settle", ev: "settled", n: 2 },
      { step: 7, op: "recv", ev: "recv", ret: 1000, fnv: 1594096373 },
      { step: 8, op: "ring", ev: "ring", sq_flags: 0, cq_overflow: 0, sq_dropped: 0, sq_head: 1, cq_ready: 0 },
      { step: 8, op: "ring", ev: "end" },
    ]);
  });
});

kernelTest("the veth peer lives in the namespace of this run", () => {
  withRunner((runner) => {
    const run = runner.run(
      program(
        "setup 8 0",
        "pair A B tcp veth",
        "buf b 1000 1",
        "sqe send_zc fd=A buf=b ud=1",
        "submit",
        "settle",
        "recv B 4096",
      ),
    );
    assert.equal(run.exit, 0, run.stderr);
    assert.deepEqual(run.events.at(-2), { step: 7, op: "recv", ev: "recv", ret: 1000, fnv: 1594096373 });
  });
});

kernelTest("two networks exist side by side", () => {
  withRunner((first) => {
    withRunner((second) => {
      const text = program(
        "setup 8 0",
        "pair A B udp ifb",
        "buf b 600",
        "sqe send_zc fd=A buf=b ud=5",
        "submit",
        "settle",
      );
      assert.deepEqual(first.run(text), second.run(text));
    });
  });
});

kernelTest("runMany reports every run in order", () => {
  withRunner((runner) => {
    const seen: number[] = [];
    const runs = runner.runMany(["say one\n", "nonsense\n", "say three\n"], (_, index) => seen.push(index));
    assert.deepEqual(
      runs.map((run) => run.exit),
      [0, 2, 0],
    );
    assert.deepEqual(seen, [0, 1, 2]);
  });
});

// Every line is wrong in its own way; none may crash the harness or be taken for something else.
const INVALID_LINES = [
  "nonsense",
  "setup",
  "setup 8 NO_SUCH_FLAG",
  "setup eight 0",
  "setup 8 0 4 5",
  "pair A",
  "pair A B",
  "pair A B pigeon lo",
  "pair A B tcp eth9",
  "pair A B tcp lo color=red",
  "pair A B tcp lo sndbuf",
  "socket N",
  "socket N pigeon",
  "file f",
  "pipe r",
  "buf b",
  "buf b 10x",
  "buf b 99999999999999999999999",
  "buf a_name_longer_than_fifteen 10",
  "poke nobuf 0 1 1",
  "poke good 4000 4000 1",
  "poke good -1 1 1",
  "poke good 0",
  "unmap",
  "msg m iov=good",
  "msg m iov=good:0:1 rep=5000",
  "msg m surprise=1",
  "msg m dest=127.0.0.1",
  "msg m dest=nowhere:9",
  "sqe",
  "sqe no_such_op",
  "sqe send_zc fd",
  "sqe send_zc fd=nobody",
  "sqe send_zc buf=nobody",
  "sqe send_zc color=1",
  "sqe send_zc ioprio=",
  "submitwait",
  "enter 1 1",
  "submit many",
  "regbuf nobody",
  "regfile nobody",
  "syssend good",
  "recv 0 2000000",
  "fill 0 100000",
  "sockopt 0 NO_SUCH 1",
  "sockopt 0 ZEROCOPY",
  "sniff s ns_c lo",
  "shutdown 0",
  'say "quoted"',
  "msleep -5",
  "\0",
  `regbuf${" -".repeat(100)}`,
];

kernelTest("an invalid line ends the program with status 2 and its number", () => {
  withRunner((runner) => {
    for (const line of INVALID_LINES) {
      const run = runner.run(program("setup 8 0", "buf good 4096", "# a comment", line, "say unreached"));
      assert.equal(run.exit, 2, `${JSON.stringify(line)}: exit ${run.exit}, ${run.stderr}`);
      assert.match(run.stderr, /^line 4: [^\n]+\n$/, JSON.stringify(line));
      assert.deepEqual(
        run.events.map((event) => event.ev),
        ["setup"],
        JSON.stringify(line),
      );
    }
  });
});

kernelTest("operations on a ring that is not there are reported", () => {
  withRunner((runner) => {
    for (const line of ["ring", "ringmem"]) {
      const run = runner.run(program(line));
      assert.equal(run.exit, 2);
      assert.equal(run.stderr, `line 1: ${line}: there is no ring\n`);
    }
    const run = runner.run(program("sqe nop ud=1", "submit"));
    assert.deepEqual(run.events, [
      { step: 1, op: "sqe", ev: "skip" },
      { step: 2, op: "submit", ev: "enter", ret: -1, errno: "EBADF" },
      { step: 2, op: "submit", ev: "end" },
    ]);
  });
});

kernelTest("a compiled program is reused", () => {
  const first = compileHarness();
  assert.ok(existsSync(first));
  assert.equal(compileHarness(), first);
});

kernelTest("dispose removes the namespaces, also when called twice", () => {
  const before = listNets(process.pid);
  const net = new KernelNet();
  assert.deepEqual(listNets(process.pid).sort(), [...before, net.nsA, net.nsB].sort());
  net.dispose();
  net.dispose();
  assert.deepEqual(listNets(process.pid), before);
  assert.throws(() => new KernelRunner(net).run("say hello\n"), /removed/);
});

kernelTest("the next network removes what a dead process left", () => {
  const dead = spawnSync("true").pid;
  spawnSync("ip", ["netns", "add", `ringzero-${dead}-0-a`]);
  spawnSync("ip", ["netns", "add", `ringzero-${dead}-0-b`]);
  assert.equal(listNets(dead).length, 2);
  new KernelNet().dispose();
  assert.deepEqual(listNets(dead), []);
});

for (const how of ["SIGINT", "SIGTERM", "SIGKILL", "exit"] as const) {
  kernelTest(`a process that ends by ${how} leaves no namespace`, async () => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
      env: { ...process.env, [ROLE]: how, NODE_TEST_CONTEXT: undefined },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const pid = child.pid as number;
    await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
    if (how !== "exit") {
      assert.equal(listNets(pid).length, 2);
      child.kill(how);
    }
    await ended;
    // The guard works after the process is gone.
    const deadline = Date.now() + 5000;
    while (listNets(pid).length && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(listNets(pid), []);
  });
}
