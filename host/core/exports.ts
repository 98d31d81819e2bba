// What core.wasm exports and imports, by name. Numbers only cross this boundary: user pointers and lengths are u32,
// results are i32 (a negative errno on failure), times are u64 nanoseconds of the virtual clock (BigInt).
// The assembly side of every function here is in assembly/index.ts.

/** Imports of the core: one memory, one NIC, one way to stop. */
export interface CoreImports {
  env: {
    memory: WebAssembly.Memory;
    /** Kernel -> NIC. `what` is one of NIC_* in assembly/abi/nic.ts (doorbell, timer, ...). */
    nic(dev: number, what: number, arg: number): void;
    /** An assertion of the core failed: never returns. `code` is a BUG_* of assembly/abi/bug.ts. */
    panic(code: number, arg0: number, arg1: number): void;
  };
}

export interface CoreExports {
  abi_version(): number;
  /** Lays out the pools in zeroed memory and creates task 1 in network namespace 0 with `lo`. */
  boot(seed: number, profile: number): void;
  /** Sets a switch SW_* (assembly/abi/profile.ts) of a machine that has just booted. 0, -EINVAL. */
  switch_set(which: number, value: number): number;
  /** Zeroes all that was written since boot(), so that boot() may be called again. */
  clear(): void;

  // Clock and events -------------------------------------------------------------------------------------------------
  now_ns(): bigint;
  /** Runs every event that is due up to now + ns, as a sleeping task would see it. 0, or -EINTR. */
  sys_nanosleep(ns: bigint): number;
  /** Runs events until none is pending or `ns` has passed (the task is not in the kernel meanwhile). Events run. */
  run_events(ns: bigint): number;
  /** Number of events still pending. */
  events_pending(): number;
  /** Address of what the last call that "would wait for ever" waited for: see assembly/abi/wait.ts. */
  wait_report(): number;

  // Memory -----------------------------------------------------------------------------------------------------------
  /** Anonymous mapping in the user region (fd -1), or a ring mapping (fd, offset IORING_OFF_*). Address (u32), or -errno as i32 > -4096. */
  sys_mmap(len: number, prot: number, fd: number, offset: number): number;
  /** Keeps unmapped pages from being handed out again, as an inaccessible mapping at that place would. */
  vm_reserve(addr: number, len: number): void;
  sys_munmap(addr: number, len: number): number;
  sys_mprotect(addr: number, len: number, prot: number): number;

  // io_uring ---------------------------------------------------------------------------------------------------------
  sys_io_uring_setup(entries: number, params: number): number;
  sys_io_uring_enter(
    fd: number,
    toSubmit: number,
    minComplete: number,
    flags: number,
    arg: number,
    argsz: number,
  ): number;
  sys_io_uring_register(fd: number, opcode: number, arg: number, nr: number): number;

