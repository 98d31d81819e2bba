// The steps of a program, as data. A program is what an application does, one line per step; the text form (parse.ts)
// and this form say the same. Names of sockets, buffers and messages are resolved when the step runs, because a name may
// come to mean something else on the way (`pair A B ...` twice).
import type { NicKnobs } from "../net/nic_control.ts";
import type { LinkSetting } from "./parse_link.ts";
import type { DeviceName } from "../net/standard.ts";
import type { SwitchValues } from "../profile/profiles.ts";
import type { NumberType, SysCall } from "./vocabulary.ts";

export const PAIR_KINDS = ["unix", "unixdgram", "unixseq", "tcp", "udp"] as const;
export const SOCKET_KINDS = ["tcp", "udp", "raw", "udp6", "packet", "netlink", "vsock"] as const;
export const SOCKOPTS = [
  "ZEROCOPY",
  "SNDBUF",
  "RCVBUF",
  "SNDTIMEO",
  "LINGER",
  "NODELAY",
  "CORK",
  "UDP_SEGMENT",
] as const;

export type PairKind = (typeof PAIR_KINDS)[number];
export type SocketKind = (typeof SOCKET_KINDS)[number];
export type SockoptName = (typeof SOCKOPTS)[number];

/** The name of a socket, file or pipe of the program, or a number used as it is. */
export type FdRef = string;

/** A 64-bit value: a number, the number of a descriptor, or an address inside of a buffer or of a message's memory. */
export type Arg = bigint | { fd: string } | { at: string; offset: number };

/** A destination: an address with a port, or with the port that a socket of the program is bound to. */
export interface Destination {
  ip: number;
  port: number | { of: FdRef };
}

/** One KEY=VALUE of an `sqe` line. They apply in the order in which they are written. */
export type SqeSetting =
  | { key: "fd"; fd: FdRef }
  | { key: "buf"; buf: string; offset: number }
  | { key: "msg" | "iov"; msg: string }
  | { key: "ts_ms"; ms: number }
  | { key: "dest"; dest: Destination; lengthAt?: number }
  | { key: SqeNumberKey; value: Arg }
  | { key: SqeRawKey; at: number; value: Arg };

/** `u32.44=7`: writes so many bits at that byte of the SQE. */
export type SqeRawKey = "u8" | "u16" | "u32" | "u64";

export type SqeNumberKey =
  | "addr"
  | "len"
  | "ud"
  | "flags"
  | "ioprio"
  | "mf"
  | "bi"
  | "off"
  | "addr_len"
  | "pad3"
  | "addr3"
  | "pad2"
  | "personality"
  | "addr2"
  | "file_index"
  | "splice_fd_in"
  | "splice_off_in"
  | "cmd_op"
  | "bgid"
  | "level"
  | "optname"
  | "optlen"
  | "optval"
  | "slot"
  | "tag";

export type MsgSetting =
  | { key: "iov"; segments: { buf: string; offset: number; length: number }[] }
  | { key: "rep" | "iovlen" | "control" | "ctltype" | "ctllevel" | "ctllen" | "flags"; value: number }
  | { key: "dest"; dest: Destination };

/** Fields of io_uring_params that `setup` takes by name. */
export type SetupSetting = { key: "idle" | "cpu" | "wq_fd" | "resv" | "sq_addr" | "cq_addr"; value: Arg };

export type StepBody =
  | { op: "setup"; entries: number; flags: number; cqEntries?: number; settings?: SetupSetting[] }
  | { op: "use"; ring: string }
  | {
      op: "pair";
      a: string;
      b: string;
      kind: PairKind;
      device: DeviceName;
      sndbuf: number;
      rcvbuf: number;
      nodelay: number;
    }
  | { op: "socket"; name: string; kind: SocketKind }
  | { op: "file"; name: string; size: number }
  | { op: "pipe"; read: string; write: string }
  | { op: "buf"; name: string; length: number; seed: number }
  | { op: "poke"; buf: string; offset: number; length: number; byte: number }
  | { op: "unmap" | "mprotect_none"; buf: string }
  | { op: "map"; name: string; length: number; fd: Arg; offset: Arg }
  | { op: "put"; name: string; offset: number; type: NumberType; values: Arg[] }
  | { op: "get"; name: string; offset: number; type: NumberType; count: number }
  | { op: "hash"; name: string; offset: number; length?: number }
  | { op: "sys"; call: SysCall; name?: string; args: Arg[] }
  | { op: "fd"; name: string; value: Arg }
  | { op: "msg"; name: string; settings: MsgSetting[] }
  | { op: "sqe"; opcode: number; settings: SqeSetting[] }
  | { op: "submit"; count?: number }
  | { op: "submitwait" | "wait"; count: number; ms: number }
  | { op: "enter"; toSubmit: number; minComplete: number; flags: number; arg?: Arg; size?: Arg }
  | { op: "reg"; opcode: number; arg: Arg; count: number; fd?: FdRef }
  | { op: "reap"; max: number }
  | { op: "settle"; ms: number }
  | { op: "ring" | "ringmem" | "unregbuf" | "enable" | "closering" | "unnotifiers" | "exitring" | "exiting" }
  | { op: "regbuf"; bufs: (string | undefined)[] }
  | { op: "regfile"; fds: FdRef[] }
  | { op: "notifiers"; tags: bigint[] }
  | { op: "syssend"; fd: FdRef; buf: string; length?: number; flags: number }
  | { op: "fill"; fd: FdRef; chunk: number; count: boolean }
  | { op: "recv" | "recvall"; fd: FdRef; length: number; ms: number }
  | { op: "drainrx"; fd: FdRef; ms: number; limit?: number; count: boolean }
  | { op: "errq"; fd: FdRef; ms: number }
  | { op: "sockopt"; fd: FdRef; name: SockoptName; value: number }
  | { op: "sniff"; name: string; namespace: "a" | "b"; device: string }
  | { op: "link"; device: string; settings: LinkSetting[] }
  | { op: "shutdown"; fd: FdRef; how: number }
  | { op: "close"; fd: FdRef }
  | { op: "rlimit_memlock"; bytes: number }
  | { op: "setuid"; uid: number }
  | { op: "msleep"; ms: number }
  | { op: "say"; text: string }
  | { op: "nic"; knobs: NicKnobs };

export type Step = StepBody & { line: number };
export type StepOp = Step["op"];
/** The steps of one operation. */
export type StepOf<Op extends StepOp> = Step extends infer Each
  ? Each extends Step
    ? Op extends Each["op"]
      ? Each
      : never
    : never
  : never;

export interface Program {
  /** Where it came from, for messages. */
  name: string;
  /** The `profile` line: the kernel that it is written for. */
  machine: { profile?: string; switches?: SwitchValues };
  steps: Step[];
  /** Lines of the text, which the last event counts. */
  lines: number;
}
