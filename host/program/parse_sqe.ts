// The two lines with KEY=VALUE settings that fill a struct: `sqe` and `msg`. The settings apply in the order in which
// they are written (`len` after `buf` wins), so they stay a list.
import * as uapi from "../../assembly/abi/uapi.ts";
import type { Names } from "./parse.ts";
import type { MsgSetting, SqeNumberKey, SqeSetting, StepBody } from "./steps.ts";
import { parseFlags, type Words } from "./words.ts";

/** Operations by the name that a program uses. */
export const SQE_OPS: Record<string, number> = {
  nop: uapi.IORING_OP_NOP,
  readv: uapi.IORING_OP_READV,
  read_fixed: uapi.IORING_OP_READ_FIXED,
  poll_add: uapi.IORING_OP_POLL_ADD,
  sendmsg: uapi.IORING_OP_SENDMSG,
  recvmsg: uapi.IORING_OP_RECVMSG,
  timeout: uapi.IORING_OP_TIMEOUT,
  accept: uapi.IORING_OP_ACCEPT,
  cancel: uapi.IORING_OP_ASYNC_CANCEL,
  link_timeout: uapi.IORING_OP_LINK_TIMEOUT,
  connect: uapi.IORING_OP_CONNECT,
  close: uapi.IORING_OP_CLOSE,
  write: uapi.IORING_OP_WRITE,
  send: uapi.IORING_OP_SEND,
  recv: uapi.IORING_OP_RECV,
  splice: uapi.IORING_OP_SPLICE,
  shutdown: uapi.IORING_OP_SHUTDOWN,
  socket: uapi.IORING_OP_SOCKET,
  send_zc: uapi.IORING_OP_SEND_ZC,
  sendmsg_zc: uapi.IORING_OP_SENDMSG_ZC,
};

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
];
const SQE_KEYS = ["fd", "buf", "msg", "iov", "ts_ms", "dest", ...NUMBER_KEYS] as const;
const MSG_KEYS = ["iov", "rep", "iovlen", "control", "ctltype", "ctllevel", "ctllen", "flags", "dest"] as const;

/** Segments that one message has room for. */
export const MSG_IOV_MAX = 1100;
const MSG_CONTROL_MAX = 256;

function parseOpcode(words: Words): number {
  const word = words.word("an operation");
  if (Object.hasOwn(SQE_OPS, word)) return SQE_OPS[word];
  const number = parseFlags(word);
  if (number === undefined) words.expected(`an operation (${Object.keys(SQE_OPS).join(", ")}) or its number`, word);
  return Number(number & 0xffn);
}

function parseSqeSetting(words: Words, names: Names): SqeSetting {
  const [key, value] = words.pair(`KEY=VALUE with one of ${SQE_KEYS.join(", ")}`);
  switch (words.oneOf(SQE_KEYS, key)) {
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
      return { key: "dest", dest: words.destination(value) };
    default:
      return { key: key as SqeNumberKey, value: words.flags64(`a value for ${key}`, value) };
  }
}

export function parseSqe(words: Words, names: Names): StepBody {
  const opcode = parseOpcode(words);
  const settings: SqeSetting[] = [];
  while (words.left > 0) settings.push(parseSqeSetting(words, names));
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
  const [key, value] = words.pair(`KEY=VALUE with one of ${MSG_KEYS.join(", ")}`);
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
      const length = words.size(`a control length up to ${MSG_CONTROL_MAX}`, value);
      if (length > MSG_CONTROL_MAX) words.expected(`a control length up to ${MSG_CONTROL_MAX}`, value);
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
