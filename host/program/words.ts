// Reads the words of one line of a program and says what it expected when it finds something else:
// `FILE:LINE: expected ..., got ...`.
import { parseIp } from "../sys/user_memory.ts";
import type { Destination } from "./steps.ts";

/** The program does not follow the language. The message starts with FILE:LINE. */
export class ProgramSyntaxError extends Error {
  override readonly name = "ProgramSyntaxError";
}

// Flags by name. The names of several groups of flags share one table, as no two mean different things.
const FLAGS: Record<string, number> = {
  IOPOLL: 1,
  SQPOLL: 2,
  CQSIZE: 8,
  CLAMP: 16,
  R_DISABLED: 64,
  SUBMIT_ALL: 128,
  COOP_TASKRUN: 256,
  TASKRUN_FLAG: 512,
  SQE128: 1024,
  CQE32: 2048,
  SINGLE_ISSUER: 4096,
  DEFER_TASKRUN: 8192,
  NO_SQARRAY: 1 << 16,
  CQE_MIXED: 1 << 18,
  FIXED_FILE: 1,
  IO_DRAIN: 2,
  IO_LINK: 4,
  IO_HARDLINK: 8,
  ASYNC: 16,
  BUFFER_SELECT: 32,
  CQE_SKIP: 64,
  POLL_FIRST: 1,
  RECV_MULTISHOT: 2,
  FIXED_BUF: 4,
  REPORT_USAGE: 8,
  BUNDLE: 16,
  VECTORIZED: 32,
  MSG_OOB: 1,
  MSG_PEEK: 2,
  MSG_DONTROUTE: 4,
  MSG_DONTWAIT: 0x40,
  MSG_EOR: 0x80,
  MSG_WAITALL: 0x100,
  MSG_CONFIRM: 0x800,
  MSG_NOSIGNAL: 0x4000,
  MSG_MORE: 0x8000,
  MSG_SENDPAGE_NOTLAST: 0x20000,
  MSG_ZEROCOPY: 0x4000000,
  MSG_SPLICE_PAGES: 0x8000000,
  MSG_FASTOPEN: 0x20000000,
};

// The C harness keeps names in 16 bytes with the final zero.
const NAME_MAX = 15;
const INTEGER = /^-?(?:0[xX][0-9a-fA-F]+|\d+)$/;

/** An integer as strtoull(text, 0, 0) reads it: hexadecimal after 0x, octal after 0, wrapped to 64 bits. */
function integer(text: string): bigint | undefined {
  if (!INTEGER.test(text)) return undefined;
  const negative = text.startsWith("-");
  const digits = negative ? text.slice(1) : text;
  const octal = /^0\d+$/.test(digits);
  if (octal && /[89]/.test(digits)) return undefined;
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  return BigInt.asUintN(64, negative ? -value : value);
}

/** A number, or flag names and numbers joined by |, as 64 bits. */
export function parseFlags(text: string): bigint | undefined {
  let value = 0n;
  for (const word of text.split("|").filter((part) => part !== "")) {
    const part = Object.hasOwn(FLAGS, word) ? BigInt(FLAGS[word]) : integer(word);
    if (part === undefined) return undefined;
    value |= part;
  }
  return text === "" ? undefined : value;
}

export class Words {
  readonly #where: string;
  readonly #words: readonly string[];
  #next = 1;

  constructor(file: string, line: number, words: readonly string[]) {
    this.#where = `${file}:${line}`;
    this.#words = words;
  }

  /** Stops with `FILE:LINE: expected ..., got ...`. */
  expected(what: string, got?: string): never {
    throw new ProgramSyntaxError(
      `${this.#where}: expected ${what}, got ${got === undefined ? "the end of the line" : `'${got}'`}`,
    );
  }

  get op(): string {
    return this.#words[0];
  }

  /** The words not read yet. */
  get left(): number {
    return this.#words.length - this.#next;
  }

  peek(): string | undefined {
    return this.#words[this.#next];
  }

  word(what: string): string {
    const word = this.peek();
    if (word === undefined) this.expected(what);
    this.#next++;
    return word;
  }

  rest(): string[] {
    const rest = this.#words.slice(this.#next);
    this.#next = this.#words.length;
    return rest;
  }

  end(): void {
    if (this.left > 0) this.expected(`nothing more after '${this.#words.slice(0, this.#next).join(" ")}'`, this.peek());
  }

  /** A name that this line gives to something. */
  newName(what: string): string {
    const word = this.word(what);
    if (word.length > NAME_MAX) this.expected(`${what} of at most ${NAME_MAX} characters`, word);
    return word;
  }

  oneOf<Choice extends string>(choices: readonly Choice[], word = this.word(choices.join(", "))): Choice {
    const choice = choices.find((candidate) => candidate === word);
    return choice ?? this.expected(`one of ${choices.join(", ")}`, word);
  }

  /** Digits, as atoi() reads them, within 32 bits. */
  int(what: string, word = this.word(what)): number {
    if (!/^-?\d+$/.test(word) || !Number.isSafeInteger(Number(word))) this.expected(what, word);
    return Number(word);
  }

  /** A number of bytes: not negative, decimal, 0x or 0 as in C. */
  size(what: string, word = this.word(what)): number {
    const value = word.startsWith("-") ? undefined : integer(word);
    if (value === undefined || value > 0xffff_ffffn) this.expected(what, word);
    return Number(value);
  }

  flags64(what: string, word = this.word(what)): bigint {
    return parseFlags(word) ?? this.expected(`${what} (a number, or names joined by |)`, word);
  }

  flags32(what: string, word = this.word(what)): number {
    return Number(BigInt.asUintN(32, this.flags64(what, word)));
  }

  /** KEY=VALUE */
  pair(what: string, word = this.word(what)): [key: string, value: string] {
    const at = word.indexOf("=");
    if (at <= 0) this.expected(what, word);
    return [word.slice(0, at), word.slice(at + 1)];
  }

  /** IP:PORT, or IP:@SOCKET for the port that a socket is bound to. */
  destination(text: string): Destination {
    const what = "dest=IP:PORT or dest=IP:@SOCKET";
    const at = text.indexOf(":");
    const ip = parseIp(text.slice(0, at));
    if (at < 0 || ip === undefined) this.expected(what, `dest=${text}`);
    const port = text.slice(at + 1);
    if (port.startsWith("@")) return { ip, port: { of: port.slice(1) } };
    return { ip, port: this.int(what, port) & 0xffff };
  }
}
