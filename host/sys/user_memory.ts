// What an application keeps in its own memory: buffers, and the structs that calls take, in their LP64 layout. Memory
// comes from mmap, like any application's, and so lies in the user region where the kernel accepts pointers.
import {
  AF_INET,
  CMSGHDR_OFF_LEN,
  CMSGHDR_OFF_LEVEL,
  CMSGHDR_OFF_TYPE,
  CMSGHDR_SIZE,
  IOVEC_OFF_BASE,
  IOVEC_OFF_LEN,
  IOVEC_SIZE,
  MSGHDR_OFF_CONTROL,
  MSGHDR_OFF_CONTROLLEN,
  MSGHDR_OFF_FLAGS,
  MSGHDR_OFF_IOV,
  MSGHDR_OFF_IOVLEN,
  MSGHDR_OFF_NAME,
  MSGHDR_OFF_NAMELEN,
  MSGHDR_SIZE,
  PROT_READ,
  PROT_WRITE,
  SOCKADDR_IN_OFF_ADDR,
  SOCKADDR_IN_OFF_FAMILY,
  SOCKADDR_IN_OFF_PORT,
  SOCKADDR_IN_SIZE,
  TIMESPEC_OFF_NSEC,
  TIMESPEC_OFF_SEC,
} from "../../assembly/abi/socket.ts";
import { USER_BASE } from "../../assembly/abi/layout.ts";
import { must } from "../core/errno.ts";
import type { CoreMemory } from "../core/memory.ts";
import type { Sys } from "./sys.ts";

const PAGE = 4096;
const ARENA = 256 * 1024;

/** Bytes rounded up to whole pages, at least one: what mmap and munmap work on. */
export function pageAlign(length: number): number {
  return Math.max(PAGE, Math.ceil(length / PAGE) * PAGE);
}

export interface MsgHdr {
  name?: number;
  namelen?: number;
  iov?: number;
  iovlen?: number;
  control?: number;
  controllen?: number;
  flags?: number;
}

export interface SockaddrIn {
  family: number;
  port: number;
  /** Host byte order: 10.77.0.1 is 0x0a4d0001. */
  address: number;
}

export interface Cmsg {
  level: number;
  type: number;
  /** Address and length of the data behind the header. */
  data: number;
  length: number;
}

export class UserMemory {
  readonly sys: Sys;
  readonly memory: CoreMemory;
  #next = 0;
  #end = 0;

  constructor(sys: Sys) {
    this.sys = sys;
    this.memory = sys.core.memory;
  }

  /** Whole pages of their own, zeroed. `length` in bytes, at least 0. */
  pages(length: number): number {
    if (!Number.isInteger(length) || length < 0) throw new RangeError(`no memory can have ${length} bytes`);
    return must("mmap", this.sys.mmap(pageAlign(length), PROT_READ | PROT_WRITE));
  }

  /** A zeroed place for a struct, 16-byte aligned, never freed. */
  alloc(length: number): number {
    const size = (length + 15) & ~15;
    if (size > ARENA) return this.pages(size);
    if (this.#next + size > this.#end) {
      this.#next = this.pages(ARENA);
      this.#end = this.#next + ARENA;
    }
    const address = this.#next;
    this.#next += size;
    return address;
  }

  getU16(address: number): number {
    return this.memory.view.getUint16(address, true);
  }

  getU32(address: number): number {
    return this.memory.view.getUint32(address, true);
  }

  getI32(address: number): number {
    return this.memory.view.getInt32(address, true);
  }

  getU64(address: number): bigint {
    return this.memory.view.getBigUint64(address, true);
  }

  setU16(address: number, value: number): void {
    this.memory.view.setUint16(address, value, true);
  }

  setU32(address: number, value: number): void {
    this.memory.view.setUint32(address, value, true);
  }

  /** A u64 that is an address or a length, so that its upper half is 0. */
  setPointer(address: number, value: number): void {
    const { view } = this.memory;
    view.setUint32(address, value, true);
    view.setUint32(address + 4, 0, true);
  }

  setU64(address: number, value: bigint): void {
    this.memory.view.setBigUint64(address, BigInt.asUintN(64, value), true);
  }

  /** The low `bytes` bytes (1, 2, 4 or 8) of a value. */
  setNumber(address: number, bytes: number, value: bigint): void {
    const { view } = this.memory;
    if (bytes === 8) view.setBigUint64(address, BigInt.asUintN(64, value), true);
    else if (bytes === 4) view.setUint32(address, Number(value & 0xffff_ffffn), true);
    else if (bytes === 2) view.setUint16(address, Number(value & 0xffffn), true);
    else view.setUint8(address, Number(value & 0xffn));
  }

