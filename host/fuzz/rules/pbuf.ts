// Provided buffers: groups filled by requests or by a ring of entries, and who takes from them.
import {
  IORING_OP_PROVIDE_BUFFERS,
  IORING_OP_RECV,
  IORING_OP_RECVMSG,
  IORING_OP_REMOVE_BUFFERS,
  IORING_OP_SEND,
  IORING_REGISTER_PBUF_RING,
} from "../../../assembly/abi/uapi.ts";
import type { Draft, Group } from "../draft.ts";
import type { Rule } from "../rule.ts";

/** Bytes that buffers of all groups are cut from. */
const POOL = "pool";
const POOL_SIZE = 16384;

function pool(draft: Draft): string {
  if (!draft.lines.some((line) => line.startsWith(`buf ${POOL} `))) draft.line(`buf ${POOL} ${POOL_SIZE} 9`);
  return POOL;
}

function groupOf(draft: Draft, legacy?: boolean): Group | undefined {
  const groups = draft.ring.groups.filter(({ ring }) => legacy === undefined || (ring === undefined) === legacy);
  return groups.length > 0 ? draft.dice.pick(groups) : undefined;
}

function writeProvide(draft: Draft): void {
  const { dice } = draft;
  const from = pool(draft);
  const known = groupOf(draft, true);
  const id = known === undefined || dice.once(4) ? dice.between(1, 3) : known.id;
  const count = dice.between(1, 4);
  const size = dice.pick([1, 10, 100, 1000, 4000]);
  draft.sqe("provide_buffers", [
    `fd=${dice.once(15) ? dice.pick([0, 70000]) : count}`,
    `buf=${from}+${dice.below(4) * 100}`,
    `len=${size}`,
    `off=${dice.below(6)}`,
    `bgid=${id}`,
  ]);
  if (!draft.ring.groups.some((group) => group.id === id))
    draft.ring.groups.push({ id, ring: undefined, entries: 0, tail: 0 });
  if (dice.once(2)) draft.submit();
}

function writeRemove(draft: Draft): void {
  const { dice } = draft;
  draft.sqe("remove_buffers", [`fd=${dice.between(0, 4)}`, `bgid=${groupOf(draft)?.id ?? 9}`]);
}

function writeRegisterRing(draft: Draft): void {
  const { dice } = draft;
  const id = dice.between(1, 5);
  const entries = dice.weighted([
    [4, 3],
    [8, 3],
    [1, 1],
    [6, 0.3],
  ]);
  const memory = draft.fresh("br");
  draft.line(`buf ${memory} 4096 0`);
  draft.line(`poke ${memory} 0 4096 0`);
  const flags = dice.weighted([
    ["0", 4],
    ["IOU_PBUF_RING_INC", 2],
    ["0x80", 0.2],
  ]);
  const reg = draft.struct(40, [`0 u64 &${memory}`, `8 u32 ${entries}`, `12 u16 ${id} ${flags}`]);
  draft.line(`reg REGISTER_PBUF_RING &${reg} 1`);
  if (!draft.ring.groups.some((group) => group.id === id)) {
    const group = { id, ring: memory, entries, tail: 0 };
    draft.ring.groups.push(group);
    publish(draft, group);
  }
}

/** Entries of 16 bytes: u64 address, u32 length, u16 id. The tail is the last u16 of the first one. */
function publish(draft: Draft, group: Group): void {
  const { dice } = draft;
  const from = pool(draft);
  const count = dice.between(1, Math.min(4, group.entries));
  const size = dice.pick([1, 20, 100, 1000, 4096]);
  for (let added = 0; added < count; added++) {
    const at = (group.tail % group.entries) * 16;
    draft.line(`put ${group.ring} ${at} u64 &${from}+${dice.below(12) * 1000}`);
    draft.line(`put ${group.ring} ${at + 8} u32 ${size}`);
    draft.line(`put ${group.ring} ${at + 12} u16 ${group.tail % 100}`);
    group.tail++;
  }
  draft.line(`put ${group.ring} 14 u16 ${group.tail}`);
}

function writePublish(draft: Draft): void {
  const group = groupOf(draft, false);
  if (group !== undefined) publish(draft, group);
}

function writeUnregisterRing(draft: Draft): void {
  const group = groupOf(draft, false);
  const reg = draft.struct(40, [`12 u16 ${group?.id ?? 77}`]);
  draft.line(`reg UNREGISTER_PBUF_RING &${reg} 1`);
}

