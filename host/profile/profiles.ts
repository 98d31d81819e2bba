// The profiles by name: the kernels that a machine can behave as, and the switches on top of them. What each has is in
// assembly/abi/profile_rows.ts.
import {
  PROFILE_6_0,
  PROFILE_6_18,
  PROFILE_AUG16,
  PROFILE_LATER,
  PROFILE_RC1,
  PROFILE_RC2,
  PROFILE_RC3,
  PROFILE_RFC3,
  SW_COPY_DEBUG,
  SW_FIXEDBUF_TRUNCATION,
  SW_LINK_AT,
  SW_MERGED_OPCODE,
  SW_RES_COPIED,
  SW_SEND_ADDR,
  SW_SENDMSG_ZC,
  SW_SINGLE_CQE,
  SW_SLOTLESS,
  SW_TWO_CQE_SEP_UD,
  SW_TW_ORDER,
  SW_UPD_ALLOC_EMPTY,
  SW_UPD_ALLOC_TAG,
  SW_UPD_TAG_ALWAYS,
  SW_UPD_TAG_FIRST,
  SW_ZC_SKIP_SUCCESS,
} from "../../assembly/abi/profile.ts";
import { noSuch } from "../core/near.ts";

export interface Profile {
  name: string;
  /** PROFILE_* */
  id: number;
  /** One line. */
  about: string;
  /** Where what is said of it comes from. */
  source: string;
}

export interface Switch {
  name: string;
  /** SW_* */
  id: number;
  /** Names of its values; the position is the value, 0 = as the profile has it. */
  values: readonly string[];
  about: string;
  /** PROFILE_* from and to which it means something; all if left out. */
  profiles?: readonly [first: number, last: number];
  /** The switch that has to be on, too. */
  needs?: string;
  /** Switches that cannot be on with it. */
  excludes?: readonly string[];
}

const SLOTS = "notif-slots";
const RELEASES = "send-zc, section 7";

const release = (minor: number): Profile => ({
  name: `6.${minor}`,
  id: PROFILE_6_0 + minor,
  about: `Linux 6.${minor}`,
  source: RELEASES,
});

export const PROFILES: readonly Profile[] = [
  { name: "rfc3", id: PROFILE_RFC3, about: "notification slots, third RFC of 2022-06-28", source: SLOTS },
  { name: "rc1", id: PROFILE_RC1, about: "notification slots, 6.0-rc1 of 2022-08-14", source: SLOTS },
  { name: "rc2", id: PROFILE_RC2, about: "notification slots, 6.0-rc2 of 2022-08-21", source: SLOTS },
  {
    name: "rc3",
    id: PROFILE_RC3,
    about: "notification slots, 6.0-rc3 of 2022-08-28, the last that had them",
    source: SLOTS,
  },
  {
    name: "aug16",
    id: PROFILE_AUG16,
    about: "notification slots with CQE_F_NOTIF and COPY_TAG, proposed on 2022-08-16, never merged",
    source: SLOTS,
  },
  ...Array.from({ length: PROFILE_6_18 - PROFILE_6_0 + 1 }, (_, minor) => release(minor)),
  {
    name: "7.1",
    id: PROFILE_LATER,
    about: "Linux 7.1: the notification's own user_data in addr3, with what came in 6.19 and 7.0",
    source: "send-zc, section 7; the io_uring pull request for 7.1-rc1; man pages of liburing 2.15",
  },
];

const OFF_ON = ["off", "on"];
/** Where notifications live in slots. */
const SLOT_ERA = [PROFILE_RFC3, PROFILE_AUG16] as const;
/** Where each zero-copy send has a notification of its own. */
const PER_REQUEST = [PROFILE_6_0, PROFILE_LATER] as const;

