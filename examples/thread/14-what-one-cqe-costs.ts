// What does the variant with a single CQE cost a stream?
//
// Begunkov's simpler variant posts one CQE, when the kernel does not use the buffer any more, and is good for UDP and some
// TCP. Metzmacher: on a stream the next PDU would have to wait for the hardware. PDUs go one after the other over links of two
// lengths, each as soon as the application knows that it may; and as one chain. Then datagrams, which have no order to keep.
import { liburing, libc, uapi } from "ringzero";
import { ring, sendZc } from "./dialect.ts";
import { type Design, design, observe, type SeenCqe, showCqe, times } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";
import { Stream } from "./stream.ts";

const PDUS = 16;
const SIZE = 4000;
const LINKS_US = [25, 500] as const;

interface Way {
  name: string;
  kernel: Design;
  isPlain?: boolean;
  isChain?: boolean;
}

const single = design("6.18", { single_cqe: 1 });
const atSend = design("6.18", { single_cqe: 1, link_at: "send" });
const WAYS: readonly Way[] = [
  { name: "plain SEND", kernel: design("6.18"), isPlain: true },
  { name: "two CQEs, next after the first", kernel: design("6.18") },
  { name: "single CQE, next after it", kernel: single },
  { name: "two CQEs, a chain", kernel: design("6.18"), isChain: true },
  { name: "single CQE, a chain", kernel: single, isChain: true },
  { name: "single CQE, a chain that goes on at the send", kernel: atSend, isChain: true },
];

interface Sent {
  /** From the submission of a PDU until the application knows that the next one may go, the median; undefined for a chain. */
  wait_us: number | undefined;
  /** Until the last byte was at the peer. */
  arrived_us: number;
  cqes: number;
}

async function sendAll({ kernel, isPlain = false, isChain = false }: Way, delay_us: number): Promise<Sent> {
  const stream = await Stream.open(kernel, { delay_us });
  const { machine, sink, socket } = stream;
  let arrived_us = 0;
  machine.onFrame(({ to }) => {
    if (to === sink.name) arrived_us = stream.now_us + delay_us - start;
  });
  const fills = Array.from({ length: PDUS }, () => {
    const buffer = stream.buffer("A", SIZE);
    if (!isPlain) return stream.zeroCopy(buffer, SIZE, libc.MSG_WAITALL);
    return (sq: typeof stream.ring, sqe: number) => liburing.prepSend(sq, sqe, socket, buffer, SIZE, libc.MSG_WAITALL);
  });
  const start = stream.now_us;
  const finished = new Set<number>();
  let cqes = 0;
  const waits: number[] = [];
  const take = () => {
    const cqe = stream.next();
    expect(cqe !== undefined && (cqe.isNotification || cqe.res === SIZE), "every PDU is sent whole");
    cqes++;
    finished.add(cqe.ud);
  };
  for (const [index, fill] of fills.entries()) {
    const before = stream.now_us;
    stream.request(index + 1, fill, isChain && index + 1 < PDUS ? uapi.IOSQE_IO_LINK : 0);
    if (isChain) continue;
    stream.ring.submit();
    while (!finished.has(index + 1)) take();
    waits.push(stream.now_us - before);
  }
  stream.ring.submit();
  while (finished.size < PDUS) take();
  machine.sys.nanosleep(100_000_000n);
  cqes += stream.ring.cqReady();
  expect(sink.connection().received.length === PDUS * SIZE, "the peer gets every byte");
  return { wait_us: waits.sort((a, b) => a - b)[waits.length >> 1], arrived_us, cqes };
}

const datagrams = (kernel: Design, send: (ud: number) => string) => `
${ring(kernel)}
pair A B udp nic
buf b 1000
${times(PDUS, send)}
submit
settle 20
`;

const rfc3 = design("rfc3");
const two = design("6.18");

/** What RFC v3 could do came nearest: the flushed notification takes the send's name, and the send posts no CQE of its own. */
const DATAGRAMS = [
  { name: two.name, kernel: two, send: (ud: number) => sendZc(two, { ud }) },
  { name: single.name, kernel: single, send: (ud: number) => sendZc(single, { ud }) },
  {
    name: "rfc3 FLUSH, OVERRIDE_TAG, CQE_SKIP",
    kernel: rfc3,
    send: (ud: number) => `sqe sendzc fd=A buf=b ud=${ud} slot=0 ioprio=SENDZC_FLUSH|OVERRIDE_TAG flags=CQE_SKIP`,
  },
];

const us = (value: number) => `${Math.round(value)} us`;

export default experiment(
  "What does a single CQE for each send cost a stream, and where is it fine?",
  async (notes) => {
    const found: { way: Way; sent: Sent[] }[] = [];
    for (const way of WAYS) {
      const sent: Sent[] = [];
      for (const delay_us of LINKS_US) sent.push(await sendAll(way, delay_us));
      found.push({ way, sent });
    }
    notes.table(
      `${PDUS} PDUs of ${SIZE} bytes on a TCP stream, links of ${list(LINKS_US.map(us))} one way:`,
      ["way", ...LINKS_US.flatMap((delay) => [`${us(delay)}: next may go`, `${us(delay)}: all there`]), "CQEs"],
      found.map(({ way, sent }) => [
        way.name,
        ...sent.flatMap(({ wait_us, arrived_us }) => [wait_us === undefined ? "chain" : us(wait_us), us(arrived_us)]),
        sent[0].cqes,
      ]),
    );
    const overUdp: { name: string; cqes: SeenCqe[]; free_us: number }[] = [];
    for (const { name, kernel, send } of DATAGRAMS) {
      const { cqes, posted, payloads, submitted_us } = await observe(kernel, datagrams(kernel, send));
      expect(payloads.length === PDUS, "every datagram goes out");
      overUdp.push({ name, cqes, free_us: posted[posted.length - 1].at_us - submitted_us });
    }
    notes.table(
      `${PDUS} datagrams of 1000 bytes in one batch:`,
      ["design", "CQEs", "for the first send", "last buffer free after"],
      overUdp.map(({ name, cqes, free_us }) => [
        name,
        cqes.length,
        cqes
          .filter(({ ud }) => ud === 1)
          .map((one) => showCqe(one))
          .join(" "),
        us(free_us),
      ]),
    );
    const of = (name: string): Sent[] => found.find(({ way }) => way.name === name)?.sent ?? [];
    const [plainTwo, one, chain] = [WAYS[1], WAYS[2], WAYS[5]].map(({ name }) => of(name));
    const slower = one.map(({ arrived_us }, index) => `${(arrived_us / plainTwo[index].arrived_us).toFixed(1)} times`);
    expect(
      one.every(({ wait_us }, index) => (wait_us ?? 0) > (plainTwo[index].wait_us ?? 0)),
      "with one CQE each PDU waits longer",
    );
    expect(
      chain.every(({ arrived_us }, index) => arrived_us === plainTwo[index].arrived_us),
      "going on at the send costs nothing",
    );
    const [both, single_] = overUdp;
    return (
      `On a stream the next PDU had to wait ${list(one.map(({ wait_us }) => us(wait_us ?? 0)))} each time instead of ${list([...new Set(plainTwo.map(({ wait_us }) => us(wait_us ?? 0)))])}, and the last byte arrived ${list(slower)} ` +
      `as late, unless a chain may go on before its buffer is free; over UDP ${single_.cqes.length} CQEs do what ${both.cqes.length} did, and the last buffer is free after ` +
      `${us(single_.free_us)}${single_.free_us === both.free_us ? " either way" : ` instead of ${us(both.free_us)}`}.`
    );
  },
);
