// A campaign: programs 0 to N-1 of a seed, each judged, several at a time, and the differences shrunk as they are found.
import type { ProgramEvent } from "../program/events.ts";
import type { Emulator } from "./emulator.ts";
import { generate } from "./generate.ts";
import { type Judge, type Judgement, type Verdict, VERDICTS } from "./judge.ts";
import type { Modelled } from "./modelled.ts";
import type { Profile } from "./profiles.ts";
import { shrink } from "./shrink.ts";

export interface CampaignOptions {
  seed: number;
  from: number;
  count: number;
  length: number;
  profile: Profile;
  modelled: Modelled;
  /** Stop after so many differences. */
  limit: number;
  shrink: boolean;
}

export interface Difference {
  index: number;
  /** As it was generated, and as short as it became. */
  program: string;
  shrunk: string;
  judgement: Judgement;
}

export interface CampaignResult {
  counts: Record<Verdict, number>;
  differences: Difference[];
  /** What was not modelled, and how often. */
  notModelled: Map<string, number>;
  /** The programs that both sides ran, and the wall time that the kernel's side took for them once. */
  asked: string[];
  kernel_ms: number;
}

export interface CampaignHooks {
  onDifference(difference: Difference): void;
  onProgress(done: number): void;
  /** Told of every program and its verdict. */
  onJudged?(index: number, program: string, judgement: Judgement): void;
}

// A shrunk program must differ however often it is asked; the first answers decide most candidates.
const SHRINK_AGAIN = 3;

/** `judges` work side by side; each has a kernel of its own to ask. */
export async function runCampaign(
  judges: readonly Judge[],
  options: CampaignOptions,
  hooks: CampaignHooks,
): Promise<CampaignResult> {
  const counts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  const result: CampaignResult = { counts, differences: [], notModelled: new Map(), asked: [], kernel_ms: 0 };
  let next = 0;
  let done = 0;
  const work = async (judge: Judge): Promise<void> => {
    while (next < options.count && result.differences.length < options.limit) {
      const index = options.from + next++;
      const program = generate({ ...options, index });
      const judgement = await judge.judge(program);
      counts[judgement.verdict]++;
      const [first] = judgement.theirs;
      if (first !== undefined) {
        result.asked.push(program);
        result.kernel_ms += first.spent_ms;
      }
      hooks.onJudged?.(index, program, judgement);
      if (judgement.verdict === "not-modelled") {
        const what = (judgement.report ?? "").replace(/^line \d+: /, "");
        result.notModelled.set(what, (result.notModelled.get(what) ?? 0) + 1);
      }
      if (judgement.verdict === "different") {
        const difference = await shorten(judge, { index, program, shrunk: program, judgement }, options);
        result.differences.push(difference);
        hooks.onDifference(difference);
      }
      hooks.onProgress(++done);
    }
  };
  await Promise.all(judges.map(work));
  result.differences.sort((a, b) => a.index - b.index);
  return result;
}

async function shorten(judge: Judge, difference: Difference, options: CampaignOptions): Promise<Difference> {
  if (!options.shrink) return difference;
  const shrunk = await shrink(difference.program, async (candidate) => {
    try {
      return (await judge.judge(candidate, SHRINK_AGAIN)).verdict === "different";
    } catch {
      return false; // no program any more
    }
  });
  const judgement = await judge.judge(shrunk);
  // It may have been luck: then the long program is what there is.
  return judgement.verdict === "different" ? { ...difference, shrunk, judgement } : difference;
}

/** Wall time of all the programs, one after the other, in milliseconds. */
export async function timeEmulator(emulator: Emulator, programs: readonly string[]): Promise<number> {
  let spent_ms = 0;
  for (const program of programs) spent_ms += (await emulator.run(program)).spent_ms;
  return spent_ms;
}

/** A difference in the form of the files in tests/scenarios. */
export function toScenario(name: string, { shrunk, judgement }: Difference): object {
  const [observed, ...variants] = judgement.theirs.map(({ events }): ProgramEvent[] => events);
  const program = shrunk.split("\n").filter((line) => line !== "");
  return {
    name,
    category: "random",
    note: "",
    program,
    determinism: variants.length === 0 ? "exact" : "varies",
    observed,
    ...(variants.length === 0 ? {} : { variants: variants.map((events) => ({ observed: events })) }),
  };
}
