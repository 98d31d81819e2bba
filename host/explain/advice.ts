// Known mistakes with zero-copy sends, found in what happened. One function per rule; each looks at the lives of the requests
// and gives advice, or nothing.
import { EOPNOTSUPP } from "../../assembly/abi/errno.ts";
import { COPY_LOCAL_DELIVERY, COPY_UNSUPPORTED } from "../../assembly/abi/trace.ts";
import { IOSQE_IO_HARDLINK, IOSQE_IO_LINK } from "../../assembly/abi/uapi.ts";
import { copyName } from "../trace/decode.ts";
import { duration } from "../trace/words.ts";
import type { Life, Note, Write } from "./life.ts";
import { BREAK_EVEN_PLAIN, BREAK_EVEN_REGISTERED } from "./limits.ts";
import { isStream, isUnix } from "./owners.ts";
import type { Advice } from "./shape.ts";

type Found = Omit<Advice, "rule">;
type Rule = (lives: readonly Life[]) => Found | undefined;

const LINKS = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;
const LOCAL = copyName(COPY_LOCAL_DELIVERY);
const UNSUPPORTED = copyName(COPY_UNSUPPORTED);

const linesOf = (lives: readonly Life[]): number[] => [...new Set(lives.map(({ line }) => line))];
const names = (lives: readonly Life[]): string => [...new Set(lives.map(({ name }) => name))].join(", ");
/** Through a ring, told by a CQE: not MSG_ZEROCOPY. */
const isRingZeroCopy = (life: Life): boolean =>
  life.isZeroCopy && life.opcode >= 0 && !life.notes.some(({ isMsgZerocopy }) => isMsgZerocopy);
const sent = (life: Life): boolean => (life.result ?? -1) > 0;

function groups(lives: readonly Life[], keyOf: (life: Life) => string | undefined): Life[][] {
  const found = new Map<string, Life[]>();
  for (const life of lives) {
    const key = keyOf(life);
    if (key !== undefined) found.set(key, [...(found.get(key) ?? []), life]);
  }
  return [...found.values()];
}

/** Requests of one socket, in the order of their submission. */
const bySocket = (lives: readonly Life[]) => groups(lives, ({ socket }) => socket && String(socket.object));

/** Writes of one kind, as one piece of advice. */
function written(
  lives: readonly Life[],
  isMeant: (write: Write, life: Life) => boolean,
  why: (life: Life) => string,
): Found | undefined {
  const found = lives.flatMap((life) =>
    life.writes.filter((write) => isMeant(write, life)).map((write) => ({ life, write })),
  );
  if (found.length === 0) return undefined;
  const [{ life, write }] = found;
  const device = write.owner.device === null ? "" : ` of ${write.owner.device}`;
  const what = `line ${write.line} (${write.what}) changes bytes of ${life.name} while its buffer is owned by the ${write.owner.owner}${device}`;
  const more = found.length === 1 ? "" : ` (and ${found.length - 1} more)`;
  const lines = [...new Set(found.flatMap((each) => [each.life.line, each.write.line]))];
  return { weight: "bug", lines, text: `${what}${more}. ${why(life)}` };
}

/** The application went by the first CQE. */
function reuseAtFirstCqe(lives: readonly Life[]): Found | undefined {
  return written(
    lives,
    ({ sawCompletion, sawOthers }, life) =>
      isRingZeroCopy(life) && life.notes.length > 0 && sawCompletion && sawOthers.length === 0,
    ({ note }) =>
      `The first CQE of a zero-copy send says what was queued, not that the buffer is free: wait for the notification (${cqeOf(note)}), or the peer may get the new bytes.`,
  );
}

/** How the CQE of a notification is known. */
function cqeOf(note: Note | undefined): string {
  if (!note?.isSlotEra) return "CQE_F_NOTIF";
  return `the CQE with tag ${note.userData} and sequence number ${note.sequence}`;
}

/** The application had seen a notification, but not this one. */
function assumesOrder(lives: readonly Life[]): Found | undefined {
  return written(
    lives,
    ({ sawCompletion, sawOthers }, life) =>
      isRingZeroCopy(life) && life.notes.length > 0 && sawCompletion && sawOthers.length > 0,
    ({ note }) =>
      `The notification seen before it was another send's. Notifications come in no particular order: go by ${note?.isSlotEra ? "tag and sequence number" : "user_data"}, never by the count or the position.`,
  );
}

function reuseBeforeCqe(lives: readonly Life[]): Found | undefined {
  return written(
    lives,
    ({ sawCompletion }, life) => !sawCompletion && life.opcode >= 0,
    () => "No CQE of it had been seen: until then the kernel may not have read a byte of it, zero copy or not.",
  );
}

function reuseMsgZerocopy(lives: readonly Life[]): Found | undefined {
  return written(
    lives,
    ({ sawCompletion }, life) => !isRingZeroCopy(life) && life.notes.length > 0 && sawCompletion,
    () => "That send() returned does not free a MSG_ZEROCOPY buffer: the record on the error queue does.",
  );
}

