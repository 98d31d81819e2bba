// FILES_UPDATE and FIXED_FD_INSTALL: changing the table of registered files, and getting a descriptor out of it.
import { EBADF, EINVAL, EPERM } from "../abi/errno";
import {
  IORING_FILE_INDEX_ALLOC, IORING_FIXED_FD_NO_CLOEXEC, SQE_OFF_ADDR, SQE_OFF_ADDR3, SQE_OFF_BUF_INDEX, SQE_OFF_FILE_INDEX, SQE_OFF_LEN,
  SQE_OFF_MSG_FLAGS, SQE_OFF_OFF,
} from "../abi/uapi";
import { fdInstall, fget, fputLater } from "../fs/file";
import { allocFiles, updateFiles } from "./rsrc_files";
import { IOU_COMPLETE, REQ_F_BUFFER_SELECT, REQ_F_CREDS, REQ_F_FIXED_FILE, Req, setFail, setRes } from "./types";

function complete(req: Req, ret: i32): i32 {
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

/** addr: array of descriptors, len: how many, off: the first slot or IORING_FILE_INDEX_ALLOC. */
export function filesUpdatePrep(req: Req, sqe: usize): i32 {
  if (req.flags & (REQ_F_FIXED_FILE | REQ_F_BUFFER_SELECT)) return -EINVAL;
  if (load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  req.msg_flags = load<u32>(sqe, SQE_OFF_OFF);
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  return req.cmd_len ? 0 : -EINVAL;
}

export function filesUpdateIssue(req: Req): i32 {
  const offset = req.msg_flags, nr = req.cmd_len;
  return complete(req, offset == IORING_FILE_INDEX_ALLOC
    ? allocFiles(req.ctx, req.cmd_addr, nr)
    : updateFiles(req.ctx, offset, req.cmd_addr, nr, 0));
}

/** Nothing but the fixed file and a flag may be set. */
export function fixedFdInstallPrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_OFF) || load<u64>(sqe, SQE_OFF_ADDR) || load<u32>(sqe, SQE_OFF_LEN) || load<u16>(sqe, SQE_OFF_BUF_INDEX)
    || load<u32>(sqe, SQE_OFF_FILE_INDEX) || load<u64>(sqe, SQE_OFF_ADDR3)) return -EINVAL;
  if (!(req.flags & REQ_F_FIXED_FILE)) return -EBADF;
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  if (req.msg_flags & ~IORING_FIXED_FD_NO_CLOEXEC) return -EINVAL;
  return req.flags & REQ_F_CREDS ? -EPERM : 0; // a descriptor is the task's own affair
}

export function fixedFdInstallIssue(req: Req): i32 {
  const fd = fdInstall(req.task, fget(req.file), !(req.msg_flags & IORING_FIXED_FD_NO_CLOEXEC));
  if (fd < 0) fputLater(req.file);
  return complete(req, fd);
}
