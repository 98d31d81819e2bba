// What `sys CALL ARG...` calls: a line for each call that the core has. A call of the vocabulary that has no line here is
// reported as not modelled.
import type { CoreExports } from "../core/exports.ts";
import type { Sys } from "../sys/sys.ts";
import type { RunContext } from "./context.ts";
import type { Arg } from "./steps.ts";
import type { SysCall } from "./vocabulary.ts";

/** The arguments of a call, which are 0 where the line has none. */
export class SysArgs {
  readonly #run: RunContext;
  readonly #args: readonly Arg[];

  constructor(run: RunContext, args: readonly Arg[]) {
    this.#run = run;
    this.#args = args;
  }

  /** A descriptor, or another int. */
  int(index: number): number {
    return this.#run.argI32(this.#args[index] ?? 0n);
  }

  /** Flags, and other unsigned ints. */
  u32(index: number): number {
    return this.#run.argU32(this.#args[index] ?? 0n);
  }

  /** A pointer or a size_t. */
  ptr(index: number): number {
    return this.#run.argPointer(this.#args[index] ?? 0n);
  }

  /** A loff_t, or anything else with 64 bits. */
  u64(index: number): bigint {
    return this.#run.arg(this.#args[index] ?? 0n);
  }
}

/** Through `sys`, or straight to the core, where pointers and lengths have all their 64 bits. */
type Call = (sys: Sys, a: SysArgs, core: CoreExports) => number;