export const SWITCHES: readonly Switch[] = [
  {
    name: "tw_order",
    id: SW_TW_ORDER,
    values: ["profile", "fifo", "lifo"],
    about: "order in which queued task work runs",
  },
  {
    name: "upd_tag_first",
    id: SW_UPD_TAG_FIRST,
    values: OFF_ON,
    about: "an update sets the tag of empty slots, too",
    profiles: SLOT_ERA,
  },
  {
    name: "upd_tag_always",
    id: SW_UPD_TAG_ALWAYS,
    values: OFF_ON,
    about: "as upd_tag_first, and tag 0 is a tag like any other",
    profiles: SLOT_ERA,
  },
  {
    name: "upd_alloc_empty",
    id: SW_UPD_ALLOC_EMPTY,
    values: OFF_ON,
    about: "an update gives empty slots a notification before it flushes",
    profiles: SLOT_ERA,
  },
  {
    name: "upd_alloc_tag",
    id: SW_UPD_ALLOC_TAG,
    values: ["before", "after"],
    about: "with upd_alloc_empty: when the tag is set",
    profiles: SLOT_ERA,
    needs: "upd_alloc_empty",
  },
  {
    name: "slotless",
    id: SW_SLOTLESS,
    values: OFF_ON,
    about: "slot number 65535 is a notification of the request's own",
    profiles: SLOT_ERA,
  },
  {
    name: "fixedbuf_truncation",
    id: SW_FIXEDBUF_TRUNCATION,
    values: ["profile", "on", "off"],
    about: "a stream takes no more of a registered buffer than one skb holds (a defect of 6.0-rc)",
    profiles: SLOT_ERA,
  },
  {
    name: "single_cqe",
    id: SW_SINGLE_CQE,
    values: ["off", "on"],
    about: "a zero-copy send posts one CQE, when the kernel does not use its buffer any more",
    profiles: PER_REQUEST,
    excludes: ["two_cqe_sep_ud", "zc_skip_success"],
  },
  {
    name: "link_at",
    id: SW_LINK_AT,
    values: ["release", "send"],
    about: "when the chain behind such a send goes on: with its CQE, or when the send returned",
    profiles: PER_REQUEST,
    needs: "single_cqe",
  },
  {
    name: "two_cqe_sep_ud",
    id: SW_TWO_CQE_SEP_UD,
    values: ["off", "on"],
    about: "addr3 of a zero-copy send is the user_data of its notification, 0 = that of the send",
    profiles: [PROFILE_6_0, PROFILE_6_18],
  },
  {
    name: "zc_skip_success",
    id: SW_ZC_SKIP_SUCCESS,
    values: ["profile", "first", "combined"],
    about: "CQE_SKIP_SUCCESS of a zero-copy send: refused; skips the first CQE; puts its result into the notification",
    profiles: PER_REQUEST,
  },
  {
    name: "copy_debug",
    id: SW_COPY_DEBUG,
    values: OFF_ON,
    about: "tells for each notification why it was copied, once for each reason",
  },
  {
    name: "send_addr",
    id: SW_SEND_ADDR,
    values: OFF_ON,
    about: "SEND has a destination in addr2 and addr_len, as from 6.1 on",
    profiles: [PROFILE_RFC3, PROFILE_6_0],
  },
  {
    name: "merged_opcode",
    id: SW_MERGED_OPCODE,
    values: OFF_ON,
    about: "no opcodes of their own: a flag makes SEND and SENDMSG zero-copy sends",
  },
  {
    name: "res_copied",
    id: SW_RES_COPIED,
    values: ["off", "callback", "used"],
    about: "res of a slot's notification is 1 if the network said that it copied, or also if it never used the buffer",
    profiles: SLOT_ERA,
  },
  {
    name: "sendmsg_zc",
    id: SW_SENDMSG_ZC,
    values: OFF_ON,
    about: "a zero-copy send of a struct msghdr to a slot",
    profiles: SLOT_ERA,
  },
];

export const DEFAULT_PROFILE = "6.18";

/** Names of switches with their values, as numbers or by name. */
export type SwitchValues = Readonly<Record<string, number | string>>;

export function findProfile(name: string): Profile | undefined {
  return PROFILES.find((profile) => profile.name === name);
}

/** The number of a switch's value: a number, or one of its names. */
export function switchValue(found: Switch, value: number | string): number | undefined {
  const number = typeof value === "number" ? value : /^\d+$/.test(value) ? Number(value) : found.values.indexOf(value);
  return number >= 0 && number < found.values.length ? number : undefined;
}

const profileName = (id: number): string => PROFILES.find((profile) => profile.id === id)?.name ?? `${id}`;

/** Where a switch means something: "6.0 .. 7.1", or undefined for everywhere. */
export function switchProfiles({ profiles }: Switch): string | undefined {
  return profiles && `${profileName(profiles[0])} .. ${profileName(profiles[1])}`;
}

/** Does it mean something there? */
export function switchAppliesTo({ profiles }: Switch, { id }: Profile): boolean {
  const [first, last] = profiles ?? [0, PROFILE_LATER];
  return first <= id && id <= last;
}

/** Why a machine of this profile cannot have these switches, or undefined: one line. */
export function switchesError(profile: Profile, switches: SwitchValues): string | undefined {
  const isOn = (name: string) => switchIsOn(switches, name);
  for (const [name, value] of Object.entries(switches)) {
    const found = SWITCHES.find((one) => one.name === name);
    if (found === undefined || switchValue(found, value) === undefined) return `no switch is '${name}=${value}'`;
    if (!isOn(name)) continue;
    if (!switchAppliesTo(found, profile))
      return `the switch ${name} is for ${switchProfiles(found)}, not for ${profile.name}`;
    if (found.needs !== undefined && !isOn(found.needs)) return `the switch ${name} needs ${found.needs}`;
    const other = found.excludes?.find(isOn);
    if (other !== undefined) return `the switches ${name} and ${other} exclude each other`;
  }
  return undefined;
}

/** Is the switch on in these? */
export function switchIsOn(switches: SwitchValues | undefined, name: string): boolean {
  const found = SWITCHES.find((one) => one.name === name);
  const value = switches?.[name];
  return found !== undefined && value !== undefined && switchValue(found, value) !== 0;
}

/** `NAME` (on) or `NAME=VALUE`. The reason, when it is none. */
export function parseSwitch(text: string): { name: string; value: number } | { error: string } {
  const [name, value] = text.split(/=(.*)/s);
  const found = SWITCHES.find((one) => one.name === name);
  if (found === undefined)
    return {
      error: noSuch(
        "switch",
        name,
        SWITCHES.map((one) => one.name),
      ),
    };
  const number = switchValue(found, value ?? 1);
  if (number === undefined) return { error: `${name} can be ${found.values.join(", ")}, not '${value}'` };
  return { name, value: number };
}
