// The language of programs: what is read, and what is said about what cannot be read.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as uapi from "../../assembly/abi/uapi.ts";
import { parseProgram } from "../../host/program/parse.ts";
import type { Step } from "../../host/program/steps.ts";
import { ProgramSyntaxError } from "../../host/program/words.ts";

function steps(...lines: string[]): Step[] {
  return parseProgram(lines.join("\n"), "t.zc").steps;
}

function last(...lines: string[]): Step {
  return steps(...lines).at(-1)!;
}

function message(...lines: string[]): string {
  try {
    parseProgram(lines.join("\n"), "t.zc");
  } catch (error) {
    assert.ok(error instanceof ProgramSyntaxError);
    return error.message;
  }
  throw new assert.AssertionError({ message: "the program was accepted" });
}

test("comments, blank lines and either line ending do not disturb line numbers", () => {
  const program = parseProgram("# first\r\n\r\nsay a # text\r\n\tsay   b\n\n", "t.zc");
  assert.deepEqual(program.steps, [
    { op: "say", text: "a", line: 3 },
    { op: "say", text: "b", line: 4 },
  ]);
  assert.equal(program.lines, 5);
});

test("flags are names and numbers joined by |", () => {
  assert.deepEqual(last("setup 8 DEFER_TASKRUN|SINGLE_ISSUER|0x80 16"), {
    op: "setup",
    entries: 8,
    flags: 0x3080,
    cqEntries: 16,
    line: 1,
  });
});

test("the settings of an SQE keep their order and their 64 bits", () => {
  const step = last(
    "pair A B tcp lo",
    "buf b 100 1",
    "sqe send_zc fd=A buf=b+10 len=0x10 ud=18446744073709551615 addr3=-1 flags=IO_LINK|ASYNC fd=7",
  );
  assert.deepEqual(step, {
    op: "sqe",
    opcode: 47,
    settings: [
      { key: "fd", fd: "A" },
      { key: "buf", buf: "b", offset: 10 },
      { key: "len", value: 16n },
      { key: "ud", value: 0xffff_ffff_ffff_ffffn },
      { key: "addr3", value: 0xffff_ffff_ffff_ffffn },
      { key: "flags", value: 20n },
      { key: "fd", fd: "7" },
    ],
    line: 3,
  });
});

test("numbers are C's: octal after a leading 0", () => {
  assert.deepEqual(last("sqe 0x2f len=010"), {
    op: "sqe",
    opcode: 47,
    settings: [{ key: "len", value: 8n }],
    line: 1,
  });
});

test("a destination is an address with a port, or with a socket's port", () => {
  const step = last("pair A B udp lo", "msg m dest=127.0.0.1:@B", "sqe send_zc msg=m dest=10.77.0.2:9");
  assert.deepEqual(step, {
    op: "sqe",
    opcode: 47,
    settings: [
      { key: "msg", msg: "m" },
      { key: "dest", dest: { ip: 0x0a4d0002, port: 9 } },
    ],
    line: 3,
  });
});

test("knobs of the NIC", () => {
  assert.deepEqual(last("nic sg=0 csum=1 mtu=9000 loss=0.25 drop_nth=3,5 never_complete"), {
    op: "nic",
    knobs: { sg: false, csum: true, mtu: 9000, loss: 0.25, drop_nth: [3, 5], never_complete: true },
    line: 1,
  });
});

test("a link step has settings of a device", () => {
  assert.deepEqual(last("link vb up=0 mtu=1400 gateway=10.77.0.1"), {
    op: "link",
    device: "vb",
    settings: [
      { key: "up", value: 0 },
      { key: "mtu", value: 1400 },
      { key: "gateway", value: 0x0a4d0001 },
    ],
    line: 1,
  });
  for (const wrong of [
    "link",
    "link lo up=0",
    "link vb",
    "link vb up",
    "link vb up=2",
    "link vb gateway=x",
    "link vb a=1",
  ])
    assert.throws(() => last(wrong), ProgramSyntaxError);
});

test("an ARG is a number, a descriptor or an address", () => {
  const step = last("buf b 100 1", "pair A B unix lo", "setup 8 0", "sys e=eventfd2 O_NONBLOCK|3 @A @ring0 &b &b+0x10");
  const args = [0x803n, { fd: "A" }, { fd: "ring0" }, { at: "b", offset: 0 }, { at: "b", offset: 16 }];
  assert.deepEqual(step, { op: "sys", call: "eventfd2", name: "e", args, line: 4 });
});

test("a ring of one's own name, and raw bytes of an SQE", () => {
  const [, , setup, sqe] = steps(
    "pair A B unix lo",
    "use x1",
    "setup 8 SQE128 wq_fd=@A",
    "sqe nop u16.126=7 fd=@ringx1",
  );
  assert.deepEqual(setup, {
    op: "setup",
    entries: 8,
    flags: 1024,
    settings: [{ key: "wq_fd", value: { fd: "A" } }],
    line: 3,
  });
  assert.deepEqual(sqe, {
    op: "sqe",
    opcode: 0,
    settings: [
      { key: "u16", at: 126, value: 7n },
      { key: "fd", fd: "ringx1" },
    ],
    line: 4,
  });
});

