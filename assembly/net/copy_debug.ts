// The administrator's question: why was this zero-copy send copied? With the switch copy_debug each notification (or MSG_ZEROCOPY
// record) says so in a trace event of its own, once for each reason. Without it nothing but the switch is looked at.
//
// Spec: notif-slots.md 6 (h).
import { SW_COPY_DEBUG } from "../abi/profile";
import { TR_COPY_DEBUG, TRACE_COPY } from "../abi/trace";
import { switchOn } from "../lib/profile";
import { trace } from "../lib/trace";
import { UbufInfo } from "./ubuf_info";

/** `bytes` of what `uarg` stands for were copied (0: how many is not known here), because of COPY_* `why`. */
@inline export function copyDebug(uarg: UbufInfo, bytes: u32, why: u32): void {
  if (switchOn(SW_COPY_DEBUG)) tell(uarg, bytes, why);
}

function tell(uarg: UbufInfo, bytes: u32, why: u32): void {
  const bit = (1 as u32) << why;
  if (uarg.told & bit) return;
  uarg.told |= bit;
  trace(TRACE_COPY, TR_COPY_DEBUG, changetype<usize>(uarg), uarg.user_data, bytes, why);
}
