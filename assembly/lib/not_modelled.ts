// Something that Linux has and this machine does not. Whoever meets it says so here; the system call that led to it, or the
// next one if it was met in a worker or an event, returns -ENOTMODELLED and the host ends the run with a report.
import { ENOTMODELLED } from "../abi/errno";
import { NOT_MODELLED_PENDING } from "../abi/not_modelled";
import { S_NOT_MODELLED } from "./state";

/** `what`: NOT_MODELLED_* kind with the number of the opcode, option or family. */
export function notModelled(what: u32): i32 {
  store<u32>(S_NOT_MODELLED, what | NOT_MODELLED_PENDING);
  return -ENOTMODELLED;
}

/** On the way out of a system call: has something been met that must not be passed over? */
@inline export function notModelledPending(): bool { return (load<u32>(S_NOT_MODELLED) & NOT_MODELLED_PENDING) != 0; }
export function notModelledTake(): i32 {
  store<u32>(S_NOT_MODELLED, load<u32>(S_NOT_MODELLED) & ~NOT_MODELLED_PENDING);
  return -ENOTMODELLED;
}
