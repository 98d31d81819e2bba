// Would a debug message explain a copy to the administrator?
//
// If the result does not say it, Metzmacher writes, then at least a debug message could explain degraded performance to an
// administrator or a developer. Nothing of the kind was merged; here it is a switch. The same datagram goes where the kernel
// has to copy, each time for another reason, and where it has not.
import { counters } from "ringzero";
import { ring, sendZc } from "./dialect.ts";
import { COPIED, design, notificationsOf, observe } from "./lab.ts";
import { counted, expect, experiment, list } from "./report.ts";

const SIZE = 1000;
const LARGE = 3000;

interface Path {
  name: string;
  lines: string;
  len?: number;
  mf?: string;
}

const PATHS: readonly Path[] = [
  { name: "a NIC", lines: "pair A B udp nic" },
  { name: "lo", lines: "pair A B udp lo" },
  { name: "a NIC without scatter-gather", lines: "pair A B udp nic\nnic sg=0" },
  { name: "a NIC without checksums", lines: "pair A B udp nic\nnic csum=0" },
  { name: "a NIC with a packet tap", lines: "pair A B udp nic\nsniff P ns_a nic0" },
  { name: `a NIC, ${LARGE} bytes`, lines: "pair A B udp nic", len: LARGE },
  { name: "a NIC, MSG_MORE", lines: "pair A B udp nic", mf: "MSG_MORE" },
];

/** The old result, the message, and a result that says COPIED. */
const plain = design("6.0");
const debug = design("6.0", { copy_debug: 1 });
const report = design("6.2");

const program = (kernel: typeof plain, { lines, len = SIZE, mf }: Path) => `
${ring(kernel)}
${lines}
buf b ${LARGE}
${sendZc(kernel, { ud: 1, len, mf, report: kernel === report })}
${mf === undefined ? "" : "sqe send fd=A buf=b len=1 ud=2"}
submit
settle 5
`;

export default experiment("Would a debug message explain a copy to an administrator?", async (notes) => {
  const found: { name: string; copied: boolean; result: string; asked: string; said: string[] }[] = [];
  for (const path of PATHS) {
    const result = async (kernel: typeof plain) => {
      const seen = await observe(kernel, program(kernel, path));
      const notification = notificationsOf(seen)[0];
      expect(notification !== undefined, `a notification over ${path.name}`);
      return { seen, text: notification.res === COPIED ? "COPIED" : String(notification.res) };
    };
    const { seen } = await result(debug);
    const said = seen.events.filter(({ ev }) => ev === "copied").map(({ why }) => String(why));
    const copied = seen.machine.counter(counters.CNT_COPIED_ZC) > 0;
    found.push({
      name: path.name,
      copied,
      result: (await result(plain)).text,
      asked: (await result(report)).text,
      said,
    });
  }
  notes.table(
    `A datagram of ${SIZE} bytes, if not said otherwise:`,
    ["over", "copied", "6.0", "6.2 REPORT_USAGE", "6.0 copy_debug"],
    found.map(({ name, copied, result, asked, said }) => [
      name,
      copied ? "yes" : "no",
      result,
      asked,
      said.join("; ") || "-",
    ]),
  );
  const copies = found.filter(({ copied }) => copied);
  const explained = copies.filter(({ said }) => said.length > 0);
  const reasons = new Set(explained.flatMap(({ said }) => said));
  const quiet = found.filter(({ copied, said }) => !copied && said.length === 0);
  expect(explained.length + quiet.length === found.length, "a message for each copy, and for nothing else");
  const results = (some: typeof found, which: "result" | "asked") => list([...new Set(some.map((one) => one[which]))]);
  expect(
    copies.every(({ result }) => result === quiet[0]?.result),
    "6.0 says of a copy what it says without one",
  );
  expect(new Set(copies.map(({ asked }) => asked)).size === 1, "6.2 says the same of all copies");
  return (
    `Yes: it named ${counted(reasons.size, "reason")} for ${counted(copies.length, "copy", "copies")}, and was silent about ${list(quiet.map(({ name }) => name))}, where nothing was copied; ` +
    `the program was told ${results(copies, "result")} by 6.0 and ${results(copies, "asked")} by 6.2 in all of these cases, so that the one cannot see a copy and the other no reason.`
  );
});
