// io_uring's user interface as of Linux 6.18: opcodes, flags, and the byte offsets of the structs that an application
// shares with the kernel (include/uapi/linux/io_uring.h). The names are the header's; IOSQE_* are the masks, not the bits.

// struct io_uring_sqe, 64 bytes (128 with IORING_SETUP_SQE128) ---------------------------------------------------------
export const SQE_OFF_OPCODE: u32 = 0; // u8
export const SQE_OFF_FLAGS: u32 = 1; // u8
export const SQE_OFF_IOPRIO: u32 = 2; // u16
export const SQE_OFF_FD: u32 = 4; // s32
export const SQE_OFF_OFF: u32 = 8; // u64
export const SQE_OFF_ADDR2: u32 = 8; // u64, same place as off
export const SQE_OFF_ADDR: u32 = 16; // u64
export const SQE_OFF_SPLICE_OFF_IN: u32 = 16; // u64, same place as addr
export const SQE_OFF_LEN: u32 = 24; // u32
export const SQE_OFF_MSG_FLAGS: u32 = 28; // u32, also every other op's own flags
export const SQE_OFF_POLL32_EVENTS: u32 = 28; // u32
export const SQE_OFF_TIMEOUT_FLAGS: u32 = 28; // u32
export const SQE_OFF_CANCEL_FLAGS: u32 = 28; // u32
export const SQE_OFF_USER_DATA: u32 = 32; // u64
export const SQE_OFF_BUF_INDEX: u32 = 40; // u16
export const SQE_OFF_BUF_GROUP: u32 = 40; // u16, same place as buf_index
export const SQE_OFF_PERSONALITY: u32 = 42; // u16
export const SQE_OFF_SPLICE_FD_IN: u32 = 44; // s32
export const SQE_OFF_FILE_INDEX: u32 = 44; // u32, same place as splice_fd_in
export const SQE_OFF_ADDR_LEN: u32 = 44; // u16, same place as the low half of file_index
export const SQE_OFF_PAD3: u32 = 46; // u16, __pad3[0]
export const SQE_OFF_ADDR3: u32 = 48; // u64
export const SQE_OFF_PAD2: u32 = 56; // u64, __pad2[0]
export const SQE_OFF_CMD_OP: u32 = 8; // u32 of URING_CMD, same place as off; a u32 of padding follows
export const SQE_OFF_LEVEL: u32 = 16; // u32 of a socket command, same place as addr
export const SQE_OFF_OPTNAME: u32 = 20; // u32
export const SQE_OFF_OPTLEN: u32 = 44; // u32, same place as file_index
export const SQE_OFF_OPTVAL: u32 = 48; // u64, same place as addr3
export const SQE_SIZE: u32 = 64;
export const SQE128_SIZE: u32 = 128;

// struct io_uring_cqe, 16 bytes (32 with IORING_SETUP_CQE32) -----------------------------------------------------------
export const CQE_OFF_USER_DATA: u32 = 0; // u64
export const CQE_OFF_RES: u32 = 8; // s32
export const CQE_OFF_FLAGS: u32 = 12; // u32
export const CQE_OFF_BIG_CQE: u32 = 16; // u64[2]
export const CQE_SIZE: u32 = 16;
export const CQE32_SIZE: u32 = 32;

// struct io_uring_params, 120 bytes ------------------------------------------------------------------------------------
export const PARAMS_OFF_SQ_ENTRIES: u32 = 0;
export const PARAMS_OFF_CQ_ENTRIES: u32 = 4;
export const PARAMS_OFF_FLAGS: u32 = 8;
export const PARAMS_OFF_SQ_THREAD_CPU: u32 = 12;
export const PARAMS_OFF_SQ_THREAD_IDLE: u32 = 16;
export const PARAMS_OFF_FEATURES: u32 = 20;
export const PARAMS_OFF_WQ_FD: u32 = 24;
export const PARAMS_OFF_RESV: u32 = 28; // u32[3], must be 0
export const PARAMS_OFF_SQ_OFF: u32 = 40; // struct io_sqring_offsets
export const PARAMS_OFF_CQ_OFF: u32 = 80; // struct io_cqring_offsets
export const PARAMS_SIZE: u32 = 120;

