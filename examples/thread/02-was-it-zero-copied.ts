// How would user space notice that nothing was zero-copied?
//
// Sends on three paths, of which one does not copy, in every interface that was shipped or proposed: what each tells the
// application about them. The emulator knows what was really copied, so the answers can be marked.
import { counters } from "ringzero";
import { ring, sendZc } from "./dialect.ts";
import { COPIED, type Design, design, notificationsOf, observe, type Observed, showCqe } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";

const SIZE = 1000;

/** Where 1000 bytes go, and what that does to them. */
const PATHS = [
  { name: "NIC", lines: "pair A B udp nic" },
  { name: "lo", lines: "pair A B udp lo" },
  { name: "NIC without scatter-gather", lines: "pair A B udp nic\nnic sg=0" },
] as const;

const send = (report: boolean) => (kernel: Design, path: string) =>
  `
${ring(kernel)}
${path}
buf b ${SIZE}
${sendZc(kernel, { ud: 1, report })}
submit
settle 5
`;

/** The older interface of send(2), whose word for it the thread wants to borrow. */
const classic = (_: Design, path: string) => `
${path}
buf b ${SIZE}
sockopt A ZEROCOPY 1
syssend A b ${SIZE} MSG_ZEROCOPY
msleep 5
errq A 5
`;

const INTERFACES = [
  { name: "MSG_ZEROCOPY", kernel: design("6.0"), program: classic },
  ...["rc3", "6.0", "6.18"].map((profile) => ({ name: profile, kernel: design(profile), program: send(false) })),
  // The two lines of the thread, and with them the idea of the merged form, that a buffer which was never used was copied.
  ...["callback", "used"].map((how) => {
    const kernel = design("rc3", { res_copied: how });
    return { name: kernel.name, kernel, program: send(false) };
  }),
  ...["6.0", "6.1", "6.2", "6.18"].map((profile) => ({
    name: `${profile} REPORT_USAGE`,
    kernel: design(profile),
    program: send(true),
  })),
];

/** What the interface says about the data, in its own words. */
function says(seen: Observed): string {
  const errq = seen.events.find(({ ev }) => ev === "errq");
  if (errq !== undefined) return `ee_code ${errq.ee_code}`;
  const { cqes, design: kernel } = seen;
  const failed = cqes.find(({ res }) => res < 0 && res !== COPIED);
  if (failed !== undefined) return showCqe(failed, kernel);
  const notification = notificationsOf(seen)[0];
  return notification === undefined ? "no notification" : showCqe(notification, kernel);
}

const wasCopied = ({ machine }: Observed): boolean =>
  machine.counter(counters.CNT_COPIED_ZC) + machine.counter(counters.CNT_COPIED_TX) > 0;

interface Finding {
  name: string;
  answers: string[];
  /** Paths that copied and look like the path that did not. */
  missed: string[];
  isRefused: boolean;
}

const isRefusal = ({ cqes }: Observed): boolean => cqes.some(({ res }) => res < 0 && res !== COPIED);

export default experiment("How would user space notice that nothing was sent without a copy?", async (notes) => {
  const findings: Finding[] = [];
  const truth = new Set<string>();
  for (const { name, kernel, program } of INTERFACES) {
    const seen: Observed[] = [];
    for (const path of PATHS) seen.push(await observe(kernel, program(kernel, path.lines)));
    const answers = seen.map(says);
    const isRefused = seen.every(isRefusal);
    const without = seen.findIndex((one) => !wasCopied(one));
    expect(without >= 0, `${name}: one of the paths does not copy`);
    if (!isRefused) truth.add(seen.map((one) => (wasCopied(one) ? "yes" : "no")).join());
    const missed = PATHS.filter((_, index) => wasCopied(seen[index]) && answers[index] === answers[without]);
    findings.push({ name, answers, missed: missed.map((path) => path.name), isRefused });
  }
  expect(truth.size === 1, "all interfaces copy on the same paths");
  const copied = [...truth][0].split(",");
  notes.table(
    `${SIZE} bytes on three paths, and what the application is told about them:`,
    ["interface", ...PATHS.map(({ name }) => name)],
    [["really copied", ...copied], ...findings.map(({ name, answers }) => [name, ...answers])],
  );

  const all = copied.filter((word) => word === "yes").length;
  const told = findings.filter(({ isRefused, missed }) => !isRefused && missed.length === 0);
  const blind = findings.filter(({ missed }) => missed.length === all);
  const partly = findings.filter(({ missed }) => missed.length > 0 && missed.length < all);
  const refused = findings.filter(({ isRefused }) => isRefused);
  const names = (some: Finding[]) => list(some.map(({ name }) => name));
  return [
    `Every copy is told by ${names(told)}`,
    ...(partly.length > 0 ? partly.map(({ name, missed }) => `${name} misses the one on a ${list(missed)}`) : []),
    `nothing at all is told by ${names(blind)}`,
    `and ${names(refused)} ${refused.length === 1 ? "refuses" : "refuse"} the question.`,
  ].join("; ");
});
