// The file is read into a buffer, then sent as by PlainSender: a copy out of the page cache, and one into the socket.
import { prepRead, setData } from "../../liburing/prep.ts";
import { errnoName, must } from "../../core/errno.ts";
import type { Application } from "../application.ts";
import type { Message } from "../message.ts";
import { PlainSender } from "./plain.ts";

/** Every byte of the file. */
export const FILE_BYTE = 0xf1;
/** Names no message. */
const READ = 0;
const PIECE = 1 << 20;

/** A memory file that holds as much as the largest message. */
export function makeFile({ machine, workload }: Application): number {
  const { sys, user } = machine;
  const size = Math.max(...workload.sizes);
  const fd = must("memfd_create", sys.memfd(size));
  const piece = user.pages(PIECE);
  user.fill(piece, PIECE, FILE_BYTE);
  for (let at = 0; at < size; at += PIECE) must("write", sys.write(fd, piece, Math.min(PIECE, size - at)));
  must("munmap", sys.munmap(piece, PIECE));
  return fd;
}

export class ReadSender extends PlainSender {
  readonly #file: number;
  #pending = false;

  constructor(app: Application) {
    super(app);
    this.#file = makeFile(app);
  }

  override send(message: Message): void {
    const { address, length } = message.payload;
    const sqe = this.sqe();
    prepRead(this.ring, sqe, this.#file, address, length, 0);
    setData(this.ring, sqe, READ);
    this.#pending = true;
    while (this.#pending) this.wait("order");
    super.send(message);
  }

  protected override completed(cqe: number): void {
    if (this.ring.cqeData(cqe) !== READ) {
      super.completed(cqe);
      return;
    }
    const res = this.ring.cqeRes(cqe);
    if (res < 0) throw new Error(`READ failed with ${errnoName(-res)}`);
    this.app.read += res;
    this.#pending = false;
  }
}
