// What keeps the ring alive until the network has let go?
//
// Metzmacher's guess at an answer: the reference on the task that a notification takes, or the resource node that it holds. A
// closed ring is watched while the peer acknowledges one send after the other, with and without registered buffers; and
// the slots, or the buffers, are unregistered under the network's hands.
import { counters, liburing, libc, uapi } from "ringzero";
import { type Design, design, showCqe } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";
import { Stream } from "./stream.ts";

const SENDS = 3;
/** A segment, so that each send is on its way at once, in an skb of its own. */
const SIZE = 1460;
const MS = 1_000_000n;

const ACK_US = 5000;
const NEW_TAG = 20_000n;

type Taken = "slots" | "unused buffers" | "used buffers";

const UNREGISTERED: readonly (readonly [Design, Taken])[] = [
  [design("rc3"), "slots"],
  ...["rc3", "6.12", "6.13", "6.18"].flatMap((profile) =>
    (["unused buffers", "used buffers"] as const).map((what): [Design, Taken] => [design(profile), what]),
  ),
];

const KERNELS = [design("rc3"), design("6.0"), design("6.18")];

/** Sends that the peer has and does not acknowledge. */
async function held(kernel: Design, isRegistered: boolean): Promise<Stream> {
  const stream = await Stream.open(kernel);
  const buffer = stream.buffer("A", SIZE);
  if (isRegistered) register(stream, buffer);
  stream.sink.hold();
  for (let ud = 1; ud <= SENDS; ud++) {
    stream.request(ud, stream.zeroCopy(buffer, SIZE));
    stream.ring.submit();
  }
  stream.machine.sys.nanosleep(MS);
  return stream;
}

function register({ machine, ring }: Stream, buffer: number): void {
  const { sys, user } = machine;
  const iovec = user.iovec([{ base: buffer, length: SIZE }], user.alloc(libc.IOVEC_SIZE));
  expect(sys.io_uring_register(ring.fd, uapi.IORING_REGISTER_BUFFERS, iovec, 1) === 0, "a buffer is registered");
}

interface Life {
  rings: number;
  /** Requests, notifications among them, that a closed ring waits for. */
  waitsFor: number;
}

const lifeOf = ({ machine }: Stream): Life => ({
  rings: machine.counter(counters.CNT_RINGS_LIVE),
  waitsFor: machine.exports.ring_exit_pending(),
});

/** What is left after closing, and after each acknowledgement. */
async function close(kernel: Design, isRegistered: boolean): Promise<Life[]> {
  const stream = await held(kernel, isRegistered);
  stream.ring.exit();
  const lives = [lifeOf(stream)];
  for (let acknowledged = 1; acknowledged <= SENDS; acknowledged++) {
    stream.sink.acknowledge(acknowledged * SIZE);
    stream.machine.sys.nanosleep(100n * MS);
    lives.push(lifeOf(stream));
  }
  return lives;
}

/** Taking the slots, or the registered buffers, away while the peer still has to acknowledge. */
async function unregister(kernel: Design, what: Taken): Promise<{ result: number; took_us: number; later: string[] }> {
  const stream = await Stream.open(kernel, { ack_us: ACK_US });
  const { machine, ring } = stream;
  const buffer = stream.buffer("A", SIZE);
  if (what !== "slots") register(stream, buffer);
  const later: string[] = [];
  const send = (ud: number) => {
    stream.request(ud, stream.zeroCopy(buffer, SIZE, 0, { fixed: what === "used buffers" }));
    ring.submit();
  };
  const read = () => {
    for (let cqe = stream.next(); cqe !== undefined; cqe = stream.next()) {
      later.push(showCqe(cqe, kernel));
      if (ring.cqReady() === 0 && machine.counter(counters.CNT_NOTIFS_LIVE) === 0) break;
    }
  };
  send(1);
  const start = stream.now_us;
  const result =
    what === "slots"
      ? liburing.unregisterNotifications(machine, ring)
      : machine.sys.io_uring_register(ring.fd, uapi.IORING_UNREGISTER_BUFFERS, 0, 0);
  const took_us = stream.now_us - start;
  if (what === "slots") {
    expect(liburing.registerNotifications(machine, ring, [NEW_TAG]) === 0, "slots are registered again");
    send(2);
  }
  read();
  return { result, took_us, later };
}

export default experiment("What keeps the ring alive until the network has let go?", async (notes) => {
  const found: { kernel: Design; isRegistered: boolean; lives: Life[] }[] = [];
  for (const kernel of KERNELS)
    for (const isRegistered of [false, true])
      found.push({ kernel, isRegistered, lives: await close(kernel, isRegistered) });
  const steps = ["closed", ...Array.from({ length: SENDS }, (_, index) => `${index + 1} acknowledged`)];
  notes.table(
    `Notifications that a closed ring waits for, while a peer acknowledges ${SENDS} sends one by one:`,
    ["kernel", "registered buffers", ...steps],
    found.map(({ kernel, isRegistered, lives }) => [
      kernel.name,
      isRegistered ? "yes" : "no",
      ...lives.map(({ rings, waitsFor }) => (rings === 0 ? "ring freed" : waitsFor)),
    ]),
  );

  const taken: { kernel: Design; what: string; took_us: number; later: string[] }[] = [];
  for (const [kernel, what] of UNREGISTERED) {
    const { result, took_us, later } = await unregister(kernel, what);
    expect(result === 0, `${kernel.name} unregisters ${what}`);
    taken.push({ kernel, what, took_us, later });
  }
  notes.table(
    `Unregistering what a send uses that is acknowledged after ${ACK_US} us (then, with slots: a send on new ones):`,
    ["kernel", "unregistered", "took", "CQEs"],
    taken.map(({ kernel, what, took_us, later }) => [kernel.name, what, `${Math.round(took_us)} us`, later.join(" ")]),
  );

  const counts = found.every(({ lives }) =>
    lives.every(({ rings, waitsFor }, index) => waitsFor === SENDS - index && rings === Math.min(1, waitsFor)),
  );
  expect(counts, "the ring waits for each notification, and for nothing else");
  const isSame = KERNELS.every((kernel) => {
    const [without, with_] = found.filter((one) => one.kernel === kernel).map(({ lives }) => JSON.stringify(lives));
    return without === with_;
  });
  const waiting = taken.filter(({ took_us }) => took_us >= ACK_US);
  const passing = taken.filter(({ took_us }) => took_us < ACK_US);
  expect(waiting.length > 0 && passing.length > 0, "some calls wait, and some do not");
  const names = (some: typeof taken) => list(some.map(({ kernel, what }) => `${kernel.name} (${what})`));
  return (
    `A reference on the ring for each notification: a closed ring waited for ${list(found[0].lives.map(({ waitsFor }) => waitsFor))} of them as the acknowledgements came, ` +
    `and ${isSame ? "a resource node made no difference" : "registered buffers made a difference"}; what a node delays is unregistering, which waited only in ${names(waiting)}.`
  );
});
