// What a program asked for and did not get because this kernel does not have it, and what did not run for that reason. From the values of
// the steps, the errors that came back, and the table of profiles.
import {
  ROW_ACCEPT,
  ROW_BEHAVIOUR,
  ROW_CANCEL,
  ROW_ENTER,
  ROW_MSG_RING,
  ROW_NOP,
  ROW_OP,
  ROW_RECV,
} from "../../assembly/abi/profile.ts";
import {
  ROW_REGISTER,
  ROW_SEND,
  ROW_SENDMSG_ZC,
  ROW_SENDZC,
  ROW_SETUP,
  ROW_TIMEOUT,
} from "../../assembly/abi/profile.ts";
import { B_NOTIF_SLOTS, PROFILE_6_0, ROW_URING_CMD, ROW_ZC } from "../../assembly/abi/profile.ts";
import { EINVAL } from "../../assembly/abi/errno.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import { lackOf } from "../profile/describe.ts";
import { findProfile } from "../profile/profiles.ts";
import type { ProgramEvent } from "../program/events.ts";
import type { SqeNumberKey, Step, StepOf } from "../program/steps.ts";
import { opcodeText } from "./words.ts";

export interface ProgramNote {
  /** Null: of the program as a whole. */
  line: number | null;
  text: string;
}

const IOPRIO: Readonly<Record<number, number>> = {
  [uapi.IORING_OP_SEND]: ROW_SEND,
  [uapi.IORING_OP_SENDMSG]: ROW_SEND,
  [uapi.IORING_OP_SEND_ZC]: ROW_ZC,
  [uapi.IORING_OP_SENDMSG_ZC]: ROW_SENDMSG_ZC,
  [uapi.IORING_OP_RECV]: ROW_RECV,
  [uapi.IORING_OP_RECVMSG]: ROW_RECV,
  [uapi.IORING_OP_ACCEPT]: ROW_ACCEPT,
};
const OP_FLAGS: Readonly<Record<number, number>> = {
  [uapi.IORING_OP_NOP]: ROW_NOP,
  [uapi.IORING_OP_MSG_RING]: ROW_MSG_RING,
  [uapi.IORING_OP_ASYNC_CANCEL]: ROW_CANCEL,
  [uapi.IORING_OP_TIMEOUT]: ROW_TIMEOUT,
  [uapi.IORING_OP_URING_CMD]: ROW_URING_CMD,
};

export class Refusals {
  readonly #profile: number;
  readonly #notes: ProgramNote[] = [];
  /** Lines of SQEs that were not filled in, as there was no ring. */
  readonly #skipped: number[] = [];
  readonly #sqes = new Map<string, ProgramNote[]>();
  #step: Step | undefined;
  #steps = 0;

  constructor(profile: string) {
    this.#profile = findProfile(profile)?.id ?? 0;
  }

  step(step: Step): void {
    this.#step = step;
    this.#steps++;
    if (step.op === "sqe") this.#sqe(step);
    if (step.op === "notifiers" || step.op === "unnotifiers") this.#add(step.line, step.op, [this.#slots()]);
  }

  event({ ev, errno, step: line, ud, res }: ProgramEvent): void {
    const step = this.#step;
    if (ev === "skip") this.#skipped.push(line);
    if (ev === "cqe" && res === -EINVAL) {
      this.#notes.push(...(this.#sqes.get(String(ud)) ?? []));
      this.#sqes.delete(String(ud));
    }
    if (step === undefined || errno !== "EINVAL") return;
    if (step.op === "setup") this.#add(line, "setup", this.#flags(ROW_SETUP, step.flags));
    if (step.op === "enter") this.#add(line, "enter", this.#flags(ROW_ENTER, step.flags));
    if (step.op === "reg") this.#add(line, "reg", [lackOf(this.#profile, ROW_REGISTER, step.opcode)]);
  }

  /** All notes, by line. */
  end(): ProgramNote[] {
    const notes = [...new Map(this.#notes.map((note) => [`${note.line} ${note.text}`, note])).values()];
    notes.sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
    if (this.#steps === 0) notes.push({ line: null, text: "nothing to run: the program has no steps" });
    const { length } = this.#skipped;
    if (length === 0) return notes;
    const lines = [...new Set(this.#skipped)].slice(0, 8).join(", ");
    const what = length === 1 ? "the SQE of line" : `${length} SQEs (lines`;
    const text = `there was no ring: ${what} ${lines}${length === 1 ? "" : ")"} did not run`;
    return [...notes, { line: this.#skipped[0], text }];
  }

  #add(line: number, what: string, texts: readonly (string | undefined)[]): void {
    for (const text of texts) if (text !== undefined) this.#notes.push({ line, text: `${what}: ${text}` });
  }

  #slots(): string | undefined {
    return lackOf(this.#profile, ROW_BEHAVIOUR, B_NOTIF_SLOTS, "notification slots are");
  }

  #flags(kind: number, flags: number): (string | undefined)[] {
    return Array.from({ length: 32 }, (_, bit) => ((flags >>> bit) & 1 ? lackOf(this.#profile, kind, bit) : undefined));
  }

  /** What this kernel lacks for the SQE; said when it is refused. A slot that is named means nothing to a kernel without, refused or not. */
  #sqe(step: StepOf<"sqe">): void {
    const { opcode, line } = step;
    const value = (key: SqeNumberKey): bigint => {
      const found = step.settings.filter((setting) => setting.key === key).at(-1);
      return found !== undefined && "value" in found && typeof found.value === "bigint" ? found.value : 0n;
    };
    const name = opcodeText(opcode);
    if (step.settings.some(({ key }) => key === "slot")) this.#add(line, name, [this.#slots()]);
    const isSlotSend = this.#profile < PROFILE_6_0 && opcode === uapi.IORING_OP_SEND_ZC;
    const kind = isSlotSend ? ROW_SENDZC : IOPRIO[opcode];
    const texts = [
      lackOf(this.#profile, ROW_OP, opcode),
      ...(kind === undefined ? [] : this.#flags(kind, Number(value("ioprio")))),
      ...(OP_FLAGS[opcode] === undefined ? [] : this.#flags(OP_FLAGS[opcode], Number(value("mf")))),
    ].filter((text) => text !== undefined);
    this.#sqes.set(
      String(value("ud")),
      texts.map((text) => ({ line, text: `${name}: ${text}` })),
    );
  }
}

/** `line 3: ...` */
export const noteText = ({ line, text }: ProgramNote): string => (line === null ? text : `line ${line}: ${text}`);
