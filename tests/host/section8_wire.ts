// Section 8, what only a peer without a kernel can show: acknowledgements of a part, resets, time that passes. Run and named by
// section8.test.ts; the keys are the names in tests/data/send-zc-8.json.
import assert from "node:assert/strict";
import { MSG_MORE, MSG_OOB, MSG_ZEROCOPY, SO_ZEROCOPY, SOCK_STREAM, SOL_SOCKET } from "../../assembly/abi/socket.ts";
import {
  IORING_CQE_F_MORE,
  IORING_CQE_F_NOTIF,
  IORING_NOTIF_USAGE_ZC_COPIED,
  IORING_REGISTER_BUFFERS,
  IORING_SEND_ZC_REPORT_USAGE,
} from "../../assembly/abi/uapi.ts";
import { prepSendZc, prepSendZcFixed, setData } from "../../host/liburing/prep.ts";
import { Machine } from "../../host/machine.ts";
import { parseProgram } from "../../host/program/parse.ts";
import { runProgram } from "../../host/program/run.ts";
import { Bench, MS } from "./nic_bench.ts";

/** One stream to the sink, which acknowledges nothing by itself. */
class Held {
  readonly bench: Bench;
  readonly fd: number;
  readonly buffer: number;

  static async create(): Promise<Held> {
    return new Held(await Bench.create({ build: "debug" }));
  }

  private constructor(bench: Bench) {
    this.bench = bench;
    this.fd = bench.connect(SOCK_STREAM);
    this.buffer = bench.buffer(100_000);
    bench.sink.hold();
  }

  /** SEND_ZC with REPORT_USAGE; `fixed`: out of registered buffer 0. */
  send(ud: number, length: number, { msgFlags = 0, fixed = false } = {}): void {
    const { ring } = this.bench;
    const sqe = ring.getSqe();
    if (fixed) prepSendZcFixed(ring, sqe, this.fd, this.buffer, length, msgFlags, IORING_SEND_ZC_REPORT_USAGE, 0);
    else prepSendZc(ring, sqe, this.fd, this.buffer, length, msgFlags, IORING_SEND_ZC_REPORT_USAGE);
    setData(ring, sqe, ud);
    assert.equal(ring.submit(), 1);
  }

  registerBuffer(): void {
    const { ring, machine } = this.bench;
    const iovec = machine.user.alloc(16);
    machine.user.setU32(iovec, this.buffer);
    machine.user.setU32(iovec + 8, 100_000);
    assert.equal(machine.sys.io_uring_register(ring.fd, IORING_REGISTER_BUFFERS, iovec, 1), 0);
  }

  /** The CQEs of the next 10 ms, in the notation of the specification: M = F_MORE, N = F_NOTIF, C = copied. */
  cqes(): string {
    const { ring } = this.bench;
    const found: string[] = [];
    const end = this.bench.machine.now_ns + 10n * MS;
    const collect = () =>
      ring.forEachCqe((cqe) => {
        const [res, flags] = [ring.cqeRes(cqe), ring.cqeFlags(cqe)];
        const value = res === (IORING_NOTIF_USAGE_ZC_COPIED | 0) ? "C" : res;
        const letter = flags === IORING_CQE_F_NOTIF ? "N" : flags === IORING_CQE_F_MORE ? "M" : "-";
        found.push(`[${ring.cqeData(cqe)} ${value} ${letter}]`);
      });
    for (let left = 10n * MS; left > 0n; left = end - this.bench.machine.now_ns) {
      collect();
      if (ring.waitCqesTimeout(1, left) < 0) break;
    }
    collect();
    return found.join(" ");
  }

  acknowledge(bytes: number): void {
    this.bench.sink.acknowledge(bytes);
  }

  /** All is acknowledged or reset, and nothing is left. */
  done(): void {
    if (!this.bench.sink.connection().isClosed) this.bench.sink.release();
    this.bench.drained(this.fd);
  }
}

/** Virtual milliseconds from the first step that waits to the end of a program. */
async function runFor(lines: string[]): Promise<{ cqes: unknown[]; ms: number }> {
  const machine = await Machine.create({ build: "debug" });
  const start = machine.now_ns;
  const { events, outcome } = runProgram(machine, parseProgram(lines.join("\n"), "t.zc"));
  assert.equal(outcome.kind, "end");
  const cqes = events.filter(({ ev }) => ev === "cqe").map(({ ud, res, flags }) => [ud, res, flags]);
  return { cqes, ms: Number(machine.now_ns - start) / 1e6 };
}

