// The slot era: notifications live in registered slots. A send says which slot; the notification of a slot gathers sends
// until a send or an update flushes it, and then posts one CQE for all of them. That CQE has the slot's tag as user_data and
// the notification's number in `flags`.
//
// Here: one slot, flushed by every `flushEvery`-th send, and by an update when the application runs out of buffers.
// Spec: notif-slots.md 1, 2, 4.
import { MSG_WAITALL, SOCKADDR_IN_SIZE } from "../../../assembly/abi/socket.ts";
import * as slots from "../../../assembly/abi/notif_slots.ts";
import * as uapi from "../../../assembly/abi/uapi.ts";
import { errnoName, must } from "../../core/errno.ts";
import { prepSendmsgZc, setBufIndex, setData, setIoprio, setOpcode } from "../../liburing/prep.ts";
import { prepNotifUpdate, prepSendzc, prepSendzcSetAddr, registerNotifications } from "../../liburing/slots.ts";
import type { SwitchValues } from "../../profile/profiles.ts";
import type { Application } from "../application.ts";
import type { Design } from "../design.ts";
import type { Message } from "../message.ts";
import { MessageHeaders } from "./msghdr.ts";
import { type Part, RingSender } from "./ring_sender.ts";

interface Dialect {
  /** Bits of sqe.ioprio: the third RFC had its own. */
  fixedBuf: number;
  flush: number;
  /** SEND with this flag is SENDZC (merged_opcode); 0: SENDZC is an opcode. */
  merged: number;
  /** There is a SENDMSGZC (sendmsg_zc). */
  sendmsg: boolean;
}

const RFC = { fixedBuf: slots.IORING_SENDZC_FIXED_BUF, flush: slots.IORING_SENDZC_FLUSH };
const CANDIDATE = { fixedBuf: uapi.IORING_RECVSEND_FIXED_BUF, flush: slots.IORING_RECVSEND_NOTIF_FLUSH };

const SLOT = 0;
/** The upper half of the slot's tag: no request of ours has a name like that. */
const TAG_HIGH = 0x7a7a0000;
const TAG = BigInt(TAG_HIGH) << 32n;
/** Name of an update; requests begin at 1. */
const UPDATE = 0;

/** The sends that one notification is for. */
interface Group {
  messages: Message[];
  /** Sends of it whose CQE has not come. */
  sending: number;
  isNotified: boolean;
}

/** Where a send belongs, and whether it flushes. */
interface Place {
  group: Group;
  isFlush: boolean;
}

const newGroup = (): Group => ({ messages: [], sending: 0, isNotified: false });

export class SlotSender extends RingSender {
  readonly #dialect: Dialect;
  readonly #flushEvery: number;
  readonly #headers: MessageHeaders;
  readonly #fixed: boolean;
  /** Notifications are told apart by F_NOTIF, and their number is the result (aug16). */
  readonly #isMarked: boolean;
  /** By number of the notification. The last one is the slot's, if it has sends. */
  readonly #groups: Group[] = [newGroup()];
  /** By name of a request, and by message. */
  readonly #places = new Map<number, Place>();
  readonly #placed = new Map<Message, Place>();

  /** `flushEvery` 0: never. */
  constructor(app: Application, dialect: Dialect, flushEvery: number) {
    super(app);
    this.#dialect = dialect;
    this.#flushEvery = flushEvery;
    this.#headers = new MessageHeaders(app);
    this.#isMarked = app.machine.profile === "aug16";
    this.#fixed = app.workload.fixed ?? false;
    if (this.#fixed) this.registerBuffers();
    this.#registerSlot();
  }

  #registerSlot(): void {
    must("REGISTER_NOTIFIERS", registerNotifications(this.app.machine, this.ring, [TAG]));
  }

