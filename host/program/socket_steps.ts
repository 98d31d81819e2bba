// The steps on sockets. Like ring_steps.ts they make the C harness's calls one for one: poll() with a timeout, then a
// call that does not block.
import * as abi from "../../assembly/abi/socket.ts";
import { errnoName } from "../core/errno.ts";
import { DEVICE_PEERS, NS_A } from "../net/standard.ts";
import type { RunContext } from "./context.ts";
import { fnv1a32 } from "./events.ts";
import type { SockoptName, SocketKind, StepOf } from "./steps.ts";

const CHUNK = 65536;
const RECV_MAX = 1 << 20;
const FNV_START = 0x811c9dc5;
const ERRQ_MAX = 64;
const ERRQ_CONTROL = 512;
const DISCARD_PORT = 9;

/** A 16-bit value in network order, as a call takes it. */
const htons = (value: number) => ((value & 0xff) << 8) | (value >>> 8);

const SOCKETS: Record<SocketKind, readonly [domain: number, type: number, protocol: number]> = {
  tcp: [abi.AF_INET, abi.SOCK_STREAM, 0],
  udp: [abi.AF_INET, abi.SOCK_DGRAM, 0],
  raw: [abi.AF_INET, abi.SOCK_RAW, abi.IPPROTO_RAW],
  udp6: [abi.AF_INET6, abi.SOCK_DGRAM, 0],
  packet: [abi.AF_PACKET, abi.SOCK_RAW, htons(abi.ETH_P_ALL)],
  netlink: [abi.AF_NETLINK, abi.SOCK_RAW, 0],
  vsock: [abi.AF_VSOCK, abi.SOCK_STREAM, 0],
};

const SOCKOPTS: Record<SockoptName, readonly [level: number, option: number]> = {
  ZEROCOPY: [abi.SOL_SOCKET, abi.SO_ZEROCOPY],
  SNDBUF: [abi.SOL_SOCKET, abi.SO_SNDBUF],
  RCVBUF: [abi.SOL_SOCKET, abi.SO_RCVBUF],
  SNDTIMEO: [abi.SOL_SOCKET, abi.SO_SNDTIMEO],
  LINGER: [abi.SOL_SOCKET, abi.SO_LINGER],
  NODELAY: [abi.IPPROTO_TCP, abi.TCP_NODELAY],
  CORK: [abi.IPPROTO_TCP, abi.TCP_CORK],
  UDP_SEGMENT: [abi.IPPROTO_UDP, abi.UDP_SEGMENT],
};

/** setsockopt() of an int. */
function setInt(run: RunContext, fd: number, level: number, option: number, value: number): number {
  run.user.setU32(run.scratch, value);
  return run.call("setsockopt", run.sys.setsockopt(fd, level, option, run.scratch, 4));
}

export function stepSocket(run: RunContext, step: StepOf<"socket">): void {
  const [domain, type, protocol] = SOCKETS[step.kind];
  const fd = run.call(`socket of kind ${step.kind}`, run.sys.socket(domain, type, protocol));
  run.setFd(step.name, fd < 0 ? -1 : fd);
  if (fd < 0) run.outResult("socket", fd);
}

// Pairs ------------------------------------------------------------------------------------------------------------------

export function stepPair(run: RunContext, step: StepOf<"pair">): void {
  if (step.kind !== "tcp" && step.kind !== "udp") pairUnix(run, step);
  else if (step.device.startsWith("ifb")) pairOneSided(run, step);
  else pairInet(run, step);
}

function pairUnix(run: RunContext, step: StepOf<"pair">): void {
  const { user, sys } = run;
  const types = { unix: abi.SOCK_STREAM, unixdgram: abi.SOCK_DGRAM, unixseq: abi.SOCK_SEQPACKET };
  const type = types[step.kind as keyof typeof types];
  run.must("socketpair", sys.socketpair(abi.AF_UNIX, type, 0, run.scratch));
  const near = user.getI32(run.scratch);
  const far = user.getI32(run.scratch + 4);
  if (step.sndbuf !== 0) setInt(run, near, abi.SOL_SOCKET, abi.SO_SNDBUF, step.sndbuf);
  run.setFd(step.a, near);
  run.setFd(step.b, far);
}

function nearSocket(run: RunContext, step: StepOf<"pair">): number {
  const type = step.kind === "tcp" ? abi.SOCK_STREAM : abi.SOCK_DGRAM;
  const near = run.must("socket", run.sys.socket(abi.AF_INET, type));
  if (step.sndbuf !== 0) setInt(run, near, abi.SOL_SOCKET, abi.SO_SNDBUF, step.sndbuf);
  return near;
}

