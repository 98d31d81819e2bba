// Decisions. Where Linux leaves an order open the scheduler asks choose(): seed 0 always answers 0 (the order recorded on
// Linux), any other seed draws from splitmix64. Nothing else in the core is random.
import { S_RNG, S_SEED } from "./state";

export function rngInit(seed: u64): void {
  store<u64>(S_SEED, seed);
  store<u64>(S_RNG, seed);
}

export function rngNext(): u64 {
  let z = load<u64>(S_RNG) + 0x9e3779b97f4a7c15;
  store<u64>(S_RNG, z);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/** One of 0..n-1; 0 when the default schedule is in force. */
@inline export function choose(n: u32): u32 {
  return load<u64>(S_SEED) == 0 || n < 2 ? 0 : (rngNext() % (n as u64)) as u32;
}
