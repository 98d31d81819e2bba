// Random programs of the slot era, in each of its dialects and with its switches, on the debug build. Whatever they do, once all slots
// are unregistered and the network has let go each notification has posted exactly one CQE, the sequence numbers of a slot have no
// hole, and nothing is left at the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { CNT_NOTIFS, CNT_NOTIFS_LIVE } from "../../assembly/abi/counters.ts";
import { IORING_CQE_F_NOTIF } from "../../assembly/abi/uapi.ts";
import { findLeaks, restingCounts } from "../../host/core/leaks.ts";
import { Dice } from "../../host/fuzz/dice.ts";
import { Machine } from "../../host/machine.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";

const PROGRAMS = 40;
const SLOTS = 4;
/** user_data of requests is below, that of notifications above. */
const TAGS = 1_000_000;
const LATER_TAGS = 2_000_000;

/** Flags of the send, by dialect. */
const SEND_FLAGS: Record<string, readonly string[]> = {
  rfc3: ["SENDZC_FLUSH", "SENDZC_FLUSH", "SENDZC_FIXED_BUF"],
  rc: ["NOTIF_FLUSH", "NOTIF_FLUSH", "FIXED_BUF", "POLL_FIRST"],
  aug16: ["NOTIF_FLUSH", "NOTIF_FLUSH", "FIXED_BUF", "POLL_FIRST", "COPY_TAG"],
};
const SWITCHES = [
  "",
  "",
  "upd_tag_first",
  "upd_alloc_empty",
  "upd_alloc_empty upd_alloc_tag=after",
  "tw_order=fifo",
  "fixedbuf_truncation=off",
];
const SOCKETS = ["unix", "lo", "nic", "slow", "tlo", "tnic"];
const PEERS: Record<string, string> = { tlo: "ptlo", tnic: "ptnic" };

class Draft {
  readonly #dice: Dice;
  readonly #flags: readonly string[];
  readonly #tagged: boolean;
  readonly lines: string[];
  #requests = 0;
  #registrations = 0;

  constructor(profile: string, dice: Dice, tagged: boolean) {
    this.#dice = dice;
    this.#flags = (SEND_FLAGS[profile] ?? SEND_FLAGS.rc).filter((flag) => tagged || flag !== "COPY_TAG");
    this.#tagged = tagged;
    this.lines = [
      `profile ${profile} ${dice.pick(SWITCHES)}`,
      "setup 64",
      this.#register(),
      "buf b 100000",
      "regbuf b",
      "pair unix punix unixdgram",
      "pair lo plo udp lo",
      "pair nic pnic udp nic",
      "pair slow pslow udp ifbslow",
      "pair tlo ptlo tcp lo sndbuf=30000 rcvbuf=30000",
      "pair tnic ptnic tcp nic sndbuf=60000 rcvbuf=30000",
    ];
    for (let step = dice.between(10, 40); step > 0; step--) this.lines.push(...this.#step());
    this.lines.push("submit", "nic never_complete=0", "unnotifiers");
    for (const socket of SOCKETS) this.lines.push(`close ${socket}`, `close p${socket}`);
    this.lines.push("settle 3000", "reap");
  }

  #register(): string {
    const first = TAGS + 1000 * this.#registrations++;
    return `notifiers ${Array.from({ length: SLOTS }, (_, slot) => first + slot).join(" ")}`;
  }

