// Says in words what the core refused to make up.
import * as futex from "../../assembly/abi/futex.ts";
import {
  NOT_MODELLED_FORM,
  NOT_MODELLED_FUTEX,
  NOT_MODELLED_OP,
  NOT_MODELLED_REGISTER,
  NOT_MODELLED_SETUP,
} from "../../assembly/abi/not_modelled.ts";
import * as uapi from "../../assembly/abi/uapi.ts";

const names = new Map<string, string>();

function nameOf(prefix: string, value: number, header: object = uapi): string {
  const key = `${prefix}${value}`;
  const name = names.get(key) ?? findName(prefix, value, header) ?? key;
  names.set(key, name);
  return name;
}

function findName(prefix: string, value: number, header: object): string | undefined {
  return Object.entries(header).find(
    ([name, constant]) => name.startsWith(prefix) && constant === value && !name.endsWith("_LAST"),
  )?.[0];
}

/** `code` is what not_modelled() returned after `syscall` gave -ENOTMODELLED. */
export function describeNotModelled(syscall: string, code: number): string {
  const number = code & 0xffff;
  if (code & NOT_MODELLED_OP) return `${nameOf("IORING_OP_", number)} (in ${syscall})`;
  if (code & NOT_MODELLED_FORM) return `this form of ${nameOf("IORING_OP_", number)} (in ${syscall})`;
  if (code & NOT_MODELLED_REGISTER) return `${nameOf("IORING_REGISTER_", number)} (in ${syscall})`;
  if (code & NOT_MODELLED_SETUP) return `${nameOf("IORING_SETUP_", (number & -number) << 19)} (in ${syscall})`;
  if (code & NOT_MODELLED_FUTEX) return `${nameOf("FUTEX_", number, futex)} (in ${syscall})`;
  return `what ${syscall} was asked for (${number})`;
}
