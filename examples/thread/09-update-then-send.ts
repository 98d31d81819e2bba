// What do a linked update and send with flush do?
//
// The pair that Metzmacher wants to submit: an update that sets the tag, and behind it in the same chain a send that flushes,
// so that its notification carries the tag. Begunkov: the slot is empty until the send comes, so the update finds nothing.
// The pair runs in every version of the slots and with each of the proposed updates.
import { ring, sendZc, TAG, update } from "./dialect.ts";
import { type Design, design, notificationsMade, notificationsOf, observe, resultOf, showCqes } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";

const NEW = 777;

const DESIGNS = [
  ...["rfc3", "rc1", "rc2", "rc3", "aug16"].map((profile) => design(profile)),
  design("rc3", { upd_tag_first: 1 }),
  design("rc3", { upd_tag_always: 1 }),
  design("rc3", { upd_alloc_empty: 1 }),
  design("rc3", { upd_alloc_empty: 1, upd_alloc_tag: "after" }),
];

const UPDATE = 9;
const SEND = 1;
const SLOTS = 4;

const program = (kernel: Design, slot: number) => `
${ring(kernel, SLOTS)}
pair A B unixdgram
buf b 100
${update(UPDATE, slot, { tag: NEW, flags: "IO_LINK" })}
${sendZc(kernel, { ud: SEND })}
submit
reap
`;

export default experiment("What do a linked update and send with flush do, in each variant?", async (notes) => {
  const found: { kernel: Design; cqes: string; tags: number[]; made: number; isFirst: boolean }[] = [];
  const cancelled: Design[] = [];
  for (const kernel of DESIGNS) {
    const seen = await observe(kernel, program(kernel, 0));
    const notifications = notificationsOf(seen);
    expect(resultOf(seen, UPDATE)?.res === 0 && resultOf(seen, SEND)?.res === 100, `${kernel.name}: both succeed`);
    const isFirst = seen.cqes.indexOf(notifications[0]) < seen.cqes.findIndex(({ ud }) => ud === SEND);
    found.push({
      kernel,
      cqes: showCqes(seen),
      tags: notifications.map(({ ud }) => ud),
      made: notificationsMade(seen),
      isFirst,
    });
    const beyond = await observe(kernel, program(kernel, SLOTS));
    const results = [UPDATE, SEND].map((ud) => resultOf(beyond, ud)?.res ?? 0);
    if (results.every((res) => res < 0) && notificationsMade(beyond) === 0) cancelled.push(kernel);
  }
  notes.table(
    `An update of slot 0 to tag ${NEW} (${UPDATE}), linked to a send of 100 bytes with flush (${SEND}); its tag was ${TAG}:`,
    ["design", "CQEs: user_data, res, flags (in the slot era a sequence number)"],
    found.map(({ kernel, cqes }) => [kernel.name, cqes]),
  );
  // The send's notification is the last that was allocated, whatever order they are posted in.
  const old = found.filter(({ tags }) => !tags.includes(NEW));
  const once = found.filter(({ tags, made }) => made === 1 && tags[0] === NEW);
  const twice = found.filter(({ made }) => made > 1);
  const early = found.filter(({ isFirst, made }) => isFirst && made === 1);
  expect(old.length + once.length + twice.length === found.length, "each design does one of three things");
  const names = (some: typeof found) => list(some.map(({ kernel }) => kernel.name));
  return (
    `Both succeed everywhere, but in ${names(old)} the send's notification comes with the old tag; ${names(once)} give it the new one, and with ` +
    `${names(twice)} there is a second notification, of the update alone; ${names(early)} post the notification before the send's own CQE, ` +
    `and an update that fails cancels the send in ${cancelled.length === found.length ? "all of them" : list(cancelled.map(({ name }) => name))}.`
  );
});
