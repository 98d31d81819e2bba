// What `ringzero explain --json` prints: one object of this shape, its keys in this order. Times are nanoseconds of virtual
// time since boot; null is "not by the end of the program". user_data is a number, beyond 2^53 a longer one than JavaScript
// holds (JSON has no limit).

export interface Explanation {
  program: string;
  /** The kernel that it ran on (`ringzero profiles`). */
  profile: string;
  outcome: { kind: "end" | "waits" | "not-modelled" | "failed"; line: number | null; report: string | null };
  requests: RequestLife[];
  /** What this kernel lacks, and what did not run; `line` is null for the program as a whole. */
  notes: { line: number | null; text: string }[];
  advice: Advice[];
  /** Records of the trace that were overwritten before they were read: what they told is missing. */
  lost: number;
}

export interface RequestLife {
  /** 1, 2, ... in the order in which the kernel took them. */
  id: number;
  /** Of the `sqe` step, or of the system call. */
  line: number;
  /** SEND_ZC, SEND, ...; `send()` for a system call. */
  operation: string;
  /** Name of the ring's slot (`use`); null for a system call. */
  ring: string | null;
  user_data: bigint | null;
  /** As the program names the socket, with what it is: "A", "tcp". Null when it was never looked up. */
  socket: { name: string; kind: string } | null;
  /** Bytes of the program that it sends, or that the kernel writes. Empty: none, or not known. */
  buffers: Span[];
  /** Bytes that it asked for. */
  bytes: number;
  /** From a registered buffer. */
  fixed: boolean;
  submitted_ns: number;
  /** Its own completion; null when there was none. */
  completion: Completion | null;
  /** What a request without a completion waits for, as far as it is known. */
  waits_for: string | null;
  /** What tells that the buffer is free. Null for a request that has none. */
  notification: Notice | null;
  /** The buffer's owners, one after the other, without gaps. Empty for a request without bytes. */
  intervals: Interval[];
  /** Since when the application may change the buffer: it has seen what says so. */
  free_ns: number | null;
  references: Reference[];
  copies: Copy[];
  surprises: Surprise[];
}

export interface Span {
  /** Null: memory that is no buffer of the program. */
  buffer: string | null;
  offset: number;
  length: number;
}

export interface Completion {
  res: number;
  flags: number;
  posted_ns: number;
  /** When the application read it. */
  seen_ns: number | null;
}

export interface Notice {
  /** Notifications are counted in the order in which they were allocated; several sends may share one. */
  label: string;
  /** `cqe`; `only cqe`: the completion is all that is posted; `error queue` for MSG_ZEROCOPY. */
  kind: "cqe" | "only cqe" | "error queue";
  /** Success posts no CQE before it (IOSQE_CQE_SKIP_SUCCESS). */
  skips_first: boolean;
  user_data: bigint;
  /** Requests (ids) that use it. */
  shared_by: number[];
  /** The notification with which it completes, when it was chained. */
  chained_to: string | null;
  /** Last reference gone. */
  done_ns: number | null;
  posted_ns: number | null;
  seen_ns: number | null;
  res: number | null;
  flags: number | null;
  /** It told that bytes were copied. */
  copied: boolean;
  /** Why the last reference went; null while there is one. */
  because: string | null;
}

export const OWNERS = [
  "application",
  "request",
  "send queue",
  "device queue",
  "device",
  "NIC",
  "input queue",
  "retransmit queue",
  "slot",
  "notification",
  "completion queue",
  "error queue",
] as const;
export type Owner = (typeof OWNERS)[number];

export interface Interval {
  owner: Owner;
  /** Name of the device, when one is meant. */
  device: string | null;
  from_ns: number;
  /** Null: to the end of the program. */
  to_ns: number | null;
  /** What ended it, or why it did not end. */
  until: string;
  /** Who else held the buffer at the same time. */
  also: Owner[];
}

export interface Reference {
  /** Label of the notification that it is on: the request's own, or that of the skb that its bytes share. */
  on: string;
  /** `request`, `skb 3`, `notification #2`, `slot`. */
  holder: string;
  /** Why it was taken, and why it was dropped: reasons of assembly/abi/trace.ts (REF_*). */
  taken_for: string;
  taken_ns: number;
  dropped_ns: number | null;
  dropped_because: string | null;
}

export interface Copy {
  /** 0: nothing had to be copied, but it counts as copied. */
  bytes: number;
  at_ns: number;
  /** COPY_* in lower case, `plain` for a send that copies always. */
  reason: string;
  /** Where in the path. */
  place: string;
  because: string;
}

export interface Surprise {
  /** Name of the rule (host/explain/surprises.ts). */
  rule: string;
  text: string;
}

export interface Advice {
  /** Name of the rule (host/explain/advice.ts). */
  rule: string;
  /** `bug`: bytes or completions can be lost. `cost`: it works, and something else is cheaper. */
  weight: "bug" | "cost";
  /** Lines of the program that show it. */
  lines: number[];
  text: string;
}
