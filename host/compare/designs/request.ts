// SEND_ZC and SENDMSG_ZC, from 6.0 on: a notification per request. The first CQE (F_MORE) says that the bytes are queued
// in order, the second (F_NOTIF) that the memory is free; both carry the request's user_data. Proposals changed what the two
// CQEs are (docs/proposals.md):
//
//   two_cqe_sep_ud (and the profile 7.1)      the second has a user_data of its own
//   single_cqe                                 only one comes, when the memory is free
//   zc_skip_success=combined                   the same, for requests that ask for it
import { IORING_RECVSEND_ZC_NOTIF, IORING_RECVSEND_ZC_NOTIF_LATER } from "../../../assembly/abi/notif_slots.ts";
import { MSG_WAITALL, SOCKADDR_IN_SIZE } from "../../../assembly/abi/socket.ts";
import * as uapi from "../../../assembly/abi/uapi.ts";
import {
  prepSendmsgZc,
  prepSendSetAddr,
  prepSendZc,
  prepSendZcFixed,
  prepSendZcSetNotifData,
  setIoprio,
  setOpcode,
  sqeSetFlags,
} from "../../liburing/prep.ts";
import { PROFILES, type SwitchValues } from "../../profile/profiles.ts";
import type { Application } from "../application.ts";
import type { Design } from "../design.ts";
import type { Message } from "../message.ts";
import { MessageHeaders } from "./msghdr.ts";
import { type Part, RingSender } from "./ring_sender.ts";

interface Dialect {
  sendmsg: boolean;
  /** The notification's user_data is in addr3. */
  separate: boolean;
  /** CQE_SKIP_SUCCESS, and the result comes with the notification. */
  combined: boolean;
  /** SEND with this flag is SEND_ZC; 0: SEND_ZC is an opcode. */
  merged: number;
}

/** `combined` of the switch zc_skip_success. */
const SKIP_COMBINED = 2;
/** The upper half of a notification's own user_data. */
const NOTIF_HIGH = 0x7a7a0000;

export class RequestSender extends RingSender {
  readonly #headers: MessageHeaders;
  readonly #fixed: boolean;
  readonly #dialect: Dialect;
  /** Requests of each message that hold its memory, and the messages of which everything was sent. */
  readonly #holding = new Map<Message, number>();
  readonly #sent = new Set<Message>();

