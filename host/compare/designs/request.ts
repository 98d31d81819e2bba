// SEND_ZC and SENDMSG_ZC, from 6.0 on: a notification per request. The first CQE (F_MORE) says that the bytes are queued
// in order, the second (F_NOTIF) that the memory is free; both carry the request's user_data.
import { MSG_WAITALL, SOCKADDR_IN_SIZE } from "../../../assembly/abi/socket.ts";
import * as uapi from "../../../assembly/abi/uapi.ts";
import { prepSendmsgZc, prepSendSetAddr, prepSendZc, prepSendZcFixed } from "../../liburing/prep.ts";
import type { Application } from "../application.ts";
import { PROFILES } from "../../profile/profiles.ts";
import type { Design } from "../design.ts";
import { MessageHeaders } from "./msghdr.ts";
import { type Part, RingSender } from "./ring_sender.ts";

export class RequestSender extends RingSender {
  readonly #headers: MessageHeaders;
  readonly #fixed: boolean;

  readonly #hasSendmsg: boolean;

  constructor(app: Application, hasSendmsg: boolean) {
    super(app);
    this.#hasSendmsg = hasSendmsg;
    this.#headers = new MessageHeaders(app);
    this.#fixed = app.workload.fixed ?? false;
    if (this.#fixed) this.registerBuffers();
  }

  protected queue(part: Part): void {
    const { ring, app } = this;
    const { message, done } = part;
    const { header, payload } = message;
    if (header !== undefined && !this.#hasSendmsg && done < header.length) {
      this.sendHeader(part, header);
      return;
    }
    const sqe = this.sqe();
    const before = this.#hasSendmsg ? 0 : (header?.length ?? 0);
    const address = payload.address + done - before;
    const length = payload.length - done + before;
    if (header !== undefined && this.#hasSendmsg) {
      prepSendmsgZc(ring, sqe, app.fd, this.#headers.of(message, done), MSG_WAITALL);
    } else {
      if (this.#fixed) prepSendZcFixed(ring, sqe, app.fd, address, length, MSG_WAITALL, 0, message.buffer);
      else prepSendZc(ring, sqe, app.fd, address, length, MSG_WAITALL, 0);
      if (message.to !== 0) prepSendSetAddr(ring, sqe, message.to, SOCKADDR_IN_SIZE);
    }
    this.nameSqe(sqe, part);
  }

  protected completed(cqe: number): void {
    const { ring, app } = this;
    const name = ring.cqeData(cqe);
    if (this.headerCompleted(name, ring.cqeRes(cqe))) return;
    const part = this.partOf(name);
    const flags = ring.cqeFlags(cqe);
    if (flags & uapi.IORING_CQE_F_NOTIF) {
      this.forget(name);
      app.bufferFree(part.message);
      return;
    }
    if (this.isDone(part, ring.cqeRes(cqe))) app.orderSafe(part.message);
    if ((flags & uapi.IORING_CQE_F_MORE) === 0) this.forget(name);
  }
}

/** For a profile from 6.0 on. */
export function requestDesign(profile: string): Design {
  const release = PROFILES.findIndex(({ name }) => name === profile);
  const before = (name: string) => release < PROFILES.findIndex((each) => each.name === name);
  const cannot = ["one notification for several sends"];
  if (before("later")) cannot.push("user_data of its own for the second CQE");
  if (before("6.10")) cannot.push("several sends on one skb");
  if (before("6.2")) cannot.push("a result that says copied");
  if (before("6.1")) cannot.push("sendmsg with zero copy");
  return {
    name: profile,
    family: "request",
    title: "SEND_ZC: a notification per request",
    machine: { profile },
    zeroCopy: true,
    cannot,
    open: (app) => new RequestSender(app, !before("6.1")),
  };
}
