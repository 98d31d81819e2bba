// Resource nodes before 6.13: a ring has one current node. Whoever uses a registered buffer or file, and every notification of
// the slot era, holds the node that was current when it took it. What is taken out of a table is hung on the current node, and
// another one becomes current. Nodes retire in order: a resource goes, and its tag is posted, when its node and all older ones
// have no holder any more. So one notification in flight delays the release of everything that is removed later, and
// unregistering, which needs the whole table idle, waits (6.13 made each resource a node of its own: rsrc_node.ts).
//
// Spec: notif-slots.md 2.8; send-zc.md 5, 7.
import { BUG_RSRC_NODE } from "../abi/bug";
import { ENOMEM, ENOTMODELLED, EWAITFOREVER } from "../abi/errno";
import { WAIT_REPORT_BASE } from "../abi/layout";
import { IORING_SETUP_DEFER_TASKRUN } from "../abi/uapi";
import { B_RSRC_QUIESCE } from "../abi/profile";
import { WAIT_EVENTS, WAIT_FD, WAIT_HAVE, WAIT_KIND, WAIT_NOTIFS, WAIT_REQS, WAIT_RSRC, WAIT_SIZE, WAIT_WANTED } from "../abi/wait";
import { bugOn } from "../lib/bug";
import { notModelledPending } from "../lib/not_modelled";
import { POOL_NODE, poolFree } from "../lib/pool";
import { has } from "../lib/profile";
import { nil, nowNs } from "../lib/state";
import { timersPending } from "../lib/timer";
import { FOREVER, SLEEP_NEVER, WAIT_HORIZON, WAIT_STEPS, sleepStep } from "../kernel/sched";
import { current } from "../kernel/task";
import { RsrcNode, nodeGet, nodeNew, nodePut, nodeRelease } from "./rsrc_node";
import { runAllLocalWork, runTaskWork } from "./tw";
import { RingCtx } from "./types";

@inline function currentNode(ctx: RingCtx): RsrcNode { return changetype<RsrcNode>(ctx.rsrc_node); }
@inline function oldest(ctx: RingCtx): RsrcNode { return changetype<RsrcNode>(ctx.rsrc_first); }

/** A new ring's first node, in the profiles that have them; false when out of memory. */
export function rsrcInit(ctx: RingCtx): bool {
  if (!has(B_RSRC_QUIESCE)) return true;
  const node = newCurrent(ctx);
  return changetype<usize>(node) != 0;
}

function newCurrent(ctx: RingCtx): RsrcNode {
  const node = nodeNew(ctx); // its reference is the ring's: it cannot retire while it is current
  if (!node) return node;
  node.round = ++ctx.rsrc_round;
  ctx.rsrc_node = changetype<usize>(node);
  return node;
}

/** The ring's current node with one more reference, which nodePut() gives back; 0 in profiles without such nodes. */
@inline export function rsrcNodeHold(ctx: RingCtx): usize {
  if (ctx.rsrc_node) nodeGet(currentNode(ctx));
  return ctx.rsrc_node;
}
@inline export function rsrcNodeDrop(node: usize): void { if (node) nodePut(node); }

/** What a user of the resource `node` holds: the ring's current node, or (6.13 and later) the resource itself. */
@inline export function resourceHold(ctx: RingCtx, node: RsrcNode): usize {
  if (ctx.rsrc_node) return rsrcNodeHold(ctx);
  nodeGet(node);
  return changetype<usize>(node);
}

/** A resource was taken out of its table, whose reference goes: now, or with the current node and all before it. */
export function resourceRemove(node: RsrcNode): void {
  const ctx = node.ctx, now = currentNode(ctx);
  if (!now) {
    nodePut(changetype<usize>(node));
    return;
  }
  if (now.items) now.last_item.next = node;
  else now.items = node;
  now.last_item = node;
  node.next = nil<RsrcNode>();
  rsrcSwitch(ctx); // without memory for another node the resource waits for the next switch
}

