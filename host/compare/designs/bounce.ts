// Encryption: the plaintext is not what goes out, so the payload is made anew in a buffer of its own, which is then sent
// without another copy. The plaintext is the application's again at once; the bounce buffer is what is lent.
import type { Application } from "../application.ts";
import type { Sender } from "../design.ts";
import type { Message } from "../message.ts";

export class Bounce implements Sender {
  readonly #app: Application;
  readonly #inner: Sender;
  readonly #room: number[];

  constructor(app: Application, inner: Sender) {
    this.#app = app;
    this.#inner = inner;
    // One for each buffer, so that a bounce buffer is free when its buffer is.
    this.#room = app.buffers.map(({ length }) => app.machine.user.pages(length));
  }

  send(message: Message): void {
    const { user } = this.#app.machine;
    const { address, length } = message.payload;
    const to = this.#room[message.buffer];
    // Stands for a cipher, whose output the peer would have to decipher; the bytes moved are the same.
    user.memory.u8.copyWithin(to, address, address + length);
    this.#app.bounced += length;
    this.#inner.send(message.movedTo(to));
  }

  submit(): void {
    this.#inner.submit();
  }

  poll(): void {
    this.#inner.poll();
  }

  wait(need: "order" | "buffer"): void {
    this.#inner.wait(need);
  }

  finish(): void {
    this.#inner.finish();
  }
}