/** On a device that drops what it transmits there is no far side: the socket is connected to the discard port. */
function pairOneSided(run: RunContext, step: StepOf<"pair">): void {
  const near = nearSocket(run, step);
  const address = run.user.sockaddrIn(DEVICE_PEERS[step.device], DISCARD_PORT, run.scratch);
  run.must("connect", run.sys.connect(near, address, abi.SOCKADDR_IN_SIZE), step.a);
  run.setFd(step.a, near);
  run.setFd(step.b, -1);
}

function pairInet(run: RunContext, step: StepOf<"pair">): void {
  const { user, sys } = run;
  const tcp = step.kind === "tcp";
  if (step.device === "nic") run.machine.nic();
  const near = nearSocket(run, step);
  const address = user.sockaddrIn(DEVICE_PEERS[step.device], 0, run.scratch);
  const length = run.scratch + abi.SOCKADDR_IN_SIZE;
  const elsewhere = step.device !== "lo";
  if (elsewhere) enterNamespaceB(run);
  let far = run.must("socket", sys.socket(abi.AF_INET, tcp ? abi.SOCK_STREAM : abi.SOCK_DGRAM));
  if (step.rcvbuf !== 0) {
    const value = length + 4;
    user.setU32(value, step.rcvbuf);
    run.call("setsockopt", sys.setsockopt(far, abi.SOL_SOCKET, abi.SO_RCVBUF, value, 4));
  }
  run.must("bind", sys.bind(far, address, abi.SOCKADDR_IN_SIZE));
  if (tcp) run.must("listen", sys.listen(far, 1));
  user.setU32(length, abi.SOCKADDR_IN_SIZE);
  run.call("getsockname", sys.getsockname(far, address, length));
  if (elsewhere) run.must("setns", sys.setns(NS_A));
  run.must("connect", sys.connect(near, address, abi.SOCKADDR_IN_SIZE), step.a);
  if (tcp) {
    const listener = far;
    far = run.must("accept", sys.accept4(listener), "the listener");
    run.call("close", sys.close(listener));
    setInt(run, near, abi.IPPROTO_TCP, abi.TCP_NODELAY, step.nodelay);
  } else {
    user.setU32(length, abi.SOCKADDR_IN_SIZE);
    run.call("getsockname", sys.getsockname(near, address, length));
    run.must("connect", sys.connect(far, address, abi.SOCKADDR_IN_SIZE), step.b);
  }
  run.setFd(step.a, near);
  run.setFd(step.b, far);
}

function enterNamespaceB(run: RunContext): void {
  const { network } = run.machine;
  if (network === undefined) run.fail("this machine has no second network namespace");
  run.must("setns", run.sys.setns(network.nsB));
}

// Sending and receiving ----------------------------------------------------------------------------------------------------

export function stepSyssend(run: RunContext, step: StepOf<"syssend">): void {
  const { address, length } = run.buf(step.buf);
  const sent = run.sys.send(run.fd(step.fd), address, step.length ?? length, step.flags);
  run.outResult("send", run.call("send", sent, step.fd));
}

/** Sends zeros until the socket takes no more. */
export function stepFill(run: RunContext, step: StepOf<"fill">): void {
  const zeros = run.user.pages(CHUNK);
  let total = 0;
  let sent: number;
  while ((sent = run.call("send", run.sys.send(run.fd(step.fd), zeros, step.chunk, abi.MSG_DONTWAIT), step.fd)) > 0) {
    total += sent;
  }
  run.sys.munmap(zeros, CHUNK);
  const errno = errnoName(-sent);
  run.out("fill", step.count ? { bytes: total, errno } : { errno });
}

/** poll() of one file: whether it is ready. */
function poll(run: RunContext, fd: number, events: number, ms: number, name: string): boolean {
  const { user, scratch } = run;
  user.setU32(scratch + abi.POLLFD_OFF_FD, fd);
  user.setU32(scratch + abi.POLLFD_OFF_EVENTS, events);
  return run.call("poll", run.sys.poll(scratch, 1, ms), name) > 0;
}

export function stepRecv(run: RunContext, step: StepOf<"recv">): void {
  const { user, sys } = run;
  const fd = run.fd(step.fd);
  poll(run, fd, abi.POLLIN, step.ms, step.fd);
  // As large as the harness's; a longer length is only what the call is told.
  const into = user.pages(RECV_MAX);
  const received = run.call("recv", sys.recv(fd, into, step.length, abi.MSG_DONTWAIT), step.fd);
  if (received < 0) run.outResult("recv", received);
  else run.out("recv", { ret: received, fnv: fnv1a32(user.read(into, received)) });
  sys.munmap(into, RECV_MAX);
}

