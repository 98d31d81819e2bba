// The experiments of examples/thread: each says the same every time, its answer is the one that its tables bear out, and
// the README shows what they say now (UPDATE_SNAPSHOTS=1 rewrites that).
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import whichIsBestForSamba from "../../examples/thread/01-which-is-best-for-samba.ts";
import wasItZeroCopied from "../../examples/thread/02-was-it-zero-copied.ts";
import whyWasItCopied from "../../examples/thread/03-why-was-it-copied.ts";
import messageOfParts from "../../examples/thread/04-message-of-parts.ts";
import anAddressOnSend from "../../examples/thread/05-an-address-on-send.ts";
import oneOpcodeOrTwo from "../../examples/thread/06-one-opcode-or-two.ts";
import opcodeNumbers from "../../examples/thread/07-opcode-numbers.ts";
import isTheTagLost from "../../examples/thread/08-is-the-tag-lost.ts";
import updateThenSend from "../../examples/thread/09-update-then-send.ts";
import couldTheUpdateFail from "../../examples/thread/10-could-the-update-fail.ts";
import manySendsOnOneSlot from "../../examples/thread/11-many-sends-on-one-slot.ts";
import oneSkbPerSend from "../../examples/thread/12-one-skb-per-send.ts";
import howLargeMustASendBe from "../../examples/thread/13-how-large-must-a-send-be.ts";
import whatOneCqeCosts from "../../examples/thread/14-what-one-cqe-costs.ts";
import whenMayTheNextSendGo from "../../examples/thread/15-when-may-the-next-send-go.ts";
import itsOwnUserData from "../../examples/thread/16-its-own-user-data.ts";
import closeWithANotification from "../../examples/thread/17-close-with-a-notification.ts";
import whatKeepsTheRing from "../../examples/thread/18-what-keeps-the-ring.ts";
import { type Cell, type Experiment, expect, render, type Report } from "../../examples/thread/report.ts";

declare const RINGZERO_ROOT: string;

const folder = join(RINGZERO_ROOT, "examples/thread");

/** A table as its rows by their first cell, each by heading. */
function rowsOf({ tables }: Report, index = 0): Record<string, Record<string, Cell>> {
  const { head, rows } = tables[index];
  return Object.fromEntries(
    rows.map((row) => [row[0], Object.fromEntries(head.map((name, column) => [name, row[column]]))]),
  );
}

interface Case {
  experiment: Experiment;
  /** What must have been observed, and what must be said about it. */
  check(report: Report): void;
}

