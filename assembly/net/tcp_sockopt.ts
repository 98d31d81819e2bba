// Options of tcp(7).
import { EINVAL, ENOPROTOOPT } from "../abi/errno";
import { TCP_CORK, TCP_MAXSEG, TCP_NODELAY, TCP_QUICKACK, TCP_USER_TIMEOUT } from "../abi/socket";
import { Sock, lockSock } from "./sock";
import { TCP_CLOSE, TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_LISTEN } from "./tcp_states";
import { notModelled } from "../lib/not_modelled";
import { TCP_MIN_MSS, TCP_NAGLE_CORK, TCP_NAGLE_OFF, TCP_NAGLE_PUSH, TCP_SF_QUICKACK } from "./tcp_defs";
import { ackScheduled, stateIn, tcpUnlock } from "./tcp_sock";
import { pushPendingFrames } from "./tcp_output";
import { tcpReleaseCb } from "./tcp_send";
import { sendAck } from "./tcp_xmit";

const TCP_SYNCNT: i32 = 7;
const TCP_OPTION_LAST: i32 = 45;
const MAX_MSS: i32 = 32767;

/** setsockopt(IPPROTO_TCP) with an integer: 0 or -errno. */
export function tcpSetsockopt(sk: Sock, name: i32, val: i32): i32 {
  lockSock(sk);
  const ret = setLocked(sk, name, val);
  tcpUnlock(sk, tcpReleaseCb.index);
  return ret;
}

function setLocked(sk: Sock, name: i32, val: i32): i32 {
  switch (name) {
    case TCP_NODELAY:
      // What Nagle's rule holds back goes out with it, unless corked.
      if (val) sk.nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
      else sk.nonagle &= ~TCP_NAGLE_OFF;
      if (val) pushPendingFrames(sk);
      return 0;
    case TCP_CORK:
      if (val) {
        sk.nonagle |= TCP_NAGLE_CORK;
        return 0;
      }
      sk.nonagle &= ~TCP_NAGLE_CORK;
      if (sk.nonagle & TCP_NAGLE_OFF) sk.nonagle |= TCP_NAGLE_PUSH;
      pushPendingFrames(sk);
      return 0;
    case TCP_MAXSEG:
      if (val && (val < (TCP_MIN_MSS as i32) || val > MAX_MSS)) return -EINVAL;
      sk.user_mss = val;
      return 0;
    case TCP_QUICKACK:
      setQuickack(sk, val);
      return 0;
    case TCP_SYNCNT:
      if (val < 1 || val > 127) return -EINVAL;
      sk.syn_retries = val;
      return 0;
    case TCP_USER_TIMEOUT:
      if (val < 0) return -EINVAL;
      sk.user_timeout = val;
      return 0;
    default:
      return name > 0 && name <= TCP_OPTION_LAST ? notModelled(name) : -ENOPROTOOPT;
  }
}

function setQuickack(sk: Sock, val: i32): void {
  if (!val) {
    sk.tcp_flags &= ~TCP_SF_QUICKACK;
    sk.ack_pingpong = 1;
    return;
  }
  sk.tcp_flags |= TCP_SF_QUICKACK;
  sk.ack_pingpong = 0;
  if (!stateIn(sk, (1 << TCP_ESTABLISHED) | (1 << TCP_CLOSE_WAIT)) || !ackScheduled(sk)) return;
  sendAck(sk);
  if (!(val & 1)) sk.ack_pingpong = 1; // once only
}

/** getsockopt(IPPROTO_TCP) of an integer: the value or -errno. */
export function tcpGetsockopt(sk: Sock, name: i32): i32 {
  switch (name) {
    case TCP_NODELAY: return sk.nonagle & TCP_NAGLE_OFF ? 1 : 0;
    case TCP_CORK: return sk.nonagle & TCP_NAGLE_CORK ? 1 : 0;
    case TCP_MAXSEG:
      return sk.user_mss && stateIn(sk, (1 << TCP_CLOSE) | (1 << TCP_LISTEN)) ? (sk.user_mss as i32) : (sk.mss_cache as i32);
    case TCP_QUICKACK: return sk.ack_pingpong ? 0 : 1;
    case TCP_SYNCNT: return sk.syn_retries ? (sk.syn_retries as i32) : 6;
    case TCP_USER_TIMEOUT: return sk.user_timeout as i32;
    default: return name > 0 && name <= TCP_OPTION_LAST ? notModelled(name) : -ENOPROTOOPT;
  }
}
