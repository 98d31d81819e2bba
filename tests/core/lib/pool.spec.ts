import { POOLS_BASE } from "../../../assembly/abi/layout";
import { POOL_NODE, POOL_SMALL, poolAlloc, poolFree, poolHiwater, poolInit, poolLive } from "../../../assembly/lib/pool";
import { reset } from "../support";

const SIZE: u32 = 64;
const COUNT: u32 = 3;
const FIRST: usize = POOLS_BASE;

describe("lib/pool", () => {
  beforeEach(() => {
    reset();
    memory.fill(FIRST, 0, SIZE * COUNT * 2);
    poolInit(POOL_SMALL, FIRST, SIZE, COUNT);
    poolInit(POOL_NODE, FIRST + SIZE * COUNT, SIZE, COUNT);
  });

  it("every object is handed out once, then there is none", () => {
    expect(poolAlloc(POOL_SMALL)).toBe(FIRST);
    expect(poolAlloc(POOL_SMALL)).toBe(FIRST + SIZE);
    expect(poolAlloc(POOL_SMALL)).toBe(FIRST + SIZE * 2);
    expect(poolAlloc(POOL_SMALL)).toBe(0);
    expect(poolAlloc(POOL_SMALL)).toBe(0, "asking again changes nothing");
    expect(poolLive(POOL_SMALL)).toBe(COUNT);
  });

  it("an exhausted pool goes on when an object comes back", () => {
    for (let i: u32 = 0; i < COUNT; i++) poolAlloc(POOL_SMALL);
    poolFree(POOL_SMALL, FIRST + SIZE);
    expect(poolAlloc(POOL_SMALL)).toBe(FIRST + SIZE);
    expect(poolAlloc(POOL_SMALL)).toBe(0);
  });

  it("used objects are preferred to untouched memory, the last freed first", () => {
    const a = poolAlloc(POOL_SMALL), b = poolAlloc(POOL_SMALL);
    poolFree(POOL_SMALL, a);
    poolFree(POOL_SMALL, b);
    expect(poolAlloc(POOL_SMALL)).toBe(b);
    expect(poolAlloc(POOL_SMALL)).toBe(a);
    expect(poolHiwater(POOL_SMALL)).toBe(2);
    expect(poolLive(POOL_SMALL)).toBe(2);
  });

  it("freeing twice stops the machine", () => {
    expect(() => {
      const a = poolAlloc(POOL_SMALL);
      poolFree(POOL_SMALL, a);
      poolFree(POOL_SMALL, a);
    }).toThrow();
  });

  it("an object may be given back as it came", () => {
    poolFree(POOL_SMALL, poolAlloc(POOL_SMALL));
    poolFree(POOL_SMALL, poolAlloc(POOL_SMALL));
    expect(poolLive(POOL_SMALL)).toBe(0);
  });

  it("a write through a stale pointer is found when the object is handed out again", () => {
    expect(() => {
      const a = poolAlloc(POOL_SMALL);
      poolFree(POOL_SMALL, a);
      store<u8>(a + SIZE - 1, 1);
      poolAlloc(POOL_SMALL);
    }).toThrow();
  });

  it("an address inside of an object cannot be freed", () => {
    expect(() => { poolFree(POOL_SMALL, poolAlloc(POOL_SMALL) + 4); }).toThrow();
  });

  it("an object of another pool cannot be freed", () => {
    expect(() => { poolFree(POOL_SMALL, poolAlloc(POOL_NODE)); }).toThrow();
    expect(() => { poolFree(POOL_NODE, poolAlloc(POOL_SMALL)); }).toThrow();
  });

  it("an object that was never handed out cannot be freed", () => {
    expect(() => {
      poolAlloc(POOL_SMALL);
      poolFree(POOL_SMALL, FIRST + SIZE);
    }).toThrow();
  });
});
