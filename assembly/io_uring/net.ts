// What all sends and receives share: import of address, buffer and message, the retry rules, the result.
//
// What an SQE points to (address, msghdr, vector; that a buffer lies in user space) is read at submission. Before 6.10 it was
// read at the first issue, and at submission only for a request that had to wait for its turn (opPrepAsync()): SEND_F_IMPORT.
//
// Spec: send-zc.md 2.2-2.4, 7; bug-history A06, A10, A11, A15, A25.
import { ASYNC_SIZE } from "../abi/layout";
import { EFAULT, EINTR, EINVAL, EMSGSIZE, ENOMEM } from "../abi/errno";
import { SQE_OFF_SENDZC_ADDR_LEN } from "../abi/notif_slots";
import { MAX_RW_COUNT, MSG_WAITALL, SOCK_SEQPACKET, SOCK_STREAM, UIO_MAXIOV } from "../abi/socket";
import {
  IORING_OP_SENDMSG, IORING_OP_SENDMSG_ZC, IORING_RECVSEND_FIXED_BUF, IORING_RECVSEND_POLL_FIRST, IORING_SEND_VECTORIZED, SQE_OFF_ADDR, SQE_OFF_ADDR2,
  SQE_OFF_ADDR_LEN, SQE_OFF_LEN, SQE_OFF_PAD3,
} from "../abi/uapi";
import { B_FAIL_KEEPS_PARTIAL, B_IMPORT_AT_PREP, B_NOTIF_SLOTS } from "../abi/profile";
import { has } from "../lib/profile";
import { SCRATCH_SEND_MSG, nil } from "../lib/state";
import { iterUbuf } from "../mm/iov_iter";
import { chunkAlloc, putPage } from "../mm/page";
import { accessOk, copyFromUser } from "../mm/vma";
import { UserMsg, copyMsghdr, importControl, importIovec, importSockaddr, iterFromKvec, msgInit } from "../net/msg_import";
import { MsgHdr, Sock } from "../net/sock";
import { sockSendmsg } from "../net/socket";
import { UbufInfo } from "../net/ubuf_info";
import { BufGroup, putKbuf } from "./kbuf";
import { vecGrow, vecRoom } from "./net_vec";
import { reqAsyncData } from "./req";
import { IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_CANCELLED, REQ_F_NEED_CLEANUP, REQ_F_POLLED, Req, reqIter, setFail, setRes } from "./types";

export const MSG_INTERNAL: u32 = 0x8000000 | 0x10000 | 0x100000 | 0x80000; // stripped from the user's flags

// Async data block: what of a send or receive outlives its submission.
//   0 address (128) | 128 vector, 8 segments (128) | 256 state
export const AD_NAME: usize = 0;
export const AD_IOV: usize = 128;
const AD_STATE: usize = 256;
export const NR_INLINE: u64 = 8;
@unmanaged @final export class SendState {
  msg: u64; // UserMsg, 56 bytes
  m1: u64; m2: u64; m3: u64; m4: u64; m5: u64; m6: u64;
  iov_chunk: usize; // kernel chunk with a long vector, 0 = inline or none
  has_name: u32;
}
if (ASYNC_SIZE < 256 + offsetof<SendState>()) ERROR("async data block too small");
@inline export function sendState(req: Req): SendState { return changetype<SendState>(req.async_data + AD_STATE); }
@inline export function userMsg(req: Req): UserMsg { return changetype<UserMsg>(req.async_data + AD_STATE); }

/** The block with a cleared state, or false (ENOMEM). */
export function sendAlloc(req: Req): bool {
  const ad = reqAsyncData(req);
  if (!ad) return false;
  memory.fill(ad + AD_STATE, 0, offsetof<SendState>());
  return true;
}

/** In req.zc_flags above the 16 bits of sqe.ioprio: what the SQE points to has not been read yet. */
export const SEND_F_IMPORT: u32 = 0x100000;

/** SEND's buffer and optional address, from the SQE (spec 2.2 C4-C9 without the zero-copy parts). */
export function sendSetup(req: Req, sqe: usize): i32 {
  if (load<u16>(sqe, SQE_OFF_PAD3) && !has(B_NOTIF_SLOTS)) return -EINVAL;
  if (!has(B_IMPORT_AT_PREP)) return importLater(req, sqe);
  const err = sendSetupAddr(req, load<u64>(sqe, SQE_OFF_ADDR2), sendAddrLen(sqe));
  if (err) return err;
  return sendSetupBuf(req, load<u64>(sqe, SQE_OFF_ADDR), load<u32>(sqe, SQE_OFF_LEN));
}

/** Before 6.10: keeps the pointers of the SQE, the address in the place of the iterator. */
export function importLater(req: Req, sqe: usize): i32 {
  req.zc_flags |= SEND_F_IMPORT;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.iter = load<u64>(sqe, SQE_OFF_ADDR2);
  req.iter1 = sendAddrLen(sqe);
  return 0;
}

/** Reads what importLater() left, once. 0 or -errno. */
export function sendImport(req: Req): i32 {
  if (!(req.zc_flags & SEND_F_IMPORT)) return 0;
  req.zc_flags &= ~SEND_F_IMPORT;
  if (req.opcode == IORING_OP_SENDMSG || req.opcode == IORING_OP_SENDMSG_ZC) return sendmsgSetup(req, req.cmd_addr);
  const err = sendSetupAddr(req, req.iter, req.iter1 as u32);
  if (err || req.zc_flags & IORING_RECVSEND_FIXED_BUF) return err;
  return sendSetupBuf(req, req.cmd_addr, req.cmd_len);
}

