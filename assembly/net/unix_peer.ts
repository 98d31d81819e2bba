// What happens to one end of an AF_UNIX association when the other end turns to somebody else.
import { ECONNRESET } from "../abi/errno";
import { REF_PURGED } from "../abi/trace";
import { skbQueuePurge } from "./skb_queue";
import { SOCK_F_DEAD, Sock, receiveQueue, skErrorReport } from "./sock";

/**
 * unix_dgram_disconnected(): `sk` is no longer connected to `other`; messages that had come from it are lost, and if it
 * was connected back it is told.
 */
export function unixDgramDisconnected(sk: Sock, other: Sock): void {
  const q = receiveQueue(sk);
  if (!q.first) return;
  skbQueuePurge(q, REF_PURGED);
  if (!(other.flags & SOCK_F_DEAD) && other.peer == sk) {
    other.err = ECONNRESET;
    skErrorReport(other);
  }
}
