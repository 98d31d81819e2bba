// ringzero profiles: the kernels that a machine can behave as, and what each has.
import type { Command } from "commander";
import { listed, wrap } from "../core/layout.ts";
import { noSuch } from "../core/near.ts";
import { describeChanges, describeProfile, type Item } from "../profile/describe.ts";
import {
  DEFAULT_PROFILE,
  findProfile,
  PROFILES,
  type Profile,
  SWITCHES,
  type Switch,
  switchAppliesTo,
  switchProfiles,
} from "../profile/profiles.ts";
import { UsageError } from "./errors.ts";

interface Options {
  json?: boolean;
}

export function profilesCommand(program: Command): void {
  program
    .command("profiles")
    .description("list the kernels that can be emulated with what came in each, or all that one of them has")
    .argument("[name]", "only this one, with all that it has and not every kernel has")
    .option("--json", "print as JSON")
    .action(profiles);
}

function profiles(name: string | undefined, options: Options): void {
  const chosen = name === undefined ? undefined : findProfile(name);
  if (name !== undefined && chosen === undefined)
    throw new UsageError(
      noSuch(
        "profile",
        name,
        PROFILES.map((one) => one.name),
      ),
    );
  const lines = chosen === undefined ? timeline() : everythingOf(chosen);
  console.log(options.json ? JSON.stringify(asData(chosen), undefined, 2) : lines.join("\n"));
}

function asData(chosen: Profile | undefined) {
  const list = chosen === undefined ? PROFILES : [chosen];
  return {
    profiles: list.map((profile) => ({
      ...profile,
      default: profile.name === DEFAULT_PROFILE,
      changes: describeChanges(profile.id),
      has: describeProfile(profile.id),
      switches: SWITCHES.filter((one) => switchAppliesTo(one, profile)).map((one) => one.name),
    })),
    switches: SWITCHES,
  };
}

const title = ({ name, about }: Profile): string => `${about}${name === DEFAULT_PROFILE ? " (default)" : ""}`;

const WHAT_IT_SHOWS =
  "Kernels in the order of time: what each has that the one before it had not, and what is gone. All that one of them has: `ringzero profiles NAME`.";

/** Every profile, each compared with the one before it. */
function timeline(): string[] {
  const lines = [...wrap("", WHAT_IT_SHOWS), ""];
  PROFILES.forEach((profile, index) => {
    const { against, added, gone, does, stopped } = describeChanges(profile.id);
    // Where that is not the row above it.
    const than = against === undefined || against === PROFILES[index - 1]?.name ? "" : `; compared with ${against}`;
    lines.push(...wrap(profile.name.padEnd(7), `${title(profile)}${than}`));
    if (added.length > 0) lines.push(...wrap("         new: ", added.join(", ")));
    if (gone.length > 0) lines.push(...wrap("         gone: ", gone.join(", ")));
    for (const sentence of does) lines.push(...wrap("         does: ", sentence));
    for (const sentence of stopped) lines.push(...wrap("         no more: ", sentence));
  });
  return [
    ...lines,
    "",
    "switches",
    ...listed(SWITCHES.map((one) => [one.name, aboutSwitch(one, switchProfiles(one))])),
  ];
}

function aboutSwitch({ values, about }: Switch, where?: string): string {
  return `${values.join("|")}: ${about}${where === undefined ? "" : ` (${where})`}`;
}

function everythingOf(profile: Profile): string[] {
  const items = describeProfile(profile.id);
  const kinds = [...new Set(items.map(({ kind }) => kind))];
  const switches = SWITCHES.filter((one) => switchAppliesTo(one, profile));
  return [
    ...wrap(profile.name.padEnd(7), `${title(profile)} [${profile.source}]`),
    "What it has and not every kernel has, and since which profile.",
    ...kinds.flatMap((kind) => ["", kind, ...linesOf(items.filter((item) => item.kind === kind))]),
    "",
    "switches that it takes",
    ...listed(switches.map((one) => [one.name, aboutSwitch(one)])),
  ];
}

/** Names of one profile share lines, sentences have one each. */
function linesOf(items: readonly Item[]): string[] {
  const isSentence = items.some(({ name }) => /^[a-z\d]/.test(name));
  if (isSentence) return listed(items.map(({ since, name }) => [since.padEnd(5), name]));
  const all = [...new Set(items.map(({ since }) => since))];
  return listed(
    all.map((since) => [
      since.padEnd(5),
      items
        .filter((item) => item.since === since)
        .map(({ name }) => name)
        .join(", "),
    ]),
  );
}
