// ringzero profiles: the kernels that a machine can behave as, and what each has.
import type { Command } from "commander";
import { describeProfile } from "../profile/describe.ts";
import { DEFAULT_PROFILE, PROFILES, SWITCHES, switchProfiles } from "../profile/profiles.ts";
import { UsageError } from "./errors.ts";

interface Options {
  json?: boolean;
}

export function profilesCommand(program: Command): void {
  program
    .command("profiles")
    .description("list the kernels that can be emulated, or what one of them has")
    .argument("[name]", "only this one, with all that it has")
    .option("--json", "print as JSON")
    .action(profiles);
}

function profiles(name: string | undefined, options: Options): void {
  const chosen = PROFILES.filter((profile) => name === undefined || profile.name === name);
  if (chosen.length === 0)
    throw new UsageError(`no profile is named '${name}' (${PROFILES.map((one) => one.name).join(", ")})`);
  if (options.json) {
    const list = chosen.map((profile) => ({
      ...profile,
      default: profile.name === DEFAULT_PROFILE,
      has: describeProfile(profile.id),
    }));
    console.log(JSON.stringify({ profiles: list, switches: SWITCHES }, undefined, 2));
    return;
  }
  for (const profile of chosen) {
    const mark = profile.name === DEFAULT_PROFILE ? " (default)" : "";
    console.log(`${profile.name.padEnd(6)} ${profile.about}${mark}`);
    const { added, gone, does, stopped } = describeProfile(profile.id);
    const list = (title: string, names: readonly string[]) => {
      if (names.length > 0) console.log(`         ${title} ${names.join(", ")}`);
    };
    list("new:", added);
    list("gone:", gone);
    for (const sentence of does) console.log(`         does: ${sentence}`);
    for (const sentence of stopped) console.log(`         no more: ${sentence}`);
  }
  if (name !== undefined) return;
  console.log("\nswitches");
  for (const one of SWITCHES) {
    const where = switchProfiles(one);
    console.log(
      `${one.name.padEnd(16)} ${one.values.join("|")}: ${one.about}${where === undefined ? "" : ` (${where})`}`,
    );
  }
}
