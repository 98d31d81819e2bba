// The io_uring_prep_*() functions. Each fills one whole SQE except user_data, so that nothing of the slot's last use is
// left; like liburing's they check nothing. An SQE is cleared as eight doubles: +0.0 is eight zero bytes, which halves
// the stores.
import * as uapi from "../../assembly/abi/uapi.ts";
import type { Ring } from "./ring.ts";

/** io_uring_prep_rw(): what the others have in common. `addr` and `off` are addresses or small numbers, below 2^32. */
export function prepRw(ring: Ring, sqe: number, op: number, fd: number, addr: number, len: number, off: number): void {
  const { words, doubles } = ring;
  const pair = sqe >> 3;
  const word = sqe >> 2;
  words[word] = op; // flags and ioprio: 0
  words[word + 1] = fd;
  words[word + 2] = off;
  words[word + 3] = 0;
  words[word + 4] = addr;
  words[word + 5] = 0;
  words[word + 6] = len;
  words[word + 7] = 0; // the operation's own flags
  doubles[pair + 5] = 0; // buf_index, personality, file_index
  doubles[pair + 6] = 0; // addr3
  doubles[pair + 7] = 0; // __pad2
}

/** prepRw() with nothing in it, in fewer stores: it is what an operation costs at least. */
export function prepNop(ring: Ring, sqe: number): void {
  const { words, doubles } = ring;
  const pair = sqe >> 3;
  const word = sqe >> 2;
  words[word] = uapi.IORING_OP_NOP;
  words[word + 1] = -1;
  doubles[pair + 1] = 0;
  doubles[pair + 2] = 0;
  doubles[pair + 3] = 0;
  doubles[pair + 5] = 0;
  doubles[pair + 6] = 0;
  doubles[pair + 7] = 0;
}

export function prepSend(ring: Ring, sqe: number, fd: number, buf: number, len: number, msgFlags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_SEND, fd, buf, len, 0);
  ring.words[(sqe + uapi.SQE_OFF_MSG_FLAGS) >> 2] = msgFlags;
}

/** `zcFlags`: IORING_RECVSEND_* and IORING_SEND_ZC_*. */
export function prepSendZc(
  ring: Ring,
  sqe: number,
  fd: number,
  buf: number,
  len: number,
  msgFlags: number,
  zcFlags: number,
): void {
  prepRw(ring, sqe, uapi.IORING_OP_SEND_ZC, fd, buf, len, 0);
  ring.words[(sqe + uapi.SQE_OFF_MSG_FLAGS) >> 2] = msgFlags;
  setIoprio(ring, sqe, zcFlags);
}

export function prepSendZcFixed(
  ring: Ring,
  sqe: number,
  fd: number,
  buf: number,
  len: number,
  msgFlags: number,
  zcFlags: number,
  bufIndex: number,
): void {
  prepSendZc(ring, sqe, fd, buf, len, msgFlags, zcFlags | uapi.IORING_RECVSEND_FIXED_BUF);
  setBufIndex(ring, sqe, bufIndex);
}

/** The destination of a SEND or SEND_ZC on a socket that is not connected. */
export function prepSendSetAddr(ring: Ring, sqe: number, address: number, length: number): void {
  ring.words[(sqe + uapi.SQE_OFF_ADDR2) >> 2] = address;
  ring.words[(sqe + uapi.SQE_OFF_ADDR_LEN) >> 2] = length & 0xffff;
}

/** user_data of the notification's own CQE (profile 7.1: addr3; refused before). liburing has no helper that we know of. */
export function prepSendZcSetNotifData(ring: Ring, sqe: number, low: number, high = 0): void {
  const word = (sqe + uapi.SQE_OFF_ADDR3) >> 2;
  ring.words[word] = low;
  ring.words[word + 1] = high;
}

export function prepSendmsg(ring: Ring, sqe: number, fd: number, msg: number, msgFlags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_SENDMSG, fd, msg, 1, 0);
  ring.words[(sqe + uapi.SQE_OFF_MSG_FLAGS) >> 2] = msgFlags;
}

export function prepSendmsgZc(ring: Ring, sqe: number, fd: number, msg: number, msgFlags: number): void {
  prepSendmsg(ring, sqe, fd, msg, msgFlags);
  setOpcode(ring, sqe, uapi.IORING_OP_SENDMSG_ZC);
}

export function prepSendmsgZcFixed(
  ring: Ring,
  sqe: number,
  fd: number,
  msg: number,
  msgFlags: number,
  bufIndex: number,
): void {
  prepSendmsgZc(ring, sqe, fd, msg, msgFlags);
  setIoprio(ring, sqe, uapi.IORING_RECVSEND_FIXED_BUF);
  setBufIndex(ring, sqe, bufIndex);
}

export function prepRecv(ring: Ring, sqe: number, fd: number, buf: number, len: number, msgFlags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_RECV, fd, buf, len, 0);
  ring.words[(sqe + uapi.SQE_OFF_MSG_FLAGS) >> 2] = msgFlags;
}

export function prepRecvmsg(ring: Ring, sqe: number, fd: number, msg: number, msgFlags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_RECVMSG, fd, msg, 1, 0);
  ring.words[(sqe + uapi.SQE_OFF_MSG_FLAGS) >> 2] = msgFlags;
}

