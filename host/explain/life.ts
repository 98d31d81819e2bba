// What the tracker knows of a request, of a notification and of an skb's data area while the program runs.
import { COPY_NONE, CQES_ONE, CQES_RESULT, CQES_SKIP, REF_REQUEST, REF_SLOT } from "../../assembly/abi/trace.ts";
import { plainResult } from "../trace/words.ts";
import type { Completion, Copy, Interval, Owner, Reference } from "./shape.ts";

/** A moment: virtual time stands still while a program computes, so a count of everything seen orders what it does. */
export interface Moment {
  ns: bigint;
  tick: number;
}

export interface Memory {
  address: number;
  length: number;
}

export interface SocketIdentity {
  /** Address in the core. */
  object: number;
  family: number;
  type: number;
}

export interface OpenReference extends Reference {
  kind: number;
  /** For a reference that a chained notification holds. */
  follower?: Note;
}

const OWN_KINDS: readonly number[] = [REF_REQUEST, REF_SLOT];

/** A notification, or a record of MSG_ZEROCOPY. */
export class Note {
  readonly label: string;
  /** Of its CQE: a flush may change it. */
  userData: bigint;
  readonly isMsgZerocopy: boolean;
  /** Of the era of notification slots: no CQE announces it, and none tells of copies. */
  isSlotEra = false;
  /** Number of the slot whose it is, which keeps a reference until it is flushed. */
  slot: number | undefined;
  /** Of the slot era: its sequence number within the slot. */
  sequence = 0;
  /** CQES_*: which CQEs its send posts, where it is not the usual two. */
  cqes = 0;
  readonly lives: Life[] = [];
  readonly references: OpenReference[] = [];
  readonly copies: Copy[] = [];
  readonly areas = new Set<Area>();
  refs = 1;
  /** The one whose skb carries this one's bytes, too. */
  head: Note | undefined;
  /** Completes after these, which were chained to it. */
  readonly followers: Note[] = [];
  wasCarried = false;
  done: Moment | undefined;
  /** REF_* of the last reference. */
  lastRef = 0;
  lastNetworkRef = 0;
  usage = COPY_NONE;
  reportsCopied = false;
  overflowed = false;
  posted: (Moment & { res: number; flags: number }) | undefined;
  seen: Moment | undefined;
  /** Times that TCP sent from its pages again. */
  retransmissions = 0;

  constructor(label: string, userData: bigint, isMsgZerocopy: boolean) {
    this.label = label;
    this.userData = userData;
    this.isMsgZerocopy = isMsgZerocopy;
  }

  /** The CQE of the send is that of the notification, too: there is no other. */
  get isOnlyCqe(): boolean {
    return (this.cqes & CQES_ONE) !== 0;
  }

  /** Success posts no CQE before that of the notification. */
  get skipsFirst(): boolean {
    return (this.cqes & CQES_SKIP) !== 0;
  }

  /** Whether the request's (or the slot's) own reference is still there. */
  get hasOwnReference(): boolean {
    return this.references.some(({ kind, dropped_ns }) => OWN_KINDS.includes(kind) && dropped_ns === null);
  }
}

export type Place = "send queue" | "retransmit queue" | "path" | "device queue" | "device" | "NIC" | "input queue";

/** An sk_buff over a data area. */
export interface Handle {
  place: Place;
  /** The one that was built for the bytes, not a clone. */
  original: boolean;
  device: string | null;
}

/** The data area of an skb that carries a notification. */
export interface Area {
  note: Note;
  label: string;
  /** Came out of another skb. */
  isPart: boolean;
  reference: OpenReference | undefined;
  handles: Map<number, Handle>;
}

export type WaitKind = "poll" | "worker" | "drain";

export interface Holder {
  owner: Owner;
  device: string | null;
}

/** A write into memory that a request still needs. */
export interface Write {
  line: number;
  what: string;
  at: Moment;
  owner: Holder;
  sawCompletion: boolean;
  /** Labels of notifications of others that came since this one was submitted, and were seen. */
  sawOthers: string[];
}

/** Its ring or its socket was closed while it was in use. */
export interface Closed {
  line: number;
  what: "ring" | "socket";
  /** An skb held the bytes, or the request waited for its turn. */
  inNetwork: boolean;
  /** A slot held them. */
  unflushed: boolean;
}

export class Life {
  readonly id: number;
  readonly line: number;
  operation: string;
  /** -1 for a system call. */
  opcode = -1;
  ring: string | null = null;
  /** Address of the ring in the core. */
  ringObject = 0;
  userData: bigint | null = null;
  fdName = "";
  socket: SocketIdentity | undefined;
  memory: Memory[] = [];
  bytes = 0;
  fixed = false;
  /** IOSQE_* of the SQE, and the flags of a send in ioprio. */
  flags = 0;
  sendFlags = 0;
  isSend = false;
  isZeroCopy = false;
  /** Number of the step that made the kernel take it. */
  batch = 0;
  filled: Moment | undefined;
  readonly submitted: Moment;
  accepted = false;
  issues = 0;
  readonly waits: { kind: WaitKind; at: Moment }[] = [];
  blockedAt: Moment | undefined;
  issuedAt: Moment | undefined;
  linkFailed = false;
  overflowed = false;
  completion: (Completion & { at: Moment; seen?: Moment }) | undefined;
  readonly notes: Note[] = [];
  readonly intervals: Interval[] = [];
  readonly writes: Write[] = [];
  /** Lines that closed its ring or its socket, or took its registered buffer away, while it was in use. */
  readonly closed: Closed[] = [];
  readonly unregistered: number[] = [];
  free: Moment | undefined;
  copiedPlain: Copy | undefined;

  constructor(id: number, line: number, operation: string, submitted: Moment) {
    this.id = id;
    this.line = line;
    this.operation = operation;
    this.submitted = submitted;
  }

  /** Bytes or a negative errno, by whichever CQE tells it. */
  get result(): number | undefined {
    const told = this.completion ?? (this.note && this.note.cqes & CQES_RESULT ? this.note.posted : undefined);
    return told && plainResult(told.res);
  }

  get name(): string {
    return this.userData === null ? `the call of line ${this.line}` : `ud=${this.userData}`;
  }

  /** The notification that was attached last: a retry may get another one. */
  get note(): Note | undefined {
    return this.notes.at(-1);
  }

  /** Its own notifications, and the heads of their chains, whose skbs carry its bytes. */
  get keepers(): Note[] {
    return [...new Set(this.notes.flatMap((note) => (note.head === undefined ? [note] : [note, note.head])))];
  }

  /** All that must be done before the buffer is free: a chain completes as a whole. */
  get chain(): Note[] {
    return [...new Set(this.keepers.flatMap((note) => [note, ...note.followers]))];
  }
}
