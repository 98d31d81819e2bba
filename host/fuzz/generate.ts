// Writes programs: a ring, sockets and buffers, then steps drawn from the rules, then a look at everything. The same seed
// and number give the same program everywhere.
import { Dice } from "./dice.ts";
import { Draft, type SockKind } from "./draft.ts";
import type { Profile } from "./profiles.ts";
import type { Rule } from "./rule.ts";
import { RULES } from "./rules/index.ts";
import { writeRegbuf, writeRegfile } from "./rules/registers.ts";

export interface GenerateOptions {
  seed: number;
  /** Number of the program within the campaign. */
  index: number;
  /** Steps between the beginning and the final look. */
  length: number;
  profile: Profile;
  /** Opcodes that the core knows; undefined: all. */
  ops?: ReadonlySet<number>;
}

const SIZES = [100, 1000, 4096, 5000, 20000, 60000];

export function generate(options: GenerateOptions): string {
  const draft = new Draft(new Dice(options.seed, options.index));
  const rules = weighRules(options);
  begin(draft, options.profile);
  const end = draft.lines.length + options.length;
  while (draft.lines.length < end && draft.ringOpen) writeOne(draft, rules);
  finish(draft);
  return `${draft.lines.join("\n")}\n`;
}

type Weighed = readonly (readonly [Rule, number])[];

function weighRules({ profile, ops }: GenerateOptions): Weighed {
  const usable = RULES.filter((rule) => ops === undefined || (rule.ops ?? []).every((op) => ops.has(op)));
  const totals = new Map<string, number>();
  for (const { area, weight } of usable) totals.set(area, (totals.get(area) ?? 0) + weight);
  return usable
    .map((rule) => [rule, (profile.areas[rule.area] * rule.weight) / totals.get(rule.area)!] as const)
    .filter(([, weight]) => weight > 0);
}

function writeOne(draft: Draft, rules: Weighed): void {
  const possible = rules.filter(([rule]) => rule.when === undefined || rule.when(draft));
  const before = draft.queued;
  draft.dice.weighted(possible).write(draft);
  if (draft.queued > before && draft.chain === undefined && draft.dice.once(4)) draft.submit();
}

function begin(draft: Draft, profile: Profile): void {
  const { dice } = draft;
  draft.decorations = profile.decorations;
  draft.entries = dice.weighted([
    [2, 1],
    [4, 2],
    [8, 6],
    [16, 2],
  ]);
  draft.setup = dice.weighted(profile.setups);
  const cq = dice.once(profile.tinyCq)
    ? ` ${dice.pick([1, 2, 4, 8].filter((size) => size >= draft.entries || dice.once(20)).concat(16))}`
    : "";
  draft.line(`setup ${draft.entries} ${draft.setup}${cq}`);
  addPair(draft, dice.weighted(profile.kinds));
  if (dice.once(5)) addPair(draft, dice.weighted(profile.kinds));
  for (const name of ["b", "c"]) {
    const size = name === "b" ? dice.pick(SIZES) : 4096;
    draft.line(`buf ${name} ${size} ${dice.below(200)}`);
    draft.bufs.push({ name, size, gone: false });
  }
  draft.line("buf r 8192 0");
  draft.line(`msg m iov=b:0:${dice.between(1, 100)},c:${dice.below(2000)}:${dice.below(2000)}`);
  draft.msgs.push("m");
  if (profile.areas.rsrc > 0 && dice.once(4)) writeRegbuf(draft);
  if (profile.areas.rsrc > 0 && dice.once(6)) writeRegfile(draft);
}

function addPair(draft: Draft, kind: SockKind): void {
  const { dice } = draft;
  const first = draft.socks.length === 0;
  const [near, far] = first ? ["A", "B"] : ["C", "D"];
  const device = dice.weighted<string>(
    kind === "udp"
      ? [
          ["lo", 4],
          ["veth", 2],
          ["ifb", 1],
        ]
      : kind === "tcp"
        ? [
            ["lo", 4],
            ["veth", 1],
          ]
        : [["lo", 1]],
  );
  let options = "";
  if (kind !== "udp" && dice.once(4)) options = ` sndbuf=${dice.pick([4096, 16384, 65536])}`;
  if (kind === "tcp" && dice.once(5)) options += ` rcvbuf=${dice.pick([8192, 65536])}`;
  draft.line(`pair ${near} ${far} ${kind} ${device}${options}`);
  draft.socks.push({ name: near, kind, device, peer: far, near: true, closed: false });
  if (device !== "ifb") draft.socks.push({ name: far, kind, device, peer: near, near: false, closed: false });
}

/** What is still queued goes out, and everything that can be seen is looked at. */
function finish(draft: Draft): void {
  if (draft.queued > 0 && draft.ringOpen) {
    draft.endChain();
    draft.line("submit");
    draft.queued = 0;
  }
  if (draft.ringOpen) draft.line("ring");
  draft.line("settle 30");
  for (const sock of draft.openSocks()) draft.line(`recvall ${sock.name} 400000 10`);
  if (draft.ringOpen) draft.line("settle 30");
  if (draft.ringOpen) draft.line("ring");
}
