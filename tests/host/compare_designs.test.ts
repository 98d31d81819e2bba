// `ringzero compare`: what the designs of the thread do to the same workload, as relations between what was counted.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import "../../host/cli/node.ts";
import { type Comparison, compare, type Row } from "../../host/compare/compare.ts";
import { DEFAULT_DESIGNS, designNames, findDesign } from "../../host/compare/designs/index.ts";
import { renderReport } from "../../host/compare/report.ts";
import { renderComparison } from "../../host/compare/table.ts";
import { findWorkload, WORKLOADS } from "../../host/compare/workloads.ts";

const folder = mkdtempSync(join(tmpdir(), "ringzero-compare-"));
after(() => rmSync(folder, { recursive: true }));

declare const RINGZERO_ROOT: string;

async function run(workload: string, ...designs: string[]): Promise<Comparison> {
  const found = findWorkload(workload);
  assert.ok(found);
  return await compare(
    found,
    designs.map((name) => {
      const design = findDesign(name);
      assert.ok(design, name);
      return design;
    }),
  );
}

const rowOf = (comparison: Comparison, design: string, variant?: string): Row => {
  const row = comparison.rows.find((each) => each.design === design && each.variant === variant);
  assert.ok(row, `${design} ${variant ?? ""}`);
  return row;
};

test("small messages: a notification per request costs an skb per message, until notifications are chained", async () => {
  const comparison = await run("small-tcp", "send", "msg_zerocopy", "6.0", "6.10", "6.18");
  const [send, classic, first, chained, now] = comparison.rows;
  assert.equal(first.skbsPerMessage, 1);
  assert.equal(first.counts.transmits, first.counts.messages);
  for (const row of [send, classic, chained, now]) {
    assert.ok(row.skbsPerMessage < 0.2, `${row.design}: ${row.skbsPerMessage}`);
    assert.ok(row.cost_ns < first.cost_ns * 0.7, `${row.design}: ${row.cost_ns} ns`);
  }
  // A system call for each send, and some to read the error queue.
  assert.ok(classic.cost_ns > now.cost_ns);
  // Chaining saves skbs, not notifications.
  for (const row of [first, chained, now]) assert.equal(row.counts.notifications, row.counts.messages);
  assert.ok(classic.counts.records < classic.counts.messages / 10);
  assert.equal(send.copiedBytes, send.counts.bytes);
  for (const row of [classic, first, chained, now]) assert.equal(row.copiedBytes, 0);
});

test("small messages: sends of one slot share skbs, in every kernel that had slots", async () => {
  const { rows } = await run("small-tcp", "rfc3", "rc1", "rc2", "rc3", "aug16", "6.0");
  const alone = rows.pop();
  for (const row of rows) {
    assert.ok(row.skbsPerMessage < 0.25, `${row.design}: ${row.skbsPerMessage}`);
    // A notification for sixteen sends, and one for the rest.
    assert.equal(row.counts.notifications, Math.ceil(row.counts.messages / 16));
    assert.equal(row.counts.cqes, row.counts.requests + row.counts.notifications);
    assert.ok(row.cost_ns < (alone?.cost_ns ?? 0) / 2);
  }
});

test("all workloads run in the designs of every era", async () => {
  for (const workload of ["large-tcp", "udp-many", "lossy", "samba"]) {
    const { rows } = await run(workload, "rfc3", "rc3", "6.0", "7.1");
    for (const row of rows)
      if (row.variant !== "splice") assert.ok(row.free !== undefined, `${workload} ${row.design}`);
  }
});

test("one CQE for each send: the next one waits for the network, and nothing can be shared", async () => {
  const { rows } = await run("small-tcp", "6.18", "single_cqe", "skip_combined", "rfc3_single", "6.0+single_cqe");
  const [two, ...single] = rows;
  for (const row of single) {
    assert.deepEqual(row.free, row.orderSafe, row.design);
    assert.equal(row.counts.cqes, row.counts.messages);
    assert.equal(row.skbsPerMessage, 1);
    // A round trip for each message.
    assert.ok(row.duration_ns > 20 * two.duration_ns, row.design);
    assert.ok(row.counts.peakPinned < two.counts.peakPinned);
    assert.ok(row.cannot.includes("that the next send may go before the buffer is free"));
  }
  // Where nothing has to stay in order, it saves a CQE and costs nothing.
  const udp = await run("udp-many", "6.18", "single_cqe");
  assert.equal(udp.rows[1].counts.cqes * 2, udp.rows[0].counts.cqes);
  assert.equal(udp.rows[1].duration_ns, udp.rows[0].duration_ns);
});