export const EMULATED: Record<string, () => Promise<void>> = {
  async acks_of_a_shared_skb() {
    const held = await Held.create();
    held.send(1, 100, { msgFlags: MSG_MORE });
    held.send(2, 100, { msgFlags: MSG_MORE });
    held.send(3, 100);
    assert.equal(held.cqes(), "[1 100 M] [2 100 M] [3 100 M]");
    held.acknowledge(150);
    assert.equal(held.cqes(), "");
    held.acknowledge(300);
    assert.equal(held.cqes(), "[1 0 N] [3 C N] [2 C N]");
    held.done();
  },

  async msg_zerocopy_between_acked() {
    const held = await Held.create();
    const { sys, user } = held.bench.machine;
    const one = user.alloc(4);
    user.setU32(one, 1);
    assert.equal(sys.setsockopt(held.fd, SOL_SOCKET, SO_ZEROCOPY, one, 4), 0);
    held.send(1, 100, { msgFlags: MSG_MORE });
    assert.equal(sys.send(held.fd, held.buffer, 100, MSG_ZEROCOPY | MSG_MORE), -105, "ENOBUFS");
    held.send(2, 100);
    assert.equal(held.cqes(), "[1 100 M] [2 100 M]");
    held.acknowledge(200);
    assert.equal(held.cqes(), "[1 0 N] [2 C N]");
    held.done();
  },

  async half_an_ack() {
    const held = await Held.create();
    held.send(1, 1000);
    assert.equal(held.cqes(), "[1 1000 M]");
    held.acknowledge(500);
    assert.equal(held.cqes(), "");
    held.acknowledge(1000);
    assert.equal(held.cqes(), "[1 0 N]");
    held.done();
  },

  async reset_by_the_peer() {
    const held = await Held.create();
    held.send(1, 1000);
    assert.equal(held.cqes(), "[1 1000 M]");
    held.bench.sink.reset();
    assert.equal(held.cqes(), "[1 0 N]");
    held.done();
  },

  async all_but_one_byte() {
    const held = await Held.create();
    held.registerBuffer();
    held.send(1, 10_000, { fixed: true });
    assert.equal(held.cqes(), "[1 10000 M]");
    held.acknowledge(9999);
    assert.equal(held.cqes(), "");
    held.acknowledge(10_000);
    assert.equal(held.cqes(), "[1 0 N]");
    held.done();
  },

  async tso_off_acked() {
    const held = await Held.create();
    held.bench.nic.configure({ tso: false });
    held.send(1, 5000);
    assert.equal(held.cqes(), "[1 5000 M]");
    held.acknowledge(5000);
    assert.equal(held.cqes(), "[1 0 N]");
    held.done();
  },

  async sg_off_after_connect_acked() {
    for (const offload of ["scatterGather", "checksumOffload"] as const) {
      const held = await Held.create();
      held.bench.nic.configure({ [offload]: false });
      held.send(1, 1000);
      assert.equal(held.cqes(), "[1 1000 M]");
      held.acknowledge(1000);
      assert.equal(held.cqes(), "[1 C N]", offload);
      held.done();
    }
  },

  async oob_acked() {
    const held = await Held.create();
    held.send(1, 100, { msgFlags: MSG_OOB });
    assert.equal(held.cqes(), "[1 100 M]");
    held.acknowledge(100);
    assert.equal(held.cqes(), "[1 0 N]");
    held.done();
  },

  async more_then_large_acked() {
    const held = await Held.create();
    held.bench.sink.release();
    held.send(1, 100, { msgFlags: MSG_MORE });
    held.send(2, 60_000);
    assert.equal(held.cqes(), "[1 100 M] [2 60000 M] [1 0 N] [2 0 N]");
    held.done();
  },

  async fixed_then_plain_acked() {
    const held = await Held.create();
    held.registerBuffer();
    held.send(1, 100, { msgFlags: MSG_MORE, fixed: true });
    held.send(2, 100);
    assert.equal(held.cqes(), "[1 100 M] [2 100 M]");
    held.acknowledge(200);
    assert.equal(held.cqes(), "[1 0 N] [2 C N]");
    held.done();
  },

  async cork_takes_200_ms() {
    const program = ["setup 8 DEFER_TASKRUN|SINGLE_ISSUER", "pair A B tcp lo", "buf b 100", "sockopt A CORK 1"];
    const { cqes, ms } = await runFor([
      ...program,
      "sqe send_zc fd=A buf=b ud=1",
      "submit",
      "reap",
      "wait 1 1000",
      "reap",
    ]);
    assert.deepEqual(cqes, [
      [1, 100, IORING_CQE_F_MORE],
      [1, 0, IORING_CQE_F_NOTIF],
    ]);
    assert.ok(ms >= 200 && ms < 210, `${ms} ms`);
  },

  async neighbour_takes_3_s() {
    const program = ["setup 8", "socket N udp", "buf b 1000", "sqe send_zc fd=N buf=b dest=10.77.0.99:9 ud=1"];
    const { cqes, ms } = await runFor([...program, "submit", "reap", "wait 1 5000", "reap"]);
    assert.deepEqual(cqes, [
      [1, 1000, IORING_CQE_F_MORE],
      [1, 0, IORING_CQE_F_NOTIF],
    ]);
    assert.ok(ms > 3000 && ms < 3200, `${ms} ms`);
  },
};
