// The table of assembly/abi/profile_rows.ts as objects.
import { PROFILE_ROW_SIZE } from "../../assembly/abi/profile.ts";
import { PROFILE_ROWS } from "../../assembly/abi/profile_rows.ts";

export interface Row {
  /** ROW_* */
  kind: number;
  id: number;
  /** Profiles, both included. */
  first: number;
  last: number;
  value: number;
}

export const ROWS: readonly Row[] = Array.from({ length: PROFILE_ROWS.length / PROFILE_ROW_SIZE }, (_, index) => {
  const [kind, id, first, last, value] = PROFILE_ROWS.slice(index * PROFILE_ROW_SIZE);
  return { kind, id, first, last, value };
});
