// Is the tag lost when an update meets an empty slot?
//
// An update gives a slot up and may bring a new tag. Metzmacher read in the code that a slot without a notification is
// passed over before the tag is looked at, and proposed two other orders. Each is asked in four situations which tags the
// notifications carry that follow.
import { ring, sendZc, TAG, update } from "./dialect.ts";
import { type Design, design, notificationsOf, observe, type Observed } from "./lab.ts";
import { expect, experiment, list } from "./report.ts";

const NEW = 777;

const DESIGNS = [
  ...["rfc3", "rc1", "rc2", "rc3", "aug16"].map((profile) => design(profile)),
  design("rc3", { upd_tag_first: 1 }),
  design("rc3", { upd_tag_always: 1 }),
  design("rc3", { upd_alloc_empty: 1 }),
  design("rc3", { upd_alloc_empty: 1, upd_alloc_tag: "after" }),
];

/** A transport that takes no hold of a notification, so that each is posted when it is flushed. */
const begin = (kernel: Design) => `
${ring(kernel)}
pair A B unixdgram
buf b 100`;
const after = (...steps: string[]) => [...steps, "submit", "reap"].join("\n");

const SITUATIONS = [
  {
    name: "slot never used",
    steps: (kernel: Design) => [update(9, 0, { tag: NEW }), sendZc(kernel, { ud: 1 })],
  },
  {
    name: "slot already flushed",
    steps: (kernel: Design) => [sendZc(kernel, { ud: 1 }), update(9, 0, { tag: NEW }), sendZc(kernel, { ud: 2 })],
  },
  {
    name: "slot in use",
    steps: (kernel: Design) => [
      sendZc(kernel, { ud: 1, flush: false }),
      update(9, 0, { tag: NEW }),
      sendZc(kernel, { ud: 2 }),
    ],
  },
  {
    name: "tag back to 0",
    steps: (kernel: Design) => [update(9, 0, { tag: 0 }), sendZc(kernel, { ud: 1 })],
  },
] as const;

/** user_data of the notifications, in the order of their sequence numbers. */
const tagsOf = (seen: Observed): number[] =>
  [...notificationsOf(seen)].sort((a, b) => a.flags + a.res - b.flags - b.res).map(({ ud }) => ud);

export default experiment("Is the tag lost when an update meets an empty slot?", async (notes) => {
  const found: { kernel: Design; tags: number[][] }[] = [];
  for (const kernel of DESIGNS) {
    const tags: number[][] = [];
    for (const { steps } of SITUATIONS) {
      // One request at a time: what is asked for is what each leaves behind.
      const seen = await observe(kernel, [begin(kernel), ...steps(kernel).map((step) => after(step))].join("\n"));
      expect(
        seen.cqes.every(({ res }) => res >= 0),
        `${kernel.name}: every request succeeds`,
      );
      tags.push(tagsOf(seen));
    }
    found.push({ kernel, tags });
  }
  notes.table(
    `Slots with tag ${TAG}, an update to ${NEW}: the tags of all notifications, oldest first:`,
    ["design", ...SITUATIONS.map(({ name }) => name)],
    found.map(({ kernel, tags }) => [kernel.name, ...tags.map((some) => some.join(" "))]),
  );
  const last = (tags: number[]) => tags[tags.length - 1];
  const isLost = ({ tags }: (typeof found)[number]) => last(tags[0]) !== NEW && last(tags[1]) !== NEW;
  const lost = found.filter(isLost);
  const kept = found.filter((one) => !isLost(one));
  const extra = found.filter(({ tags }) => tags[0].length > 1);
  const zero = found.filter(({ tags }) => last(tags[3]) === 0);
  expect(
    found.every(({ tags }) => last(tags[2]) === NEW),
    "a slot in use keeps the tag in every design",
  );
  const names = (some: typeof found) => list(some.map(({ kernel }) => kernel.name));
  return (
    `Yes in ${names(lost)}, whose next notification still had ${list([...new Set(lost.map(({ tags }) => last(tags[0])))])}; no with ${names(kept)}` +
    `${extra.length > 0 ? `, where ${names(extra)} ${extra.length === 1 ? "pays" : "pay"} with ${extra[0].tags[0].length - 1} notification for nothing sent` : ""}; ` +
    `and only ${names(zero)} can set a tag back to 0, but then every update without a tag does.`
  );
});
