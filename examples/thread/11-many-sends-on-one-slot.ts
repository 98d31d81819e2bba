// What do slots amortise?
//
// Begunkov's first reason for them: many sends share one notification, so its cost and that of its CQE are paid once. The
// same datagrams are sent with a flush after each, after some, and after the last; and by the kernels that came, which know
// no sharing. The other side of it is counted, too: nobody is told about the first buffer before the last is done.
import { MEASURED } from "ringzero";
import { ring, sendZc } from "./dialect.ts";
import { type Design, design, isNotification, notificationsMade, observe, type Observed, times } from "./lab.ts";
import { counted, expect, experiment, list } from "./report.ts";

const SENDS = 32;
const SIZE = 1000;

interface Case {
  name: string;
  kernel: Design;
  flushEvery: number;
}

const CASES: readonly Case[] = [
  ...[1, 8, SENDS].map((flushEvery) => ({
    name: `rc3 flushing every ${flushEvery}`,
    kernel: design("rc3"),
    flushEvery,
  })),
  ...["6.0", "6.18"].map((profile) => ({ name: profile, kernel: design(profile), flushEvery: 1 })),
];

/** UDP: no skb is shared between datagrams, so what is left is the price of telling. */
const program = ({ kernel, flushEvery }: Case) => `
${ring(kernel)}
pair A B udp nic
buf b ${SIZE}
${times(SENDS, (ud) => sendZc(kernel, { ud, flush: ud % flushEvery === 0 }))}
submit
settle 20
`;

/** From the first CQE until the first buffer is known to be free. */
function firstFree_us({ posted, design: kernel }: Observed): number {
  const notification = posted.find((one) => isNotification(kernel, one));
  expect(notification !== undefined, "a notification");
  return notification.at_us - posted[0].at_us;
}

export default experiment("What is saved when many sends share one notification?", async (notes) => {
  const found: { one: Case; seen: Observed; made: number; cost: number }[] = [];
  for (const one of CASES) {
    const seen = await observe(one.kernel, program(one));
    expect(seen.payloads.length === SENDS, "every datagram goes out");
    const made = notificationsMade(seen);
    const { notification, cqe } = MEASURED.constants;
    found.push({ one, seen, made, cost: (made * notification + seen.cqes.length * cqe) / SENDS });
  }
  notes.table(
    `${SENDS} datagrams of ${SIZE} bytes over a NIC; CPU of notifications and CQEs for each, by the model:`,
    ["design", "notifications", "CQEs", "CPU (model)", "first buffer known free"],
    found.map(({ one, seen, made, cost }) => [
      one.name,
      made,
      seen.cqes.length,
      `${Math.round(cost)} ns`,
      `${firstFree_us(seen).toFixed(1)} us`,
    ]),
  );
  const most = found.reduce((a, b) => (a.cost >= b.cost ? a : b));
  const least = found.reduce((a, b) => (a.cost <= b.cost ? a : b));
  const perRequest = found.filter(({ made }) => made === SENDS);
  expect(least.made < most.made, "some design shares notifications");
  return (
    `${counted(least.made, "notification")} told of all ${SENDS} sends in ${least.seen.cqes.length} CQEs (${least.one.name}), where ` +
    `${list(perRequest.map(({ one }) => one.name))} need ${most.made} in ${most.seen.cqes.length}: ${Math.round(most.cost - least.cost)} ns a send, says the model; ` +
    `the price is that the first buffer is known to be free ${(firstFree_us(least.seen) - firstFree_us(most.seen)).toFixed(1)} us later.`
  );
});
