// `ringzero explain` in every dialect of zero copy: each profile alone, and with each switch that means something there. One program that
// waits for what tells that its buffer is free, and one that writes into it before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PROFILE_6_0 } from "../../assembly/abi/profile.ts";
import { renderExplanation } from "../../host/explain/render.ts";
import type { Explanation } from "../../host/explain/shape.ts";
import { Machine, type MachineOptions } from "../../host/machine.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { renderTimeline } from "../../host/trace/timeline.ts";
import { watchProgram } from "../../host/trace/watch.ts";
import { type Profile, PROFILES, type SwitchValues, switchesError, SWITCHES } from "../../host/profile/profiles.ts";
import { advice, explain, request } from "./explaining.ts";

interface Dialect {
  profile: Profile;
  switches: SwitchValues;
  /** The SQE, without its user_data. */
  sqe: string;
}

const isSlotEra = ({ id }: Profile) => id < PROFILE_6_0;
const BUFFER = 20_000;
const WAYS: SwitchValues[] = [
  {},
  ...SWITCHES.flatMap(({ name, values, needs }) =>
    values.slice(1).map((value) => ({ ...(needs === undefined ? {} : { [needs]: 1 }), [name]: value })),
  ),
];

/** How a program of this kernel asks for zero copy. */
function sqeOf(profile: Profile, switches: SwitchValues): string {
  const merged = switches.merged_opcode !== undefined;
  if (!isSlotEra(profile)) {
    const minor = profile.id - PROFILE_6_0;
    if (merged) return `send buf=b ioprio=${minor < 10 ? 16 : 64}`;
    const own = switches.two_cqe_sep_ud !== undefined || profile.name === "7.1" ? " addr3=77" : "";
    return `send_zc buf=b${own}${switches.zc_skip_success === undefined ? "" : " flags=CQE_SKIP_SUCCESS"}`;
  }
  const flush =
    profile.name === "rfc3" ? "SENDZC_FLUSH" : profile.name === "aug16" ? "NOTIF_FLUSH|COPY_TAG" : "NOTIF_FLUSH";
  if (switches.slotless !== undefined) return "sendzc buf=b slot=65535";
  if (switches.sendmsg_zc !== undefined) return `sendmsgzc msg=m slot=1 ioprio=${flush}`;
  const flag = profile.name === "aug16" ? "ZC_NOTIF_LATER" : "ZC_NOTIF";
  return merged ? `send_notif buf=b slot=1 ioprio=${flag}|${flush}` : `sendzc buf=b slot=1 ioprio=${flush}`;
}

const DIALECTS: Dialect[] = PROFILES.flatMap((profile) =>
  WAYS.filter((switches) => switchesError(profile, switches) === undefined).map((switches) => ({
    profile,
    switches,
    sqe: sqeOf(profile, switches),
  })),
);

let machine: Machine | undefined;

async function run(
  { profile, switches, sqe }: Dialect,
  device: string,
  steps: readonly string[],
): Promise<Explanation> {
  const setup = [
    "setup 8",
    ...(/ slot=/.test(sqe) ? ["notifiers 10 20"] : []),
    `pair A B udp ${device}`,
    "nic mtu=65000",
  ];
  const program = [...setup, `buf b ${BUFFER} 1`, `msg m iov=b:0:${BUFFER}`, `sqe ${sqe} fd=A ud=1`, ...steps];
  const options = { profile: profile.name, switches, trace: true };
  machine = machine === undefined ? await Machine.create(options) : Machine.recycle(machine, options);
  return explain(program, {}, machine);
}

const ELSEWHERE = /^(copy-not-reported|no-cqe)$/;
/** A batch of task work and the posting of its own CQE have other orders there. */
const IN_SLOT_ERA = /^(copy-not-reported|notification-first)$/;

const nameOf = ({ profile, switches }: Dialect) => `${profile.name} ${JSON.stringify(switches)}`;
const bugs = (told: Explanation) => told.advice.filter(({ weight }) => weight === "bug").map(({ rule }) => rule);

test("who waits for what tells that the buffer is free has it back, and no BUG", async () => {
  assert.ok(DIALECTS.length > 150, `${DIALECTS.length}`);
  for (const dialect of DIALECTS) {
    for (const device of ["nic", "lo"]) {
      const told = await run(dialect, device, ["submit", "settle", "poke b 0 10 9"]);
      const name = `${nameOf(dialect)} ${device}\n${renderExplanation(told)}`;
      const { free_ns, completion, notification, surprises } = request(told, 1);
      assert.notEqual(free_ns, null, name);
      assert.deepEqual(bugs(told), [], name);
      assert.ok(notification !== null, name);
      assert.equal(notification.kind === "only cqe", dialect.switches.single_cqe !== undefined, name);
      assert.equal(completion === null, dialect.switches.zc_skip_success !== undefined, name);
      assert.equal(completion?.res, completion === null ? undefined : BUFFER, name);
      for (const { rule } of surprises) assert.match(rule, isSlotEra(dialect.profile) ? IN_SLOT_ERA : ELSEWHERE, name);
      if (!/ slot=\d\b/.test(dialect.sqe)) assert.doesNotMatch(renderExplanation(told), /\bslots?\b/, name);
      assert.doesNotMatch(renderExplanation(told), /undefined|-\?/, name);
    }
  }
});

