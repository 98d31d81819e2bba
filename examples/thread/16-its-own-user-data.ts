// Should the second CQE have a user_data of its own?
//
// With two CQEs for a send Metzmacher wants a name for each, so that an application finds its stream by the one and its buffer
// by the other. A good send, one to a descriptor that is not open, and one without the second name, in the slot era
// (where the tag is such a name), in the releases, with the proposal, and in the release that took it up.
import { ring, sendZc } from "./dialect.ts";
import {
  type Design,
  design,
  isNotification,
  isSlotEra,
  notificationsOf,
  observe,
  type Observed,
  showCqes,
} from "./lab.ts";
import { expect, experiment, list } from "./report.ts";

const STREAM = 1;
const BUFFER = 101;

const DESIGNS = [
  design("rc3"),
  design("aug16"),
  design("6.0"),
  design("6.18"),
  design("6.0", { two_cqe_sep_ud: 1 }),
  design("6.18", { two_cqe_sep_ud: 1 }),
  design("7.1"),
];

const CASES = [
  { name: "a send", fd: "A", named: true },
  { name: "a bad descriptor", fd: "99", named: true },
  { name: "no second name", fd: "A", named: false },
] as const;

/** The slot era has the name in the slot; the others would have it in addr3. */
const program = (kernel: Design, { fd, named }: (typeof CASES)[number]) => `
${ring(kernel)}
pair A B udp nic
buf b 1000
${sendZc(kernel, { ud: STREAM, fd })}${named && !isSlotEra(kernel) ? ` addr3=${BUFFER}` : ""}
submit
settle 5
`;

/** Whether user_data alone says which of the two a CQE is. */
function isTold({ cqes, design: kernel }: Observed): boolean {
  const first = cqes.find((one) => !isNotification(kernel, one));
  const second = cqes.find((one) => isNotification(kernel, one));
  return first !== undefined && first.res >= 0 && second !== undefined && first.ud !== second.ud;
}

export default experiment("What does a user_data of its own for the second CQE give?", async (notes) => {
  const found: { kernel: Design; all: Observed[] }[] = [];
  for (const kernel of DESIGNS) {
    const all: Observed[] = [];
    for (const one of CASES) all.push(await observe(kernel, program(kernel, one)));
    found.push({ kernel, all });
  }
  notes.table(
    `A send named ${STREAM}, whose notification is to be named ${BUFFER} (in the slot era, by the slot's tag):`,
    ["design", ...CASES.map(({ name }) => name)],
    found.map(({ kernel, all }) => [kernel.name, ...all.map(showCqes)]),
  );
  const told = found.filter(({ all }) => isTold(all[0]));
  const refused = found.filter(({ all }) => all[0].cqes.every(({ res }) => res < 0));
  expect(told.length + refused.length === found.length, "the second name is taken or refused");
  expect(
    refused.every(({ all }) => new Set(all[2].cqes.map(({ ud }) => ud)).size === 1 && all[2].cqes.length === 2),
    "where the field is refused, both CQEs have one name",
  );
  const inOrder = found.every(({ kernel, all }) =>
    all.every(({ cqes }) => cqes.length < 2 || (!isNotification(kernel, cqes[0]) && isNotification(kernel, cqes[1]))),
  );
  expect(inOrder, "the notification always comes second");
  // A failed send of the slot era posts one CQE; with a notification for each request there are two.
  const always = told.filter(({ all }) => notificationsOf(all[1]).length === 1);
  const names = (some: typeof found) => list(some.map(({ kernel }) => kernel.name));
  return (
    `Two names, in this order: in ${names(told)} user_data alone says which of the two CQEs one is, and ${names(always)} name the second one even after a failure; ` +
    `${names(refused)} refuse the field, and give both CQEs one name that only F_NOTIF tells apart.`
  );
});