// struct io_sqring_offsets, 40 bytes
export const SQOFF_OFF_HEAD: u32 = 0;
export const SQOFF_OFF_TAIL: u32 = 4;
export const SQOFF_OFF_RING_MASK: u32 = 8;
export const SQOFF_OFF_RING_ENTRIES: u32 = 12;
export const SQOFF_OFF_FLAGS: u32 = 16;
export const SQOFF_OFF_DROPPED: u32 = 20;
export const SQOFF_OFF_ARRAY: u32 = 24;
export const SQOFF_OFF_RESV1: u32 = 28;
export const SQOFF_OFF_USER_ADDR: u32 = 32; // u64

// struct io_cqring_offsets, 40 bytes
export const CQOFF_OFF_HEAD: u32 = 0;
export const CQOFF_OFF_TAIL: u32 = 4;
export const CQOFF_OFF_RING_MASK: u32 = 8;
export const CQOFF_OFF_RING_ENTRIES: u32 = 12;
export const CQOFF_OFF_OVERFLOW: u32 = 16;
export const CQOFF_OFF_CQES: u32 = 20;
export const CQOFF_OFF_FLAGS: u32 = 24;
export const CQOFF_OFF_RESV1: u32 = 28;
export const CQOFF_OFF_USER_ADDR: u32 = 32; // u64

// struct io_rings: the head of the mapping that SQ and CQ share ---------------------------------------------------------
export const RING_OFF_SQ_HEAD: u32 = 0; // kernel writes
export const RING_OFF_SQ_TAIL: u32 = 4; // user writes
export const RING_OFF_CQ_HEAD: u32 = 8; // user writes
export const RING_OFF_CQ_TAIL: u32 = 12; // kernel writes
export const RING_OFF_SQ_RING_MASK: u32 = 16;
export const RING_OFF_CQ_RING_MASK: u32 = 20;
export const RING_OFF_SQ_RING_ENTRIES: u32 = 24;
export const RING_OFF_CQ_RING_ENTRIES: u32 = 28;
export const RING_OFF_SQ_DROPPED: u32 = 32;
export const RING_OFF_SQ_FLAGS: u32 = 36;
export const RING_OFF_CQ_FLAGS: u32 = 40; // user writes
export const RING_OFF_CQ_OVERFLOW: u32 = 44;
export const RING_OFF_CQES: u32 = 64; // the SQ array follows the CQEs, rounded up to 64

// struct io_uring_buf_reg, 40 bytes: IORING_(UN)REGISTER_PBUF_RING
export const BUF_REG_OFF_RING_ADDR: u32 = 0; // u64
export const BUF_REG_OFF_RING_ENTRIES: u32 = 8; // u32
export const BUF_REG_OFF_BGID: u32 = 12; // u16
export const BUF_REG_OFF_FLAGS: u32 = 14; // u16
export const BUF_REG_OFF_RESV: u32 = 16; // u64[3], must be 0
export const BUF_REG_SIZE: u32 = 40;
export const IOU_PBUF_RING_MMAP: u32 = 1;
export const IOU_PBUF_RING_INC: u32 = 2;

// struct io_uring_buf, 16 bytes: an entry of a buffer ring. The tail of the ring lies in the first one's last field.
export const BUF_OFF_ADDR: u32 = 0; // u64
export const BUF_OFF_LEN: u32 = 8; // u32
export const BUF_OFF_BID: u32 = 12; // u16
export const BUF_SHIFT: u32 = 4;
export const BUF_RING_OFF_TAIL: u32 = 14; // u16, user writes

// struct io_uring_buf_status, 40 bytes: IORING_REGISTER_PBUF_STATUS
export const BUF_STATUS_OFF_HEAD: u32 = 4; // u32, out
export const BUF_STATUS_OFF_RESV: u32 = 8; // u32[8], must be 0
export const BUF_STATUS_SIZE: u32 = 40;

// struct io_uring_recvmsg_out, 16 bytes: what RECVMSG multishot writes in front of name, control data and payload
export const RECVMSG_OUT_NAMELEN: u32 = 0;
export const RECVMSG_OUT_CONTROLLEN: u32 = 4;
export const RECVMSG_OUT_PAYLOADLEN: u32 = 8;
export const RECVMSG_OUT_FLAGS: u32 = 12;
export const RECVMSG_OUT_SIZE: u32 = 16;

