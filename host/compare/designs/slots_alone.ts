// Two ways out of the slot era's bookkeeping: sends whose notification is theirs alone.
//
//   slotless      slot 65535, as Metzmacher proposed: the send's CQE, then the notification's, both with the send's user_data
//   rfc3_single   RFC v3's FLUSH, OVERRIDE_TAG and CQE_SKIP_SUCCESS together, as its text describes: success posts the notification
//                 only, with the send's user_data and without its result
//
// Spec: notif-slots.md 6 (e), (k).
import {
  IORING_NOTIF_SLOTLESS,
  IORING_SENDZC_FLUSH,
  IORING_SENDZC_OVERRIDE_TAG,
} from "../../../assembly/abi/notif_slots.ts";
import { MSG_WAITALL, SOCKADDR_IN_SIZE } from "../../../assembly/abi/socket.ts";
import { IOSQE_CQE_SKIP_SUCCESS } from "../../../assembly/abi/uapi.ts";
import { must } from "../../core/errno.ts";
import { sqeSetFlags } from "../../liburing/prep.ts";
import { prepSendzc, prepSendzcSetAddr, registerNotifications } from "../../liburing/slots.ts";
import type { SwitchValues } from "../../profile/profiles.ts";
import type { Application } from "../application.ts";
import type { Design } from "../design.ts";
import { type Part, RingSender } from "./ring_sender.ts";

abstract class AloneSender extends RingSender {
  /** The SENDZC of what the part sends of the payload, or of its header. */
  protected queue(part: Part): void {
    const { message, done } = part;
    const { header, payload, to } = message;
    if (header !== undefined && done < header.length) {
      this.sendHeader(part, header);
      return;
    }
    const { ring, app } = this;
    const skip = done - (header?.length ?? 0);
    const sqe = this.sqe();
    prepSendzc(ring, sqe, app.fd, payload.address + skip, payload.length - skip, MSG_WAITALL, this.slot, this.zcFlags);
    if (to !== 0) prepSendzcSetAddr(ring, sqe, to, SOCKADDR_IN_SIZE);
    this.nameSqe(sqe, part);
    this.finishSqe(sqe);
  }

  protected abstract readonly slot: number;
  protected abstract readonly zcFlags: number;
  protected abstract finishSqe(sqe: number): void;
}

class SlotlessSender extends AloneSender {
  protected override readonly slot = IORING_NOTIF_SLOTLESS;
  protected override readonly zcFlags = 0;
  /** Sends of which the first of the two CQEs has come. */
  readonly #returned = new Set<number>();

  protected override finishSqe(): void {}

  protected override completed(cqe: number): void {
    const name = this.ring.cqeData(cqe);
    const res = this.ring.cqeRes(cqe);
    if (this.headerCompleted(name, res)) return;
    const part = this.partOf(name);
    // Only their order tells the two apart.
    if (this.#returned.delete(name)) {
      this.forget(name);
      this.app.bufferFree(part.message);
      return;
    }
    if (!this.isDone(part, res)) throw new Error("a send that was short: its notification is not told from another's");
    this.#returned.add(name);
    this.app.orderSafe(part.message);
  }
}

class RfcSingleSender extends AloneSender {
  protected override readonly slot = 0;
  protected override readonly zcFlags = IORING_SENDZC_FLUSH | IORING_SENDZC_OVERRIDE_TAG;

  constructor(app: Application) {
    super(app);
    must("REGISTER_NOTIFIERS", registerNotifications(app.machine, this.ring, [0n]));
  }

  protected override finishSqe(sqe: number): void {
    sqeSetFlags(this.ring, sqe, IOSQE_CQE_SKIP_SUCCESS);
  }

  protected override completed(cqe: number): void {
    const name = this.ring.cqeData(cqe);
    const res = this.ring.cqeRes(cqe);
    if (this.headerCompleted(name, res)) return;
    const part = this.partOf(name);
    this.forget(name);
    // A failure, which a short send is, too: nothing was flushed, and what follows is sent under the same notification.
    if (res !== 0) this.isDone(part, res);
    else this.app.bufferFree(part.message);
  }
}

/** `switches`: slotless and, perhaps, others. */
export function slotlessDesign(name: string, profile: string, switches: SwitchValues = { slotless: 1 }): Design {
  return {
    name,
    family: "slotless",
    title: "SENDZC into slot 65535: a notification per request",
    headed: "SEND of the header, then SENDZC into slot 65535: a notification per request",
    machine: { profile, switches },
    zeroCopy: true,
    cannot: [
      "one notification for several sends",
      "several sends on one skb",
      "which of the two CQEs is which, but for their order",
      "a result that says copied",
      "sendmsg with zero copy",
    ],
    open: (app) => new SlotlessSender(app),
  };
}

export const RFC_SINGLE: Design = {
  name: "rfc3_single",
  family: "single CQE",
  title: "SENDZC with FLUSH, OVERRIDE_TAG, CQE_SKIP_SUCCESS: the notification only",
  headed: "SEND of the header, then SENDZC with FLUSH, OVERRIDE_TAG, CQE_SKIP_SUCCESS: the notification only",
  machine: { profile: "rfc3" },
  zeroCopy: true,
  cannot: [
    "how many bytes were sent",
    "that the next send may go before the buffer is free",
    "several sends on one skb",
    "a result that says copied",
    "sendmsg with zero copy",
  ],
  open: (app) => new RfcSingleSender(app),
};