/** The current node joins those that are to retire, another one becomes current. */
function rsrcSwitch(ctx: RingCtx): bool {
  const old = currentNode(ctx);
  if (!newCurrent(ctx)) return false;
  old.next = nil<RsrcNode>();
  if (ctx.rsrc_first) changetype<RsrcNode>(ctx.rsrc_last).next = old;
  else ctx.rsrc_first = changetype<usize>(old);
  ctx.rsrc_last = changetype<usize>(old);
  if (--old.refs == 0) rsrcRetire(ctx);
  return true;
}

/** A node lost its last reference: it goes, and those behind it that only waited for it, unless an older one has holders. */
export function rsrcRetire(ctx: RingCtx): void {
  for (let node = oldest(ctx); node && !node.refs; node = oldest(ctx)) {
    ctx.rsrc_first = changetype<usize>(node.next);
    releaseItems(node);
    poolFree(POOL_NODE, changetype<usize>(node));
  }
}

function releaseItems(node: RsrcNode): void {
  let item = node.items;
  while (item) {
    const next = item.next;
    nodeRelease(item);
    item = next;
  }
}

/** The ring ends: nobody holds anything any more. */
export function rsrcDestroy(ctx: RingCtx): void {
  const node = currentNode(ctx);
  if (!node) return;
  bugOn(ctx.rsrc_first != 0 || node.refs != 1, BUG_RSRC_NODE, changetype<usize>(ctx), node.refs);
  releaseItems(node);
  poolFree(POOL_NODE, changetype<usize>(node));
  ctx.rsrc_node = 0;
}

@inline function idle(ctx: RingCtx, round: u32): bool { return !ctx.rsrc_first || ((oldest(ctx).round - round) as i32) > 0; }

/**
 * Waits until every node up to now has retired, with the ring usable meanwhile. At once in profiles without such nodes. 0,
 * -ENOMEM, -EWAITFOREVER, -ENOTMODELLED.
 */
export function rsrcQuiesce(ctx: RingCtx): i32 {
  if (!ctx.rsrc_node || ctx.dying) return 0;
  const round = currentNode(ctx).round, horizon = nowNs() + WAIT_HORIZON;
  if (!rsrcSwitch(ctx)) return -ENOMEM;
  for (let events: u32 = 0; !idle(ctx, round); events++) {
    if (ctx.flags & IORING_SETUP_DEFER_TASKRUN && ctx.task == current()) runAllLocalWork(ctx); // nobody else would
    runTaskWork();
    if (idle(ctx, round)) break;
    if (notModelledPending()) return -ENOTMODELLED;
    if (sleepStep(FOREVER) == SLEEP_NEVER || nowNs() > horizon || events >= WAIT_STEPS) return waitForEver(ctx, round);
  }
  return 0;
}

function waitForEver(ctx: RingCtx, round: u32): i32 {
  let holders: u32 = 0;
  for (let node = oldest(ctx); node && ((node.round - round) as i32) <= 0; node = node.next) holders += node.refs;
  memory.fill(WAIT_REPORT_BASE, 0, WAIT_SIZE);
  store<u32>(WAIT_REPORT_BASE, WAIT_RSRC, WAIT_KIND);
  store<i32>(WAIT_REPORT_BASE, -1, WAIT_FD);
  store<u32>(WAIT_REPORT_BASE, 0, WAIT_WANTED);
  store<u32>(WAIT_REPORT_BASE, holders, WAIT_HAVE);
  store<u32>(WAIT_REPORT_BASE, ctx.nr_req_allocated - ctx.nr_notifs, WAIT_REQS);
  store<u32>(WAIT_REPORT_BASE, ctx.nr_notifs, WAIT_NOTIFS);
  store<u32>(WAIT_REPORT_BASE, timersPending(), WAIT_EVENTS);
  return -EWAITFOREVER;
}