// mmap() offsets of a ring fd
export const IORING_OFF_SQ_RING: u32 = 0;
export const IORING_OFF_CQ_RING: u32 = 0x8000000;
export const IORING_OFF_SQES: u32 = 0x10000000;
export const IORING_OFF_PBUF_RING: u32 = 0x80000000;
export const IORING_OFF_PBUF_SHIFT: u32 = 16;
export const IORING_OFF_MMAP_MASK: u32 = 0xf8000000;

// Limits of io_uring/io_uring.h
export const IORING_MAX_ENTRIES: u32 = 32768;
export const IORING_MAX_CQ_ENTRIES: u32 = 65536;

// io_uring_params.flags ------------------------------------------------------------------------------------------------
export const IORING_SETUP_IOPOLL: u32 = 0x1;
export const IORING_SETUP_SQPOLL: u32 = 0x2;
export const IORING_SETUP_SQ_AFF: u32 = 0x4;
export const IORING_SETUP_CQSIZE: u32 = 0x8;
export const IORING_SETUP_CLAMP: u32 = 0x10;
export const IORING_SETUP_ATTACH_WQ: u32 = 0x20;
export const IORING_SETUP_R_DISABLED: u32 = 0x40;
export const IORING_SETUP_SUBMIT_ALL: u32 = 0x80;
export const IORING_SETUP_COOP_TASKRUN: u32 = 0x100;
export const IORING_SETUP_TASKRUN_FLAG: u32 = 0x200;
export const IORING_SETUP_SQE128: u32 = 0x400;
export const IORING_SETUP_CQE32: u32 = 0x800;
export const IORING_SETUP_SINGLE_ISSUER: u32 = 0x1000;
export const IORING_SETUP_DEFER_TASKRUN: u32 = 0x2000;
export const IORING_SETUP_NO_MMAP: u32 = 0x4000;
export const IORING_SETUP_REGISTERED_FD_ONLY: u32 = 0x8000;
export const IORING_SETUP_NO_SQARRAY: u32 = 0x10000;
export const IORING_SETUP_HYBRID_IOPOLL: u32 = 0x20000;
export const IORING_SETUP_CQE_MIXED: u32 = 0x40000;
export const IORING_SETUP_SQE_MIXED: u32 = 0x80000; // 6.19
export const IORING_SETUP_SQ_REWIND: u32 = 0x100000; // 7.0

// io_uring_params.features
export const IORING_FEAT_SINGLE_MMAP: u32 = 0x1;
export const IORING_FEAT_NODROP: u32 = 0x2;
export const IORING_FEAT_SUBMIT_STABLE: u32 = 0x4;
export const IORING_FEAT_RW_CUR_POS: u32 = 0x8;
export const IORING_FEAT_CUR_PERSONALITY: u32 = 0x10;
export const IORING_FEAT_FAST_POLL: u32 = 0x20;
export const IORING_FEAT_POLL_32BITS: u32 = 0x40;
export const IORING_FEAT_SQPOLL_NONFIXED: u32 = 0x80;
export const IORING_FEAT_EXT_ARG: u32 = 0x100;
export const IORING_FEAT_NATIVE_WORKERS: u32 = 0x200;
export const IORING_FEAT_RSRC_TAGS: u32 = 0x400;
export const IORING_FEAT_CQE_SKIP: u32 = 0x800;
export const IORING_FEAT_LINKED_FILE: u32 = 0x1000;
export const IORING_FEAT_REG_REG_RING: u32 = 0x2000;
export const IORING_FEAT_RECVSEND_BUNDLE: u32 = 0x4000;
export const IORING_FEAT_MIN_TIMEOUT: u32 = 0x8000;
export const IORING_FEAT_RW_ATTR: u32 = 0x10000;
export const IORING_FEAT_NO_IOWAIT: u32 = 0x20000;

// sq_flags, cq_flags
export const IORING_SQ_NEED_WAKEUP: u32 = 0x1;
export const IORING_SQ_CQ_OVERFLOW: u32 = 0x2;
export const IORING_SQ_TASKRUN: u32 = 0x4;
export const IORING_CQ_EVENTFD_DISABLED: u32 = 0x1;

