// Profiles: which kernel a machine behaves as. One table says what came with which release and what went with which; the core
// asks the table (lib/profile.ts) and never for a version.
//
// Below 6.0 stands the era of notification slots, which no released kernel ever had (spec: notif-slots.md 0); `aug16` is a
// proposal of its last weeks that was never merged, as it would have been on top of rc3. Above 6.18 stands what is known of later
// releases.
//
// Sources: notif-slots.md 1.1, 2.3, 3; send-zc.md 7; io_uring_setup(2), io_uring_enter(2), io_uring_register(2) ("available since").

// The order is the order of time: a row of the table holds from one profile to another, both included.
export const PROFILE_RFC3: u32 = 0;
export const PROFILE_RC1: u32 = 1;
export const PROFILE_RC2: u32 = 2;
export const PROFILE_RC3: u32 = 3;
export const PROFILE_AUG16: u32 = 4;
/** 6.N is PROFILE_6_0 + N. */
export const PROFILE_6_0: u32 = 5;
export const PROFILE_6_18: u32 = 23;
export const PROFILE_LATER: u32 = 24;
export const PROFILE_COUNT: u32 = 25;
export const PROFILE_DEFAULT: u32 = 23;

// Kinds of rows, and what their `id` and `value` are.
export const ROW_OP: u32 = 0; // id: opcode of an SQE; value: what it is done as (OPI_* or the opcode itself)
export const ROW_REGISTER: u32 = 1; // id: opcode of io_uring_register; value: what it is done as (REGI_* or the opcode itself)
export const ROW_SETUP: u32 = 2; // id: bit number of an IORING_SETUP_* flag
export const ROW_ENTER: u32 = 3; // id: bit number of an IORING_ENTER_* flag
export const ROW_SQE: u32 = 4; // id: bit number of an IOSQE_* flag
export const ROW_FEATURE: u32 = 5; // id: bit number of an IORING_FEAT_* flag
export const ROW_SEND: u32 = 6; // id: bit number in sqe.ioprio of SEND and SENDMSG
export const ROW_ZC: u32 = 7; // id: bit number in sqe.ioprio of the zero-copy sends
export const ROW_LIMIT: u32 = 8; // id: L_*; value: log2 of the limit
export const ROW_BEHAVIOUR: u32 = 9; // id: B_*

// Operations that have no opcode of 6.18: internal numbers, above all that an SQE can name.
export const OPI_FIRST: u32 = 128;
export const OPI_SENDZC_NOTIF: u32 = 128; // the zero-copy send of the slot era
export const OPI_RSRC_UPDATE: u32 = 129; // FILES_UPDATE of the slot era, with a sub-type in ioprio
export const OP_UNKNOWN: u32 = 255;

// The same for io_uring_register.
export const REGI_NOTIFIERS: u32 = 64;
export const REGI_UNREGISTER_NOTIFIERS: u32 = 65;
export const REGISTER_UNKNOWN: u32 = 255;

// Limits.
export const L_NOTIF_SLOTS: u32 = 0;
export const L_COUNT: u32 = 8;

// Behaviours: at most 64.
export const B_NOTIF_SLOTS: u32 = 0; // notifications live in registered slots
export const B_LINK_SKB: u32 = 1; // notifications are chained on one skb; before, another notification starts another skb
export const B_RSRC_QUIESCE: u32 = 2; // registered resources are released in order, and unregistering waits for all users
export const B_COUNT: u32 = 3;

// Switches: proposals that were never released, and choices that Linux left open. Off (0) unless asked for.
export const SW_TW_ORDER: u32 = 0; // order of task work: 0 as the profile has it, 1 fifo, 2 lifo
export const SW_COUNT: u32 = 1;
export const SW_MAX: u32 = 32;

/** kind, id, first, last, value */
export const PROFILE_ROW_SIZE: u32 = 5;
