// SEND and SENDMSG: the kernel copies, and one CQE says everything.
import { MSG_WAITALL, SOCKADDR_IN_SIZE } from "../../../assembly/abi/socket.ts";
import { prepSend, prepSendmsg, prepSendSetAddr } from "../../liburing/prep.ts";
import type { Application } from "../application.ts";
import type { Design } from "../design.ts";
import { MessageHeaders } from "./msghdr.ts";
import { type Part, RingSender } from "./ring_sender.ts";

export class PlainSender extends RingSender {
  readonly #headers: MessageHeaders;

  constructor(app: Application) {
    super(app);
    this.#headers = new MessageHeaders(app);
  }

  protected queue(part: Part): void {
    const { ring, app } = this;
    const { message, done } = part;
    const sqe = this.sqe();
    if (message.header !== undefined) {
      prepSendmsg(ring, sqe, app.fd, this.#headers.of(message, done), MSG_WAITALL);
    } else {
      prepSend(ring, sqe, app.fd, message.payload.address + done, message.payload.length - done, MSG_WAITALL);
      if (message.to !== 0) prepSendSetAddr(ring, sqe, message.to, SOCKADDR_IN_SIZE);
    }
    this.nameSqe(sqe, part);
  }

  protected completed(cqe: number): void {
    const name = this.ring.cqeData(cqe);
    const part = this.partOf(name);
    this.forget(name);
    if (this.isDone(part, this.ring.cqeRes(cqe))) this.app.bufferFree(part.message);
  }
}

export function plainDesign(machine: Design["machine"] = {}): Design {
  return {
    name: "send",
    family: "copy",
    title: "SEND: the kernel copies, one CQE",
    headed: "SENDMSG: the kernel copies, one CQE",
    machine,
    zeroCopy: false,
    cannot: ["zero copy"],
    open: (app) => new PlainSender(app),
  };
}
