// Sockets made and connected by requests: socket, bind, listen, accept, connect, options through URING_CMD.
import {
  IORING_OP_ACCEPT,
  IORING_OP_BIND,
  IORING_OP_CONNECT,
  IORING_OP_LISTEN,
  IORING_OP_SOCKET,
  IORING_OP_URING_CMD,
} from "../../../assembly/abi/uapi.ts";
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";
import { dirtyField } from "./words.ts";

const LOOPBACK = "0x0100007f";

/** A listener on a port of its own; its address stays in a struct that is never printed. */
function writeListener(draft: Draft): void {
  const { dice } = draft;
  const name = draft.fresh("L");
  draft.line(`socket ${name} tcp`);
  const address = draft.struct(16, ["0 u16 2", `4 u32 ${LOOPBACK}`]);
  const size = draft.struct(4, ["0 u32 16"]);
  const requests = draft.dice.once(2);
  if (requests) {
    draft.sqe("bind", [`fd=${name}`, `addr=&${address}`, `addr2=${dice.once(10) ? dice.pick([0, 8, 200]) : 16}`]);
    if (dice.once(2)) draft.submit();
    draft.sqe("listen", [`fd=${name}`, `len=${dice.pick([0, 1, 5])}`, dirtyField(draft)]);
    draft.submit();
  } else {
    draft.line(`sys bind @${name} &${address} 16`);
    draft.line(`sys listen @${name} ${dice.pick([1, 5])}`);
  }
  draft.line(`sys getsockname @${name} &${address} &${size}`);
  draft.files.push({ name, kind: "listener" });
  draft.addresses.set(name, address);
}

/** One with a name of the kernel's choice, which stays in a struct that is never printed. */
function writeUnixListener(draft: Draft): void {
  const { dice } = draft;
  const name = draft.fresh("L");
  const type = dice.pick(["SOCK_STREAM", "SOCK_STREAM", "SOCK_SEQPACKET"]);
  draft.line(`sys ${name}=socket AF_UNIX ${type} 0`);
  const address = draft.struct(16, ["0 u16 1"]);
  const size = draft.struct(4, ["0 u32 16"]);
  draft.line(`sys bind @${name} &${address} 2`);
  draft.line(`sys listen @${name} ${dice.pick([0, 1, 5])}`);
  draft.line(`sys getsockname @${name} &${address} &${size}`);
  draft.files.push({ name, kind: "listener" });
  draft.addresses.set(name, address);
  draft.unixListeners.set(name, type);
}

/** The end of a listener, with whatever waits on it. */
function writeEndListener(draft: Draft): void {
  const { dice } = draft;
  const name = draft.file("listener");
  if (name === undefined) return;
  draft.flush();
  draft.line(dice.once(2) ? `shutdown ${name} ${dice.below(3)}` : `close ${name}`);
}

function writeNonblock(draft: Draft): void {
  const { dice } = draft;
  const name = draft.file("listener") ?? draft.sock()?.name;
  if (name === undefined) return;
  draft.flush();
  if (dice.once(2)) draft.line(`sys fcntl @${name} F_SETFL ${dice.pick(["O_NONBLOCK", "0"])}`);
  else {
    draft.line(`sys fcntl @${name} F_SETFL O_NONBLOCK`);
    draft.line(`sys accept4 @${name} 0 0 ${dice.pick(["0", "SOCK_NONBLOCK", "1"])}`);
  }
}

function writeIoctl(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock();
  if (sock === undefined) return;
  draft.flush();
  const value = draft.struct(4, ["0 u32 7"]);
  draft.line(`sys ioctl @${sock.name} ${dice.pick(["FIONREAD", "FIONREAD", "SIOCOUTQ"])} &${value}`);
  draft.line(`get ${value} 0 u32`);
}

function writeAccept(draft: Draft): void {
  const { dice } = draft;
  const name = dice.once(20) ? (draft.anyFd() ?? "0") : draft.file("listener");
  if (name === undefined) return;
  const words = [`fd=${name}`];
  if (dice.once(3))
    words.push(`ioprio=${dice.pick(["ACCEPT_MULTISHOT", "ACCEPT_MULTISHOT", "ACCEPT_DONTWAIT", "ACCEPT_POLL_FIRST"])}`);
  if (dice.once(4)) words.push(`mf=${dice.pick(["SOCK_NONBLOCK", "SOCK_CLOEXEC", "0x1"])}`);
  if (dice.once(5)) words.push(`file_index=${dice.pick(["1", "2", "FILE_INDEX_ALLOC", "50"])}`);
  draft.sqe("accept", [...words, dirtyField(draft)], { stays: true });
}

function writeConnect(draft: Draft): void {
  const { dice } = draft;
  const listener = draft.file("listener");
  const address = listener === undefined ? undefined : draft.addresses.get(listener);
  if (address === undefined) return;
  const unix = listener === undefined ? undefined : draft.unixListeners.get(listener);
  const fresh = dice.once(3) ? draft.sock()?.name : undefined;
  const name = fresh ?? draft.fresh("K");
  if (fresh === undefined)
    draft.line(unix === undefined ? `socket ${name} tcp` : `sys ${name}=socket AF_UNIX ${unix} 0`);
  const length = dice.once(15) ? dice.pick([0, 2, 5]) : unix === undefined ? 16 : 8;
  draft.sqe("connect", [`fd=${name}`, `addr=&${address}`, `addr2=${length}`, dirtyField(draft)], { stays: true });
  if (dice.once(3)) draft.submit();
  if (fresh !== undefined) return;
  const kind = unix === undefined ? "tcp" : unix === "SOCK_STREAM" ? "unix" : "unixseq";
  draft.socks.push({ name, kind, device: "lo", peer: undefined, near: true, closed: false });
}

