// CPU time per operation on this machine's own kernel, by the row names of the benchmark table.
//
// UDP rows send to an IFB device with MTU 65535 that drops what it is given, so a row costs the send
// path and nothing behind it, and a datagram of any size is one packet. Rings are created with
// DEFER_TASKRUN; zero-copy rows wait for the notifications of each batch of 32.

import { join } from "node:path";
import { compile, type KernelNet } from "./harness.ts";

const UDP_SIZES = [600, 1500, 4000, 16384, 65507];

const ROWS: ReadonlyMap<string, readonly string[]> = new Map([
  ["nop-1", ["mode=nop", "batch=1"]],
  ["nop-32", ["mode=nop", "batch=32"]],
  ["nop-256", ["mode=nop", "batch=256"]],
  ["nop-256-ts", ["mode=nop", "batch=256"]],
  ["setup-close", ["mode=setup", "batch=8", "mmap=0"]],
  ["program-8-unix", ["mode=fuzz", "pair=unix", "zc=1"]],
  ...UDP_SIZES.map((len) => udpRow("udp-send", len, "mode=send")),
  ...UDP_SIZES.map((len) => udpRow("udp-send-zc", len, "mode=sendzc")),
  ...UDP_SIZES.map((len) => udpRow("udp-send-zc-fixed", len, "mode=sendzc", "fixed=1")),
  ["tcp-send-16384-lo", ["mode=send", "kind=tcp", "dev=lo", "len=16384"]],
  ["tcp-send-zc-16384-lo", ["mode=sendzc", "kind=tcp", "dev=lo", "len=16384"]],
]);

function udpRow(name: string, len: number, ...args: string[]): [string, string[]] {
  return [`${name}-${len}-ifb`, [...args, "kind=udp", "dev=ifbjumbo", `len=${len}`]];
}

/** The rows that measure() knows, in the order of the table. */
export const KERNEL_BENCH_ROWS: readonly string[] = [...ROWS.keys()];

export interface KernelMeasurement {
  /** CPU time per operation, user and system, of the measuring process. */
  ns: number;
  /** Operations per second of wall time. */
  perSecond: number;
  /** Share of the notifications that reported a copy; only rows that send with zero-copy. */
  copied?: number;
}

interface BenchLine {
  ops: number;
  ops_s: number;
  cpu_ns_op: number;
  copied?: number;
  errors?: number;
  last_error?: number;
}

export class KernelBench {
  private readonly net: KernelNet;
  private readonly program: string;

  constructor(net: KernelNet) {
    this.net = net;
    this.program = compile(join(net.folder, "zcbench.c"), "zcbench");
  }

  /** Blocks for about `seconds`. */
  measure(row: string, seconds: number): KernelMeasurement {
    const args = ROWS.get(row);
    if (!args) throw new Error(`no benchmark row is named ${row}`);
    const timeout_ms = seconds * 1000 + 20_000;
    const child = this.net.spawn(this.program, [...args, `t=${seconds}`], timeout_ms);
    if (child.status !== 0)
      throw new Error(`${row}: ${child.stderr.trim() || `zcbench ended with ${child.status ?? child.signal}`}`);
    const line = JSON.parse(child.stdout) as BenchLine;
    if (line.errors)
      throw new Error(`${row}: ${line.errors} of ${line.ops} requests failed, last with ${line.last_error}`);
    const measurement: KernelMeasurement = { ns: line.cpu_ns_op, perSecond: line.ops_s };
    if (args.includes("mode=sendzc")) measurement.copied = line.copied;
    return measurement;
  }
}