function waitsForEach(lives: readonly Life[]): Found | undefined {
  const pairs = bySocket(lives.filter((life) => isRingZeroCopy(life) && sent(life))).flatMap((each) =>
    each.slice(1).map((next, index) => [each[index], next] as const),
  );
  const waited = pairs.filter(([life, next]) => life.free !== undefined && life.free.tick < next.submitted.tick);
  const cost = waited.reduce((sum, [life]) => sum + waitOf(life), 0n);
  // One wait that cost nothing may be meant; a habit is worth a word.
  if (waited.length === 0 || (cost === 0n && waited.length < 2)) return undefined;
  const involved = [...new Set(waited.flat())];
  const spent =
    cost === 0n
      ? "Here it cost nothing, as nothing held the buffers; over a network it costs a round trip each"
      : `Here it cost ${duration(cost)}`;
  const isOnly = involved.every(({ note }) => note?.isOnlyCqe);
  const may = isOnly ? "at once (linked, to keep the order)" : "as soon as the first CQE is there (or linked, at once)";
  const text = `${names(involved)} go one by one: each is submitted after the ${isOnly ? "CQE" : "notification"} of the one before. The next send may go ${may}; only the buffer has to wait. ${spent}. Send from a second buffer meanwhile.`;
  return { weight: "cost", lines: linesOf(involved), text };
}

/** How long the application waited only for the notification. */
function waitOf({ free, completion, issuedAt, note }: Life): bigint {
  // Where no CQE tells of the send alone, it could have gone on when it was issued.
  const sentAt = note?.isOnlyCqe || note?.skipsFirst ? issuedAt : completion?.at;
  return free === undefined || sentAt === undefined ? 0n : free.ns - sentAt.ns;
}

function unlinkedBatch(lives: readonly Life[]): Found | undefined {
  const isMeant = ({ result }: Life) => result === undefined || result > 0;
  const sends = lives.filter((life) => life.isSend && life.opcode >= 0 && isStream(life.socket) && isMeant(life));
  for (const group of bySocket(sends)) {
    const batches = groups(group, ({ batch, ring }) => `${batch} ${ring}`);
    const [found] = batches.filter((batch) => batch.slice(0, -1).some(({ flags }) => !(flags & LINKS)));
    if (found === undefined) continue;
    const overtaken = found.find((life, index) => found.slice(index + 1).some((later) => overtakes(later, life)));
    const seen =
      overtaken === undefined
        ? "Here none did"
        : `Here ${overtaken.name} was overtaken: its bytes are not where the peer expects them`;
    const text = `${names(found)} go to one stream in one submission without a link. When one of them finds the send buffer full it waits for POLLOUT, and those behind it go first, and the bytes are mixed. ${seen}. Link them (IO_LINK; with MSG_WAITALL a short send breaks the chain), or send one at a time.`;
    return { weight: overtaken === undefined ? "cost" : "bug", lines: linesOf(found), text };
  }
  return undefined;
}

/** `later` got bytes out while `life`, which was submitted before it, still waited. */
function overtakes(later: Life, life: Life): boolean {
  const end = life.completion?.at.tick ?? Number.POSITIVE_INFINITY;
  return sent(later) && (later.completion?.at.tick ?? end) < end;
}

function belowBreakEven(lives: readonly Life[]): Found | undefined {
  const small = lives.filter((life) => {
    const limit = life.fixed ? BREAK_EVEN_REGISTERED : BREAK_EVEN_PLAIN;
    return isRingZeroCopy(life) && sent(life) && !isCopied(life) && life.bytes < limit;
  });
  if (small.length === 0) return undefined;
  const plain = small.filter(({ fixed }) => !fixed);
  const [which, limit] =
    plain.length > 0
      ? ["buffers that are not registered", BREAK_EVEN_PLAIN]
      : ["registered buffers", BREAK_EVEN_REGISTERED];
  const hint = plain.length > 0 ? ` (registered ones: between ${BREAK_EVEN_REGISTERED} and 4000)` : "";
  const sizes = [...new Set(small.map(({ bytes }) => bytes))].sort((one, other) => one - other);
  const text = `${names(small)}: ${sizes.join(", ")} bytes. Zero copy costs a notification and page references; measured on Linux 6.18 it pays for ${which} from about ${limit} bytes${hint}. Below that SEND is cheaper, and its buffer is free at its CQE.`;
  return { weight: "cost", lines: linesOf(small), text };
}

function isCopied(life: Life): boolean {
  return life.keepers.some(({ copies }) => copies.length > 0) || !life.keepers.some(({ wasCarried }) => wasCarried);
}

