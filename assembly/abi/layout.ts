// The memory map of a machine: one Wasm memory, the kernel region at the bottom, the user region above it.
// Every region starts where the one before ends; host and core read this same file.
// Pools hand out untouched (zero) memory first, so an idle machine costs only the pages that it really used.

export const ABI_VERSION: u32 = 1;
export const PAGE_SIZE: u32 = 4096;
export const PAGE_SHIFT: u32 = 12;

// 0 .. 64 KiB: address 0, static data of the module, guard.
export const STATE_BASE: u32 = 0x10000; // machine state (lib/state.ts)
export const STATE_SIZE: u32 = 0x2000;
export const POOL_DESC_BASE: u32 = 0x12000; // pool descriptors, 32 bytes each (lib/pool.ts)
export const POOL_DESC_SIZE: u32 = 0x1000;
export const COUNTERS_BASE: u32 = 0x13000;
export const TRACE_HDR_BASE: u32 = 0x13800;
export const WAIT_REPORT_BASE: u32 = 0x13900;
export const PANIC_BASE: u32 = 0x13a00;

// Per-page bookkeeping for the whole 1 GiB that a memory may grow to.
export const PAGE_PROT_BASE: u32 = 0x20000; // u8 per page: PROT_* | PAGE_MAPPED
export const PAGE_REF_BASE: u32 = 0x60000; // u32 per page: references (pins, frags)
export const TRACE_BASE: u32 = 0x160000; // 65536 records of 32 bytes
export const TRACE_CAPACITY: u32 = 65536;
export const TIMER_HEAP_BASE: u32 = 0x360000; // u32 per armed timer
export const TIMER_HEAP_MAX: u32 = 102400;

export const POOLS_BASE: u32 = 0x400000;
// Object sizes and counts of the fixed pools.
export const REQ_SIZE: u32 = 320; // an odd number of cache lines: first lines of neighbours spread over the whole cache
export const REQ_MAX: u32 = 81920;
export const ASYNC_SIZE: u32 = 512;
export const ASYNC_MAX: u32 = 32768;
export const SKB_SIZE: u32 = 160;
export const SKB_MAX: u32 = 65536;
export const SHINFO_SIZE: u32 = 576; // odd number of lines, too
export const SHINFO_MAX: u32 = 65536;
export const SOCK_SIZE: u32 = 1024;
export const SOCK_MAX: u32 = 4096;
export const FILE_SIZE: u32 = 64;
export const FILE_MAX: u32 = 8192;
export const CTX_SIZE: u32 = 1024;
export const CTX_MAX: u32 = 1024;
export const TASK_SIZE: u32 = 4352; // with its table of 1024 descriptors
export const TASK_MAX: u32 = 64;
export const TIMER_SIZE: u32 = 48;
export const TIMER_MAX: u32 = 102400; // every request and (thrice) every socket can have one; the rest is the machine's
export const DEV_SIZE: u32 = 256;
export const DEV_MAX: u32 = 256;
export const NODE_SIZE: u32 = 64; // resource nodes (registered buffers and files)
export const NODE_MAX: u32 = 65536;
export const SMALL_SIZE: u32 = 64; // wait entries, poll entries, routes, neighbours, error records
export const SMALL_MAX: u32 = 65536;
export const OVERFLOW_SIZE: u32 = 48; // CQEs that found no room
export const OVERFLOW_MAX: u32 = 65536;
export const KBUF_SIZE: u32 = 24; // buffers of PROVIDE_BUFFERS
export const KBUF_MAX: u32 = 81920;

// Kernel data: chunks of 32 KiB (a compound page of order 3), cut into page fragments.
export const CHUNK_BASE: u32 = 0x7280000; // 114.5 MiB
export const CHUNK_SIZE: u32 = 32768;
export const CHUNK_SHIFT: u32 = 15;
export const CHUNK_MAX: u32 = 2480;

// User region. mmap() places rings, SQEs and buffers here; pointers below are EFAULT.
export const USER_BASE: u32 = 0xc000000; // 192 MiB
export const USER_END: u32 = 0x40000000; // 1 GiB
// Addresses at or above this can never be user memory on x86-64 (access_ok).
export const TASK_SIZE_MAX_HI: u32 = 0x7fff; // high word of 0x00007ffffffff000
