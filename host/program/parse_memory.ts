// The lines that read and write a program's memory: map, put, get, hash.
import type { Names } from "./parse.ts";
import type { StepBody } from "./steps.ts";
import { NUMBER_TYPES, type NumberType } from "./vocabulary.ts";
import type { Words } from "./words.ts";

const TYPES = Object.keys(NUMBER_TYPES) as NumberType[];
/** What the harness has room for in one event. */
const GET_MAX = 256;

/** map NAME LEN FD OFFSET: a shared mapping of a descriptor. */
export function parseMap(words: Words, names: Names): StepBody {
  const name = words.newName("a name for the mapping");
  const length = words.size("a number of bytes");
  const fd = names.arg(words, "a descriptor");
  const offset = names.arg(words, "an offset");
  names.bufs.add(name);
  return { op: "map", name, length, fd, offset };
}

/** put BUF OFFSET TYPE ARG... */
export function parsePut(words: Words, names: Names): StepBody {
  const name = names.area(words);
  const offset = words.size("an offset");
  const type = words.oneOf(TYPES);
  const values = names.args(words, "a value");
  if (values.length === 0) words.expected("a value");
  return { op: "put", name, offset, type, values };
}

/** get BUF OFFSET TYPE [COUNT] */
export function parseGet(words: Words, names: Names): StepBody {
  const name = names.area(words);
  const offset = words.size("an offset");
  const type = words.oneOf(TYPES);
  const count = words.left > 0 ? words.size("a number of values") : 1;
  if (count < 1 || count > GET_MAX) words.expected(`1 to ${GET_MAX} values`, String(count));
  return { op: "get", name, offset, type, count };
}

/** hash BUF [OFFSET LENGTH] */
export function parseHash(words: Words, names: Names): StepBody {
  const name = names.area(words);
  if (words.left === 0) return { op: "hash", name, offset: 0 };
  return { op: "hash", name, offset: words.size("an offset"), length: words.size("a number of bytes") };
}