const EXPERIMENTS: Record<string, Case> = {
  "01-which-is-best-for-samba": {
    experiment: whichIsBestForSamba,
    check: (report) => {
      const nic = rowsOf(report, 0);
      const lo = rowsOf(report, 1);
      const cpu = (rows: typeof nic, way: string) => Number(rows[way]["CPU (model)"]);
      assert.equal(nic.SENDMSG_ZC.copied, "0.00");
      assert.equal(nic.SENDMSG.copied, "8.00");
      assert.equal(lo.SENDMSG_ZC.copied, "8.00", "lo copies on delivery");
      assert.equal(nic["SEND, SPLICE"]["buffer free"], "never told");
      // The order that the same ways have on a real kernel over lo, by CPU time.
      const measured = ["SEND, SPLICE", "SENDMSG", "SENDMSG_ZC", "bounce, SENDMSG_ZC"];
      const ordered = measured.map((way) => cpu(lo, way));
      assert.deepEqual(
        ordered,
        [...ordered].sort((a, b) => a - b),
      );
      assert.ok(cpu(nic, "SENDMSG_ZC") < cpu(nic, "SENDMSG"));
      assert.ok(cpu(nic, "bounce, SENDMSG_ZC") < cpu(nic, "bounce, SENDMSG"));
      assert.match(report.answer, /a NIC is best used by SENDMSG_ZC for .* and lo by SEND, SPLICE for a file/);
      assert.match(report.answer, /saves 8\.00 MiB of copies .* never says when the file may change\.$/);
    },
  },
  "02-was-it-zero-copied": {
    experiment: wasItZeroCopied,
    check: (report) => {
      const rows = rowsOf(report);
      assert.deepEqual(Object.values(rows["really copied"]).slice(1), ["no", "yes", "yes"]);
      for (const release of ["6.0", "6.18"])
        assert.deepEqual(Object.values(rows[release]).slice(1), new Array(3).fill("{1, 0, F_NOTIF}"));
      for (const release of ["6.2 REPORT_USAGE", "6.18 REPORT_USAGE"])
        assert.deepEqual(Object.values(rows[release]).slice(1), [
          "{1, 0, F_NOTIF}",
          "{1, COPIED, F_NOTIF}",
          "{1, COPIED, F_NOTIF}",
        ]);
      const result = (name: string) => Object.values(rows[name]).slice(1);
      assert.deepEqual(result("rc3 res_copied=callback"), ["{10000, 0, 0}", "{10000, 1, 0}", "{10000, 0, 0}"]);
      assert.deepEqual(result("rc3 res_copied=used"), ["{10000, 0, 0}", "{10000, 1, 0}", "{10000, 1, 0}"]);
      assert.match(
        report.answer,
        /^Every copy is told by MSG_ZEROCOPY, rc3 res_copied=used, 6\.2 REPORT_USAGE and 6\.18/,
      );
      assert.match(report.answer, /rc3 res_copied=callback misses the one on a NIC without scatter-gather; /);
      assert.match(
        report.answer,
        /nothing at all is told by .*6\.0 and 6\.18; and 6\.0 REPORT_USAGE and 6\.1 REPORT_USAGE refuse/,
      );
    },
  },
  "03-why-was-it-copied": {
    experiment: whyWasItCopied,
    check: (report) => {
      const rows = rowsOf(report);
      assert.deepEqual(Object.values(rows["a NIC"]).slice(1), ["no", "0", "0", "-"]);
      assert.match(String(rows.lo["6.0 copy_debug"]), /delivered to a socket of this host/);
      assert.match(String(rows["a NIC with a packet tap"]["6.0 copy_debug"]), /packet tap/);
      assert.match(String(rows["a NIC, 3000 bytes"]["6.0 copy_debug"]), /larger than the MTU/);
      for (const { copied, ...said } of Object.values(rows).slice(1))
        assert.deepEqual([copied, said["6.0"], said["6.2 REPORT_USAGE"]], ["yes", "0", "COPIED"]);
      assert.match(report.answer, /^Yes: it named 5 reasons for 6 copies, and was silent about a NIC, /);
    },
  },
  "04-message-of-parts": {
    experiment: messageOfParts,
    check: (report) => {
      const rows = rowsOf(report);
      assert.equal(rows["6.0 SENDMSG"]["bytes copied"], 4200);
      assert.equal(rows["6.0 SENDMSG_ZC"].CQEs, "{1, -EINVAL, 0}");
      for (const release of ["6.1", "6.18"]) {
        assert.equal(rows[`${release} SENDMSG_ZC`].datagrams, "1400 + 1400 + 1400");
        assert.equal(rows[`${release} SENDMSG_ZC`]["bytes copied"], 0);
      }
      assert.equal(rows["rc3 SENDMSGZC"].CQEs, "{1, -EINVAL, 0}");
      assert.equal(rows["rc3 sendmsg_zc"].CQEs, "{1, 4200, 0} {10000, 0, 0}");
      assert.match(
        report.answer,
        /^Yes: rc3 sendmsg_zc, 6\.1 SENDMSG_ZC and 6\.18 SENDMSG_ZC sent all 4200 bytes as 3/,
      );
    },
  },
  "05-an-address-on-send": {
    experiment: anAddressOnSend,
    check: (report) => {
      const rows = rowsOf(report);
      for (const name of ["rc3", "6.0"]) assert.equal(rows[name].SEND, "{1, -EINVAL, 0}");
      for (const name of ["rc3 send_addr", "6.0 send_addr", "6.1", "6.18"])
        assert.equal(rows[name].SEND, "{1, 500, 0}");
      assert.match(
        report.answer,
        /^In rc3 send_addr, 6\.0 send_addr, 6\.1 and 6\.18, where the datagram arrived; rc3 and 6\.0/,
      );
    },
  },
  "06-one-opcode-or-two": {
    experiment: oneOpcodeOrTwo,
    check: (report) => {
      const [{ rows }] = report.tables;
      const of = (kernel: string, request: string) => rows.find((row) => row[0] === kernel && row[1] === request) ?? [];
      assert.equal(of("rc3", "a send")[2], "{1, 100, 0} {10000, 0, 0}");
      assert.equal(of("6.18", "a send")[2], "{1, 100, F_MORE} {1, 0, F_NOTIF}");
      // The opcode of its own refuses workers, which SEND never did.
      assert.deepEqual(
        rows.filter((row) => row[4] === "no").map((row) => row.slice(0, 4)),
        [["rc3", "a worker (ASYNC)", "{1, -EAGAIN, 0}", "{1, 100, 0} {10000, 0, 0}"]],
      );
      assert.match(
        report.answer,
        /^Little that a program sees: 9 requests of 10 got the same CQEs either way \(not a worker/,
      );
    },
  },
  "07-opcode-numbers": {
    experiment: opcodeNumbers,
    check: (report) => {
      const rows = rowsOf(report);
      assert.deepEqual(
        ["rc1", "6.0", "6.1", "6.18"].map((kernel) => rows[kernel].opcodes),
        [48, 48, 49, 63],
      );
      assert.match(report.answer, /^6\.18 has 63 opcodes where the thread's kernel had 48, .* go slower than before/);
    },
  },
  "08-is-the-tag-lost": {
    experiment: isTheTagLost,
    check: (report) => {
      const rows = rowsOf(report);
      const tags = (name: string) => Object.values(rows[name]).slice(1);
      for (const name of ["rfc3", "rc1", "rc2", "rc3", "aug16"])
        assert.deepEqual(tags(name), ["10000", "10000 10000", "10000 777", "10000"]);
      assert.deepEqual(tags("rc3 upd_tag_first"), ["777", "10000 777", "10000 777", "10000"]);
      assert.deepEqual(tags("rc3 upd_tag_always"), ["777", "10000 777", "10000 777", "0"]);
      assert.equal(tags("rc3 upd_alloc_empty")[0], "777 777");
      assert.equal(tags("rc3 upd_alloc_empty upd_alloc_tag=after")[0], "10000 777");
      assert.match(
        report.answer,
        /^Yes in rfc3, rc1, rc2, rc3 and aug16, whose next notification still had 10000; no with /,
      );
    },
  },
  "09-update-then-send": {
    experiment: updateThenSend,
    check: (report) => {
      const [{ rows }] = report.tables;
      const cqes = (variant: string, kernel: string) =>
        rows.find((row) => row[0] === variant && String(row[1]).split(" ").includes(kernel))?.[2];
      assert.equal(cqes("base", "rc1"), "{9, 0, 0} {10000, 0, 0} {1, 100, 0}");
      assert.equal(cqes("base", "rc3"), "{9, 0, 0} {1, 100, 0} {10000, 0, 0}");
      assert.equal(cqes("base", "aug16"), "{9, 0, 0} {1, 100, 0} {10000, 0, 8}");
      for (const variant of ["tag first", "tag always"])
        assert.equal(cqes(variant, "rc3"), "{9, 0, 0} {1, 100, 0} {777, 0, 0}");
      assert.equal(cqes("fill empty, tag before", "rc3"), "{9, 0, 0} {1, 100, 0} {777, 0, 0} {777, 0, 1}");
      assert.equal(cqes("fill empty, tag after", "rfc3"), "{10000, 0, 0} {9, 0, 0} {777, 0, 1} {1, 100, 0}");
      assert.match(
        report.answer,
        /^Both succeed in all 25 designs; .* the old tag with base, the new one with tag first /,
      );
      assert.match(
        report.answer,
        /in rfc3, rc1 and rc2 a send's notification comes before its own CQE, and an update /,
      );
    },
  },
  "10-could-the-update-fail": {
    experiment: couldTheUpdateFail,
    check: (report) => {
      const [{ rows }] = report.tables;
      assert.deepEqual(rows, [
        ["rc3", "0", 0, "0", 0],
        ["rc3 upd_tag_first", "0", 0, "0", 0],
        ["rc3 upd_tag_always", "0", 0, "0", 0],
        ["rc3 upd_alloc_empty", "-ENOMEM", 0, "0", 8],
      ]);
      assert.match(report.answer, /^Yes: with rc3 upd_alloc_empty it returns -ENOMEM and flushes none /);
    },
  },
  "11-many-sends-on-one-slot": {
    experiment: manySendsOnOneSlot,
    check: (report) => {
      const rows = rowsOf(report);
      const counts = (name: string) => [rows[name].notifications, rows[name].CQEs];
      assert.deepEqual(counts("rc3 flushing every 32"), [1, 33]);
      assert.deepEqual(counts("rc3 flushing every 8"), [4, 36]);
      for (const name of ["rc3 flushing every 1", "6.0", "6.18"]) assert.deepEqual(counts(name), [32, 64]);
      assert.match(
        report.answer,
        /^1 notification told of all 32 sends in 33 CQEs \(rc3 flushing every 32\), where rc3 flushing every 1, 6\.0/,
      );
    },
  },
  "12-one-skb-per-send": {
    experiment: oneSkbPerSend,
    check: (report) => {
      const rows = rowsOf(report);
      assert.equal(rows["6.0, one each"].skbs, 16);
      assert.equal(rows["6.9, one each"].skbs, 16);
      assert.equal(rows["6.10, one each"].skbs, 2);
      assert.equal(rows["6.18, one each"].notifications, 16);
      assert.ok(Number(rows["6.18, one each"].packets) < Number(rows["6.9, one each"].packets));
      assert.equal(rows["rc3, one each"].skbs, 16);
      assert.deepEqual([rows["rc3, one for all"].notifications, rows["rc3, one for all"].skbs], [1, 2]);
      const bySize = rowsOf(report, 1);
      assert.equal(bySize[400]["6.10, one each"], bySize[400]["rc3, one for all"]);
      assert.match(
        report.answer,
        /^In rc3, 6\.0 and 6\.9 it does: 16 sends with a notification each took 16 skbs and 16/,
      );
      assert.match(
        report.answer,
        /it does not follow from the interface, for in 6\.10 and 6\.18 16 notifications shared 2/,
      );
    },
  },
  "13-how-large-must-a-send-be": {
    experiment: howLargeMustASendBe,
    check: (report) => {
      const [{ rows }] = report.tables;
      const cost = (row: readonly Cell[], column: number) => Number.parseInt(String(row[column]), 10);
      for (const row of [rows[0], rows[1]])
        for (const column of [2, 3, 4]) assert.ok(cost(row, column) > cost(row, 1), "copying a little is cheaper");
      const last = rows[rows.length - 1];
      for (const column of [2, 3, 4]) assert.ok(cost(last, column) < cost(last, 1));
      const said = /from (\d+) bytes with rc3, (\d+) bytes with 6\.0 and (\d+) bytes with 6\.18; it is 6\.0/.exec(
        report.answer,
      );
      const [rc3, first, now] = (said ?? []).slice(1).map(Number);
      // Published for one notification each: lost at 16000 bytes, won at 60000.
      assert.ok(rc3 <= 16_000 && now <= 16_000 && first > 16_000, report.answer);
    },
  },
  "14-what-one-cqe-costs": {
    experiment: whatOneCqeCosts,
    check: (report) => {
      const rows = rowsOf(report);
      const far = (name: string) => Number.parseInt(String(rows[name]["500 us: all there"]), 10);
      const [two, one] = ["two CQEs, next after the first", "single CQE, next after it"];
      assert.equal(rows[two]["500 us: next may go"], "0 us");
      assert.ok(Number.parseInt(String(rows[one]["500 us: next may go"]), 10) > 1000, "a round trip");
      assert.ok(far(one) > 3 * far(two));
      assert.equal(far("single CQE, a chain"), far(one));
      assert.equal(far("single CQE, a chain that goes on at the send"), far(two));
      const udp = rowsOf(report, 1);
      assert.deepEqual([udp["6.18"].CQEs, udp["6.18 single_cqe"].CQEs], [32, 16]);
      assert.equal(udp["6.18 single_cqe"]["last buffer free after"], udp["6.18"]["last buffer free after"]);
      assert.equal(udp["rfc3 FLUSH, OVERRIDE_TAG, CQE_SKIP"]["for the first send"], "{1, 0, 0}", "no byte count");
      assert.match(
        report.answer,
        /^On a stream the next PDU had to wait .* over UDP 16 CQEs do what 32 did, .* either way\.$/,
      );
    },
  },
  "15-when-may-the-next-send-go": {
    experiment: whenMayTheNextSendGo,
    check: (report) => {
      const [{ head, rows }] = report.tables;
      const column = (name: string) => head.indexOf(name);
      for (const row of rows) {
        const isUnlinked = row[column("issued")] === "all at once";
        assert.equal(row[column("in order")], isUnlinked ? "no" : "yes");
        assert.equal(row[column("the peer got")] === "A B C D", !isUnlinked);
        if (row[column("issued")] === "after the first CQE")
          assert.ok(Number(row[column("before a notification")]) > 0);
      }
      assert.match(
        report.answer,
        /^From the first CQE of the one before: .* all at once the stream is mixed \([A-D]{4,} and [A-D]{5,}\)\.$/,
      );
    },
  },
  "16-its-own-user-data": {
    experiment: itsOwnUserData,
    check: (report) => {
      const rows = rowsOf(report);
      for (const name of ["6.0 two_cqe_sep_ud", "6.18 two_cqe_sep_ud", "7.1"]) {
        assert.equal(rows[name]["a send"], "{1, 1000, F_MORE} {101, 0, F_NOTIF}");
        const failed = name.startsWith("6.0") ? "{1, -EBADF, 0}" : "{1, -EBADF, F_MORE} {101, 0, F_NOTIF}";
        assert.equal(rows[name]["a bad descriptor"], failed);
        assert.equal(rows[name]["no second name"], "{1, 1000, F_MORE} {1, 0, F_NOTIF}");
      }
      assert.equal(rows["6.18"]["a send"], "{1, -EINVAL, 0}");
      assert.equal(rows.rc3["a send"], "{1, 1000, 0} {10000, 0, 0}");
      assert.match(
        report.answer,
        /6\.0 and 6\.18 refuse the field, and give both CQEs one name that only F_NOTIF tells apart\.$/,
      );
    },
  },
  "17-close-with-a-notification": {
    experiment: closeWithANotification,
    check: (report) => {
      const [{ head, rows }] = report.tables;
      for (const row of rows) {
        const of = (name: string) => String(row[head.indexOf(name)]);
        assert.equal(of("close() took"), "0 us");
        assert.match(of("left behind it"), of("kernel").startsWith("rc3") ? /^1 \+ 1 \+ \d/ : /^1 \+ 3 \+ \d/);
        assert.equal(of("1 s later") === "all gone", of("held by").endsWith("late"));
        assert.equal(of("1 h later") === "all gone", of("held by") !== "NIC that never completes");
      }
      assert.match(report.answer, /^No crash, and no wait: close\(\) returned after 0 us in all /);
    },
  },
  "18-what-keeps-the-ring": {
    experiment: whatKeepsTheRing,
    check: (report) => {
      const [closed, taken] = report.tables;
      for (const row of closed.rows) assert.deepEqual(row.slice(2), [3, 2, 1, "ring freed"]);
      const took = taken.rows.map(([kernel, what, us]) => [kernel, what, Number.parseInt(String(us), 10) >= 5000]);
      assert.deepEqual(
        took.filter(([, , waited]) => waited),
        [
          ["rc3", "unused buffers", true],
          ["rc3", "used buffers", true],
          ["6.12", "used buffers", true],
        ],
      );
      // Registered again while the network holds one of before: both are told, each with the tag of its own slot.
      assert.match(String(taken.rows[0][3]), /\{20000, 0, 0\} \{10000, 0, 0\}$/);
      assert.match(report.answer, /^A reference on the ring for each notification: .* 3, 2, 1 and 0 of them/);
    },
  },
};

/** Once for all tests: name, report. */
const reports = new Map<string, Report>();

for (const [name, { experiment, check }] of Object.entries(EXPERIMENTS)) {
  test(`examples/thread/${name}`, async () => {
    const report = await experiment.run();
    reports.set(name, report);
    assert.equal(report.question, experiment.question);
    assert.match(report.answer, /^[A-Z0-9].*[^.]\.$/);
    check(report);
    assert.equal(await experiment.text(), render(report), "it says the same every time");
  });
}

test("every experiment is tested", () => {
  const files = readdirSync(folder).filter((name) => /^\d.*\.ts$/.test(name));
  assert.deepEqual(
    files.map((name) => name.replace(/\.ts$/, "")),
    Object.keys(EXPERIMENTS),
  );
});

test("an experiment that observes something else has no answer", () => {
  assert.throws(() => expect(false, "a copy"), /no answer: a copy/);
});

test("the README shows what the experiments say", () => {
  const path = join(folder, "README.md");
  const text = readFileSync(path, "utf8");
  const shown: string[] = [];
  const current = text.replace(/(<!-- (\S+) says -->\n)[\s\S]*?(<!-- end -->)/g, (_, begin, name: string, end) => {
    shown.push(name);
    const report = reports.get(name);
    assert.ok(report !== undefined, `the README shows ${name}, which is no experiment`);
    return `${begin}\`\`\`\n${render(report)}\n\`\`\`\n${end}`;
  });
  assert.deepEqual(shown, Object.keys(EXPERIMENTS), "each experiment once, in the order of the thread");
  if (process.env.UPDATE_SNAPSHOTS === "1") writeFileSync(path, current);
  else assert.equal(text, current, "UPDATE_SNAPSHOTS=1 npm test rewrites it");
});
