// The rows of the opcode table (opdef.ts) that work on files of any kind: transfers, splicing, epoll, futexes.
import { EINVAL, EOPNOTSUPP } from "../abi/errno";
import {
  IORING_OP_EPOLL_CTL, IORING_OP_EPOLL_WAIT, IORING_OP_FADVISE, IORING_OP_FALLOCATE, IORING_OP_FSYNC, IORING_OP_FTRUNCATE,
  IORING_OP_FUTEX_WAIT, IORING_OP_FUTEX_WAITV, IORING_OP_FUTEX_WAKE, IORING_OP_MADVISE, IORING_OP_PIPE, IORING_OP_READ,
  IORING_OP_READV, IORING_OP_READV_FIXED, IORING_OP_READ_FIXED, IORING_OP_READ_MULTISHOT, IORING_OP_SPLICE,
  IORING_OP_SYNC_FILE_RANGE, IORING_OP_TEE, IORING_OP_WRITE, IORING_OP_WRITEV, IORING_OP_WRITEV_FIXED, IORING_OP_WRITE_FIXED,
} from "../abi/uapi";
import { epollCtlIssue, epollCtlPrep, epollWaitIssue, epollWaitPrep } from "./epoll";
import {
  fadviseIssue, fadvisePrep, fallocateIssue, fallocatePrep, fsyncIssue, fsyncPrep, ftruncateIssue, ftruncatePrep, madviseIssue, madvisePrep, syncRangeIssue,
  syncRangePrep,
} from "./fs_ops";
import { futexCleanup, futexPrep, futexWaitIssue, futexWaitvIssue, futexWaitvPrep, futexWakeIssue } from "./futex";
import { OP_BUFFER_SELECT, OP_IOPOLL, OP_IOPRIO, OP_MODELLED, OP_NEEDS_FILE, OP_POLLIN, OP_POLLOUT } from "./opdef";
import { pipeIssue, pipePrep } from "./pipe";
import { readMultishotIssue, rwCleanup, rwFail, rwIssue, rwPrep } from "./rw";
import { spliceCleanup, spliceIssue, splicePrep, teeIssue, teePrep } from "./splice";
import { REQ_F_BUFFER_SELECT, Req } from "./types";

export function fileOpProperties(opcode: u32): u32 {
  const rw = OP_MODELLED | OP_NEEDS_FILE | OP_IOPRIO | OP_IOPOLL;
  switch (opcode) {
    case IORING_OP_READV:
    case IORING_OP_READ: return rw | OP_POLLIN | OP_BUFFER_SELECT;
    case IORING_OP_READ_FIXED:
    case IORING_OP_READV_FIXED: return rw | OP_POLLIN;
    case IORING_OP_WRITEV:
    case IORING_OP_WRITE:
    case IORING_OP_WRITE_FIXED:
    case IORING_OP_WRITEV_FIXED: return rw | OP_POLLOUT;
    case IORING_OP_READ_MULTISHOT: return OP_MODELLED | OP_NEEDS_FILE | OP_POLLIN | OP_BUFFER_SELECT;
    case IORING_OP_FSYNC:
    case IORING_OP_SYNC_FILE_RANGE:
    case IORING_OP_FTRUNCATE:
    case IORING_OP_FALLOCATE:
    case IORING_OP_FADVISE:
    case IORING_OP_SPLICE:
    case IORING_OP_TEE: return OP_MODELLED | OP_NEEDS_FILE;
    case IORING_OP_PIPE:
    case IORING_OP_MADVISE:
    case IORING_OP_FUTEX_WAIT:
    case IORING_OP_FUTEX_WAKE:
    case IORING_OP_FUTEX_WAITV:
    case IORING_OP_EPOLL_CTL: return OP_MODELLED;
    case IORING_OP_EPOLL_WAIT: return OP_MODELLED | OP_NEEDS_FILE | OP_POLLIN;
    default: return 0;
  }
}

