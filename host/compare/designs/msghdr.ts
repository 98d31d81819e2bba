// struct msghdr for messages that have a header, one per buffer.
import { IOVEC_SIZE, MSGHDR_SIZE, SOCKADDR_IN_SIZE } from "../../../assembly/abi/socket.ts";
import type { Application } from "../application.ts";
import type { Message } from "../message.ts";

export class MessageHeaders {
  readonly #app: Application;
  /** By buffer: msghdr, and behind it room for two iovecs. */
  readonly #at = new Map<number, number>();

  constructor(app: Application) {
    this.#app = app;
  }

  /** The msghdr for all of the message but its first `done` bytes. */
  of(message: Message, done: number): number {
    const { user } = this.#app.machine;
    let at = this.#at.get(message.buffer);
    if (at === undefined) {
      at = user.alloc(MSGHDR_SIZE + 8 + 2 * IOVEC_SIZE);
      this.#at.set(message.buffer, at);
    }
    const segments: { base: number; length: number }[] = [];
    let skip = done;
    for (const span of [message.header, message.payload]) {
      if (span === undefined) continue;
      if (skip < span.length) segments.push({ base: span.address + skip, length: span.length - skip });
      skip = Math.max(0, skip - span.length);
    }
    const iov = user.iovec(segments, at + MSGHDR_SIZE + 8);
    const namelen = message.to === 0 ? 0 : SOCKADDR_IN_SIZE;
    return user.msghdr({ name: message.to, namelen, iov, iovlen: segments.length }, at);
  }
}
