// The header by SEND with MSG_MORE, the file's pages by SPLICE into a pipe and out of it into the socket. Nothing is
// copied, and nobody ever says when the pages are no longer needed: who writes to the file may change what is sent.
import { EAGAIN } from "../../../assembly/abi/errno.ts";
import { MSG_MORE, MSG_WAITALL } from "../../../assembly/abi/socket.ts";
import { IOSQE_IO_LINK } from "../../../assembly/abi/uapi.ts";
import { errnoName, must } from "../../core/errno.ts";
import { prepSend, prepSplice, setData, sqeSetFlags } from "../../liburing/prep.ts";
import type { Ring } from "../../liburing/ring.ts";
import type { Application } from "../application.ts";
import type { Sender } from "../design.ts";
import type { Message } from "../message.ts";
import { makeFile } from "./read.ts";

const HEADER = 1;
const INTO_PIPE = 2;
const OUT_OF_PIPE = 3;
/** What an unchanged pipe holds. */
const PIPE_BYTES = 65536;
const SPLICE_F_MORE = 4;

export class SpliceSender implements Sender {
  readonly #app: Application;
  readonly #ring: Ring;
  readonly #file: number;
  readonly #pipe: { read: number; write: number };
  /** Progress of the message under way: bytes in the pipe now, and bytes of the payload that have left it. */
  #inPipe = 0;
  #done = 0;
  #outstanding = 0;

  constructor(app: Application) {
    const { sys, user } = app.machine;
    this.#app = app;
    this.#ring = app.ring(8);
    this.#file = makeFile(app);
    const fds = user.alloc(8);
    must("pipe", sys.pipe(fds));
    this.#pipe = { read: user.getI32(fds), write: user.getI32(fds + 4) };
  }

  send(message: Message): void {
    const { header, payload } = message;
    if (header !== undefined) {
      const sqe = this.#sqe();
      prepSend(this.#ring, sqe, this.#app.fd, header.address, header.length, MSG_MORE | MSG_WAITALL);
      setData(this.#ring, sqe, HEADER);
      sqeSetFlags(this.#ring, sqe, IOSQE_IO_LINK);
    }
    this.#done = 0;
    while (this.#done < payload.length) {
      const left = payload.length - this.#done;
      const more = left > PIPE_BYTES ? SPLICE_F_MORE : 0;
      if (this.#inPipe === 0) this.#fill(Math.min(left, PIPE_BYTES));
      this.#drain(this.#inPipe || Math.min(left, PIPE_BYTES), more);
      while (this.#outstanding > 0) {
        must("io_uring_enter", this.#ring.submitAndWait(1));
        this.poll();
      }
    }
    // The memory that was lent is the file's: no CQE is about it.
    this.#app.orderSafe(message);
    this.#app.release(message);
  }

  #sqe(): number {
    this.#app.requests++;
    this.#outstanding++;
    return this.#ring.getSqe();
  }

  #fill(length: number): void {
    const sqe = this.#sqe();
    prepSplice(this.#ring, sqe, this.#file, this.#done, this.#pipe.write, -1, length, 0);
    setData(this.#ring, sqe, INTO_PIPE);
    sqeSetFlags(this.#ring, sqe, IOSQE_IO_LINK);
  }

  #drain(length: number, flags: number): void {
    const sqe = this.#sqe();
    prepSplice(this.#ring, sqe, this.#pipe.read, -1, this.#app.fd, -1, length, flags);
    setData(this.#ring, sqe, OUT_OF_PIPE);
  }

  submit(): void {}

  poll(): void {
    this.#ring.forEachCqe((cqe) => {
      const res = this.#ring.cqeRes(cqe);
      this.#outstanding--;
      if (res < 0 && res !== -EAGAIN) throw new Error(`a request of the splice failed with ${errnoName(-res)}`);
      const what = this.#ring.cqeData(cqe);
      if (what === INTO_PIPE) this.#inPipe += res;
      if (what === OUT_OF_PIPE && res > 0) {
        this.#inPipe -= res;
        this.#done += res;
      }
    });
  }

  wait(): void {
    throw new Error("a splice waits in send()");
  }

  finish(): void {}
}