function canOnlyCopy(lives: readonly Life[]): Found | undefined {
  const local = lives.filter(
    (life) => isRingZeroCopy(life) && life.keepers.some(({ copies }) => copies.some(({ reason }) => reason === LOCAL)),
  );
  if (local.length === 0) return undefined;
  const places = new Set(
    local.flatMap(({ keepers }) => keepers.flatMap(({ copies }) => copies.map(({ place }) => place.split(",")[0]))),
  );
  const text = `${names(local)} went to a socket of this host (${[...places].join(", ")}). A local receiver must not see the buffer change, so the bytes are copied on delivery, later and dearer than SEND would. Use SEND there${local.some(({ note }) => note?.isSlotEra) ? "" : "; CQEs of sends with SEND_ZC_REPORT_USAGE tell when it happens (6.2 and later)"}.`;
  return { weight: "cost", lines: linesOf(local), text };
}

function noZeroCopyThere(lives: readonly Life[]): Found | undefined {
  const found = lives.filter((life) => {
    const unsupported = life.keepers.some(({ copies }) => copies.some(({ reason }) => reason === UNSUPPORTED));
    const refused = life.completion?.res === -EOPNOTSUPP && life.accepted;
    return isRingZeroCopy(life) && (unsupported || refused || (isUnix(life.socket) && life.notes.length > 0));
  });
  if (found.length === 0) return undefined;
  const [{ socket }] = found;
  const what = isUnix(socket) ? "AF_UNIX has" : "This kind of socket has";
  const text = `${names(found)}: ${what} no zero copy. Use SEND.`;
  return { weight: "bug", lines: linesOf(found), text };
}

function closedRing(lives: readonly Life[]): Found | undefined {
  return closed(lives, "ring", (found) => {
    const isRead = found.some(({ closed }) => closed.some(({ inNetwork }) => inNetwork));
    const isHeld = found.some(({ closed }) => closed.some(({ unflushed }) => unflushed));
    const first = isHeld ? "Flush the slots and wait" : "Wait";
    return `The ring was closed with their notifications outstanding: those CQEs go nowhere${isRead ? ", the network keeps reading the buffers, and nothing will tell when it stops" : ", and nothing will tell that the buffers are free"}${isHeld ? ". A slot that nobody flushed has held them until then" : ""}. ${first} for the notifications first.`;
  });
}

function closedSocket(lives: readonly Life[]): Found | undefined {
  const inNetwork = lives.filter(({ closed }) => closed.some(({ what, inNetwork }) => what === "socket" && inNetwork));
  return closed(
    inNetwork,
    "socket",
    () =>
      "close() of a socket frees no buffer: the kernel goes on sending from it. The program never waited for the notifications that would tell when it has stopped.",
  );
}

function closed(
  lives: readonly Life[],
  what: "ring" | "socket",
  why: (found: readonly Life[]) => string,
): Found | undefined {
  const found = lives.filter((life) => life.free === undefined && life.closed.some((each) => each.what === what));
  if (found.length === 0) return undefined;
  const closing = found.flatMap((life) => life.closed.filter((each) => each.what === what).map(({ line }) => line));
  return {
    weight: "bug",
    lines: [...new Set([...linesOf(found), ...closing])],
    text: `${names(found)}: ${why(found)}`,
  };
}

function unregistered(lives: readonly Life[]): Found | undefined {
  const found = lives.filter(({ unregistered }) => unregistered.length > 0);
  if (found.length === 0) return undefined;
  const lines = [...new Set(found.flatMap((life) => [life.line, ...life.unregistered]))];
  const text = `${names(found)}: the registered buffer was unregistered or replaced while a send from it was under way. The registration goes, the buffer stays the kernel's until the notification, and its memory stays charged so long.`;
  return { weight: "bug", lines, text };
}

const RULES = {
  "reuse-at-first-cqe": reuseAtFirstCqe,
  "assumes-order": assumesOrder,
  "reuse-before-cqe": reuseBeforeCqe,
  "reuse-msg-zerocopy": reuseMsgZerocopy,
  "unlinked-batch": unlinkedBatch,
  "closed-ring": closedRing,
  "closed-socket": closedSocket,
  unregistered,
  "no-zero-copy-there": noZeroCopyThere,
  "can-only-copy": canOnlyCopy,
  "below-break-even": belowBreakEven,
  "waits-for-each": waitsForEach,
} satisfies Record<string, Rule>;

export type AdviceRule = keyof typeof RULES;

/** What costs bytes comes before what costs time, and both in the order of the program's lines. */
export function adviceFor(lives: readonly Life[]): Advice[] {
  const all: Advice[] = Object.entries(RULES).flatMap(([rule, find]) => {
    const found = find(lives);
    return found === undefined ? [] : [{ rule, ...found }];
  });
  const rank = ({ weight }: Advice) => (weight === "bug" ? 0 : 1);
  return all.sort((one, other) => rank(one) - rank(other) || Math.min(...one.lines) - Math.min(...other.lines));
}
