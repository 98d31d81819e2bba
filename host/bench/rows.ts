// The rows of the table by name. Names and order are those of host/kernel/bench.ts, which measures the same on Linux.
import type { Machine } from "../machine.ts";
import { nops, nopsTs, programs, ringLives } from "./rings.ts";
import { type SendKind, tcpSends, udpSends } from "./sends.ts";
import type { Workload } from "./workload.ts";

export type MakeWorkload = (machine: Machine) => Workload;

const UDP_SIZES = [600, 1500, 4000, 16384, 65507];

function udpRow(name: string, kind: SendKind, length: number): [string, MakeWorkload] {
  return [`${name}-${length}-ifb`, (machine) => udpSends(machine, kind, length)];
}

export const ROWS: ReadonlyMap<string, MakeWorkload> = new Map<string, MakeWorkload>([
  ["nop-1", (machine) => nops(machine, 1)],
  ["nop-32", (machine) => nops(machine, 32)],
  ["nop-256", (machine) => nops(machine, 256)],
  ["nop-256-ts", (machine) => nopsTs(machine, 256)],
  ["setup-close", (machine) => ringLives(machine, 8)],
  ["program-8-unix", (machine) => programs(machine)],
  ...UDP_SIZES.map((length) => udpRow("udp-send", "send", length)),
  ...UDP_SIZES.map((length) => udpRow("udp-send-zc", "zc", length)),
  ...UDP_SIZES.map((length) => udpRow("udp-send-zc-fixed", "zc-fixed", length)),
  ["tcp-send-16384-lo", (machine) => tcpSends(machine, "send", 16384)],
  ["tcp-send-zc-16384-lo", (machine) => tcpSends(machine, "zc", 16384)],
]);
