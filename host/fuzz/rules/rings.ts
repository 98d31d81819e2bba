// More than one ring: on the same sockets, talking to each other, disabled at first; and the calls that are about a ring.
import { IORING_OP_MSG_RING } from "../../../assembly/abi/uapi.ts";
import type { Draft } from "../draft.ts";
import { RingModel } from "../draft.ts";
import type { Rule } from "../rule.ts";

const SETUPS = [
  "0",
  "0",
  "DEFER_TASKRUN|SINGLE_ISSUER",
  "COOP_TASKRUN",
  "CQE32",
  "R_DISABLED",
  "R_DISABLED|SINGLE_ISSUER|DEFER_TASKRUN",
];

function use(draft: Draft, ring: RingModel): void {
  draft.chain = undefined;
  draft.line(`use ${ring.name}`);
  draft.ring = ring;
}

function writeSetup(draft: Draft): void {
  const { dice } = draft;
  const ring = new RingModel(String(draft.rings.length));
  if (dice.once(2)) draft.flush();
  draft.rings.push(ring);
  use(draft, ring);
  ring.setup = dice.pick(SETUPS);
  ring.entries = dice.pick([1, 2, 8]);
  ring.disabled = ring.setup.includes("R_DISABLED");
  draft.line(`setup ${ring.entries} ${ring.setup}${dice.once(3) ? ` ${dice.pick([ring.entries, 8])}` : ""}`);
}

function writeUse(draft: Draft): void {
  if (draft.dice.once(2)) draft.flush();
  use(draft, draft.dice.pick(draft.rings.filter((ring) => ring !== draft.ring)));
}

function writeEnable(draft: Draft): void {
  draft.line("enable");
  draft.ring.disabled = false;
}

/** A CQE for another ring, or for itself. */
function writeMsgRing(draft: Draft): void {
  const { dice } = draft;
  const target = dice.pick(draft.rings);
  const words = [
    `fd=${dice.once(12) ? (draft.anyFd() ?? "0") : target.fd}`,
    `len=${dice.between(0, 50)}`,
    `off=${dice.between(5000, 5010)}`,
  ];
  if (dice.once(5)) words.push(`mf=${dice.pick(["MSG_RING_CQE_SKIP", "MSG_RING_FLAGS_PASS", "0x80"])}`);
  if (dice.once(5)) words.push("file_index=5");
  if (dice.once(6)) words.push(`addr=${dice.pick([1, 2])}`, `addr3=${dice.below(3)}`);
  draft.sqe("msg_ring", words);
}

/** An eventfd that counts CQEs. */
function writeEventfd(draft: Draft): void {
  const { dice } = draft;
  const known = draft.file("eventfd");
  const name = known ?? draft.fresh("e");
  if (known === undefined) {
    draft.line(`sys ${name}=eventfd2 0 ${dice.pick(["O_NONBLOCK", "0"])}`);
    draft.files.push({ name, kind: "eventfd" });
  }
  const at = draft.struct(8, [`0 u32 @${name}`]);
  draft.line(`reg ${dice.pick(["REGISTER_EVENTFD", "REGISTER_EVENTFD", "REGISTER_EVENTFD_ASYNC"])} &${at} 1`);
}

/** io_uring_getevents_arg: a signal mask (none), a size, a minimum wait, a timeout. */
function writeEnterArg(draft: Draft): void {
  const { dice } = draft;
  const time = draft.struct(16, [`0 u64 0 ${dice.pick([5, 20]) * 1_000_000}`]);
  const minimum = dice.once(3) ? dice.pick([1000, 5000]) : 0;
  const arg = draft.struct(24, [
    `8 u32 ${dice.pick([8, 8, 0, 4])} ${minimum}`,
    `16 u64 ${dice.once(8) ? "0x10" : `&${time}`}`,
  ]);
  const flags = `ENTER_GETEVENTS|ENTER_EXT_ARG${dice.once(8) ? `|${dice.pick(["ENTER_SQ_WAKEUP", "ENTER_ABS_TIMER", "ENTER_NO_IOWAIT", "0x8000"])}` : ""}`;
  draft.line(`enter ${draft.ring.queued} ${dice.between(0, 3)} ${flags} &${arg} ${dice.once(8) ? 16 : 24}`);
  draft.ring.queued = 0;
}

/** Calls with one number or one small struct. */
function writeRegister(draft: Draft): void {
  const { dice } = draft;
  const line = dice.weighted<() => string>([
    [() => "reg UNREGISTER_EVENTFD 0 0", 2],
    [
      () =>
        `reg REGISTER_RESIZE_RINGS &${draft.struct(120, [`0 u32 ${dice.pick([2, 8, 32])} ${dice.pick([4, 8, 64])}`, `8 u32 ${dice.pick([8, 0])}`])} 1`,
      1,
    ],
    [() => "reg REGISTER_PERSONALITY 0 0", 1],
    [() => `reg UNREGISTER_PERSONALITY 0 ${dice.between(0, 2)}`, 1],
    [() => `reg REGISTER_IOWQ_MAX_WORKERS &${draft.struct(8, [`0 u32 ${dice.below(3)} ${dice.below(3)}`])} 2`, 1],
    [() => `reg REGISTER_CLOCK &${draft.struct(16, [`0 u32 ${dice.pick([1, 7, 0])} 0 0 0`])} 0`, 1],
    [() => "reg REGISTER_ENABLE_RINGS 0 0", 1],
    [() => `reg ${dice.between(0, 40)} 0 0`, 1],
  ])();
  draft.line(line);
}

export const RING_RULES: readonly Rule[] = [
  { name: "use setup", area: "rings", weight: 2, when: (draft) => draft.rings.length < 3, write: writeSetup },
  { name: "use", area: "rings", weight: 4, when: (draft) => draft.rings.length > 1, write: writeUse },
  { name: "enable", area: "rings", weight: 4, when: (draft) => draft.ring.disabled, write: writeEnable },
  { name: "msg_ring", area: "rings", weight: 3, ops: [IORING_OP_MSG_RING], write: writeMsgRing },
  { name: "register eventfd", area: "rings", weight: 1, calls: ["eventfd2"], registers: [4], write: writeEventfd },
  { name: "enter with arg", area: "rings", weight: 1, write: writeEnterArg },
  { name: "register", area: "rings", weight: 1, registers: [4, 9, 33], write: writeRegister },
];
