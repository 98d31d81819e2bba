// A program while it is being written: its lines, and a model of what they have made, so that most of what follows
// refers to something that exists. The model is a guess (a request may fail); a wrong guess makes a program that is less
// interesting, never one that is wrong.
import type { Dice } from "./dice.ts";

export type SockKind = "unix" | "unixdgram" | "unixseq" | "tcp" | "udp";

export interface Sock {
  name: string;
  kind: SockKind;
  device: string;
  /** The other end of a pair. */
  peer: string | undefined;
  /** The first of a pair, which the harness prepares for sending. */
  near: boolean;
  closed: boolean;
}

export interface Buf {
  name: string;
  size: number;
  /** Unmapped or protected: poke is not allowed any more. */
  gone: boolean;
}

/** A file that is no socket. */
export interface OtherFile {
  name: string;
  kind: "pipe-read" | "pipe-write" | "eventfd" | "memfd" | "epoll";
}

export interface Asked {
  ud: number;
  op: string;
  /** May still be there when later steps run: a candidate for cancel and remove. */
  stays: boolean;
}

interface Chain {
  left: number;
  flag: string;
}

export interface SqeOptions {
  /** Stays until something ends it. */
  stays?: boolean;
  /** The rule chose the SQE flags itself. */
  plain?: boolean;
}

export class Draft {
  readonly dice: Dice;
  readonly lines: string[] = [];
  readonly socks: Sock[] = [];
  readonly bufs: Buf[] = [];
  readonly msgs: string[] = [];
  readonly files: OtherFile[] = [];
  readonly asked: Asked[] = [];
  /** Names in the table of registered buffers and files; undefined is an empty slot. */
  regBufs: (string | undefined)[] = [];
  regFiles: (string | undefined)[] = [];
  /** Provided buffer groups by id. */
  readonly groups: number[] = [];
  entries = 8;
  setup = "";
  /** SQEs written and not yet submitted. */
  queued = 0;
  enabled = true;
  ringOpen = true;
  chain: Chain | undefined;
  /** Flags that decorate SQEs at random: [name, one in n]. */
  decorations: readonly (readonly [string, number])[] = [];
  #ud = 1;
  #names = 0;

  constructor(dice: Dice) {
    this.dice = dice;
  }

  line(text: string): void {
    this.lines.push(text);
  }

  fresh(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** Writes one SQE and perhaps decorates it. `fields` are KEY=VALUE words; empty ones are left out. */
  sqe(op: string, fields: readonly string[], options: SqeOptions = {}): number {
    if (this.queued >= this.entries && !this.dice.once(12)) this.submit();
    const ud = this.#ud++;
    const all = fields.flatMap((word) => word.split(" ")).filter((word) => word !== "");
    const words = all.filter((word) => !word.startsWith("flags="));
    const flags = all.filter((word) => word.startsWith("flags=")).map((word) => word.slice("flags=".length));
    if (!options.plain) flags.push(...this.#sqeFlags());
    if (flags.length > 0) words.push(`flags=${flags.join("|")}`);
    this.line(["sqe", op, ...words, `ud=${ud}`].join(" "));
    this.queued++;
    this.asked.push({ ud, op, stays: options.stays ?? false });
    return ud;
  }

  #sqeFlags(): string[] {
    const flags: string[] = [];
    if (this.chain !== undefined) {
      if (--this.chain.left > 0) flags.push(this.chain.flag);
      else this.chain = undefined;
    }
    const random = this.dice.flags(this.decorations);
    return random === "" ? flags : [...flags, random];
  }

  /** `submit`, or one of its forms that also wait. */
  submit(): void {
    const { dice } = this;
    if (!dice.once(20)) this.endChain();
    this.chain = undefined;
    this.line(
      dice.weighted<() => string>([
        [() => "submit", 12],
        [() => `submitwait ${dice.between(1, 3)} ${dice.pick([5, 20, 30])}`, 3],
        [() => `submit ${dice.between(1, 4)}`, this.queued > 1 ? 1 : 0],
        [() => `enter ${this.queued} 0 ${dice.pick(["1", "0", "3"])}`, 1],
      ])(),
    );
    this.queued = 0;
  }

  /** A chain that is open at the end of a batch races with its worker (docs/deviations.md). */
  endChain(): void {
    const last = this.lines.length - 1;
    const words = (this.lines[last] ?? "").split(" ").map((word) => {
      if (!word.startsWith("flags=")) return word;
      const flags = word.slice("flags=".length).split("|");
      const kept = flags.filter((flag) => flag !== "IO_LINK" && flag !== "IO_HARDLINK");
      return kept.length > 0 ? `flags=${kept.join("|")}` : "";
    });
    if (words[0] === "sqe") this.lines[last] = words.filter((word) => word !== "").join(" ");
  }

  /** Before a step that looks at what the ring did. */
  flush(): void {
    if (this.queued > 0 && !this.dice.once(10)) this.submit();
  }

  // What exists ---------------------------------------------------------------------------------------------------------

  openSocks(): Sock[] {
    return this.socks.filter(({ closed }) => !closed);
  }

  /** A socket, mostly an open one. */
  sock(match: (sock: Sock) => boolean = () => true): Sock | undefined {
    const open = this.openSocks().filter(match);
    const from = open.length > 0 && !this.dice.once(30) ? open : this.socks.filter(match);
    return from.length > 0 ? this.dice.pick(from) : undefined;
  }

  peerOf(sock: Sock): Sock | undefined {
    return this.socks.find(({ name }) => name === sock.peer);
  }

  buf(): Buf {
    return this.dice.pick(this.bufs);
  }

  /** user_data of a request that is likely there, of any that was, or of none. */
  target(): number {
    const { dice } = this;
    const staying = this.asked.filter(({ stays }) => stays);
    if (staying.length > 0 && !dice.once(6)) return dice.pick(staying.slice(-6)).ud;
    if (this.asked.length > 0 && !dice.once(4)) return dice.pick(this.asked).ud;
    return 777;
  }
}
