// Profiles: which kernel a machine behaves as. One table says what came with which release and what went with which; the core
// asks the table (lib/profile.ts) and never for a version.
//
// Below 6.0 stands the era of notification slots, which no released kernel ever had (spec: notif-slots.md 0); `aug16` is a
// proposal of its last weeks that was never merged, as it would have been on top of rc3. Above 6.18 stands 7.1, with what came in
// 6.19 and 7.0.
//
// A release is what its first version was: 6.N.0, without the fixes of its stable branch. docs/profiles.md has the sources of
// each row: send-zc.md 7, bug-history.md, notif-slots.md 1.1, 2.3, 3, and what man pages say is "available since".

// The order is the order of time: a row of the table holds from one profile to another, both included.
export const PROFILE_RFC3: u32 = 0;
export const PROFILE_RC1: u32 = 1;
export const PROFILE_RC2: u32 = 2;
export const PROFILE_RC3: u32 = 3;
export const PROFILE_AUG16: u32 = 4;
/** 6.N is PROFILE_6_0 + N. */
export const PROFILE_6_0: u32 = 5;
export const PROFILE_6_18: u32 = 23;
/** 7.1, the last one. */
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
export const ROW_ZC: u32 = 7; // id: bit number in sqe.ioprio of SEND_ZC
export const ROW_LIMIT: u32 = 8; // id: L_*; value: log2 of the limit
export const ROW_BEHAVIOUR: u32 = 9; // id: B_*
export const ROW_SENDZC: u32 = 10; // id: bit number in sqe.ioprio of the slot era's zero-copy send; value: the bit of SENDZC_* it is done as
// More flags; id: bit number.
export const ROW_SENDMSG_ZC: u32 = 21; // sqe.ioprio of SENDMSG_ZC (ROW_ZC: of SEND_ZC)
export const ROW_RECV: u32 = 11; // sqe.ioprio of RECV and RECVMSG
export const ROW_NOP: u32 = 12; // IORING_NOP_*
export const ROW_MSG_RING: u32 = 13; // IORING_MSG_RING_*
export const ROW_CANCEL: u32 = 14; // IORING_ASYNC_CANCEL_*
export const ROW_TIMEOUT: u32 = 15; // IORING_TIMEOUT_*
export const ROW_ACCEPT: u32 = 16; // sqe.ioprio of ACCEPT
export const ROW_PBUF: u32 = 17; // IOU_PBUF_RING_*
export const ROW_CLONE: u32 = 18; // flags of IORING_REGISTER_CLONE_BUFFERS
export const ROW_URING_CMD: u32 = 19; // IORING_URING_CMD_*
export const ROW_SOCKET_CMD: u32 = 20; // id: SOCKET_URING_OP_*
export const ROW_KINDS: u32 = 28; // room for as many

// Operations that have no opcode of 6.18: internal numbers, above all that an SQE can name.
export const OPI_FIRST: u32 = 128;
export const OPI_SENDZC_NOTIF: u32 = 128; // the zero-copy send of the slot era
export const OPI_SENDMSGZC_NOTIF: u32 = 130; // the same with a struct msghdr, a proposal
export const OPI_RSRC_UPDATE: u32 = 129; // FILES_UPDATE of the slot era, with a sub-type in ioprio
export const OP_UNKNOWN: u32 = 255;

// The same for io_uring_register.
export const REGI_NOTIFIERS: u32 = 64;
export const REGI_UNREGISTER_NOTIFIERS: u32 = 65;
export const REGISTER_UNKNOWN: u32 = 255;

// Limits.
export const L_NOTIF_SLOTS: u32 = 0;
export const L_ZC_NOTIF_FLAG: u32 = 1; // the bit in sqe.ioprio of SEND that the proposal merged_opcode takes
export const L_COUNT: u32 = 8;

