// Pipes, eventfds and memory files: read, write, splice, and epoll over them.
import {
  IORING_OP_EPOLL_CTL,
  IORING_OP_EPOLL_WAIT,
  IORING_OP_FTRUNCATE,
  IORING_OP_FUTEX_WAIT,
  IORING_OP_FUTEX_WAKE,
  IORING_OP_PIPE,
  IORING_OP_READ,
  IORING_OP_READ_FIXED,
  IORING_OP_READ_MULTISHOT,
  IORING_OP_READV,
  IORING_OP_SPLICE,
  IORING_OP_TEE,
  IORING_OP_WRITE,
  IORING_OP_WRITE_FIXED,
  IORING_OP_WRITEV,
} from "../../../assembly/abi/uapi.ts";
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";
import { badPointer, dirtyField } from "./words.ts";

function writePipe(draft: Draft): void {
  const [read, write] = [draft.fresh("pr"), draft.fresh("pw")];
  draft.line(`pipe ${read} ${write}`);
  draft.files.push({ name: read, kind: "pipe-read" }, { name: write, kind: "pipe-write" });
}

function writeFile(draft: Draft): void {
  const name = draft.fresh("f");
  draft.line(`file ${name} ${draft.dice.pick([0, 100, 10000])}`);
  draft.files.push({ name, kind: "memfd" });
}

function writeEventfd(draft: Draft): void {
  const name = draft.fresh("e");
  draft.line(`sys ${name}=eventfd2 ${draft.dice.below(3)} ${draft.dice.pick(["0", "O_NONBLOCK", "1"])}`);
  draft.files.push({ name, kind: "eventfd" });
}

/** Something to read from or write to; sockets too. */
function target(draft: Draft, reading: boolean): string | undefined {
  const { dice } = draft;
  const kinds = reading ? (["pipe-read", "eventfd", "memfd"] as const) : (["pipe-write", "eventfd", "memfd"] as const);
  const file = draft.file(...kinds);
  const sock = draft.sock(({ near }) => near !== reading)?.name;
  if (dice.once(15)) return draft.anyFd();
  return dice.once(4) ? (sock ?? file) : (file ?? sock);
}

function offset(draft: Draft): string {
  const { dice } = draft;
  return dice.once(2) ? "" : `off=${dice.pick(["-1", "-1", "0", "50", "0x7fffffffffffffff"])}`;
}

function writeTransfer(draft: Draft, op: "read" | "write"): void {
  const { dice } = draft;
  const fd = target(draft, op === "read");
  if (fd === undefined) return;
  const length = dice.pick([0, 1, 8, 8, 100, 4096, 8192]);
  const words = dice.once(20)
    ? [`addr=${badPointer(draft)}`, `len=${length}`]
    : [op === "read" ? "buf=r" : `buf=${draft.buf().name}`, `len=${length}`];
  if (dice.once(10)) words.push(`mf=${dice.pick([8, 1, 2, 16, 0x80])}`); // RWF_NOWAIT, HIPRI, DSYNC, APPEND
  draft.sqe(op, [`fd=${fd}`, ...words, offset(draft), dirtyField(draft)], { stays: op === "read" });
}

function writeVector(draft: Draft, op: "readv" | "writev"): void {
  const { dice } = draft;
  const fd = target(draft, op === "readv");
  if (fd === undefined) return;
  let msg = dice.pick(draft.msgs);
  if (op === "readv") {
    msg = draft.fresh("m");
    draft.line(`msg ${msg} iov=r:0:${dice.pick([1, 8, 100])},r:4096:${dice.pick([0, 8, 4096])}`);
  }
  draft.sqe(op, [`fd=${fd}`, `iov=${msg}`, offset(draft)], { stays: op === "readv" });
}

function writeFixed(draft: Draft, op: "read_fixed" | "write_fixed"): void {
  const { dice, ring } = draft;
  const fd = target(draft, op === "read_fixed");
  const slot = dice.below(Math.max(1, ring.regBufs.length) + (dice.once(8) ? 1 : 0));
  const name = ring.regBufs[slot] ?? draft.buf().name;
  if (fd === undefined) return;
  draft.sqe(op, [
    `fd=${fd}`,
    `buf=${name}`,
    dice.once(2) ? `len=${dice.pick([1, 8, 100])}` : "",
    slot > 0 ? `bi=${slot}` : "",
    offset(draft),
  ]);
}

