// What a profile has, in names: read from the same table that the core reads.
import * as names from "../../assembly/abi/profile.ts";
import { PROFILE_ROWS } from "../../assembly/abi/profile_rows.ts";
import * as uapi from "../../assembly/abi/uapi.ts";

export interface Description {
  /** What the profile before it did not have. */
  added: string[];
  /** What the profile before it had. */
  gone: string[];
}

interface Row {
  kind: number;
  id: number;
  first: number;
  last: number;
  value: number;
}

const ROWS: readonly Row[] = Array.from({ length: PROFILE_ROWS.length / names.PROFILE_ROW_SIZE }, (_, index) => {
  const [kind, id, first, last, value] = PROFILE_ROWS.slice(index * names.PROFILE_ROW_SIZE);
  return { kind, id, first, last, value };
});

function constantName(all: Readonly<Record<string, unknown>>, prefixes: readonly string[], value: number): string {
  const found = Object.entries(all).find(
    ([name, number]) =>
      number === value && prefixes.some((prefix) => name.startsWith(prefix)) && !/_(FIRST|LAST)$/.test(name),
  );
  return found?.[0] ?? `${prefixes[0]}${value}`;
}

const flag = (prefixes: string[]) => (row: Row) => constantName(uapi, prefixes, 2 ** row.id);

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
  [names.ROW_SEND]: (row) => `${flag(["IORING_RECVSEND_", "IORING_SEND_"])(row)} of SEND`,
  [names.ROW_ZC]: (row) => `${flag(["IORING_RECVSEND_", "IORING_SEND_"])(row)} of zero-copy sends`,
  [names.ROW_SENDZC]: (row) => `${constantName(names, ["SENDZC_"], 2 ** row.value)} (ioprio ${2 ** row.id})`,
  [names.ROW_LIMIT]: (row) => `${constantName(names, ["L_"], row.id).slice(2).toLowerCase()} ${2 ** row.value}`,
  [names.ROW_BEHAVIOUR]: (row) => constantName(names, ["B_"], row.id).slice(2).toLowerCase(),
};

function hasOf(profile: number): Set<string> {
  return new Set(
    ROWS.filter(({ first, last }) => first <= profile && profile <= last).map((row) => NAMES[row.kind](row)),
  );
}

export function describeProfile(profile: number): Description {
  const now = hasOf(profile);
  const before = profile === 0 ? new Set<string>() : hasOf(profile - 1);
  return {
    added: [...now].filter((name) => !before.has(name)),
    gone: [...before].filter((name) => !now.has(name)),
  };
}