function writeSocket(draft: Draft): void {
  const { dice } = draft;
  const [domain, type, protocol] = dice.pick([
    [2, 1, 0],
    [2, 2, 0],
    [1, 1, 0],
    [1, 2, 0],
    [2, 3, 0],
    [2, 1, 17],
    [99, 1, 0],
  ]);
  const words = [`fd=${domain}`, `off=${type}${dice.once(5) ? "|0x800" : ""}`, `len=${protocol}`];
  if (dice.once(4)) words.push(`file_index=${dice.pick(["1", "FILE_INDEX_ALLOC", "9"])}`);
  if (dice.once(20)) words.push("mf=1");
  draft.sqe("socket", [...words, dirtyField(draft)]);
}

// SOCKET_URING_OP_*
const [SIOCINQ, SIOCOUTQ, GETSOCKOPT, SETSOCKOPT] = [0, 1, 2, 3];
const OPTIONS = [
  "SO_SNDBUF",
  "SO_RCVBUF",
  "SO_ZEROCOPY",
  "SO_TYPE",
  "SO_ERROR",
  "SO_KEEPALIVE",
  "SO_REUSEADDR",
  "SO_PRIORITY",
  "SO_DOMAIN",
  "SO_PROTOCOL",
  "SO_ACCEPTCONN",
  "SO_REUSEPORT",
  "SO_PASSCRED",
  "SO_RCVLOWAT",
];

function writeCommand(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock();
  if (sock === undefined) return;
  const command = dice.pick([SIOCINQ, SIOCOUTQ, GETSOCKOPT, SETSOCKOPT, dice.once(10) ? 9 : GETSOCKOPT]);
  const value = draft.struct(8, [`0 u32 ${dice.pick([0, 1, 5000])}`]);
  const words = [`fd=${sock.name}`, `cmd_op=${command}`];
  if (command === GETSOCKOPT || command === SETSOCKOPT)
    words.push(
      "level=SOL_SOCKET",
      `optname=${dice.pick(OPTIONS)}`,
      `optlen=${dice.pick([4, 4, 2, 8])}`,
      `optval=&${value}`,
    );
  draft.sqe("uring_cmd", words);
  if (command === GETSOCKOPT && dice.once(2)) {
    draft.submit();
    draft.line(`get ${value} 0 u32 2`);
  }
}

function writeOption(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock();
  if (sock === undefined) return;
  const value = draft.struct(8, [`0 u32 ${dice.pick([0, 1, 5000])}`]);
  const size = draft.struct(4, [`0 u32 ${dice.pick([4, 4, 2, 8])}`]);
  const option = dice.pick(OPTIONS);
  if (dice.once(2)) draft.line(`sys setsockopt @${sock.name} SOL_SOCKET ${option} &${value} ${dice.pick([4, 4, 2])}`);
  else {
    draft.line(`sys getsockopt @${sock.name} SOL_SOCKET ${option} &${value} &${size}`);
    draft.line(`get ${value} 0 u32`);
  }
}

const hasSocks = (draft: Draft) => draft.openSocks().length > 0;
const hasListener = (draft: Draft) => draft.file("listener") !== undefined;

export const SOCKET_RULES: readonly Rule[] = [
  {
    name: "listener",
    area: "sockets",
    weight: 2,
    ops: [IORING_OP_BIND, IORING_OP_LISTEN],
    when: (draft) => draft.addresses.size < 2,
    write: writeListener,
  },
  {
    name: "unix listener",
    area: "sockets",
    weight: 1,
    when: (draft) => draft.addresses.size < 3,
    write: writeUnixListener,
  },
  { name: "end of a listener", area: "sockets", weight: 0.5, when: hasListener, write: writeEndListener },
  { name: "nonblocking", area: "sockets", weight: 0.7, write: writeNonblock },
  { name: "ioctl", area: "sockets", weight: 1, calls: ["ioctl"], when: hasSocks, write: writeIoctl },
  { name: "accept", area: "sockets", weight: 3, ops: [IORING_OP_ACCEPT], when: hasListener, write: writeAccept },
  { name: "connect", area: "sockets", weight: 3, ops: [IORING_OP_CONNECT], when: hasListener, write: writeConnect },
  { name: "socket request", area: "sockets", weight: 1, ops: [IORING_OP_SOCKET], write: writeSocket },
  { name: "uring_cmd", area: "sockets", weight: 2, ops: [IORING_OP_URING_CMD], when: hasSocks, write: writeCommand },
  {
    name: "raw option",
    area: "sockets",
    weight: 1,
    calls: ["getsockopt", "setsockopt"],
    when: hasSocks,
    write: writeOption,
  },
];
