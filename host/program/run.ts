// Runs a program on a machine, one step after the other. The events come out as they happen; the result says how the run
// ended. The C harness does the same on a real kernel, so a program has one meaning and two places to run.
import { RLIMIT_MEMLOCK } from "../../assembly/abi/socket.ts";
import { SyscallError } from "../core/errno.ts";
import { CorePanic } from "../core/load.ts";
import { stepLink } from "./link_step.ts";
import type { Machine } from "../machine.ts";
import { RunContext } from "./context.ts";
import { copyLog } from "./copies.ts";
import type { ProgramEvent } from "./events.ts";
import * as memory from "./memory_steps.ts";
import { type Outcome, type RunResult, RunStopped } from "./outcome.ts";
import * as ring from "./ring_steps.ts";
import * as sockets from "./socket_steps.ts";
import { stepExiting, stepExitring, stepNotifiers, stepUnnotifiers } from "./slot_steps.ts";
import { stepMsg } from "./sqe_step.ts";
import type { Program, Step, StepOf, StepOp } from "./steps.ts";
import { stepSys } from "./sys_step.ts";

const STEPS: { [Op in StepOp]: (run: RunContext, step: StepOf<Op>) => void } = {
  setup: ring.stepSetup,
  use: ring.stepUse,
  sqe: ring.stepSqe,
  submit: ring.stepSubmit,
  submitwait: ring.stepSubmitWait,
  wait: ring.stepWait,
  enter: ring.stepEnter,
  reap: ring.stepReap,
  settle: ring.stepSettle,
  ring: ring.stepRing,
  ringmem: ring.stepRingmem,
  regbuf: ring.stepRegbuf,
  unregbuf: ring.stepUnregbuf,
  regfile: ring.stepRegfile,
  enable: ring.stepEnable,
  reg: ring.stepReg,
  closering: ring.stepClosering,
  notifiers: stepNotifiers,
  unnotifiers: stepUnnotifiers,
  exitring: stepExitring,
  exiting: stepExiting,
  pair: sockets.stepPair,
  socket: sockets.stepSocket,
  syssend: sockets.stepSyssend,
  fill: sockets.stepFill,
  recv: sockets.stepRecv,
  recvall: sockets.stepRecvall,
  drainrx: sockets.stepDrainrx,
  errq: sockets.stepErrq,
  sockopt: sockets.stepSockopt,
  sniff: sockets.stepSniff,
  link: stepLink,
  shutdown: sockets.stepShutdown,
  close: sockets.stepClose,
  msg: stepMsg,
  buf: memory.stepBuf,
  poke: memory.stepPoke,
  map: memory.stepMap,
  put: memory.stepPut,
  get: memory.stepGet,
  hash: memory.stepHash,
  unmap: memory.stepUnmap,
  mprotect_none: memory.stepMprotectNone,
  sys: stepSys,
  fd: (run, step) => run.setFd(step.name, run.argI32(step.value)),
  file: (run, step) => run.setFd(step.name, run.must("memfd_create", run.sys.memfd(step.size))),
  pipe: (run, step) => {
    run.must("pipe", run.sys.pipe(run.scratch));
    run.setFd(step.read, run.user.getI32(run.scratch));
    run.setFd(step.write, run.user.getI32(run.scratch + 4));
  },
  rlimit_memlock: (run, step) => {
    run.outResult("setrlimit", run.call("setrlimit", run.sys.setrlimit(RLIMIT_MEMLOCK, step.bytes, step.bytes)));
  },
  setuid: (run, step) => run.outResult("setuid", run.call("setuid", run.sys.setuid(step.uid))),
  msleep: (run, step) => {
    run.call("nanosleep", run.sys.nanosleep(BigInt(Math.max(0, step.ms)) * 1_000_000n));
  },
  say: (run, step) => run.out("say", { text: step.text }),
  nic: (run, step) => run.machine.nic().configure(step.knobs),
};

function runStep<Op extends StepOp>(run: RunContext, step: StepOf<Op>, op: Op): void {
  STEPS[op](run, step);
}

function stopped(line: number, error: unknown): Outcome {
  if (error instanceof RunStopped) return { kind: error.kind, line, report: error.message };
  // Not the program's fault: it must not look like an answer of Linux.
  if (error instanceof CorePanic || error instanceof WebAssembly.RuntimeError) throw error;
  if (error instanceof SyscallError) return { kind: "failed", line, report: error.message };
  throw error;
}

export interface RunOptions {
  onEvent?: (event: ProgramEvent) => void;
  /** Called before each step, for a reader of the trace that wants to know where a line began. */
  onStep?: (step: Step) => void;
  /** Called once, before the first step: for who wants to know what the program's names mean. */
  onStart?: (run: RunContext) => void;
}

/** Runs `program` on a machine of its own. Throws only for a bug of the emulator (CorePanic). */
export function runProgram(machine: Machine, program: Program, options: RunOptions = {}): RunResult {
  const events: ProgramEvent[] = [];
  const run = new RunContext(machine, (event) => {
    events.push(event);
    options.onEvent?.(event);
  });
  const tellCopies = copyLog(machine, (ev, fields) => run.out(ev, fields));
  options.onStart?.(run);
  for (const step of program.steps) {
    run.line = step.line;
    run.op = step.op;
    options.onStep?.(step);
    try {
      runStep(run, step, step.op);
      tellCopies();
    } catch (error) {
      return { events, outcome: stopped(step.line, error) };
    }
  }
  run.line = program.lines;
  run.out("end");
  return { events, outcome: { kind: "end" } };
}
