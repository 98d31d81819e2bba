// What rings are set up with, registered with and told: every flag and every small struct, right and wrong.
import { IORING_OP_MSG_RING, IORING_OP_NOP } from "../../../assembly/abi/uapi.ts";
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";

const SETUP_FLAGS = [
  ...["IOPOLL", "SQ_AFF", "CLAMP", "ATTACH_WQ", "R_DISABLED", "SUBMIT_ALL", "COOP_TASKRUN", "TASKRUN_FLAG", "SQE128"],
  ...["CQE32", "SINGLE_ISSUER", "DEFER_TASKRUN", "NO_SQARRAY", "HYBRID_IOPOLL", "CQE_MIXED", "0x80000"],
];

/** A ring with any flags, in a slot of its own; then back to the ring before. */
function writeSetup(draft: Draft): void {
  const { dice } = draft;
  draft.chain = undefined;
  const flags = Array.from({ length: dice.between(1, 3) }, () => dice.pick(SETUP_FLAGS));
  const words = [`setup ${dice.pick([0, 1, 2, 3, 8, 33000])} ${flags.join("|")}`];
  if (dice.once(2)) words.push(String(dice.pick([0, 1, 2, 3, 4, 8, 70000])));
  if (dice.once(8)) words.push(`${dice.pick(["wq_fd", "resv", "cpu", "idle"])}=${dice.pick(["1", "@ring0", "77"])}`);
  draft.line("use x");
  draft.line(words.join(" "));
  for (let left = dice.between(0, 4); left > 0; left--) draft.line(`sqe nop ud=${left} ${nopWords(draft)}`);
  draft.line("submit");
  draft.line(dice.pick(["ring", "reap", "settle 5", "enter 0 0 ENTER_GETEVENTS"]));
  draft.line("reap");
  draft.line(`use ${draft.ring.name}`);
}

function writeNoMmap(draft: Draft): void {
  const { dice } = draft;
  draft.chain = undefined;
  const rings = draft.struct(4096, []);
  const sqes = draft.struct(4096, []);
  const at = dice.once(8) ? "+64" : "";
  draft.line("use n");
  draft.line(
    `setup ${dice.pick([1, 4, 8])} NO_MMAP${dice.once(5) ? "|REGISTERED_FD_ONLY" : ""} sq_addr=&${sqes}${at} cq_addr=&${rings}`,
  );
  draft.line(`sqe nop ud=1 ${nopWords(draft)}`);
  draft.line("submit");
  draft.line(`get ${rings} 0 u32 12`);
  draft.line("reap");
  draft.line(`use ${draft.ring.name}`);
}

function nopWords(draft: Draft): string {
  const { dice } = draft;
  const words: string[] = [];
  const flags = ["INJECT_RESULT", "FILE", "FIXED_FILE", "FIXED_BUFFER", "TW", "TW", "CQE32", "CQE32"];
  const mf = flags.filter(() => dice.once(5)).map((name) => `NOP_${name}`);
  if (mf.length > 0) words.push(`mf=${mf.join("|")}`);
  if (dice.once(2)) words.push(`len=${dice.pick([0, 5, -3, -125])}`);
  if (dice.once(2)) words.push(`off=${dice.between(1, 9)} addr=${dice.between(1, 9)}`);
  if (dice.once(4)) words.push(`fd=${draft.anyFd() ?? "0"}`, `bi=${dice.below(3)}`);
  if (dice.once(12)) words.push(`personality=${dice.between(1, 3)}`);
  return words.join(" ");
}

function writeNop(draft: Draft): void {
  draft.sqe("nop", nopWords(draft).split(" "));
}

const update = (draft: Draft) => {
  const { dice } = draft;
  const data = dice.once(3) ? "0" : `@${dice.pick(draft.rings).fd}`;
  return draft.struct(16, [`0 u32 ${dice.pick([-1, -1, 0, 1, 15, 16])} ${dice.once(12) ? 1 : 0}`, `8 u64 ${data}`]);
};

const restriction = ({ dice }: Draft, at: number) =>
  `${at} u16 ${dice.pick([0, 1, 1, 2, 3, 4])}\nput $ ${at + 2} u8 ${dice.pick([0, 6, 9, 12, 20, 40])}`;

function writeRestrictions(draft: Draft): void {
  const { dice } = draft;
  const fields = [0, 16, 32].map((at) => restriction(draft, at));
  const name = draft.struct(64, []);
  for (const field of fields) {
    for (const part of `put $ ${field}`.split("\n")) draft.line(part.replace("$", name));
  }
  draft.line(`reg REGISTER_RESTRICTIONS &${name} ${dice.between(1, 3)}`);
}

