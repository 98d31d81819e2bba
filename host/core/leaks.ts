// Invariant I5: when everything is closed and the network has come to rest, nothing of what a program made is left.
import * as counters from "../../assembly/abi/counters.ts";
import * as layout from "../../assembly/abi/layout.ts";
import {
  IORING_REGISTER_USE_REGISTERED_RING,
  IORING_UNREGISTER_FILES,
  IORING_UNREGISTER_RING_FDS,
  PARAMS_SIZE,
  RSRC_UPDATE_SIZE,
} from "../../assembly/abi/uapi.ts";
import type { Machine } from "../machine.ts";

const FDS_MAX = 1024;
const STANDARD_FDS = 3;
const RING_FDS_MAX = 16;
/** Longer than any retransmission, TIME_WAIT, reassembly or neighbour timer. */
const REST_NS = 3_600_000_000_000n;

/** Objects of each pool, by the numbers of assembly/lib/pool.ts. */
const POOLS: readonly string[] = [
  "requests",
  "async data blocks",
  "skbs",
  "skb data areas",
  "sockets",
  "files",
  "rings",
  "tasks",
  "timers",
  "devices",
  "resource nodes",
  "small objects",
  "overflowed CQEs",
  "provided buffers",
];
const POOL_DESC_BYTES = 32;
const POOL_DESC_LIVE = 20;

const COUNTED: readonly (readonly [name: string, offset: number])[] = [
  ["notifications", counters.CNT_NOTIFS_LIVE],
  ["page pins", counters.CNT_PAGES_PINNED],
  ["data chunks", counters.CNT_CHUNKS_LIVE],
];

/** What is kept for good since its first need (assembly/kept.ts) is not counted. */
const KEPT: Readonly<Record<string, number>> = {
  timers: counters.KEPT_TIMERS,
  "small objects": counters.KEPT_SMALL,
  "data chunks": counters.KEPT_CHUNKS,
};

export interface Count {
  name: string;
  count: number;
}

/** What exists now. Of a machine that has only booted: what findLeaks() is to find again. */
export function restingCounts(machine: Machine): Count[] {
  const { view } = machine.core.memory;
  const pools = Array.from({ length: layout.POOL_DESC_SIZE / POOL_DESC_BYTES }, (_, pool) => {
    const count = view.getUint32(layout.POOL_DESC_BASE + pool * POOL_DESC_BYTES + POOL_DESC_LIVE, true);
    return { name: POOLS[pool] ?? `objects of pool ${pool}`, count };
  });
  const all = [...pools, ...COUNTED.map(([name, offset]) => ({ name, count: machine.counter(offset) }))];
  return all.map(({ name, count }) => ({
    name,
    count: name in KEPT ? count - machine.exports.kept_objects(KEPT[name]) : count,
  }));
}

/**
 * Closes every descriptor, unmaps all memory, lets the network come to rest (an hour of virtual time), and says what is left: "2 skbs" and the
 * like, nothing when all is well. `before` is what restingCounts() gave after boot. The machine is of no use afterwards.
 */
export function findLeaks(machine: Machine, before: readonly Count[]): string[] {
  const { sys, exports } = machine;
  // A ring goes when its last notification has come, and its table of files goes with it: a table that holds the socket
  // which would have to read the bytes keeps both for ever. So it is on Linux too (6.18), and no leak of ours.
  for (let fd = STANDARD_FDS; fd < FDS_MAX; fd++) sys.io_uring_register(fd, IORING_UNREGISTER_FILES, 0, 0);
  unregisterRingFds(machine);
  // Twice: a request that was still under way may open a descriptor.
  for (let round = 0; round < 2; round++) {
    for (let fd = STANDARD_FDS; fd < FDS_MAX; fd++) sys.close(fd);
    sys.munmap(layout.USER_BASE, layout.USER_END - layout.USER_BASE); // a mapping of a ring holds it, too
    exports.run_events(REST_NS);
  }
  const left = restingCounts(machine).flatMap(({ name, count }, index) => {
    const more = count - before[index].count;
    if (name === "files" && more < 0 && more >= -STANDARD_FDS) return []; // a program may close these
    return more === 0 ? [] : [`${more} ${name}`];
  });
  const exiting = exports.ring_exit_pending();
  const pending = exports.events_pending();
  if (exiting !== 0) left.push(`${exiting} requests of closed rings`);
  if (pending !== 0) left.push(`${pending} armed timers`);
  return left;
}

/** A registered ring descriptor holds its ring, too; it goes with the task, which does not end here. */
function unregisterRingFds({ sys, user }: Machine): void {
  const slots = user.alloc(RING_FDS_MAX * RSRC_UPDATE_SIZE);
  for (let slot = 0; slot < RING_FDS_MAX; slot++) user.setU32(slots + slot * RSRC_UPDATE_SIZE, slot);
  const registered = (opcode: number) => (opcode | IORING_REGISTER_USE_REGISTERED_RING) >>> 0;
  for (let slot = 0; slot < RING_FDS_MAX; slot++)
    sys.io_uring_register(slot, registered(IORING_UNREGISTER_FILES), 0, 0);
  // Before 6.3 only through a descriptor: any ring's will do.
  const params = user.alloc(PARAMS_SIZE);
  const own = sys.io_uring_setup(1, params);
  sys.io_uring_register(own, IORING_UNREGISTER_RING_FDS, slots, RING_FDS_MAX);
  for (let slot = 0; slot < RING_FDS_MAX; slot++)
    sys.io_uring_register(slot, registered(IORING_UNREGISTER_RING_FDS), slots, RING_FDS_MAX);
}
