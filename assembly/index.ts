// What the module exports: flat functions, numbers in and out. Their meaning is documented in host/core/exports.ts.
import { ABI_VERSION, COUNTERS_BASE, TRACE_HDR_BASE, WAIT_REPORT_BASE } from "./abi/layout";
import { TRACE_CTX_TASK } from "./abi/trace";
import { switchSet } from "./lib/profile";
import { dialectSwitched } from "./io_uring/dialect";
import { opdefInit } from "./io_uring/opdef";
import { S_NOT_MODELLED, S_TRACE_CTX, nowNs } from "./lib/state";
import { timersPending } from "./lib/timer";
import { traceEnable } from "./lib/trace";
import { bootMachine, clearMachine } from "./boot";
import { keptObjects } from "./kept";
import { SLEEP_EVENT, sleepStep } from "./kernel/sched";
import { devByIndex } from "./net/dev";
import { devAddrAdd, devCreate, devDefaultRoute, devGet, devSet, netNsCreate } from "./drivers/rtnetlink";
import { nicIrq, nicRings, nicTimer } from "./drivers/nic";
import { vmRestore } from "./mm/vma";
import { ioUringEnter } from "./io_uring/enter";
import { ioUringRegister } from "./io_uring/register";
import { countReqs, ringExitPending } from "./io_uring/ring";
import { ioUringSetup } from "./io_uring/setup";
import { runTaskWork } from "./io_uring/tw";
import { sysReturn } from "./sys/call";

export { sys_epoll_create1, sys_epoll_ctl, sys_epoll_pwait } from "./sys/epoll";
export { sys_close, sys_dup, sys_dup2, sys_dup3, sys_eventfd2, sys_fcntl, sys_ftruncate, sys_ioctl, sys_lseek, sys_memfd, sys_pipe } from "./sys/file";
export { sys_recvfrom, sys_recvmmsg, sys_recvmsg, sys_sendmmsg, sys_sendmsg, sys_sendto } from "./sys/message";
export { sys_mmap, sys_mprotect, sys_munmap } from "./sys/mm";
export { sys_nanosleep, sys_poll, sys_ppoll } from "./sys/poll";
export {
  sys_accept4, sys_bind, sys_connect, sys_getpeername, sys_getsockname, sys_getsockopt, sys_listen, sys_setsockopt, sys_shutdown, sys_socket,
  sys_socketpair,
} from "./sys/socket";
export { sys_preadv2, sys_pread64, sys_pwrite64, sys_pwritev2, sys_read, sys_readv, sys_write, sys_writev } from "./sys/rw";
export { sys_futex } from "./sys/futex";
export { sys_splice, sys_tee } from "./sys/splice";
export { sys_setns, sys_setrlimit, sys_setrlimit64, sys_setuid } from "./sys/task";

export function abi_version(): u32 { return ABI_VERSION; }
export function boot(seed: u32, profile: u32): void {
  bootMachine(seed, profile);
  store<u32>(S_TRACE_CTX, TRACE_CTX_TASK);
}

export function switch_set(which: u32, value: u32): i32 {
  const err = switchSet(which, value);
  if (err) return err;
  dialectSwitched(which, value);
  opdefInit();
  return 0;
}
export function clear(): void { clearMachine(); }
/** What was unmapped stays out of use: mmap() of PROT_NONE at a fixed address. */
export function vm_reserve(addr: usize, len: usize): void { vmRestore(addr, len, 0); }

export function now_ns(): u64 { return nowNs(); }
export function events_pending(): u32 { return timersPending(); }
export function wait_report(): u32 { return WAIT_REPORT_BASE; }

/** Events that are due within `ns`, with the task outside of the kernel: its work runs after each of them. */
export function run_events(ns: u64): u32 {
  const deadline = nowNs() + ns;
  let n: u32 = 0;
  while (sleepStep(deadline) == SLEEP_EVENT) {
    n++;
    runTaskWork();
  }
  return n;
}

export function sys_io_uring_setup(entries: u32, params: usize): i32 { return sysReturn(ioUringSetup(entries, params as u64)); }
export function sys_io_uring_enter(fd: i32, toSubmit: u32, minComplete: u32, flags: u32, arg: usize, argsz: u32): i32 {
  return sysReturn(ioUringEnter(fd, toSubmit, minComplete, flags, arg as u64, argsz));
}
export function sys_io_uring_register(fd: i32, opcode: u32, arg: usize, nr: u32): i32 {
  return sysReturn(ioUringRegister(fd, opcode, arg as u64, nr));
}

export function net_ns_create(): i32 { return netNsCreate(); }
export function dev_create(kind: u32, ns: u32): i32 { return devCreate(kind, ns); }
export function dev_set(dev: u32, what: u32, value: u32): i32 { return devSet(dev, what, value); }
export function dev_get(dev: u32, what: u32): i32 { return devGet(dev, what); }
export function dev_addr_add(dev: u32, addr: u32, prefixLen: u32): i32 { return devAddrAdd(dev, addr, prefixLen); }
export function dev_default_route(dev: u32, gateway: u32): i32 { return devDefaultRoute(dev, gateway); }

export function nic_rings(dev: u32): u32 { return nicRings(devByIndex(dev)); }
export function nic_irq(dev: u32): void { nicIrq(devByIndex(dev)); }
export function nic_timer(dev: u32, ns: u64, cookie: u32): void { nicTimer(devByIndex(dev), ns, cookie); }

export function counters(): u32 {
  countReqs();
  return COUNTERS_BASE;
}
export function kept_objects(kind: u32): u32 { return keptObjects(kind); }
export function trace_ring(): u32 { return TRACE_HDR_BASE; }
export function trace_enable(mask: u32): void { traceEnable(mask); }
export function not_modelled(): u32 { return load<u32>(S_NOT_MODELLED); }
export function ring_exit_pending(): u32 { return ringExitPending(); }
