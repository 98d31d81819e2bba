// Receives through the ring.
import { IORING_OP_RECV, IORING_OP_RECVMSG } from "../../../assembly/abi/uapi.ts";
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";
import { badPointer, dirtyField, fdWord } from "./words.ts";

function receiveFlags(draft: Draft): string[] {
  const { dice } = draft;
  const words: string[] = [];
  if (dice.once(4))
    words.push(
      `mf=${dice.pick(["MSG_DONTWAIT", "MSG_WAITALL", "MSG_PEEK", "MSG_PEEK|MSG_DONTWAIT", "0x20", "MSG_WAITALL|MSG_DONTWAIT"])}`,
    );
  if (dice.once(10)) words.push(`ioprio=${dice.pick(["POLL_FIRST", "POLL_FIRST", "FIXED_BUF", "0x1000"])}`);
  return words;
}

function writeRecv(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock(({ near }) => !near || dice.once(4));
  if (sock === undefined) return;
  const words = [fdWord(draft, sock.name)];
  if (dice.once(16)) words.push(`addr=${badPointer(draft)}`, `len=${dice.pick([0, 10, 5000])}`);
  else {
    words.push("buf=r");
    if (dice.once(3)) words.push(`len=${dice.pick([0, 1, 100, 1000, 4096, 8192])}`);
  }
  draft.sqe("recv", [...words, ...receiveFlags(draft), dirtyField(draft)], { stays: true });
}

function writeRecvmsg(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock(({ near }) => !near || dice.once(4));
  if (sock === undefined) return;
  const name = draft.fresh("m");
  const first = dice.pick([1, 100, 4000]);
  draft.line(`msg ${name} iov=r:0:${first},r:4096:${dice.pick([0, 50, 4096])}`);
  draft.sqe("recvmsg", [fdWord(draft, sock.name), `msg=${name}`, ...receiveFlags(draft)], { stays: true });
}

const hasSocks = (draft: Draft) => draft.socks.length > 0;

export const RECEIVE_RULES: readonly Rule[] = [
  { name: "recv", area: "net", weight: 4, ops: [IORING_OP_RECV], when: hasSocks, write: writeRecv },
  { name: "recvmsg", area: "net", weight: 1, ops: [IORING_OP_RECVMSG], when: hasSocks, write: writeRecvmsg },
];
