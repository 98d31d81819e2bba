// Reads the words of one line of a program and says what it expected when it finds something else:
// `FILE:LINE: expected ..., got ...`.
import { printable } from "../core/printable.ts";
import { parseIp } from "../sys/user_memory.ts";
import type { Destination } from "./steps.ts";
import { FLAGS, SLOT_FLAGS } from "./vocabulary.ts";

/** The program does not follow the language. The message starts with FILE:LINE. */
export class ProgramSyntaxError extends Error {
  override readonly name = "ProgramSyntaxError";
}

// The C harness keeps names in 16 bytes with the final zero.
const NAME_MAX = 15;
/** What an ARG, an iov= or a destination is made of cannot be part of a name; a number is not one. */
const NAME = /^(?![-\d])[^@&+|:,=]+$/;
const MS = "a number of milliseconds";
const MS_MAX = 0x7fff_ffff;
const INTEGER = /^-?(?:0[xX][0-9a-fA-F]+|\d+)$/;

const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** An integer as strtoull(text, 0, 0) reads it: hexadecimal after 0x, octal after 0, a minus sign wraps to 64 bits. */
function integer(text: string): bigint | undefined {
  if (!INTEGER.test(text)) return undefined;
  const negative = text.startsWith("-");
  const digits = negative ? text.slice(1) : text;
  const octal = /^0\d+$/.test(digits);
  if (octal && /[89]/.test(digits)) return undefined;
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  if (value > U64_MAX) return undefined;
  return BigInt.asUintN(64, negative ? -value : value);
}

/** A number, or flag names and numbers joined by |, as 64 bits. */
export function parseFlags(text: string): bigint | undefined {
  let value = 0n;
  for (const word of text.split("|").filter((part) => part !== "")) {
    const named = Object.hasOwn(FLAGS, word)
      ? FLAGS[word]
      : Object.hasOwn(SLOT_FLAGS, word)
        ? SLOT_FLAGS[word]
        : undefined;
    const part = named === undefined ? integer(word) : BigInt.asUintN(64, BigInt(named));
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
    const found = got === undefined ? "the end of the line" : `'${got}'`;
    throw new ProgramSyntaxError(printable(`${this.#where}: expected ${what}, got ${found}`));
  }

  /** Stops with `FILE:LINE: ...`, where more is wrong than a word. */
  wrong(what: string): never {
    throw new ProgramSyntaxError(printable(`${this.#where}: ${what}`));
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
    return this.asName(what, this.word(what));
  }

  asName(what: string, word: string): string {
    if (word.length > NAME_MAX) this.expected(`${what} of at most ${NAME_MAX} characters`, word);
    if (!NAME.test(word)) this.expected(`${what}, which is no number and has none of @ & + | : , =`, word);
    return word;
  }

  /** A slot for a ring: its descriptor is named `ring` and the slot. */
  ringName(): string {
    const word = this.word("the name of a ring");
    if (!/^\w{1,11}$/.test(word)) this.expected("at most 11 letters and digits as the name of a ring", word);
    return word;
  }

  oneOf<Choice extends string>(choices: readonly Choice[], given?: string): Choice {
    const word = given ?? this.word(choices.join(", "));
    const choice = choices.find((candidate) => candidate === word);
    return choice ?? this.expected(`one of ${choices.join(", ")}`, word);
  }

  /** Digits, as atoi() reads them, within 32 bits. */
  int(what: string, word = this.word(what)): number {
    if (!/^-?\d+$/.test(word) || !Number.isSafeInteger(Number(word))) this.expected(what, word);
    return Number(word);
  }

  /** A time to wait. */
  ms(word = this.word(MS)): number {
    const value = this.int(MS, word);
    if (value < 0 || value > MS_MAX) this.expected(`${MS} from 0`, word);
    return value;
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
