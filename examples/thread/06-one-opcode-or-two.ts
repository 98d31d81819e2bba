// One opcode or two?
//
// SENDZC and SEND differ so little, Metzmacher finds, that a flag of SEND could choose the slot path; Begunkov prefers opcodes of
// their own, for more freedom and to keep the ordinary send simple. The switch merges them. The same requests are made by the
// opcode of its own and by the flag, in the slot era and in the interface that came, to see what the choice decides.
import { ring, sendZc } from "./dialect.ts";
import { type Design, design, isSlotEra, observe, type Observed, showCqes } from "./lab.ts";
import { counted, expect, experiment, list } from "./report.ts";

const SIZE = 100;

/** The flag that makes SEND a zero-copy send: bit 4 in the slot era, bit 6 where others have taken that one. */
const MERGED_618 = 64;

/** A zero-copy send in the words of the merged opcode. */
const merged = (kernel: Design, line: string): string =>
  isSlotEra(kernel)
    ? line.replace("sqe sendzc ", "sqe send_notif ").replace("ioprio=", "ioprio=ZC_NOTIF|")
    : `${line.replace("sqe send_zc ", "sqe send ")} ioprio=${MERGED_618}`;

const send =
  (ud: number, more = {}) =>
  (kernel: Design) =>
    sendZc(kernel, { ud, len: SIZE, ...more });

const CASES = [
  { name: "a send", lines: [send(1)] },
  { name: "a bad descriptor", lines: [send(1, { fd: "99" })] },
  { name: "a chain of two", lines: [send(1, { flags: "IO_LINK" }), send(2)] },
  { name: "a worker (ASYNC)", lines: [send(1, { flags: "ASYNC" })] },
  { name: "a full socket", lines: [send(1, { mf: "MSG_DONTWAIT" })], fill: true },
] as const;

const program = (kernel: Design, lines: readonly string[], fill: boolean) => `
${ring(kernel)}
pair A B tcp nic
buf b ${SIZE}
${fill ? "fill A" : ""}
${lines.join("\n")}
submit
settle 5
`;

interface Finding {
  name: string;
  kernel: Design;
  own: Observed;
  flagged: Observed;
}

export default experiment("One opcode with a flag, or two: what does the choice decide?", async (notes) => {
  const found: Finding[] = [];
  const plain: boolean[] = [];
  for (const profile of ["rc3", "6.18"]) {
    const kernel = design(profile);
    const other = design(profile, { merged_opcode: 1 });
    for (const { name, lines, ...more } of CASES) {
      const fill = "fill" in more;
      const written = lines.map((line) => line(kernel));
      const own = await observe(kernel, program(kernel, written, fill));
      const flagged = await observe(
        other,
        program(
          other,
          written.map((line) => merged(kernel, line)),
          fill,
        ),
      );
      found.push({ name, kernel, own, flagged });
    }
    // And the ordinary send, with the switch and without.
    const ordinary = [`sqe send fd=A buf=b len=${SIZE} ud=1`];
    const [before, after] = [kernel, other].map((one) => observe(one, program(one, ordinary, false)));
    plain.push(showCqes(await before) === showCqes(await after));
  }
  const isSame = ({ own, flagged }: Finding) => showCqes(own) === showCqes(flagged);
  notes.table(
    `Sends of ${SIZE} bytes, by the opcode of its own and by SEND with a flag:`,
    ["kernel", "request", "opcode of its own", "merged_opcode", "same"],
    found.map((one) => [
      one.kernel.name,
      one.name,
      showCqes(one.own),
      isSame(one) ? "=" : showCqes(one.flagged),
      isSame(one) ? "yes" : "no",
    ]),
  );
  expect(plain.every(Boolean), "an ordinary SEND is what it was");
  const different = found.filter((one) => !isSame(one));
  expect(different.length * 2 < found.length, "most requests are answered alike");
  const where = different.map(
    ({ kernel, name, own, flagged }) => `${name} in ${kernel.name}: ${showCqes(own)} or ${showCqes(flagged)}`,
  );
  return (
    `${different.length === 0 ? "Nothing" : "Little"} that a program sees: ${counted(found.length - different.length, "request")} of ${found.length} got the same CQEs either way` +
    `${different.length === 0 ? "" : ` (not ${list(where)})`}, and an ordinary SEND is not changed; what it decides is whether zero-copy sends have an opcode number of their own.`
  );
});
