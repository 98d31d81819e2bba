// One row per opcode: what it needs and allows, its prep and issue, its fail hook and cleanup.
//
// An opcode that Linux 6.18 has and this emulator does not has a row without OP_MODELLED: an SQE for it ends the run with a
// report instead of a made-up result.
import {
  IORING_OP_ACCEPT, IORING_OP_ASYNC_CANCEL, IORING_OP_BIND, IORING_OP_CLOSE, IORING_OP_CONNECT, IORING_OP_FILES_UPDATE,
  IORING_OP_FIXED_FD_INSTALL, IORING_OP_LINK_TIMEOUT, IORING_OP_LISTEN, IORING_OP_MSG_RING, IORING_OP_NOP, IORING_OP_POLL_ADD,
  IORING_OP_POLL_REMOVE, IORING_OP_PROVIDE_BUFFERS, IORING_OP_RECV, IORING_OP_RECVMSG, IORING_OP_RECV_ZC,
  IORING_OP_REMOVE_BUFFERS, IORING_OP_SEND, IORING_OP_SENDMSG, IORING_OP_SENDMSG_ZC, IORING_OP_SEND_ZC, IORING_OP_SHUTDOWN,
  IORING_OP_SOCKET, IORING_OP_TIMEOUT, IORING_OP_TIMEOUT_REMOVE, IORING_OP_URING_CMD,
} from "../abi/uapi";
import { B_SEND_SELECT, OPI_FIRST } from "../abi/profile";
import { has, opMeaning } from "../lib/profile";
import { S_OPDEF } from "../lib/state";
import { acceptIssue, acceptPrep } from "./net_accept";
import { asyncCancel, asyncCancelPrep } from "./cancel";
import { uringCmdIssue, uringCmdPrep } from "./cmd_net";
import { closeIssue, closePrep, shutdownIssue, shutdownPrep } from "./misc";
import { msgRing, msgRingCleanup, msgRingPrep } from "./msg_ring";
import { sendCleanup, sendPrepAsync, sendrecvFail } from "./net";
import { sendIssue, sendPrep, sendmsgIssue, sendmsgPrep } from "./net_send";
import { connectIssue, connectPrep } from "./net_connect";
import { bindIssue, bindPrep, listenIssue, listenPrep, socketIssue, socketPrep } from "./net_open";
import { recvImport, recvIssue, recvPrep, recvmsgIssue, recvmsgPrep } from "./net_recv";
import { sendZcCleanup, sendZcFail, sendZcIssue, sendZcPrep, sendmsgZcIssue, sendmsgZcPrep } from "./net_zc";
import { isMerged } from "./dialect";
import { nop, nopPrep } from "./nop";
import { provideBuffers, provideBuffersPrep, removeBuffers, removeBuffersPrep } from "./kbuf_ops";
import { pollAddIssue, pollAddPrep, pollRemove, pollRemovePrep } from "./poll";
import { fileOpCleanup, fileOpFail, fileOpIssue, fileOpPrep, fileOpProperties } from "./opdef_files";
import { slotOpCleanup, slotOpIssue, slotOpPrep, slotOpPrepAsync, slotOpProperties } from "./opdef_slots";
import { filesUpdateIssue, filesUpdatePrep, fixedFdInstallIssue, fixedFdInstallPrep } from "./rsrc_ops";
import { linkTimeoutPrep, timeoutCleanup, timeoutIssue, timeoutPrep, timeoutRemove, timeoutRemovePrep } from "./timeout";
import { Req } from "./types";

export const OP_MODELLED: u32 = 1;
export const OP_NEEDS_FILE: u32 = 2;
export const OP_IOPRIO: u32 = 4; // sqe.ioprio means something
export const OP_IOPOLL: u32 = 8; // allowed on IOPOLL rings
export const OP_BUFFER_SELECT: u32 = 16;
export const OP_POLLIN: u32 = 32;
export const OP_POLLOUT: u32 = 64;
export const OP_DIALECT: u32 = 128; // in an SQE it means something else in this profile, or nothing (dialect.ts)

/** Properties of an operation: an opcode of 6.18, or an OPI_*. */
@inline export function opFlags(opcode: u32): u32 { return load<u8>(S_OPDEF + (opcode as usize)) as u32; }

