// Can a zero-copy send take an iovec and control data?
//
// SENDMSGZC as the thread asks for it: one message with an address, a header and a payload in two places, and control
// data, which here has it cut into datagrams (UDP_SEGMENT), so that the wire shows whether it was heard.
import { counters } from "ringzero";
import { ring } from "./dialect.ts";
import { type Design, design, observe, type Observed, resultOf, showCqes } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";

const HEADER = 200;
const PAYLOAD = 4000;
const DATAGRAM = 1400;

/** Where the control data of a `msg` begins: behind its header and 1100 iovecs, and behind its own header. */
const CONTROL_DATA = 56 + 1100 * 16 + 16;

const program = (setup: string, operation: string, more: string) => `
${setup}
pair A B udp nic
socket S udp
buf h ${HEADER}
buf b ${PAYLOAD}
msg M iov=h:0:${HEADER},b:0:${PAYLOAD} control=24 ctllevel=17 ctltype=103 ctllen=18 dest=10.81.0.2:@B
put M ${CONTROL_DATA} u16 ${DATAGRAM}
sqe ${operation} fd=S msg=M ud=1 ${more}
submit
settle 5
`;

const IN_SLOT = "slot=0 ioprio=NOTIF_FLUSH";
const CASES: readonly { name: string; kernel: Design; operation: string; more?: string }[] = [
  { name: "6.0 SENDMSG", kernel: design("6.0"), operation: "sendmsg" },
  { name: "rc3 SENDMSGZC", kernel: design("rc3"), operation: "sendmsgzc", more: IN_SLOT },
  { name: "rc3 sendmsg_zc", kernel: design("rc3", { sendmsg_zc: 1 }), operation: "sendmsgzc", more: IN_SLOT },
  ...["6.0", "6.1", "6.18"].map((profile) => ({
    name: `${profile} SENDMSG_ZC`,
    kernel: design(profile),
    operation: "sendmsg_zc",
  })),
];

const copied = ({ machine }: Observed) =>
  machine.counter(counters.CNT_COPIED_TX) + machine.counter(counters.CNT_COPIED_ZC);

export default experiment("Can one zero-copy request take an iovec, an address and control data?", async (notes) => {
  const found: { name: string; seen: Observed; sent: number; whole: boolean }[] = [];
  for (const { name, kernel, operation, more = "" } of CASES) {
    const seen = await observe(kernel, program(ring(kernel), operation, more));
    const sent = resultOf(seen, 1)?.res ?? 0;
    const whole = seen.payloads.length > 0 && seen.payloads.every((bytes) => bytes === DATAGRAM);
    found.push({ name, seen, sent, whole });
  }
  notes.table(
    `${HEADER} + ${PAYLOAD} bytes from two places to an address, cut into datagrams of ${DATAGRAM} by a control message:`,
    ["request", "CQEs", "datagrams", "bytes copied"],
    found.map(({ name, seen }) => [name, showCqes(seen), seen.payloads.join(" + ") || "none", copied(seen)]),
  );
  const works = found.filter(({ sent, whole }) => sent === HEADER + PAYLOAD && whole);
  const without = works.filter(({ seen }) => copied(seen) === 0);
  const refused = found.filter(({ sent }) => sent < 0);
  expect(without.length > 0 && works.length + refused.length === found.length, "each request is done whole or refused");
  const names = (some: typeof found) => list(some.map(({ name }) => name));
  return (
    `Yes: ${names(without)} sent all ${HEADER + PAYLOAD} bytes as ${without[0].seen.payloads.length} datagrams without copying a byte; ` +
    `${names(refused)} ${refused.length === 1 ? "is" : "are"} refused, which leaves SENDMSG, and that copies ${copied(found[0].seen)}.`
  );
});
