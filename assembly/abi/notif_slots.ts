// The user interface of notification slots, which existed in 6.0-rc1 to rc3 and in patches before (profiles rfc3 to aug16). Names are
// those of that time. Where the third RFC had another number, the name says so.
//
// Spec: notif-slots.md 1.

// struct io_uring_sqe of IORING_OP_SENDZC_NOTIF: two fields that are elsewhere later
export const SQE_OFF_NOTIFICATION_IDX: u32 = 44; // u16
export const SQE_OFF_SENDZC_ADDR_LEN: u32 = 46; // u16

// struct io_uring_notification_register, 32 bytes; the size is what nr_args says
export const NOTIF_REGISTER_OFF_NR_SLOTS: u32 = 0; // u32
export const NOTIF_REGISTER_OFF_RESV: u32 = 4; // u32
export const NOTIF_REGISTER_OFF_RESV2: u32 = 8; // u64
export const NOTIF_REGISTER_OFF_DATA: u32 = 16; // u64, address of the slots
export const NOTIF_REGISTER_OFF_RESV3: u32 = 24; // u64
export const NOTIF_REGISTER_SIZE: u32 = 32;

// struct io_uring_notification_slot, 32 bytes
export const NOTIF_SLOT_OFF_TAG: u32 = 0; // u64
export const NOTIF_SLOT_OFF_RESV: u32 = 8; // u64[3]
export const NOTIF_SLOT_SIZE: u32 = 32;

// sqe.ioprio of SENDZC_NOTIF
export const IORING_RECVSEND_NOTIF_FLUSH: u32 = 8;
export const IORING_RECVSEND_NOTIF_COPY_TAG: u32 = 16; // aug16
export const IORING_SENDZC_FIXED_BUF: u32 = 1; // rfc3
export const IORING_SENDZC_FLUSH: u32 = 2; // rfc3
export const IORING_SENDZC_OVERRIDE_TAG: u32 = 4; // rfc3

// sqe.ioprio of SEND and SENDMSG with the proposal merged_opcode: no bit was ever given, these are ours. The second is for the profiles
// in which bit 4 means something else (aug16: COPY_TAG, 6.10 and later: BUNDLE).
export const IORING_RECVSEND_ZC_NOTIF: u32 = 16;
export const IORING_RECVSEND_ZC_NOTIF_LATER: u32 = 64;

// sqe.ioprio of RSRC_UPDATE
export const IORING_RSRC_UPDATE_FILES: u32 = 0;
export const IORING_RSRC_UPDATE_NOTIF: u32 = 1;

// io_uring_register; the third RFC had 24 and 25
export const IORING_REGISTER_NOTIFIERS: u32 = 26;
export const IORING_UNREGISTER_NOTIFIERS: u32 = 27;

/** aug16: the part of the sequence number that cqe.res has. */
export const IORING_NOTIF_SEQ_MASK: u32 = 0xffff;
/** The slot that the proposal `slotless` gives a meaning to. */
export const IORING_NOTIF_SLOTLESS: u32 = 0xffff;
