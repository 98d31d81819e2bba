// The names that a program may use for numbers: flags and constants, operations of the ring, system calls. The C harness
// is compiled with the same lists (host/kernel/names_header.ts), so a name is added here, or in assembly/abi/, and nowhere
// else.
import * as fcntl from "../../assembly/abi/fcntl.ts";
import * as futex from "../../assembly/abi/futex.ts";
import * as slots from "../../assembly/abi/notif_slots.ts";
import * as socket from "../../assembly/abi/socket.ts";
import * as uapi from "../../assembly/abi/uapi.ts";

type Names = Record<string, number>;

/** Where the constants come from. Offsets and sizes of structs are no words of the language. */
const HEADERS: readonly Record<string, unknown>[] = [uapi, socket, fcntl, futex];
const NOT_A_WORD = /^(?!IORING_OFF_).*_OFF_|_SIZE$|_LAST$|_SHIFT$|_MASK$/;

/** What is left out of a long name to make the short one: `IORING_SETUP_SQPOLL` is also `SQPOLL`. */
const PREFIXES = ["IORING_SETUP_", "IOSQE_", "IORING_"];

function headerNames(headers: readonly Record<string, unknown>[]): Names {
  const names: Names = {};
  for (const header of headers) {
    for (const [name, value] of Object.entries(header)) {
      if (typeof value !== "number" || NOT_A_WORD.test(name)) continue;
      names[name] = value;
      const prefix = PREFIXES.find((each) => name.startsWith(each));
      if (prefix !== undefined) names[name.slice(prefix.length)] = value;
    }
  }
  return names;
}

/** Names that are no header's, or that the short form above does not give. */
const OWN_NAMES: Names = {
  CQE_SKIP: uapi.IOSQE_CQE_SKIP_SUCCESS,
  POLL_FIRST: uapi.IORING_RECVSEND_POLL_FIRST,
  FIXED_BUF: uapi.IORING_RECVSEND_FIXED_BUF,
  REPORT_USAGE: uapi.IORING_SEND_ZC_REPORT_USAGE,
  BUNDLE: uapi.IORING_RECVSEND_BUNDLE,
  VECTORIZED: uapi.IORING_SEND_VECTORIZED,
};

/** Flags and constants by name. The names of all groups share one table, as no two mean different things. */
export const FLAGS: Readonly<Names> = { ...headerNames(HEADERS), ...OWN_NAMES };

/** `send_zc` and so on: the names of the header in lower case, and one short form. */
export const SQE_OPS: Readonly<Names> = {
  ...Object.fromEntries(
    Object.entries(uapi)
      .filter(([name]) => name.startsWith("IORING_OP_") && name !== "IORING_OP_LAST")
      .map(([name, value]) => [name.slice("IORING_OP_".length).toLowerCase(), value as number]),
  ),
  cancel: uapi.IORING_OP_ASYNC_CANCEL,
};

// The era of notification slots (profiles rfc3 to aug16). Its numbers mean something else to a real kernel, so the C harness does not
// know these words.

/** An operation of that era; some are told by ioprio from others with the same opcode. */
export interface SlotOp {
  opcode: number;
  ioprio?: number;
}

export const SLOT_OPS: Readonly<Record<string, SlotOp>> = {
  sendzc: { opcode: uapi.IORING_OP_SEND_ZC },
  sendzc_notif: { opcode: uapi.IORING_OP_SEND_ZC },
  sendmsgzc: { opcode: uapi.IORING_OP_SENDMSG_ZC },
  send_notif: { opcode: uapi.IORING_OP_SEND },
  sendmsg_notif: { opcode: uapi.IORING_OP_SENDMSG },
  rsrc_update: { opcode: uapi.IORING_OP_FILES_UPDATE },
  rsrc_update_notif: { opcode: uapi.IORING_OP_FILES_UPDATE, ioprio: slots.IORING_RSRC_UPDATE_NOTIF },
};

/** The flags, with `NOTIF_FLUSH` and `COPY_TAG` of 6.0-rc and `OVERRIDE_TAG` of the third RFC as short forms. */
export const SLOT_FLAGS: Readonly<Names> = {
  ...headerNames([slots]),
  NOTIF_FLUSH: slots.IORING_RECVSEND_NOTIF_FLUSH,
  ZC_NOTIF: slots.IORING_RECVSEND_ZC_NOTIF,
  ZC_NOTIF_LATER: slots.IORING_RECVSEND_ZC_NOTIF_LATER,
  COPY_TAG: slots.IORING_RECVSEND_NOTIF_COPY_TAG,
  OVERRIDE_TAG: slots.IORING_SENDZC_OVERRIDE_TAG,
};

/**
 * The calls that `sys` makes. The emulator has an implementation for those in sys_calls.ts; the others are reported as not
 * modelled. Left out: what ends the process, what gives addresses (`map` does that), and what needs a file system.
 */
export const SYS_CALLS = [
  ...["accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom"],
  ...["recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socket", "socketpair"],
  ...["close", "dup", "dup2", "dup3", "eventfd", "eventfd2", "fcntl", "ioctl", "memfd_create", "pipe", "pipe2"],
  ...["read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2"],
  ...["sendfile", "splice", "tee", "vmsplice", "ftruncate", "fallocate", "lseek", "fsync", "fdatasync"],
  ...["epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2"],
  ...["poll", "ppoll", "select", "pselect6", "timerfd_create", "timerfd_settime", "timerfd_gettime"],
  ...["futex", "futex_wait", "futex_wake", "futex_waitv", "futex_requeue"],
  ...["madvise", "mlock", "mprotect", "munlock", "munmap"],
  ...["getrlimit", "prlimit64", "setrlimit", "setuid", "nanosleep", "sched_yield"],
  ...["io_uring_setup", "io_uring_enter", "io_uring_register"],
] as const;

export type SysCall = (typeof SYS_CALLS)[number];

/** Types of `put` and `get`: bytes, and whether they are signed. */
export const NUMBER_TYPES = {
  u8: [1, false],
  u16: [2, false],
  u32: [4, false],
  u64: [8, false],
  i32: [4, true],
  i64: [8, true],
} as const;

export type NumberType = keyof typeof NUMBER_TYPES;