function writeSplice(draft: Draft, op: "splice" | "tee"): void {
  const { dice } = draft;
  const into = op === "tee" || dice.once(2) ? draft.file("pipe-write") : target(draft, false);
  const from = op === "tee" || into === undefined || dice.once(2) ? draft.file("pipe-read") : target(draft, true);
  if (into === undefined || from === undefined) return;
  const words = [
    `fd=${into}`,
    `splice_fd_in=@${from}`,
    `len=${dice.pick([1, 10, 1000, 65536])}`,
    "off=-1",
    "splice_off_in=-1",
  ];
  if (dice.once(4)) words.push(`mf=${dice.pick(["2", "1", "8", "0x80000000"])}`); // NONBLOCK, MOVE, GIFT, FD_IN_FIXED
  draft.sqe(op, words);
}

function writeMultishotRead(draft: Draft): void {
  const fd = draft.file("pipe-read", "eventfd") ?? draft.anyFd();
  if (fd === undefined) return;
  draft.sqe("read_multishot", [`fd=${fd}`, `bgid=${draft.ring.groups[0]?.id ?? 1}`, "flags=BUFFER_SELECT"], {
    stays: true,
  });
}

function writeRawCall(draft: Draft): void {
  const { dice } = draft;
  draft.flush();
  const write = draft.file("pipe-write", "eventfd", "memfd");
  const read = draft.file("memfd");
  const length = dice.pick([8, 1, 100]);
  if (write !== undefined && !dice.once(4)) draft.line(`sys write @${write} &${draft.buf().name} ${length}`);
  else if (read !== undefined) draft.line(`sys read @${read} &r ${length}`);
}

function writeEpoll(draft: Draft): void {
  const { dice } = draft;
  const known = draft.file("epoll");
  if (known === undefined) {
    const name = draft.fresh("ep");
    draft.line(`sys ${name}=epoll_create1 0`);
    draft.files.push({ name, kind: "epoll" });
    return;
  }
  const fd = dice.once(6) ? draft.ring.fd : draft.anyFd();
  if (fd === undefined || fd === known) return;
  const events = dice.pick(["1", "4", "5", "0x80000001", "0x40000001", "0x2001"]);
  const data = dice.between(1, 99);
  const event = draft.struct(12, [`0 u32 ${events}`, `4 u64 ${data}`]);
  const op = dice.pick([1, 1, 1, 2, 3]);
  if (dice.once(2)) draft.line(`sys epoll_ctl @${known} ${op} @${fd} &${event}`);
  else draft.sqe("epoll_ctl", [`fd=${known}`, `len=${op}`, `off=@${fd}`, `addr=&${event}`]);
}

function writeEpollWait(draft: Draft): void {
  const { dice } = draft;
  const name = draft.file("epoll");
  if (name === undefined) return;
  const into = draft.struct(48, []);
  draft.flush();
  if (dice.once(2)) {
    draft.line(`sys epoll_wait @${name} &${into} 4 ${dice.pick([0, 5])}`);
    draft.line(`get ${into} 0 u32 3`);
  } else draft.sqe("epoll_wait", [`fd=${name}`, `addr=&${into}`, `len=${dice.between(0, 4)}`], { stays: true });
}

/** One word of memory that requests wait on. */
function writeFutex(draft: Draft, op: "futex_wait" | "futex_wake"): void {
  const { dice } = draft;
  const value = op === "futex_wait" ? dice.pick([0, 0, 1]) : dice.pick([1, 1, 2, 0]);
  draft.sqe(
    op,
    [
      `fd=${dice.pick([2, 130, 130, 1, 0x42])}`,
      "addr=&futex",
      `off=${value}`,
      `addr3=${dice.pick(["0xffffffff", "0xffffffff", "1", "0"])}`,
    ],
    { stays: op === "futex_wait" },
  );
}

function ensureFutex(draft: Draft): void {
  if (draft.lines.some((line) => line.startsWith("buf futex "))) return;
  draft.line("buf futex 8 0");
  draft.line("poke futex 0 8 0");
}