// io_uring_enter() flags, and struct io_uring_getevents_arg (24 bytes)
export const IORING_ENTER_GETEVENTS: u32 = 0x1;
export const IORING_ENTER_SQ_WAKEUP: u32 = 0x2;
export const IORING_ENTER_SQ_WAIT: u32 = 0x4;
export const IORING_ENTER_EXT_ARG: u32 = 0x8;
export const IORING_ENTER_REGISTERED_RING: u32 = 0x10;
export const IORING_ENTER_ABS_TIMER: u32 = 0x20;
export const IORING_ENTER_EXT_ARG_REG: u32 = 0x40;
export const IORING_ENTER_NO_IOWAIT: u32 = 0x80;
export const GETEVENTS_OFF_SIGMASK: u32 = 0; // u64
export const GETEVENTS_OFF_SIGMASK_SZ: u32 = 8; // u32
export const GETEVENTS_OFF_MIN_WAIT_USEC: u32 = 12; // u32
export const GETEVENTS_OFF_TS: u32 = 16; // u64, pointer to { s64 sec, s64 nsec }
export const GETEVENTS_ARG_SIZE: u32 = 24;

// sqe.flags ------------------------------------------------------------------------------------------------------------
export const IOSQE_FIXED_FILE: u32 = 0x1;
export const IOSQE_IO_DRAIN: u32 = 0x2;
export const IOSQE_IO_LINK: u32 = 0x4;
export const IOSQE_IO_HARDLINK: u32 = 0x8;
export const IOSQE_ASYNC: u32 = 0x10;
export const IOSQE_BUFFER_SELECT: u32 = 0x20;
export const IOSQE_CQE_SKIP_SUCCESS: u32 = 0x40;

// cqe.flags
export const IORING_CQE_F_BUFFER: u32 = 0x1;
export const IORING_CQE_F_MORE: u32 = 0x2;
export const IORING_CQE_F_SOCK_NONEMPTY: u32 = 0x4;
export const IORING_CQE_F_NOTIF: u32 = 0x8;
export const IORING_CQE_F_BUF_MORE: u32 = 0x10;
export const IORING_CQE_F_SKIP: u32 = 0x20;
export const IORING_CQE_F_32: u32 = 0x8000;
export const IORING_CQE_BUFFER_SHIFT: u32 = 16;

// sqe.ioprio of sends and receives, and res of a notification
export const IORING_RECVSEND_POLL_FIRST: u32 = 0x1;
export const IORING_RECV_MULTISHOT: u32 = 0x2;
export const IORING_RECVSEND_FIXED_BUF: u32 = 0x4;
export const IORING_SEND_ZC_REPORT_USAGE: u32 = 0x8;
export const IORING_RECVSEND_BUNDLE: u32 = 0x10;
export const IORING_SEND_VECTORIZED: u32 = 0x20;
export const IORING_NOTIF_USAGE_ZC_COPIED: u32 = 0x80000000;

// sqe.timeout_flags, sqe.cancel_flags, sqe.len of poll, sqe.ioprio of accept, splice_flags
export const IORING_TIMEOUT_ABS: u32 = 0x1;
export const IORING_TIMEOUT_UPDATE: u32 = 0x2;
export const IORING_TIMEOUT_BOOTTIME: u32 = 0x4;
export const IORING_TIMEOUT_REALTIME: u32 = 0x8;
export const IORING_LINK_TIMEOUT_UPDATE: u32 = 0x10;
export const IORING_TIMEOUT_ETIME_SUCCESS: u32 = 0x20;
export const IORING_TIMEOUT_MULTISHOT: u32 = 0x40;
export const IORING_TIMEOUT_IMMEDIATE_ARG: u32 = 0x80; // 7.1: sqe.addr is the time in ns
export const IORING_ASYNC_CANCEL_ALL: u32 = 0x1;
export const IORING_ASYNC_CANCEL_FD: u32 = 0x2;
export const IORING_ASYNC_CANCEL_ANY: u32 = 0x4;
export const IORING_ASYNC_CANCEL_FD_FIXED: u32 = 0x8;
export const IORING_ASYNC_CANCEL_USERDATA: u32 = 0x10;
export const IORING_ASYNC_CANCEL_OP: u32 = 0x20;
// struct io_uring_sync_cancel_reg (64 bytes)
export const SYNC_CANCEL_OFF_ADDR: u32 = 0; // u64
export const SYNC_CANCEL_OFF_FD: u32 = 8;
export const SYNC_CANCEL_OFF_FLAGS: u32 = 12;
export const SYNC_CANCEL_OFF_TIMEOUT: u32 = 16; // s64 sec, s64 nsec; both -1: none
export const SYNC_CANCEL_OFF_OPCODE: u32 = 32; // u8
export const SYNC_CANCEL_SIZE: u32 = 64;
export const IORING_POLL_ADD_MULTI: u32 = 0x1;
export const IORING_POLL_UPDATE_EVENTS: u32 = 0x2;
export const IORING_POLL_UPDATE_USER_DATA: u32 = 0x4;
export const IORING_POLL_ADD_LEVEL: u32 = 0x8;
export const IORING_ACCEPT_MULTISHOT: u32 = 0x1;
export const IORING_ACCEPT_DONTWAIT: u32 = 0x2;
export const IORING_ACCEPT_POLL_FIRST: u32 = 0x4;
export const IORING_FILE_INDEX_ALLOC: u32 = 0xffffffff;
export const SPLICE_F_FD_IN_FIXED: u32 = 0x80000000;