export function stepRecvall(run: RunContext, step: StepOf<"recvall">): void {
  const { user, sys } = run;
  const fd = run.fd(step.fd);
  const into = user.pages(CHUNK);
  let total = 0;
  let hash = FNV_START;
  let eof = 0;
  let errno = 0;
  while (total < step.length && poll(run, fd, abi.POLLIN, step.ms, step.fd)) {
    const want = Math.min(step.length - total, CHUNK);
    const received = run.call("recv", sys.recv(fd, into, want, abi.MSG_DONTWAIT), step.fd);
    if (received <= 0) {
      if (received === 0) eof = 1;
      else errno = -received;
      break;
    }
    hash = fnv1a32(user.read(into, received), hash);
    total += received;
  }
  sys.munmap(into, CHUNK);
  run.out("recvall", { bytes: total, fnv: hash, eof, ...(errno === 0 ? {} : { errno: errnoName(errno) }) });
}

export function stepDrainrx(run: RunContext, step: StepOf<"drainrx">): void {
  const { user, sys } = run;
  const fd = run.fd(step.fd);
  const into = user.pages(CHUNK);
  let total = 0;
  while (poll(run, fd, abi.POLLIN, step.ms, step.fd)) {
    const received = run.call("recv", sys.recv(fd, into, CHUNK, abi.MSG_DONTWAIT), step.fd);
    if (received <= 0) break;
    total += received;
    if (step.limit !== undefined && total >= step.limit) break;
  }
  sys.munmap(into, CHUNK);
  run.out("drainrx", step.count ? { bytes: total } : { got: total > 0 ? 1 : 0 });
}

/** Reads the error queue until it is empty. */
export function stepErrq(run: RunContext, step: StepOf<"errq">): void {
  const { user, sys } = run;
  const fd = run.fd(step.fd);
  const control = user.alloc(ERRQ_CONTROL);
  const message = user.alloc(abi.MSGHDR_SIZE);
  for (let round = 0; round < ERRQ_MAX; round++) {
    user.msghdr({ control, controllen: ERRQ_CONTROL }, message);
    poll(run, fd, 0, step.ms, step.fd);
    const received = run.call("recvmsg", sys.recvmsg(fd, message, abi.MSG_ERRQUEUE | abi.MSG_DONTWAIT), step.fd);
    if (received < 0) {
      run.outResult("errq_end", received);
      return;
    }
    for (const { level, type, data } of user.cmsgs(message)) {
      const byte = (offset: number) => user.memory.u8[data + offset];
      run.out("errq", {
        level,
        type,
        ee_errno: user.getU32(data + abi.SOCK_EXTENDED_ERR_OFF_ERRNO),
        ee_origin: byte(abi.SOCK_EXTENDED_ERR_OFF_ORIGIN),
        ee_code: byte(abi.SOCK_EXTENDED_ERR_OFF_CODE),
        ee_info: user.getU32(data + abi.SOCK_EXTENDED_ERR_OFF_INFO),
        ee_data: user.getU32(data + abi.SOCK_EXTENDED_ERR_OFF_DATA),
      });
    }
  }
}

// Options and the end of a socket ------------------------------------------------------------------------------------------

export function stepSockopt(run: RunContext, step: StepOf<"sockopt">): void {
  const { user, sys, scratch } = run;
  const [level, option] = SOCKOPTS[step.name];
  const fd = run.fd(step.fd);
  if (step.name !== "LINGER") {
    run.outResult("setsockopt", setInt(run, fd, level, option, step.value));
    return;
  }
  user.setU32(scratch + abi.LINGER_OFF_ONOFF, 1);
  user.setU32(scratch + abi.LINGER_OFF_LINGER, step.value);
  run.outResult("setsockopt", run.call("setsockopt", sys.setsockopt(fd, level, option, scratch, abi.LINGER_SIZE)));
}

/** A packet socket that sees every frame of one device. */
export function stepSniff(run: RunContext, step: StepOf<"sniff">): void {
  const { user, sys, scratch } = run;
  const { network } = run.machine;
  if (step.namespace === "b") enterNamespaceB(run);
  const [domain, type, protocol] = SOCKETS.packet;
  const fd = run.call("socket of kind packet", sys.socket(domain, type, protocol));
  user.fill(scratch, abi.SOCKADDR_LL_SIZE, 0);
  user.setU16(scratch + abi.SOCKADDR_LL_OFF_FAMILY, abi.AF_PACKET);
  user.setU16(scratch + abi.SOCKADDR_LL_OFF_PROTOCOL, protocol);
  user.setU32(scratch + abi.SOCKADDR_LL_OFF_IFINDEX, network?.devices.get(step.device) ?? 0);
  run.outResult("sniff", run.call("bind of a packet socket", sys.bind(fd, scratch, abi.SOCKADDR_LL_SIZE)));
  if (step.namespace === "b") run.must("setns", sys.setns(NS_A));
  run.setFd(step.name, fd);
}

export function stepShutdown(run: RunContext, step: StepOf<"shutdown">): void {
  run.outResult("shutdown", run.call("shutdown", run.sys.shutdown(run.fd(step.fd), step.how), step.fd));
}

export function stepClose(run: RunContext, step: StepOf<"close">): void {
  run.outResult("close", run.call("close", run.sys.close(run.fd(step.fd)), step.fd));
}