test("user_data of its own for the second CQE, and slot 65535, change what is told and nothing else", async () => {
  const { rows } = await run("small-tcp", "6.18", "two_cqe_sep_ud", "7.1", "6.0", "slotless");
  const [now, separate, later, first, slotless] = rows;
  for (const row of [separate, later]) {
    assert.deepEqual(row.counts, now.counts);
    assert.deepEqual(row.free, now.free);
    assert.ok(!row.cannot.includes("user_data of its own for the second CQE"));
  }
  assert.ok(now.cannot.includes("user_data of its own for the second CQE"));
  assert.deepEqual(slotless.counts, first.counts);
});

test("one opcode for both sends, or other updates of slots, cost the same", async () => {
  const era = ["rc3", "merged_opcode", "rc3+upd_tag_always", "rc3+upd_alloc_empty", "aug16+merged_opcode"];
  for (const [first, ...others] of [era, ["6.18", "6.18+merged_opcode", "6.18+single_cqe=0"]]) {
    const { rows } = await run("small-tcp", first, ...others);
    for (const row of rows) assert.deepEqual(row.counts, rows[0].counts, row.design);
  }
});

test("a switch that the application of a workload never uses is told, and one that it uses is not", async () => {
  const never = [
    "rc3+sendmsg_zc",
    "6.18+zc_skip_success=first",
    "6.0+send_addr",
    "rc3+upd_alloc_empty+upd_alloc_tag=1",
  ];
  const used = ["6.18+merged_opcode", "two_cqe_sep_ud", "slotless", "single_cqe", "skip_combined", "merged_opcode"];
  const comparison = await run("udp-many", ...never, ...used);
  for (const row of comparison.rows) {
    const names = row.design.split("+").slice(1);
    assert.deepEqual(row.unused, never.includes(row.design) ? names.map((word) => word.split("=")[0]) : [], row.design);
  }
  const text = renderComparison(comparison);
  assert.match(
    text.replace(/\n {10,}/g, " "),
    /this workload sends the same way without upd_alloc_empty or upd_alloc_tag\)/,
  );
  // A message with a header is what that switch is for.
  const samba = await run("samba", "sendmsg_zc");
  for (const { unused } of samba.rows) assert.deepEqual(unused, []);
});

test("how it sends: the operations that were really used", async () => {
  const titles = async (workload: string, ...names: string[]) =>
    (await run(workload, ...names)).rows
      .filter(({ variant }) => variant !== "splice" && variant !== "copy")
      .map(({ title }) => title);
  for (const title of await titles("samba", "6.1", "6.18", "7.1")) assert.match(title, /^SENDMSG_ZC: /);
  for (const title of await titles("samba", "6.0")) assert.match(title, /^SEND of the header, then SEND_ZC: /);
  for (const title of await titles("samba", "rc3")) assert.match(title, /^SEND of the header, then SENDZC into/);
  for (const title of await titles("samba", "sendmsg_zc")) assert.match(title, /^SENDMSGZC into/);
  for (const title of await titles("udp-many", "6.0", "6.18")) assert.match(title, /^SEND_ZC: /);
  for (const title of await titles("udp-many", "6.18+merged_opcode")) assert.match(title, /^SEND with a flag: /);
});

test("lines are for a terminal: 120 columns at most", async () => {
  for (const [workload, ...names] of [
    ["udp-many", ...DEFAULT_DESIGNS],
    ["samba", ...DEFAULT_DESIGNS, "rc3+upd_alloc_empty+upd_alloc_tag=after"],
  ])
    for (const line of renderComparison(await run(workload, ...names)).split("\n")) assert.ok(line.length <= 120, line);
  for (const args of [["--list"], []])
    for (const line of ringzero(...args).stdout.split("\n")) assert.ok(line.length <= 112, line);
});

test("sendmsg with slots: Samba's header needs no request and no copy of its own", async () => {
  const { rows } = await run("samba", "rc3", "sendmsg_zc");
  const [without, together] = rows.filter(({ variant }) => variant === "zc");
  assert.deepEqual(without.counts.copied, { "plain send": 3 * 250 });
  assert.deepEqual(together.counts.copied, {});
  assert.equal(without.counts.requests - together.counts.requests, 3);
  assert.ok(!together.cannot.includes("sendmsg with zero copy"));
});

test("every design that has a name runs every workload", async () => {
  for (const { name } of WORKLOADS) {
    if (name === "samba") continue;
    const { rows } = await run(name, ...designNames());
    assert.equal(rows.length, designNames().length);
    for (const row of rows) assert.ok(row.free !== undefined && row.free.worst >= row.orderSafe.worst, row.design);
  }
});

