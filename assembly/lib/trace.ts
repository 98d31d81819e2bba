// Writing side of the trace ring (layout and event ids in abi/trace.ts). A record costs eight stores; a masked-out event
// one load and a branch. The oldest records are overwritten.
import { TRACE_BASE, TRACE_CAPACITY, TRACE_HDR_BASE } from "../abi/layout";
import { TRACE_HDR_CAPACITY, TRACE_HDR_HEAD, TRACE_HDR_MASK, TRACE_HDR_RECORDS } from "../abi/trace";
import { S_NOW, S_TRACE_CTX, S_TRACE_MASK } from "./state";

export function traceInit(): void {
  store<u32>(TRACE_HDR_BASE + TRACE_HDR_CAPACITY, TRACE_CAPACITY);
  store<u32>(TRACE_HDR_BASE + TRACE_HDR_HEAD, 0);
  store<u32>(TRACE_HDR_BASE + TRACE_HDR_MASK, 0);
  store<u32>(TRACE_HDR_BASE + TRACE_HDR_RECORDS, TRACE_BASE);
}

export function traceEnable(mask: u32): void {
  store<u32>(S_TRACE_MASK, mask);
  store<u32>(TRACE_HDR_BASE + TRACE_HDR_MASK, mask);
}

@inline export function traceOn(mask: u32): bool { return (load<u32>(S_TRACE_MASK) & mask) != 0; }

/** Records `event` if its class `mask` is on. */
@inline export function trace(mask: u32, event: u32, object: usize, a: u64, b: u32, c: u32): void {
  if (load<u32>(S_TRACE_MASK) & mask) traceRecord(event, object, a, b, c);
}

function traceRecord(event: u32, object: usize, a: u64, b: u32, c: u32): void {
  const head = load<u32>(TRACE_HDR_BASE + TRACE_HDR_HEAD);
  const r: usize = TRACE_BASE + ((head & (TRACE_CAPACITY - 1)) << 5);
  store<u64>(r, load<u64>(S_NOW));
  store<u32>(r, event | (load<u32>(S_TRACE_CTX) << 24), 8);
  store<u32>(r, object as u32, 12);
  store<u64>(r, a, 16);
  store<u32>(r, b, 24);
  store<u32>(r, c, 28);
  store<u32>(TRACE_HDR_BASE + TRACE_HDR_HEAD, head + 1);
}
