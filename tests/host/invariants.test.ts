// I3, I7, I20: what arrives is what the buffers held when they were handed over, byte for byte and in order, although every
// buffer is overwritten the moment its notification is seen. Random sends over every kind of socket and device, over a wire
// that loses and reorders, read late and early; the receiver's bytes are hashed and compared with what was accepted.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { IORING_CQE_F_NOTIF } from "../../assembly/abi/uapi.ts";
import { findLeaks, restingCounts } from "../../host/core/leaks.ts";
import { Dice } from "../../host/fuzz/dice.ts";
import { Machine } from "../../host/machine.ts";
import { fnv1a32, type ProgramEvent } from "../../host/program/events.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";

interface Plan {
  lines: string[];
  /** Bytes of each buffer by the user_data of its send, and how many sends there are. */
  sizes: number[];
}

const SEED_OF_BUFFER = 17;

/** One send per buffer; user_data is the number of the buffer. */
function plan(dice: Dice, kind: string, device: string): Plan {
  const setup = dice.pick(["0", "DEFER_TASKRUN|SINGLE_ISSUER", "COOP_TASKRUN"]);
  // Room for everything: a send that has to wait would let the next one overtake it, as on Linux.
  const lines = [
    `setup 16 ${setup} 64`,
    `pair A B ${kind} ${device} sndbuf=200000${kind === "tcp" ? " rcvbuf=200000" : ""}`,
  ];
  if (device === "nic") {
    lines.push(`nic loss=${dice.pick([0, 0.1])} reorder=${dice.pick([0, 0.2])} moderation=${dice.pick([1, 8])}`);
  }
  const count = dice.between(3, 8);
  const sizes = Array.from({ length: count }, () => dice.pick([1, 100, 1448, 4096, 5000, 9000, 20000]));
  sizes.forEach((size, index) => {
    lines.push(`buf b${index} ${size} ${index * SEED_OF_BUFFER}`);
  });
  const fixed = dice.once(2);
  if (fixed) lines.push(`regbuf ${sizes.map((_, index) => `b${index}`).join(" ")}`);
  sizes.forEach((_, index) => {
    const zero = !dice.once(5);
    const ioprio = zero ? ` ioprio=REPORT_USAGE${fixed ? `|FIXED_BUF bi=${index}` : ""}` : "";
    const async = dice.once(8) ? " flags=ASYNC" : "";
    lines.push(`sqe ${zero ? "send_zc" : "send"} fd=A buf=b${index}${ioprio} mf=MSG_WAITALL${async} ud=${index}`);
    if (async !== "" || dice.once(2)) lines.push("submit");
    if (async !== "") lines.push("settle 30");
    if (dice.once(3)) lines.push("reap");
    if (dice.once(3)) lines.push(`recvall B ${dice.pick([500, 20000])} 300`);
  });
  lines.push("submit", "settle 30", "recvall B 400000 2000", "settle 500", "recvall B 400000 2000", "settle 500");
  return { lines, sizes };
}

function patternOf(index: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => at * 31 + (at >> 8) + index * SEED_OF_BUFFER);
}

/** Overwrites the buffer of every send whose notification has come. */
function poison(machine: Machine, addresses: readonly number[], sizes: readonly number[], event: ProgramEvent): void {
  if (event.ev !== "cqe" || !(Number(event.flags) & IORING_CQE_F_NOTIF)) return;
  const index = Number(event.ud);
  machine.user.fill(addresses[index], sizes[index], 0xee);
}

const STREAMS: readonly (readonly [kind: string, device: string])[] = [
  ["tcp", "lo"],
  ["tcp", "veth"],
  ["tcp", "nic"],
  ["unix", "lo"],
];

for (const [kind, device] of STREAMS) {
  test(`${kind} over ${device}: a buffer may be overwritten when its notification has come`, async () => {
    let notifications = 0;
    for (let seed = 1; seed <= 25; seed++) {
      const { lines, sizes } = plan(new Dice(seed, kind.length + device.length), kind, device);
      const machine = await Machine.create({ build: "debug", seed: seed % 3 === 0 ? seed : 0 });
      if (device === "nic") machine.nic();
      const before = restingCounts(machine);
      const addresses: number[] = [];
      const program = parseProgram(lines.join("\n"), `seed ${seed}`);
      // Every buffer is a mapping of its own, in the order of the lines: its first byte tells which one it is.
      const { pages } = machine.user;
      machine.user.pages = (length) => {
        const address = pages.call(machine.user, length);
        if (current.startsWith("buf ")) addresses.push(address);
        return address;
      };
      let current = "";
      const { events, outcome } = runProgram(machine, program, {
        onStep: (step) => {
          current = lines[step.line - 1];
        },
        onEvent: (event) => {
          if (Number(event.flags) & IORING_CQE_F_NOTIF && event.ev === "cqe") notifications++;
          poison(machine, addresses, sizes, event);
        },
      });
      const where = `seed ${seed}:\n${lines.join("\n")}`;
      assert.equal(outcome.kind, "end", where);
      const accepted = new Map<number, number>();
      for (const event of events) {
        if (event.ev === "cqe" && !(Number(event.flags) & IORING_CQE_F_NOTIF))
          accepted.set(Number(event.ud), Number(event.res));
      }
      // unix refuses zero copy; a plain send over it delivers all.
      const parts = sizes.map((size, index) => patternOf(index, size).slice(0, Math.max(0, accepted.get(index) ?? 0)));
      for (const [index, size] of sizes.entries()) assert.ok((accepted.get(index) ?? 0) <= size, `I7: ${where}`);
      let at = 0;
      const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      at = 0;
      for (const { ev, bytes, fnv } of events) {
        if (ev !== "recvall") continue;
        assert.equal(fnv1a32(all.subarray(at, at + Number(bytes))), fnv, `I20: bytes from ${at} on, ${where}`);
        at += Number(bytes);
      }
      assert.equal(at, all.length, `I7: what was accepted arrives, ${where}`);
      assert.deepEqual(findLeaks(machine, before), [], where);
    }
    assert.ok(notifications > 50);
  });
}
