// The differ against the live kernel: a program that both sides agree on, a planted difference that it must find and shrink, a
// program that never ends, and a short campaign. What the campaign finds is printed, and a few differences are let pass: the
// kernel of the machine may be another one, and it does not always give the same answer.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import "../../host/cli/node.ts";
import { runCampaign } from "../../host/fuzz/campaign.ts";
import { Emulator } from "../../host/fuzz/emulator.ts";
import { type AskKernel, Judge } from "../../host/fuzz/judge.ts";
import { findModelled } from "../../host/fuzz/modelled.ts";
import { PROFILES } from "../../host/fuzz/profiles.ts";
import { shrink } from "../../host/fuzz/shrink.ts";
import { probeKernel } from "../../host/kernel/probe.ts";
import { EXIT_ALARM, KernelServer } from "../../host/kernel/server.ts";

function serverTest(name: string, body: (server: KernelServer, ask: AskKernel) => Promise<void>): void {
  test(name, async (t: TestContext) => {
    const probe = probeKernel();
    if (!probe.ok) return t.skip(probe.missing);
    const server = new KernelServer();
    try {
      await body(server, async (program, limit_ms) => {
        const { events, exit, stderr, us } = await server.run(program, { timeLimit_ms: limit_ms });
        return { events, exit, stderr, killed: exit === EXIT_ALARM, spent_ms: us / 1000 };
      });
    } finally {
      server.dispose();
    }
  });
}

/** Of fifty programs; those that a busy machine answers in another order are among them. */
const DIFFERENT_MAX = 3;
const OPTIONS = { again: 3, seeds: 2 };
const SEND = "setup 8\npair A B unix\nbuf b 100 1\nsqe send fd=A buf=b ud=1\nsubmit\nsettle 10\nrecvall B 1000 10\n";

serverTest("programs run one after the other, each in a process of its own", async (server) => {
  const first = await server.run(SEND);
  const second = await server.run(SEND);
  assert.equal(first.exit, 0, first.stderr);
  assert.deepEqual(second.events, first.events);
  assert.ok(first.us > 0);
  const refused = await server.run("setup 8\nnonsense\n");
  assert.equal(refused.exit, 2);
  assert.match(refused.stderr, /line 2/);
});

serverTest("what was seen before a program had to be killed is kept", async (server) => {
  const run = await server.run("setup 8\nsqe nop ud=1\nsubmit\nenter 0 2 1\n", { timeLimit_ms: 150 });
  assert.equal(run.exit, EXIT_ALARM);
  assert.deepEqual(
    run.events.map(({ ev }) => ev),
    ["setup", "enter"],
  );
  assert.equal((await server.run(SEND)).exit, 0, "the server goes on");
});

serverTest("both sides agree, also on a wait that never ends", async (_server, ask) => {
  const judge = new Judge(new Emulator("debug"), ask, OPTIONS);
  assert.match((await judge.judge(SEND)).verdict, /^(same|again)$/);
  assert.equal((await judge.judge("setup 8\nsqe nop ud=1\nsubmit\nenter 0 2 1\n")).verdict, "waits");
});

serverTest("a planted difference is found and shrunk to what matters", async (_server, ask) => {
  // A kernel whose NOP fails.
  const broken: AskKernel = async (program, limit_ms) =>
    ask(program.replace(/^sqe nop/gm, "sqe nop mf=0x100"), limit_ms);
  const judge = new Judge(new Emulator("debug"), broken, OPTIONS);
  const program = SEND.replace("submit\n", "sqe nop ud=2\nsubmit\n");
  const differs = async (text: string) => (await judge.judge(text, 1)).verdict === "different";
  assert.ok(await differs(program));
  const shrunk = await shrink(program, async (text) => {
    try {
      return await differs(text);
    } catch {
      return false;
    }
  });
  assert.match(shrunk, /^setup \d\nsqe nop ud=2\nsubmit\n(settle|recvall)?/);
  assert.ok(shrunk.split("\n").length <= 5, shrunk);
});

serverTest("fifty random programs", async (_server, ask) => {
  const emulator = new Emulator("debug");
  const modelled = await findModelled(emulator);
  const judge = new Judge(emulator, ask, OPTIONS);
  const options = {
    seed: 1,
    from: 0,
    count: 50,
    length: 15,
    profile: PROFILES.all,
    modelled,
    limit: 50,
    shrink: false,
  };
  const { counts, differences } = await runCampaign([judge], options, { onDifference() {}, onProgress() {} });
  for (const { index, program } of differences) console.log(`program ${index} of seed 1 differs:\n${program}`);
  const ran = counts.same + counts.again + counts.seed + counts.waits + counts.different;
  assert.ok(ran >= 30, JSON.stringify(counts));
  assert.ok(counts.different <= DIFFERENT_MAX, JSON.stringify(counts));
  assert.ok(counts.same > counts.different, JSON.stringify(counts));
});
