// URING_CMD on sockets: what ioctl(2), getsockopt(2) and setsockopt(2) do, as a request. /dev/null takes every command; other files
// have none here.
import { EFAULT, EINVAL, EOPNOTSUPP } from "../abi/errno";
import { SIOCINQ, SIOCOUTQ, SOL_SOCKET } from "../abi/socket";
import {
  IORING_SETUP_CQE32, IORING_SETUP_CQE_MIXED, IORING_SETUP_IOPOLL, IORING_URING_CMD_FIXED, IORING_URING_CMD_MULTISHOT, SOCKET_URING_OP_GETSOCKOPT,
  SOCKET_URING_OP_SETSOCKOPT, SOCKET_URING_OP_SIOCINQ, SOCKET_URING_OP_SIOCOUTQ, SOCKET_URING_OP_TX_TIMESTAMP, SQE_OFF_ADDR, SQE_OFF_ADDR3,
  SQE_OFF_CMD_OP, SQE_OFF_FILE_INDEX, SQE_OFF_MSG_FLAGS,
} from "../abi/uapi";
import { NOT_MODELLED_FORM } from "../abi/not_modelled";
import { ROW_SOCKET_CMD, ROW_URING_CMD } from "../abi/profile";
import { validFlags } from "../lib/profile";
import { notModelled } from "../lib/not_modelled";
import { copyToUser } from "../mm/vma";
import { FILE_NULL, FILE_SOCKET } from "../fs/file";
import { SCRATCH_WORDS } from "../net/scratch";
import { Sock } from "../net/sock";
import { sockIoctlUring } from "../net/sock_ioctl";
import { sockGetValue, sockSetsockopt } from "../net/sockopt";
import { IOU_COMPLETE, REQ_F_BUFFER_SELECT, Req, setFail, setRes } from "./types";

const CMD_PAD: u32 = SQE_OFF_CMD_OP + 4;

// Operation state: msg_flags = cmd_op, zc_flags = uring_cmd_flags, cmd_addr = level and optname, iter = optval, cmd_len = optlen.

export function uringCmdPrep(req: Req, sqe: usize): i32 {
  if (load<u32>(sqe, CMD_PAD)) return -EINVAL;
  const flags = load<u32>(sqe, SQE_OFF_MSG_FLAGS), select = (req.flags & REQ_F_BUFFER_SELECT) != 0;
  if (flags & ~validFlags(ROW_URING_CMD)) return -EINVAL;
  if (flags & IORING_URING_CMD_FIXED && select) return -EINVAL;
  if (((flags & IORING_URING_CMD_MULTISHOT) != 0) != select) return -EINVAL;
  req.msg_flags = load<u32>(sqe, SQE_OFF_CMD_OP);
  req.zc_flags = flags;
  req.cmd_addr = load<u64>(sqe, SQE_OFF_ADDR);
  req.iter = load<u64>(sqe, SQE_OFF_ADDR3);
  req.cmd_len = load<u32>(sqe, SQE_OFF_FILE_INDEX);
  return 0;
}

export function uringCmdIssue(req: Req): i32 {
  const kind = req.file.kind;
  if ((kind != FILE_SOCKET && kind != FILE_NULL) || req.ctx.flags & IORING_SETUP_IOPOLL) return -EOPNOTSUPP;
  const ret = kind == FILE_NULL ? 0 : sockCommand(req, changetype<Sock>(req.file.priv));
  // Linux leaves a multishot command that succeeds waiting for events that no socket command has.
  if (ret >= 0 && req.zc_flags & IORING_URING_CMD_MULTISHOT) return notModelled(NOT_MODELLED_FORM | req.opcode);
  if (ret < 0) setFail(req);
  setRes(req, ret, 0);
  return IOU_COMPLETE;
}

function sockCommand(req: Req, sk: Sock): i32 {
  if (req.msg_flags > 31 || !((validFlags(ROW_SOCKET_CMD) >> req.msg_flags) & 1)) return -EOPNOTSUPP;
  switch (req.msg_flags) {
    case SOCKET_URING_OP_SIOCINQ: return sockIoctlUring(sk, SIOCINQ);
    case SOCKET_URING_OP_SIOCOUTQ: return sockIoctlUring(sk, SIOCOUTQ);
    case SOCKET_URING_OP_GETSOCKOPT: return getsockopt(req, sk);
    case SOCKET_URING_OP_SETSOCKOPT:
      return sockSetsockopt(sk, req.cmd_addr as i32, (req.cmd_addr >> 32) as i32, req.iter, req.cmd_len as i32);
    case SOCKET_URING_OP_TX_TIMESTAMP:
      return req.ctx.flags & (IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED) ? notModelled(NOT_MODELLED_FORM | req.opcode) : -EINVAL;
    default: return notModelled(NOT_MODELLED_FORM | req.opcode);
  }
}

/** Only of level SOL_SOCKET; the result is the length of the value. */
function getsockopt(req: Req, sk: Sock): i32 {
  if ((req.cmd_addr as i32) != SOL_SOCKET) return -EOPNOTSUPP;
  const len = req.cmd_len as i32;
  if (len < 0) return -EINVAL;
  const size = sockGetValue(sk, (req.cmd_addr >> 32) as i32);
  if (size < 0) return size;
  const n = size < len ? size : len;
  return copyToUser(req.iter, SCRATCH_WORDS, n) ? -EFAULT : n;
}
