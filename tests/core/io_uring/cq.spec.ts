import { CTX_SIZE, USER_BASE } from "../../../assembly/abi/layout";
import { IORING_SETUP_CQE32, IORING_SQ_CQ_OVERFLOW, RING_OFF_CQES, RING_OFF_CQ_HEAD, RING_OFF_CQ_OVERFLOW, RING_OFF_CQ_TAIL, RING_OFF_SQ_FLAGS } from "../../../assembly/abi/uapi";
import { POOL_CTX, POOL_OVERFLOW, poolAlloc, poolLive } from "../../../assembly/lib/pool";
import { cqEventsUser, cqPublish, cqReady, overflowDiscard, overflowFlush, postCqe } from "../../../assembly/io_uring/cq";
import { RingCtx } from "../../../assembly/io_uring/types";
import { POOL_COUNT, reset } from "../support";

const ENTRIES: u32 = 4;
const RINGS: usize = USER_BASE;

let ctx: RingCtx = changetype<RingCtx>(0);

/** A ring of four CQEs whose indices start at `at`. */
function ring(at: u32, flags: u32 = 0): void {
  ctx = changetype<RingCtx>(poolAlloc(POOL_CTX));
  memory.fill(changetype<usize>(ctx), 0, CTX_SIZE);
  memory.fill(RINGS, 0, 4096);
  ctx.flags = flags;
  ctx.rings = RINGS;
  ctx.cq_entries = ENTRIES;
  ctx.cqe_shift = flags & IORING_SETUP_CQE32 ? 5 : 4;
  ctx.cached_cq_tail = at;
  store<u32>(RINGS, at, RING_OFF_CQ_HEAD);
  store<u32>(RINGS, at, RING_OFF_CQ_TAIL);
}

function post(user_data: u64): void { postCqe(ctx, 0, user_data, user_data as i32, 0); }
/** Posts user_data `from` .. `to`. */
function postRange(from: u64, to: u64): void { for (let i = from; i <= to; i++) post(i); }

function head(): u32 { return load<u32>(RINGS, RING_OFF_CQ_HEAD); }
function tail(): u32 { return load<u32>(RINGS, RING_OFF_CQ_TAIL); }
function overflowFlag(): bool { return (load<u32>(RINGS, RING_OFF_SQ_FLAGS) & IORING_SQ_CQ_OVERFLOW) != 0; }
function slot(i: u32): usize { return RINGS + RING_OFF_CQES + ((i as usize) << ctx.cqe_shift); }

/** What an application reads until the ring is empty: 213 means user_data 2, then 1, then 3. */
function readAll(): u64 {
  let digits: u64 = 0, at = head();
  for (; at != tail(); at++) digits = digits * 10 + load<u64>(slot(at & (ENTRIES - 1)));
  store<u32>(RINGS, at, RING_OFF_CQ_HEAD);
  return digits;
}

describe("io_uring/cq", () => {
  beforeEach(reset);

  it("nothing is seen before it is published, then all of it in order", () => {
    ring(0);
    postRange(1, 3);
    expect(cqReady(ctx)).toBe(3);
    expect(cqEventsUser(ctx)).toBe(0);
    cqPublish(ctx);
    expect(cqEventsUser(ctx)).toBe(3);
    expect(readAll()).toBe(123);
    expect(cqEventsUser(ctx)).toBe(0);
  });

  it("indices run on over 2^32", () => {
    ring(0xfffffffe);
    postRange(1, 4);
    cqPublish(ctx);
    expect(tail()).toBe(2);
    expect(cqReady(ctx)).toBe(ENTRIES);
    expect(load<u64>(slot(2))).toBe(1);
    expect(load<u64>(slot(0))).toBe(3);
    post(5);
    expect(ctx.overflow_first != 0).toBe(true, "full is full, on either side of the wrap");
    expect(readAll()).toBe(1234);
    overflowFlush(ctx);
    expect(readAll()).toBe(5);
    expect(head()).toBe(3);
  });

  it("what finds no room waits in order, and so does what comes behind it when there is room again", () => {
    ring(0);
    postRange(1, 6);
    cqPublish(ctx);
    expect(overflowFlag()).toBe(true);
    expect(readAll()).toBe(1234);
    post(7);
    cqPublish(ctx);
    expect(cqEventsUser(ctx)).toBe(0, "7 may not overtake 5 and 6");
    overflowFlush(ctx);
    expect(overflowFlag()).toBe(false);
    expect(readAll()).toBe(567);
    expect(poolLive(POOL_OVERFLOW)).toBe(0);
  });

  it("a flush moves what fits and keeps the flag for the rest", () => {
    ring(0);
    postRange(1, 9);
    cqPublish(ctx);
    store<u32>(RINGS, 1, RING_OFF_CQ_HEAD); // one seen
    overflowFlush(ctx);
    expect(overflowFlag()).toBe(true);
    expect(readAll()).toBe(2345);
    overflowFlush(ctx);
    expect(overflowFlag()).toBe(false);
    expect(readAll()).toBe(6789);
  });

  it("without memory for the overflow an entry is lost and counted", () => {
    ring(0);
    postRange(1, ENTRIES + POOL_COUNT);
    expect(load<u32>(RINGS, RING_OFF_CQ_OVERFLOW)).toBe(0);
    post(999);
    expect(load<u32>(RINGS, RING_OFF_CQ_OVERFLOW)).toBe(1);
    overflowDiscard(ctx);
    expect(poolLive(POOL_OVERFLOW)).toBe(0);
  });

  it("a head beyond the tail only makes the ring look full", () => {
    ring(0);
    store<u32>(RINGS, 1, RING_OFF_CQ_HEAD);
    postRange(1, 2);
    expect(cqReady(ctx)).toBeGreaterThan(ENTRIES);
    expect(poolLive(POOL_OVERFLOW)).toBe(2);
    expect(load<u64>(slot(0))).toBe(0);
  });

  it("result and flags lie where the application looks, and a big CQE ends in zeros", () => {
    ring(0, IORING_SETUP_CQE32);
    memory.fill(slot(0), 0xff, 64);
    postCqe(ctx, 0, 0x1122334455667788, -14, 8);
    expect(load<u64>(slot(0))).toBe(0x1122334455667788);
    expect(load<i32>(slot(0), 8)).toBe(-14);
    expect(load<u32>(slot(0), 12)).toBe(8);
    expect(load<u64>(slot(0), 16) | load<u64>(slot(0), 24)).toBe(0);
    expect(load<u64>(slot(1))).toBe(u64.MAX_VALUE, "and does not reach into the next");
  });
});