test("by default there is one design of each family", async () => {
  const families = (names: readonly string[]) => new Set(names.map((name) => findDesign(name)?.family));
  assert.deepEqual(families(DEFAULT_DESIGNS), families(designNames()));
});

test("who copies has its buffer at once; who does not waits for the network", async () => {
  for (const workload of ["large-tcp", "udp-many", "lossy"]) {
    const { rows } = await run(workload, "send", "msg_zerocopy", "6.18");
    const [send, ...zeroCopy] = rows;
    assert.deepEqual(send.free, send.orderSafe);
    assert.equal(send.counts.peakPinned, 0);
    for (const row of zeroCopy) {
      assert.ok(row.free !== undefined && row.free.p50 > row.orderSafe.p50, `${workload} ${row.design}`);
      assert.ok(row.free.p50 <= row.free.p99 && row.free.p99 <= row.free.worst);
      assert.ok(row.counts.peakPinned > 0);
      assert.equal(row.counts.peakKernel < send.counts.peakKernel, true, `${workload} ${row.design}`);
    }
  }
});

test("a lossy link holds buffers for as long as it takes to send again", async () => {
  const { rows } = await run("lossy", "6.18");
  assert.ok(rows[0].counts.retransmits > 0);
  assert.ok((rows[0].free?.worst ?? 0) > 10 * 2_000_000, "ten round trips");
});

test("udp: nothing to share between datagrams, in any design", async () => {
  const { rows } = await run("udp-many", "send", "msg_zerocopy", "6.0", "6.18");
  for (const row of rows) assert.equal(row.skbsPerMessage, 1, row.design);
});

test("samba: the four variants differ in who copies", async () => {
  const comparison = await run("samba", "6.18");
  assert.deepEqual(
    comparison.rows.map(({ variant }) => variant),
    ["splice", "copy", "zc", "bounce"],
  );
  const splice = rowOf(comparison, "send", "splice");
  const copy = rowOf(comparison, "send", "copy");
  const zc = rowOf(comparison, "6.18", "zc");
  const bounce = rowOf(comparison, "6.18", "bounce");
  const payload = zc.counts.bytes - zc.counts.messages * 250;
  assert.deepEqual(zc.counts.copied, {});
  assert.deepEqual(bounce.counts.copied, { "bounce buffer": payload });
  assert.deepEqual(copy.counts.copied, { "plain send": zc.counts.bytes });
  assert.deepEqual(splice.counts.copied, { "plain send": splice.counts.messages * 250 });
  assert.equal(splice.free, undefined, "nobody says when the file may change");
  assert.ok(splice.counts.workers > 0 && splice.counts.pins === 0);
  assert.ok(zc.counts.pins > payload / 4096);
  assert.ok(zc.cost_ns < copy.cost_ns && copy.cost_ns < bounce.cost_ns);
});

test("samba, encrypted: zero copy saves the second of two copies", async () => {
  const { rows } = await run("samba", "send", "6.18");
  const plain = rows.find(({ design, variant }) => design === "send" && variant === "bounce");
  const zc = rows.find(({ design, variant }) => design === "6.18" && variant === "bounce");
  assert.ok(plain !== undefined && zc !== undefined);
  assert.deepEqual(Object.keys(plain.counts.copied), ["plain send", "bounce buffer"]);
  assert.ok(zc.copiedBytes < plain.copiedBytes * 0.51 && zc.cost_ns < plain.cost_ns);
});

test("samba before SENDMSG_ZC: the header goes first, by itself", async () => {
  const { rows } = await run("samba", "6.0", "6.1");
  const zc = rows.filter(({ variant }) => variant === "zc");
  const [first, second] = zc.map(({ counts }) => counts);
  assert.equal(first.requests, 2 * second.requests);
  assert.deepEqual(first.copied, { "plain send": 3 * 250 });
  assert.ok(zc[0].cannot.includes("sendmsg with zero copy"));
});

