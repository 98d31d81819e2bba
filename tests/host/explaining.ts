// What the tests of `ringzero explain` share: a program of a few lines, explained.
import "../../host/cli/node.ts";
import { explainProgram } from "../../host/explain/explain.ts";
import type { Explanation, RequestLife } from "../../host/explain/shape.ts";
import { Machine, type MachineOptions } from "../../host/machine.ts";
import { parseProgram } from "../../host/program/parse.ts";

export async function explain(
  lines: readonly string[],
  options: MachineOptions = {},
  fresh?: Machine,
): Promise<Explanation> {
  const program = parseProgram(lines.join("\n"), "t.zc");
  const machine = fresh ?? (await Machine.create({ ...program.machine, trace: true, build: "debug", ...options }));
  return explainProgram(machine, program);
}

/** The request with this user_data. */
export function request({ requests }: Explanation, ud: number): RequestLife {
  const found = requests.find(({ user_data }) => user_data === BigInt(ud));
  if (found === undefined) throw new Error(`no request has user_data ${ud}`);
  return found;
}

export const surprises = (explanation: Explanation, ud: number): string[] =>
  request(explanation, ud).surprises.map(({ rule }) => rule);

export const advice = ({ advice }: Explanation): string[] => advice.map(({ rule }) => rule);
