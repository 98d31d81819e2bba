// Control messages that every protocol understands: level SOL_SOCKET. man: cmsg(3), socket(7).
import { EINVAL } from "../abi/errno";
import { SCM_CREDENTIALS, SCM_RIGHTS, SO_MARK, SO_PRIORITY, SO_TIMESTAMPING, SOL_SOCKET } from "../abi/socket";
import { CMSG_END, cmsgData, cmsgDataLen, cmsgFirst, cmsgLevel, cmsgNext, cmsgOk, cmsgType } from "./msg_import";
import { MsgHdr } from "./sock";

const SCM_DEVMEM_DMABUF: i32 = 79;
/** SOF_TIMESTAMPING_TX_* that one message may ask for: hardware, software, scheduler, ACK, completion. */
const SOF_TIMESTAMPING_TX_MASK: u32 = 0x40303;

/** __sock_cmsg_send() for one message: may it stand there? SCM_TXTIME and SCM_TS_OPT_ID ask for options nobody has set. */
export function sockCmsgOk(msg: MsgHdr, off: u32): bool {
  const type = cmsgType(msg, off), n = cmsgDataLen(msg, off);
  if (type == SCM_RIGHTS || type == SCM_CREDENTIALS) return true;
  if (type == SO_TIMESTAMPING) return n == 4 && (load<u32>(cmsgData(msg, off)) & ~SOF_TIMESTAMPING_TX_MASK) == 0;
  return (type == SO_MARK || type == SO_PRIORITY || type == SCM_DEVMEM_DMABUF) && n == 4;
}

/** sock_cmsg_send(): 0 or -EINVAL. Messages of other levels are not looked at. */
export function sockCmsgSend(msg: MsgHdr): i32 {
  for (let off = cmsgFirst(msg); off != CMSG_END; off = cmsgNext(msg, off)) {
    if (!cmsgOk(msg, off)) return -EINVAL;
    if (cmsgLevel(msg, off) == SOL_SOCKET && !sockCmsgOk(msg, off)) return -EINVAL;
  }
  return 0;
}
