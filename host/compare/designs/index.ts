// The designs by name. A new dialect: its file in this folder, and a line here.
import { DEFAULT_PROFILE, PROFILES } from "../../profile/profiles.ts";
import type { Design } from "../design.ts";
import { msgZerocopyDesign } from "./msg_zerocopy.ts";
import { plainDesign } from "./plain.ts";
import { requestDesign } from "./request.ts";
import { slotDesign } from "./slots.ts";

/** The first profile with a notification per request. */
const FIRST_RELEASE = "6.0";

/** Designs that are no profile's own way to send. */
const NAMED: readonly Design[] = [plainDesign(), msgZerocopyDesign()];

/** How an application sends that was written for a profile; undefined if there is no such profile. */
function designOfProfile(name: string): Design | undefined {
  const order = PROFILES.map((profile) => profile.name);
  if (!order.includes(name)) return undefined;
  return order.indexOf(name) >= order.indexOf(FIRST_RELEASE) ? requestDesign(name) : slotDesign(name);
}

/** One design of each family. */
export const DEFAULT_DESIGNS: readonly string[] = ["send", "msg_zerocopy", "rc3", "6.0", "6.10", DEFAULT_PROFILE];

export const designNames = (): string[] => [...NAMED, ...PROFILES].map(({ name }) => name);

export function findDesign(name: string): Design | undefined {
  return NAMED.find((design) => design.name === name) ?? designOfProfile(name);
}
