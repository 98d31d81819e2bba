// Sends, with and without zero copy: every flag, every way to say where the bytes are.
import {
  IORING_OP_SEND,
  IORING_OP_SENDMSG,
  IORING_OP_SENDMSG_ZC,
  IORING_OP_SEND_ZC,
} from "../../../assembly/abi/uapi.ts";
import type { Draft, Sock } from "../draft.ts";
import type { Rule } from "../rule.ts";
import { badPointer, dirtyField, fdWord, messageFlags } from "./words.ts";

/** The near end of a pair mostly; the far end can send too. */
function sender(draft: Draft): Sock | undefined {
  return draft.sock(({ near }) => near || draft.dice.once(4));
}

function bytesWords(draft: Draft): string[] {
  const { dice } = draft;
  const { name, size } = draft.buf();
  return dice.weighted<() => string[]>([
    [() => [`buf=${name}`], 8],
    [() => [`buf=${name}`, `len=${dice.between(1, size)}`], 4],
    [() => [`buf=${name}`, `len=${dice.pick([0, 1, 10, 1472, 1473, 4096, 4097, 65507, 65508])}`], 1],
    [() => [`buf=${name}+${dice.below(size)}`], 2],
    [() => [`addr=${badPointer(draft)}`, `len=${dice.pick([0, 1, 10, 5000])}`], 1],
  ])();
}

function zcIoprio(draft: Draft, vectors: boolean): string {
  const { dice } = draft;
  if (dice.once(2)) return "";
  const flags = dice.flags([
    ["REPORT_USAGE", 2],
    ["POLL_FIRST", 8],
    ["BUNDLE", 30],
    ["0x8000", 40],
    ["RECV_MULTISHOT", 60],
    ["VECTORIZED", vectors ? 30 : 40],
  ]);
  return flags;
}

function registered(draft: Draft, flags: string): string[] {
  const {
    dice,
    ring: { regBufs },
  } = draft;
  const wanted = regBufs.length > 0 ? dice.once(3) : dice.once(30);
  if (!wanted) return flags === "" ? [] : [`ioprio=${flags}`];
  const words = [`ioprio=${flags === "" ? "FIXED_BUF" : `${flags}|FIXED_BUF`}`];
  const slot = dice.once(8) ? regBufs.length + dice.below(3) : dice.below(Math.max(1, regBufs.length));
  if (slot > 0) words.push(`bi=${slot}`);
  const name = regBufs[slot];
  if (name !== undefined && !dice.once(8)) words.push("#bytes", name);
  return words;
}

/** FIXED_BUF needs bytes inside the registered buffer: takes the name that registered() left behind. */
function merge(draft: Draft, words: string[]): string[] {
  const at = words.indexOf("#bytes");
  if (at < 0) return [...bytesWords(draft), ...words];
  const [, name] = words.splice(at, 2);
  const { size } = draft.bufs.find((each) => each.name === name) ?? { size: 1 };
  const start = draft.dice.once(3) ? draft.dice.below(size) : 0;
  return [start > 0 ? `buf=${name}+${start}` : `buf=${name}`, ...words];
}

function destination(draft: Draft, sock: Sock): string {
  if (!draft.dice.once(sock.kind === "udp" ? 8 : 40)) return "";
  const target =
    sock.kind === "udp" && draft.peerOf(sock)?.closed === false ? `127.0.0.1:@${sock.peer}` : "127.0.0.1:9";
  return `dest=${draft.dice.pick([target, target, "127.0.0.1:9", "10.99.0.1:5"])}`;
}

function writeSend(draft: Draft, op: string, zero: boolean): void {
  const sock = sender(draft);
  if (sock === undefined) return;
  const { dice } = draft;
  const words = [fdWord(draft, sock.name)];
  if (zero) words.push(...merge(draft, registered(draft, zcIoprio(draft, false))));
  else {
    words.push(...bytesWords(draft));
    if (dice.once(8))
      words.push(`ioprio=${dice.pick(["POLL_FIRST", "POLL_FIRST", "FIXED_BUF", "RECV_MULTISHOT", "0x4000"])}`);
  }
  words.push(messageFlags(draft, sock), destination(draft, sock), dirtyField(draft));
  draft.sqe(op, words, { stays: dice.once(4) });
}

function writeSendmsg(draft: Draft, op: string, zero: boolean): void {
  const sock = sender(draft);
  if (sock === undefined || draft.msgs.length === 0) return;
  const flags = zero ? zcIoprio(draft, true) : draft.dice.once(8) ? "POLL_FIRST" : "";
  const words = [fdWord(draft, sock.name), `msg=${draft.dice.pick(draft.msgs)}`];
  if (flags !== "") words.push(`ioprio=${flags}`);
  words.push(messageFlags(draft, sock), dirtyField(draft));
  draft.sqe(op, words);
}

/** A message of a few segments, some of them empty or overlapping. */
function writeMsg(draft: Draft): void {
  const { dice } = draft;
  const name = draft.fresh("m");
  const segments = Array.from(
    {
      length: dice.weighted([
        [1, 4],
        [2, 3],
        [3, 2],
        [5, 1],
      ]),
    },
    () => {
      const { name: buf, size } = draft.buf();
      const offset = dice.once(2) ? 0 : dice.below(size);
      const length = dice.once(10)
        ? 0
        : dice.between(1, Math.max(1, Math.min(size - offset, dice.pick([60, 1000, 9000]))));
      return `${buf}:${offset}:${length}`;
    },
  );
  const words = ["msg", name, `iov=${segments.join(",")}`];
  if (dice.once(12)) words.push(`rep=${dice.pick([2, 17, 18, 40])}`);
  if (dice.once(25)) words.push(`iovlen=${dice.pick([0, 1024, 1025])}`);
  draft.line(words.join(" "));
  draft.msgs.push(name);
}

const hasSocks = (draft: Draft) => draft.socks.length > 0;

export const SEND_RULES: readonly Rule[] = [
  {
    name: "send_zc",
    area: "zc",
    weight: 10,
    ops: [IORING_OP_SEND_ZC],
    when: hasSocks,
    write: (draft) => writeSend(draft, "send_zc", true),
  },
  {
    name: "sendmsg_zc",
    area: "zc",
    weight: 3,
    ops: [IORING_OP_SENDMSG_ZC],
    when: hasSocks,
    write: (draft) => writeSendmsg(draft, "sendmsg_zc", true),
  },
  {
    name: "send",
    area: "net",
    weight: 4,
    ops: [IORING_OP_SEND],
    when: hasSocks,
    write: (draft) => writeSend(draft, "send", false),
  },
  {
    name: "sendmsg",
    area: "net",
    weight: 2,
    ops: [IORING_OP_SENDMSG],
    when: hasSocks,
    write: (draft) => writeSendmsg(draft, "sendmsg", false),
  },
  { name: "msg", area: "net", weight: 1, when: (draft) => draft.msgs.length < 6, write: writeMsg },
];