  getNumber(address: number, bytes: number, signed: boolean): bigint {
    const { view } = this.memory;
    let value: bigint;
    if (bytes === 8) value = view.getBigUint64(address, true);
    else if (bytes === 4) value = BigInt(view.getUint32(address, true));
    else if (bytes === 2) value = BigInt(view.getUint16(address, true));
    else value = BigInt(view.getUint8(address));
    return signed ? BigInt.asIntN(bytes * 8, value) : value;
  }

  write(address: number, bytes: Uint8Array): void {
    this.checkSpan(address, bytes.length);
    this.memory.u8.set(bytes, address);
  }

  read(address: number, length: number): Uint8Array {
    return this.memory.bytes(address, length);
  }

  fill(address: number, length: number, byte: number): void {
    this.checkSpan(address, length);
    this.memory.u8.fill(byte, address, address + length);
  }

  // An application can write its own memory only: below lies the kernel's.
  private checkSpan(address: number, length: number): void {
    if (length >= 0 && address >= USER_BASE && address + length <= this.memory.u8.length) return;
    throw new RangeError(`${length} bytes at 0x${address.toString(16)} are not memory of the application`);
  }

  sockaddrIn(ip: number, port: number, at = this.alloc(SOCKADDR_IN_SIZE)): number {
    const { view } = this.memory;
    view.setUint16(at + SOCKADDR_IN_OFF_FAMILY, AF_INET, true);
    view.setUint16(at + SOCKADDR_IN_OFF_PORT, port);
    view.setUint32(at + SOCKADDR_IN_OFF_ADDR, ip);
    return at;
  }

  readSockaddrIn(at: number): SockaddrIn {
    const { view } = this.memory;
    return {
      family: view.getUint16(at + SOCKADDR_IN_OFF_FAMILY, true),
      port: view.getUint16(at + SOCKADDR_IN_OFF_PORT),
      address: view.getUint32(at + SOCKADDR_IN_OFF_ADDR),
    };
  }

  iovec(segments: readonly { base: number; length: number }[], at = this.alloc(segments.length * IOVEC_SIZE)): number {
    segments.forEach((segment, index) => {
      this.setPointer(at + index * IOVEC_SIZE + IOVEC_OFF_BASE, segment.base);
      this.setPointer(at + index * IOVEC_SIZE + IOVEC_OFF_LEN, segment.length);
    });
    return at;
  }

  msghdr(fields: MsgHdr, at = this.alloc(MSGHDR_SIZE)): number {
    this.setPointer(at + MSGHDR_OFF_NAME, fields.name ?? 0);
    this.setPointer(at + MSGHDR_OFF_NAMELEN, fields.namelen ?? 0);
    this.setPointer(at + MSGHDR_OFF_IOV, fields.iov ?? 0);
    this.setPointer(at + MSGHDR_OFF_IOVLEN, fields.iovlen ?? 0);
    this.setPointer(at + MSGHDR_OFF_CONTROL, fields.control ?? 0);
    this.setPointer(at + MSGHDR_OFF_CONTROLLEN, fields.controllen ?? 0);
    this.setPointer(at + MSGHDR_OFF_FLAGS, fields.flags ?? 0);
    return at;
  }

  timespec(sec: bigint, nsec: bigint, at: number): number {
    this.setU64(at + TIMESPEC_OFF_SEC, sec);
    this.setU64(at + TIMESPEC_OFF_NSEC, nsec);
    return at;
  }

  /** The control messages of a msghdr after recvmsg, as CMSG_FIRSTHDR and CMSG_NXTHDR walk them. */
  cmsgs(message: number): Cmsg[] {
    const start = this.getU32(message + MSGHDR_OFF_CONTROL);
    const end = start + this.getU32(message + MSGHDR_OFF_CONTROLLEN);
    const found: Cmsg[] = [];
    for (let at = start; at + CMSGHDR_SIZE <= end; ) {
      const length = this.getU32(at + CMSGHDR_OFF_LEN);
      if (length < CMSGHDR_SIZE || at + length > end) break;
      const level = this.getI32(at + CMSGHDR_OFF_LEVEL);
      const type = this.getI32(at + CMSGHDR_OFF_TYPE);
      found.push({ level, type, data: at + CMSGHDR_SIZE, length: length - CMSGHDR_SIZE });
      at += (length + 7) & ~7;
    }
    return found;
  }
}

/** "10.77.0.1" in host byte order; undefined when it is not an address. */
export function parseIp(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined;
  return parts.reduce((value, part) => value * 256 + Number(part), 0);
}

export function formatIp(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}
