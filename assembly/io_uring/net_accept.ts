// ACCEPT: one connection, or one after the other (multishot), as a descriptor or into a fixed slot.
//
// A listener's waiters are woken one for each connection, the one that has waited longest first; a multishot request keeps
// its place and so takes everything that comes. Spec: io_uring_prep_accept(3), io_uring_prep_multishot_accept_direct(3).
import { O_NONBLOCK } from "../abi/fcntl";
import { EAGAIN, EINTR, EINVAL, EMFILE, ENOTSOCK } from "../abi/errno";
import { AF_INET, SOCK_CLOEXEC, SOCK_NONBLOCK } from "../abi/socket";
import {
  IORING_FILE_INDEX_ALLOC, IORING_ACCEPT_DONTWAIT, IORING_ACCEPT_MULTISHOT, IORING_ACCEPT_POLL_FIRST, IORING_CQE_F_MORE, IORING_CQE_F_SOCK_NONEMPTY, SQE_OFF_ADDR,
  SQE_OFF_ADDR2, SQE_OFF_BUF_INDEX, SQE_OFF_FILE_INDEX, SQE_OFF_IOPRIO, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS,
} from "../abi/uapi";
import { ROW_ACCEPT } from "../abi/profile";
import { validFlags } from "../lib/profile";
import { FILE_SOCKET, File, fdFree, fdInstall } from "../fs/file";
import { acceptFile } from "../net/accept";
import { Sock } from "../net/sock";
import { sockAcceptEnded, sockHasConnection } from "../net/socket";
import { fixedFdInstall } from "./filetable";
import { reqPostCqe } from "./req";
import {
  IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_APOLL_MULTISHOT, REQ_F_CANCELLED, REQ_F_NOWAIT, REQ_F_POLLED, Req, setFail, setRes,
} from "./types";

// Operation state: cmd_addr and iter are the user's addr and addrlen, cmd_len the fixed slot, msg_flags those of accept4(2),
// zc_flags IORING_ACCEPT_*.

export function acceptPrep(req: Req, sqe: usize): i32 {
  if (load<u32>(sqe, SQE_OFF_LEN) || load<u16>(sqe, SQE_OFF_BUF_INDEX)) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS), slot = load<u32>(sqe, SQE_OFF_FILE_INDEX), how = load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  if (how & ~validFlags(ROW_ACCEPT) || flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) return -EINVAL;
  if (slot && flags & SOCK_CLOEXEC) return -EINVAL; // a fixed slot is no descriptor
  if (how & IORING_ACCEPT_MULTISHOT) {
    if (slot && slot != IORING_FILE_INDEX_ALLOC) return -EINVAL; // they cannot all have the same slot
    req.flags |= REQ_F_APOLL_MULTISHOT;
  }
  if (how & IORING_ACCEPT_DONTWAIT) req.flags |= REQ_F_NOWAIT;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.iter = load<u64>(sqe, SQE_OFF_ADDR2);
  req.cmd_len = slot;
  req.msg_flags = flags;
  req.zc_flags = how;
  return 0;
}

export function acceptIssue(req: Req, issueFlags: u32): i32 {
  if (req.zc_flags & IORING_ACCEPT_POLL_FIRST && !(req.flags & REQ_F_POLLED)) return -EAGAIN;
  let ret: i32, cflags: u32;
  do {
    ret = acceptOne(req, issueFlags);
    if (ret == IOU_WOULD_SLEEP || (ret == -EAGAIN && issueFlags & IO_URING_F_NONBLOCK)) return ret;
    const sk = changetype<Sock>(req.file.priv);
    // Also of a connection that was accepted and then lost for want of a slot or of memory for its address.
    cflags = ret != -EMFILE && req.file.kind == FILE_SOCKET && sockHasConnection(sk) ? IORING_CQE_F_SOCK_NONEMPTY : 0;
    if (ret < 0 || !(req.flags & REQ_F_APOLL_MULTISHOT) || !reqPostCqe(req, ret, cflags | IORING_CQE_F_MORE)) break;
    // That was the last one; families that do not say so have to be asked.
    if (!cflags && sk.family == AF_INET) return -EAGAIN;
  } while (true);
  if (ret < 0) setFail(req);
  setRes(req, ret, cflags);
  return IOU_COMPLETE;
}

/** Takes one connection and gives it its number: that, -EAGAIN, IOU_WOULD_SLEEP, -errno. */
function acceptOne(req: Req, issueFlags: u32): i32 {
  const fixed = req.cmd_len != 0;
  if (!fixed && fdFree(req.task) < 0) return -EMFILE; // before the connection is touched
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  const sk = changetype<Sock>(req.file.priv);
  const got = acceptFile(sk, req.cmd_addr, req.iter, req.msg_flags);
  if (got == -EAGAIN && !(issueFlags & IO_URING_F_NONBLOCK) && !(req.file.flags & O_NONBLOCK)) {
    if (sockAcceptEnded(sk)) return -EINVAL;
    return req.flags & REQ_F_CANCELLED ? -EINTR : IOU_WOULD_SLEEP;
  }
  if (got < 0) return got;
  const f = changetype<File>(got as usize);
  return fixed ? fixedFdInstall(req.ctx, f, req.cmd_len) : fdInstall(req.task, f, (req.msg_flags & SOCK_CLOEXEC) != 0);
}
