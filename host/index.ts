/// <reference lib="esnext.disposable" preserve="true" />
// The library: a machine, its system calls, rings, programs and traces. Runs wherever Wasm does; nothing in here needs
// Node (host/cli/node.ts adds what does).
export * as counters from "../assembly/abi/counters.ts";
export * as notifSlots from "../assembly/abi/notif_slots.ts";
export * as libc from "../assembly/abi/socket.ts";
export * as trace from "../assembly/abi/trace.ts";
export * as uapi from "../assembly/abi/uapi.ts";
export { type Calibration, calibrate } from "./compare/calibration.ts";
export { type Comparison, compare, type Row as ComparisonRow } from "./compare/compare.ts";
export { cost_ns, MEASURED, NOT_A_PREDICTION } from "./compare/cost_model.ts";
export type { Design as CompareDesign } from "./compare/design.ts";
export { findDesign } from "./compare/designs/index.ts";
export { copiedBytes, type Counts } from "./compare/meter.ts";
export { type Run, runWorkload } from "./compare/run.ts";
export { findWorkload, type Variant, WORKLOADS, type Workload } from "./compare/workloads.ts";
export { errnoName, SyscallError } from "./core/errno.ts";
export type { CoreExports, CoreImports } from "./core/exports.ts";
export { type Core, CorePanic, instantiateCore, type NicImport } from "./core/load.ts";
export { CoreMemory } from "./core/memory.ts";
export { CORE_FILES, type CoreBuild, type CoreSource, coreModule, setCoreSource } from "./core/source.ts";
export { explainProgram } from "./explain/explain.ts";
export { renderExplanation } from "./explain/render.ts";
export type { Explanation } from "./explain/shape.ts";
export * as liburing from "./liburing/index.ts";
export { type Cqe, Ring } from "./liburing/ring.ts";
export type { RingOptions } from "./liburing/setup.ts";
export { Machine, type MachineOptions, type NewNic } from "./machine.ts";
export type { NicControl, NicKnobs } from "./net/nic_control.ts";
export { DEVICE_PEERS, type DeviceName, StandardNetwork } from "./net/standard.ts";
export { type NicOptions, type NicStats, SimNic } from "./nic/device.ts";
export type { Fate, FaultOptions } from "./nic/fault.ts";
export { Flows } from "./nic/flows.ts";
export * as frames from "./nic/frame.ts";
export { NicPair } from "./nic/pair.ts";
export { PcapWriter } from "./nic/pcap.ts";
export { type Datagram, Sink, SinkConnection, type SinkOptions } from "./nic/sink.ts";
export { type Clock, type Port, type Tap, Wire, type WireEnd, type WireFrame, type WireOptions } from "./nic/wire.ts";
export { type Changes, describeChanges, describeProfile, type Item } from "./profile/describe.ts";
export {
  DEFAULT_PROFILE,
  PROFILES,
  type Profile,
  SWITCHES,
  type Switch,
  type SwitchValues,
} from "./profile/profiles.ts";
export { describeEvent, formatEvent, type ProgramEvent } from "./program/events.ts";
export type { Outcome, RunResult } from "./program/outcome.ts";
export { parseProgram } from "./program/parse.ts";
export { type RunOptions, runProgram } from "./program/run.ts";
export type { Program, Step } from "./program/steps.ts";
export { ProgramSyntaxError } from "./program/words.ts";
export { Sys } from "./sys/sys.ts";
export { formatIp, parseIp, UserMemory } from "./sys/user_memory.ts";
export { formatRecord, TraceReader, type TraceRecord } from "./trace/decode.ts";
export { hashTrace, TraceHash } from "./trace/hash.ts";
export { renderTimeline, Timeline } from "./trace/timeline.ts";
export { type Watched, watchProgram } from "./trace/watch.ts";
