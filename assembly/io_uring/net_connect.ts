// CONNECT. A TCP handshake and a full AF_UNIX listener are waited for in poll; what came of it is the socket's error, or
// what a second connect says.
import { O_NONBLOCK } from "../abi/fcntl";
import { EAGAIN, EALREADY, EBADFD, ECONNABORTED, EINPROGRESS, EINTR, EINVAL, EISCONN, ENOMEM, ENOTSOCK } from "../abi/errno";
import { POLLERR } from "../abi/socket";
import { SQE_OFF_ADDR, SQE_OFF_ADDR2, SQE_OFF_BUF_INDEX, SQE_OFF_FILE_INDEX, SQE_OFF_LEN, SQE_OFF_MSG_FLAGS } from "../abi/uapi";
import { FILE_SOCKET, filePoll } from "../fs/file";
import { importSockaddr } from "../net/msg_import";
import { SOCK_F_NOSPACE, Sock, sockError } from "../net/sock";
import { sockConnect } from "../net/socket";
import { AD_NAME, sendAlloc } from "./net";
import { IO_URING_F_NONBLOCK, IOU_COMPLETE, IOU_WOULD_SLEEP, REQ_F_CANCELLED, Req, setFail, setRes } from "./types";

// Operation state: the address is in the async data, cmd_len its length; zc_flags CONNECT_*.
const CONNECT_IN_PROGRESS: u32 = 1;
const CONNECT_SEEN_ABORT: u32 = 2;

export function connectPrep(req: Req, sqe: usize): i32 {
  if (load<u32>(sqe, SQE_OFF_LEN) || load<u16>(sqe, SQE_OFF_BUF_INDEX) || load<u32>(sqe, SQE_OFF_MSG_FLAGS)
    || load<u32>(sqe, SQE_OFF_FILE_INDEX)) return -EINVAL;
  req.zc_flags = 0;
  req.cmd_len = load<u32>(sqe, SQE_OFF_ADDR2);
  return addressPrep(req, load<u64>(sqe, SQE_OFF_ADDR));
}

/** Copies the address of req.cmd_len bytes into the request: 0, -ENOMEM, -EINVAL, -EFAULT. */
export function addressPrep(req: Req, addr: u64): i32 {
  if (!sendAlloc(req)) return -ENOMEM;
  return importSockaddr(req.async_data + AD_NAME, addr, req.cmd_len as i32);
}

export function connectIssue(req: Req, issueFlags: u32): i32 {
  if (req.file.kind != FILE_SOCKET) return done(req, -ENOTSOCK);
  const sk = changetype<Sock>(req.file.priv), started = (req.zc_flags & CONNECT_IN_PROGRESS) != 0;
  if (started && filePoll(req.file) & POLLERR) return done(req, sockError(sk));
  const ret = sockConnect(sk, req.async_data + AD_NAME, req.cmd_len);
  if (issueFlags & IO_URING_F_NONBLOCK) {
    if (ret == -EINPROGRESS) req.zc_flags |= CONNECT_IN_PROGRESS;
    if (ret == -ECONNABORTED) { // an earlier attempt had failed: tried again once
      if (req.zc_flags & CONNECT_SEEN_ABORT) return done(req, ret);
      req.zc_flags |= CONNECT_SEEN_ABORT;
    }
    if (ret == -EAGAIN || ret == -EINPROGRESS || ret == -ECONNABORTED) return -EAGAIN;
  } else if ((ret == -EAGAIN || ret == -EINPROGRESS || ret == -EALREADY) && !(req.file.flags & O_NONBLOCK)) {
    if (req.flags & REQ_F_CANCELLED) return done(req, -EINTR);
    sk.flags |= SOCK_F_NOSPACE; // a listener tells when it has room
    return IOU_WOULD_SLEEP;
  }
  return done(req, started && (ret == -EBADFD || ret == -EISCONN) ? sockError(sk) : ret);
}

function done(req: Req, ret: i32): i32 {
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}
