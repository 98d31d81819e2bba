import { IovIter, iterUbuf } from "../../../assembly/mm/iov_iter";
import { CTX_SIZE, PAGE_SIZE } from "../../../assembly/abi/layout";
import { CNT_NOTIFS_LIVE, CNT_REQS_LIVE } from "../../../assembly/abi/counters";
import { EEXIST } from "../../../assembly/abi/errno";
import { AF_INET, SOCK_STREAM } from "../../../assembly/abi/socket";
import { COPY_LOCAL_DELIVERY, REF_ACKED } from "../../../assembly/abi/trace";
import {
  CQE_OFF_FLAGS, CQE_OFF_RES, IORING_CQE_F_NOTIF, IORING_NOTIF_USAGE_ZC_COPIED, IORING_SETUP_DEFER_TASKRUN, RING_OFF_CQES, RING_OFF_CQ_TAIL,
} from "../../../assembly/abi/uapi";
import { POOL_CTX, poolAlloc } from "../../../assembly/lib/pool";
import { vmMap } from "../../../assembly/mm/vma";
import { current, taskCreate } from "../../../assembly/kernel/task";
import { SKB_HEADROOM, SkBuff, allocSkb, kfreeSkb, skbCopyUbufs, skbZcopySet } from "../../../assembly/net/skbuff";
import { Sock, skAlloc } from "../../../assembly/net/sock";
import { UbufInfo } from "../../../assembly/net/ubuf_info";
import { skbZerocopyIterStream } from "../../../assembly/net/zerocopy";
import { allocNotif, notifFlush } from "../../../assembly/io_uring/notif";
import { runLocalWork } from "../../../assembly/io_uring/tw";
import { Req, RingCtx, reqUarg } from "../../../assembly/io_uring/types";
import { counter, newOwner, reset, userPages } from "../support";

const CQ_ENTRIES: u32 = 16;
const COPIED: u32 = IORING_NOTIF_USAGE_ZC_COPIED;
const IT: usize = 0x14800;

let ctx: RingCtx = changetype<RingCtx>(0);
let sk: Sock = changetype<Sock>(0);
let bytes: usize = 0;

function ring(): RingCtx {
  const r = changetype<RingCtx>(poolAlloc(POOL_CTX));
  memory.fill(changetype<usize>(r), 0, CTX_SIZE);
  r.flags = IORING_SETUP_DEFER_TASKRUN;
  r.refs = 1;
  r.task = current();
  r.rings = vmMap(PAGE_SIZE, 3) as usize;
  r.cq_entries = CQ_ENTRIES;
  r.cqe_shift = 4;
  return r;
}

/** The notification of a request whose own CQE is posted already; `report` as with REPORT_USAGE. */
function notif(user_data: u64, report: bool = true, r: RingCtx = ctx): Req {
  const n = allocNotif(r, user_data);
  n.zc_report = report ? 1 : 0;
  n.nd_main_posted = 1;
  return n;
}
function uarg(n: Req): UbufInfo { return reqUarg(n); }
function refs(n: Req): u32 { return reqUarg(n).refcnt; }

/** The request appends 100 bytes to the skb and ends, as an issue does: bytes added, or -errno. */
function send(n: Req, skb: SkBuff): i32 {
  const it = changetype<IovIter>(IT);
  iterUbuf(it, bytes as u64, 100);
  bytes += 100;
  const ret = skbZerocopyIterStream(sk, skb, it, 100, uarg(n), false);
  return ret;
}

function newSkb(): SkBuff { return allocSkb(SKB_HEADROOM, 0); }
function posted(): u32 { return load<u32>(ctx.rings, RING_OFF_CQ_TAIL); }
/** The user_data of the CQEs so far: 132 means 1, then 3, then 2. */
function order(): u64 {
  let digits: u64 = 0;
  for (let i: u32 = 0; i < posted(); i++) digits = digits * 10 + load<u64>(ctx.rings + RING_OFF_CQES + (i << 4));
  return digits;
}
function res(i: u32): u32 { return load<u32>(ctx.rings + RING_OFF_CQES + (i << 4), CQE_OFF_RES); }
function flags(i: u32): u32 { return load<u32>(ctx.rings + RING_OFF_CQES + (i << 4), CQE_OFF_FLAGS); }
function work(): void { runLocalWork(ctx, u32.MAX_VALUE); }

