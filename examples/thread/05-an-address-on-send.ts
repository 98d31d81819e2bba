// An address on plain SEND?
//
// While they are at it, Begunkov mentions that SEND will get the destination that the zero-copy send has. An unconnected UDP
// socket is asked to send to an address, by each request that could, in the kernels of the week, with the proposal and after.
import { ring } from "./dialect.ts";
import { type Design, design, isSlotEra, observe, type Observed, resultOf, showCqe } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";

const SIZE = 500;
/** sizeof(struct sockaddr_in) */
const SOCKADDR_IN = 16;
const DEST = "dest=10.81.0.2:@B";

const DESIGNS = [
  design("rc3"),
  design("rc3", { send_addr: 1 }),
  design("6.0"),
  design("6.0", { send_addr: 1 }),
  design("6.1"),
  design("6.18"),
];

const REQUESTS = [
  {
    name: "SEND",
    // The proposal keeps the length of the address where the zero-copy send of its time has it.
    line: (kernel: Design) =>
      `sqe send fd=S buf=b ${DEST} ${isSlotEra(kernel) ? `addr_len=0 pad3=${SOCKADDR_IN}` : ""} ud=1`,
  },
  { name: "SENDMSG", line: () => "sqe sendmsg fd=S msg=M ud=1" },
  {
    name: "zero-copy send",
    line: (kernel: Design) => `sqe ${isSlotEra(kernel) ? "sendzc" : "send_zc"} fd=S buf=b ${DEST} ud=1`,
  },
] as const;

const program = (kernel: Design, line: string) => `
${ring(kernel)}
pair A B udp nic
socket S udp
buf b ${SIZE}
msg M iov=b:0:${SIZE} ${DEST}
${line}
submit
settle 5
`;

const arrives = ({ payloads }: Observed): boolean => payloads.length === 1 && payloads[0] === SIZE;

export default experiment("Can a plain SEND take a destination?", async (notes) => {
  const found: { kernel: Design; all: Observed[] }[] = [];
  for (const kernel of DESIGNS) {
    const all: Observed[] = [];
    for (const { line } of REQUESTS) all.push(await observe(kernel, program(kernel, line(kernel))));
    found.push({ kernel, all });
  }
  const show = (seen: Observed) => {
    const result = resultOf(seen, 1);
    return result === undefined ? "no CQE" : showCqe(result, seen.design);
  };
  notes.table(
    `${SIZE} bytes to an address from a socket that has none, the first CQE of each request:`,
    ["design", ...REQUESTS.map(({ name }) => name)],
    found.map(({ kernel, all }) => [kernel.name, ...all.map(show)]),
  );
  const can = found.filter(({ all }) => arrives(all[0]));
  const cannot = found.filter(({ all }) => !arrives(all[0]));
  expect(
    found.every(({ all }) => arrives(all[1]) && arrives(all[2])),
    "the other two can in every kernel",
  );
  const errors = [...new Set(cannot.map(({ all }) => resultOf(all[0], 1)?.res ?? 0))];
  expect(
    errors.every((res) => res < 0),
    "what does not arrive is refused",
  );
  const names = (some: typeof found) => list(some.map(({ kernel }) => kernel.name));
  return (
    `In ${names(can)}, where the datagram arrived; ${names(cannot)} refused SEND (${list([...new Set(cannot.map(({ all }) => show(all[0])))])}), ` +
    `and there SENDMSG, with a struct msghdr, or the zero-copy send did it.`
  );
});
