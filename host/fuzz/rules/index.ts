// All rules of the grammar.
import type { Rule } from "../rule.ts";
import { BESIDE_RULES } from "./beside.ts";
import { CHAIN_RULES } from "./chains.ts";
import { FILE_RULES } from "./files.ts";
import { LOOK_RULES } from "./looks.ts";
import { NOISE_RULES } from "./noise.ts";
import { PBUF_RULES } from "./pbuf.ts";
import { RECEIVE_RULES } from "./receives.ts";
import { REGISTER_RULES } from "./registers.ts";
import { RING_CALL_RULES } from "./ring_calls.ts";
import { RING_RULES } from "./rings.ts";
import { SEND_RULES } from "./sends.ts";
import { SOCKET_RULES } from "./sockets.ts";
import { TABLE_RULES } from "./tables.ts";
import { WAIT_RULES } from "./waits.ts";

export const RULES: readonly Rule[] = [
  ...SEND_RULES,
  ...RECEIVE_RULES,
  ...WAIT_RULES,
  ...CHAIN_RULES,
  ...REGISTER_RULES,
  ...TABLE_RULES,
  ...PBUF_RULES,
  ...SOCKET_RULES,
  ...FILE_RULES,
  ...RING_RULES,
  ...RING_CALL_RULES,
  ...NOISE_RULES,
  ...LOOK_RULES,
  ...BESIDE_RULES,
];