function writeSelect(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock(({ near }) => !near || dice.once(5));
  if (sock === undefined) return;
  const id = groupOf(draft)?.id ?? 1;
  const many = dice.once(2);
  const ioprio = [many ? "RECV_MULTISHOT" : "", dice.once(4) ? "BUNDLE" : "", dice.once(8) ? "POLL_FIRST" : ""].filter(
    (flag) => flag !== "",
  );
  const words = [`fd=${sock.name}`, `bgid=${id}`, "flags=BUFFER_SELECT"];
  if (ioprio.length > 0) words.push(`ioprio=${ioprio.join("|")}`);
  if (!many ? dice.once(2) : dice.once(10)) words.push(`len=${dice.pick([1, 10, 100, 5000])}`);
  if (dice.once(8)) words.push(`mf=${dice.pick(["MSG_DONTWAIT", "MSG_WAITALL", "MSG_PEEK", "MSG_TRUNC"])}`);
  if (dice.once(20)) words.push("buf=r");
  if (many && dice.once(4)) words.push(`optlen=${dice.pick([1, 100, 1000])}`);
  draft.sqe("recv", words, { stays: true });
}

function writeSelectMsg(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock(({ near }) => !near || dice.once(5));
  if (sock === undefined) return;
  const name = draft.fresh("m");
  draft.line(`msg ${name} iov=r:0:${dice.pick([0, 10, 1000])}${dice.once(3) ? " control=40" : ""}`);
  const words = [`fd=${sock.name}`, `msg=${name}`, `bgid=${groupOf(draft)?.id ?? 1}`, "flags=BUFFER_SELECT"];
  if (dice.once(2)) words.push("ioprio=RECV_MULTISHOT");
  draft.sqe("recvmsg", words, { stays: true });
}

function writeSendSelect(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock(({ near }) => near);
  if (sock === undefined) return;
  const words = [`fd=${sock.name}`, `bgid=${groupOf(draft)?.id ?? 1}`, "flags=BUFFER_SELECT"];
  if (dice.once(2)) words.push("ioprio=BUNDLE");
  if (dice.once(3)) words.push(`len=${dice.pick([1, 150, 5000])}`);
  draft.sqe("send", words);
}

/** What a receive left in the buffers. */
function writeHash(draft: Draft): void {
  draft.flush();
  draft.line(`hash ${pool(draft)}`);
}

const hasSocks = (draft: Draft) => draft.openSocks().length > 0;
const hasGroups = (draft: Draft) => draft.ring.groups.length > 0;
const hasRings = (draft: Draft) => draft.ring.groups.some(({ ring }) => ring !== undefined);
const ready = (draft: Draft) => hasSocks(draft) && (hasGroups(draft) || draft.dice.once(20));

export const PBUF_RULES: readonly Rule[] = [
  { name: "provide_buffers", area: "pbuf", weight: 3, ops: [IORING_OP_PROVIDE_BUFFERS], write: writeProvide },
  {
    name: "remove_buffers",
    area: "pbuf",
    weight: 1,
    ops: [IORING_OP_REMOVE_BUFFERS],
    when: hasGroups,
    write: writeRemove,
  },
  {
    name: "register pbuf ring",
    area: "pbuf",
    weight: 2,
    registers: [IORING_REGISTER_PBUF_RING],
    when: (draft) => draft.ring.groups.length < 4,
    write: writeRegisterRing,
  },
  { name: "publish", area: "pbuf", weight: 2, when: hasRings, write: writePublish },
  { name: "unregister pbuf ring", area: "pbuf", weight: 0.3, when: hasRings, write: writeUnregisterRing },
  {
    name: "recv select",
    area: "pbuf",
    weight: 5,
    ops: [IORING_OP_RECV, IORING_OP_PROVIDE_BUFFERS],
    when: ready,
    write: writeSelect,
  },
  {
    name: "recvmsg select",
    area: "pbuf",
    weight: 1,
    ops: [IORING_OP_RECVMSG, IORING_OP_PROVIDE_BUFFERS],
    when: ready,
    write: writeSelectMsg,
  },
  {
    name: "send select",
    area: "pbuf",
    weight: 2,
    ops: [IORING_OP_SEND, IORING_OP_PROVIDE_BUFFERS],
    when: ready,
    write: writeSendSelect,
  },
  { name: "hash pool", area: "pbuf", weight: 1, when: hasGroups, write: writeHash },
];
