// The designs by name. A new dialect: its file in this folder, and a line here.
import { noSuch } from "../../core/near.ts";
import {
  DEFAULT_PROFILE,
  findProfile,
  PROFILES,
  parseSwitch,
  SWITCHES,
  switchesError,
  switchIsOn,
} from "../../profile/profiles.ts";
import type { Design } from "../design.ts";
import { msgZerocopyDesign } from "./msg_zerocopy.ts";
import { plainDesign } from "./plain.ts";
import { requestDesign } from "./request.ts";
import { slotDesign } from "./slots.ts";
import { RFC_SINGLE, slotlessDesign } from "./slots_alone.ts";

/** The first profile with a notification per request. */
const FIRST_RELEASE = "6.0";
const LAST_SLOTS = "rc3";

type Switches = Record<string, number>;

/** Designs that are more than a profile's own way to send. */
const NAMED: readonly Design[] = [
  plainDesign(),
  msgZerocopyDesign(),
  slotlessDesign("slotless", LAST_SLOTS),
  RFC_SINGLE,
  slotDesign("merged_opcode", LAST_SLOTS, { merged_opcode: 1 }),
  slotDesign("sendmsg_zc", LAST_SLOTS, { sendmsg_zc: 1 }),
  requestDesign("single_cqe", DEFAULT_PROFILE, { single_cqe: 1 }),
  requestDesign("skip_combined", DEFAULT_PROFILE, { zc_skip_success: 2 }),
  requestDesign("two_cqe_sep_ud", DEFAULT_PROFILE, { two_cqe_sep_ud: 1 }),
];

/** How an application sends that was written for a profile with these switches. */
function designOfProfile(name: string, profile: string, switches: Switches): Design {
  const order = PROFILES.map((each) => each.name);
  if (order.indexOf(profile) >= order.indexOf(FIRST_RELEASE)) return requestDesign(name, profile, switches);
  if (switches.slotless) return slotlessDesign(name, profile, switches);
  return slotDesign(name, profile, switches);
}

/** One design of each family. */
export const DEFAULT_DESIGNS: readonly string[] = [
  "send",
  "msg_zerocopy",
  "rc3",
  "slotless",
  "single_cqe",
  "two_cqe_sep_ud",
  "6.0",
  "6.10",
  DEFAULT_PROFILE,
];

export const designNames = (): string[] => [...NAMED, ...PROFILES].map(({ name }) => name);

/** A design's name, a profile, or a profile with switches: `6.0+single_cqe+link_at=send`. The reason, when it is none. */
export function parseDesign(text: string): Design | { error: string } {
  const named = NAMED.find((design) => design.name === text);
  if (named !== undefined) return named;
  const [profile, ...words] = text.split("+");
  const found = findProfile(profile);
  if (found === undefined)
    return { error: noSuch("profile or design", words.length > 0 ? profile : text, designNames()) };
  const switches: Switches = {};
  for (const word of words) {
    const parsed = parseSwitch(word);
    if ("error" in parsed) return parsed;
    switches[parsed.name] = parsed.value;
  }
  if (switches.slotless && switches.merged_opcode)
    return { error: "no application here is written for slotless together with merged_opcode" };
  const error = switchesError(found, switches);
  return error === undefined ? designOfProfile(text, profile, switches) : { error };
}

/** The switches that a design's machine has. */
export const switchesOf = ({ machine }: Design): string[] =>
  Object.keys(machine.switches ?? {}).filter((name) => switchIsOn(machine.switches, name));

/** The same kernel without the switch (and those that need it), and the application that is written for that. */
export function withoutSwitch(design: Design, without: string): Design {
  const { profile = DEFAULT_PROFILE, switches = {} } = design.machine;
  const rest = Object.entries(switches).filter(
    ([name]) => name !== without && SWITCHES.find((one) => one.name === name)?.needs !== without,
  );
  return designOfProfile(design.name, profile, Object.fromEntries(rest.map(([name, value]) => [name, Number(value)])));
}

export function findDesign(name: string): Design | undefined {
  const design = parseDesign(name);
  return "error" in design ? undefined : design;
}
