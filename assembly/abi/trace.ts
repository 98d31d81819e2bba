// The trace ring: what happened, in order, at a fixed cost of one 32-byte record per event.
// Kernel tracepoint names are used where one exists (io_uring_submit_req, io_uring_complete, kfree_skb, ...).
//
// header (32 bytes): u32 capacity (records, power of two), u32 head (free-running count written), u32 mask, u32 address
// record (32 bytes): u64 time_ns, u32 event | cpu context << 24, u32 object, u64 a, u32 b, u32 c
export const TRACE_HDR_CAPACITY: u32 = 0;
export const TRACE_HDR_HEAD: u32 = 4;
export const TRACE_HDR_MASK: u32 = 8;
export const TRACE_HDR_RECORDS: u32 = 12;
export const TRACE_REC_SIZE: u32 = 32;
export const TRACE_REC_TIME: u32 = 0;
export const TRACE_REC_EVENT: u32 = 8;
export const TRACE_REC_OBJECT: u32 = 12;
export const TRACE_REC_A: u32 = 16;
export const TRACE_REC_B: u32 = 24;
export const TRACE_REC_C: u32 = 28;

// Context of an event (bits 24..31 of the event word).
export const TRACE_CTX_TASK: u32 = 0;
export const TRACE_CTX_SOFTIRQ: u32 = 1;
export const TRACE_CTX_TASK_WORK: u32 = 2;
export const TRACE_CTX_IOWQ: u32 = 3;
export const TRACE_CTX_SQPOLL: u32 = 4;

// Masks for trace_enable().
export const TRACE_RING: u32 = 1; // requests, CQEs, task work
export const TRACE_ZC: u32 = 2; // notifications, ubuf references, copies
export const TRACE_NET: u32 = 4; // skbs, devices, TCP
export const TRACE_COPY: u32 = 8; // what the switch copy_debug tells
export const TRACE_ALL: u32 = 15;

// Ring events: object = request (or ring for CQEs), a = user_data.
export const TR_IO_URING_SUBMIT_REQ: u32 = 1; // b opcode, c IOSQE flags
export const TR_IO_URING_ISSUE: u32 = 2; // b opcode, c issue flags
export const TR_IO_URING_ISSUE_RET: u32 = 3; // b result (i32)
export const TR_IO_URING_COMPLETE: u32 = 4; // a CQE posted; b res (i32), c CQE flags
export const TR_IO_URING_CQE_OVERFLOW: u32 = 5; // b res, c CQE flags
export const TR_IO_URING_POLL_ARM: u32 = 6; // b poll mask
export const TR_IO_URING_POLL_WAKE: u32 = 7; // b poll mask
export const TR_IO_URING_QUEUE_ASYNC_WORK: u32 = 8; // handed to io-wq
export const TR_IO_URING_TASK_ADD: u32 = 9; // task work queued
export const TR_IO_URING_TASK_WORK_RUN: u32 = 10; // b items run
export const TR_IO_URING_FAIL_LINK: u32 = 11;
export const TR_IO_URING_DEFER: u32 = 12; // drained request put aside
export const TR_IO_URING_CANCEL: u32 = 13; // b result
export const TR_IO_URING_RING_EXIT: u32 = 14; // object ring, b requests outstanding, c 1 = finished
export const TR_IO_URING_SQE: u32 = 15; // an SQE was taken, before its prep: b its address, c the ring
export const TR_IO_URING_SOCKET: u32 = 16; // about to be issued on a socket: b the socket, c family << 16 | type

// Zero-copy events: object = notification (its ubuf_info), a = its user_data.
export const TR_NOTIF_ALLOC: u32 = 32; // b the request that posts its CQE; 0 = a MSG_ZEROCOPY record
export const TR_NOTIF_LINK: u32 = 33; // b head notification it was chained to
export const TR_UBUF_GET: u32 = 34; // b count after, c REF_*
export const TR_UBUF_PUT: u32 = 35; // b count after, c REF_*
export const TR_UBUF_COPY: u32 = 36; // b bytes copied (0 = never attached), c COPY_*
export const TR_NOTIF_DONE: u32 = 37; // last reference gone; c REF_* that was the last
export const TR_NOTIF_USAGE: u32 = 38; // notification CQE built; b 1 = reports COPIED, c COPY_* (0 = not copied)
export const TR_NOTIF_REQ: u32 = 39; // a send uses it: a user_data of the send, b its request (0 = the call that runs), c from a registered buffer
export const TR_UBUF_SKB: u32 = 40; // the data area c of skb b carries it from now on
export const TR_UBUF_SKB_END: u32 = 41; // and no longer: freed, or given a copy
export const TR_NOTIF_CQES: u32 = 42; // not the release's two CQEs: a user_data of the CQE that tells, b CQES_* as bits
export const TR_COPY_DEBUG: u32 = 43; // with copy_debug, once for each reason: b bytes (0 = not known), c COPY_*
export const TR_NOTIF_SLOT: u32 = 44; // its own reference is that of slot b (65535: a request's), c sequence number

