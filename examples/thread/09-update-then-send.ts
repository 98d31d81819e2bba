// What do a linked update and send with flush do?
//
// The pair that Metzmacher wants to submit: an update that sets the tag, and behind it in the same chain a send that flushes,
// so that its notification carries the tag. Begunkov: the slot is empty until the send comes, so the update finds nothing.
// The pair runs in every version of the slots and with each of the proposed updates.
import type { SwitchValues } from "ringzero";
import { ring, sendZc, TAG, update } from "./dialect.ts";
import { type Design, design, notificationsMade, notificationsOf, observe, resultOf, showCqes } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";

const NEW = 777;

const KERNELS = ["rfc3", "rc1", "rc2", "rc3", "aug16"] as const;
const VARIANTS: readonly { name: string; switches?: SwitchValues }[] = [
  { name: "base" },
  { name: "tag first", switches: { upd_tag_first: 1 } },
  { name: "tag always", switches: { upd_tag_always: 1 } },
  { name: "fill empty, tag before", switches: { upd_alloc_empty: 1 } },
  { name: "fill empty, tag after", switches: { upd_alloc_empty: 1, upd_alloc_tag: "after" } },
];

const UPDATE = 9;
const SEND = 1;
const SLOTS = 4;
const SIZE = 100;

const program = (kernel: Design, slot: number) => `
${ring(kernel, SLOTS)}
pair A B unixdgram
buf b ${SIZE}
${update(UPDATE, slot, { tag: NEW, flags: "IO_LINK" })}
${sendZc(kernel, { ud: SEND })}
submit
reap
`;

interface Finding {
  kernel: Design;
  variant: string;
  cqes: string;
  /** user_data of the notifications, as they were posted. */
  tags: number[];
  made: number;
  /** The notification was posted before the CQE of the send that it is about. */
  isFirst: boolean;
  /** With an update that fails: neither request succeeds, and no notification is made. */
  isCancelled: boolean;
}

async function run(kernel: Design, variant: string): Promise<Finding> {
  const seen = await observe(kernel, program(kernel, 0));
  const notifications = notificationsOf(seen);
  expect(resultOf(seen, UPDATE)?.res === 0 && resultOf(seen, SEND)?.res === SIZE, `${kernel.name}: both succeed`);
  const beyond = await observe(kernel, program(kernel, SLOTS));
  const results = [UPDATE, SEND].map((ud) => resultOf(beyond, ud)?.res ?? 0);
  return {
    kernel,
    variant,
    cqes: showCqes(seen),
    tags: notifications.map(({ ud }) => ud),
    made: notificationsMade(seen),
    isFirst: seen.cqes.indexOf(notifications[notifications.length - 1]) < seen.cqes.findIndex(({ ud }) => ud === SEND),
    isCancelled: results.every((res) => res < 0) && notificationsMade(beyond) === 0,
  };
}

export default experiment("What do a linked update and send with flush do, in each variant?", async (notes) => {
  const found: Finding[] = [];
  for (const { name, switches } of VARIANTS)
    for (const profile of KERNELS) found.push(await run(design(profile, switches), name));
  // Kernels that answer alike in one line.
  const alike = new Map<string, Finding[]>();
  for (const one of found) {
    const key = `${one.variant} ${one.cqes}`;
    alike.set(key, [...(alike.get(key) ?? []), one]);
  }
  notes.table(
    `An update of slot 0 to tag ${NEW} (${UPDATE}), linked to a send with flush (${SEND}); its tag was ${TAG}:`,
    ["variant", "kernels", "CQEs: user_data, res, flags (a sequence number; in aug16 that is res)"],
    [...alike.values()].map((some) => [
      some[0].variant,
      some.map(({ kernel }) => kernel.profile).join(" "),
      some[0].cqes,
    ]),
  );
  /** The variants of which all kernels do the same, and what that is. */
  const variantsWhere = (holds: (one: Finding) => boolean) =>
    VARIANTS.map(({ name }) => name).filter((name) => found.filter(({ variant }) => variant === name).every(holds));
  const old = variantsWhere(({ tags, made }) => made === 1 && tags[0] === TAG);
  const once = variantsWhere(({ tags, made }) => made === 1 && tags[0] === NEW);
  const twice = variantsWhere(({ made }) => made === 2);
  expect(old.length + once.length + twice.length === VARIANTS.length, "each variant does one of three things");
  const early = KERNELS.filter((profile) => found.some(({ kernel, isFirst }) => kernel.profile === profile && isFirst));
  expect(
    found.every(({ isCancelled }) => isCancelled),
    "an update that fails cancels the send",
  );
  return (
    `Both succeed in all ${found.length} designs; the send's notification has the old tag with ${list(old)}, the new one with ${list(once)}, and with ${list(twice)} there is a ` +
    `second notification, of the update alone; in ${list(early)} a send's notification comes before its own CQE, and an update that fails cancels the send.`
  );
});
