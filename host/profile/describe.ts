// What a profile has, in names: read from the same table that the core reads. What every profile has is in no table.
import * as names from "../../assembly/abi/profile.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { PROFILES } from "./profiles.ts";
import { ROWS, type Row } from "./rows.ts";

/** What a profile has that one before it had not, and the other way round. */
export interface Changes {
  /** The profile that it is compared with, by name; undefined for the first, of which everything is new. */
  against: string | undefined;
  added: string[];
  gone: string[];
  /** Behaviours, as sentences: what it does that the other did not, */
  does: string[];
  /** and what that one did. */
  stopped: string[];
}

/** Something that not every profile has. */
export interface Item {
  /** "operations", "behaviours" ... */
  kind: string;
  name: string;
  /** The first profile from which on it is there without a gap, by name. */
  since: string;
}

function constantName(all: Readonly<Record<string, unknown>>, prefixes: readonly string[], value: number): string {
  const found = Object.entries(all).find(
    ([name, number]) =>
      number === value && prefixes.some((prefix) => name.startsWith(prefix)) && !/_LAST$|^OPI_FIRST$/.test(name),
  );
  return found?.[0] ?? `${prefixes[0]}${value}`;
}

const flag = (prefixes: string[]) => (row: Row) => constantName(uapi, prefixes, 2 ** row.id);

const sendFlag = flag(["IORING_RECVSEND_", "IORING_SEND_"]);

/** What a kernel does that has the behaviour B_*. */
const BEHAVIOURS: Readonly<Record<number, string>> = {
  [names.B_NOTIF_SLOTS]: "notifications live in registered slots",
  [names.B_LINK_SKB]: "notifications of sends that share an skb are chained",
  [names.B_RSRC_QUIESCE]: "registered resources are released in order, and unregistering waits for their users",
  [names.B_TW_LIFO]: "a batch of task work runs newest first",
  [names.B_NOTIF_TW]: "a notification that the flush ends completes in task work",
  [names.B_NOTIF_POSTS]: "a notification that the flush ends posts its CQE there and then",
  [names.B_NOTIF_CQE_MARKED]: "a notification's CQE has F_NOTIF, and the sequence number in res",
  [names.B_SENDZC_ADDR3]: "addr3 of SENDZC must be 0",
  [names.B_SENDZC_FAIL_MARKS]: "a SENDZC that fails in the protocol fails its chain, and its CQE is not skipped",
  [names.B_SENDZC_RETRY]: "MSG_WAITALL of SENDZC goes on after a short send",
  [names.B_ADDR_BEFORE_BUFFER]: "SENDZC reads the address before it charges the buffer",
  [names.B_ADDR_SAVED_ASYNC]: "SENDZC reads the address once, not at every attempt",
  [names.B_ZC_ACCT_CHECKED]: "a SENDZC of more locked memory than the limit is ENOMEM",
  [names.B_FIXEDBUF_TRUNCATION]: "a stream takes no more of a registered buffer than one skb holds",
  [names.B_POLL_ONCE]: "a request that was polled and got nothing done goes to a worker",
  [names.B_ZC_FAIL_NOTIF]: "a zero-copy send that fails has a notification, too",
  [names.B_FAIL_KEEPS_PARTIAL]: "a request that fails after a part of it was sent or received says how much",
  [names.B_ZC_FLUSH_IN_CLEANUP]: "the notification of a send by a worker always follows its CQE",
  [names.B_ZC_SUPPORT_CHECK]: "sockets that can only copy refuse zero-copy sends",
  [names.B_ZC_IOPRIO_LATE]: "unknown ioprio bits of a zero-copy send make two CQEs",
  [names.B_IMPORT_AT_PREP]: "address, msghdr and vector are read at submission",
  [names.B_BUF_LOOKUP_AT_ISSUE]: "registered buffers are looked up at issue",
  [names.B_SENDMSG_ZC_ACCT]: "SENDMSG_ZC charges its pages as locked memory",
  [names.B_ZC_ACCT_AT_PREP]: "zero-copy sends charge their pages at submission",
  [names.B_LINK_CTX]: "only notifications of one ring and task are chained",
  [names.B_NOTIF_USER_DATA]: "addr3 of a zero-copy send is the notification's own user_data",
  [names.B_ZC_FIXED_VEC]: "SEND_ZC takes FIXED_BUF together with VECTORIZED",
  [names.B_SEND_ADDR]: "SEND has a destination",
  [names.B_SEND_SELECT]: "SEND takes provided buffers",
  [names.B_LAZY_WAKE]: "task work need not wake a waiter before there is as much as it waits for",
  [names.B_DRAIN_BY_COUNT]: "a drained request waits until nothing else of the ring is allocated",
  [names.B_RING_MEM_ACCT]: "rings are charged as locked memory",
  [names.B_REG_REG_RING]: "io_uring_register takes a registered ring",
  [names.B_CLONE_RANGE]: "a part of a buffer table can be cloned",
  [names.B_RECV_LIMIT]: "a multishot RECV can have a limit of bytes",
  [names.B_COPY_AT_DELIVERY]: "received user pages are copied at local delivery, not wherever a packet comes in",
};