describe("io_uring/notif", () => {
  beforeEach(() => {
    reset();
    ctx = ring();
    sk = skAlloc(AF_INET, SOCK_STREAM, 6, 0);
    bytes = userPages(4);
  });

  it("the last reference queues task work, and only task work posts the CQE", () => {
    const n = notif(1), skb = newSkb();
    expect(refs(n)).toBe(1);
    expect(send(n, skb)).toBe(100);
    expect(refs(n)).toBe(2);
    notifFlush(n);
    kfreeSkb(skb, REF_ACKED);
    expect(ctx.work_count).toBe(1);
    expect(posted()).toBe(0);
    work();
    expect(order()).toBe(1);
    expect(flags(0)).toBe(IORING_CQE_F_NOTIF);
    expect(counter(CNT_NOTIFS_LIVE)).toBe(0);
    expect(counter(CNT_REQS_LIVE)).toBe(0);
    expect(ctx.nr_req_allocated).toBe(0);
  });

  it("it does not matter whether the request or the skb lets go first", () => {
    const n = notif(1), skb = newSkb();
    send(n, skb);
    kfreeSkb(skb, REF_ACKED);
    expect(ctx.work_count).toBe(0);
    notifFlush(n);
    work();
    expect(order()).toBe(1);
    expect(res(0)).toBe(0);
  });

  it("a notification waits for the last of several skbs", () => {
    const n = notif(1), first = newSkb(), second = newSkb();
    send(n, first);
    send(n, second);
    expect(refs(n)).toBe(3);
    notifFlush(n);
    kfreeSkb(second, REF_ACKED);
    work();
    expect(posted()).toBe(0);
    kfreeSkb(first, REF_ACKED);
    work();
    expect(order()).toBe(1);
  });

  it("a reference too few stops the machine", () => {
    expect(() => {
      const n = notif(1);
      notifFlush(n);
      notifFlush(n);
    }).toThrow();
  });

  it("usage: never attached counts as copied, used does not, one copy is enough", () => {
    const never = notif(1), used = notif(2), both = notif(3);
    notifFlush(never);
    const a = newSkb(), b = newSkb(), c = newSkb();
    send(used, a);
    notifFlush(used);
    kfreeSkb(a, REF_ACKED);
    send(both, b);
    send(both, c);
    notifFlush(both);
    skbCopyUbufs(b, COPY_LOCAL_DELIVERY);
    kfreeSkb(b, REF_ACKED);
    kfreeSkb(c, REF_ACKED);
    work();
    expect(order()).toBe(123);
    expect(res(0)).toBe(COPIED);
    expect(res(1)).toBe(0);
    expect(res(2)).toBe(COPIED);
  });

  it("usage is reported only to who asked for it", () => {
    const n = notif(1, false), skb = newSkb();
    send(n, skb);
    skbCopyUbufs(skb, COPY_LOCAL_DELIVERY);
    notifFlush(n);
    kfreeSkb(skb, REF_ACKED);
    work();
    expect(order()).toBe(1);
    expect(res(0)).toBe(0);
  });

  it("appending twice to one skb takes one reference", () => {
    const n = notif(1), skb = newSkb();
    send(n, skb);
    expect(send(n, skb)).toBe(100);
    expect(refs(n)).toBe(2);
    expect(changetype<usize>(n.nd_next)).toBe(0, "nobody is chained to himself");
  });

  it("a second request on the same skb holds the first, which holds the skb", () => {
    const first = notif(1), second = notif(2), skb = newSkb();
    send(first, skb);
    notifFlush(first);
    expect(send(second, skb)).toBe(100);
    expect(refs(first)).toBe(2, "the skb and the second");
    expect(refs(second)).toBe(1, "its request's own");
    notifFlush(second);
    expect(refs(first)).toBe(1);
    work();
    expect(posted()).toBe(0, "the second is done, but completes with its head");
    kfreeSkb(skb, REF_ACKED);
    work();
    expect(order()).toBe(12);
  });

  it("five on one skb complete as head, last, ..., second", () => {
    const skb = newSkb();
    for (let i: u64 = 1; i <= 5; i++) {
      const n = notif(i);
      expect(send(n, skb)).toBe(100);
      notifFlush(n);
    }
    kfreeSkb(skb, REF_ACKED);
    expect(ctx.work_count).toBe(1, "one item for the chain");
    work();
    expect(order()).toBe(15432);
  });

  it("who is only chained reports copied even when nothing was: no skb names it", () => {
    const skb = newSkb();
    for (let i: u64 = 1; i <= 3; i++) {
      const n = notif(i, i != 3);
      send(n, skb);
      notifFlush(n);
    }
    kfreeSkb(skb, REF_ACKED);
    work();
    expect(order()).toBe(132);
    expect(res(0)).toBe(0);
    expect(res(1)).toBe(0, "3 did not ask");
    expect(res(2)).toBe(COPIED);
  });

  it("a chained one with an skb of its own reports that one, still behind its head", () => {
    const first = notif(1), second = notif(2), shared = newSkb(), own = newSkb();
    send(first, shared);
    notifFlush(first);
    send(second, shared);
    send(second, own);
    notifFlush(second);
    kfreeSkb(shared, REF_ACKED);
    work();
    expect(posted()).toBe(0);
    kfreeSkb(own, REF_ACKED);
    work();
    expect(order()).toBe(12);
    expect(res(1)).toBe(0);
  });

  it("EEXIST: a notification is in one chain only", () => {
    const first = notif(1), second = notif(2), a = newSkb(), b = newSkb();
    send(first, a);
    send(second, b);
    send(notif(3), b);
    expect(send(second, a)).toBe(-EEXIST, "it heads a chain");
    const third = notif(4);
    send(third, a);
    expect(send(third, b)).toBe(-EEXIST, "it belongs to one");
    expect(refs(third)).toBe(1);
  });

  it("EEXIST: the skb belongs to another kind of owner", () => {
    const skb = newSkb(), n = notif(1);
    skbZcopySet(skb, newOwner(0), REF_ACKED);
    expect(send(n, skb)).toBe(-EEXIST);
    expect(refs(n)).toBe(1);
    expect(skb.len).toBe(0);
  });

  it("EEXIST: another ring", () => {
    const skb = newSkb(), other = notif(2, true, ring());
    send(notif(1), skb);
    expect(send(other, skb)).toBe(-EEXIST);
    expect(refs(other)).toBe(1);
  });

  it("EEXIST: another task", () => {
    const skb = newSkb(), n = notif(2);
    send(notif(1), skb);
    n.task = taskCreate(2);
    expect(send(n, skb)).toBe(-EEXIST);
  });

  it("a notification that would be posted before its request's own CQE stops the machine", () => {
    expect(() => {
      const n = notif(1);
      n.nd_main_posted = 0;
      notifFlush(n);
      work();
    }).toThrow();
  });
});
