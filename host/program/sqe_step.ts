// Fills one SQE, or one struct msghdr, from the KEY=VALUE settings of its line.
import {
  AF_INET,
  CMSGHDR_OFF_LEN,
  CMSGHDR_OFF_LEVEL,
  CMSGHDR_OFF_TYPE,
  CMSGHDR_SIZE,
  IOVEC_SIZE,
  IP_TTL,
  IPPROTO_IP,
  MSGHDR_OFF_CONTROL,
  MSGHDR_OFF_CONTROLLEN,
  MSGHDR_OFF_FLAGS,
  MSGHDR_OFF_IOV,
  MSGHDR_OFF_IOVLEN,
  MSGHDR_OFF_NAME,
  MSGHDR_OFF_NAMELEN,
  MSGHDR_SIZE,
  SOCKADDR_IN_OFF_ADDR,
  SOCKADDR_IN_OFF_FAMILY,
  SOCKADDR_IN_SIZE,
} from "../../assembly/abi/socket.ts";
import { SQE_OFF_NOTIFICATION_IDX } from "../../assembly/abi/notif_slots.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { MESSAGE_SIZE, type Message, MSG_CONTROL_SIZE, MSG_IOV_MAX, type RunContext } from "./context.ts";
import type { Destination, MsgSetting, SqeNumberKey, SqeSetting, StepOf } from "./steps.ts";

const NUMBER_FIELDS: Record<SqeNumberKey, readonly [offset: number, bytes: 1 | 2 | 4 | 8]> = {
  addr: [uapi.SQE_OFF_ADDR, 8],
  len: [uapi.SQE_OFF_LEN, 4],
  ud: [uapi.SQE_OFF_USER_DATA, 8],
  flags: [uapi.SQE_OFF_FLAGS, 1],
  ioprio: [uapi.SQE_OFF_IOPRIO, 2],
  mf: [uapi.SQE_OFF_MSG_FLAGS, 4],
  bi: [uapi.SQE_OFF_BUF_INDEX, 2],
  off: [uapi.SQE_OFF_OFF, 8],
  addr_len: [uapi.SQE_OFF_ADDR_LEN, 2],
  pad3: [uapi.SQE_OFF_PAD3, 2],
  addr3: [uapi.SQE_OFF_ADDR3, 8],
  pad2: [uapi.SQE_OFF_PAD2, 8],
  personality: [uapi.SQE_OFF_PERSONALITY, 2],
  addr2: [uapi.SQE_OFF_ADDR2, 8],
  file_index: [uapi.SQE_OFF_FILE_INDEX, 4],
  splice_fd_in: [uapi.SQE_OFF_SPLICE_FD_IN, 4],
  splice_off_in: [uapi.SQE_OFF_SPLICE_OFF_IN, 8],
  cmd_op: [uapi.SQE_OFF_CMD_OP, 4],
  bgid: [uapi.SQE_OFF_BUF_GROUP, 2],
  level: [uapi.SQE_OFF_LEVEL, 4],
  optname: [uapi.SQE_OFF_OPTNAME, 4],
  optlen: [uapi.SQE_OFF_OPTLEN, 4],
  optval: [uapi.SQE_OFF_OPTVAL, 8],
  slot: [SQE_OFF_NOTIFICATION_IDX, 2],
  tag: [uapi.SQE_OFF_ADDR, 8],
};

export function fillSqe(run: RunContext, sqe: number, step: StepOf<"sqe">): void {
  run.user.memory.u8[sqe + uapi.SQE_OFF_OPCODE] = step.opcode;
  for (const setting of step.settings) applySqeSetting(run, sqe, setting);
}

function applySqeSetting(run: RunContext, sqe: number, setting: SqeSetting): void {
  const { user } = run;
  switch (setting.key) {
    case "fd":
      user.setU32(sqe + uapi.SQE_OFF_FD, run.fd(setting.fd));
      return;
    case "buf": {
      const { address, length } = run.buf(setting.buf);
      user.setPointer(sqe + uapi.SQE_OFF_ADDR, address + setting.offset);
      // A length given before stays.
      if (user.getU32(sqe + uapi.SQE_OFF_LEN) === 0) user.setU32(sqe + uapi.SQE_OFF_LEN, length - setting.offset);
      return;
    }
    case "msg":
      user.setPointer(sqe + uapi.SQE_OFF_ADDR, run.msg(setting.msg).header);
      user.setU32(sqe + uapi.SQE_OFF_LEN, 1);
      return;
    case "iov": {
      const { header, iov } = run.msg(setting.msg);
      user.setPointer(sqe + uapi.SQE_OFF_ADDR, iov);
      user.setU32(sqe + uapi.SQE_OFF_LEN, user.getU32(header + MSGHDR_OFF_IOVLEN));
      return;
    }
    case "ts_ms": {
      const at = user.timespec(
        BigInt(Math.trunc(setting.ms / 1000)),
        BigInt(setting.ms % 1000) * 1_000_000n,
        user.alloc(16),
      );
      user.setPointer(sqe + uapi.SQE_OFF_ADDR, at);
      user.setU32(sqe + uapi.SQE_OFF_LEN, 1);
      return;
    }
    case "dest":
      user.setPointer(sqe + uapi.SQE_OFF_ADDR2, destination(run, setting.dest, user.alloc(SOCKADDR_IN_SIZE)));
      user.setU16(sqe + (setting.lengthAt ?? uapi.SQE_OFF_ADDR_LEN), SOCKADDR_IN_SIZE);
      return;
    case "u8":
    case "u16":
    case "u32":
    case "u64": {
      const bytes = Number(setting.key.slice(1)) / 8;
      const { sqeSize } = run.liveRing();
      if (setting.at + bytes > sqeSize)
        run.fail(`${setting.key}.${setting.at} is outside of an SQE of ${sqeSize} bytes`);
      run.user.setNumber(sqe + setting.at, bytes, run.arg(setting.value));
      return;
    }
    default: {
      const [offset, bytes] = NUMBER_FIELDS[setting.key];
      run.user.setNumber(sqe + offset, bytes, run.arg(setting.value));
    }
  }
}

