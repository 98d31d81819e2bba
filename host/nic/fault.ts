// What can go wrong with a frame on its way. Each kind of fault is given as a share of all frames, drawn from the seed,
// or as a list of frame numbers, for a test that wants this very frame. Numbers count from 1, from when they were set.
import type { Random } from "./random.ts";

export interface FaultOptions {
  /** Share of frames lost, 0..1. */
  loss?: number;
  /** These frames are lost. */
  dropNth?: readonly number[];
  /** One bit of the frame is flipped, and no frame check sequence notices: most likely and hardest to detect. */
  corrupt?: number;
  corruptNth?: readonly number[];
  /** The frame arrives twice. */
  duplicate?: number;
  duplicateNth?: readonly number[];
  /** The frame is overtaken by those that follow within `reorderDelay_ns`. */
  reorder?: number;
  reorderNth?: readonly number[];
  reorderDelay_ns?: number;
  /** Asked for every frame that nothing else has lost: true loses it. */
  drop?: (frame: Uint8Array, number: number) => boolean;
}

export type Fate = "delivered" | "lost" | "corrupted" | "duplicated" | "delayed";

/** What becomes of one frame. Only one fault happens to a frame, in the order of the list above. */
export interface Verdict {
  fate: Fate;
  /** The bytes that arrive: the frame itself, or a copy with a flipped bit. */
  frame: Uint8Array;
  extraDelay_ns: number;
}

const REORDER_DELAY_NS = 100_000;

type ListName = "dropNth" | "corruptNth" | "duplicateNth" | "reorderNth";
const LISTS: readonly ListName[] = ["dropNth", "corruptNth", "duplicateNth", "reorderNth"];

export class FaultInjector {
  readonly #random: Random;
  #options: FaultOptions = {};
  #frames = 0;
  /** Frames seen when each list was set. */
  readonly #since: Record<ListName, number> = { dropNth: 0, corruptNth: 0, duplicateNth: 0, reorderNth: 0 };

  constructor(random: Random, options: FaultOptions = {}) {
    this.#random = random;
    this.configure(options);
  }

  /** What is not given stays as it is. */
  configure(options: FaultOptions): void {
    for (const name of ["loss", "corrupt", "duplicate", "reorder"] as const) {
      const share = options[name];
      if (share !== undefined && !(share >= 0 && share <= 1)) throw new RangeError(`${name} is a share from 0 to 1`);
    }
    for (const name of LISTS) if (options[name] !== undefined) this.#since[name] = this.#frames;
    this.#options = { ...this.#options, ...options };
  }

  judge(frame: Uint8Array): Verdict {
    this.#frames++;
    const { loss, corrupt, duplicate, reorder, reorderDelay_ns = REORDER_DELAY_NS, drop } = this.#options;
    const verdict = (fate: Fate, bytes = frame, extraDelay_ns = 0): Verdict => ({ fate, frame: bytes, extraDelay_ns });
    if (this.#happens("dropNth", loss) || drop?.(frame, this.#frames)) return verdict("lost");
    if (this.#happens("corruptNth", corrupt)) return verdict("corrupted", this.#flipBit(frame));
    if (this.#happens("duplicateNth", duplicate)) return verdict("duplicated");
    if (this.#happens("reorderNth", reorder)) return verdict("delayed", frame, reorderDelay_ns);
    return verdict("delivered");
  }

  #happens(list: ListName, share = 0): boolean {
    if (this.#options[list]?.includes(this.#frames - this.#since[list])) return true;
    // Nothing is drawn for a fault that is switched off: turning one on does not change when the others happen.
    return share > 0 && this.#random.share() < share;
  }

  #flipBit(frame: Uint8Array): Uint8Array {
    const copy = frame.slice();
    const bit = this.#random.below(copy.length * 8);
    copy[bit >> 3] ^= 1 << (bit & 7);
    return copy;
  }
}