export const CALLS: Partial<Record<SysCall, Call>> = {
  accept: (sys, a) => sys.accept4(a.int(0), a.ptr(1), a.ptr(2), 0),
  accept4: (sys, a) => sys.accept4(a.int(0), a.ptr(1), a.ptr(2), a.u32(3)),
  bind: (sys, a) => sys.bind(a.int(0), a.ptr(1), a.int(2)),
  close: (sys, a) => sys.close(a.int(0)),
  connect: (sys, a) => sys.connect(a.int(0), a.ptr(1), a.int(2)),
  dup: (sys, a) => sys.dup(a.int(0)),
  dup2: (_, a, core) => core.sys_dup2(a.int(0), a.int(1)),
  dup3: (_, a, core) => core.sys_dup3(a.int(0), a.int(1), a.u32(2)),
  epoll_create1: (_, a, core) => core.sys_epoll_create1(a.u32(0)),
  epoll_ctl: (_, a, core) => core.sys_epoll_ctl(a.int(0), a.u32(1), a.int(2), a.u64(3)),
  epoll_pwait: (_, a, core) => core.sys_epoll_pwait(a.int(0), a.u64(1), a.int(2), a.int(3), a.u64(4), a.u64(5)),
  epoll_wait: (_, a, core) => core.sys_epoll_pwait(a.int(0), a.u64(1), a.int(2), a.int(3), 0n, 0n),
  eventfd2: (sys, a) => sys.eventfd2(a.u32(0), a.u32(1)),
  eventfd: (sys, a) => sys.eventfd2(a.u32(0), 0),
  fcntl: (sys, a) => sys.fcntl(a.int(0), a.u32(1), a.u32(2)),
  ftruncate: (_, a, core) => core.sys_ftruncate(a.int(0), a.u64(1)),
  futex: (_, a, core) => core.sys_futex(a.u64(0), a.u32(1), a.u32(2), a.u64(3), a.u64(4), a.u32(5)),
  getpeername: (sys, a) => sys.getpeername(a.int(0), a.ptr(1), a.ptr(2)),
  getsockname: (sys, a) => sys.getsockname(a.int(0), a.ptr(1), a.ptr(2)),
  getsockopt: (sys, a) => sys.getsockopt(a.int(0), a.int(1), a.int(2), a.ptr(3), a.ptr(4)),
  io_uring_enter: (sys, a) => sys.io_uring_enter(a.int(0), a.u32(1), a.u32(2), a.u32(3), a.ptr(4), a.ptr(5)),
  io_uring_register: (sys, a) => sys.io_uring_register(a.int(0), a.u32(1), a.ptr(2), a.u32(3)),
  io_uring_setup: (sys, a) => sys.io_uring_setup(a.u32(0), a.ptr(1)),
  ioctl: (_, a, core) => core.sys_ioctl(a.int(0), a.u32(1), a.u64(2)),
  lseek: (_, a, core) => core.sys_lseek(a.int(0), a.u64(1), a.u32(2)),
  listen: (sys, a) => sys.listen(a.int(0), a.int(1)),
  mprotect: (sys, a) => sys.mprotect(a.ptr(0), a.ptr(1), a.u32(2)),
  munmap: (sys, a) => sys.munmap(a.ptr(0), a.ptr(1)),
  pipe: (sys, a) => sys.pipe(a.ptr(0)),
  pipe2: (sys, a) => sys.pipe(a.ptr(0), a.u32(1)),
  poll: (sys, a) => sys.poll(a.ptr(0), a.u32(1), a.int(2)),
  ppoll: (_, a, core) => core.sys_ppoll(a.ptr(0), a.u32(1), a.u64(2), a.u64(3), a.u64(4)),
  pread64: (_, a, core) => core.sys_pread64(a.int(0), a.u64(1), a.u64(2), a.u64(3)),
  preadv2: (_, a, core) => core.sys_preadv2(a.int(0), a.u64(1), a.u64(2), a.u64(3), a.u32(5)),
  pwrite64: (_, a, core) => core.sys_pwrite64(a.int(0), a.u64(1), a.u64(2), a.u64(3)),
  pwritev2: (_, a, core) => core.sys_pwritev2(a.int(0), a.u64(1), a.u64(2), a.u64(3), a.u32(5)),
  read: (_, a, core) => core.sys_read(a.int(0), a.u64(1), a.u64(2)),
  readv: (_, a, core) => core.sys_readv(a.int(0), a.u64(1), a.u64(2)),
  recvfrom: (sys, a) => sys.recvfrom(a.int(0), a.ptr(1), a.ptr(2), a.u32(3), a.ptr(4), a.ptr(5)),
  recvmmsg: (_, a, core) => core.sys_recvmmsg(a.int(0), a.u64(1), a.u32(2), a.u32(3), a.u64(4)),
  recvmsg: (sys, a) => sys.recvmsg(a.int(0), a.ptr(1), a.u32(2)),
  sendmmsg: (_, a, core) => core.sys_sendmmsg(a.int(0), a.u64(1), a.u32(2), a.u32(3)),
  sendmsg: (sys, a) => sys.sendmsg(a.int(0), a.ptr(1), a.u32(2)),
  sendto: (sys, a) => sys.sendto(a.int(0), a.ptr(1), a.ptr(2), a.u32(3), a.ptr(4), a.int(5)),
  setrlimit: (_, a, core) => core.sys_setrlimit64(a.u32(0), a.u64(1)),
  setsockopt: (sys, a) => sys.setsockopt(a.int(0), a.int(1), a.int(2), a.ptr(3), a.int(4)),
  setuid: (sys, a) => sys.setuid(a.u32(0)),
  shutdown: (sys, a) => sys.shutdown(a.int(0), a.int(1)),
  socket: (sys, a) => sys.socket(a.int(0), a.u32(1), a.int(2)),
  socketpair: (sys, a) => sys.socketpair(a.int(0), a.u32(1), a.int(2), a.ptr(3)),
  splice: (_, a, core) => core.sys_splice(a.int(0), a.u64(1), a.int(2), a.u64(3), a.u64(4), a.u32(5)),
  tee: (_, a, core) => core.sys_tee(a.int(0), a.int(1), a.u64(2), a.u32(3)),
  write: (_, a, core) => core.sys_write(a.int(0), a.u64(1), a.u64(2)),
  writev: (_, a, core) => core.sys_writev(a.int(0), a.u64(1), a.u64(2)),
};
