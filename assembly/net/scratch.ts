// Where calls keep their kernel copies: the msghdr, the iovec array, addresses, ancillary data. One place for each is
// enough, as one call runs at a time; but while a system call sleeps, task work issues requests of io_uring. So there are
// two sets: SYS_* belongs to the system call, also while it sleeps, and SCRATCH_* to whoever runs now and does not sleep.
// What a request has to remember between two issues is in its own async data.
import { SYSCALL_SCRATCH } from "../lib/state";

export const SCRATCH_MSG: usize = SYSCALL_SCRATCH; // MsgHdr, 48 bytes
export const SCRATCH_UN: usize = SYSCALL_SCRATCH + 0x80; // a normalized sockaddr_un, 112 bytes
export const SCRATCH_NAME: usize = SYSCALL_SCRATCH + 0x100; // struct sockaddr_storage, 128 bytes
export const SCRATCH_WORDS: usize = SYSCALL_SCRATCH + 0x180; // option values and other small results, 128 bytes
export const SCRATCH_ERRHDR: usize = SYSCALL_SCRATCH + 0x200; // a cmsg header and its data on the way out, 128 bytes
export const SCRATCH_SPLICE: usize = SYSCALL_SCRATCH + 0x280; // 16 segments and an IovIter (net/splice.ts), 296 bytes

export const SYS_MSG: usize = SYSCALL_SCRATCH + 0x400; // MsgHdr, 48 bytes
export const SYS_ITER: usize = SYSCALL_SCRATCH + 0x440; // IovIter, 40 bytes
export const SYS_USER_MSG: usize = SYSCALL_SCRATCH + 0x480; // UserMsg, 56 bytes
export const SYS_NAME: usize = SYSCALL_SCRATCH + 0x500; // struct sockaddr_storage, 128 bytes
export const SYS_KVEC: usize = SYSCALL_SCRATCH + 0x1000; // UIO_MAXIOV segments of 16 bytes

/** Ancillary data of a send, for a request and for a system call. */
export const SCRATCH_CONTROL: usize = SYSCALL_SCRATCH + 0x5000;
export const SYS_CONTROL: usize = SYSCALL_SCRATCH + 0x8800;
export const CONTROL_MAX: u32 = 0x3800;