  // Files and sockets ------------------------------------------------------------------------------------------------
  sys_close(fd: number): number;
  sys_dup(fd: number): number;
  sys_dup2(fd: number, to: number): number;
  sys_dup3(fd: number, to: number, flags: number): number;
  sys_ioctl(fd: number, cmd: number, arg: bigint): number;
  sys_fcntl(fd: number, cmd: number, arg: number): number;
  sys_pipe(fds: number, flags: number): number;
  /** An unnamed in-memory file of `size` bytes. */
  sys_memfd(size: number): number;
  sys_eventfd2(initial: number, flags: number): number;
  /** The offsets are pointers, 0 for none. */
  sys_splice(fdIn: number, offIn: bigint, fdOut: number, offOut: bigint, len: bigint, flags: number): number;
  sys_tee(fdIn: number, fdOut: number, len: bigint, flags: number): number;
  sys_epoll_create1(flags: number): number;
  sys_epoll_ctl(epfd: number, op: number, fd: number, event: bigint): number;
  sys_epoll_pwait(epfd: number, events: bigint, max: number, timeoutMs: number, sigmask: bigint, size: bigint): number;
  sys_futex(uaddr: bigint, op: number, val: number, timeout: bigint, uaddr2: bigint, val3: number): number;
  sys_ftruncate(fd: number, size: bigint): number;
  sys_lseek(fd: number, offset: bigint, whence: number): number;
  sys_read(fd: number, buf: bigint, len: bigint): number;
  sys_write(fd: number, buf: bigint, len: bigint): number;
  sys_readv(fd: number, iov: bigint, nr: bigint): number;
  sys_writev(fd: number, iov: bigint, nr: bigint): number;
  sys_pread64(fd: number, buf: bigint, len: bigint, pos: bigint): number;
  sys_pwrite64(fd: number, buf: bigint, len: bigint, pos: bigint): number;
  /** `pos` -1: the file's own position. */
  sys_preadv2(fd: number, iov: bigint, nr: bigint, pos: bigint, flags: number): number;
  sys_pwritev2(fd: number, iov: bigint, nr: bigint, pos: bigint, flags: number): number;
  sys_socket(domain: number, type: number, protocol: number): number;
  sys_socketpair(domain: number, type: number, protocol: number, fds: number): number;
  sys_bind(fd: number, addr: number, len: number): number;
  sys_listen(fd: number, backlog: number): number;
  sys_connect(fd: number, addr: number, len: number): number;
  sys_accept4(fd: number, addr: number, lenp: number, flags: number): number;
  sys_getsockname(fd: number, addr: number, lenp: number): number;
  sys_getpeername(fd: number, addr: number, lenp: number): number;
  sys_setsockopt(fd: number, level: number, name: number, val: number, len: number): number;
  sys_getsockopt(fd: number, level: number, name: number, val: number, lenp: number): number;
  sys_sendto(fd: number, buf: number, len: number, flags: number, addr: number, addrlen: number): number;
  sys_recvfrom(fd: number, buf: number, len: number, flags: number, addr: number, lenp: number): number;
  sys_sendmsg(fd: number, msg: number, flags: number): number;
  sys_recvmsg(fd: number, msg: number, flags: number): number;
  sys_sendmmsg(fd: number, vec: bigint, vlen: number, flags: number): number;
  sys_recvmmsg(fd: number, vec: bigint, vlen: number, flags: number, timeout: bigint): number;
  sys_shutdown(fd: number, how: number): number;
  /** poll(2): pollfd array at `fds`; timeout in ms, -1 for none. */
  sys_poll(fds: number, n: number, timeoutMs: number): number;
  sys_ppoll(fds: number, n: number, timeout: bigint, sigmask: bigint, sigsetsize: bigint): number;

  // Task -------------------------------------------------------------------------------------------------------------
  sys_setrlimit(resource: number, soft: number, hard: number): number;
  /** A non-zero uid gives up CAP_IPC_LOCK and friends. */
  sys_setrlimit64(resource: number, at: bigint): number;
  sys_setuid(uid: number): number;
  /** Moves the task to network namespace `ns` (as setns(2) would). */
  sys_setns(ns: number): number;

  // The network fixture (what `ip` and `tc` do) ----------------------------------------------------------------------
  net_ns_create(): number;
  /** Creates a device of DEV_KIND_* in `ns`, up, without address. Returns its index. */
  dev_create(kind: number, ns: number): number;
  /** Pairs two veth devices, or sets one parameter DEV_SET_* of a device. */
  dev_set(dev: number, what: number, value: number): number;
  dev_get(dev: number, what: number): number;
  /** Adds an IPv4 address (host byte order) with its subnet route. */
  dev_addr_add(dev: number, addr: number, prefixLen: number): number;
  dev_default_route(dev: number, gateway: number): number;

  // NIC (host side of the descriptor rings; layout in assembly/abi/nic.ts) --------------------------------------------
  /** Address of the shared ring block of a DEV_KIND_NIC device. */
  nic_rings(dev: number): number;
  /** Interrupt: the host has advanced a completion or RX ring. */
  nic_irq(dev: number): void;
  /** Asks for env.nic(dev, NIC_TIMER, cookie) after `ns` of virtual time. */
  nic_timer(dev: number, ns: bigint, cookie: number): void;

  // Inspection -------------------------------------------------------------------------------------------------------
  /** Address of the counter block (assembly/abi/counters.ts): live objects, pins, bytes copied. */
  counters(): number;
  /** What exists for good since its first need: KEPT_* of assembly/abi/counters.ts. */
  kept_objects(kind: number): number;
  /** Trace ring: address of its header (assembly/abi/trace.ts). */
  trace_ring(): number;
  trace_enable(mask: number): void;
  /** What the last -ENOTMODELLED was about: see assembly/abi/not_modelled.ts. */
  not_modelled(): number;
  /** Requests and notifications of closed rings that still exist; 0 when every closed ring is gone. */
  ring_exit_pending(): number;
}