function writePipeRequest(draft: Draft): void {
  const into = draft.struct(8, []);
  draft.sqe("pipe", [
    `addr=&${into}`,
    draft.dice.once(3) ? `mf=${draft.dice.pick(["O_NONBLOCK", "0x80000", "0x1"])}` : "",
  ]);
  draft.submit();
  draft.line(`get ${into} 0 i32 2`);
}

const fewFiles = (draft: Draft) => draft.files.length < 6;
const hasPipe = (draft: Draft) => draft.file("pipe-read") !== undefined;

export const FILE_RULES: readonly Rule[] = [
  { name: "pipe ends", area: "rw", weight: 1.5, ops: [IORING_OP_READ], when: fewFiles, write: writePipe },
  { name: "memory file", area: "rw", weight: 1, ops: [IORING_OP_READ], when: fewFiles, write: writeFile },
  { name: "event counter", area: "rw", weight: 1, calls: ["eventfd2"], when: fewFiles, write: writeEventfd },
  { name: "read", area: "rw", weight: 3, ops: [IORING_OP_READ], write: (draft) => writeTransfer(draft, "read") },
  { name: "write", area: "rw", weight: 3, ops: [IORING_OP_WRITE], write: (draft) => writeTransfer(draft, "write") },
  { name: "readv", area: "rw", weight: 1, ops: [IORING_OP_READV], write: (draft) => writeVector(draft, "readv") },
  { name: "writev", area: "rw", weight: 1, ops: [IORING_OP_WRITEV], write: (draft) => writeVector(draft, "writev") },
  {
    name: "read_fixed",
    area: "rw",
    weight: 1,
    ops: [IORING_OP_READ_FIXED],
    write: (draft) => writeFixed(draft, "read_fixed"),
  },
  {
    name: "write_fixed",
    area: "rw",
    weight: 1,
    ops: [IORING_OP_WRITE_FIXED],
    write: (draft) => writeFixed(draft, "write_fixed"),
  },
  { name: "read_multishot", area: "rw", weight: 1, ops: [IORING_OP_READ_MULTISHOT], write: writeMultishotRead },
  {
    name: "splice",
    area: "rw",
    weight: 2,
    ops: [IORING_OP_SPLICE],
    when: hasPipe,
    write: (draft) => writeSplice(draft, "splice"),
  },
  {
    name: "tee",
    area: "rw",
    weight: 1,
    ops: [IORING_OP_TEE],
    when: hasPipe,
    write: (draft) => writeSplice(draft, "tee"),
  },
  {
    name: "raw write",
    area: "rw",
    weight: 2,
    calls: ["write", "read"],
    when: ({ files }) => files.length > 0,
    write: writeRawCall,
  },
  {
    name: "epoll_ctl",
    area: "rw",
    weight: 1.5,
    ops: [IORING_OP_EPOLL_CTL],
    calls: ["epoll_create1", "epoll_ctl"],
    write: writeEpoll,
  },
  {
    name: "epoll_wait",
    area: "rw",
    weight: 1,
    ops: [IORING_OP_EPOLL_WAIT],
    calls: ["epoll_wait"],
    write: writeEpollWait,
  },
  {
    name: "futex_wait",
    area: "rw",
    weight: 0.5,
    ops: [IORING_OP_FUTEX_WAIT],
    write: (draft) => {
      ensureFutex(draft);
      writeFutex(draft, "futex_wait");
    },
  },
  {
    name: "futex_wake",
    area: "rw",
    weight: 0.5,
    ops: [IORING_OP_FUTEX_WAKE],
    when: ({ lines }) => lines.includes("buf futex 8 0"),
    write: (draft) => writeFutex(draft, "futex_wake"),
  },
  { name: "pipe request", area: "rw", weight: 0.3, ops: [IORING_OP_PIPE], write: writePipeRequest },
  {
    name: "ftruncate",
    area: "rw",
    weight: 0.3,
    ops: [IORING_OP_FTRUNCATE],
    when: (draft) => draft.file("memfd") !== undefined,
    write: (draft) =>
      void draft.sqe("ftruncate", [`fd=${draft.file("memfd")}`, `off=${draft.dice.pick([0, 50, 20000])}`]),
  },
];
