// When is it safe to issue the next send on the stream?
//
// The thread wants the first of two CQEs to say just that, for any mix of SEND, SENDZC, SENDMSG and SPLICE. Four sends of
// these kinds, each with bytes of its own, on a socket whose buffer is small: issued all at once, as a chain, each after the
// first CQE of the one before, each after its last CQE. The peer's bytes show what order they went in.
import { errnoName, liburing, libc, uapi } from "ringzero";
import { type Design, design } from "./lab.ts";
import { counted, expect, experiment, list } from "./report.ts";
import { type Fill, Stream } from "./stream.ts";

const FIRST = 200_000;
const LATER = 20_000;
const SNDBUF = 8000;

type Policy = "all at once" | "as a chain" | "after the first CQE" | "after the last CQE";
const POLICIES: readonly Policy[] = ["all at once", "as a chain", "after the first CQE", "after the last CQE"];

const KERNELS = [design("rc3"), design("6.0"), design("6.18")];

interface Kind {
  name: string;
  letter: string;
  isZeroCopy?: boolean;
  /** What fills the SQE. */
  prepare(stream: Stream, buffer: number, length: number): Fill;
}

const KINDS: readonly Kind[] = [
  {
    name: "SEND",
    letter: "A",
    prepare: (stream, buffer, length) => (ring, sqe) =>
      liburing.prepSend(ring, sqe, stream.socket, buffer, length, libc.MSG_WAITALL),
  },
  {
    name: "SEND_ZC",
    letter: "B",
    isZeroCopy: true,
    prepare: (stream, buffer, length) => stream.zeroCopy(buffer, length, libc.MSG_WAITALL),
  },
  {
    name: "SENDMSG",
    letter: "C",
    prepare: (stream, buffer, length) => {
      const message = stream.message(buffer, length);
      return (ring, sqe) => liburing.prepSendmsg(ring, sqe, stream.socket, message, libc.MSG_WAITALL);
    },
  },
  {
    name: "SPLICE",
    letter: "D",
    prepare: (stream, buffer, length) => {
      const pipe = stream.pipeOf(buffer, length);
      return (ring, sqe) => liburing.prepSplice(ring, sqe, pipe, -1, stream.socket, -1, length, 0);
    },
  },
];

interface Finding {
  kernel: Design;
  policy: Policy;
  received: string;
  isInOrder: boolean;
  /** When the last of the four was accepted, and when the last buffer was free. */
  accepted_us: number;
  free_us: number;
  /** Notifications that were still to come when a later send was issued. */
  early: number;
  /** Sends that the kernel gave back; issued again where the application waits for each. */
  failed: string[];
}

async function send(kernel: Design, policy: Policy): Promise<Finding> {
  const stream = await Stream.open(kernel, { sndbuf: SNDBUF });
  const fills = KINDS.map(({ letter, prepare }, index) => {
    const length = index === 0 ? FIRST : LATER;
    return prepare(stream, stream.buffer(letter, length), length);
  });
  const start = stream.now_us;
  const failed: string[] = [];
  let accepted_us = 0;
  let early = 0;
  let pending = 0;
  let notifications = 0;
  /** One CQE. The user_data of a send that has to be issued again. */
  const take = (): number | undefined => {
    const cqe = stream.next();
    expect(cqe !== undefined, `${policy}: every send completes`);
    if (cqe.isNotification) {
      notifications--;
      return undefined;
    }
    pending--;
    const { name, isZeroCopy } = KINDS[cqe.ud - 1];
    if (cqe.res >= 0) {
      accepted_us = cqe.at_us - start;
      if (isZeroCopy) notifications++;
      return undefined;
    }
    failed.push(`${name} -${errnoName(-cqe.res)}`);
    return cqe.ud;
  };
  const issue = (ud: number, flags = 0) => {
    stream.request(ud, fills[ud - 1], flags);
    pending++;
  };
  for (let ud = 1; ud <= fills.length; ud++) {
    if (notifications > 0) early++;
    if (policy === "all at once" || policy === "as a chain") {
      issue(ud, policy === "as a chain" && ud < fills.length ? uapi.IOSQE_IO_LINK : 0);
      continue;
    }
    issue(ud);
    stream.ring.submit();
    while (pending > 0 || (policy === "after the last CQE" && notifications > 0)) {
      const again = take();
      if (again !== undefined) issue(again);
      stream.ring.submit();
    }
  }
  stream.ring.submit();
  while (pending > 0 || notifications > 0) take();
  const free_us = stream.now_us - start;
  stream.machine.sys.nanosleep(10_000_000n);
  const received = stream.received();
  // Each letter once, and each after the one before; that one is missing is told by `failed`.
  const isInOrder = [...received.replaceAll(" ", "")].every(
    (letter, index, all) => index === 0 || all[index - 1] < letter,
  );
  return { kernel, policy, received, isInOrder, accepted_us, free_us, early, failed };
}

export default experiment("When is it safe to issue the next send on a stream?", async (notes) => {
  const found: Finding[] = [];
  for (const kernel of KERNELS) for (const policy of POLICIES) found.push(await send(kernel, policy));
  notes.table(
    `${KINDS.map(({ name, letter }) => `${name} (${letter})`).join(", ")} of ${FIRST} and ${LATER} bytes each, send buffer ${SNDBUF}:`,
    [
      "kernel",
      "issued",
      "the peer got",
      "in order",
      "accepted after",
      "buffers free after",
      "before a notification",
      "given back",
    ],
    found.map(({ kernel, policy, received, isInOrder, accepted_us, free_us, early, failed }) => [
      kernel.name,
      policy,
      received,
      isInOrder ? "yes" : "no",
      `${Math.round(accepted_us)} us`,
      `${Math.round(free_us)} us`,
      early,
      failed.join(", ") || "-",
    ]),
  );
  const of = (policy: Policy) => found.filter((one) => one.policy === policy);
  const safe = POLICIES.filter((policy) => of(policy).every(({ isInOrder }) => isInOrder));
  const unsafe = POLICIES.filter((policy) => of(policy).some(({ isInOrder }) => !isInOrder));
  const first = of("after the first CQE");
  const last = of("after the last CQE");
  expect(safe.includes("after the first CQE") && first.every(({ early }) => early > 0), "the first CQE is enough");
  const lost = Math.max(...last.map(({ accepted_us }, index) => accepted_us - first[index].accepted_us));
  const mixed = [
    ...new Set(found.filter(({ isInOrder }) => !isInOrder).map(({ received }) => received.replaceAll(" ", ""))),
  ];
  return (
    `From the first CQE of the one before: sends issued then arrived in order, as did those issued ${list(safe.filter((policy) => policy !== "after the first CQE"))}, though ` +
    `up to ${counted(Math.max(...first.map(({ early }) => early)), "time")} a notification was still to come; to wait for that one too costs ${Math.round(lost)} us of ${Math.round(first[0].accepted_us)}, and ` +
    `${unsafe.length === 0 ? "no way mixed the stream" : `${list(unsafe)} the stream is mixed (${list(mixed)})`}.`
  );
});
