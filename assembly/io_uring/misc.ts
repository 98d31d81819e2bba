// CLOSE, SHUTDOWN.
import { EAGAIN, EBADF, EINVAL, ENOTSOCK } from "../abi/errno";
import { SQE_OFF_ADDR, SQE_OFF_BUF_INDEX, SQE_OFF_FD, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF } from "../abi/uapi";
import { FILE_RING, FILE_SOCKET, File, fdTake, fputLater } from "../fs/file";
import { FD_MAX, fdSlot } from "../kernel/task";
import { sockShutdown } from "../net/socket";
import { Sock } from "../net/sock";
import { fixedFileClose } from "./filetable";
import { IO_URING_F_NONBLOCK, IOU_COMPLETE, REQ_F_FIXED_FILE, REQ_F_FORCE_ASYNC, Req, setFail, setRes } from "./types";

export function closePrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_OFF) || load<u64>(sqe, SQE_OFF_ADDR) || load<u32>(sqe, SQE_OFF_LEN) || load<u32>(sqe, SQE_OFF_MSG_FLAGS)
    || load<u16>(sqe, SQE_OFF_BUF_INDEX)) return -EINVAL;
  if (req.flags & REQ_F_FIXED_FILE) return -EBADF;
  req.fd = load<i32>(sqe, SQE_OFF_FD);
  req.cmd_len = load<u32>(sqe, SQE_OFF_FILE_INDEX);
  if (req.cmd_len && req.fd) return -EINVAL;
  return 0;
}

/** close(2) of a descriptor, or the removal of fixed slot file_index - 1. Closing a ring is refused. */
export function closeIssue(req: Req): i32 {
  let ret: i32;
  if (req.cmd_len) {
    ret = fixedFileClose(req.ctx, req.cmd_len - 1);
  } else {
    const fd = req.fd as u32;
    const f = fd < FD_MAX ? changetype<File>(load<u32>(fdSlot(req.task, fd)) as usize) : changetype<File>(0);
    ret = !f || f.kind == FILE_RING ? -EBADF : 0;
    if (!ret) fputLater(fdTake(req.task, req.fd));
  }
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

export function shutdownPrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_OFF) || load<u64>(sqe, SQE_OFF_ADDR) || load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u16>(sqe, SQE_OFF_BUF_INDEX)
    || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.flags |= REQ_F_FORCE_ASYNC; // may sleep: always a worker's job
  return 0;
}

export function shutdownIssue(req: Req, issueFlags: u32): i32 {
  if (issueFlags & IO_URING_F_NONBLOCK) return -EAGAIN;
  if (req.file.kind != FILE_SOCKET) return -ENOTSOCK;
  setRes(req, sockShutdown(changetype<Sock>(req.file.priv), req.cmd_len), 0);
  return IOU_COMPLETE;
}
