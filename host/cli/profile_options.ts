// --profile and --switch: which kernel a command's machines behave as. They win over a program's own `profile` line.
import { InvalidArgumentError } from "commander";
import type { MachineOptions } from "../machine.ts";
import { noSuch } from "../core/near.ts";
import { DEFAULT_PROFILE, findProfile, PROFILES, parseSwitch, switchesError } from "../profile/profiles.ts";
import type { Program } from "../program/steps.ts";
import { UsageError } from "./errors.ts";

export interface ProfileOptions {
  profile?: string;
  switch?: Record<string, number>;
}

const NAMES = PROFILES.map(({ name }) => name);

type Switches = Record<string, number> | undefined;

function profileOption(text: string): string {
  if (findProfile(text) === undefined)
    throw new InvalidArgumentError(`${noSuch("profile", text, NAMES)}.`.replace("?.", "?"));
  return text;
}

function switchOption(text: string, before: Switches): Switches {
  const found = parseSwitch(text);
  if ("error" in found) throw new InvalidArgumentError(`${found.error}.`.replace("?.", "?"));
  return { ...before, [found.name]: found.value };
}

export const PROFILE_OPTION = [
  "--profile <name>",
  "behave as this kernel (`ringzero profiles`)",
  profileOption,
] as const;
export const SWITCH_OPTION = [
  "--switch <name[=value]>",
  "a proposal or an open choice on top of it, may be repeated",
  switchOption,
] as const;

/** What the options say, and what they leave open as the program has it. Throws UsageError for switches of another profile. */
export function machineOptions(program: Program | undefined, options: ProfileOptions): MachineOptions {
  const profile = options.profile ?? program?.machine.profile;
  const switches = { ...program?.machine.switches, ...options.switch };
  const found = findProfile(profile ?? DEFAULT_PROFILE);
  const wrong = found && switchesError(found, switches);
  if (wrong !== undefined) throw new UsageError(program === undefined ? wrong : `${program.name}: ${wrong}`);
  return { ...(profile === undefined ? {} : { profile }), ...(Object.keys(switches).length === 0 ? {} : { switches }) };
}
