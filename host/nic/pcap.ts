// Frames as a pcapng file, for Wireshark: a tap that collects, bytes() that gives the file. Times are virtual, in
// nanoseconds from boot. A frame that did not arrive as it was sent has a comment that says so, since the capture is
// taken where frames enter the wire.
//
// Format: draft-ietf-opsawg-pcapng, sections 4.1 (section header), 4.2 (interface) and 4.3 (packet).
import type { Tap, WireFrame } from "./wire.ts";

const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const LINKTYPE_ETHERNET = 1;
const OPT_END = 0;
const OPT_COMMENT = 1;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const NANOSECONDS = 9;

const utf8 = new TextEncoder();
const pad4 = (length: number) => (length + 3) & ~3;

interface Option {
  code: number;
  value: Uint8Array;
}

function optionBytes(options: readonly Option[]): Uint8Array {
  if (options.length === 0) return new Uint8Array(0);
  const size = options.reduce((sum, { value }) => sum + 4 + pad4(value.length), 4);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { code, value } of [...options, { code: OPT_END, value: new Uint8Array(0) }]) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + pad4(value.length);
  }
  return bytes;
}

/** A block: type, length, fields, payload padded to four bytes, options, length again. */
function block(type: number, fields: readonly number[], options: readonly Option[], payload?: Uint8Array): Uint8Array {
  const tail = optionBytes(options);
  const padded = pad4(payload?.length ?? 0);
  const size = 12 + fields.length * 4 + padded + tail.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  [type, size, ...fields].forEach((value, index) => {
    view.setUint32(index * 4, value >>> 0, true);
  });
  const at = 8 + fields.length * 4;
  if (payload !== undefined) bytes.set(payload, at);
  bytes.set(tail, at + padded);
  view.setUint32(size - 4, size, true);
  return bytes;
}

export class PcapWriter {
  readonly #blocks: Uint8Array[] = [];
  /** Interface number by the name of the port that sends. */
  readonly #interfaces = new Map<string, number>();

  constructor() {
    const version = 1; // major 1, minor 0
    const unknownLength = 0xffffffff;
    const application = { code: SHB_USERAPPL, value: utf8.encode("ringzero") };
    this.#blocks.push(block(SECTION_HEADER, [BYTE_ORDER_MAGIC, version, unknownLength, unknownLength], [application]));
  }

  /** To be registered where the frames are: `machine.onFrame(pcap.tap)`. */
  readonly tap: Tap = (frame) => this.add(frame);

  add({ time_ns, from, frame, fate }: WireFrame): void {
    const fields = [this.#interface(from), Number(time_ns >> 32n), Number(BigInt.asUintN(32, time_ns)), frame.length];
    const comments = fate === "delivered" ? [] : [{ code: OPT_COMMENT, value: utf8.encode(`${fate} on the wire`) }];
    this.#blocks.push(block(ENHANCED_PACKET, [...fields, frame.length], comments, frame));
  }

  #interface(name: string): number {
    const known = this.#interfaces.get(name);
    if (known !== undefined) return known;
    const number = this.#interfaces.size;
    this.#interfaces.set(name, number);
    const options = [
      { code: IF_NAME, value: utf8.encode(name) },
      { code: IF_TSRESOL, value: Uint8Array.of(NANOSECONDS) },
    ];
    const snapLength = 0;
    this.#blocks.push(block(INTERFACE_DESCRIPTION, [LINKTYPE_ETHERNET, snapLength], options));
    return number;
  }

  /** The file so far. */
  bytes(): Uint8Array {
    const size = this.#blocks.reduce((sum, { length }) => sum + length, 0);
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const each of this.#blocks) {
      bytes.set(each, at);
      at += each.length;
    }
    return bytes;
  }
}
