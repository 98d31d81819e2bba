// Steps that look: they read what the ring, the sockets and the clock say.
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";

const hasSocks = (draft: Draft) => draft.openSocks().length > 0;

function writeRead(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock(({ near }) => !near || dice.once(5));
  if (sock === undefined) return;
  draft.flush();
  draft.line(
    dice.weighted<string>([
      [`recv ${sock.name} ${dice.pick([100, 5000, 100000])} 5`, 3],
      [`recvall ${sock.name} ${dice.pick([1000, 300000])} 10`, 3],
    ]),
  );
}

function look(line: (draft: Draft) => string): (draft: Draft) => void {
  return (draft) => {
    draft.flush();
    draft.line(line(draft));
  };
}

export const LOOK_RULES: readonly Rule[] = [
  { name: "settle", area: "observe", weight: 4, write: look(() => "settle 30") },
  {
    name: "reap",
    area: "observe",
    weight: 3,
    write: look(({ dice }) => dice.pick(["reap", "reap", "reap 1", "reap 2"])),
  },
  { name: "ring", area: "observe", weight: 3, write: look(() => "ring") },
  {
    name: "wait",
    area: "observe",
    weight: 1,
    write: look(({ dice }) => `wait ${dice.between(1, 3)} ${dice.pick([5, 20])}`),
  },
  { name: "msleep", area: "observe", weight: 1, write: look(({ dice }) => `msleep ${dice.pick([1, 5, 40])}`) },
  { name: "read", area: "observe", weight: 4, when: hasSocks, write: writeRead },
  {
    name: "errq",
    area: "observe",
    weight: 0.3,
    when: hasSocks,
    write: look((draft) => `errq ${draft.sock()?.name ?? "-1"} 2`),
  },
];
