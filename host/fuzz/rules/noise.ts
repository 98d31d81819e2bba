// SQEs that nobody would write: random opcodes, random bytes in random fields.
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";
import { badPointer } from "./words.ts";

// Opcodes beyond the table, and everything the machine knows.
function writeNoise(draft: Draft): void {
  const { dice } = draft;
  const op = dice.once(10) ? dice.pick([64, 99, 255]) : dice.pick([...draft.ops]);
  const words: string[] = [];
  if (!dice.once(4)) words.push(`fd=${draft.anyFd() ?? "-1"}`);
  if (dice.once(2)) words.push(dice.once(4) ? `addr=${badPointer(draft)}` : `buf=${draft.buf().name}`);
  if (dice.once(3)) words.push(`len=${dice.pick([0, 1, 2, 8, 100])}`);
  const fields = ["ioprio", "mf", "bi", "off", "addr_len", "pad3", "addr3", "pad2", "personality"];
  for (const field of fields) if (dice.once(12)) words.push(`${field}=${dice.pick([1, 2, 4, 8, 16, 0x80, 0x8000])}`);
  // FIXED_FILE, DRAIN, LINK, HARDLINK, ASYNC, BUFFER_SELECT, CQE_SKIP, and the one that does not exist
  if (dice.once(3)) words.push(`flags=${dice.pick([1, 2, 4, 8, 16, 32, 64, 128])}`);
  draft.sqe(String(op), words, { plain: true });
}

export const NOISE_RULES: readonly Rule[] = [{ name: "noise", area: "hostile", weight: 3, write: writeNoise }];
