// The rows of the opcode table (opdef.ts) for operations that have no opcode of 6.18: what notification slots were used with
// (OPI_*, abi/profile.ts).
import { OPI_RSRC_UPDATE, OPI_SENDMSGZC_NOTIF, OPI_SENDZC_NOTIF } from "../abi/profile";
import { EINVAL } from "../abi/errno";
import { sendzcCleanup, sendzcIssue, sendzcPrep, sendzcPrepAsync } from "./net_zc_slots";
import { sendmsgzcPrep } from "./net_zc_slots_msg";
import { OP_IOPOLL, OP_IOPRIO, OP_MODELLED, OP_NEEDS_FILE, OP_POLLOUT } from "./opdef";
import { rsrcUpdateIssue, rsrcUpdatePrep } from "./rsrc_update";
import { Req } from "./types";

export function slotOpProperties(opcode: u32): u32 {
  switch (opcode) {
    case OPI_SENDZC_NOTIF:
    case OPI_SENDMSGZC_NOTIF: return OP_MODELLED | OP_NEEDS_FILE | OP_IOPRIO | OP_POLLOUT;
    case OPI_RSRC_UPDATE: return OP_MODELLED | OP_IOPRIO | OP_IOPOLL;
    default: return 0;
  }
}

export function slotOpPrep(req: Req, sqe: usize): i32 {
  switch (req.opcode) {
    case OPI_SENDZC_NOTIF: return sendzcPrep(req, sqe);
    case OPI_SENDMSGZC_NOTIF: return sendmsgzcPrep(req, sqe);
    case OPI_RSRC_UPDATE: return rsrcUpdatePrep(req, sqe);
    default: return -EINVAL;
  }
}

/** The request waits for its turn, in a chain or for a worker: what it may read from user space only now. 0 or -errno. */
export function slotOpPrepAsync(req: Req): i32 { return req.opcode == OPI_SENDZC_NOTIF ? sendzcPrepAsync(req) : 0; }

export function slotOpIssue(req: Req, issueFlags: u32): i32 {
  switch (req.opcode) {
    case OPI_SENDZC_NOTIF:
    case OPI_SENDMSGZC_NOTIF: return sendzcIssue(req, issueFlags);
    case OPI_RSRC_UPDATE: return rsrcUpdateIssue(req, issueFlags);
    default: return -EINVAL;
  }
}

export function slotOpCleanup(req: Req): void {
  switch (req.opcode) {
    case OPI_SENDZC_NOTIF:
    case OPI_SENDMSGZC_NOTIF: sendzcCleanup(req);
  }
}
