// The host's own source of chance: splitmix64. Its seed is the machine's, so a run repeats to the last frame.
const GAMMA = 0x9e3779b97f4a7c15n;
const MIX_1 = 0xbf58476d1ce4e5b9n;
const MIX_2 = 0x94d049bb133111ebn;

const u64 = (value: bigint) => BigInt.asUintN(64, value);

export class Random {
  #state: bigint;

  /** `stream` keeps apart what draws from the same seed for different ends. */
  constructor(seed: number, stream = 0) {
    this.#state = u64(BigInt(seed) ^ (BigInt(stream) << 32n));
  }

  next(): bigint {
    this.#state = u64(this.#state + GAMMA);
    let z = this.#state;
    z = u64((z ^ (z >> 30n)) * MIX_1);
    z = u64((z ^ (z >> 27n)) * MIX_2);
    return z ^ (z >> 31n);
  }

  /** A number in [0, 1) with 32 random bits. */
  share(): number {
    return Number(this.next() >> 32n) / 2 ** 32;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.share() * limit);
  }
}