// Other flags of sqe fields: NOP (at 28), FSYNC (at 28), MSG_RING (addr, and flags at 28), FIXED_FD_INSTALL, URING_CMD
export const IORING_NOP_INJECT_RESULT: u32 = 0x1;
export const IORING_NOP_FILE: u32 = 0x2;
export const IORING_NOP_FIXED_FILE: u32 = 0x4;
export const IORING_NOP_FIXED_BUFFER: u32 = 0x8;
export const IORING_NOP_TW: u32 = 0x10;
export const IORING_NOP_CQE32: u32 = 0x20;
export const IORING_FSYNC_DATASYNC: u32 = 0x1;
export const IORING_MSG_DATA: u32 = 0;
export const IORING_MSG_SEND_FD: u32 = 1;
export const IORING_MSG_RING_CQE_SKIP: u32 = 0x1;
export const IORING_MSG_RING_FLAGS_PASS: u32 = 0x2;
export const IORING_FIXED_FD_NO_CLOEXEC: u32 = 0x1;
export const IORING_URING_CMD_FIXED: u32 = 0x1;
export const IORING_URING_CMD_MULTISHOT: u32 = 0x2;
export const SOCKET_URING_OP_SIOCINQ: u32 = 0;
export const SOCKET_URING_OP_SIOCOUTQ: u32 = 1;
export const SOCKET_URING_OP_GETSOCKOPT: u32 = 2;
export const SOCKET_URING_OP_SETSOCKOPT: u32 = 3;
export const SOCKET_URING_OP_TX_TIMESTAMP: u32 = 4;
export const SOCKET_URING_OP_GETSOCKNAME: u32 = 5; // 6.19

// Flags of register opcodes
export const IORING_REGISTER_FILES_SKIP: i32 = -2;
export const IORING_REGISTER_SRC_REGISTERED: u32 = 0x1; // CLONE_BUFFERS
export const IORING_REGISTER_DST_REPLACE: u32 = 0x2;
export const IORING_MEM_REGION_TYPE_USER: u32 = 0x1;
export const IORING_MEM_REGION_REG_WAIT_ARG: u32 = 0x1;
export const IORING_REG_WAIT_TS: u32 = 0x1;
export const IORING_RESTRICTION_REGISTER_OP: u32 = 0;
export const IORING_RESTRICTION_SQE_OP: u32 = 1;
export const IORING_RESTRICTION_SQE_FLAGS_ALLOWED: u32 = 2;
export const IORING_RESTRICTION_SQE_FLAGS_REQUIRED: u32 = 3;