/** The name of what a row is about, by kind. */
const NAMES: Readonly<Record<number, (row: Row) => string>> = {
  [names.ROW_OP]: (row) =>
    row.value >= names.OPI_FIRST
      ? constantName(names, ["OPI_"], row.value).replace("OPI_", "IORING_OP_")
      : constantName(uapi, ["IORING_OP_"], row.id),
  [names.ROW_REGISTER]: (row) =>
    row.value >= names.REGI_NOTIFIERS
      ? constantName(names, ["REGI_"], row.value)
          .replace("REGI_", "IORING_REGISTER_")
          .replace("REGISTER_UNREGISTER", "UNREGISTER")
      : constantName(uapi, ["IORING_REGISTER_", "IORING_UNREGISTER_"], row.id),
  [names.ROW_SETUP]: flag(["IORING_SETUP_"]),
  [names.ROW_ENTER]: flag(["IORING_ENTER_"]),
  [names.ROW_SQE]: flag(["IOSQE_"]),
  [names.ROW_FEATURE]: flag(["IORING_FEAT_"]),
  [names.ROW_SENDZC]: (row) => `${constantName(names, ["SENDZC_"], 2 ** row.value)} (ioprio ${2 ** row.id})`,
  [names.ROW_SEND]: (row) => `${sendFlag(row)} of SEND`,
  [names.ROW_ZC]: (row) => `${sendFlag(row)} of SEND_ZC`,
  [names.ROW_SENDMSG_ZC]: (row) => `${sendFlag(row)} of SENDMSG_ZC`,
  [names.ROW_RECV]: (row) => `${sendFlag(row)} of RECV`,
  [names.ROW_NOP]: flag(["IORING_NOP_"]),
  [names.ROW_MSG_RING]: flag(["IORING_MSG_RING_"]),
  [names.ROW_CANCEL]: flag(["IORING_ASYNC_CANCEL_"]),
  [names.ROW_TIMEOUT]: flag(["IORING_TIMEOUT_"]),
  [names.ROW_ACCEPT]: flag(["IORING_ACCEPT_"]),
  [names.ROW_PBUF]: flag(["IOU_PBUF_RING_"]),
  [names.ROW_CLONE]: flag(["IORING_REGISTER_DST_"]),
  [names.ROW_URING_CMD]: flag(["IORING_URING_CMD_"]),
  [names.ROW_SOCKET_CMD]: (row) => constantName(uapi, ["SOCKET_URING_OP_"], row.id),
  [names.ROW_LIMIT]: (row) => LIMITS[row.id](2 ** row.value),
  [names.ROW_BEHAVIOUR]: (row) => BEHAVIOURS[row.id],
};

const LIMITS: Readonly<Record<number, (value: number) => string>> = {
  [names.L_NOTIF_SLOTS]: (value) => `${value} notification slots in a ring`,
  [names.L_ZC_NOTIF_FLAG]: (value) => `bit ${value} in ioprio of SEND and SENDMSG, with the switch merged_opcode`,
};

