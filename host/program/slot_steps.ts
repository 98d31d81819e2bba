// The steps of the era of notification slots (profiles rfc3 to aug16), and the look at rings that are on their way out. The emulator
// has them alone: no kernel ever released does.
import { CNT_RINGS_LIVE } from "../../assembly/abi/counters.ts";
import { REGI_NOTIFIERS, REGI_UNREGISTER_NOTIFIERS } from "../../assembly/abi/profile.ts";
import { NOTIF_REGISTER_SIZE } from "../../assembly/abi/notif_slots.ts";
import { ringBytes } from "../liburing/setup.ts";
import { slotRegisterOpcode, writeSlots } from "../liburing/slots.ts";
import type { RunContext } from "./context.ts";
import { stepClosering } from "./ring_steps.ts";
import type { StepOf } from "./steps.ts";

function register(run: RunContext, meaning: number, arg: number, count: number): void {
  const opcode = slotRegisterOpcode(run.machine.profile, meaning);
  const result = run.sys.io_uring_register(run.ringFd, opcode, arg, count);
  run.outResult("register", run.call(`io_uring_register opcode ${opcode}`, result));
}

export function stepNotifiers(run: RunContext, step: StepOf<"notifiers">): void {
  register(run, REGI_NOTIFIERS, writeSlots(run.user, step.tags), NOTIF_REGISTER_SIZE);
}

export function stepUnnotifiers(run: RunContext): void {
  register(run, REGI_UNREGISTER_NOTIFIERS, 0, 0);
}

/** io_uring_queue_exit(): a ring that is only closed lives on in its mappings. */
export function stepExitring(run: RunContext): void {
  const { rings, sqes, params, sqeSize } = run.liveRing();
  run.call("munmap", run.sys.munmap(rings, ringBytes(params)));
  run.call("munmap", run.sys.munmap(sqes, params.sqEntries * sqeSize));
  stepClosering(run);
}

/** How many rings there are, open or closed, and how many requests and notifications keep closed ones from ending. */
export function stepExiting(run: RunContext): void {
  const rings = run.machine.counter(CNT_RINGS_LIVE);
  run.out("exiting", { rings, requests: run.machine.exports.ring_exit_pending() });
}
