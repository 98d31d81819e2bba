// `nic KEY=VALUE ...`: turns knobs of the simulated NICs. Only the emulator has this line.
import type { NicKnobs } from "../net/nic_control.ts";
import type { Words } from "./words.ts";

const SWITCHES = ["sg", "csum", "tso", "stall", "never_complete"] as const;
const NUMBERS = [
  "mtu",
  "tx_ring",
  "rx_ring",
  "rate_mbit",
  "dma_us",
  "latency_us",
  "moderation",
  "moderation_us",
  "wire_us",
] as const;
/** At least one: a rate, a ring or an interrupt of nothing means nothing. */
const POSITIVE: readonly string[] = ["rx_ring", "rate_mbit", "moderation"];
const SHARES = ["loss", "corrupt", "duplicate", "reorder"] as const;
const LISTS = ["drop_nth", "corrupt_nth", "duplicate_nth", "reorder_nth"] as const;
const DEVICES = ["nic0", "nic1"];
const KNOBS = [...SWITCHES, ...NUMBERS, ...SHARES, ...LISTS, "dev"] as const;

export function parseNicKnobs(words: Words): NicKnobs {
  const knobs: NicKnobs = {};
  if (words.left === 0) words.expected(`KEY=VALUE with one of ${KNOBS.join(", ")}`);
  while (words.left > 0) parseKnob(words, knobs);
  return knobs;
}

function parseKnob(words: Words, knobs: NicKnobs): void {
  const word = words.word("a knob");
  // `never_complete` alone means `never_complete=1`.
  const alone = SWITCHES.find((name) => name === word);
  if (alone !== undefined) {
    knobs[alone] = true;
    return;
  }
  const [name, value] = words.pair(`KEY=VALUE with one of ${KNOBS.join(", ")}`, word);
  const key = words.oneOf(KNOBS, name);
  if (key === "dev") {
    knobs.dev = words.oneOf(DEVICES, value);
  } else if (isOneOf(SHARES, key)) {
    const share = Number(value);
    if (value === "" || !(share >= 0 && share <= 1)) words.expected(`a share from 0 to 1 for ${key}`, value);
    knobs[key] = share;
  } else if (isOneOf(LISTS, key)) {
    knobs[key] = value.split(",").map((part) => {
      const frame = words.size(`frame numbers for ${key}`, part);
      return frame > 0 ? frame : words.expected(`frame numbers from 1 for ${key}`, part);
    });
  } else if (isOneOf(SWITCHES, key)) {
    if (value !== "0" && value !== "1") words.expected(`0 or 1 for ${key}`, value);
    knobs[key] = value === "1";
  } else {
    const number = words.size(`a number for ${key}`, value);
    if (number === 0 && POSITIVE.includes(key)) words.expected(`at least 1 for ${key}`, value);
    knobs[key] = number;
  }
}

function isOneOf<Key extends string>(keys: readonly Key[], key: string): key is Key {
  return (keys as readonly string[]).includes(key);
}