/** READ and WRITE in all their forms; READ_MULTISHOT has steps of its own. */
function isTransfer(opcode: u32): bool {
  switch (opcode) {
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
    case IORING_OP_READ_FIXED:
    case IORING_OP_WRITE_FIXED:
    case IORING_OP_READV_FIXED:
    case IORING_OP_WRITEV_FIXED: return true;
    default: return false;
  }
}

export function fileOpPrep(req: Req, sqe: usize): i32 {
  if (isTransfer(req.opcode)) return rwPrep(req, sqe);
  switch (req.opcode) {
    case IORING_OP_READ_MULTISHOT: return req.flags & REQ_F_BUFFER_SELECT ? rwPrep(req, sqe) : -EINVAL;
    case IORING_OP_SPLICE: return splicePrep(req, sqe);
    case IORING_OP_TEE: return teePrep(req, sqe);
    case IORING_OP_PIPE: return pipePrep(req, sqe);
    case IORING_OP_FSYNC: return fsyncPrep(req, sqe);
    case IORING_OP_SYNC_FILE_RANGE: return syncRangePrep(req, sqe);
    case IORING_OP_FTRUNCATE: return ftruncatePrep(req, sqe);
    case IORING_OP_FALLOCATE: return fallocatePrep(req, sqe);
    case IORING_OP_FADVISE: return fadvisePrep(req, sqe);
    case IORING_OP_MADVISE: return madvisePrep(req, sqe);
    case IORING_OP_FUTEX_WAIT:
    case IORING_OP_FUTEX_WAKE: return futexPrep(req, sqe);
    case IORING_OP_FUTEX_WAITV: return futexWaitvPrep(req, sqe);
    case IORING_OP_EPOLL_CTL: return epollCtlPrep(req, sqe);
    case IORING_OP_EPOLL_WAIT: return epollWaitPrep(req, sqe);
    default: return -EOPNOTSUPP;
  }
}

export function fileOpIssue(req: Req, issueFlags: u32): i32 {
  if (isTransfer(req.opcode)) return rwIssue(req, issueFlags);
  switch (req.opcode) {
    case IORING_OP_READ_MULTISHOT: return readMultishotIssue(req, issueFlags);
    case IORING_OP_SPLICE: return spliceIssue(req, issueFlags);
    case IORING_OP_TEE: return teeIssue(req, issueFlags);
    case IORING_OP_PIPE: return pipeIssue(req);
    case IORING_OP_FSYNC: return fsyncIssue(req, issueFlags);
    case IORING_OP_SYNC_FILE_RANGE: return syncRangeIssue(req, issueFlags);
    case IORING_OP_FTRUNCATE: return ftruncateIssue(req, issueFlags);
    case IORING_OP_FALLOCATE: return fallocateIssue(req, issueFlags);
    case IORING_OP_FADVISE: return fadviseIssue(req, issueFlags);
    case IORING_OP_MADVISE: return madviseIssue(req, issueFlags);
    case IORING_OP_FUTEX_WAIT: return futexWaitIssue(req);
    case IORING_OP_FUTEX_WAKE: return futexWakeIssue(req);
    case IORING_OP_FUTEX_WAITV: return futexWaitvIssue(req);
    case IORING_OP_EPOLL_CTL: return epollCtlIssue(req);
    case IORING_OP_EPOLL_WAIT: return epollWaitIssue(req);
    default: return -EOPNOTSUPP;
  }
}

export function fileOpFail(req: Req): void {
  if (isTransfer(req.opcode)) rwFail(req);
}

export function fileOpCleanup(req: Req): void {
  switch (req.opcode) {
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
    case IORING_OP_READV_FIXED:
    case IORING_OP_WRITEV_FIXED: rwCleanup(req); return;
    case IORING_OP_FUTEX_WAITV: futexCleanup(req); return;
    case IORING_OP_SPLICE:
    case IORING_OP_TEE: spliceCleanup(req); return;
  }
}
