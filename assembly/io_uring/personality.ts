// Personalities (IORING_REGISTER_PERSONALITY): the caller's credentials under a number, which an SQE can name; its request is
// then issued with them. Numbers go round from 1 to 65535, so one that was given back is not soon given again.
// A request holds the credentials it uses. Man: io_uring_register(2).
import { EINVAL, ENOMEM, ENOSPC } from "../abi/errno";
import { SMALL_SIZE } from "../abi/layout";
import { POOL_SMALL, poolAlloc, poolFree } from "../lib/pool";
import { Task, current } from "../kernel/task";
import { REQ_F_CREDS, Req, RingCtx } from "./types";

const ID_MAX: u32 = 65535;

@unmanaged @final export class Creds {
  pad: u32;
  next: Creds; // of the ring's list
  refs: u32;
  id: u32;
  uid: u32;
  privileged: u32;
}
if (offsetof<Creds>() > SMALL_SIZE) ERROR("Creds does not fit its pool");

function find(ctx: RingCtx, id: u32): Creds {
  let c = changetype<Creds>(ctx.personalities);
  while (c && c.id != id) c = c.next;
  return c;
}

/** The new personality's number, or -ENOMEM, -ENOSPC. */
export function registerPersonality(ctx: RingCtx): i32 {
  let id = ctx.pers_last, tries: u32 = 0;
  do {
    if (++tries > ID_MAX) return -ENOSPC;
    id = id == ID_MAX ? 1 : id + 1;
  } while (find(ctx, id));
  const c = changetype<Creds>(poolAlloc(POOL_SMALL)), t = current();
  if (!c) return -ENOMEM;
  c.refs = 1;
  c.id = id;
  c.uid = t.uid;
  c.privileged = t.privileged;
  c.next = changetype<Creds>(ctx.personalities);
  ctx.personalities = changetype<usize>(c);
  ctx.pers_last = id;
  return id as i32;
}

export function unregisterPersonality(ctx: RingCtx, id: u32): i32 {
  let prev = changetype<Creds>(0);
  for (let c = changetype<Creds>(ctx.personalities); c; c = c.next) {
    if (c.id != id) {
      prev = c;
      continue;
    }
    if (prev) prev.next = c.next;
    else ctx.personalities = changetype<usize>(c.next);
    credsPut(c);
    return 0;
  }
  return -EINVAL;
}

/** Ring exit. */
export function dropPersonalities(ctx: RingCtx): void {
  while (ctx.personalities) {
    const c = changetype<Creds>(ctx.personalities);
    ctx.personalities = changetype<usize>(c.next);
    credsPut(c);
  }
}

/** sqe.personality: the request will be issued with these credentials. 0 or -EINVAL. */
export function reqSetCreds(req: Req, id: u32): i32 {
  const c = find(req.ctx, id);
  if (!c) return -EINVAL;
  c.refs++;
  req.creds = changetype<usize>(c);
  req.flags |= REQ_F_CREDS;
  return 0;
}
export function reqPutCreds(req: Req): void { credsPut(changetype<Creds>(req.creds)); }

function credsPut(c: Creds): void { if (--c.refs == 0) poolFree(POOL_SMALL, changetype<usize>(c)); }

/** The task takes the credentials of the request, to issue it: its own, for credsLeave(). */
export function credsEnter(req: Req): u64 {
  const c = changetype<Creds>(req.creds), t: Task = req.task, own = (t.uid as u64) | ((t.privileged as u64) << 32);
  t.uid = c.uid;
  t.privileged = c.privileged;
  return own;
}
export function credsLeave(t: Task, own: u64): void {
  t.uid = own as u32;
  t.privileged = (own >> 32) as u32;
}
