// Registered buffers and files, and taking them away again, also between the two CQEs of a send.
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";

export function writeRegbuf(draft: Draft): void {
  const { dice } = draft;
  const count = dice.between(1, 3);
  const slots = Array.from({ length: count }, () => (dice.once(8) ? undefined : draft.buf().name));
  draft.line(`regbuf ${slots.map((name) => name ?? "-").join(" ")}`);
  if (draft.ring.regBufs.length === 0) draft.ring.regBufs = slots;
}

export function writeRegfile(draft: Draft): void {
  const { dice } = draft;
  const names = [...draft.openSocks(), ...draft.files].map(({ name }) => name);
  if (names.length === 0) return;
  const slots = Array.from({ length: dice.between(1, 3) }, () => (dice.once(10) ? "-1" : dice.pick(names)));
  draft.line(`regfile ${slots.join(" ")}`);
  if (draft.ring.regFiles.length === 0) draft.ring.regFiles = slots;
}

export const REGISTER_RULES: readonly Rule[] = [
  { name: "regbuf", area: "rsrc", weight: 2, write: writeRegbuf },
  {
    name: "unregbuf",
    area: "rsrc",
    weight: 2,
    when: (draft) => draft.ring.regBufs.length > 0 || draft.dice.once(8),
    write: (draft) => {
      if (draft.dice.once(2)) draft.flush();
      draft.line("unregbuf");
      draft.ring.regBufs = [];
    },
  },
  {
    name: "regfile",
    area: "rsrc",
    weight: 2,
    when: (draft) => draft.ring.regFiles.length === 0 || draft.dice.once(8),
    write: writeRegfile,
  },
];