// io_uring_register() opcodes
export const IORING_REGISTER_BUFFERS: u32 = 0;
export const IORING_UNREGISTER_BUFFERS: u32 = 1;
export const IORING_REGISTER_FILES: u32 = 2;
export const IORING_UNREGISTER_FILES: u32 = 3;
export const IORING_REGISTER_EVENTFD: u32 = 4;
export const IORING_UNREGISTER_EVENTFD: u32 = 5;
export const IORING_REGISTER_FILES_UPDATE: u32 = 6;
export const IORING_REGISTER_EVENTFD_ASYNC: u32 = 7;
export const IORING_REGISTER_PROBE: u32 = 8;
export const IORING_REGISTER_PERSONALITY: u32 = 9;
export const IORING_UNREGISTER_PERSONALITY: u32 = 10;
export const IORING_REGISTER_RESTRICTIONS: u32 = 11;
export const IORING_REGISTER_ENABLE_RINGS: u32 = 12;
export const IORING_REGISTER_FILES2: u32 = 13;
export const IORING_REGISTER_FILES_UPDATE2: u32 = 14;
export const IORING_REGISTER_BUFFERS2: u32 = 15;
export const IORING_REGISTER_BUFFERS_UPDATE: u32 = 16;
export const IORING_REGISTER_IOWQ_AFF: u32 = 17;
export const IORING_UNREGISTER_IOWQ_AFF: u32 = 18;
export const IORING_REGISTER_IOWQ_MAX_WORKERS: u32 = 19;
export const IORING_REGISTER_RING_FDS: u32 = 20;
export const IORING_UNREGISTER_RING_FDS: u32 = 21;
export const IORING_REGISTER_PBUF_RING: u32 = 22;
export const IORING_UNREGISTER_PBUF_RING: u32 = 23;
export const IORING_REGISTER_SYNC_CANCEL: u32 = 24;
export const IORING_REGISTER_FILE_ALLOC_RANGE: u32 = 25;
export const IORING_REGISTER_PBUF_STATUS: u32 = 26;
export const IORING_REGISTER_NAPI: u32 = 27;
export const IORING_UNREGISTER_NAPI: u32 = 28;
export const IORING_REGISTER_CLOCK: u32 = 29;
export const IORING_REGISTER_CLONE_BUFFERS: u32 = 30;
export const IORING_REGISTER_SEND_MSG_RING: u32 = 31;
export const IORING_REGISTER_ZCRX_IFQ: u32 = 32;
export const IORING_REGISTER_RESIZE_RINGS: u32 = 33;
export const IORING_REGISTER_MEM_REGION: u32 = 34;
export const IORING_REGISTER_QUERY: u32 = 35;
export const IORING_REGISTER_LAST: u32 = 36; // first opcode that 6.18 does not know
export const IORING_REGISTER_USE_REGISTERED_RING: u32 = 0x80000000;

// struct io_uring_rsrc_register (32 bytes), struct io_uring_probe and its ops
export const RSRC_REGISTER_OFF_NR: u32 = 0;
export const RSRC_REGISTER_OFF_FLAGS: u32 = 4;
export const RSRC_REGISTER_OFF_RESV2: u32 = 8; // u64
export const RSRC_REGISTER_OFF_DATA: u32 = 16; // u64
export const RSRC_REGISTER_OFF_TAGS: u32 = 24; // u64
export const RSRC_REGISTER_SIZE: u32 = 32;
export const IORING_RSRC_REGISTER_SPARSE: u32 = 0x1;
// struct io_uring_rsrc_update (16 bytes) and io_uring_rsrc_update2
export const RSRC_UPDATE_OFF_OFFSET: u32 = 0;
export const RSRC_UPDATE_OFF_RESV: u32 = 4;
export const RSRC_UPDATE_OFF_DATA: u32 = 8; // u64
export const RSRC_UPDATE_OFF_TAGS: u32 = 16; // u64, from here on only the longer one
export const RSRC_UPDATE_OFF_NR: u32 = 24;
export const RSRC_UPDATE_OFF_RESV2: u32 = 28;
export const RSRC_UPDATE_SIZE: u32 = 16;
export const RSRC_UPDATE2_SIZE: u32 = 32;
// struct io_uring_file_index_range
export const FILE_INDEX_RANGE_OFF_OFF: u32 = 0;
export const FILE_INDEX_RANGE_OFF_LEN: u32 = 4;
export const FILE_INDEX_RANGE_OFF_RESV: u32 = 8; // u64
export const FILE_INDEX_RANGE_SIZE: u32 = 16;
// struct io_uring_clone_buffers
export const CLONE_BUFFERS_OFF_SRC_FD: u32 = 0;
export const CLONE_BUFFERS_OFF_FLAGS: u32 = 4;
export const CLONE_BUFFERS_OFF_SRC_OFF: u32 = 8;
export const CLONE_BUFFERS_OFF_DST_OFF: u32 = 12;
export const CLONE_BUFFERS_OFF_NR: u32 = 16;
export const CLONE_BUFFERS_OFF_PAD: u32 = 20; // u32[3]
export const CLONE_BUFFERS_SIZE: u32 = 32;
export const PROBE_OFF_LAST_OP: u32 = 0; // u8
export const PROBE_OFF_OPS_LEN: u32 = 1; // u8
export const PROBE_OFF_OPS: u32 = 16;
export const PROBE_OP_SIZE: u32 = 8; // u8 op, u8 resv, u16 flags, u32 resv2
export const IO_URING_OP_SUPPORTED: u32 = 0x1;

