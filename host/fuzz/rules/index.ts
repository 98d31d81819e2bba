// All rules of the grammar.
import type { Rule } from "../rule.ts";
import { BESIDE_RULES } from "./beside.ts";
import { CHAIN_RULES } from "./chains.ts";
import { LOOK_RULES } from "./looks.ts";
import { RECEIVE_RULES } from "./receives.ts";
import { REGISTER_RULES } from "./registers.ts";
import { SEND_RULES } from "./sends.ts";
import { WAIT_RULES } from "./waits.ts";

export const RULES: readonly Rule[] = [
  ...SEND_RULES,
  ...RECEIVE_RULES,
  ...WAIT_RULES,
  ...CHAIN_RULES,
  ...REGISTER_RULES,
  ...LOOK_RULES,
  ...BESIDE_RULES,
];