/** Calls with one struct, whose fields are mostly small. */
function writeStruct(draft: Draft): void {
  const { dice } = draft;
  const small = (count: number) => Array.from({ length: count }, () => (dice.once(3) ? dice.pick([1, 2, 7, 300]) : 0));
  const data = draft.struct(64, []);
  const line = dice.weighted<() => string>([
    [
      () =>
        `reg ${dice.pick(["REGISTER", "REGISTER", "UNREGISTER"])}_RING_FDS &${update(draft)} ${dice.pick([1, 1, 0, 17])}`,
      5,
    ],
    [() => `sys io_uring_enter ${dice.between(0, 3)} 0 0 ENTER_REGISTERED_RING 0 0`, 2],
    [
      () => `sys io_uring_register ${dice.between(0, 3)} ${dice.pick([5, 9, 12, 18])}|REGISTER_USE_REGISTERED_RING 0 0`,
      2,
    ],
    [
      () => `reg ${dice.pick(["REGISTER", "UNREGISTER"])}_NAPI &${draft.struct(16, [`0 u32 ${small(4).join(" ")}`])} 1`,
      1,
    ],
    [
      () =>
        `reg REGISTER_QUERY &${draft.struct(40, [`8 u64 &${data}`, `16 u32 ${dice.pick([0, 0, 1])} ${dice.pick([48, 8, 0])} ${dice.once(5) ? 1 : 0}`])} 0`,
      1,
    ],
    [() => `reg REGISTER_PROBE &${draft.struct(600, [])} ${dice.pick([0, 1, 63, 70])}`, 1],
    [() => `sys io_uring_register -1 ${dice.pick([31, 35, 0, 9])} 0 ${dice.between(0, 1)}`, 1],
    [
      () => `reg ${dice.between(0, 31)} &${draft.struct(64, [`0 u32 ${small(16).join(" ")}`])} ${dice.between(0, 2)}`,
      3,
    ],
  ])();
  draft.line(line);
}

function writeRegion(draft: Draft): void {
  const { dice } = draft;
  const memory = draft.struct(4096, [`0 u64 0 ${dice.pick([1, 3]) * 1_000_000}`, "20 u32 1"]);
  const own = !dice.once(3);
  const region = draft.struct(64, [
    `0 u64 ${own ? `&${memory}` : "0"} ${dice.pick([4096, 4096, 8192, 100])} ${own ? 1 : 0}`,
  ]);
  const arg = draft.struct(32, [`0 u64 &${region} ${dice.between(0, 1)}`]);
  draft.line(`reg REGISTER_MEM_REGION &${arg} 1`);
  draft.line(`get ${region} 8 u64 3`);
  const at = dice.pick([0, 0, 0, 8, 4, 4096]);
  draft.line(
    `enter 0 ${dice.between(0, 1)} ENTER_GETEVENTS|ENTER_EXT_ARG|ENTER_EXT_ARG_REG ${at} ${dice.pick([64, 64, 24])}`,
  );
}

/** Looks into the ring's own memory, or lies in it; not about what was read, for whoever reads the CQ would never end. */
function writeRingMemory(draft: Draft): void {
  const { dice } = draft;
  const name = draft.fresh("q");
  draft.flush();
  draft.line(`map ${name} 4096 @${draft.ring.fd} ${dice.pick(["0", "0", "0x8000000", "0x20000000"])}`);
  if (dice.once(3)) draft.line(`put ${name} ${dice.pick([4, 36, 40])} u32 ${dice.pick([0, 1, 2, 5, 100])}`);
  draft.line(`get ${name} 0 u32 12`);
}

function writeSendFd(draft: Draft): void {
  const { dice } = draft;
  const words = [
    `fd=${dice.pick(draft.rings).fd}`,
    "addr=MSG_SEND_FD",
    `addr3=${dice.below(3)}`,
    `file_index=${dice.pick(["FILE_INDEX_ALLOC", "1", "2", "0"])}`,
    `off=${dice.between(6000, 6005)}`,
  ];
  if (dice.once(4)) words.push("mf=MSG_RING_CQE_SKIP");
  draft.sqe("msg_ring", words);
}

const disabled = (draft: Draft) => draft.ring.disabled;

export const RING_CALL_RULES: readonly Rule[] = [
  { name: "setup of any kind", area: "rings", weight: 2, write: writeSetup },
  { name: "NO_MMAP", area: "rings", weight: 0.5, write: writeNoMmap },
  { name: "nop of any kind", area: "rings", weight: 4, ops: [IORING_OP_NOP], write: writeNop },
  { name: "restrictions", area: "rings", weight: 4, when: disabled, registers: [11], write: writeRestrictions },
  { name: "register a struct", area: "rings", weight: 3, registers: [20, 27, 35], write: writeStruct },
  { name: "region", area: "rings", weight: 1, registers: [34], write: writeRegion },
  { name: "ring memory", area: "rings", weight: 1, write: writeRingMemory },
  { name: "send a file", area: "rings", weight: 1, ops: [IORING_OP_MSG_RING], write: writeSendFd },
];
