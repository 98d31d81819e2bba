// Who owns a request's buffer at a moment. Several may hold it at once (the NIC reads a segment, TCP keeps it for a
// retransmission): the first of this order is the owner, the others are named beside it.
import { AF_UNIX, SOCK_STREAM } from "../../assembly/abi/socket.ts";
import type { Holder, Life, Note, SocketIdentity } from "./life.ts";
import type { Owner } from "./shape.ts";

const ORDER: readonly Owner[] = [
  "NIC",
  "device",
  "device queue",
  "input queue",
  "retransmit queue",
  "send queue",
  "request",
  "slot",
  "notification",
  "completion queue",
  "error queue",
  "application",
];

export function isStream(socket: SocketIdentity | undefined): boolean {
  return socket?.type === SOCK_STREAM;
}

export const isUnix = (socket: SocketIdentity | undefined) => socket?.family === AF_UNIX;

/** All who hold the buffer, the owner first. Never empty. */
export function holdersOf(life: Life): Holder[] {
  if (life.free !== undefined) return [{ owner: "application", device: null }];
  const found = life.notes.length === 0 ? [withoutNotification(life)] : life.chain.flatMap((note) => held(note, life));
  const unique = new Map(found.map((holder) => [`${holder.owner} ${holder.device}`, holder]));
  return [...unique.values()].sort((one, other) => ORDER.indexOf(one.owner) - ORDER.indexOf(other.owner));
}

function withoutNotification({ completion }: Life): Holder {
  return { owner: completion === undefined ? "request" : "completion queue", device: null };
}

function held(note: Note, life: Life): Holder[] {
  const network = [...note.areas].flatMap(({ handles }) =>
    [...handles.values()].map(
      ({ place, device }): Holder => ({ owner: place === "path" ? "device queue" : place, device }),
    ),
  );
  if (!life.notes.includes(note)) return network.length > 0 ? network : [after(note)];
  if (note.hasOwnReference)
    network.push({ owner: life.completion === undefined ? "request" : ownOwner(note), device: null });
  return network.length > 0 ? network : [after(note)];
}

/** The own reference of a notification that outlives the request is a slot's. */
function ownOwner(note: Note): Owner {
  return note.slot !== undefined ? "slot" : "request";
}

function after(note: Note): Holder {
  const owner = note.isMsgZerocopy && note.done ? "error queue" : note.posted ? "completion queue" : "notification";
  return { owner, device: null };
}
