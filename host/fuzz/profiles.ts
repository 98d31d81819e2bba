// What a campaign is about: how often each area of the grammar is chosen, and what rings and sockets programs start with.
import type { SockKind } from "./draft.ts";
import type { Area } from "./rule.ts";

export interface Profile {
  areas: Readonly<Record<Area, number>>;
  /** Setup flags with their weights. */
  setups: readonly (readonly [string, number])[];
  /** Kinds of the first pair with their weights; the device is drawn for it. */
  kinds: readonly (readonly [SockKind, number])[];
  /** Flags of SQEs: [name, one in n]. */
  decorations: readonly (readonly [string, number])[];
  /** One in n: the CQ gets a small size of its own. */
  tinyCq: number;
}

const PLAIN: readonly (readonly [string, number])[] = [
  ["0", 6],
  ["DEFER_TASKRUN|SINGLE_ISSUER", 4],
  ["COOP_TASKRUN", 1],
  ["COOP_TASKRUN|TASKRUN_FLAG", 1],
  ["DEFER_TASKRUN|SINGLE_ISSUER|TASKRUN_FLAG", 1],
  ["SUBMIT_ALL", 1],
  ["SUBMIT_ALL|DEFER_TASKRUN|SINGLE_ISSUER", 1],
];

const EVERY: typeof PLAIN = [
  ...PLAIN,
  ["CQE32|SQE128", 1],
  ["NO_SQARRAY", 1],
  ["CQE_MIXED", 1],
  ["SINGLE_ISSUER", 0.5],
  ["CLAMP", 0.3],
];

const KINDS: Profile["kinds"] = [
  ["tcp", 4],
  ["udp", 3],
  ["unix", 3],
  ["unixdgram", 1],
  ["unixseq", 1],
];

const DECORATIONS: Profile["decorations"] = [
  ["IO_LINK", 25],
  ["IO_HARDLINK", 60],
  ["CQE_SKIP", 25],
  ["IO_DRAIN", 40],
  ["ASYNC", 40],
  ["0x80", 300],
];

const AREAS: Profile["areas"] = {
  zc: 6,
  net: 5,
  poll: 2,
  timeout: 2,
  cancel: 2,
  link: 2,
  rsrc: 1.5,
  pbuf: 2,
  sockets: 2,
  rw: 2,
  rings: 1.5,
  hostile: 0.3,
  sys: 1,
  end: 0.8,
  observe: 6,
};

function profile(areas: Partial<Profile["areas"]>, others: Partial<Profile> = {}): Profile {
  return {
    areas: { ...AREAS, ...areas },
    setups: EVERY,
    kinds: KINDS,
    decorations: DECORATIONS,
    tinyCq: 8,
    ...others,
  };
}

const ONLY: Partial<Profile["areas"]> = Object.fromEntries(Object.keys(AREAS).map((area) => [area, 0]));

export const PROFILES: Readonly<Record<string, Profile>> = {
  all: profile({}),
  zc: profile({ ...ONLY, zc: 12, net: 2, rsrc: 1.5, link: 1, cancel: 1, end: 1, sys: 1, observe: 6 }),
  net: profile({ ...ONLY, net: 8, zc: 3, sys: 3, end: 2, poll: 1, observe: 6 }),
  waits: profile({ ...ONLY, net: 3, poll: 4, timeout: 4, cancel: 4, link: 3, sys: 1, observe: 6 }, { setups: PLAIN }),
  rings: profile({ rings: 8 }, { tinyCq: 2 }),
  rsrc: profile({ ...ONLY, zc: 4, net: 2, rsrc: 8, rw: 2, end: 1, observe: 5 }),
  pbuf: profile({ ...ONLY, pbuf: 8, net: 5, zc: 1, sys: 2, cancel: 1, end: 1, observe: 5 }),
  sockets: profile({ ...ONLY, sockets: 8, net: 3, cancel: 1, end: 2, sys: 2, observe: 5 }),
  rw: profile({ ...ONLY, rw: 8, net: 2, cancel: 1, link: 1, poll: 1, end: 1, observe: 5 }),
  hostile: profile({ hostile: 8 }),
};
