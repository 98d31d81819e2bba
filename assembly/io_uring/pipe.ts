// PIPE: pipe2(2) as a request. Two descriptors, or with file_index two slots of the file table: that one and the next, or
// any two free ones (IORING_FILE_INDEX_ALLOC). What is written to sqe.addr are descriptors, or slots counted from 0.
import { O_CLOEXEC, O_DIRECT, O_NONBLOCK, O_NOTIFICATION_PIPE } from "../abi/fcntl";
import { EFAULT, EINVAL, ENOPKG } from "../abi/errno";
import { IORING_FILE_INDEX_ALLOC, SQE_OFF_ADDR, SQE_OFF_ADDR3, SQE_OFF_FD, SQE_OFF_FILE_INDEX, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF } from "../abi/uapi";
import { copyToUser } from "../mm/vma";
import { File, fdClose, fdInstall, fput } from "../fs/file";
import { pipeCreate } from "../fs/pipe";
import { SCRATCH_WORDS } from "../net/scratch";
import { fixedFdInstall, fixedFileClose } from "./filetable";
import { IOU_COMPLETE, Req, setFail, setRes } from "./types";


export function pipePrep(req: Req, sqe: usize): i32 {
  req.done_io = 0;
  if (load<u32>(sqe, SQE_OFF_FD) || load<u64>(sqe, SQE_OFF_OFF) || load<u64>(sqe, SQE_OFF_ADDR3)) return -EINVAL;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.msg_flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS);
  req.cmd_len = load<u32>(sqe, SQE_OFF_FILE_INDEX);
  return req.msg_flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE) ? -EINVAL : 0;
}

export function pipeIssue(req: Req): i32 {
  const ret = create(req);
  if (ret) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

function create(req: Req): i32 {
  if (req.msg_flags & O_NOTIFICATION_PIPE) return -ENOPKG; // not built in
  const err = pipeCreate(SCRATCH_WORDS, req.msg_flags);
  if (err) return err;
  const r = changetype<File>(load<u32>(SCRATCH_WORDS) as usize), w = changetype<File>(load<u32>(SCRATCH_WORDS, 4) as usize);
  return req.cmd_len ? installFixed(req, r, w) : install(req, r, w);
}

function install(req: Req, r: File, w: File): i32 {
  const cloexec = (req.msg_flags & O_CLOEXEC) != 0, t = req.task;
  const rfd = fdInstall(t, r, cloexec), wfd = rfd < 0 ? rfd : fdInstall(t, w, cloexec);
  if (wfd < 0) {
    if (rfd < 0) fput(r);
    else fdClose(t, rfd);
    fput(w);
    return wfd;
  }
  if (!giveBack(req, rfd, wfd)) return 0;
  fdClose(t, rfd);
  fdClose(t, wfd);
  return -EFAULT;
}

function giveBack(req: Req, first: i32, second: i32): i32 {
  store<i32>(SCRATCH_WORDS, first);
  store<i32>(SCRATCH_WORDS, second, 4);
  return copyToUser(req.cmd_addr, SCRATCH_WORDS, 8);
}

function installFixed(req: Req, r: File, w: File): i32 {
  const ctx = req.ctx, slot = req.cmd_len, alloc = slot == IORING_FILE_INDEX_ALLOC;
  if (req.msg_flags & O_CLOEXEC) {
    fput(r);
    fput(w);
    return -EINVAL;
  }
  let first = fixedFdInstall(ctx, r, slot);
  if (first < 0) {
    fput(w);
    return first;
  }
  if (!alloc) first = slot - 1;
  let second = fixedFdInstall(ctx, w, alloc ? slot : slot + 1);
  if (second >= 0) {
    if (!alloc) second = slot;
    if (!giveBack(req, first, second)) return 0;
    fixedFileClose(ctx, second);
    second = -EFAULT;
  }
  fixedFileClose(ctx, first);
  return second;
}