// What the flags of the slot era's zero-copy send are done as, whatever their bits in an SQE. The first two stand where
// IORING_RECVSEND_* have them.
export const SENDZC_POLL_FIRST: u32 = 0x1;
export const SENDZC_FIXED_BUF: u32 = 0x4;
export const SENDZC_FLUSH: u32 = 0x8; // a successful send flushes its slot
export const SENDZC_COPY_TAG: u32 = 0x10; // that flush gives the notification the send's user_data
export const SENDZC_OVERRIDE_TAG: u32 = 0x20; // a successful send does, flush or not
// Of ours, no flag of an SQE:
export const SENDZC_MSG: u32 = 0x100; // it has a struct msghdr
export const SENDZC_MERGED: u32 = 0x200; // it is a SEND or SENDMSG
export const SENDZC_OWN: u32 = 0x400; // it has a notification of its own (slotless)
export const SENDZC_BAD: u32 = 0x80000000;

// Behaviours: at most 64.
export const B_NOTIF_SLOTS: u32 = 0; // notifications live in registered slots
export const B_LINK_SKB: u32 = 1; // notifications are chained on one skb; before, another notification starts another skb
export const B_RSRC_QUIESCE: u32 = 2; // registered resources are released in order, and unregistering waits for all users
export const B_NOTIF_USER_DATA: u32 = 3; // addr3 of a zero-copy send is the user_data of its notification, 0 = that of the send
export const B_SEND_ADDR: u32 = 4; // SEND has a destination in addr2 and addr_len; before, both must be 0
// Of the slot era (spec: notif-slots.md):
export const B_TW_LIFO: u32 = 16; // a batch of task work runs newest first (2.3)
export const B_NOTIF_TW: u32 = 17; // a notification whose last reference the flush drops completes in task work (2.3) ...
export const B_NOTIF_POSTS: u32 = 18; // ... or posts its CQE there and then; with neither it joins the completions of the batch
export const B_NOTIF_CQE_MARKED: u32 = 19; // its CQE has F_NOTIF, and the sequence number in res (1.5)
export const B_SENDZC_ADDR3: u32 = 20; // addr3 must be 0 (3.3)
export const B_SENDZC_FAIL_MARKS: u32 = 21; // a send that fails in the protocol fails its chain, and its CQE is not skipped (4.2)
export const B_SENDZC_RETRY: u32 = 22; // MSG_WAITALL on a stream goes on after a short send (4.2)
export const B_ADDR_BEFORE_BUFFER: u32 = 23; // the address is read before the buffer is charged (2.7)
export const B_ADDR_SAVED_ASYNC: u32 = 24; // the address is read once; before, at every attempt (4.5)
export const B_ZC_ACCT_CHECKED: u32 = 25; // more locked memory than the limit is ENOMEM (2.7)
export const B_FIXEDBUF_TRUNCATION: u32 = 26; // a stream takes no more of a registered buffer than one skb holds (4.6)
export const B_POLL_ONCE: u32 = 27; // a request that was polled and got nothing done goes to a worker (4.3)
// Zero-copy sends.
export const B_ZC_FAIL_NOTIF: u32 = 13; // a request that fails announces its notification, too; before, it has one CQE
export const B_FAIL_KEEPS_PARTIAL: u32 = 15; // a request that fails after part of it was sent says how much; before, the errno
export const B_ZC_FLUSH_IN_CLEANUP: u32 = 5; // a worker's notification is flushed behind its CQE; before, it may come first
export const B_ZC_SUPPORT_CHECK: u32 = 6; // sockets that can only copy refuse; before, they copy
export const B_ZC_IOPRIO_LATE: u32 = 7; // unknown ioprio bits are found when the notification exists: two CQEs
export const B_IMPORT_AT_PREP: u32 = 8; // address, msghdr and vector are read at submission; before, at issue
export const B_BUF_LOOKUP_AT_ISSUE: u32 = 9; // a registered buffer is looked up at issue; before, at submission
export const B_SENDMSG_ZC_ACCT: u32 = 10; // SENDMSG_ZC charges its pages as locked memory
export const B_ZC_ACCT_AT_PREP: u32 = 11; // pages are charged at submission; before, at issue
export const B_LINK_CTX: u32 = 12; // only notifications of one ring and task are chained; before, that check did nothing
export const B_ZC_FIXED_VEC: u32 = 14; // SEND_ZC takes a vector of registered memory
// The rest of io_uring.
export const B_SEND_SELECT: u32 = 28; // SEND takes provided buffers
export const B_LAZY_WAKE: u32 = 29; // task work need not wake a waiter before there is as much as it waits for
export const B_DRAIN_BY_COUNT: u32 = 30; // a drained request waits until nothing else is allocated; before, for a number of CQEs
export const B_RING_MEM_ACCT: u32 = 31; // rings are charged as locked memory
export const B_REG_REG_RING: u32 = 32; // io_uring_register takes a registered ring
export const B_CLONE_RANGE: u32 = 33; // a part of a buffer table can be cloned
export const B_RECV_LIMIT: u32 = 34; // a multishot RECV can have a limit of bytes
// The network.
export const B_COPY_AT_DELIVERY: u32 = 35; // received user pages are copied in local delivery; before, wherever a packet comes in
export const B_COUNT: u32 = 36;

