// The text form of a program (`.zc`): one step per line, words separated by blanks, `#` starts a comment.
//
// What a line may name is checked here, so that a misspelt name is found before anything runs: a buffer, message, socket
// or file must have been made by a line above.
import { DEVICE_PEERS, type DeviceName } from "../net/standard.ts";
import { noSuch } from "../core/near.ts";
import { findProfile, PROFILES, parseSwitch, switchesError } from "../profile/profiles.ts";
import { parseNicKnobs } from "./parse_nic.ts";
import { LINKS, parseLink } from "./parse_link.ts";
import { parseMsg, parseSqe } from "./parse_sqe.ts";
import { parseGet, parseHash, parseMap, parsePut } from "./parse_memory.ts";
import { parseEnter, parseReg, parseSetup, parseSys } from "./parse_calls.ts";
import {
  type Arg,
  type FdRef,
  PAIR_KINDS,
  type Program,
  SOCKET_KINDS,
  SOCKOPTS,
  type StepBody,
  type StepOp,
} from "./steps.ts";
import { parseFlags, Words } from "./words.ts";

const LINE_MAX = 4094;
const WORDS_MAX = 64;
// Sizes of the harness's own buffers, for what a step sends or receives at once.
const FILL_MAX = 1 << 16;
const RECV_MAX = 1 << 20;
const DEVICES = Object.keys(DEVICE_PEERS) as DeviceName[];

/** The names that the lines so far have made. */
export class Names {
  readonly fds = new Set<string>();
  readonly bufs = new Set<string>();
  readonly msgs = new Set<string>();
  /** The ring that `setup` sets up next. */
  ring = "0";

  /** A name, @NAME, or a number. */
  fd(words: Words, word = words.word("a socket, file or pipe")): FdRef {
    if (this.fds.has(word)) return word;
    if (word.startsWith("@") && this.fds.has(word.slice(1))) return word.slice(1);
    const number = parseFlags(word);
    if (number === undefined) words.expected("a socket, file or pipe made above, or a number", word);
    return String(BigInt.asIntN(32, number));
  }

  /** An ARG: a number, names joined by |, @NAME, &BUF or &BUF+OFFSET. */
  arg(words: Words, what: string, word = words.word(what)): Arg {
    if (word.startsWith("@")) {
      const name = word.slice(1);
      return this.fds.has(name) ? { fd: name } : words.expected("@ and a descriptor made above", word);
    }
    if (!word.startsWith("&"))
      return parseFlags(word) ?? words.expected(`${what} (a number, names joined by |, @NAME or &BUF)`, word);
    const [name, offset, more] = word.slice(1).split("+");
    if (more !== undefined || !this.memory.has(name)) words.expected("& and a buffer or message made above", word);
    return { at: name, offset: offset === undefined ? 0 : words.size("an offset", offset) };
  }

  args(words: Words, what: string): Arg[] {
    const args: Arg[] = [];
    while (words.left > 0) args.push(this.arg(words, what));
    return args;
  }

  /** What has an address: a buffer or a message. */
  get memory(): ReadonlySet<string> {
    return new Set([...this.bufs, ...this.msgs]);
  }

  area(words: Words, word = words.word("a buffer or message")): string {
    return this.memory.has(word) ? word : words.expected("a buffer or message made above", word);
  }

  buf(words: Words, word = words.word("a buffer")): string {
    return this.bufs.has(word) ? word : words.expected("a buffer made above", word);
  }

  msg(words: Words, word = words.word("a message")): string {
    return this.msgs.has(word) ? word : words.expected("a message made above", word);
  }
}

type Parser = (words: Words, names: Names) => StepBody;

function parsePair(words: Words, names: Names): StepBody {
  const a = words.newName("a name for the near socket");
  const b = words.newName("a name for the far socket");
  if (a === b) words.expected("another name for the far socket", b);
  const kind = words.oneOf(PAIR_KINDS);
  const device = words.left > 0 ? words.oneOf(DEVICES) : "lo";
  const options = { sndbuf: 0, rcvbuf: 0, nodelay: 1 };
  while (words.left > 0) {
    const [key, value] = words.pair("sndbuf=, rcvbuf= or nodelay=");
    options[words.oneOf(["sndbuf", "rcvbuf", "nodelay"], key)] = words.int(`a number for ${key}`, value);
  }
  names.fds.add(a).add(b);
  return { op: "pair", a, b, kind, device, ...options };
}

