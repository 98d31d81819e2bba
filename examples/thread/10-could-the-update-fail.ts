// Could the update fail then?
//
// Begunkov's own way out is an update that allocates a notification for each empty slot first. His objection to it: an
// allocation can fail, the application has to be told, and today this call cannot fail for that. Memory is used up by other
// requests, then the update is asked for, with the base behaviour and with each proposal; then memory is given back and it is
// asked for again.
import { errnoName, liburing, libc, Machine, type Ring, uapi } from "ringzero";
import { TAG } from "./dialect.ts";
import { type Design, design } from "./lab.ts";
import { counted, expect, experiment, list } from "./report.ts";

const SLOTS = 8;
/** What is left of the memory for requests when the update comes: one for itself, the rest for notifications. */
const LEFT = 4;
const UPDATE = 9;
const CHAIN = 32_768;
const CHAINS_MAX = 8;

const DESIGNS = [
  design("rc3"),
  design("rc3", { upd_tag_first: 1 }),
  design("rc3", { upd_tag_always: 1 }),
  design("rc3", { upd_alloc_empty: 1 }),
];

/** Requests that wait for a pipe nobody writes to. */
class Hoard {
  readonly #machine: Machine;
  readonly #pipe: number;
  readonly #rings: Ring[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
    const ends = machine.user.alloc(8);
    machine.sys.pipe(ends);
    this.#pipe = machine.user.getI32(ends);
  }

  /** A ring with a chain of requests of which the first waits; how many the kernel took. */
  chain(length: number): number {
    const ring = this.#machine.ring(length);
    this.#rings.push(ring);
    for (let index = 0; index < length; index++) {
      const sqe = ring.getSqe();
      if (index === 0) liburing.prepPollAdd(ring, sqe, this.#pipe, libc.POLLIN);
      else liburing.prepNop(ring, sqe);
      liburing.setData(ring, sqe, index);
      if (index + 1 < length) liburing.sqeSetFlags(ring, sqe, uapi.IOSQE_IO_LINK);
    }
    return ring.submit();
  }

  /** Takes what there is. */
  takeAll(): void {
    for (let chains = 0; this.chain(CHAIN) === CHAIN; chains++) expect(chains < CHAINS_MAX, "memory for requests ends");
  }

  /** Gives back the chain that was made first, or all. */
  giveBack(count = this.#rings.length): void {
    for (const ring of this.#rings.splice(0, count)) ring.exit();
    this.#machine.sys.nanosleep(1_000_000n);
  }
}

interface Finding {
  kernel: Design;
  /** Result of the update without memory, and with memory again. */
  scarce: number;
  plenty: number;
  notifications: number[];
}

async function run(kernel: Design): Promise<Finding> {
  const machine = await Machine.create({ profile: kernel.profile, switches: kernel.switches });
  const ring = machine.ring(8);
  const tags = Array.from({ length: SLOTS }, (_, slot) => BigInt(TAG + slot));
  expect(liburing.registerNotifications(machine, ring, tags) === 0, "the slots are registered");
  /** All slots, which are empty. Its result, and how many notifications were posted. */
  const update = (): [number, number] => {
    const sqe = ring.getSqe();
    liburing.prepNotifUpdate(ring, sqe, 0, 0, SLOTS);
    liburing.setData(ring, sqe, UPDATE);
    expect(ring.submit() === 1, "there is memory for the update itself");
    let result: number | undefined;
    let notifications = 0;
    ring.forEachCqe((cqe) => {
      if (ring.cqeData(cqe) === UPDATE) result = ring.cqeRes(cqe);
      else notifications++;
    });
    expect(result !== undefined, "the update completes");
    return [result, notifications];
  };
  const hoard = new Hoard(machine);
  hoard.chain(LEFT);
  hoard.takeAll();
  hoard.giveBack(1);
  const [scarce, first] = update();
  hoard.giveBack();
  const [plenty, second] = update();
  return { kernel, scarce, plenty, notifications: [first, second] };
}

const show = (result: number): string => (result < 0 ? `-${errnoName(-result)}` : String(result));

export default experiment("Could the update fail if it filled empty slots?", async (notes) => {
  const found: Finding[] = [];
  for (const kernel of DESIGNS) found.push(await run(kernel));
  notes.table(
    `An update of ${SLOTS} empty slots, when memory for ${LEFT - 1} more requests is left, and when there is enough:`,
    ["design", "no memory", "notifications", "memory", "notifications"],
    found.map(({ kernel, scarce, plenty, notifications: [first, second] }) => [
      kernel.name,
      show(scarce),
      first,
      show(plenty),
      second,
    ]),
  );
  const failing = found.filter(({ scarce }) => scarce < 0);
  const safe = found.filter(({ scarce }) => scarce === 0);
  expect(failing.length > 0 && failing.length + safe.length === found.length, "some design allocates");
  expect(
    failing.every(({ notifications }) => notifications[0] === 0),
    "an update that fails flushes nothing",
  );
  const names = (some: Finding[]) => list(some.map(({ kernel }) => kernel.name));
  return (
    `Yes: with ${names(failing)} it returns ${list([...new Set(failing.map(({ scarce }) => show(scarce)))])} and flushes none of its slots when memory is short, and a repetition posts ` +
    `${counted(failing[0].notifications[1], "notification")} for nothing sent; ${names(safe)} ${safe.length === 1 ? "needs" : "need"} no memory and ${safe.length === 1 ? "returns" : "return"} ${list([...new Set(safe.map(({ scarce }) => show(scarce)))])}.`
  );
});
