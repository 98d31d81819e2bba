// One message on its way: what the application wants sent, and when it learned what about it.

/** A stretch of the application's memory. */
export interface Span {
  address: number;
  length: number;
}

export class Message {
  readonly index: number;
  /** Bytes of the application that go in front, in memory of their own. */
  readonly header: Span | undefined;
  payload: Span;
  /** Buffer of the pool that the payload lies in. */
  readonly buffer: number;
  /** sockaddr of the destination, 0 on a connected socket. */
  readonly to: number;
  /** Every byte of the payload has this value, by which the peer knows it. */
  readonly fill: number;
  readonly sent_ns: bigint;
  orderSafe_ns: bigint | undefined;
  free_ns: bigint | undefined;

  constructor(
    index: number,
    buffer: number,
    payload: Span,
    header: Span | undefined,
    to: number,
    fill: number,
    sent_ns: bigint,
  ) {
    this.index = index;
    this.buffer = buffer;
    this.payload = payload;
    this.header = header;
    this.to = to;
    this.fill = fill;
    this.sent_ns = sent_ns;
  }

  /** The same message, its payload somewhere else. */
  movedTo(address: number): this {
    this.payload = { address, length: this.payload.length };
    return this;
  }

  get length(): number {
    return this.payload.length + (this.header?.length ?? 0);
  }
}