// Switches: proposals that were never released, and choices that Linux left open. Off (0) unless asked for.
export const SW_TW_ORDER: u32 = 0; // order of task work: 0 as the profile has it, 1 fifo, 2 lifo
export const SW_UPD_TAG_FIRST: u32 = 1; // an update sets the tag of an empty slot, too (6 (a))
export const SW_UPD_TAG_ALWAYS: u32 = 2; // the same, and 0 is a tag like any other (6 (b))
export const SW_UPD_ALLOC_EMPTY: u32 = 3; // an update fills empty slots before it flushes (6 (c))
export const SW_UPD_ALLOC_TAG: u32 = 4; // where it sets the tag: 0 before it fills them, 1 after
export const SW_SLOTLESS: u32 = 5; // slot 65535: a notification of the request alone (6 (k))
export const SW_FIXEDBUF_TRUNCATION: u32 = 6; // 0 as the profile has it, 1 on, 2 off (4.6)
export const SW_SINGLE_CQE: u32 = 8; // a zero-copy send posts one CQE, when its buffer is free (6 (e))
export const SW_LINK_AT: u32 = 9; // its chain goes on 0 then, 1 when the send returned
export const SW_TWO_CQE_SEP_UD: u32 = 10; // addr3 is the user_data of the notification (6 (f))
export const SW_ZC_SKIP_SUCCESS: u32 = 11; // CQE_SKIP_SUCCESS of a zero-copy send: SKIP_*
export const SW_COPY_DEBUG: u32 = 12; // a trace event for each reason of a copy (6 (h))
export const SW_SEND_ADDR: u32 = 13; // SEND has a destination (6 (j))
export const SW_MERGED_OPCODE: u32 = 14; // a flag makes SEND and SENDMSG zero-copy sends (6 (d))
export const SW_RES_COPIED: u32 = 15; // slots: res of a notification says that something was copied (6 (g)): RES_*
export const SW_SENDMSG_ZC: u32 = 16; // slots: a zero-copy send of a struct msghdr (6 (i))
export const SW_COUNT: u32 = 17;
export const SW_MAX: u32 = 32;
export const RES_CALLBACK: u32 = 1; // 1 if the network said so
export const RES_USED: u32 = 2; // 1 also if it never used the buffer
export const SKIP_FIRST: u32 = 1; // success skips the first CQE
export const SKIP_COMBINED: u32 = 2; // success is told by the notification, whose res is the result

/** kind, id, first, last, value */
export const PROFILE_ROW_SIZE: u32 = 5;