test("every operation and every register opcode of Linux 6.18 has its name", () => {
  for (const [name, value] of Object.entries(uapi)) {
    if (name.startsWith("IORING_OP_") && name !== "IORING_OP_LAST") {
      assert.equal((last(`sqe ${name.slice(10).toLowerCase()}`) as { opcode: number }).opcode, value);
    }
    if (/^IORING_(UN)?REGISTER_/.test(name) && name !== "IORING_REGISTER_LAST" && (value as number) >= 0) {
      assert.equal((last(`reg ${name.slice(7)} 0 0`) as { opcode: number }).opcode, value);
    }
  }
});

// What is wrong, and the one line that says so.
const MISTAKES: [title: string, lines: string[], expected: RegExp][] = [
  [
    "an operation that does not exist",
    ["say a", "sende A b"],
    /^t\.zc:2: expected the name of an operation .*, got 'sende'$/,
  ],
  ["an argument that is missing", ["setup"], /^t\.zc:1: expected a number of entries, got the end of the line$/],
  ["an argument too many", ["ring 1"], /^t\.zc:1: expected nothing more after 'ring', got '1'$/],
  ["a flag that does not exist", ["setup 8 DEFER"], /^t\.zc:1: expected setup flags .*, got 'DEFER'$/],
  ["a buffer that was not made", ["setup 8", "regbuf b"], /^t\.zc:2: expected a buffer made above, got 'b'$/],
  ["a buffer that is made below", ["poke b 0 1 1", "buf b 10"], /^t\.zc:1: expected a buffer made above, got 'b'$/],
  [
    "a socket that was not made",
    ["close A"],
    /^t\.zc:1: expected a socket, file or pipe made above, or a number, got 'A'$/,
  ],
  ["a message that was not made", ["sqe sendmsg msg=m"], /^t\.zc:1: expected a message made above, got 'm'$/],
  ["a key that does not exist", ["sqe nop x=1"], /^t\.zc:1: expected one of fd, buf, .*, got 'x'$/],
  ["an unknown key", ["sqe nop bogus=1"], /expected one of fd, .*, u8\.N, u16\.N, u32\.N, u64\.N, got 'bogus'$/],
  ["a setting without a value", ["sqe nop ud"], /^t\.zc:1: expected KEY=VALUE .*, got 'ud'$/],
  ["a number that is none", ["settle soon"], /^t\.zc:1: expected a number of milliseconds, got 'soon'$/],
  ["a negative size", ["buf b -1"], /^t\.zc:1: expected a number of bytes, got '-1'$/],
  ["a device that does not exist", ["pair A B tcp eth0"], /^t\.zc:1: expected one of lo, veth, .*, got 'eth0'$/],
  [
    "a name longer than the harness keeps",
    ["buf bbbbbbbbbbbbbbbb 1"],
    /^t\.zc:1: expected a name .* 15 characters, got/,
  ],
  ["an address that is none", ["sqe send dest=10.0.0:9"], /^t\.zc:1: expected dest=IP:PORT .*, got 'dest=10\.0\.0:9'$/],
  [
    "a receive larger than the harness's buffer",
    ["recv 3 1048577"],
    /^t\.zc:1: expected at most 1048576 bytes, got '1048577'$/,
  ],
  ["a wait that ends before it begins", ["settle -1"], /^t\.zc:1: expected a number of milliseconds from 0, got '-1'$/],
  ["a sleep that ends before it begins", ["msleep -1"], /^t\.zc:1: expected a number of milliseconds from 0/],
  [
    "more than 64 bits",
    ["sqe nop ud=18446744073709551616"],
    /^t\.zc:1: expected a value for ud .*, got '18446744073709551616'$/,
  ],
  ["a name with an offset", ["buf b+1 10"], /^t\.zc:1: expected a name for the buffer, .*, got 'b\+1'$/],
  ["a name that is a number", ["buf 1 10"], /^t\.zc:1: expected a name for the buffer, .*, got '1'$/],
  ["a frame before the first", ["nic drop_nth=0"], /^t\.zc:1: expected frame numbers from 1 for drop_nth, got '0'$/],
  ["one name for two sockets", ["pair A A tcp lo"], /^t\.zc:1: expected another name for the far socket, got 'A'$/],
  ["one name for two ends", ["pipe p p"], /^t\.zc:1: expected another name for the write end, got 'p'$/],
  ["a call that is none", ["sys reboot"], /^t\.zc:1: expected a system call of .*, got 'reboot'$/],
  ["too many arguments", ["sys close 1 2 3 4 5 6 7"], /^t\.zc:1: expected at most 6 arguments, got '7'$/],
  ["an address of nothing", ["sys close &b"], /^t\.zc:1: expected & and a buffer or message made above, got '&b'$/],
  ["a descriptor of nothing", ["sys close @A"], /^t\.zc:1: expected @ and a descriptor made above, got '@A'$/],
  ["bytes outside of the SQE", ["sqe nop u32.126=1"], /^t\.zc:1: expected an offset inside of 128 bytes, got/],
  ["a share beyond 1", ["nic loss=2"], /^t\.zc:1: expected a share from 0 to 1 for loss, got '2'$/],
];

for (const [title, lines, expected] of MISTAKES) {
  test(`refused with line and expectation: ${title}`, () => {
    assert.match(message(...lines), expected);
  });
}