  #sqe(text: string): string {
    const dice = this.#dice;
    const flags = dice.weighted([
      ["", 8],
      ["IO_LINK", 3],
      ["IO_HARDLINK", 1],
      ["ASYNC", 1],
      ["CQE_SKIP_SUCCESS", 1],
    ]);
    return `sqe ${text} ud=${++this.#requests}${flags === "" ? "" : ` flags=${flags}`}`;
  }

  #send(): string {
    const dice = this.#dice;
    const ioprio = [...new Set(this.#flags.filter(() => dice.once(2)))].join("|") || "0";
    const mf = dice.weighted([
      ["0", 6],
      ["MSG_WAITALL", 3],
      ["MSG_DONTWAIT", 1],
      ["MSG_MORE", 1],
    ]);
    const len = dice.pick([0, 1, 100, 1400, 5000, 60000, 100000]);
    const slot = dice.once(20) ? SLOTS : dice.below(SLOTS);
    return this.#sqe(`sendzc fd=${dice.pick(SOCKETS)} buf=b len=${len} slot=${slot} ioprio=${ioprio} mf=${mf} bi=0`);
  }

  #update(): string {
    const dice = this.#dice;
    const off = dice.below(SLOTS);
    const tag = this.#tagged && dice.once(2) ? LATER_TAGS + this.#requests : 0;
    return this.#sqe(
      `rsrc_update_notif off=${off} len=${dice.between(1, SLOTS - off + (dice.once(9) ? 1 : 0))} tag=${tag}`,
    );
  }

  #step(): string[] {
    const dice = this.#dice;
    const what = dice.weighted([
      ["send", 40],
      ["update", 12],
      ["nop", 3],
      ["cancel", 4],
      ["submit", 14],
      ["read", 8],
      ["sleep", 5],
      ["nic", 5],
      ["again", 2],
      ["shutdown", 1],
    ] as const);
    switch (what) {
      case "send":
        return [this.#send()];
      case "update":
        return [this.#update()];
      case "nop":
        return [this.#sqe("nop")];
      case "cancel":
        return [this.#sqe(`cancel addr=${dice.between(1, this.#requests + 1)}`)];
      case "submit":
        return ["submit", "reap"];
      case "read":
        return [`drainrx ${PEERS[dice.pick(["tlo", "tnic"])]} 5`];
      case "sleep":
        return [`msleep ${dice.pick([1, 30, 200])}`];
      case "nic":
        return [`nic never_complete=${dice.below(2)}`];
      case "again":
        return ["unnotifiers", this.#register()];
      default:
        return [`shutdown ${dice.pick(SOCKETS)} 1`];
    }
  }
}

/** Sequence numbers by the tag of their slot. */
function checkSequences(cqes: readonly { tag: number; seq: number }[], where: string): void {
  const slots = new Map<number, number[]>();
  for (const { tag, seq } of cqes) slots.set(tag, [...(slots.get(tag) ?? []), seq]);
  for (const [tag, found] of slots) {
    const sorted = found.sort((a, b) => a - b);
    assert.deepEqual(
      sorted,
      Array.from(sorted, (_, index) => index),
      `slot ${tag}: ${where}`,
    );
  }
}

async function runOne(profile: string, index: number): Promise<number> {
  const tagged = index % 2 === 1;
  const { lines } = new Draft(profile, new Dice(7, index), tagged);
  const where = `${profile} ${index}\n${lines.join("\n")}`;
  const program = parseProgram(lines.join("\n"), where);
  const machine = await Machine.create({ build: "debug", ...program.machine });
  machine.nic();
  const before = restingCounts(machine);
  const { events, outcome } = runProgram(machine, program);
  assert.equal(outcome.kind, "end", where);
  const marked = profile === "aug16";
  const cqes = events
    .filter(({ ev, ud, flags }) => ev === "cqe" && (marked ? flags === IORING_CQE_F_NOTIF : Number(ud) >= TAGS))
    .map(({ ud, res, flags }) => ({ tag: Number(ud), seq: Number(marked ? res : flags) }));
  assert.equal(machine.counter(CNT_NOTIFS_LIVE), 0, where);
  assert.equal(cqes.length, machine.counter(CNT_NOTIFS), where);
  if (!tagged)
    checkSequences(
      cqes.filter(({ tag }) => tag >= TAGS),
      where,
    );
  assert.deepEqual(findLeaks(machine, before), [], where);
  return cqes.length;
}

for (const profile of ["rfc3", "rc1", "rc2", "rc3", "aug16"])
  test(`${PROGRAMS} random programs with slots on ${profile}`, async () => {
    let notifications = 0;
    for (let index = 0; index < PROGRAMS; index++) notifications += await runOne(profile, index);
    assert.ok(notifications > 2 * PROGRAMS, `${notifications} notifications`);
  });