/** Lays the table of properties out (boot, and when a switch is set). */
export function opdefInit(): void {
  for (let op: u32 = 0; op < 256; op++) {
    const plain = opMeaning(op) == op && op < OPI_FIRST && !isMerged(op);
    store<u8>(S_OPDEF + (op as usize), (properties(op) | (plain ? 0 : OP_DIALECT)) as u8);
  }
}

function properties(opcode: u32): u32 {
  switch (opcode) {
    case IORING_OP_NOP: return OP_MODELLED | OP_IOPOLL;
    case IORING_OP_SEND:
      return OP_MODELLED | OP_NEEDS_FILE | OP_IOPRIO | (has(B_SEND_SELECT) ? OP_BUFFER_SELECT : 0) | OP_POLLOUT;
    case IORING_OP_SENDMSG:
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC: return OP_MODELLED | OP_NEEDS_FILE | OP_IOPRIO | OP_POLLOUT;
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG: return OP_MODELLED | OP_NEEDS_FILE | OP_IOPRIO | OP_BUFFER_SELECT | OP_POLLIN;
    case IORING_OP_FILES_UPDATE: return OP_MODELLED | OP_IOPOLL;
    case IORING_OP_FIXED_FD_INSTALL:
    case IORING_OP_SHUTDOWN:
    case IORING_OP_POLL_ADD: return OP_MODELLED | OP_NEEDS_FILE;
    case IORING_OP_MSG_RING: return OP_MODELLED | OP_NEEDS_FILE | OP_IOPOLL;
    case IORING_OP_PROVIDE_BUFFERS:
    case IORING_OP_REMOVE_BUFFERS:
    case IORING_OP_CLOSE:
    case IORING_OP_POLL_REMOVE:
    case IORING_OP_TIMEOUT:
    case IORING_OP_TIMEOUT_REMOVE:
    case IORING_OP_LINK_TIMEOUT:
    case IORING_OP_ASYNC_CANCEL: return OP_MODELLED;
    case IORING_OP_URING_CMD: return OP_MODELLED | OP_NEEDS_FILE | OP_IOPOLL | OP_BUFFER_SELECT;
    case IORING_OP_ACCEPT: return OP_MODELLED | OP_NEEDS_FILE | OP_IOPRIO | OP_POLLIN;
    case IORING_OP_CONNECT: return OP_MODELLED | OP_NEEDS_FILE | OP_POLLOUT;
    case IORING_OP_BIND:
    case IORING_OP_LISTEN: return OP_MODELLED | OP_NEEDS_FILE;
    case IORING_OP_SOCKET: return OP_MODELLED;
    case IORING_OP_RECV_ZC: return OP_IOPRIO;
    default: return opcode >= OPI_FIRST ? slotOpProperties(opcode) : fileOpProperties(opcode);
  }
}

/** Reads the SQE once, validates in the kernel's order. 0 or -errno. */
@inline export function opPrep(req: Req, sqe: usize): i32 {
  switch (req.opcode) {
    case IORING_OP_NOP: return nopPrep(req, sqe);
    case IORING_OP_SEND_ZC: return sendZcPrep(req, sqe);
    case IORING_OP_SENDMSG_ZC: return sendmsgZcPrep(req, sqe);
    case IORING_OP_SEND: return sendPrep(req, sqe);
    case IORING_OP_SENDMSG: return sendmsgPrep(req, sqe);
    case IORING_OP_RECV: return recvPrep(req, sqe);
    case IORING_OP_RECVMSG: return recvmsgPrep(req, sqe);
    case IORING_OP_MSG_RING: return msgRingPrep(req, sqe);
    case IORING_OP_CLOSE: return closePrep(req, sqe);
    case IORING_OP_FILES_UPDATE: return filesUpdatePrep(req, sqe);
    case IORING_OP_FIXED_FD_INSTALL: return fixedFdInstallPrep(req, sqe);
    case IORING_OP_SHUTDOWN: return shutdownPrep(req, sqe);
    case IORING_OP_TIMEOUT: return timeoutPrep(req, sqe);
    case IORING_OP_LINK_TIMEOUT: return linkTimeoutPrep(req, sqe);
    case IORING_OP_TIMEOUT_REMOVE: return timeoutRemovePrep(req, sqe);
    case IORING_OP_ASYNC_CANCEL: return asyncCancelPrep(req, sqe);
    case IORING_OP_POLL_ADD: return pollAddPrep(req, sqe);
    case IORING_OP_URING_CMD: return uringCmdPrep(req, sqe);
    case IORING_OP_ACCEPT: return acceptPrep(req, sqe);
    case IORING_OP_CONNECT: return connectPrep(req, sqe);
    case IORING_OP_SOCKET: return socketPrep(req, sqe);
    case IORING_OP_BIND: return bindPrep(req, sqe);
    case IORING_OP_LISTEN: return listenPrep(req, sqe);
    case IORING_OP_PROVIDE_BUFFERS: return provideBuffersPrep(req, sqe);
    case IORING_OP_REMOVE_BUFFERS: return removeBuffersPrep(req, sqe);
    case IORING_OP_POLL_REMOVE: return pollRemovePrep(req, sqe);
    default: return req.opcode >= OPI_FIRST ? slotOpPrep(req, sqe) : fileOpPrep(req, sqe);
  }
}