/** Offsets are file positions, -1 for pipes and for a file's own position. */
export function prepSplice(
  ring: Ring,
  sqe: number,
  fdIn: number,
  offIn: number,
  fdOut: number,
  offOut: number,
  length: number,
  flags: number,
): void {
  prepRw(ring, sqe, uapi.IORING_OP_SPLICE, fdOut, offIn, length, offOut);
  const { words } = ring;
  if (offIn < 0) words[(sqe + uapi.SQE_OFF_ADDR + 4) >> 2] = -1;
  if (offOut < 0) words[(sqe + uapi.SQE_OFF_OFF + 4) >> 2] = -1;
  words[(sqe + uapi.SQE_OFF_SPLICE_FD_IN) >> 2] = fdIn;
  words[(sqe + uapi.SQE_OFF_MSG_FLAGS) >> 2] = flags;
}

/** `offset` is below 2^32. */
export function prepRead(ring: Ring, sqe: number, fd: number, buf: number, len: number, offset: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_READ, fd, buf, len, offset);
}

export function prepClose(ring: Ring, sqe: number, fd: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_CLOSE, fd, 0, 0, 0);
}

export function prepShutdown(ring: Ring, sqe: number, fd: number, how: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_SHUTDOWN, fd, 0, how, 0);
}

/** `flags`: IORING_ASYNC_CANCEL_*. */
export function prepCancel(ring: Ring, sqe: number, userData: number, flags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_ASYNC_CANCEL, -1, userData, 0, 0);
  ring.words[(sqe + uapi.SQE_OFF_CANCEL_FLAGS) >> 2] = flags;
}

export function prepCancel64(ring: Ring, sqe: number, userData: bigint, flags: number): void {
  prepCancel(ring, sqe, Number(BigInt.asUintN(32, userData)), flags);
  ring.words[(sqe + uapi.SQE_OFF_ADDR + 4) >> 2] = Number(BigInt.asIntN(32, userData >> 32n));
}

export function prepCancelFd(ring: Ring, sqe: number, fd: number, flags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_ASYNC_CANCEL, fd, 0, 0, 0);
  ring.words[(sqe + uapi.SQE_OFF_CANCEL_FLAGS) >> 2] = flags | uapi.IORING_ASYNC_CANCEL_FD;
}

/** `timespec`: address of a struct __kernel_timespec; `count`: completions that end it early, 0 for none. */
export function prepTimeout(ring: Ring, sqe: number, timespec: number, count: number, flags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_TIMEOUT, -1, timespec, 1, count);
  ring.words[(sqe + uapi.SQE_OFF_TIMEOUT_FLAGS) >> 2] = flags;
}

export function prepLinkTimeout(ring: Ring, sqe: number, timespec: number, flags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_LINK_TIMEOUT, -1, timespec, 1, 0);
  ring.words[(sqe + uapi.SQE_OFF_TIMEOUT_FLAGS) >> 2] = flags;
}

export function prepPollAdd(ring: Ring, sqe: number, fd: number, mask: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_POLL_ADD, fd, 0, 0, 0);
  ring.words[(sqe + uapi.SQE_OFF_POLL32_EVENTS) >> 2] = mask;
}

export function prepAccept(ring: Ring, sqe: number, fd: number, address: number, lenp: number, flags: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_ACCEPT, fd, address, 0, lenp);
  ring.words[(sqe + uapi.SQE_OFF_MSG_FLAGS) >> 2] = flags;
}

export function prepConnect(ring: Ring, sqe: number, fd: number, address: number, length: number): void {
  prepRw(ring, sqe, uapi.IORING_OP_CONNECT, fd, address, 0, length);
}

// Fields on their own --------------------------------------------------------------------------------------------------

/** IOSQE_* */
export function sqeSetFlags(ring: Ring, sqe: number, flags: number): void {
  const word = sqe >> 2;
  ring.words[word] = (ring.words[word] & ~0xff00) | ((flags & 0xff) << 8);
}

/** user_data from its two halves. */
export function setData(ring: Ring, sqe: number, low: number, high = 0): void {
  const { words } = ring;
  const word = (sqe + uapi.SQE_OFF_USER_DATA) >> 2;
  words[word] = low;
  words[word + 1] = high;
}

export function setData64(ring: Ring, sqe: number, userData: bigint): void {
  setData(ring, sqe, Number(BigInt.asIntN(32, userData)), Number(BigInt.asIntN(32, userData >> 32n)));
}

export function setOpcode(ring: Ring, sqe: number, opcode: number): void {
  const word = sqe >> 2;
  ring.words[word] = (ring.words[word] & ~0xff) | opcode;
}

export function setIoprio(ring: Ring, sqe: number, ioprio: number): void {
  const word = sqe >> 2;
  ring.words[word] = (ring.words[word] & 0xffff) | (ioprio << 16);
}

export function setBufIndex(ring: Ring, sqe: number, index: number): void {
  const word = (sqe + uapi.SQE_OFF_BUF_INDEX) >> 2;
  ring.words[word] = (ring.words[word] & ~0xffff) | (index & 0xffff);
}
