// What an SQE asks for, read from its 64 bytes at the moment the kernel takes it: which memory, how much of it, how.
import { IOVEC_SIZE, MSGHDR_OFF_IOV, MSGHDR_OFF_IOVLEN } from "../../assembly/abi/socket.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import type { UserMemory } from "../sys/user_memory.ts";
import type { Life, Memory } from "./life.ts";

const SENDS: readonly number[] = [
  uapi.IORING_OP_SEND,
  uapi.IORING_OP_SENDMSG,
  uapi.IORING_OP_SEND_ZC,
  uapi.IORING_OP_SENDMSG_ZC,
];
const MESSAGES: readonly number[] = [uapi.IORING_OP_SENDMSG, uapi.IORING_OP_SENDMSG_ZC, uapi.IORING_OP_RECVMSG];
const ZERO_COPY: readonly number[] = [uapi.IORING_OP_SEND_ZC, uapi.IORING_OP_SENDMSG_ZC];
/** Operations that write into the memory that they name. */
const READERS: readonly number[] = [
  uapi.IORING_OP_READ,
  uapi.IORING_OP_READ_FIXED,
  uapi.IORING_OP_RECV,
  uapi.IORING_OP_RECVMSG,
];
const IOV_MAX = 1024;

export const writesMemory = ({ opcode }: Life) => READERS.includes(opcode);

/** Fills in what the SQE says. `sqe` may be anything that a program has put there. */
export function readSqe(user: UserMemory, sqe: number, life: Life): void {
  const { view } = user.memory;
  life.opcode = view.getUint8(sqe + uapi.SQE_OFF_OPCODE);
  life.flags = view.getUint8(sqe + uapi.SQE_OFF_FLAGS);
  life.sendFlags = view.getUint16(sqe + uapi.SQE_OFF_IOPRIO, true);
  life.isSend = SENDS.includes(life.opcode);
  life.isZeroCopy = ZERO_COPY.includes(life.opcode);
  if (!life.isSend && !READERS.includes(life.opcode)) return;
  // Which bytes a provided buffer has is known only when it was chosen.
  if (life.flags & uapi.IOSQE_BUFFER_SELECT) return;
  const address = view.getBigUint64(sqe + uapi.SQE_OFF_ADDR, true);
  const length = view.getUint32(sqe + uapi.SQE_OFF_LEN, true);
  const isVector = life.isSend && (life.sendFlags & uapi.IORING_SEND_VECTORIZED) !== 0;
  if (address + BigInt(length) > BigInt(view.byteLength)) return;
  const at = Number(address);
  if (MESSAGES.includes(life.opcode)) life.memory = readMessage(view, at);
  else if (isVector) life.memory = readVector(view, at, length);
  else if (length > 0) life.memory = [{ address: at, length }];
  life.bytes = life.memory.reduce((sum, each) => sum + each.length, 0);
}

function readMessage(view: DataView, at: number): Memory[] {
  if (at + MSGHDR_OFF_IOVLEN + 4 > view.byteLength) return [];
  return readVector(view, view.getUint32(at + MSGHDR_OFF_IOV, true), view.getUint32(at + MSGHDR_OFF_IOVLEN, true));
}

function readVector(view: DataView, at: number, count: number): Memory[] {
  const found: Memory[] = [];
  if (count > IOV_MAX || at + count * IOVEC_SIZE > view.byteLength) return found;
  for (let index = 0; index < count; index++) {
    const address = view.getUint32(at + index * IOVEC_SIZE, true);
    const length = view.getUint32(at + index * IOVEC_SIZE + 8, true);
    if (length > 0 && address + length <= view.byteLength) found.push({ address, length });
  }
  return found;
}
