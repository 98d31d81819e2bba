// The lines that make one system call with the arguments as they are written: setup, enter, reg, sys.
import type { Names } from "./parse.ts";
import type { SetupSetting, StepBody } from "./steps.ts";
import { SYS_CALLS } from "./vocabulary.ts";
import type { Words } from "./words.ts";

const SETUP_KEYS = ["idle", "cpu", "wq_fd", "resv", "sq_addr", "cq_addr"] as const;
const CALL_ARGS_MAX = 6;

/** setup ENTRIES FLAGS [CQ_ENTRIES] [KEY=ARG...] */
export function parseSetup(words: Words, names: Names): StepBody {
  const entries = words.size("a number of entries");
  const flags = words.left > 0 ? words.flags32("setup flags") : 0;
  const hasCq = words.left > 0 && !words.peek()?.includes("=");
  const cqEntries = hasCq ? words.int("a number of CQ entries") : undefined;
  const settings: SetupSetting[] = [];
  while (words.left > 0) {
    const [key, value] = words.pair(`KEY=VALUE with one of ${SETUP_KEYS.join(", ")}`);
    settings.push({ key: words.oneOf(SETUP_KEYS, key), value: names.arg(words, `a value for ${key}`, value) });
  }
  names.fds.add(`ring${names.ring}`);
  return {
    op: "setup",
    entries,
    flags,
    ...(cqEntries === undefined ? {} : { cqEntries }),
    ...(settings.length === 0 ? {} : { settings }),
  };
}

/** enter TO_SUBMIT MIN_COMPLETE FLAGS [ARG SIZE] */
export function parseEnter(words: Words, names: Names): StepBody {
  const toSubmit = words.flags32("to_submit");
  const minComplete = words.flags32("min_complete");
  const flags = words.flags32("enter flags");
  if (words.left === 0) return { op: "enter", toSubmit, minComplete, flags };
  const arg = names.arg(words, "an argument");
  return { op: "enter", toSubmit, minComplete, flags, arg, size: names.arg(words, "the size of the argument") };
}

/** reg OPCODE ARG NR [FD] */
export function parseReg(words: Words, names: Names): StepBody {
  const opcode = words.flags32("a register opcode");
  const arg = names.arg(words, "an argument");
  const count = words.flags32("a number");
  return { op: "reg", opcode, arg, count, ...(words.left > 0 ? { fd: names.fd(words) } : {}) };
}

/** sys [NAME=]CALL ARG... */
export function parseSys(words: Words, names: Names): StepBody {
  const word = words.word("a system call");
  const at = word.indexOf("=");
  const name = at < 0 ? undefined : words.asName("a name for the descriptor", word.slice(0, at));
  const call = SYS_CALLS.find((each) => each === word.slice(at + 1));
  if (call === undefined) words.expected("a system call of docs/programs.md", word.slice(at + 1));
  const args = names.args(words, "an argument");
  if (args.length > CALL_ARGS_MAX) words.expected(`at most ${CALL_ARGS_MAX} arguments`, `${args.length}`);
  if (name !== undefined) names.fds.add(name);
  return { op: "sys", call, args, ...(name === undefined ? {} : { name }) };
}
