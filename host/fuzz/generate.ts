// Writes programs: a ring, sockets and buffers, then steps drawn from the rules, then a look at everything. The same seed
// and number give the same program everywhere.
import { IORING_OP_LAST } from "../../assembly/abi/uapi.ts";
import { Dice } from "./dice.ts";
import { Draft, type SockKind } from "./draft.ts";
import type { Modelled } from "./modelled.ts";
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
  /** Rules that write something else are left out; undefined: none are. */
  modelled?: Modelled;
  /** Told of every rule that is applied. */
  onRule?: (rule: Rule) => void;
}

const ALL_OPS: ReadonlySet<number> = new Set(Array.from({ length: IORING_OP_LAST }, (_, op) => op));
const SIZES = [100, 1000, 4096, 5000, 20000, 60000];

export function generate(options: GenerateOptions): string {
  const draft = new Draft(new Dice(options.seed, options.index), options.modelled?.ops ?? ALL_OPS);
  const rules = weighRules(options);
  begin(draft, options.profile);
  const end = draft.lines.length + options.length;
  while (draft.lines.length < end && draft.ring.open) writeOne(draft, rules, options.onRule);
  finish(draft);
  return `${draft.lines.join("\n")}\n`;
}

type Weighed = readonly (readonly [Rule, number])[];

function isModelled(rule: Rule, { ops, registers, calls }: Modelled): boolean {
  const all = <Item>(wanted: readonly Item[] | undefined, known: ReadonlySet<Item>) =>
    (wanted ?? []).every((item) => known.has(item));
  return all(rule.ops, ops) && all(rule.registers, registers) && all(rule.calls, calls);
}

function weighRules({ profile, modelled }: GenerateOptions): Weighed {
  const usable = RULES.filter((rule) => modelled === undefined || isModelled(rule, modelled));
  const totals = new Map<string, number>();
  for (const { area, weight } of usable) totals.set(area, (totals.get(area) ?? 0) + weight);
  return usable
    .map((rule) => [rule, (profile.areas[rule.area] * rule.weight) / totals.get(rule.area)!] as const)
    .filter(([, weight]) => weight > 0);
}

function writeOne(draft: Draft, rules: Weighed, onRule?: (rule: Rule) => void): void {
  const possible = rules.filter(([rule]) => rule.when === undefined || rule.when(draft));
  const before = draft.ring.queued;
  const rule = draft.dice.weighted(possible);
  onRule?.(rule);
  rule.write(draft);
  if (draft.ring.queued > before && draft.chain === undefined && draft.dice.once(4)) draft.submit();
}

function begin(draft: Draft, profile: Profile): void {
  const { dice } = draft;
  draft.decorations = profile.decorations;
  draft.ring.entries = dice.weighted([
    [2, 1],
    [4, 2],
    [8, 6],
    [16, 2],
  ]);
  draft.ring.setup = dice.weighted(profile.setups);
  const cq = dice.once(profile.tinyCq)
    ? ` ${dice.pick([1, 2, 4, 8].filter((size) => size >= draft.ring.entries || dice.once(20)).concat(16))}`
    : "";
  draft.line(`setup ${draft.ring.entries} ${draft.ring.setup}${cq}`);
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
  const last = draft.ring;
  draft.endChain();
  for (const ring of draft.rings.filter(({ open }) => open)) {
    if (ring !== draft.ring) draft.line(`use ${ring.name}`);
    draft.ring = ring;
    if (ring.queued > 0) draft.line("submit");
    draft.line("ring");
    draft.line("settle 30");
  }
  for (const sock of draft.openSocks()) draft.line(`recvall ${sock.name} 400000 10`);
  if (draft.rings.length > 1) {
    draft.line(`use ${last.name}`);
    draft.ring = last;
  }
  if (!draft.ring.open) return;
  draft.line("settle 30");
  draft.line("ring");
}
