// Do the zero-copy sends use up the opcodes?
//
// "The opcode is only u8", and some 50 numbers were gone after three years: the fear behind merging the opcodes. Every
// kernel is asked with its own probe what it has, and the rate since then is set against the rate before.
import { Machine, uapi } from "ringzero";
import { design, type Design, isSlotEra } from "./lab.ts";
import { counted, expect, experiment, list } from "./report.ts";

/** An opcode is a u8. */
const NUMBERS = 256;

const FIRST_RELEASE = 2019.34; // 5.1, where io_uring began
/** Kernels on the way, and when they came out. */
const KERNELS: readonly (readonly [Design, number])[] = [
  [design("rc1"), 2022.62],
  [design("6.0"), 2022.75],
  [design("6.1"), 2022.95],
  [design("6.6"), 2023.83],
  [design("6.7"), 2024.02],
  [design("6.12"), 2024.88],
  [design("6.18"), 2025.91],
];

/** The operations that a kernel says it has (IORING_REGISTER_PROBE), by number. */
async function probe({ profile }: Design): Promise<number[]> {
  const machine = await Machine.create({ profile });
  const { sys, user } = machine;
  using ring = machine.ring(1);
  const at = user.alloc(uapi.PROBE_OFF_OPS + NUMBERS * uapi.PROBE_OP_SIZE);
  const result = sys.io_uring_register(ring.fd, uapi.IORING_REGISTER_PROBE, at, NUMBERS);
  expect(result === 0, `${profile} answers the probe`);
  const count = user.read(at + uapi.PROBE_OFF_OPS_LEN, 1)[0];
  return Array.from(
    { length: count },
    (_, index) => user.read(at + uapi.PROBE_OFF_OPS + index * uapi.PROBE_OP_SIZE, 1)[0],
  );
}

const nameOf = (opcode: number): string =>
  Object.entries(uapi)
    .find(([name, value]) => name.startsWith("IORING_OP_") && value === opcode)?.[0]
    .slice(10) ?? "?";

/** Sends without a copy, by the number that the kernel has them under. */
const ZERO_COPY_SENDS: readonly number[] = [uapi.IORING_OP_SEND_ZC, uapi.IORING_OP_SENDMSG_ZC];

export default experiment(
  "An opcode has 8 bits: do two of them for zero-copy sends bring the end nearer?",
  async (notes) => {
    const seen: { kernel: Design; date: number; used: number; zeroCopy: number[] }[] = [];
    for (const [kernel, date] of KERNELS) {
      const opcodes = await probe(kernel);
      const zeroCopy = ZERO_COPY_SENDS.filter((opcode) => opcodes.includes(opcode));
      seen.push({ kernel, date, used: opcodes.length, zeroCopy });
    }
    notes.table(
      "What IORING_REGISTER_PROBE answers:",
      ["kernel", "opcodes", "of 256", "zero-copy sends among them"],
      seen.map(({ kernel, used, zeroCopy }) => [
        kernel.name,
        used,
        `${Math.round((100 * used) / NUMBERS)}%`,
        isSlotEra(kernel) ? "SENDZC_NOTIF" : list(zeroCopy.map(nameOf)),
      ]),
    );

    const [then, now] = [seen[0], seen[seen.length - 1]];
    const before = then.used / (then.date - FIRST_RELEASE);
    const since = (now.used - then.used) / (now.date - then.date);
    const years = (rate: number, from: number) => Math.round((NUMBERS - from) / rate);
    notes.table(
      "Opcodes a year, and when the numbers would run out at that rate:",
      ["years", "a year", "left for"],
      [
        ["2019 to the thread", before.toFixed(1), `${years(before, then.used)} years`],
        [`the thread to ${now.kernel.name}`, since.toFixed(1), `${years(since, now.used)} years`],
      ],
    );
    expect(now.zeroCopy.length === ZERO_COPY_SENDS.length, "both zero-copy sends have a number of their own");
    const faster = since > before ? "faster than" : "slower than";
    return (
      `${now.kernel.name} has ${now.used} opcodes where the thread's kernel had ${then.used}, ${counted(now.zeroCopy.length - 1, "of the new ones", "of the new ones")} a further ` +
      `zero-copy send, so numbers go ${faster} before (${since.toFixed(1)} a year after ${before.toFixed(1)}) and last ${years(since, now.used)} more years at that rate.`
    );
  },
);
