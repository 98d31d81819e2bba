// The two lines with KEY=VALUE settings that fill a struct: `sqe` and `msg`. The settings apply in the order in which
// they are written (`len` after `buf` wins), so they stay a list.
import { SQE_OFF_SENDZC_ADDR_LEN } from "../../assembly/abi/notif_slots.ts";
import { MSG_CONTROL_SIZE, MSG_IOV_MAX } from "./context.ts";
import type { Names } from "./parse.ts";
import type { MsgSetting, SqeNumberKey, SqeRawKey, SqeSetting, StepBody } from "./steps.ts";
import { SQE_OPS, SLOT_OPS, type SlotOp } from "./vocabulary.ts";
import { parseFlags, type Words } from "./words.ts";

const NUMBER_KEYS: readonly SqeNumberKey[] = [
  "addr",
  "len",
  "ud",
  "flags",
  "ioprio",
  "mf",
  "bi",
  "off",
  "addr_len",
  "pad3",
  "addr3",
  "pad2",
  "personality",
  "addr2",
  "file_index",
  "splice_fd_in",
  "splice_off_in",
  "cmd_op",
  "bgid",
  "level",
  "optname",
  "optlen",
  "optval",
  "slot",
  "tag",
];
const RAW_KEY = /^(u8|u16|u32|u64)\.(\d{1,3})$/;
const SQE_BYTES_MAX = 128;
const SQE_KEYS = ["fd", "buf", "msg", "iov", "ts_ms", "dest", ...NUMBER_KEYS] as const;
const MSG_KEYS = ["iov", "rep", "iovlen", "control", "ctltype", "ctllevel", "ctllen", "flags", "dest"] as const;
// Written once: a message that is hardly ever read must not be made for every word.
const SQE_KEY = `one of ${SQE_KEYS.join(", ")}, u8.N, u16.N, u32.N, u64.N`;
const SQE_SETTING = `KEY=VALUE with ${SQE_KEY}`;
const MSG_SETTING = `KEY=VALUE with one of ${MSG_KEYS.join(", ")}`;

function parseOpcode(words: Words, word: string): number {
  if (Object.hasOwn(SQE_OPS, word)) return SQE_OPS[word];
  const number = parseFlags(word);
  if (number === undefined) words.expected("an operation of docs/programs.md, or its number", word);
  return Number(number & 0xffn);
}

function parseSqeSetting(words: Words, names: Names, slotOp: SlotOp | undefined): SqeSetting {
  const [key, value] = words.pair(SQE_SETTING);
  const raw = RAW_KEY.exec(key);
  if (raw !== null) return parseRaw(words, names, raw, value);
  const known = SQE_KEYS.find((each) => each === key);
  switch (known ?? words.expected(SQE_KEY, key)) {
    case "fd":
      return { key: "fd", fd: names.fd(words, value) };
    case "buf": {
      const at = value.indexOf("+");
      if (at < 0) return { key: "buf", buf: names.buf(words, value), offset: 0 };
      const offset = words.size("an offset into the buffer", value.slice(at + 1));
      return { key: "buf", buf: names.buf(words, value.slice(0, at)), offset };
    }
    case "msg":
      return { key: "msg", msg: names.msg(words, value) };
    case "iov":
      return { key: "iov", msg: names.msg(words, value) };
    case "ts_ms":
      return { key: "ts_ms", ms: Number(words.flags64("a number of milliseconds", value)) };
    case "dest":
      return { key: "dest", dest: words.destination(value), ...(slotOp && { lengthAt: SQE_OFF_SENDZC_ADDR_LEN }) };
    case "addr_len":
      return { key: slotOp ? "pad3" : "addr_len", value: names.arg(words, "a length", value) };
    default:
      return { key: key as SqeNumberKey, value: names.arg(words, `a value for ${key}`, value) };
  }
}

function parseRaw(words: Words, names: Names, [word, type, offset]: RegExpExecArray, value: string): SqeSetting {
  const at = Number(offset);
  if (at + Number(type.slice(1)) / 8 > SQE_BYTES_MAX)
    words.expected(`an offset inside of ${SQE_BYTES_MAX} bytes`, word);
  return { key: type as SqeRawKey, at, value: names.arg(words, `a value for ${word}`, value) };
}

export function parseSqe(words: Words, names: Names): StepBody {
  const word = words.word("an operation");
  const slotOp = Object.hasOwn(SLOT_OPS, word) ? SLOT_OPS[word] : undefined;
  const opcode = slotOp?.opcode ?? parseOpcode(words, word);
  const settings: SqeSetting[] = [];
  if (slotOp?.ioprio !== undefined) settings.push({ key: "ioprio", value: BigInt(slotOp.ioprio) });
  while (words.left > 0) settings.push(parseSqeSetting(words, names, slotOp));
  return { op: "sqe", opcode, settings };
}

function parseSegments(words: Words, names: Names, text: string): MsgSetting {
  const segments = text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [buf, offset, length, more] = part.split(":");
      if (length === undefined || more !== undefined) words.expected("iov=BUF:OFFSET:LENGTH,...", part);
      return {
        buf: names.buf(words, buf),
        offset: words.size("an offset", offset),
        length: words.size("a length", length),
      };
    });
  return { key: "iov", segments };
}

function parseMsgSetting(words: Words, names: Names): MsgSetting {
  const [key, value] = words.pair(MSG_SETTING);
  switch (words.oneOf(MSG_KEYS, key)) {
    case "iov":
      return parseSegments(words, names, value);
    case "dest":
      return { key: "dest", dest: words.destination(value) };
    case "rep": {
      const count = words.int(`a number of segments up to ${MSG_IOV_MAX}`, value);
      if (count < 0 || count > MSG_IOV_MAX) words.expected(`a number of segments up to ${MSG_IOV_MAX}`, value);
      return { key: "rep", value: count };
    }
    case "control": {
      const length = words.size(`a control length up to ${MSG_CONTROL_SIZE}`, value);
      if (length > MSG_CONTROL_SIZE) words.expected(`a control length up to ${MSG_CONTROL_SIZE}`, value);
      return { key: "control", value: length };
    }
    case "iovlen":
      return { key: "iovlen", value: words.size("a number of segments", value) };
    case "flags":
      return { key: "flags", value: words.flags32("message flags", value) };
    default:
      return { key: key as "ctltype" | "ctllevel" | "ctllen", value: words.int(`a number for ${key}`, value) };
  }
}

export function parseMsg(words: Words, names: Names): StepBody {
  const name = words.newName("a name for the message");
  const settings: MsgSetting[] = [];
  while (words.left > 0) settings.push(parseMsgSetting(words, names));
  names.msgs.add(name);
  return { op: "msg", name, settings };
}
