// ubuf_info: who lent the pages of a zero-copy skb, and how to tell them that the stack let go.
//
// It is embedded at the start of its owner's object (an io_uring notification, or a MSG_ZEROCOPY record). One reference
// belongs to the request, one to each skb data area that carries it. The net layer never knows the owner: it calls the
// two functions below through the table indices stored here.
//
// Spec: send-zc.md 3.1 (types), 3.2 (reference ledger), 2.7 (linking).
import { BUG_REF_FROM_ZERO } from "../abi/bug";
import { TR_UBUF_GET, TRACE_ZC } from "../abi/trace";
import { bugOn } from "../lib/bug";
import { trace } from "../lib/trace";

export const SKBFL_ZEROCOPY_ENABLE: u32 = 1; // the skb carries a ubuf_info
export const SKBFL_SHARED_FRAG: u32 = 2; // frags belong to somebody else: nobody writes them in place
export const SKBFL_PURE_ZEROCOPY: u32 = 4; // only zero-copy data: payload not charged to forward-alloc memory
export const SKBFL_DONT_ORPHAN: u32 = 8; // clone and forward keep the user's pages; only local delivery copies
export const SKBFL_MANAGED_FRAG_REFS: u32 = 16; // frags have no page references of their own
export const SKBFL_ZEROCOPY_FRAG: u32 = 3;
export const SKBFL_ALL_ZEROCOPY: u32 = 31;

@unmanaged @final export class UbufInfo {
  pad: u32; // free link while pooled
  complete: u32; // table index of (skb, uarg, success: u32, reason: u32) => void: drops one reference
  link_skb: u32; // table index of (skb, uarg) => i32, 0 = none
  refcnt: u32;
  flags: u32; // SKBFL_* given to every skb that carries it
  told: u32; // reasons of a copy (1 << COPY_*) that copy_debug has told
  user_data: u64; // for traces
}
export const UBUF_SIZE: usize = 32;
if (offsetof<UbufInfo>() != UBUF_SIZE) ERROR("UbufInfo must be 32 bytes");

@inline export function netZcopyGet(uarg: UbufInfo, reason: u32): void {
  bugOn(uarg.refcnt == 0, BUG_REF_FROM_ZERO, changetype<usize>(uarg));
  uarg.refcnt++;
  trace(TRACE_ZC, TR_UBUF_GET, changetype<usize>(uarg), uarg.user_data, uarg.refcnt, reason);
}