/** The kinds in the order in which they are told. */
const KINDS: readonly (readonly [kind: string, rows: readonly number[]])[] = [
  ["operations", [names.ROW_OP]],
  ["io_uring_register", [names.ROW_REGISTER]],
  ["setup flags", [names.ROW_SETUP]],
  ["enter flags", [names.ROW_ENTER]],
  ["features", [names.ROW_FEATURE]],
  ["flags of sends", [names.ROW_SENDZC, names.ROW_ZC, names.ROW_SENDMSG_ZC, names.ROW_SEND]],
  [
    "other flags",
    [
      names.ROW_SQE,
      names.ROW_RECV,
      names.ROW_NOP,
      names.ROW_MSG_RING,
      names.ROW_CANCEL,
      names.ROW_TIMEOUT,
      names.ROW_ACCEPT,
      names.ROW_PBUF,
      names.ROW_CLONE,
      names.ROW_URING_CMD,
      names.ROW_SOCKET_CMD,
    ],
  ],
  ["limits", [names.ROW_LIMIT]],
  ["behaviours", [names.ROW_BEHAVIOUR]],
];

const holdsIn =
  (profile: number) =>
  ({ first, last }: Row) =>
    first <= profile && profile <= last;

const nameOf = (row: Row): string => NAMES[row.kind](row);

/** `aug16` was never merged: no kernel came after it, and what it has is not in the ones that stand behind it. */
const before = (profile: number): number => (profile === names.PROFILE_6_0 ? names.PROFILE_RC3 : profile - 1);

const profileName = (id: number): string => PROFILES.find((profile) => profile.id === id)?.name ?? `${id}`;

/** From which profile on there is something of that name, without a gap up to this one. */
function sinceOf(row: Row): number {
  const rows = ROWS.filter((other) => other.kind === row.kind && nameOf(other) === nameOf(row));
  let { first } = row;
  for (;;) {
    const earlier = first > 0 ? rows.find(holdsIn(before(first))) : undefined;
    if (earlier === undefined) return first;
    first = earlier.first;
  }
}

/** All that the profile has and not every profile has. */
export function describeProfile(profile: number): Item[] {
  return KINDS.flatMap(([kind, rows]) =>
    ROWS.filter((row) => rows.includes(row.kind))
      .filter(holdsIn(profile))
      .map((row) => ({ kind, name: nameOf(row), first: sinceOf(row) }))
      .sort((one, other) => one.first - other.first)
      .map(({ name, first }) => ({ kind, name, since: profileName(first) })),
  );
}

function namesOf(profile: number, behaviours: boolean): Set<string> {
  const rows = ROWS.filter(({ kind }) => (kind === names.ROW_BEHAVIOUR) === behaviours);
  return new Set(rows.filter(holdsIn(profile)).map(nameOf));
}

/** What came and what went with the profile. */
export function describeChanges(profile: number): Changes {
  const isFirst = profile === 0;
  const change = (behaviours: boolean) => {
    const now = namesOf(profile, behaviours);
    const then = isFirst ? new Set<string>() : namesOf(before(profile), behaviours);
    return [[...now].filter((name) => !then.has(name)), [...then].filter((name) => !now.has(name))];
  };
  const [added, gone] = change(false);
  const [does, stopped] = change(true);
  return { against: isFirst ? undefined : profileName(before(profile)), added, gone, does, stopped };
}

/** `IORING_SETUP_DEFER_TASKRUN is not in 6.0 (since 6.1)`: what other kernels have and this one has not. Else undefined. */
export function lackOf(profile: number, kind: number, id: number, what?: string): string | undefined {
  const rows = ROWS.filter((row) => row.kind === kind && row.id === id);
  if (rows.length === 0 || rows.some(holdsIn(profile))) return undefined;
  const later = rows.filter(({ first }) => first > profile).sort((one, other) => one.first - other.first)[0];
  const row = later ?? rows[rows.length - 1];
  const when = later === undefined ? `until ${profileName(row.last)}` : `since ${profileName(row.first)}`;
  return `${what ?? `${nameOf(row).replace(/ of .*/, "")} is`} not in ${profileName(profile)} (${when})`;
}