/** The request waits for its turn, in a chain or for a worker: what it may read from user space only now (before 6.10). 0 or -errno. */
export function opPrepAsync(req: Req): i32 {
  switch (req.opcode) {
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC:
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG: return sendPrepAsync(req);
    case IORING_OP_RECVMSG: return recvImport(req);
    default: return slotOpPrepAsync(req);
  }
}

/** Does it (again): IOU_COMPLETE with the result set, IOU_ISSUE_SKIP_COMPLETE, or -errno. Never sees the SQE. */
@inline export function opIssue(req: Req, issueFlags: u32): i32 {
  switch (req.opcode) {
    case IORING_OP_NOP: return nop(req);
    case IORING_OP_SEND_ZC: return sendZcIssue(req, issueFlags);
    case IORING_OP_SENDMSG_ZC: return sendmsgZcIssue(req, issueFlags);
    case IORING_OP_SEND: return sendIssue(req, issueFlags);
    case IORING_OP_SENDMSG: return sendmsgIssue(req, issueFlags);
    case IORING_OP_RECV: return recvIssue(req, issueFlags);
    case IORING_OP_RECVMSG: return recvmsgIssue(req, issueFlags);
    case IORING_OP_MSG_RING: return msgRing(req);
    case IORING_OP_CLOSE: return closeIssue(req);
    case IORING_OP_FILES_UPDATE: return filesUpdateIssue(req);
    case IORING_OP_FIXED_FD_INSTALL: return fixedFdInstallIssue(req);
    case IORING_OP_SHUTDOWN: return shutdownIssue(req, issueFlags);
    case IORING_OP_TIMEOUT: return timeoutIssue(req);
    case IORING_OP_TIMEOUT_REMOVE: return timeoutRemove(req);
    case IORING_OP_ASYNC_CANCEL: return asyncCancel(req);
    case IORING_OP_POLL_ADD: return pollAddIssue(req);
    case IORING_OP_URING_CMD: return uringCmdIssue(req);
    case IORING_OP_ACCEPT: return acceptIssue(req, issueFlags);
    case IORING_OP_CONNECT: return connectIssue(req, issueFlags);
    case IORING_OP_SOCKET: return socketIssue(req);
    case IORING_OP_BIND: return bindIssue(req);
    case IORING_OP_LISTEN: return listenIssue(req);
    case IORING_OP_PROVIDE_BUFFERS: return provideBuffers(req);
    case IORING_OP_REMOVE_BUFFERS: return removeBuffers(req);
    case IORING_OP_POLL_REMOVE: return pollRemove(req);
    default: return req.opcode >= OPI_FIRST ? slotOpIssue(req, issueFlags) : fileOpIssue(req, issueFlags);
  }
}

/** The opcode's say when its request fails outside of its own issue. True: it will complete later. */
export function opFail(req: Req): bool {
  switch (req.opcode) {
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC: return sendZcFail(req);
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG: sendrecvFail(req); return false;
    default: fileOpFail(req); return false;
  }
}

/** Releases what REQ_F_NEED_CLEANUP stands for. */
export function opCleanup(req: Req): void {
  switch (req.opcode) {
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC: sendZcCleanup(req); return;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG: sendCleanup(req); return;
    case IORING_OP_MSG_RING: msgRingCleanup(req); return;
    case IORING_OP_TIMEOUT:
    case IORING_OP_LINK_TIMEOUT: timeoutCleanup(req); return;
    default:
      if (req.opcode >= OPI_FIRST) slotOpCleanup(req);
      else fileOpCleanup(req);
  }
}
