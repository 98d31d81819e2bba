// errno values of Linux (asm-generic). Results of calls and CQEs are the negated value.
export const EPERM: i32 = 1;
export const ENOENT: i32 = 2;
export const EINTR: i32 = 4;
export const EIO: i32 = 5;
export const ENXIO: i32 = 6;
export const E2BIG: i32 = 7;
export const EBADF: i32 = 9;
export const EAGAIN: i32 = 11;
export const ENOMEM: i32 = 12;
export const EACCES: i32 = 13;
export const EFAULT: i32 = 14;
export const EBUSY: i32 = 16;
export const EEXIST: i32 = 17;
export const ENODEV: i32 = 19;
export const EINVAL: i32 = 22;
export const ENFILE: i32 = 23;
export const EMFILE: i32 = 24;
export const ENOTTY: i32 = 25;
export const EFBIG: i32 = 27;
export const ESPIPE: i32 = 29;
export const EPIPE: i32 = 32;
export const EDOM: i32 = 33;
export const ENOSYS: i32 = 38;
export const ELOOP: i32 = 40;
export const ETIME: i32 = 62;
export const ENOPKG: i32 = 65;
export const EPROTO: i32 = 71;
export const EOVERFLOW: i32 = 75;
export const EBADFD: i32 = 77;
export const ENOTSOCK: i32 = 88;
export const EDESTADDRREQ: i32 = 89;
export const EMSGSIZE: i32 = 90;
export const EPROTOTYPE: i32 = 91;
export const ENOPROTOOPT: i32 = 92;
export const EPROTONOSUPPORT: i32 = 93;
export const ESOCKTNOSUPPORT: i32 = 94;
export const EOPNOTSUPP: i32 = 95;
export const EAFNOSUPPORT: i32 = 97;
export const EADDRINUSE: i32 = 98;
export const EADDRNOTAVAIL: i32 = 99;
export const ENETUNREACH: i32 = 101;
export const ECONNABORTED: i32 = 103;
export const ECONNRESET: i32 = 104;
export const ENOBUFS: i32 = 105;
export const EISCONN: i32 = 106;
export const ENOMSG: i32 = 42;
export const ENOTCONN: i32 = 107;
export const ETIMEDOUT: i32 = 110;
export const ECONNREFUSED: i32 = 111;
export const EHOSTUNREACH: i32 = 113;
export const EALREADY: i32 = 114;
export const EINPROGRESS: i32 = 115;
export const EOWNERDEAD: i32 = 130;
export const EBADR: i32 = 53;
export const ENOSPC: i32 = 28;
export const ERANGE: i32 = 34;
export const ECANCELED: i32 = 125;

// Kernel-internal results that never reach user space as they are.
export const ERESTARTSYS: i32 = 512;
export const EIOCBQUEUED: i32 = 529;

// Ours. A blocking call that no event can ever end returns this; `wait_report()` says what it waited for.
export const EWAITFOREVER: i32 = 3000;
// Ours. The program used something that Linux has and this emulator does not; the run ends with a report.
export const ENOTMODELLED: i32 = 3001;
