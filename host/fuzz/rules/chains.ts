// Chains and barriers: the flags that tie requests together.
import { IORING_OP_NOP } from "../../../assembly/abi/uapi.ts";
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";

/** The next requests, whatever they are, become a chain. */
function writeChain(draft: Draft): void {
  const { dice } = draft;
  if (draft.ring.queued > 0 && dice.once(2)) draft.submit();
  draft.chain = {
    left: dice.between(2, 4),
    flag: dice.weighted([
      ["IO_LINK", 5],
      ["IO_HARDLINK", 2],
    ]),
  };
}

function writeNop(draft: Draft): void {
  const { dice } = draft;
  const words = dice.weighted<string[]>([
    [[], 6],
    [["mf=1", `len=${dice.pick([5, 0xffffffea])}`], 1], // IORING_NOP_INJECT_RESULT
  ]);
  draft.sqe("nop", words);
}

export const CHAIN_RULES: readonly Rule[] = [
  { name: "chain", area: "link", weight: 3, when: (draft) => draft.chain === undefined, write: writeChain },
  { name: "nop", area: "link", weight: 2, ops: [IORING_OP_NOP], write: writeNop },
];
