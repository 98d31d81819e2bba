// Which of the variants is best for Samba?
//
// The server answers with a header below 250 bytes and up to 8 MiB of a file. If the storage can splice: SEND of the
// header, SPLICE of the rest. Otherwise header and payload in one SENDMSG_ZC, or in a plain SENDMSG as before. With
// encryption on, the payload is made anew in a bounce buffer. Each way really runs, over a NIC and over lo; what can be
// counted is counted, and a cost model weighs the counts. The model ranks, it predicts no hardware.
import {
  copiedBytes,
  cost_ns,
  findDesign,
  findWorkload,
  MEASURED,
  type Run,
  runWorkload,
  type Variant,
} from "ringzero";
import { expect, experiment, list } from "./report.ts";

const MIB = 1024 * 1024;
const SIZE = 8 * MIB;
/** As in the measurements that the model's constants come from. */
const SNDBUF = 4 * MIB;
type Device = "nic" | "lo";
const DEVICES: readonly Device[] = ["nic", "lo"];

interface Way {
  name: string;
  design: string;
  variant: Variant;
}

const ZERO_COPY = "6.18";
const PLAIN = "send";
const SPLICE: Way = { name: "SEND, SPLICE", design: PLAIN, variant: "splice" };
const ZC: Way = { name: "SENDMSG_ZC", design: ZERO_COPY, variant: "zc" };
/** What there was in the thread's week: no zero-copy SENDMSG, so the header goes by itself. */
const PARTS: Way = { name: "SEND, SENDZC (rc3)", design: "rc3", variant: "zc" };
/** What he asked for in that week: the message of two parts, in a slot. */
const IN_SLOT: Way = { name: "SENDMSGZC (rc3)", design: "sendmsg_zc", variant: "zc" };
const COPY: Way = { name: "SENDMSG", design: PLAIN, variant: "copy" };
const READ: Way = { name: "READ, SENDMSG", design: PLAIN, variant: "read" };
const BOUNCE_ZC: Way = { name: "bounce, SENDMSG_ZC", design: ZERO_COPY, variant: "bounce" };
const BOUNCE_COPY: Way = { name: "bounce, SENDMSG", design: PLAIN, variant: "bounce" };
const WAYS = [SPLICE, PARTS, IN_SLOT, ZC, COPY, READ, BOUNCE_ZC, BOUNCE_COPY];

/** What the server is given, and which ways that leaves. SENDMSG_ZC of a file is from a mapping of it. */
const SITUATIONS: readonly { name: string; ways: readonly Way[] }[] = [
  { name: "a file that can be spliced", ways: [SPLICE, PARTS, IN_SLOT, ZC, COPY, READ] },
  { name: "a payload in memory", ways: [PARTS, IN_SLOT, ZC, COPY] },
  { name: "an encrypted connection", ways: [BOUNCE_ZC, BOUNCE_COPY] },
];

async function send({ design, variant }: Way, device: Device): Promise<Run> {
  const samba = findWorkload("samba");
  const way = findDesign(design);
  expect(samba !== undefined && way !== undefined, "the workload and the designs of `ringzero compare`");
  return runWorkload({ ...samba, device, sizes: [SIZE], sndbuf: SNDBUF }, way, variant);
}

const us = (ns: number) => Math.round(ns / 1000);
const MB = (bytes: number) => (bytes / MIB).toFixed(2);

export default experiment(
  "Which variant is best for Samba, with and without splice, encryption, and a NIC?",
  async (notes) => {
    const runs = new Map<string, Run>();
    const runOf = ({ name }: Way, device: Device): Run => runs.get(`${name} ${device}`) as Run;
    for (const device of DEVICES) {
      for (const way of WAYS) runs.set(`${way.name} ${device}`, await send(way, device));
      notes.table(
        `${device}: a header of 250 bytes and ${SIZE / MIB} MiB, in MiB and virtual us; the model's CPU us are no prediction:`,
        ["way", "SQEs", "CQEs", "copied", "next may go", "buffer free", "pinned", "CPU (model)"],
        WAYS.map((way) => {
          const { counts, orderSafe, free } = runOf(way, device);
          return [
            way.name,
            counts.requests,
            counts.cqes,
            MB(copiedBytes(counts)),
            us(orderSafe.worst),
            free === undefined ? "never told" : us(free.worst),
            MB(counts.peakPinned),
            us(cost_ns(counts, MEASURED)),
          ];
        }),
      );
    }
    const costOf = (way: Way, device: Device) => cost_ns(runOf(way, device).counts, MEASURED);
    const best = (ways: readonly Way[], device: Device) =>
      ways.reduce((least, way) => (costOf(way, device) < costOf(least, device) ? way : least));
    notes.table(
      "The least CPU time, by the model:",
      ["situation", ...DEVICES],
      SITUATIONS.map(({ name, ways }) => [name, ...DEVICES.map((device) => best(ways, device).name)]),
    );
    const winners = (device: Device) =>
      list(SITUATIONS.map(({ name, ways }) => `${best(ways, device).name} for ${name}`));
    const zc = runOf(ZC, "nic");
    const splice = runOf(SPLICE, "nic");
    expect(zc.free !== undefined && splice.free === undefined, "notifications with zero copy and none with splice");
    return (
      `By the model, a NIC is best used by ${winners("nic")}, and lo by ${winners("lo")}; on the NIC zero copy saves ` +
      `${MB(copiedBytes(runOf(COPY, "nic").counts) - copiedBytes(zc.counts))} MiB of copies and keeps the buffer ${us(zc.free.worst - zc.orderSafe.worst)} us longer than ` +
      `the next send has to wait, while splicing takes ${splice.counts.requests} requests and never says when the file may change.`
    );
  },
);