// struct io_uring_restriction (16 bytes): u16 opcode, u8 register_op or sqe_op or sqe_flags
export const RESTRICTION_OFF_OPCODE: u32 = 0;
export const RESTRICTION_OFF_ARG: u32 = 2;
export const RESTRICTION_SIZE: u32 = 16;

// struct io_uring_mem_region_reg (32 bytes) and io_uring_region_desc (64 bytes); struct io_uring_reg_wait (64 bytes)
export const MEM_REGION_OFF_UPTR: u32 = 0; // u64
export const MEM_REGION_OFF_FLAGS: u32 = 8; // u64
export const MEM_REGION_OFF_RESV: u32 = 16; // u64[2]
export const MEM_REGION_SIZE: u32 = 32;
export const REGION_OFF_USER_ADDR: u32 = 0; // u64
export const REGION_OFF_SIZE: u32 = 8; // u64
export const REGION_OFF_FLAGS: u32 = 16;
export const REGION_OFF_ID: u32 = 20;
export const REGION_OFF_MMAP_OFFSET: u32 = 24; // u64
export const REGION_OFF_RESV: u32 = 32; // u64[4]
export const REGION_DESC_SIZE: u32 = 64;
export const IORING_OFF_PARAM_REGION: u32 = 0x20000000;
export const REG_WAIT_OFF_TS: u32 = 0; // s64 sec, s64 nsec
export const REG_WAIT_OFF_MIN_WAIT_USEC: u32 = 16;
export const REG_WAIT_OFF_FLAGS: u32 = 20;
export const REG_WAIT_OFF_SIGMASK: u32 = 24; // u64
export const REG_WAIT_OFF_SIGMASK_SZ: u32 = 32;
export const REG_WAIT_SIZE: u32 = 64;

// struct io_uring_napi (16 bytes), io_uring_clock_register (16 bytes), io_uring_query_hdr (40 bytes) and its answer
export const NAPI_OFF_BUSY_POLL_TO: u32 = 0;
export const NAPI_OFF_PREFER_BUSY_POLL: u32 = 4; // u8
export const NAPI_OFF_OPCODE: u32 = 5; // u8
export const NAPI_OFF_PAD: u32 = 6; // u8[2]
export const NAPI_OFF_OP_PARAM: u32 = 8;
export const NAPI_OFF_RESV: u32 = 12;
export const NAPI_SIZE: u32 = 16;
export const IO_URING_NAPI_REGISTER_OP: u32 = 0;
export const IO_URING_NAPI_STATIC_ADD_ID: u32 = 1;
export const IO_URING_NAPI_STATIC_DEL_ID: u32 = 2;
export const IO_URING_NAPI_TRACKING_DYNAMIC: u32 = 0;
export const IO_URING_NAPI_TRACKING_STATIC: u32 = 1;
export const IO_URING_NAPI_TRACKING_INACTIVE: u32 = 255;
export const CLOCK_REGISTER_SIZE: u32 = 16;
export const QUERY_OFF_NEXT: u32 = 0; // u64
export const QUERY_OFF_DATA: u32 = 8; // u64
export const QUERY_OFF_OP: u32 = 16;
export const QUERY_OFF_SIZE: u32 = 20;
export const QUERY_OFF_RESULT: u32 = 24;
export const QUERY_OFF_RESV: u32 = 28; // u32[3]
export const QUERY_HDR_SIZE: u32 = 40;
export const IO_URING_QUERY_OPCODES: u32 = 0;

