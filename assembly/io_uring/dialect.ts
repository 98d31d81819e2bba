// What an SQE means in the profile of this machine where that is not what its opcode says on 6.18.
//
// Spec: notif-slots.md 1.1, 6 (d); send-zc.md 7.
import { opMeaning } from "../lib/profile";

/** What the SQE is done as: an opcode of 6.18 or an OPI_*; OP_UNKNOWN: this kernel does not know it. */
export function dialectOpcode(opcode: u32, sqe: usize): u32 {
  return opMeaning(opcode);
}
