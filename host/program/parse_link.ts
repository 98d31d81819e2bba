// `link DEV KEY=VALUE ...`: what `ip link`, `ethtool -K`, `ip route` and `sysctl` would do to a device of the standard network.
import { parseIp } from "../sys/user_memory.ts";
import type { Words } from "./words.ts";

/** Names of the devices that a program may name. */
export const LINKS = ["lo", "va", "vb", "if0", "if1", "if2", "nic0", "nic1"];

const KEYS = ["up", "sg", "csum", "tso", "mtu", "gateway", "forward"] as const;

export interface LinkSetting {
  key: (typeof KEYS)[number];
  /** 0 or 1, a number of bytes, an address. */
  value: number;
}

/** link DEV KEY=VALUE... */
export function parseLink(words: Words): { op: "link"; device: string; settings: LinkSetting[] } {
  const device = words.oneOf(LINKS.filter((name) => name !== "lo"));
  const settings: LinkSetting[] = [];
  const what = `KEY=VALUE with one of ${KEYS.join(", ")}`;
  if (words.left === 0) words.expected(what);
  while (words.left > 0) {
    const [name, text] = words.pair(what);
    const key = words.oneOf(KEYS, name);
    settings.push({ key, value: linkValue(words, key, text) });
  }
  return { op: "link", device, settings };
}

function linkValue(words: Words, key: LinkSetting["key"], text: string): number {
  if (key === "gateway") return parseIp(text) ?? words.expected("an address for gateway", text);
  if (key === "mtu") return words.size("a number of bytes for mtu", text);
  if (text !== "0" && text !== "1") words.expected(`0 or 1 for ${key}`, text);
  return Number(text);
}
