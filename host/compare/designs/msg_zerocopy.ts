// MSG_ZEROCOPY, from 4.14 on, without a ring: sendmsg() returns when the bytes are queued in order, and the socket's error
// queue says later which calls the network has let go of, as ranges of call numbers.
import { EAGAIN, ENOBUFS } from "../../../assembly/abi/errno.ts";
import {
  CMSGHDR_SIZE,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_ZEROCOPY,
  MSGHDR_SIZE,
  SO_ZEROCOPY,
  SOL_SOCKET,
} from "../../../assembly/abi/socket.ts";
import { errnoName, must } from "../../core/errno.ts";
import type { Application } from "../application.ts";
import type { Design, Sender } from "../design.ts";
import type { Message } from "../message.ts";
import { MessageHeaders } from "./msghdr.ts";

const CONTROL_SIZE = 128;
/** struct sock_extended_err: ee_info and ee_data, the first and the last call of the range. */
const EE_INFO = 8;
const EE_DATA = 12;
const POLLFD_SIZE = 8;
const FOREVER_MS = -1;
/** Calls without news after which the error queue is looked at. */
const LOOK_AFTER = 64;

/** sendmsg() without a ring and without MSG_ZEROCOPY: what the others were published against. */
class MsgSender implements Sender {
  readonly #app: Application;
  readonly #headers: MessageHeaders;

  constructor(app: Application) {
    this.#app = app;
    this.#headers = new MessageHeaders(app);
  }

  send(message: Message): void {
    const { machine, fd } = this.#app;
    for (let done = 0; done < message.length; ) {
      this.#app.syscalls++;
      done += must("sendmsg", machine.sys.sendmsg(fd, this.#headers.of(message, done)));
    }
    this.#app.bufferFree(message);
  }

  submit(): void {}

  poll(): void {}

  wait(): void {
    throw new Error("nothing of a call that has returned is awaited");
  }

  finish(): void {}
}

export function msgPlainDesign(machine: Design["machine"]): Design {
  return {
    name: "sendmsg",
    family: "copy",
    title: "sendmsg(): the kernel copies, no ring",
    machine,
    zeroCopy: false,
    cannot: ["zero copy", "batches of sends"],
    open: (app) => new MsgSender(app),
  };
}

export class MsgZerocopySender implements Sender {
  readonly #app: Application;
  readonly #headers: MessageHeaders;
  /** Messages by number of the call that sent their last byte, and how many calls each still waits for. */
  readonly #calls = new Map<number, Message>();
  readonly #waiting = new Map<Message, number>();
  #next = 0;
  readonly #control: number;
  readonly #report: number;
  readonly #pollfd: number;

  constructor(app: Application) {
    const { user } = app.machine;
    this.#app = app;
    this.#headers = new MessageHeaders(app);
    this.#control = user.alloc(CONTROL_SIZE);
    this.#report = user.alloc(MSGHDR_SIZE);
    this.#pollfd = user.alloc(POLLFD_SIZE);
    user.setU32(this.#pollfd, app.fd);
    user.setU32(this.#pollfd + 4, 0); // POLLERR is always asked for
    app.setOption(app.fd, SOL_SOCKET, SO_ZEROCOPY, 1);
  }

  send(message: Message): void {
    const { machine, fd } = this.#app;
    for (let done = 0; done < message.length; ) {
      this.#app.syscalls++;
      const sent = machine.sys.sendmsg(fd, this.#headers.of(message, done), MSG_ZEROCOPY);
      // The socket's option memory is full of records: some of them have to come back first.
      if (sent === -ENOBUFS) {
        this.wait();
        continue;
      }
      if (sent < 0) throw new Error(`message ${message.index} failed with ${errnoName(-sent)}`);
      done += sent;
      this.#calls.set(this.#next++, message);
      this.#waiting.set(message, (this.#waiting.get(message) ?? 0) + 1);
    }
    this.#app.orderSafe(message);
  }

  submit(): void {
    this.poll();
  }

  /** A look costs a system call, so it waits until there may be something to see. */
  poll(): void {
    if (this.#calls.size >= LOOK_AFTER) this.#look();
  }

  #look(): void {
    const { sys, user } = this.#app.machine;
    for (;;) {
      user.msghdr({ control: this.#control, controllen: CONTROL_SIZE }, this.#report);
      this.#app.syscalls++;
      const result = sys.recvmsg(this.#app.fd, this.#report, MSG_ERRQUEUE | MSG_DONTWAIT);
      if (result === -EAGAIN) return;
      must("recvmsg", result);
      const first = user.getU32(this.#control + CMSGHDR_SIZE + EE_INFO);
      const last = user.getU32(this.#control + CMSGHDR_SIZE + EE_DATA);
      for (let call = first; call <= last; call++) this.#returned(call);
    }
  }

  #returned(call: number): void {
    const message = this.#calls.get(call);
    if (message === undefined) throw new Error(`the error queue names call ${call}, which was not made`);
    this.#calls.delete(call);
    const left = (this.#waiting.get(message) ?? 0) - 1;
    this.#waiting.set(message, left);
    if (left === 0) this.#app.bufferFree(message);
  }

  wait(): void {
    this.#app.syscalls++;
    must("poll", this.#app.machine.sys.poll(this.#pollfd, 1, FOREVER_MS));
    this.#look();
  }

  finish(): void {}
}

export function msgZerocopyDesign(machine: Design["machine"] = {}): Design {
  return {
    name: "msg_zerocopy",
    family: "msg_zerocopy",
    title: "sendmsg(MSG_ZEROCOPY) and the error queue, no ring",
    machine,
    zeroCopy: true,
    cannot: ["a token of the application per send (calls are numbered)", "registered buffers", "batches of sends"],
    open: (app) => new MsgZerocopySender(app),
  };
}
