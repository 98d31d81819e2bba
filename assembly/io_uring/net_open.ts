// SOCKET, BIND, LISTEN: none of them waits.
import { EINVAL, EMFILE, ENFILE, ENOTSOCK } from "../abi/errno";
import { SOCK_CLOEXEC, SOCK_TYPE_MASK } from "../abi/socket";
import {
  SQE_OFF_ADDR, SQE_OFF_ADDR2, SQE_OFF_BUF_INDEX, SQE_OFF_FD, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS, SQE_OFF_OFF,
} from "../abi/uapi";
import { FILE_SOCKET, fdFree, fdInstall } from "../fs/file";
import { Sock } from "../net/sock";
import { sockBind, sockCreate, sockFile, sockFlagsCheck, sockListen, sockRelease } from "../net/socket";
import { fixedFdInstall } from "./filetable";
import { AD_NAME } from "./net";
import { addressPrep } from "./net_connect";
import { IOU_COMPLETE, Req, setFail, setRes } from "./types";

function done(req: Req, ret: i32): i32 {
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

// Operation state of SOCKET: fd is the domain, cmd_addr the type with its flags, msg_flags the protocol, cmd_len the slot.

export function socketPrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_ADDR) || load<u32>(sqe, SQE_OFF_MSG_FLAGS) || load<u16>(sqe, SQE_OFF_BUF_INDEX)) return -EINVAL;
  const type = load<u32>(sqe, SQE_OFF_OFF), slot = load<u32>(sqe, SQE_OFF_FILE_INDEX);
  if (slot && type & SOCK_CLOEXEC) return -EINVAL;
  if (sockFlagsCheck(type & ~SOCK_TYPE_MASK)) return -EINVAL;
  req.fd = load<i32>(sqe, SQE_OFF_FD);
  req.cmd_addr = type as u64;
  req.msg_flags = load<u32>(sqe, SQE_OFF_LEN);
  req.cmd_len = slot;
  return 0;
}

export function socketIssue(req: Req): i32 {
  const fixed = req.cmd_len != 0, type = req.cmd_addr as u32;
  if (!fixed && fdFree(req.task) < 0) return done(req, -EMFILE);
  const got = sockCreate(req.fd, type & SOCK_TYPE_MASK, req.msg_flags as i32);
  if (got < 0) return done(req, got);
  const f = sockFile(changetype<Sock>(got as usize), type & ~SOCK_TYPE_MASK);
  if (!f) {
    sockRelease(changetype<Sock>(got as usize));
    return done(req, -ENFILE);
  }
  if (!fixed) return done(req, fdInstall(req.task, f, (type & SOCK_CLOEXEC) != 0));
  // That there is no such slot does not count as a failure: a chain goes on, and CQE_SKIP holds (seen on 6.18).
  setRes(req, fixedFdInstall(req.ctx, f, req.cmd_len), 0);
  return IOU_COMPLETE;
}

export function bindPrep(req: Req, sqe: usize): i32 {
  if (load<u32>(sqe, SQE_OFF_LEN) || load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_MSG_FLAGS)
    || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  req.cmd_len = load<u32>(sqe, SQE_OFF_ADDR2);
  return addressPrep(req, load<u64>(sqe, SQE_OFF_ADDR));
}

export function bindIssue(req: Req): i32 {
  if (req.file.kind != FILE_SOCKET) return done(req, -ENOTSOCK);
  return done(req, sockBind(changetype<Sock>(req.file.priv), req.async_data + AD_NAME, req.cmd_len));
}

export function listenPrep(req: Req, sqe: usize): i32 {
  if (load<u64>(sqe, SQE_OFF_ADDR) || load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_MSG_FLAGS)
    || load<u32>(sqe, SQE_OFF_FILE_INDEX) || load<u64>(sqe, SQE_OFF_ADDR2)) return -EINVAL;
  req.cmd_len = load<u32>(sqe, SQE_OFF_LEN);
  return 0;
}

export function listenIssue(req: Req): i32 {
  if (req.file.kind != FILE_SOCKET) return done(req, -ENOTSOCK);
  return done(req, sockListen(changetype<Sock>(req.file.priv), req.cmd_len as i32));
}
