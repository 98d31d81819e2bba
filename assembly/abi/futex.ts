// futex(2): operations, and the flags of the newer calls.
export const FUTEX_WAIT: u32 = 0;
export const FUTEX_WAKE: u32 = 1;
export const FUTEX_FD: u32 = 2;
export const FUTEX_REQUEUE: u32 = 3;
export const FUTEX_CMP_REQUEUE: u32 = 4;
export const FUTEX_WAKE_OP: u32 = 5;
export const FUTEX_LOCK_PI: u32 = 6;
export const FUTEX_UNLOCK_PI: u32 = 7;
export const FUTEX_TRYLOCK_PI: u32 = 8;
export const FUTEX_WAIT_BITSET: u32 = 9;
export const FUTEX_WAKE_BITSET: u32 = 10;
export const FUTEX_WAIT_REQUEUE_PI: u32 = 11;
export const FUTEX_CMP_REQUEUE_PI: u32 = 12;
export const FUTEX_LOCK_PI2: u32 = 13;
export const FUTEX_CMD_LAST: u32 = 13;
export const FUTEX_PRIVATE_FLAG: u32 = 128;
export const FUTEX_CLOCK_REALTIME: u32 = 256;

export const FUTEX2_SIZE_MASK: u32 = 3;
export const FUTEX2_SIZE_U32: u32 = 2;
export const FUTEX2_NUMA: u32 = 4;
export const FUTEX2_MPOL: u32 = 8;
export const FUTEX2_PRIVATE: u32 = 128;
export const FUTEX_WAITV_MAX: u32 = 128;
