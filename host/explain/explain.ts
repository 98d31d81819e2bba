// Runs a program and says, for each of its requests, whose its buffer was at which time and why.
import { AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from "../../assembly/abi/socket.ts";
import { COPY_NONE, REF_LINKED, REF_REQUEST, REF_SLOT } from "../../assembly/abi/trace.ts";
import type { Machine } from "../machine.ts";
import { type Outcome, readWaitReport } from "../program/outcome.ts";
import type { Program } from "../program/steps.ts";
import { copyName } from "../trace/decode.ts";
import { observeProgram } from "../trace/watch.ts";
import { copyBecause, refBecause } from "../trace/words.ts";
import { adviceFor } from "./advice.ts";
import type { Life, Note, SocketIdentity } from "./life.ts";
import type { Copy, Explanation, Notice, Reference, RequestLife } from "./shape.ts";
import { type Context, surprisesOf } from "./surprises.ts";
import { Tracker } from "./tracker.ts";

/** The machine must have been created with its trace switched on. Throws only for a bug of the emulator. */
export function explainProgram(machine: Machine, program: Program): Explanation {
  const tracker = new Tracker(machine);
  const { outcome, lost, notes } = observeProgram(machine, program, tracker, { onStart: (run) => tracker.start(run) });
  tracker.end();
  const { lives } = tracker;
  const context: Context = { lives, wait: outcome.kind === "waits" ? readWaitReport(machine) : undefined };
  return {
    program: program.name,
    profile: machine.profile,
    outcome: outcomeOf(outcome),
    requests: lives.map((life) => describe(life, tracker, context)),
    notes,
    advice: adviceFor(lives),
    lost,
  };
}

function outcomeOf(outcome: Outcome): Explanation["outcome"] {
  if (outcome.kind === "end") return { kind: "end", line: null, report: null };
  return { kind: outcome.kind, line: outcome.line, report: outcome.report };
}

const nanoseconds = (moment: { ns: bigint } | undefined): number | null =>
  moment === undefined ? null : Number(moment.ns);

function describe(life: Life, tracker: Tracker, context: Context): RequestLife {
  const { completion, note } = life;
  return {
    id: life.id,
    line: life.line,
    operation: life.operation,
    ring: life.ring,
    user_data: life.userData,
    socket: life.fdName === "" && !life.socket ? null : { name: life.fdName, kind: kindOf(life.socket) },
    buffers: life.memory.map((memory) => tracker.span(memory)),
    bytes: life.bytes,
    fixed: life.fixed,
    submitted_ns: Number(life.submitted.ns),
    completion:
      completion === undefined
        ? null
        : {
            res: completion.res,
            flags: completion.flags,
            posted_ns: completion.posted_ns,
            seen_ns: completion.seen_ns,
          },
    waits_for:
      completion === undefined && life.free === undefined ? (WAITS[life.waits.at(-1)?.kind ?? ""] ?? null) : null,
    notification: note === undefined ? null : notice(note),
    intervals: life.intervals,
    free_ns: nanoseconds(life.free),
    references: life.keepers.flatMap(({ references }) => references).map(reference),
    copies: copiesOf(life),
    surprises: surprisesOf(life, context),
  };
}

const WAITS: Record<string, string> = {
  poll: "its file to become ready (poll)",
  worker: "a worker (io-wq)",
  drain: "everything before it to complete (IO_DRAIN)",
};

function kindOf(socket: SocketIdentity | undefined): string {
  if (socket === undefined) return "";
  const { family, type } = socket;
  if (family === AF_UNIX) return type === SOCK_STREAM ? "unix" : type === SOCK_SEQPACKET ? "unixseq" : "unixdgram";
  if (family !== AF_INET) return `family ${family}`;
  return type === SOCK_STREAM ? "tcp" : type === SOCK_DGRAM ? "udp" : "raw";
}

function notice(note: Note): Notice {
  const root = note.head ?? note;
  return {
    label: note.label,
    kind: note.isMsgZerocopy ? "error queue" : note.isOnlyCqe ? "only cqe" : "cqe",
    skips_first: note.skipsFirst,
    user_data: note.userData,
    shared_by: note.lives.map(({ id }) => id),
    chained_to: note.head?.label ?? null,
    done_ns: nanoseconds(root.done),
    posted_ns: note.isMsgZerocopy ? nanoseconds(note.done) : nanoseconds(note.posted),
    seen_ns: nanoseconds(note.seen),
    res: note.posted?.res ?? null,
    flags: note.posted?.flags ?? null,
    copied: note.reportsCopied,
    because: becauseOf(note, root),
  };
}

function becauseOf(note: Note, root: Note): string | null {
  if (root.done === undefined) return null;
  if (note.head !== undefined) return `${note.head.label} is done, whose skb it shares`;
  if (root.lastRef === REF_LINKED) return "the last notification chained to it was released";
  if (root.lastRef === REF_SLOT) {
    const before = root.lastNetworkRef === 0 ? "no skb held it" : "the network had let go before";
    return `the slot was flushed; ${before}`;
  }
  if (root.lastRef !== REF_REQUEST) return refBecause(root.lastRef);
  if (root.lastNetworkRef !== 0) return `the network had let go before: ${refBecause(root.lastNetworkRef)}`;
  return root.wasCarried ? "the request was its last holder" : "no skb ever held the buffer";
}

const reference = ({ on, holder, taken_for, taken_ns, dropped_ns, dropped_because }: Reference): Reference => ({
  on,
  holder,
  taken_for,
  taken_ns,
  dropped_ns,
  dropped_because,
});

/** What was copied for a request: by its notification's path, or because a send without zero copy always copies. */
function copiesOf(life: Life): Copy[] {
  const { issuedAt, notes } = life;
  const completion = life.completion?.at ?? life.note?.posted;
  if (!life.isSend || completion === undefined) return [];
  const done = Math.max(0, life.result ?? 0);
  if (!life.isZeroCopy) {
    if (done === 0) return [];
    const at_ns = Number((issuedAt ?? completion).ns);
    const because = "a send without zero copy takes a copy, and its buffer is free at once";
    return [{ bytes: done, at_ns, reason: "plain", place: "in the send call", because }];
  }
  const told = life.keepers.flatMap((note) => {
    const isShared = note.lives.length > 1 || note.head !== undefined || note.followers.length > 0;
    const whose = isShared ? ` (of all sends that share ${note.label})` : "";
    return note.copies.map((copy) => ({ ...copy, place: `${copy.place}${whose}` }));
  });
  // The trace counts what was copied out of skbs; what never got into one is all that was sent.
  if (told.length > 0) return told.map((copy) => ({ ...copy, bytes: copy.bytes === 0 ? done : copy.bytes }));
  return notes
    .filter(({ usage }) => usage !== COPY_NONE)
    .map(({ usage, done: end }) => ({
      bytes: 0,
      at_ns: Number((end ?? completion).ns),
      reason: copyName(usage),
      place: "",
      because: copyBecause(usage),
    }));
}
