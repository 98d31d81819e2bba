// From a connection that waits on a listener to an open file: what accept4(2) and IORING_OP_ACCEPT share.
import { AF_INET } from "../abi/socket";
import { ECONNABORTED, ENFILE } from "../abi/errno";
import { File, fput } from "../fs/file";
import { inetAcceptedName } from "./inet";
import { exportSockaddr } from "./msg_import";
import { SCRATCH_NAME } from "./scratch";
import { Sock } from "./sock";
import { sockAccept, sockFile, sockGetname, sockRelease } from "./socket";

/**
 * The next connection as an open file (its address), -EAGAIN when there is none, -errno. `flags`: SOCK_NONBLOCK. The peer's
 * address goes to user memory at `addr` (0: not wanted), its length to `lenp`; if that fails the connection is lost with it.
 */
export function acceptFile(sk: Sock, addr: u64, lenp: u64, flags: u32): i32 {
  const got = sockAccept(sk);
  if (got < 0) return got;
  const child = changetype<Sock>(got as usize), f = sockFile(child, flags);
  if (!f) {
    sockRelease(child);
    return -ENFILE;
  }
  if (addr) {
    const err = exportPeer(child, addr, lenp);
    if (err) {
      fput(f);
      return err;
    }
  }
  return changetype<usize>(f) as i32;
}

function exportPeer(sk: Sock, addr: u64, lenp: u64): i32 {
  const len = sk.family == AF_INET ? inetAcceptedName(sk, SCRATCH_NAME) : sockGetname(sk, SCRATCH_NAME, true);
  if (len < 0) return -ECONNABORTED; // the peer has gone since
  return exportSockaddr(SCRATCH_NAME, len, addr, lenp);
}