test("who writes before is told so", async () => {
  for (const dialect of DIALECTS) {
    const told = await run(dialect, "nic", ["submit", "reap", "poke b 0 10 9", "settle"]);
    const name = `${nameOf(dialect)}\n${renderExplanation(told)}`;
    const hasFirst = dialect.switches.single_cqe === undefined && dialect.switches.zc_skip_success === undefined;
    assert.deepEqual(bugs(told), [hasFirst ? "reuse-at-first-cqe" : "reuse-before-cqe"], name);
    const text = told.advice.map((each) => each.text).join("\n");
    assert.equal(/CQE_F_NOTIF/.test(text), hasFirst && !isSlotEra(dialect.profile), name);
    const tag = / slot=1/.test(dialect.sqe) && dialect.profile.name !== "aug16" ? 20 : 1;
    if (isSlotEra(dialect.profile))
      assert.match(text, new RegExp(`the CQE with tag ${tag} and sequence number 0`), name);
  }
});

const SINGLE = { switches: { single_cqe: 1 } };
const UDP = ["setup 8", "pair A B udp nic", "buf b 1000"];

test("one CQE, where a chain breaks, on TCP, with usage reported", async () => {
  const chain = ["fd X 99", "sqe send_zc fd=A buf=b ud=1 flags=IO_LINK", "sqe send_zc fd=X buf=b ud=2 flags=IO_LINK"];
  const program = [...UDP, ...chain, "sqe send_zc fd=A buf=b ud=3", "submit", "settle", "poke b 0 10 9"];
  for (const switches of [SINGLE.switches, { single_cqe: 1, link_at: "send" }]) {
    const told = await explain(program, { switches });
    assert.deepEqual(bugs(told), []);
    for (const ud of [1, 2, 3]) {
      const { notification, references, free_ns } = request(told, ud);
      assert.equal(notification?.kind, "only cqe");
      assert.notEqual(free_ns, null);
      assert.deepEqual(
        references.filter(({ holder }) => holder.startsWith("slot")),
        [],
      );
    }
    const usage = ["setup 8", "pair A B tcp lo", "buf b 1000", "sqe send_zc fd=A buf=b ud=1 ioprio=REPORT_USAGE"];
    assert.match(
      renderExplanation(await explain([...usage, "submit", "settle"], { switches })),
      /only CQE \(1000 COPIED\)/,
    );
  }
});

test("one CQE: a buffer that is still out", async () => {
  const told = await explain([...UDP, "sqe send_zc fd=A buf=b ud=1", "submit"], SINGLE);
  assert.deepEqual(
    request(told, 1).surprises.map(({ rule }) => rule),
    ["never-free"],
  );
});

test("success without a CQE of its own is told so", async () => {
  const program = [...UDP, "sqe send_zc fd=A buf=b ud=1 flags=CQE_SKIP_SUCCESS", "submit", "settle"];
  for (const [how, result] of [
    ["first", /notification #1; success posts no other CQE \(IOSQE_CQE_SKIP_SUCCESS\)/],
    ["combined", /notification #1 \(1000\); success posts no other CQE/],
  ] as const)
    assert.match(renderExplanation(await explain(program, { switches: { zc_skip_success: how } })), result);
});

test("a ring closed before a slot was flushed: the network reads nothing any more", async () => {
  const program = [
    "profile rc3",
    "setup 8",
    "notifiers 10",
    "pair A B udp nic",
    "buf b 1000",
    "sqe sendzc fd=A buf=b slot=0 ud=1",
  ];
  const told = await explain([...program, "submit", "msleep 1", "closering"]);
  assert.deepEqual(bugs(told), ["closed-ring"]);
  const [{ text }] = told.advice.filter(({ rule }) => rule === "closed-ring");
  assert.match(text, /A slot that nobody flushed has held them until then/);
  assert.doesNotMatch(text, /network keeps reading/);
  const early = await explain([...program, "submit", "closering"]);
  assert.match(early.advice[0].text, /the network keeps reading the buffers/);
});

test("mistakes come first, each kind in the order of the lines", async () => {
  const program = ["setup 8", "pair A B tcp nic", "pair C D unix nic", "buf b 20000", "buf c 20000"];
  const batch = ["sqe send_zc fd=A buf=b ud=1", "sqe send_zc fd=A buf=c ud=2", "submit", "poke b 0 10 9", "settle"];
  const told = await explain([...program, ...batch]);
  // None was overtaken: that they might have been is no BUG of this run.
  assert.deepEqual(advice(told), ["reuse-before-cqe", "unlinked-batch"]);
  assert.deepEqual(
    told.advice.map(({ weight }) => weight),
    ["bug", "cost"],
  );
});

test("the timeline's summary: slot number 1 is no kind of CQE, and success may post one CQE only", async () => {
  const tell = async (text: string, options: MachineOptions) => {
    const created = await Machine.create({ ...options, trace: true });
    return renderTimeline(watchProgram(created, parseProgram(text, "t.zc"), text).timeline);
  };
  const start = "setup 8\nnotifiers 10 20\npair A B udp nic\nbuf b 1000\n";
  const slot = `${start}sqe sendzc fd=A buf=b slot=1 ud=1 ioprio=NOTIF_FLUSH\nsubmit\nsettle`;
  assert.match(await tell(slot, { profile: "rc3" }), /#1 ud=20\n +when: +5 us after the flush, because/);
  const skip = `${UDP.join("\n")}\nsqe send_zc fd=A buf=b ud=1 flags=CQE_SKIP_SUCCESS\nsubmit\nsettle`;
  const told = await tell(skip, { switches: { zc_skip_success: "combined" } });
  assert.match(told, /#1 ud=1, 1000 bytes\n +when: +5 us after the submission \(IOSQE_CQE_SKIP_SUCCESS/);
});
