// Requests that wait: polls, timeouts, and what ends them. Times are either short, so that they fire while the program
// watches, or so long that they never do.
import {
  IORING_OP_ASYNC_CANCEL,
  IORING_OP_LINK_TIMEOUT,
  IORING_OP_POLL_ADD,
  IORING_OP_POLL_REMOVE,
  IORING_OP_TIMEOUT,
  IORING_OP_TIMEOUT_REMOVE,
} from "../../../assembly/abi/uapi.ts";
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";
import { dirtyField, fdWord } from "./words.ts";

const SHORT_MS = [20, 20, 25];
const LONG_MS = [3000, 5000];

const POLLIN = 1;
const POLLOUT = 4;
const POLLHUP = 0x10;
const POLLRDHUP = 0x2000;

/** Any file of the program. */
function anyFile(draft: Draft): string | undefined {
  const names = [...draft.openSocks().map(({ name }) => name), ...draft.files.map(({ name }) => name)];
  return names.length > 0 ? draft.dice.pick(names) : undefined;
}

function writePoll(draft: Draft): void {
  const { dice } = draft;
  const name = anyFile(draft);
  if (name === undefined) return;
  const events = dice.pick([
    POLLIN,
    POLLIN,
    POLLIN,
    POLLOUT,
    POLLIN | POLLOUT,
    POLLHUP,
    POLLRDHUP,
    POLLIN | POLLRDHUP,
    0,
  ]);
  const words = [fdWord(draft, name), `mf=${events}`];
  if (dice.once(3))
    words.push(
      `len=${dice.weighted([
        ["1", 6],
        ["8", 1],
        ["9", 1],
        ["0x10", 1],
      ])}`,
    );
  draft.sqe("poll_add", [...words, dirtyField(draft)], { stays: true });
}

function writePollRemove(draft: Draft): void {
  const { dice } = draft;
  const words = [`addr=${draft.target()}`];
  if (dice.once(2))
    words.push(
      `len=${dice.pick([2, 3, 4, 6, 7, 8])}`,
      `off=${4000 + dice.below(50)}`,
      `mf=${dice.pick([POLLIN, POLLOUT, POLLIN | POLLOUT])}`,
    );
  draft.sqe(String(IORING_OP_POLL_REMOVE), [...words, dirtyField(draft)]);
}

function writeTimeout(draft: Draft): void {
  const { dice } = draft;
  const short = dice.once(2);
  const words = [`ts_ms=${dice.pick(short ? SHORT_MS : LONG_MS)}`];
  if (dice.once(2)) words.push(`off=${dice.between(1, 4)}`);
  // ABS, BOOTTIME, REALTIME, ETIME_SUCCESS, MULTISHOT
  if (dice.once(5))
    words.push(
      `mf=${dice.weighted([
        ["0x20", 5],
        ["4", 1],
        ["8", 1],
        ["12", 1],
        ["0x40", short ? 0 : 3],
        ["2", 1],
      ])}`,
    );
  draft.sqe("timeout", [...words, dirtyField(draft)], { stays: true });
}

function writeTimeoutRemove(draft: Draft): void {
  draft.sqe(String(IORING_OP_TIMEOUT_REMOVE), [`addr=${draft.target()}`, dirtyField(draft)]);
}

// IORING_ASYNC_CANCEL_*: ALL, FD, ANY, FD_FIXED, USERDATA, OP
const CANCEL_FORMS = [
  "0",
  "0",
  "0",
  "1",
  "2",
  "3",
  "4",
  "5",
  "0x10",
  "0x11",
  "0x20",
  "0x21",
  "0x22",
  "0x23",
  "10",
  "0x40",
];

function writeCancel(draft: Draft): void {
  const { dice } = draft;
  const flags = dice.pick(CANCEL_FORMS);
  const words = [`addr=${draft.target()}`];
  if (flags !== "0") words.push(`mf=${flags}`);
  const sock = draft.sock();
  if (sock !== undefined && (Number(flags) & 2 || dice.once(20))) words.push(`fd=${sock.name}`);
  if (Number(flags) & 0x20) words.push(`len=${dice.pick([27, 6, 11, 26, 47, 0])}`);
  draft.sqe("cancel", [...words, dirtyField(draft)]);
}

/** The same as a call of its own. Its time is none, or short: a request that a worker runs for ever must not stop it. */
function writeSyncCancel(draft: Draft): void {
  const { dice } = draft;
  const flags = dice.pick(CANCEL_FORMS);
  const sock = draft.sock();
  const fd = sock !== undefined && Number(flags) & 2 ? `@${sock.name}` : "-1";
  const fields = [
    `0 u64 ${draft.target()}`,
    `8 i32 ${fd}`,
    `12 u32 ${flags}`,
    "16 i64 0 5000000",
    `32 u8 ${dice.pick([27, 6, 11, 26, 47, 0])}`,
  ];
  if (dice.once(15)) fields.push(`${dice.between(33, 63)} u8 1`);
  draft.line(`reg REGISTER_SYNC_CANCEL &${draft.struct(64, fields)} ${dice.once(20) ? 2 : 1}`);
}

/** A request that would wait, with a limit on how long. */
function writeLinkTimeout(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock(({ near }) => !near);
  if (sock === undefined) return;
  const link = dice.pick(["IO_LINK", "IO_LINK", "IO_LINK", "IO_HARDLINK"]);
  draft.chain = undefined;
  if (dice.once(3)) draft.sqe("poll_add", [`fd=${sock.name}`, "mf=1", `flags=${link}`], { plain: true, stays: true });
  else draft.sqe("recv", [`fd=${sock.name}`, "buf=r", `flags=${link}`], { plain: true, stays: true });
  const after = dice.once(3) ? `flags=${link}` : "";
  draft.sqe("link_timeout", [`ts_ms=${dice.pick(dice.once(2) ? SHORT_MS : LONG_MS)}`, after], {
    plain: true,
    stays: true,
  });
  if (after !== "") draft.sqe("nop", [], { plain: true });
}

const anyPending = (draft: Draft) => draft.ring.asked.length > 0;

export const WAIT_RULES: readonly Rule[] = [
  { name: "poll_add", area: "poll", weight: 4, ops: [IORING_OP_POLL_ADD], write: writePoll },
  {
    name: "poll_remove",
    area: "poll",
    weight: 2,
    ops: [IORING_OP_POLL_REMOVE],
    when: anyPending,
    write: writePollRemove,
  },
  { name: "timeout", area: "timeout", weight: 4, ops: [IORING_OP_TIMEOUT], write: writeTimeout },
  {
    name: "timeout_remove",
    area: "timeout",
    weight: 2,
    ops: [IORING_OP_TIMEOUT_REMOVE],
    when: anyPending,
    write: writeTimeoutRemove,
  },
  { name: "link_timeout", area: "timeout", weight: 2, ops: [IORING_OP_LINK_TIMEOUT], write: writeLinkTimeout },
  { name: "cancel", area: "cancel", weight: 4, ops: [IORING_OP_ASYNC_CANCEL], when: anyPending, write: writeCancel },
  { name: "sync cancel", area: "cancel", weight: 1, registers: [24], when: anyPending, write: writeSyncCancel },
];
