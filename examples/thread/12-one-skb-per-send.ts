// Does one notification for each send force one skb for each send?
//
// The reason given for slots: without them TCP would have to begin a new skb with each send. Small sends on one TCP
// stream, in designs that give them one notification together, one each, and one each that may share an skb.
import { type Design, design, notificationsMade, observe, type Observed, skbsOf, times } from "./lab.ts";
import { ring, sendZc } from "./dialect.ts";
import { expect, experiment, list } from "./report.ts";

const SENDS = 16;

interface Case {
  name: string;
  kernel: Design;
  /** Sends of one slot that share a notification; 1 is a notification for each. */
  perNotification: number;
}

const each = (profile: string): Case => ({ name: `${profile}, one each`, kernel: design(profile), perNotification: 1 });
const CASES: readonly Case[] = [
  { name: "rc3, one for all", kernel: design("rc3"), perNotification: SENDS },
  each("rc3"),
  each("6.0"),
  each("6.9"),
  each("6.10"),
  each("6.18"),
];

const program = ({ kernel, perNotification }: Case, size: number) => `
${ring(kernel)}
pair A B tcp nic sndbuf=4000000 rcvbuf=4000000 nodelay=0
buf b ${SENDS * size}
${times(SENDS, (ud) => sendZc(kernel, { ud, buf: `b+${(ud - 1) * size}`, len: size, flush: ud % perNotification === 0 }))}
submit
settle 50
`;

/** As an application would have sent it without zero copy. */
const plain = (kernel: Design, size: number) => `
${ring(kernel)}
pair A B tcp nic sndbuf=4000000 rcvbuf=4000000 nodelay=0
buf b ${SENDS * size}
${times(SENDS, (ud) => `sqe send fd=A buf=b+${(ud - 1) * size} len=${size} ud=${ud}`)}
submit
settle 50
`;

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

const SMALL = 100;
const SIZES = [SMALL, 400, 1448, 4000, 16_000] as const;

export default experiment("Does one notification for each send force one skb for each send?", async (notes) => {
  const found: { one: Case; seen: Observed }[] = [];
  for (const one of CASES) found.push({ one, seen: await observe(one.kernel, program(one, SMALL)) });
  const copying = await observe(design("6.18"), plain(design("6.18"), SMALL));
  const packets = (seen: Observed) => seen.payloads.length;
  notes.table(
    `${SENDS} sends of ${SMALL} bytes in one batch on one TCP stream:`,
    ["design", "notifications", "skbs", "packets", "CQEs"],
    [
      ...found.map(({ one, seen }) => [
        one.name,
        notificationsMade(seen),
        skbsOf(seen),
        packets(seen),
        seen.cqes.length,
      ]),
      ["6.18, plain SEND", 0, "-", packets(copying), copying.cqes.length],
    ],
  );

  const bySize: (readonly (string | number)[])[] = [];
  for (const size of SIZES) {
    const row: (string | number)[] = [size];
    for (const one of CASES) {
      const seen = await observe(one.kernel, program(one, size));
      expect(sum(seen.payloads) === SENDS * size, `${one.name}: all of ${size} bytes goes out each time`);
      row.push(skbsOf(seen));
    }
    bySize.push(row);
  }
  notes.table("Skbs for the same number of sends, by their size:", ["bytes", ...CASES.map(({ name }) => name)], bySize);

  const forced = found.filter(({ seen }) => skbsOf(seen) >= SENDS);
  const together = found.filter(({ seen }) => notificationsMade(seen) < SENDS);
  const shared = found.filter(({ seen }) => notificationsMade(seen) >= SENDS && skbsOf(seen) < SENDS);
  expect(
    forced.length > 0 && forced.length + shared.length + together.length === found.length,
    "each design shares skbs or does not",
  );
  const names = (some: typeof found) => list(some.map(({ one }) => one.kernel.name));
  const figures = (some: typeof found) => {
    const skbs = [...new Set(some.map(({ seen }) => skbsOf(seen)))];
    const sent = [...new Set(some.map(({ seen }) => packets(seen)))];
    return `${list(skbs)} skbs and ${list(sent)} packets`;
  };
  return (
    `In ${names(forced)} it does: ${SENDS} sends with a notification each took ${figures(forced)}, and with one for all of them, as slots allow, ${figures(together)}; ` +
    `but it does not follow from the interface, for in ${names(shared)} ${SENDS} notifications shared ${figures(shared)}.`
  );
});