  constructor(app: Application, dialect: Dialect) {
    super(app);
    this.#dialect = dialect;
    this.#headers = new MessageHeaders(app);
    this.#fixed = app.workload.fixed ?? false;
    if (this.#fixed) this.registerBuffers();
  }

  protected queue(part: Part): void {
    const { message, done } = part;
    const { header } = message;
    const { sendmsg, separate, combined, merged } = this.#dialect;
    if (header !== undefined && !sendmsg && done < header.length) {
      this.sendHeader(part, header);
      return;
    }
    const sqe = this.sqe();
    if (header !== undefined && sendmsg)
      prepSendmsgZc(this.ring, sqe, this.app.fd, this.#headers.of(message, done), MSG_WAITALL);
    else this.#prepSend(sqe, message, done - (header?.length ?? 0));
    if (merged > 0) this.#merge(sqe, header !== undefined && sendmsg);
    const name = this.nameSqe(sqe, part);
    if (separate) prepSendZcSetNotifData(this.ring, sqe, name, NOTIF_HIGH);
    if (combined) sqeSetFlags(this.ring, sqe, uapi.IOSQE_CQE_SKIP_SUCCESS);
    this.#holding.set(message, (this.#holding.get(message) ?? 0) + 1);
  }

  /** All of the payload but its first `skip` bytes. */
  #prepSend(sqe: number, { payload, buffer, to }: Message, skip: number): void {
    const { ring, app } = this;
    const { address, length } = payload;
    if (this.#fixed) prepSendZcFixed(ring, sqe, app.fd, address + skip, length - skip, MSG_WAITALL, 0, buffer);
    else prepSendZc(ring, sqe, app.fd, address + skip, length - skip, MSG_WAITALL, 0);
    if (to !== 0) prepSendSetAddr(ring, sqe, to, SOCKADDR_IN_SIZE);
  }

  #merge(sqe: number, isMessage: boolean): void {
    setOpcode(this.ring, sqe, isMessage ? uapi.IORING_OP_SENDMSG : uapi.IORING_OP_SEND);
    setIoprio(this.ring, sqe, this.#dialect.merged | (this.#fixed ? uapi.IORING_RECVSEND_FIXED_BUF : 0));
  }

  protected completed(cqe: number): void {
    const { ring } = this;
    const name = ring.cqeData(cqe);
    const res = ring.cqeRes(cqe);
    if (this.headerCompleted(name, res)) return;
    const flags = ring.cqeFlags(cqe);
    const isNotif = (flags & uapi.IORING_CQE_F_NOTIF) !== 0;
    if (this.#dialect.separate && isNotif !== (ring.cqeDataHigh(cqe) === NOTIF_HIGH))
      throw new Error(`CQE ${name} has the user_data of the other one of the two`);
    const part = this.partOf(name);
    if (!isNotif || this.#dialect.combined) this.#returned(part, res);
    if (flags & uapi.IORING_CQE_F_MORE) return;
    this.forget(name);
    this.#released(part.message);
  }

  #returned(part: Part, res: number): void {
    if (!this.isDone(part, res)) return;
    this.#sent.add(part.message);
    this.app.orderSafe(part.message);
  }

  /** One request no longer holds the message's memory; if part of it is to be sent again, another one will. */
  #released(message: Message): void {
    const left = (this.#holding.get(message) ?? 0) - 1;
    this.#holding.set(message, left);
    if (left > 0 || !this.#sent.delete(message)) return;
    this.#holding.delete(message);
    this.app.bufferFree(message);
  }
}

const isBefore = (profile: string, name: string): boolean => {
  const position = (wanted: string) => PROFILES.findIndex((each) => each.name === wanted);
  return position(profile) < position(name);
};

/** For a profile from 6.0 on, with the proposals that are switched on. */
export function requestDesign(name: string, profile: string, switches: SwitchValues = {}): Design {
  const before = (release: string) => isBefore(profile, release);
  const isOn = (which: string) => Number(switches[which] ?? 0) > 0;
  const isSingle = isOn("single_cqe");
  const combined = Number(switches.zc_skip_success ?? 0) === SKIP_COMBINED;
  const separate = isOn("two_cqe_sep_ud") || !before("7.1");
  const flag = before("6.10") ? IORING_RECVSEND_ZC_NOTIF : IORING_RECVSEND_ZC_NOTIF_LATER;
  const merged = isOn("merged_opcode") ? flag : 0;
  const dialect = { sendmsg: !before("6.1"), separate: separate && !isSingle && !combined, combined, merged };
  const cannot = ["one notification for several sends"];
  if (isSingle || combined) cannot.push("that the next send may go before the buffer is free");
  else if (!separate) cannot.push("user_data of its own for the second CQE");
  if (before("6.10")) cannot.push("several sends on one skb");
  if (before("6.2")) cannot.push("a result that says copied");
  if (before("6.1")) cannot.push("sendmsg with zero copy");
  return {
    name,
    family: isSingle || combined ? "single CQE" : "request",
    title: titleOf(merged ? "SEND with a flag" : "SEND_ZC", isSingle, combined, dialect.separate),
    headed: titleOf(headedOp(dialect.sendmsg, merged !== 0), isSingle, combined, dialect.separate),
    machine: { profile, switches },
    zeroCopy: true,
    cannot,
    open: (app) => new RequestSender(app, dialect),
  };
}

function headedOp(sendmsg: boolean, merged: boolean): string {
  if (sendmsg) return merged ? "SENDMSG with a flag" : "SENDMSG_ZC";
  return `SEND of the header, then ${merged ? "SEND with a flag" : "SEND_ZC"}`;
}

function titleOf(op: string, isSingle: boolean, combined: boolean, separate: boolean): string {
  if (isSingle) return `${op}: one CQE, when the buffer is free`;
  if (combined) return `${op} with CQE_SKIP_SUCCESS: the notification has the result`;
  return `${op}: a notification per request${separate ? ", with user_data of its own" : ""}`;
}
