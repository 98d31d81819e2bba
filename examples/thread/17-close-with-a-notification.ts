// What happens to a notification that the network holds when the ring is closed?
//
// The thread's worry: the callback would use a context that is gone. A ring is closed while a peer that does not acknowledge,
// or a NIC that does not complete, still holds its buffers; then they let go, or never do. The counters of the machine say
// whether close() waited, what is left behind it, and what becomes of that.
import { counters } from "ringzero";
import { type Design, design } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";
import { Stream } from "./stream.ts";

const SENDS = 3;
const SIZE = 1000;
const HOUR_NS = 3_600_000_000_000n;

interface Holder {
  name: string;
  hold(stream: Stream): void;
  /** undefined: it never lets go. */
  release?(stream: Stream): void;
}

const HOLDERS: readonly Holder[] = [
  {
    name: "peer that acknowledges late",
    hold: ({ sink }) => sink.hold(),
    release: ({ sink }) => sink.release(),
  },
  {
    name: "NIC that completes late",
    hold: ({ nic }) => nic.configure({ neverComplete: true }),
    release: ({ nic }) => nic.configure({ neverComplete: false }),
  },
  { name: "peer that never acknowledges", hold: ({ sink }) => sink.hold() },
  { name: "NIC that never completes", hold: ({ nic }) => nic.configure({ neverComplete: true }) },
];

interface Case {
  name: string;
  kernel: Design;
  /** Slot era: whether the notification had left its slot when the ring was closed. */
  isFlushed: boolean;
}

const CASES: readonly Case[] = [
  { name: "rc3, flushed", kernel: design("rc3"), isFlushed: true },
  { name: "rc3, in a slot", kernel: design("rc3"), isFlushed: false },
  { name: "6.0", kernel: design("6.0"), isFlushed: true },
  { name: "6.18", kernel: design("6.18"), isFlushed: true },
];

interface State {
  rings: number;
  notifications: number;
  pinned: number;
}

const stateOf = ({ machine }: Stream): State => ({
  rings: machine.counter(counters.CNT_RINGS_LIVE),
  notifications: machine.counter(counters.CNT_NOTIFS_LIVE),
  pinned: machine.counter(counters.CNT_PAGES_PINNED),
});

const show = ({ rings, notifications, pinned }: State): string =>
  rings + notifications + pinned === 0 ? "all gone" : `${rings} + ${notifications} + ${pinned}`;

interface Finding {
  name: string;
  holder: Holder;
  close_us: number;
  closed: State;
  /** An hour later, and after the network has let go. */
  later: State;
  released: State;
  delivered: number;
}

async function close({ name, kernel, isFlushed }: Case, holder: Holder): Promise<Finding> {
  const stream = await Stream.open(kernel);
  holder.hold(stream);
  for (let ud = 1; ud <= SENDS; ud++) {
    const buffer = stream.buffer("A", SIZE);
    stream.request(ud, stream.zeroCopy(buffer, SIZE, 0, { flush: ud === SENDS && isFlushed }));
  }
  stream.ring.submit();
  stream.machine.sys.nanosleep(10_000_000n);
  const start = stream.now_us;
  stream.ring.exit();
  const close_us = stream.now_us - start;
  const closed = stateOf(stream);
  holder.release?.(stream);
  stream.machine.sys.nanosleep(1_000_000_000n);
  const released = stateOf(stream);
  stream.machine.sys.nanosleep(HOUR_NS);
  return {
    name,
    holder,
    close_us,
    closed,
    later: stateOf(stream),
    released,
    delivered: stream.sink.connection().received.length,
  };
}

export default experiment(
  "Does closing a ring crash, wait or leak when the network holds a notification?",
  async (notes) => {
    const found: Finding[] = [];
    for (const one of CASES) for (const holder of HOLDERS) found.push(await close(one, holder));
    notes.table(
      `A ring is closed with ${SENDS} sends of ${SIZE} bytes in the hands of the network. What is left, as rings + notifications + page references:`,
      ["kernel", "held by", "close() took", "left behind it", "1 s later", "1 h later", "delivered"],
      found.map(({ name, holder, close_us, closed, released, later, delivered }) => [
        name,
        holder.name,
        `${close_us} us`,
        show(closed),
        show(released),
        show(later),
        delivered,
      ]),
    );
    const isGone = ({ rings, notifications, pinned }: State) => rings + notifications + pinned === 0;
    const names = (some: Finding[]) => list([...new Set(some.map(({ holder }) => holder.name))]);
    const waited = Math.max(...found.map(({ close_us }) => close_us));
    const released = found.filter(({ holder }) => holder.release !== undefined);
    const gaveUp = found.filter((one) => one.holder.release === undefined && isGone(one.later));
    const stays = found.filter(({ later }) => !isGone(later));
    expect(
      found.every(({ closed }) => closed.rings === 1 && closed.notifications > 0),
      "the ring outlives close()",
    );
    expect(
      released.every((one) => isGone(one.released)),
      "nothing is left when the network has let go",
    );
    expect(
      found.every(({ delivered }) => delivered === SENDS * SIZE),
      "the peer gets every byte",
    );
    return (
      `No crash, and ${waited === 0 ? "no wait" : `a wait of ${waited} us`}: close() returned after ${waited} us in all ${found.length} runs, the ring stayed behind it with ` +
      `its notifications, and was gone when the network let go (${names(released)})${gaveUp.length > 0 ? ` or TCP gave up (${names(gaveUp)})` : ""}; ` +
      `what would leak is not the close but the network: a ${names(stays)} keeps ring and pages as long as it lives.`
    );
  },
);