function parsePipe(words: Words, names: Names): StepBody {
  const read = words.newName("a name for the read end");
  const write = words.newName("a name for the write end");
  if (read === write) words.expected("another name for the write end", write);
  names.fds.add(read).add(write);
  return { op: "pipe", read, write };
}

function parseBuf(words: Words, names: Names): StepBody {
  const name = words.newName("a name for the buffer");
  const length = words.size("a number of bytes");
  const seed = words.left > 0 ? words.int("a seed") : 1;
  names.bufs.add(name);
  return { op: "buf", name, length, seed };
}

function parseSniff(words: Words, names: Names): StepBody {
  const name = words.newName("a name for the tap");
  const namespace = words.oneOf(["ns_a", "ns_b"]) === "ns_b" ? "b" : "a";
  const device = words.oneOf(LINKS);
  names.fds.add(name);
  return { op: "sniff", name, namespace, device };
}

function named<Name extends "socket" | "file">(op: Name, parse: (words: Words, name: string) => StepBody): Parser {
  return (words, names) => {
    const name = words.newName(`a name for the ${op}`);
    const step = parse(words, name);
    names.fds.add(name);
    return step;
  };
}

/** An optional number at the end of a line. */
const optional = (words: Words, what: string, otherwise: number) => (words.left > 0 ? words.int(what) : otherwise);

const optionalMs = (words: Words, otherwise: number) => (words.left > 0 ? words.ms() : otherwise);

const PARSERS: Record<StepOp, Parser> = {
  setup: parseSetup,
  use: (words, names) => {
    names.ring = words.ringName();
    return { op: "use", ring: names.ring };
  },
  pair: parsePair,
  socket: named("socket", (words, name) => ({ op: "socket", name, kind: words.oneOf(SOCKET_KINDS) })),
  file: named("file", (words, name) => ({ op: "file", name, size: words.size("a number of bytes") })),
  pipe: parsePipe,
  buf: parseBuf,
  poke: (words, names) => ({
    op: "poke",
    buf: names.buf(words),
    offset: words.size("an offset"),
    length: words.size("a number of bytes"),
    byte: words.flags32("a byte") & 255,
  }),
  unmap: (words, names) => ({ op: "unmap", buf: names.buf(words) }),
  mprotect_none: (words, names) => ({ op: "mprotect_none", buf: names.buf(words) }),
  msg: parseMsg,
  sqe: parseSqe,
  submit: (words) => (words.left > 0 ? { op: "submit", count: words.int("a number of SQEs") } : { op: "submit" }),
  submitwait: (words) => ({
    op: "submitwait",
    count: words.int("a number of CQEs to wait for"),
    ms: optionalMs(words, 200),
  }),
  wait: (words) => ({ op: "wait", count: words.int("a number of CQEs to wait for"), ms: optionalMs(words, 200) }),
  enter: parseEnter,
  reg: parseReg,
  sys: parseSys,
  fd: (words, names) => {
    const name = words.newName("a name for the descriptor");
    const value = names.arg(words, "a number");
    names.fds.add(name);
    return { op: "fd", name, value };
  },
  map: parseMap,
  put: parsePut,
  get: parseGet,
  hash: parseHash,
  reap: (words) => ({ op: "reap", max: optional(words, "a number of CQEs", 4096) }),
  settle: (words) => ({ op: "settle", ms: optionalMs(words, 30) }),
  ring: () => ({ op: "ring" }),
  ringmem: () => ({ op: "ringmem" }),
  regbuf: (words, names) => ({
    op: "regbuf",
    bufs: words.rest().map((word) => (word === "-" ? undefined : names.buf(words, word))),
  }),
  unregbuf: () => ({ op: "unregbuf" }),
  regfile: (words, names) => ({ op: "regfile", fds: words.rest().map((word) => names.fd(words, word)) }),
  enable: () => ({ op: "enable" }),
  closering: () => ({ op: "closering" }),
  notifiers: (words) => ({ op: "notifiers", tags: words.rest().map((word) => words.flags64("a tag", word)) }),
  unnotifiers: () => ({ op: "unnotifiers" }),
  exitring: () => ({ op: "exitring" }),
  exiting: () => ({ op: "exiting" }),
  syssend: (words, names) => {
    const fd = names.fd(words);
    const buf = names.buf(words);
    const length = words.left > 0 ? words.size("a number of bytes") : undefined;
    const flags = words.left > 0 ? words.flags32("message flags") : 0;
    return { op: "syssend", fd, buf, flags, ...(length === undefined ? {} : { length }) };
  },
  fill: (words, names) => {
    const fd = names.fd(words);
    const chunk = words.left > 0 ? words.size("a number of bytes") : FILL_MAX;
    if (chunk < 1 || chunk > FILL_MAX) words.expected(`1 to ${FILL_MAX} bytes`, String(chunk));
    return { op: "fill", fd, chunk, count: words.rest().length > 0 };
  },
  recv: (words, names) => {
    const step = parseReceive(words, names, 50);
    if (step.length > RECV_MAX) words.expected(`at most ${RECV_MAX} bytes`, String(step.length));
    return { op: "recv", ...step };
  },
  recvall: (words, names) => ({ op: "recvall", ...parseReceive(words, names, 60) }),
  drainrx: (words, names) => {
    const fd = names.fd(words);
    const ms = optionalMs(words, 40);
    const limit = words.left > 0 ? words.size("a number of bytes") : undefined;
    const count = words.rest().length > 0;
    return { op: "drainrx", fd, ms, count, ...(limit === undefined ? {} : { limit }) };
  },
  errq: (words, names) => ({ op: "errq", fd: names.fd(words), ms: optionalMs(words, 20) }),
  sockopt: (words, names) => ({
    op: "sockopt",
    fd: names.fd(words),
    name: words.oneOf(SOCKOPTS),
    value: words.int("a value"),
  }),
  sniff: parseSniff,
  link: (words) => parseLink(words),
  shutdown: (words, names) => ({ op: "shutdown", fd: names.fd(words), how: words.int("0, 1 or 2") }),
  close: (words, names) => ({ op: "close", fd: names.fd(words) }),
  rlimit_memlock: (words) => ({ op: "rlimit_memlock", bytes: words.size("a number of bytes") }),
  setuid: (words) => ({ op: "setuid", uid: words.int("a user id") }),
  msleep: (words) => ({ op: "msleep", ms: words.ms() }),
  // Only the first word is the text: the rest of the line is ignored.
  say: (words) => ({ op: "say", text: words.rest()[0] ?? "" }),
  nic: (words) => ({ op: "nic", knobs: parseNicKnobs(words) }),
};

