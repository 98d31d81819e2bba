// Linux's calls by name, as the one task of a machine makes them: numbers in, a result or a negative errno out, nothing
// thrown. Pointers are addresses in the machine's memory (host/sys/user_memory.ts puts things there).
import type { Core } from "../core/load.ts";
import { u32 } from "../core/memory.ts";

/** Results of mmap are addresses beyond 2 GiB as well, so only the last page's worth of negative numbers is an errno. */
export function isErrno(result: number): boolean {
  return result < 0 && result > -4096;
}

export class Sys {
  readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  // io_uring ----------------------------------------------------------------------------------------------------------

  io_uring_setup(entries: number, params: number): number {
    return this.core.exports.sys_io_uring_setup(entries, params);
  }

  io_uring_enter(fd: number, toSubmit: number, minComplete: number, flags: number, arg = 0, argsz = 0): number {
    return this.core.exports.sys_io_uring_enter(fd, toSubmit, minComplete, flags, arg, argsz);
  }

  io_uring_register(fd: number, opcode: number, arg: number, nr: number): number {
    return this.core.exports.sys_io_uring_register(fd, opcode, arg, nr);
  }

  // Memory ------------------------------------------------------------------------------------------------------------

  /** Anonymous memory for fd -1, else a ring's mapping. An address, or a negative errno. */
  mmap(length: number, prot: number, fd = -1, offset = 0): number {
    const result = this.core.exports.sys_mmap(length, prot, fd, offset);
    return isErrno(result) ? result : u32(result);
  }

  munmap(address: number, length: number): number {
    return this.core.exports.sys_munmap(address, length);
  }

  mprotect(address: number, length: number, prot: number): number {
    return this.core.exports.sys_mprotect(address, length, prot);
  }

  // Files -------------------------------------------------------------------------------------------------------------

  close(fd: number): number {
    return this.core.exports.sys_close(fd);
  }

  dup(fd: number): number {
    return this.core.exports.sys_dup(fd);
  }

  fcntl(fd: number, cmd: number, arg = 0): number {
    return this.core.exports.sys_fcntl(fd, cmd, arg);
  }

  pipe(fds: number, flags = 0): number {
    return this.core.exports.sys_pipe(fds, flags);
  }

  memfd(size: number): number {
    return this.core.exports.sys_memfd(size);
  }

  eventfd2(initial: number, flags = 0): number {
    return this.core.exports.sys_eventfd2(initial, flags);
  }

  /** The offsets are addresses, 0 for none. */
  splice(fdIn: number, offIn: number, fdOut: number, offOut: number, length: number, flags = 0): number {
    return this.core.exports.sys_splice(fdIn, BigInt(offIn), fdOut, BigInt(offOut), BigInt(length), flags);
  }

  tee(fdIn: number, fdOut: number, length: number, flags = 0): number {
    return this.core.exports.sys_tee(fdIn, fdOut, BigInt(length), flags);
  }

  epoll_create1(flags = 0): number {
    return this.core.exports.sys_epoll_create1(flags);
  }

  epoll_ctl(epfd: number, op: number, fd: number, event: number): number {
    return this.core.exports.sys_epoll_ctl(epfd, op, fd, BigInt(event));
  }

  epoll_wait(epfd: number, events: number, max: number, timeoutMs: number): number {
    return this.core.exports.sys_epoll_pwait(epfd, BigInt(events), max, timeoutMs, 0n, 0n);
  }

  ftruncate(fd: number, size: number): number {
    return this.core.exports.sys_ftruncate(fd, BigInt(size));
  }

  lseek(fd: number, offset: number, whence: number): number {
    return this.core.exports.sys_lseek(fd, BigInt(offset), whence);
  }

  read(fd: number, buffer: number, length: number): number {
    return this.core.exports.sys_read(fd, BigInt(buffer), BigInt(length));
  }

  write(fd: number, buffer: number, length: number): number {
    return this.core.exports.sys_write(fd, BigInt(buffer), BigInt(length));
  }

  poll(fds: number, count: number, timeoutMs: number): number {
    return this.core.exports.sys_poll(fds, count, timeoutMs);
  }

  // Sockets -----------------------------------------------------------------------------------------------------------

  socket(domain: number, type: number, protocol = 0): number {
    return this.core.exports.sys_socket(domain, type, protocol);
  }

  socketpair(domain: number, type: number, protocol: number, fds: number): number {
    return this.core.exports.sys_socketpair(domain, type, protocol, fds);
  }

  bind(fd: number, address: number, length: number): number {
    return this.core.exports.sys_bind(fd, address, length);
  }

  listen(fd: number, backlog: number): number {
    return this.core.exports.sys_listen(fd, backlog);
  }

  connect(fd: number, address: number, length: number): number {
    return this.core.exports.sys_connect(fd, address, length);
  }

  accept4(fd: number, address = 0, lengthAddress = 0, flags = 0): number {
    return this.core.exports.sys_accept4(fd, address, lengthAddress, flags);
  }

  getsockname(fd: number, address: number, lengthAddress: number): number {
    return this.core.exports.sys_getsockname(fd, address, lengthAddress);
  }

  getpeername(fd: number, address: number, lengthAddress: number): number {
    return this.core.exports.sys_getpeername(fd, address, lengthAddress);
  }

  setsockopt(fd: number, level: number, name: number, value: number, length: number): number {
    return this.core.exports.sys_setsockopt(fd, level, name, value, length);
  }

  getsockopt(fd: number, level: number, name: number, value: number, lengthAddress: number): number {
    return this.core.exports.sys_getsockopt(fd, level, name, value, lengthAddress);
  }

  send(fd: number, buffer: number, length: number, flags = 0): number {
    return this.core.exports.sys_sendto(fd, buffer, length, flags, 0, 0);
  }

  sendto(fd: number, buffer: number, length: number, flags: number, address: number, addressLength: number): number {
    return this.core.exports.sys_sendto(fd, buffer, length, flags, address, addressLength);
  }

  recv(fd: number, buffer: number, length: number, flags = 0): number {
    return this.core.exports.sys_recvfrom(fd, buffer, length, flags, 0, 0);
  }

  recvfrom(fd: number, buffer: number, length: number, flags: number, address: number, lengthAddress: number): number {
    return this.core.exports.sys_recvfrom(fd, buffer, length, flags, address, lengthAddress);
  }

  sendmsg(fd: number, message: number, flags = 0): number {
    return this.core.exports.sys_sendmsg(fd, message, flags);
  }

  recvmsg(fd: number, message: number, flags = 0): number {
    return this.core.exports.sys_recvmsg(fd, message, flags);
  }

  shutdown(fd: number, how: number): number {
    return this.core.exports.sys_shutdown(fd, how);
  }

  // Task --------------------------------------------------------------------------------------------------------------

  nanosleep(ns: bigint): number {
    return this.core.exports.sys_nanosleep(ns);
  }

  setrlimit(resource: number, soft: number, hard: number): number {
    return this.core.exports.sys_setrlimit(resource, soft, hard);
  }

  setuid(uid: number): number {
    return this.core.exports.sys_setuid(uid);
  }

  setns(namespace: number): number {
    return this.core.exports.sys_setns(namespace);
  }
}
