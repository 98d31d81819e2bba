// What all senders over a ring share: parts of messages that the kernel has, completions that name them, and sending
// again what the kernel gave back.
import { EAGAIN } from "../../../assembly/abi/errno.ts";
import { IOVEC_SIZE, MSG_MORE, MSG_WAITALL } from "../../../assembly/abi/socket.ts";
import * as uapi from "../../../assembly/abi/uapi.ts";
import { errnoName, must } from "../../core/errno.ts";
import { prepSend, setData } from "../../liburing/prep.ts";
import type { Ring } from "../../liburing/ring.ts";
import type { Application } from "../application.ts";
import type { Sender } from "../design.ts";
import type { Message, Span } from "../message.ts";

/** What one request sends of a message: all from `done` on. */
export interface Part {
  readonly message: Message;
  readonly done: number;
}

const ENTRIES = 64;
const CQ_ENTRIES = 4096;
const SQE_WORDS = 16;
const CQE_WORDS = 4;

export abstract class RingSender implements Sender {
  protected readonly app: Application;
  protected readonly ring: Ring;
  readonly #parts = new Map<number, Part>();
  /** Requests that send no more than a header. */
  readonly #headers = new Set<number>();
  #next = 1;
  /** What the kernel gave back. */
  readonly #again: Part[] = [];
  /** SQEs that are not submitted yet. */
  readonly #filled: number[] = [];

  constructor(app: Application) {
    this.app = app;
    this.ring = app.ring(ENTRIES, { cqEntries: CQ_ENTRIES });
  }

  /** Buffer i of the application becomes registered buffer i. */
  protected registerBuffers(): void {
    const { user, sys } = this.app.machine;
    const segments = this.app.buffers.map(({ address, length }) => ({ base: address, length }));
    const iovec = user.iovec(segments, user.alloc(segments.length * IOVEC_SIZE));
    const { fd } = this.ring;
    must("io_uring_register", sys.io_uring_register(fd, uapi.IORING_REGISTER_BUFFERS, iovec, segments.length));
  }

  send(message: Message): void {
    this.queue({ message, done: 0 });
  }

  submit(): void {
    this.#note();
    if (this.ring.sqReady() > 0) must("io_uring_enter", this.ring.submit());
    this.poll();
  }

  poll(): void {
    this.ring.forEachCqe((cqe) => {
      this.app.talk.add(this.ring.words, cqe, CQE_WORDS);
      this.completed(cqe);
    });
    for (let part = this.#again.shift(); part !== undefined; part = this.#again.shift()) {
      this.queue(part);
      this.submit();
    }
  }

  wait(_need: "order" | "buffer"): void {
    this.#note();
    must("io_uring_enter", this.ring.submitAndWait(1));
    this.poll();
  }

  /** SQEs are complete when they are submitted. */
  #note(): void {
    for (const sqe of this.#filled) this.app.talk.add(this.ring.words, sqe, SQE_WORDS);
    this.#filled.length = 0;
  }

  finish(): void {
    this.submit();
  }

  /** Fills SQEs for the part. */
  protected abstract queue(part: Part): void;

  protected abstract completed(cqe: number): void;

  /**
   * Sends the header by itself, copied, where a dialect has no request that takes both; what follows it is queued when the header
   * has been.
   */
  protected sendHeader(part: Part, header: Span): void {
    const { message, done } = part;
    const sqe = this.sqe();
    const rest = header.length - done;
    prepSend(this.ring, sqe, this.app.fd, header.address + done, rest, MSG_MORE | MSG_WAITALL);
    this.#headers.add(this.nameSqe(sqe, { message, done }));
  }

  /** True if the completion was that of a header: the rest of the message goes next. */
  protected headerCompleted(name: number, res: number): boolean {
    if (!this.#headers.delete(name)) return false;
    const part = this.partOf(name);
    this.forget(name);
    this.isDone(part, res);
    return true;
  }

  protected sqe(): number {
    let sqe = this.ring.getSqe();
    if (sqe === 0) {
      this.submit();
      sqe = this.ring.getSqe();
    }
    this.app.requests++;
    this.#filled.push(sqe);
    return sqe;
  }

  /** Names the request of `sqe` by the part. */
  protected nameSqe(sqe: number, part: Part): number {
    const name = this.#next++;
    this.#parts.set(name, part);
    setData(this.ring, sqe, name);
    return name;
  }

  protected partOf(name: number): Part {
    const part = this.#parts.get(name);
    if (part === undefined) throw new Error(`a completion names ${name}, which is no request`);
    return part;
  }

  protected forget(name: number): void {
    this.#parts.delete(name);
  }

  /** Whether the part was sent to its end; if not, the rest is sent again. */
  protected isDone(part: Part, res: number): boolean {
    const sent = res === -EAGAIN ? 0 : res;
    if (sent < 0) throw new Error(`message ${part.message.index} failed with ${errnoName(-res)}`);
    const done = part.done + sent;
    if (done >= part.message.length) return true;
    this.#again.push({ message: part.message, done });
    return false;
  }
}
