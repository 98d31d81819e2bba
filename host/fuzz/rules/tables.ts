// The tables of a ring: sparse and tagged ones, updates, clones, slots that requests fill.
import {
  IORING_OP_FILES_UPDATE,
  IORING_OP_FIXED_FD_INSTALL,
  IORING_REGISTER_BUFFERS2,
  IORING_REGISTER_CLONE_BUFFERS,
  IORING_REGISTER_FILES2,
} from "../../../assembly/abi/uapi.ts";
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";

/** struct io_uring_rsrc_register: u32 nr, flags; u64 resv2, data, tags. */
function registerStruct(draft: Draft, count: number, flags: string, data: string, tags: string): string {
  return draft.struct(32, [`0 u32 ${count} ${flags}`, `16 u64 ${data} ${tags}`]);
}

/** An iovec array over buffers of the program, some of them empty. */
function vectors(draft: Draft, names: readonly (string | undefined)[]): string {
  const words = names.map((name) => {
    if (name === undefined) return "0 0";
    const { size } = draft.bufs.find((buf) => buf.name === name)!;
    return `&${name} ${size}`;
  });
  return draft.struct(16 * names.length, [`0 u64 ${words.join(" ")}`]);
}

function tagWords(draft: Draft, count: number): string {
  if (!draft.dice.once(2)) return "0";
  const values = Array.from({ length: count }, (_, index) => (draft.dice.once(3) ? 0 : 9000 + index));
  return `&${draft.struct(8 * count, [`0 u64 ${values.join(" ")}`])}`;
}

function writeBuffers2(draft: Draft): void {
  const { dice, ring } = draft;
  const count = dice.between(1, 4);
  const sparse = dice.once(3);
  const names = Array.from({ length: count }, () => (sparse || dice.once(5) ? undefined : draft.buf().name));
  const data = sparse ? "0" : `&${vectors(draft, names)}`;
  const reg = registerStruct(draft, count, sparse ? "RSRC_REGISTER_SPARSE" : "0", data, tagWords(draft, count));
  draft.line(`reg REGISTER_BUFFERS2 &${reg} 32`);
  if (ring.regBufs.length === 0) ring.regBufs = names;
}

/** struct io_uring_rsrc_update2: u32 offset, resv; u64 data, tags; u32 nr, resv2. */
function updateStruct(draft: Draft, at: number, data: string, tags: string, count: number): string {
  return draft.struct(32, [`0 u32 ${at}`, `8 u64 ${data} ${tags}`, `24 u32 ${count}`]);
}

function writeBuffersUpdate(draft: Draft): void {
  const { dice, ring } = draft;
  const count = dice.between(1, 2);
  const at = dice.below(Math.max(1, ring.regBufs.length) + (dice.once(6) ? 2 : 0));
  const names = Array.from({ length: count }, () => (dice.once(4) ? undefined : draft.buf().name));
  if (!dice.once(3)) draft.flush();
  const update = updateStruct(draft, at, `&${vectors(draft, names)}`, tagWords(draft, count), count);
  draft.line(`reg REGISTER_BUFFERS_UPDATE &${update} 32`);
  names.forEach((name, index) => {
    if (at + index < ring.regBufs.length) ring.regBufs[at + index] = name;
  });
}

function fileTable(draft: Draft, names: readonly string[]): string {
  const words = names.map((name) => (name.startsWith("-") ? name : `@${name}`));
  return draft.struct(4 * names.length, [`0 i32 ${words.join(" ")}`]);
}

function someFiles(draft: Draft, count: number): string[] {
  const { dice } = draft;
  return Array.from({ length: count }, () => (dice.once(5) ? dice.pick(["-1", "-1", "-2"]) : (draft.anyFd() ?? "-1")));
}

function writeFiles2(draft: Draft): void {
  const { dice, ring } = draft;
  const count = dice.between(1, 4);
  const sparse = dice.once(3);
  const names = sparse ? Array.from({ length: count }, () => "-1") : someFiles(draft, count);
  const data = sparse ? "0" : `&${fileTable(draft, names)}`;
  const reg = registerStruct(draft, count, sparse ? "RSRC_REGISTER_SPARSE" : "0", data, tagWords(draft, count));
  draft.line(`reg REGISTER_FILES2 &${reg} 32`);
  if (ring.regFiles.length === 0) ring.regFiles = names;
}

