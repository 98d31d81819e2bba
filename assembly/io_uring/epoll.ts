// EPOLL_CTL and EPOLL_WAIT: epoll_ctl(2), and epoll_wait(2) without waiting, which comes back through poll.
import { EAGAIN, EBADF, EFAULT, EINVAL } from "../abi/errno";
import { SQE_OFF_ADDR, SQE_OFF_BUF_INDEX, SQE_OFF_FD, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF } from "../abi/uapi";
import { SCRATCH_EPOLL, nil } from "../lib/state";
import { copyFromUser } from "../mm/vma";
import { FD_MAX, fdSlot } from "../kernel/task";
import { EPOLL_CTL_DEL, EPOLL_EVENT_SIZE, epollCheck, epollCtl, epollSend } from "../fs/epoll";
import { File } from "../fs/file";
import { IOU_COMPLETE, Req, setFail, setRes } from "./types";

// EPOLL_CTL: the event in uarg1 (data) and zc_flags (events), fd of the epoll in msg_flags, op in cmd_len
export function epollCtlPrep(req: Req, sqe: usize): i32 {
  if (load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  req.done_io = 0;
  req.msg_flags = load<u32>(sqe, SQE_OFF_FD);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.uarg = load<u64>(sqe, SQE_OFF_OFF);
  if (req.cmd_len == EPOLL_CTL_DEL) return 0;
  if (copyFromUser(SCRATCH_EPOLL, load<u64>(sqe, SQE_OFF_ADDR), EPOLL_EVENT_SIZE)) return -EFAULT;
  req.zc_flags = load<u32>(SCRATCH_EPOLL);
  req.uarg1 = load<u64>(SCRATCH_EPOLL, 4);
  return 0;
}

@inline function fileAt(req: Req, fd: u32): File {
  return fd < FD_MAX ? changetype<File>(load<u32>(fdSlot(req.task, fd)) as usize) : nil<File>();
}

export function epollCtlIssue(req: Req): i32 {
  const epf = fileAt(req, req.msg_flags), f = fileAt(req, req.uarg as u32);
  const ret = epf && f ? epollCtl(epf, req.cmd_len, req.uarg as i32, f, req.zc_flags, req.uarg1) : -EBADF;
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

export function epollWaitPrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_OFF) || load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  req.done_io = 0;
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  return 0;
}

export function epollWaitIssue(req: Req): i32 {
  let ret = epollCheck(req.file, req.cmd_addr, req.cmd_len as i32);
  if (!ret) {
    ret = epollSend(req.file, req.cmd_addr, req.cmd_len as i32);
    if (!ret) return -EAGAIN;
  }
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}