// Which CQEs a send with a notification posts, where that is not {result, F_MORE} and {0, F_NOTIF} with one user_data.
export const CQES_ONE: u32 = 1; // one, with the result, when the buffer is free: it stands for both
export const CQES_USER_DATA: u32 = 2; // the notification's has another user_data
export const CQES_SKIP: u32 = 4; // success posts the notification's alone
export const CQES_RESULT: u32 = 8; // and that has the result

// Why a ubuf reference was taken or dropped.
export const REF_REQUEST: u32 = 1; // the request's own, dropped by the flush
export const REF_SKB: u32 = 2; // an skb attached the buffer
export const REF_LINKED: u32 = 3; // a notification chained to this one
export const REF_UNCLONE: u32 = 4; // a second data area of the same frags
export const REF_SPLIT: u32 = 5; // tcp_fragment or segmentation
export const REF_ACKED: u32 = 6; // whole skb acknowledged
export const REF_TX_DONE: u32 = 7; // device finished with it
export const REF_ORPHANED: u32 = 8; // the frags were copied (skb_copy_ubufs)
export const REF_DROPPED: u32 = 9; // packet dropped on the way
export const REF_PURGED: u32 = 10; // queue purged: reset, abort, close
export const REF_READ: u32 = 11; // receiver consumed it
export const REF_ABORTED: u32 = 12; // send failed after attaching
export const REF_SLOT: u32 = 13; // a notification slot's, dropped by the flush

// Why bytes were copied.
export const COPY_NONE: u32 = 0;
export const COPY_NO_SG: u32 = 1; // device without scatter-gather
export const COPY_NO_CSUM: u32 = 2; // device without checksum offload (UDP)
export const COPY_FRAGMENTED: u32 = 3; // UDP payload beyond the MTU
export const COPY_MSG_MORE: u32 = 4; // UDP cork without GSO
export const COPY_LOCAL_DELIVERY: u32 = 5; // delivered to a local socket
export const COPY_TAP: u32 = 6; // a packet tap saw it
export const COPY_LINEARIZE: u32 = 7; // device lost SG after connect
export const COPY_NEVER_ATTACHED: u32 = 8; // no skb ever carried the buffer (empty, failed early)
export const COPY_CHAINED: u32 = 9; // chained to another notification: accounting only
export const COPY_UNSUPPORTED: u32 = 10;
export const COPY_EMPTY: u32 = 11; // nothing to send: counts as copied
export const COPY_TIMESTAMP: u32 = 12; // a record of its time stamp shows the frame

// Network events. object = skb (or socket for TCP_*).
export const TR_SKB_ALLOC: u32 = 64; // a len
export const TR_SKB_FREE: u32 = 65; // c REF_*
export const TR_SKB_CLONE: u32 = 66; // a new skb
export const TR_NET_DEV_XMIT: u32 = 67; // a = dev | namespace << 8 | protocol << 16, b len, c frags
export const TR_NET_DEV_RX: u32 = 68; // a as above, b len
export const TR_NET_DEV_DROP: u32 = 69; // a as above, b len
export const TR_TCP_XMIT: u32 = 70; // a = seq | end_seq << 32, b TCP flags, c times sent before
export const TR_TCP_RCV: u32 = 71; // a = seq | end_seq << 32, b TCP flags
export const TR_TCP_ACK: u32 = 72; // ACK processed: a = ack | window << 32, b bytes newly acknowledged
export const TR_TCP_STATE: u32 = 73; // b old, c new (TCP_* states)
export const TR_TCP_TIMER: u32 = 74; // b which: 1 retransmit, 2 delayed ACK, 3 probe, 4 cork, 5 time-wait
export const TR_TCP_RETRANS: u32 = 75; // a = seq | end_seq << 32
export const TR_NIC_TX: u32 = 76; // frame given to the NIC: a dev, b len
export const TR_NIC_TX_DONE: u32 = 77; // NIC no longer reads it: a dev
export const TR_NIC_RX: u32 = 78; // a dev, b len
export const TR_NET_DEV_QUEUE: u32 = 79; // waits in front of a device: a as NET_DEV_XMIT, b len
