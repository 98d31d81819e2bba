// What a call waited for when it returned EWAITFOREVER. u32 fields at wait_report().
export const WAIT_KIND: u32 = 0; // WAIT_* below
export const WAIT_FD: u32 = 4;
export const WAIT_WANTED: u32 = 8; // e.g. min_complete
export const WAIT_HAVE: u32 = 12; // e.g. CQEs ready
export const WAIT_REQS: u32 = 16; // requests of the ring still in flight
export const WAIT_NOTIFS: u32 = 20; // notifications of the ring still held by the network
export const WAIT_EVENTS: u32 = 24; // events still pending when it gave up (0 = nothing can ever happen)
export const WAIT_DEFERRED: u32 = 28; // requests held back by IOSQE_IO_DRAIN
export const WAIT_HELD_DATA: u32 = 32; // u64 user_data of the first of those
export const WAIT_OWN_NOTIF: u32 = 40; // 1: one of those has a notification of its own, which keeps the drain from ever ending
export const WAIT_OWN_DATA: u32 = 48; // u64 user_data of that one
export const WAIT_SIZE: u32 = 56;

export const WAIT_RING: u32 = 1; // io_uring_enter with min_complete
export const WAIT_RECV: u32 = 2;
export const WAIT_SEND: u32 = 3;
export const WAIT_ACCEPT: u32 = 4;
export const WAIT_CONNECT: u32 = 5;
export const WAIT_POLL: u32 = 6;
export const WAIT_RSRC: u32 = 7; // io_uring_register: registered buffers or files in use; WAIT_HAVE: how many users
