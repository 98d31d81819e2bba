// Files: open(2), fcntl(2), preadv2(2), fallocate(2), posix_fadvise(2).
export const F_DUPFD: u32 = 0;
export const F_GETFD: u32 = 1;
export const F_SETFD: u32 = 2;
export const F_GETFL: u32 = 3;
export const F_SETFL: u32 = 4;
export const F_DUPFD_CLOEXEC: u32 = 1030;
export const F_SETPIPE_SZ: u32 = 1031;
export const F_GETPIPE_SZ: u32 = 1032;
export const FD_CLOEXEC: u32 = 1;

export const O_RDWR: u32 = 0x2;
export const O_NOTIFICATION_PIPE: u32 = 0x80;
export const O_APPEND: u32 = 0x400;
export const O_NONBLOCK: u32 = 0x800;
export const O_DIRECT: u32 = 0x4000;
export const O_LARGEFILE: u32 = 0x8000;
export const O_CLOEXEC: u32 = 0x80000;
export const O_TMPFILE: u32 = 0x410000;

export const RWF_HIPRI: u32 = 0x1;
export const RWF_DSYNC: u32 = 0x2;
export const RWF_SYNC: u32 = 0x4;
export const RWF_NOWAIT: u32 = 0x8;
export const RWF_APPEND: u32 = 0x10;
export const RWF_NOAPPEND: u32 = 0x20;
export const RWF_DONTCACHE: u32 = 0x80;
export const RWF_NOSIGNAL: u32 = 0x100;

export const FALLOC_FL_KEEP_SIZE: u32 = 1;
export const FALLOC_FL_PUNCH_HOLE: u32 = 2;
export const FALLOC_FL_COLLAPSE_RANGE: u32 = 8;
export const FALLOC_FL_ZERO_RANGE: u32 = 16;
export const FALLOC_FL_INSERT_RANGE: u32 = 32;

export const FADV_SEQUENTIAL: u32 = 2;
export const FADV_LAST: u32 = 5;
