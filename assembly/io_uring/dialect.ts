// What an SQE means in the profile of this machine where that is not what its opcode says on 6.18.
//
// Spec: notif-slots.md 1.1, 6 (d); send-zc.md 7.
import { IORING_OP_SEND, IORING_OP_SENDMSG, IORING_OP_SENDMSG_ZC, IORING_OP_SEND_ZC, SQE_OFF_IOPRIO } from "../abi/uapi";
import { L_ZC_NOTIF_FLAG, OPI_SENDMSGZC_NOTIF, OP_UNKNOWN, SW_MERGED_OPCODE, SW_SENDMSG_ZC } from "../abi/profile";
import { limit, opMeaning, setOpMeaning, switchOn } from "../lib/profile";

/** What the SQE is done as: an opcode of 6.18 or an OPI_*; OP_UNKNOWN: this kernel does not know it. */
export function dialectOpcode(opcode: u32, sqe: usize): u32 {
  const op = opMeaning(opcode);
  if (!isMerged(op) || !(load<u16>(sqe, SQE_OFF_IOPRIO) & (limit(L_ZC_NOTIF_FLAG) as u16))) return op;
  const zc = opMeaning(op == IORING_OP_SEND ? IORING_OP_SEND_ZC : IORING_OP_SENDMSG_ZC);
  return zc == OP_UNKNOWN ? op : zc; // SENDMSG refuses the flag itself
}

/** merged_opcode: SEND and SENDMSG, whose flag ZC_NOTIF makes them zero-copy sends. */
export function isMerged(op: u32): bool {
  return switchOn(SW_MERGED_OPCODE) != 0 && (op == IORING_OP_SEND || op == IORING_OP_SENDMSG);
}

/** ioprio of a zero-copy send, without what made it one. */
export function sendzcIoprio(sqe: usize): u32 {
  const wire = load<u16>(sqe, SQE_OFF_IOPRIO) as u32;
  return isMerged(opMeaning(load<u8>(sqe))) ? wire & ~limit(L_ZC_NOTIF_FLAG) : wire;
}

/** A switch was set: it may give an opcode a meaning. */
export function dialectSwitched(which: u32, value: u32): void {
  if (which == SW_SENDMSG_ZC) setOpMeaning(IORING_OP_SENDMSG_ZC, value ? OPI_SENDMSGZC_NOTIF : OP_UNKNOWN);
}