/** The request has to wait for its turn: what is read before that is the message, or the address of a send without one. */
export function sendPrepAsync(req: Req): i32 {
  if (!(req.zc_flags & SEND_F_IMPORT)) return 0;
  if (req.opcode == IORING_OP_SENDMSG || req.opcode == IORING_OP_SENDMSG_ZC) return sendImport(req);
  const addr = req.iter;
  req.iter = 0;
  return sendSetupAddr(req, addr, req.iter1 as u32);
}

/** In the slot era the length stands where zero-copy sends have it. */
@inline export function sendAddrLen(sqe: usize): u32 { return load<u16>(sqe + (has(B_NOTIF_SLOTS) ? SQE_OFF_SENDZC_ADDR_LEN : SQE_OFF_ADDR_LEN)); }

export function sendSetupAddr(req: Req, addr: u64, len: u32): i32 {
  if (!addr) return 0;
  if (!req.async_data && !sendAlloc(req)) return -ENOMEM;
  const err = importSockaddr(req.async_data + AD_NAME, addr, len as i32);
  if (err) return err;
  userMsg(req).namelen = len as i32;
  sendState(req).has_name = 1;
  return 0;
}

/** A plain range (clamped to MAX_RW_COUNT; EFAULT outside of user space), or the vector it points to. */
export function sendSetupBuf(req: Req, addr: u64, len: u32): i32 {
  if (req.zc_flags & IORING_SEND_VECTORIZED) {
    if (!req.async_data && !sendAlloc(req)) return -ENOMEM;
    return len > UIO_MAXIOV ? -EINVAL : setupVec(req, addr, len as u64);
  }
  if (len > MAX_RW_COUNT) len = MAX_RW_COUNT;
  if (!accessOk(addr, len as u64)) return -EFAULT;
  iterUbuf(reqIter(req), addr, len);
  return 0;
}

/** Copies a vector of `nr` <= UIO_MAXIOV segments in and points the iterator at it. */
export function setupVec(req: Req, uiov: u64, nr: u64): i32 {
  let to = req.async_data + AD_IOV;
  if (nr > NR_INLINE) {
    to = chunkAlloc();
    if (!to) return -ENOMEM;
    sendState(req).iov_chunk = to;
    req.flags |= REQ_F_NEED_CLEANUP;
  }
  if (nr > (vecRoom(req) as u64)) vecGrow(req, nr as u32);
  const total = importIovec(uiov, nr, to);
  if (total < 0) return total;
  iterFromKvec(reqIter(req), to, nr as u32, total as u32);
  return 0;
}

/** SENDMSG's msghdr: name, vector, control pointer (spec C10). */
export function sendmsgSetup(req: Req, addr: u64): i32 {
  if (!req.async_data && !sendAlloc(req)) return -ENOMEM;
  const um = userMsg(req);
  const err = copyMsghdr(um, addr);
  if (err) return err;
  if (um.namelen) {
    if (copyFromUser(req.async_data + AD_NAME, um.name, um.namelen)) return -EFAULT;
    sendState(req).has_name = 1;
  }
  return um.iovlen > (UIO_MAXIOV as u64) ? -EMSGSIZE : setupVec(req, um.iov, um.iovlen);
}

/** The MsgHdr of this issue. 0 or -errno (control data is read from user space each time, A25). */
export function sendMsg(req: Req, flags: u32, ubuf: UbufInfo, managed: u32): i32 {
  const msg = changetype<MsgHdr>(SCRATCH_SEND_MSG);
  msgInit(msg, reqIter(req), flags & ~MSG_INTERNAL);
  msg.ubuf = ubuf;
  msg.managed = managed;
  if (!req.async_data) return 0;
  const um = userMsg(req);
  if (sendState(req).has_name) {
    msg.name = req.async_data + AD_NAME;
    msg.namelen = um.namelen;
  }
  return um.controllen ? importControl(msg, um.control, um.controllen) : 0;
}

/** Runs the protocol's sendmsg with the MsgHdr prepared by sendMsg(). */
@inline export function sendCall(sk: Sock): i32 { return sockSendmsg(sk, changetype<MsgHdr>(SCRATCH_SEND_MSG)); }

/** io_net_retry(): with MSG_WAITALL a stream continues after a short send. */
@inline export function netRetry(sk: Sock, flags: u32): bool {
  return (flags & MSG_WAITALL) != 0 && (sk.type == SOCK_STREAM || sk.type == SOCK_SEQPACKET);
}

/** A blocking issue finds no room or data: the worker sleeps, unless a cancellation has interrupted it. */
export function sleepOrIntr(req: Req): i32 {
  if (!(req.flags & REQ_F_CANCELLED)) return IOU_WOULD_SLEEP;
  setFail(req);
  const ret = sendResult(req, -EINTR);
  setRes(req, ret, putKbuf(req, ret, nil<BufGroup>()));
  return IOU_COMPLETE;
}

/** POLL_FIRST: the first issue goes straight to poll. */
@inline export function pollFirst(req: Req): bool {
  return (req.zc_flags & IORING_RECVSEND_POLL_FIRST) != 0 && (req.flags & REQ_F_POLLED) == 0;
}

/** Progress made wins over a later error (A10, A11). */
@inline export function sendResult(req: Req, ret: i32): i32 {
  if (ret >= 0) return ret + (req.done_io as i32);
  return req.done_io ? (req.done_io as i32) : ret;
}

export function sendrecvFail(req: Req): void {
  if (req.done_io && has(B_FAIL_KEEPS_PARTIAL)) req.res = req.done_io as i32;
}

export function sendCleanup(req: Req): void {
  if (req.async_data && sendState(req).iov_chunk) {
    putPage(sendState(req).iov_chunk);
    sendState(req).iov_chunk = 0;
  }
}
