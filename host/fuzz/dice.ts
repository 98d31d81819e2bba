// The chance that a program is made of. It comes from the project's own generator, so a seed and a number name the same
// program on every machine.
import { Random } from "../nic/random.ts";

export class Dice {
  readonly #random: Random;

  /** `index` is the number of the program within the campaign of `seed`. */
  constructor(seed: number, index = 0) {
    this.#random = new Random(seed, index + 1);
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return this.#random.below(limit);
  }

  /** From `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)];
  }

  /** Each item with its weight; at least one weight is positive. */
  weighted<Item>(items: readonly (readonly [Item, number])[]): Item {
    let total = 0;
    for (const [, weight] of items) total += weight;
    let at = this.#random.share() * total;
    for (const [item, weight] of items) {
      at -= weight;
      if (at < 0) return item;
    }
    return items[items.length - 1][0];
  }

  /** Every item with its own chance of one in `n`, joined as flags are: "" when none was drawn. */
  flags(items: readonly (readonly [string, number])[]): string {
    return items
      .filter(([, n]) => this.once(n))
      .map(([name]) => name)
      .join("|");
  }
}