test("the report: plots of all rows, nothing from elsewhere, light and dark", async () => {
  const html = renderReport(await run("samba", "rc3", "6.18"));
  assert.match(html, /^<!doctype html>/);
  assert.doesNotMatch(html, /<(?:script|link|img)|https?:|url\(|@import/);
  assert.match(html, /prefers-color-scheme: dark/);
  assert.equal(html.match(/<svg /g)?.length, 5);
  for (const name of ["splice", "copy", "rc3 zc", "6.18 bounce"])
    assert.ok((html.match(new RegExp(`>${name}</text>`, "g"))?.length ?? 0) === 5, name);
  assert.match(html, /never told/);
  assert.match(html, /predicts no hardware/);
  for (const part of html.match(/NaN|undefined|Infinity/g) ?? []) assert.fail(part);
});

test("two runs of a comparison are the same, byte for byte", async () => {
  const once = await run("lossy", "msg_zerocopy", "6.18");
  const again = await run("lossy", "msg_zerocopy", "6.18");
  assert.equal(JSON.stringify(again), JSON.stringify(once));
  assert.equal(renderComparison(again), renderComparison(once));
});

// The command ------------------------------------------------------------------------------------------------------------

const ringzero = (...args: string[]) =>
  spawnSync(process.execPath, [join(RINGZERO_ROOT, "dist/cli.js"), "compare", ...args], { encoding: "utf8" });

test("the command: a table, JSON, and the list", () => {
  const file = join(folder, "report.html");
  const table = ringzero("small-tcp", "--profiles", "6.0,6.18", "--html", file);
  assert.match(readFileSync(file, "utf8"), /<\/html>\n$/);
  assert.equal(table.status, 0, table.stderr);
  assert.match(table.stdout, /^6\.0 .* 1\.000 /m);
  assert.match(table.stdout, /predicts no hardware/);
  const json = ringzero("small-tcp", "--profiles", "6.0,6.18", "--json");
  const comparison = JSON.parse(json.stdout) as Comparison;
  assert.equal(comparison.workload, "small-tcp");
  assert.deepEqual(
    comparison.rows.map(({ design }) => design),
    ["6.0", "6.18"],
  );
  for (const { counts, orderSafe, free } of comparison.rows) {
    assert.equal(counts.messages, 1000);
    for (const spread of [orderSafe, free]) assert.deepEqual(Object.keys(spread ?? {}), ["p50", "p99", "worst"]);
  }
  assert.match(comparison.costModel.note, /model/);
  assert.match(ringzero().stdout, /small-tcp/);
  assert.equal(ringzero().stdout, ringzero("--list").stdout);
  assert.ok(JSON.parse(ringzero("--list", "--json").stdout).workloads.length >= 5);
});

for (const [title, args, expected] of [
  ["an unknown workload", ["huge-tcp"], /no workload is named 'huge-tcp' \(small-tcp, /],
  ["an unknown design", ["small-tcp", "--profiles", "6.18,5.4"], /no profile or design is named '5\.4' \(send, /],
  ["a design twice", ["small-tcp", "--profiles", "6.18,6.18"], /'6\.18' is named twice/],
  ["an unknown switch", ["small-tcp", "--profiles", "6.18+warp"], /no switch is named 'warp'/],
  ["a switch of another era", ["small-tcp", "--profiles", "rc3+single_cqe"], /single_cqe/],
  ["a report in no folder", ["small-tcp", "--html", "/no/such/folder/x.html"], /no such folder/],
  ["a report below a file", ["small-tcp", "--html", `${process.execPath}/x.html`], /a part of the path is no folder/],
  ["a report of too long a name", ["small-tcp", "--html", "x".repeat(300)], /the name is too long/],
  ["a report instead of a folder", ["small-tcp", "--html", folder], /is a folder/],
  ["a report of figures", ["--calibration", "--html", "x.html"], /cannot be used with option/],
  ["a report of a list", ["--list", "--html", "x.html"], /--html is the report of a workload/],
  ["a report of nothing", ["--html", "x.html"], /--html is the report of a workload/],
  ["a list of a workload", ["small-tcp", "--list"], /--list takes no workload/],
  ["unknown costs", ["small-tcp", "--costs", "laptop"], /no costs are named 'laptop' \(6\.18, dummy, /],
  ["a calibration of a workload", ["small-tcp", "--calibration"], /takes no workload/],
  ["a calibration of designs", ["--calibration", "--profiles", "6.0"], /cannot be used with option/],
  ["no design", ["small-tcp", "--profiles", ""], /no profile or design is named ''/],
] as const) {
  test(`exit 2 with one line: ${title}`, () => {
    const { status, stdout, stderr } = ringzero(...args);
    assert.match(stderr, expected);
    assert.match(stderr, /^ringzero: [^\n]*\n$/);
    assert.equal(stdout, "");
    assert.equal(status, 2);
  });
}

test("a report that cannot be written at the end is one line, behind the table", {
  skip: !existsSync("/dev/full"),
}, () => {
  const { status, stdout, stderr } = ringzero("udp-many", "--profiles", "6.18", "--html", "/dev/full");
  assert.match(stdout, /predicts no hardware/);
  assert.equal(stderr, "ringzero: /dev/full: no space left on the device\n");
  assert.equal(status, 2);
});
