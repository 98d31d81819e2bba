// Names of errno values, from the one list that the core uses too.
import * as errno from "../../assembly/abi/errno.ts";

// Values from 512 on never reach user space, so to strerrorname_np() they have no name.
const FIRST_INTERNAL = 512;

const names = new Map<number, string>(
  Object.entries(errno)
    .filter(([, value]) => value < FIRST_INTERNAL)
    .map(([name, value]) => [value, name]),
);

/** "EAGAIN" for 11; "?" for a number without a name, as the C harness prints it. */
export function errnoName(value: number): string {
  return names.get(value) ?? "?";
}

/** Names of this project's own results, which no program sees. */
function internalName(value: number): string | undefined {
  if (value === errno.EWAITFOREVER) return "EWAITFOREVER";
  return value === errno.ENOTMODELLED ? "ENOTMODELLED" : undefined;
}

/** A result as a person reads it: "EAGAIN" for -11, the number itself otherwise. */
export function resultText(value: number): string {
  return value < 0 && value > -4096 ? errnoName(-value) : String(value);
}

/** A call that failed, with what Node's own system errors carry. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, result: number) {
    const code = internalName(-result) ?? errnoName(-result);
    super(`${syscall}: ${code}`);
    this.code = code;
    this.errno = result;
    this.syscall = syscall;
  }
}

/** The result itself, or a SyscallError for a negative one. */
export function must(syscall: string, result: number): number {
  if (result < 0) throw new SyscallError(syscall, result);
  return result;
}
