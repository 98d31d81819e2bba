// Views of a machine's memory. The memory grows: a plain memory then detaches its old buffer, and a shared one hands out
// a new, longer buffer while a view of the old one keeps its old length. So nobody keeps a view across a call into the
// core; whoever needs one asks here, and gets a new set when the length has changed.

/** A user pointer or a length is a u32; JavaScript sees a Wasm i32 result as signed. */
export function u32(value: number): number {
  return value >>> 0;
}

export class CoreMemory {
  readonly wasm: WebAssembly.Memory;
  /** False for the plain build, for pages without cross-origin isolation. */
  readonly shared: boolean;
  #u8: Uint8Array;
  #u32: Uint32Array;
  #view: DataView;

  constructor(wasm: WebAssembly.Memory) {
    this.wasm = wasm;
    const { buffer } = wasm;
    this.shared = typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
    this.#u8 = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#view = new DataView(buffer);
  }

  get u8(): Uint8Array {
    this.#refresh();
    return this.#u8;
  }

  get u32(): Uint32Array {
    this.#refresh();
    return this.#u32;
  }

  get view(): DataView {
    this.#refresh();
    return this.#view;
  }

  get byteLength(): number {
    return this.wasm.buffer.byteLength;
  }

  /** A copy, so that nothing that runs later changes it. */
  bytes(address: number, length: number): Uint8Array {
    return this.u8.slice(address, address + length);
  }

  #refresh(): void {
    const { buffer } = this.wasm;
    if (buffer.byteLength === this.#u8.byteLength) return;
    this.#u8 = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#view = new DataView(buffer);
  }
}