function writeFilesUpdate(draft: Draft): void {
  const { dice, ring } = draft;
  const count = dice.between(1, 2);
  const at = dice.below(Math.max(1, ring.regFiles.length) + (dice.once(6) ? 2 : 0));
  const names = someFiles(draft, count);
  const table = fileTable(draft, names);
  if (dice.once(2))
    draft.sqe("files_update", [`addr=&${table}`, `len=${count}`, `off=${dice.once(5) ? "FILE_INDEX_ALLOC" : at}`]);
  else
    draft.line(`reg REGISTER_FILES_UPDATE2 &${updateStruct(draft, at, `&${table}`, tagWords(draft, count), count)} 32`);
  names.forEach((name, index) => {
    if (at + index < ring.regFiles.length) ring.regFiles[at + index] = name;
  });
}

function writeUnregisterFiles(draft: Draft): void {
  if (draft.dice.once(2)) draft.flush();
  draft.line("reg UNREGISTER_FILES 0 0");
  draft.ring.regFiles = [];
}

/** struct io_uring_clone_buffers: u32 src_fd, flags, src_off, dst_off, nr, pad[3]. */
function writeClone(draft: Draft): void {
  const { dice } = draft;
  const others = draft.rings.filter((ring) => ring !== draft.ring);
  const from = dice.pick(dice.once(10) || others.length === 0 ? draft.rings : others);
  const flags = dice.weighted([
    ["0", 5],
    ["REGISTER_DST_REPLACE", 2],
    ["8", 0.3],
  ]);
  const range = dice.once(2) ? [0, 0, 0] : [dice.below(3), dice.below(3), dice.between(0, 3)];
  const clone = draft.struct(32, [`0 u32 @${from.fd} ${flags} ${range.join(" ")}`]);
  draft.line(`reg REGISTER_CLONE_BUFFERS &${clone} 1`);
  if (draft.ring.regBufs.length === 0) draft.ring.regBufs = [...from.regBufs];
}

/** A direct descriptor becomes a plain one. */
function writeInstall(draft: Draft): void {
  const { dice, ring } = draft;
  const slot = dice.below(Math.max(1, ring.regFiles.length) + (dice.once(6) ? 1 : 0));
  draft.sqe("fixed_fd_install", [
    `fd=${slot}`,
    "flags=FIXED_FILE",
    dice.once(4) ? `mf=${dice.pick(["FIXED_FD_NO_CLOEXEC", "0x80"])}` : "",
  ]);
}

/** close of a table's slot. */
function writeCloseSlot(draft: Draft): void {
  draft.sqe("close", [`file_index=${draft.dice.between(1, draft.ring.regFiles.length + 1)}`]);
}

const hasFiles = (draft: Draft) => draft.ring.regFiles.length > 0 || draft.dice.once(15);
const hasBuffers = (draft: Draft) => draft.ring.regBufs.length > 0 || draft.dice.once(15);

export const TABLE_RULES: readonly Rule[] = [
  { name: "buffers2", area: "rsrc", weight: 1, registers: [IORING_REGISTER_BUFFERS2], write: writeBuffers2 },
  {
    name: "buffers update",
    area: "rsrc",
    weight: 2,
    registers: [IORING_REGISTER_BUFFERS2],
    when: hasBuffers,
    write: writeBuffersUpdate,
  },
  { name: "files2", area: "rsrc", weight: 1, registers: [IORING_REGISTER_FILES2], write: writeFiles2 },
  {
    name: "files update",
    area: "rsrc",
    weight: 2,
    ops: [IORING_OP_FILES_UPDATE],
    when: hasFiles,
    write: writeFilesUpdate,
  },
  {
    name: "unregister files",
    area: "rsrc",
    weight: 1,
    registers: [IORING_REGISTER_FILES2],
    when: hasFiles,
    write: writeUnregisterFiles,
  },
  { name: "clone buffers", area: "rsrc", weight: 1, registers: [IORING_REGISTER_CLONE_BUFFERS], write: writeClone },
  {
    name: "fixed_fd_install",
    area: "rsrc",
    weight: 1,
    ops: [IORING_OP_FIXED_FD_INSTALL],
    when: hasFiles,
    write: writeInstall,
  },
  { name: "close slot", area: "rsrc", weight: 1, ops: [IORING_OP_FILES_UPDATE], when: hasFiles, write: writeCloseSlot },
];