/** A sockaddr_in, its port perhaps that of a socket of the program. */
function destination(run: RunContext, dest: Destination, at: number): number {
  const { user, sys } = run;
  if (typeof dest.port === "number") {
    return user.sockaddrIn(dest.ip, dest.port, at);
  }
  const length = user.alloc(4);
  user.setU32(length, SOCKADDR_IN_SIZE);
  run.call("getsockname", sys.getsockname(run.fd(dest.port.of), at, length));
  user.setU16(at + SOCKADDR_IN_OFF_FAMILY, AF_INET);
  user.memory.view.setUint32(at + SOCKADDR_IN_OFF_ADDR, dest.ip);
  return at;
}

// Messages ---------------------------------------------------------------------------------------------------------------

export function stepMsg(run: RunContext, step: StepOf<"msg">): void {
  const { user } = run;
  const header = user.pages(MESSAGE_SIZE);
  const iov = header + MSGHDR_SIZE;
  const control = iov + MSG_IOV_MAX * IOVEC_SIZE;
  const message: Message = { header, iov, control, name: control + MSG_CONTROL_SIZE };
  run.addMsg(step.name, message);
  user.setPointer(header + MSGHDR_OFF_IOV, iov);
  for (const setting of step.settings) applyMsgSetting(run, message, setting);
}

function applyMsgSetting(run: RunContext, message: Message, setting: MsgSetting): void {
  const { user } = run;
  const { header, iov, control } = message;
  switch (setting.key) {
    case "iov": {
      const first = user.getU32(header + MSGHDR_OFF_IOVLEN);
      const segments = setting.segments.map(({ buf, offset, length }) => ({
        base: run.buf(buf).address + offset,
        length,
      }));
      if (first + segments.length > MSG_IOV_MAX) run.fail(`a message has room for ${MSG_IOV_MAX} segments`);
      user.iovec(segments, iov + first * IOVEC_SIZE);
      user.setPointer(header + MSGHDR_OFF_IOVLEN, first + segments.length);
      return;
    }
    case "rep": {
      const first = user.read(iov, IOVEC_SIZE);
      for (let index = 1; index < setting.value; index++) user.write(iov + index * IOVEC_SIZE, first);
      user.setPointer(header + MSGHDR_OFF_IOVLEN, setting.value);
      return;
    }
    case "iovlen":
      user.setPointer(header + MSGHDR_OFF_IOVLEN, setting.value);
      return;
    case "control":
      user.setPointer(header + MSGHDR_OFF_CONTROL, control);
      user.setPointer(header + MSGHDR_OFF_CONTROLLEN, setting.value);
      user.setPointer(control + CMSGHDR_OFF_LEN, setting.value);
      user.setU32(control + CMSGHDR_OFF_LEVEL, IPPROTO_IP);
      user.setU32(control + CMSGHDR_OFF_TYPE, IP_TTL);
      user.setU32(control + CMSGHDR_SIZE, 64);
      return;
    case "ctltype":
      user.setU32(control + CMSGHDR_OFF_TYPE, setting.value);
      return;
    case "ctllevel":
      user.setU32(control + CMSGHDR_OFF_LEVEL, setting.value);
      return;
    case "ctllen":
      user.setU64(control + CMSGHDR_OFF_LEN, BigInt(setting.value));
      return;
    case "flags":
      user.setU32(header + MSGHDR_OFF_FLAGS, setting.value);
      return;
    case "dest":
      user.setPointer(header + MSGHDR_OFF_NAME, destination(run, setting.dest, message.name));
      user.setPointer(header + MSGHDR_OFF_NAMELEN, SOCKADDR_IN_SIZE);
      return;
  }
}
