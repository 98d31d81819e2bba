// Exit codes: 0 for success, 1 for a run that did not succeed, 2 for input that makes no sense, 3 when this machine
// cannot do what was asked.
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_UNAVAILABLE = 3;

/** Bad input: one line on stderr, exit 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
