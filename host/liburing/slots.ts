// The helpers that liburing had while notifications lived in slots (August 2022), for machines of the profiles rfc3 to aug16.
import * as slots from "../../assembly/abi/notif_slots.ts";
import { REGI_NOTIFIERS, REGI_UNREGISTER_NOTIFIERS, ROW_REGISTER } from "../../assembly/abi/profile.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import type { Machine } from "../machine.ts";
import { findProfile } from "../profile/profiles.ts";
import { ROWS } from "../profile/rows.ts";
import type { UserMemory } from "../sys/user_memory.ts";
import { prepRw, prepSendZc, setIoprio } from "./prep.ts";
import type { Ring } from "./ring.ts";

/** The user_data of a slot's notifications, 64 bits. */
export type Tag = number | bigint;

/** io_uring_prep_sendzc(): `slot` is the notification slot, `zcFlags` the era's (`notifSlots`; rfc3 has other bits). */
export function prepSendzc(
  ring: Ring,
  sqe: number,
  fd: number,
  buf: number,
  len: number,
  msgFlags: number,
  slot: number,
  zcFlags: number,
): void {
  prepSendZc(ring, sqe, fd, buf, len, msgFlags, zcFlags);
  ring.words[(sqe + slots.SQE_OFF_NOTIFICATION_IDX) >> 2] = slot & 0xffff;
}

/** The same under the name that the opcode got with 6.0-rc1. */
export const prepSendzcNotif = prepSendzc;

/** io_uring_prep_sendzc_set_addr() */
export function prepSendzcSetAddr(ring: Ring, sqe: number, address: number, length: number): void {
  ring.words[(sqe + uapi.SQE_OFF_ADDR2) >> 2] = address;
  const word = (sqe + slots.SQE_OFF_NOTIFICATION_IDX) >> 2;
  ring.words[word] = (ring.words[word] & 0xffff) | (length << 16);
}

/** io_uring_prep_notif_update(): flushes `nr` slots from `offset` on; a `newTag` other than 0 is for the notifications after these. */
export function prepNotifUpdate(ring: Ring, sqe: number, newTag: Tag, offset: number, nr: number): void {
  const tag = BigInt(newTag);
  prepRw(ring, sqe, uapi.IORING_OP_FILES_UPDATE, -1, Number(BigInt.asIntN(32, tag)), nr, offset);
  ring.words[(sqe + uapi.SQE_OFF_ADDR + 4) >> 2] = Number(BigInt.asIntN(32, tag >> 32n));
  setIoprio(ring, sqe, slots.IORING_RSRC_UPDATE_NOTIF);
}

/** io_uring_register_notifications(): a slot for each tag. 0 or a negative errno. */
export function registerNotifications(machine: Machine, ring: Ring, tags: readonly Tag[]): number {
  const opcode = slotRegisterOpcode(machine.profile, REGI_NOTIFIERS);
  return machine.sys.io_uring_register(ring.fd, opcode, writeSlots(machine.user, tags), slots.NOTIF_REGISTER_SIZE);
}

/** io_uring_unregister_notifications(): flushes what is in them. */
export function unregisterNotifications(machine: Machine, ring: Ring): number {
  return machine.sys.io_uring_register(ring.fd, slotRegisterOpcode(machine.profile, REGI_UNREGISTER_NOTIFIERS), 0, 0);
}

/** A struct io_uring_notification_register with its slots behind it: the address. */
export function writeSlots(user: UserMemory, tags: readonly Tag[]): number {
  const at = user.alloc(slots.NOTIF_REGISTER_SIZE + tags.length * slots.NOTIF_SLOT_SIZE);
  const first = at + slots.NOTIF_REGISTER_SIZE;
  const { view } = user.memory;
  for (let offset = at; offset < first + tags.length * slots.NOTIF_SLOT_SIZE; offset += 8) view.setFloat64(offset, 0);
  user.setU32(at + slots.NOTIF_REGISTER_OFF_NR_SLOTS, tags.length);
  user.setPointer(at + slots.NOTIF_REGISTER_OFF_DATA, first);
  tags.forEach((tag, index) => {
    user.setNumber(first + index * slots.NOTIF_SLOT_SIZE + slots.NOTIF_SLOT_OFF_TAG, 8, BigInt(tag));
  });
  return at;
}

/** The opcode of REGI_* in a profile; that of 6.0-rc1 where there is none, as a program built for it would call it. */
export function slotRegisterOpcode(profile: string, meaning: number): number {
  const id = findProfile(profile)?.id ?? -1;
  const row = ROWS.find(
    ({ kind, value, first, last }) => kind === ROW_REGISTER && value === meaning && first <= id && id <= last,
  );
  if (row !== undefined) return row.id;
  return meaning === REGI_NOTIFIERS ? slots.IORING_REGISTER_NOTIFIERS : slots.IORING_UNREGISTER_NOTIFIERS;
}
