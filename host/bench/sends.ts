// Rows that send. UDP goes to the IFB with MTU 65535, which drops what it is given: such a row costs the send path and
// nothing behind it, and a datagram of any size is one packet. TCP goes over `lo` to a reader that throws the bytes away;
// here it has no processor of its own, so its reads count, too.
import {
  IPPROTO_TCP,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSG_WAITALL,
  SO_RCVBUFFORCE,
  SO_SNDBUFFORCE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOCKADDR_IN_SIZE,
  SOL_SOCKET,
  SOL_TCP,
  AF_INET,
  IOVEC_SIZE,
  TCP_NODELAY,
} from "../../assembly/abi/socket.ts";
import { EAGAIN } from "../../assembly/abi/errno.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { errnoName, must } from "../core/errno.ts";
import { prepSend, prepSendZc, prepSendZcFixed } from "../liburing/prep.ts";
import type { Machine } from "../machine.ts";
import { DEVICE_PEERS } from "../net/standard.ts";
import { enter, RING_FLAGS, reap, Tally, type Workload } from "./workload.ts";

export type SendKind = "send" | "zc" | "zc-fixed";

const BATCH = 32;
const CQ_ENTRIES = 128;
const BUFFERS = 64;
const SNDBUF = 4 << 20;
const RCVBUF = 4 << 20;
const DISCARD_PORT = 9;

/** A stretch of batches between two looks at the clock. */
const ROUNDS = 8;

export function udpSends(machine: Machine, kind: SendKind, length: number): Workload {
  const fd = must("socket", machine.sys.socket(AF_INET, SOCK_DGRAM));
  setOption(machine, fd, SOL_SOCKET, SO_SNDBUFFORCE, SNDBUF);
  const address = machine.user.sockaddrIn(DEVICE_PEERS.ifb65, DISCARD_PORT);
  must("connect", machine.sys.connect(fd, address, SOCKADDR_IN_SIZE));
  return sends(machine, { fd, kind, length, msgFlags: 0, outstanding: 0, drain() {} });
}

export function tcpSends(machine: Machine, kind: SendKind, length: number): Workload {
  const { sys, user } = machine;
  const listener = must("socket", sys.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
  const address = user.sockaddrIn(DEVICE_PEERS.lo, 0);
  const size = user.alloc(4);
  user.setU32(size, SOCKADDR_IN_SIZE);
  // The window of a connection that has been running for a while: tuning it takes time, and none passes here.
  setOption(machine, listener, SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF);
  must("bind", sys.bind(listener, address, SOCKADDR_IN_SIZE));
  must("listen", sys.listen(listener, 1));
  must("getsockname", sys.getsockname(listener, address, size));
  const fd = must("socket", sys.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
  setOption(machine, fd, SOL_SOCKET, SO_SNDBUFFORCE, SNDBUF);
  setOption(machine, fd, SOL_TCP, TCP_NODELAY, 1);
  must("connect", sys.connect(fd, address, SOCKADDR_IN_SIZE));
  const peer = must("accept", sys.accept4(listener));
  const room = user.pages(4096);
  // MSG_TRUNC: the bytes are counted and dropped, not copied.
  const drain = () => {
    let got = 0;
    do got = sys.recv(peer, room, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
    while (got > 0);
    if (got !== -EAGAIN) must("recv", got);
  };
  return sends(machine, { fd, kind, length, msgFlags: MSG_WAITALL, outstanding: 2 * BATCH, drain });
}

function setOption(machine: Machine, fd: number, level: number, name: number, value: number): void {
  const at = machine.user.alloc(4);
  machine.user.setU32(at, value);
  must("setsockopt", machine.sys.setsockopt(fd, level, name, at, 4));
}

interface Target {
  fd: number;
  kind: SendKind;
  length: number;
  msgFlags: number;
  /** Notifications that may be owed when the next batch begins. */
  outstanding: number;
  /** Lets the receiver read what has arrived. */
  drain(): void;
}

function sends(machine: Machine, target: Target): Workload {
  const { fd, kind, length, msgFlags, outstanding, drain } = target;
  const { user } = machine;
  const isZeroCopy = kind !== "send";
  const isFixed = kind === "zc-fixed";
  // Several buffers in turn, as an application that fills one while others are in flight.
  const stride = (length + 4095) & ~4095;
  const bytes = user.pages(stride * BUFFERS);
  user.fill(bytes, stride * BUFFERS, 7);
  const ring = machine.ring(BATCH, { flags: RING_FLAGS, cqEntries: CQ_ENTRIES });
  if (isFixed) {
    const segments = Array.from({ length: BUFFERS }, (_, index) => ({ base: bytes + stride * index, length: stride }));
    const iovec = user.iovec(segments, user.alloc(BUFFERS * IOVEC_SIZE));
    must("io_uring_register", machine.sys.io_uring_register(ring.fd, uapi.IORING_REGISTER_BUFFERS, iovec, BUFFERS));
  }
  const tally = new Tally();
  const zcFlags = uapi.IORING_SEND_ZC_REPORT_USAGE;
  let next = 0;

  const collect = () => {
    reap(ring, tally);
    if (tally.errors > 0) throw new Error(`a send failed with ${errnoName(-tally.lastError)}`);
  };
  const waitForNotifications = (most: number) => {
    while (isZeroCopy && tally.sends - tally.notifs > most) {
      enter(ring, 1);
      collect();
      drain();
    }
  };

  const run = () => {
    for (let round = 0; round < ROUNDS; round++) {
      for (let index = 0; index < BATCH; index++) {
        const sqe = ring.getSqe();
        const buffer = bytes + stride * next;
        if (isFixed) prepSendZcFixed(ring, sqe, fd, buffer, length, msgFlags, zcFlags, next);
        else if (isZeroCopy) prepSendZc(ring, sqe, fd, buffer, length, msgFlags, zcFlags);
        else prepSend(ring, sqe, fd, buffer, length, msgFlags);
        next = (next + 1) % BUFFERS;
      }
      const before = tally.sends;
      enter(ring, BATCH);
      collect();
      drain();
      while (tally.sends - before < BATCH) {
        enter(ring, 1);
        collect();
        drain();
      }
      waitForNotifications(outstanding);
    }
    return ROUNDS * BATCH;
  };
  return { run, finish: () => waitForNotifications(0), tally };
}
