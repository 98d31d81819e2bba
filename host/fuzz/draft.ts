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
  kind: "pipe-read" | "pipe-write" | "eventfd" | "memfd" | "epoll" | "listener";
}

export interface Asked {
  ud: number;
  op: string;
  /** May still be there when later steps run: a candidate for cancel and remove. */
  stays: boolean;
}

/** A buffer group: how its buffers came to be there decides how more come. */
export interface Group {
  id: number;
  /** The buffer that is the ring of entries; undefined for one that was filled by requests. */
  ring: string | undefined;
  entries: number;
  /** Entries published so far. */
  tail: number;
}

export class RingModel {
  /** As `use` names it; the descriptor is `ring` and this. */
  readonly name: string;
  entries = 8;
  setup = "";
  /** SQEs written and not yet submitted. */
  queued = 0;
  open = true;
  disabled = false;
  /** Names in the tables of registered buffers and files; undefined is an empty slot. */
  regBufs: (string | undefined)[] = [];
  regFiles: (string | undefined)[] = [];
  readonly asked: Asked[] = [];
  readonly groups: Group[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get fd(): string {
    return `ring${this.name}`;
  }
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
  /** Buffers that hold the address of a listener. */
  readonly addresses = new Map<string, string>();
  /** Listeners of AF_UNIX, with their socket type; their addresses have 8 bytes. */
  readonly unixListeners = new Map<string, string>();
  /** Opcodes that the core knows. */
  readonly ops: ReadonlySet<number>;
  readonly rings: RingModel[] = [new RingModel("0")];
  /** The one that `use` chose. */
  ring = this.rings[0];
  chain: Chain | undefined;
  /** Flags that decorate SQEs at random: [name, one in n]. */
  decorations: readonly (readonly [string, number])[] = [];
  #ud = 1;
  #names = 0;

  constructor(dice: Dice, ops: ReadonlySet<number>) {
    this.dice = dice;
    this.ops = ops;
  }

  line(text: string): void {
    this.lines.push(text);
  }

  fresh(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** Writes one SQE and perhaps decorates it. `fields` are KEY=VALUE words; empty ones are left out. */
  sqe(op: string, fields: readonly string[], options: SqeOptions = {}): number {
    const { ring } = this;
    if (ring.queued >= ring.entries && !this.dice.once(12)) this.submit();
    const ud = this.#ud++;
    const all = fields.flatMap((word) => word.split(" ")).filter((word) => word !== "");
    const words = all.filter((word) => !word.startsWith("flags="));
    const flags = all.filter((word) => word.startsWith("flags=")).map((word) => word.slice("flags=".length));
    if (!options.plain) flags.push(...this.#sqeFlags());
    if (flags.length > 0) words.push(`flags=${flags.join("|")}`);
    this.line(["sqe", op, ...words, `ud=${ud}`].join(" "));
    ring.queued++;
    ring.asked.push({ ud, op, stays: options.stays ?? false });
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
    const { dice, ring } = this;
    if (!dice.once(20)) this.endChain();
    this.chain = undefined;
    this.line(
      dice.weighted<() => string>([
        [() => "submit", 12],
        [() => `submitwait ${dice.between(1, 3)} ${dice.pick([5, 20, 30])}`, 3],
        [() => `submit ${dice.between(1, 4)}`, ring.queued > 1 ? 1 : 0],
        [() => `enter ${ring.queued} 0 ${dice.pick(["1", "0", "3"])}`, 1],
      ])(),
    );
    ring.queued = 0;
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
    if (this.ring.queued > 0 && !this.dice.once(10)) this.submit();
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

  file(...kinds: OtherFile["kind"][]): string | undefined {
    const names = this.files.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);
    return names.length > 0 ? this.dice.pick(names) : undefined;
  }

  /** Anything that has a descriptor, rings aside. */
  anyFd(): string | undefined {
    const names = [...this.openSocks(), ...this.files].map(({ name }) => name);
    return names.length > 0 ? this.dice.pick(names) : undefined;
  }

  /** A struct in memory of its own: a zeroed buffer of `size` bytes, and `put` lines. Returns its name. */
  struct(size: number, fields: readonly string[]): string {
    const name = this.fresh("s");
    this.line(`buf ${name} ${size} 0`);
    this.line(`poke ${name} 0 ${size} 0`);
    for (const field of fields) this.line(`put ${name} ${field}`);
    return name;
  }

  /** user_data of a request that is likely there, of any that was, or of none. */
  target(): number {
    const { dice } = this;
    const { asked } = this.ring;
    const staying = asked.filter(({ stays }) => stays);
    if (staying.length > 0 && !dice.once(6)) return dice.pick(staying.slice(-6)).ud;
    if (asked.length > 0 && !dice.once(4)) return dice.pick(asked).ud;
    return 777;
  }
}