// sqe.opcode -----------------------------------------------------------------------------------------------------------
export const IORING_OP_NOP: u32 = 0;
export const IORING_OP_READV: u32 = 1;
export const IORING_OP_WRITEV: u32 = 2;
export const IORING_OP_FSYNC: u32 = 3;
export const IORING_OP_READ_FIXED: u32 = 4;
export const IORING_OP_WRITE_FIXED: u32 = 5;
export const IORING_OP_POLL_ADD: u32 = 6;
export const IORING_OP_POLL_REMOVE: u32 = 7;
export const IORING_OP_SYNC_FILE_RANGE: u32 = 8;
export const IORING_OP_SENDMSG: u32 = 9;
export const IORING_OP_RECVMSG: u32 = 10;
export const IORING_OP_TIMEOUT: u32 = 11;
export const IORING_OP_TIMEOUT_REMOVE: u32 = 12;
export const IORING_OP_ACCEPT: u32 = 13;
export const IORING_OP_ASYNC_CANCEL: u32 = 14;
export const IORING_OP_LINK_TIMEOUT: u32 = 15;
export const IORING_OP_CONNECT: u32 = 16;
export const IORING_OP_FALLOCATE: u32 = 17;
export const IORING_OP_OPENAT: u32 = 18;
export const IORING_OP_CLOSE: u32 = 19;
export const IORING_OP_FILES_UPDATE: u32 = 20;
export const IORING_OP_STATX: u32 = 21;
export const IORING_OP_READ: u32 = 22;
export const IORING_OP_WRITE: u32 = 23;
export const IORING_OP_FADVISE: u32 = 24;
export const IORING_OP_MADVISE: u32 = 25;
export const IORING_OP_SEND: u32 = 26;
export const IORING_OP_RECV: u32 = 27;
export const IORING_OP_OPENAT2: u32 = 28;
export const IORING_OP_EPOLL_CTL: u32 = 29;
export const IORING_OP_SPLICE: u32 = 30;
export const IORING_OP_PROVIDE_BUFFERS: u32 = 31;
export const IORING_OP_REMOVE_BUFFERS: u32 = 32;
export const IORING_OP_TEE: u32 = 33;
export const IORING_OP_SHUTDOWN: u32 = 34;
export const IORING_OP_RENAMEAT: u32 = 35;
export const IORING_OP_UNLINKAT: u32 = 36;
export const IORING_OP_MKDIRAT: u32 = 37;
export const IORING_OP_SYMLINKAT: u32 = 38;
export const IORING_OP_LINKAT: u32 = 39;
export const IORING_OP_MSG_RING: u32 = 40;
export const IORING_OP_FSETXATTR: u32 = 41;
export const IORING_OP_SETXATTR: u32 = 42;
export const IORING_OP_FGETXATTR: u32 = 43;
export const IORING_OP_GETXATTR: u32 = 44;
export const IORING_OP_SOCKET: u32 = 45;
export const IORING_OP_URING_CMD: u32 = 46;
export const IORING_OP_SEND_ZC: u32 = 47;
export const IORING_OP_SENDMSG_ZC: u32 = 48;
export const IORING_OP_READ_MULTISHOT: u32 = 49;
export const IORING_OP_WAITID: u32 = 50;
export const IORING_OP_FUTEX_WAIT: u32 = 51;
export const IORING_OP_FUTEX_WAKE: u32 = 52;
export const IORING_OP_FUTEX_WAITV: u32 = 53;
export const IORING_OP_FIXED_FD_INSTALL: u32 = 54;
export const IORING_OP_FTRUNCATE: u32 = 55;
export const IORING_OP_BIND: u32 = 56;
export const IORING_OP_LISTEN: u32 = 57;
export const IORING_OP_RECV_ZC: u32 = 58;
export const IORING_OP_EPOLL_WAIT: u32 = 59;
export const IORING_OP_READV_FIXED: u32 = 60;
export const IORING_OP_WRITEV_FIXED: u32 = 61;
export const IORING_OP_PIPE: u32 = 62;
export const IORING_OP_LAST: u32 = 63; // first opcode that 6.18 does not know
export const IORING_OP_NOP128: u32 = 63; // 6.19
export const IORING_OP_URING_CMD128: u32 = 64; // 6.19