function parseReceive(words: Words, names: Names, ms: number): { fd: FdRef; length: number; ms: number } {
  return { fd: names.fd(words), length: words.size("a number of bytes"), ms: optionalMs(words, ms) };
}

function parserOf(words: Words): Parser {
  if (Object.hasOwn(PARSERS, words.op)) return PARSERS[words.op as StepOp];
  return words.expected("the name of an operation (setup, pair, sqe, submit, ...)", words.op);
}

/** `profile NAME [SWITCH[=VALUE] ...]`: no step, the machine is made with it. */
function parseProfile(words: Words, program: Program): Program["machine"] {
  if (program.steps.length > 0 || program.machine.profile !== undefined)
    words.expected("the profile once, before the first step", words.op);
  const profile = words.word("the name of a profile");
  const kernel = findProfile(profile);
  if (kernel === undefined)
    words.wrong(
      noSuch(
        "profile",
        profile,
        PROFILES.map(({ name }) => name),
      ),
    );
  const switches: Record<string, number> = {};
  for (const word of words.rest()) {
    const found = parseSwitch(word);
    if ("error" in found) words.wrong(found.error);
    switches[found.name] = found.value;
  }
  const wrong = switchesError(kernel, switches);
  if (wrong !== undefined) words.wrong(wrong);
  return { profile, switches };
}

/** Throws ProgramSyntaxError at the first line that is not in the language. */
export function parseProgram(text: string, name: string): Program {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  const names = new Names();
  const program: Program = { name, machine: {}, steps: [], lines: lines.length };
  lines.forEach((line, index) => {
    const found = line
      .replace(/#.*/, "")
      .split(/[ \t]+/)
      .filter((word) => word !== "");
    if (found.length === 0) return;
    const words = new Words(name, index + 1, found);
    if (line.length > LINE_MAX) words.expected(`at most ${LINE_MAX} characters in a line`, `${line.length} characters`);
    if (found.length > WORDS_MAX) words.expected(`at most ${WORDS_MAX} words in a line`, `${found.length} words`);
    if (words.op === "profile") {
      program.machine = parseProfile(words, program);
      return;
    }
    const step = parserOf(words)(words, names);
    words.end();
    program.steps.push({ ...step, line: index + 1 });
  });
  return program;
}