  get #current(): Group {
    return this.#groups[this.#groups.length - 1];
  }

  protected queue(part: Part): void {
    const { message, done } = part;
    const { header } = message;
    if (header !== undefined && done < header.length && !this.#dialect.sendmsg) {
      this.sendHeader(part, header);
      return;
    }
    const place = this.#placeOf(message);
    place.group.sending++;
    this.#places.set(this.#sendZc(part, place.isFlush), place);
  }

  /** What is sent again stays where it was: a send that failed has flushed nothing. */
  #placeOf(message: Message): Place {
    const known = this.#placed.get(message);
    if (known !== undefined) return known;
    const group = this.#current;
    group.messages.push(message);
    const isFlush = this.#flushEvery > 0 && group.messages.length >= this.#flushEvery;
    if (isFlush) this.#groups.push(newGroup());
    const place = { group, isFlush };
    this.#placed.set(message, place);
    return place;
  }

  #sendZc(part: Part, isFlush: boolean): number {
    const { message, done } = part;
    const { flush, fixedBuf, merged, sendmsg } = this.#dialect;
    const sqe = this.sqe();
    const flags = (isFlush ? flush : 0) | (this.#fixed ? fixedBuf : 0) | merged;
    if (message.header !== undefined && sendmsg) this.#prepMessage(sqe, message, done, flags);
    else this.#prepPayload(sqe, message, done - (message.header?.length ?? 0), flags);
    return this.nameSqe(sqe, part);
  }

  /** SENDMSGZC: an opcode even if SENDZC is none. Its slot is 0, which the SQE has anyway. */
  #prepMessage(sqe: number, message: Message, done: number, flags: number): void {
    prepSendmsgZc(this.ring, sqe, this.app.fd, this.#headers.of(message, done), MSG_WAITALL);
    setIoprio(this.ring, sqe, flags & ~this.#dialect.merged);
  }

  #prepPayload(sqe: number, { payload, buffer, to }: Message, skip: number, flags: number): void {
    const { ring, app } = this;
    prepSendzc(ring, sqe, app.fd, payload.address + skip, payload.length - skip, MSG_WAITALL, SLOT, flags);
    if (this.#dialect.merged) setOpcode(ring, sqe, uapi.IORING_OP_SEND);
    if (this.#fixed) setBufIndex(ring, sqe, buffer);
    if (to !== 0) prepSendzcSetAddr(ring, sqe, to, SOCKADDR_IN_SIZE);
  }

  /** Flushes the slot. The tag stays as it is: said again, as there are dialects in which an update without one takes it away. */
  #flushSlot(): void {
    const { ring } = this;
    const sqe = this.sqe();
    prepNotifUpdate(ring, sqe, TAG, SLOT, 1);
    setData(ring, sqe, UPDATE);
    this.#groups.push(newGroup());
  }

  protected completed(cqe: number): void {
    const { ring, app } = this;
    if (ring.cqeDataHigh(cqe) === TAG_HIGH) {
      const group = this.#groups[this.#isMarked ? ring.cqeRes(cqe) & slots.IORING_NOTIF_SEQ_MASK : ring.cqeFlags(cqe)];
      group.isNotified = true;
      this.#settle(group);
      return;
    }
    const name = ring.cqeData(cqe);
    const res = ring.cqeRes(cqe);
    if (name === UPDATE) {
      if (res !== 0) throw new Error(`an update of the slot failed with ${errnoName(-res)}`);
      return;
    }
    if (this.headerCompleted(name, res)) return;
    const part = this.partOf(name);
    this.forget(name);
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`send ${name} belongs to no notification`);
    this.#places.delete(name);
    place.group.sending--;
    if (this.isDone(part, res)) {
      this.#placed.delete(part.message);
      app.orderSafe(part.message);
    }
    this.#settle(place.group);
  }

  /** The memory of a group is free when its notification has come and so have the CQEs of its sends. */
  #settle(group: Group): void {
    if (group.sending > 0 || !group.isNotified) return;
    for (const message of group.messages) this.app.bufferFree(message);
    group.messages = [];
  }

  override wait(need: "order" | "buffer"): void {
    // Not while a send waits for room: its next attempt would go to another notification.
    const { messages, sending } = this.#current;
    if (need === "buffer" && messages.length > 0 && sending === 0) this.#flushSlot();
    super.wait(need);
  }

  override finish(): void {
    super.finish();
    if (this.app.workload.careless) return;
    while (this.#current.sending > 0) super.wait("order");
    if (this.#current.messages.length > 0) this.#flushSlot();
    this.submit();
  }
}

const FLUSH_EVERY = 16;

/** For a profile up to aug16, with the proposals that are switched on. */
export function slotDesign(
  name: string,
  profile: string,
  switches: SwitchValues = {},
  flushEvery = FLUSH_EVERY,
): Design {
  const isOn = (which: string) => Number(switches[which] ?? 0) > 0;
  const flag = profile === "aug16" ? slots.IORING_RECVSEND_ZC_NOTIF_LATER : slots.IORING_RECVSEND_ZC_NOTIF;
  const dialect: Dialect = {
    ...(profile === "rfc3" ? RFC : CANDIDATE),
    merged: isOn("merged_opcode") ? flag : 0,
    sendmsg: isOn("sendmsg_zc"),
  };
  const op = dialect.merged ? "SEND with a flag" : "SENDZC";
  const into = `into one slot, flushed every ${flushEvery} sends`;
  return {
    name,
    family: "slots",
    title: `${op} ${into}`,
    headed: dialect.sendmsg ? `SENDMSGZC ${into}` : `SEND of the header, then ${op} ${into}`,
    machine: { profile, switches },
    zeroCopy: true,
    cannot: [
      ...(dialect.sendmsg ? [] : ["sendmsg with zero copy"]),
      ...(isOn("res_copied") ? [] : ["a result that says copied"]),
      ...(profile === "aug16" ? [] : ["a notification told apart by its flags (they hold its number)"]),
      ...(profile === "rfc3" ? ["MSG_WAITALL: a short send is reported short"] : []),
    ],
    open: (app) => new SlotSender(app, dialect, flushEvery),
  };
}
