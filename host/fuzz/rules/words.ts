// Words that several areas use: descriptors, pointers that lead nowhere, flags, fields that should have been zero.
import type { Draft, Sock } from "../draft.ts";

/** `fd=`, mostly of what was asked for, sometimes through the registered table, sometimes of nothing. */
export function fdWord(draft: Draft, name: string): string {
  const {
    dice,
    ring: { regFiles },
  } = draft;
  if (dice.once(30)) return `fd=${dice.pick(["999", "-1"])}`;
  const slot = regFiles.indexOf(name);
  if (slot >= 0 && dice.once(3)) return `fd=${slot} flags=FIXED_FILE`;
  return `fd=${name}`;
}

export function badPointer(draft: Draft): string {
  return draft.dice.pick(["0", "0x10", "0xffff888000000000", "0x7fffffffe000", "0x8000000000000000"]);
}

// MSG_OOB and MSG_FASTOPEN on TCP are rows of docs/deviations.md.
export function messageFlags(draft: Draft, sock: Sock): string {
  const { dice } = draft;
  if (!dice.once(5)) return "";
  const flags = [
    "MSG_MORE",
    "MSG_DONTWAIT",
    "MSG_WAITALL",
    "MSG_ZEROCOPY",
    "MSG_EOR",
    "MSG_NOSIGNAL",
    "MSG_CONFIRM",
    "MSG_DONTROUTE",
  ];
  const chosen = dice.pick(flags);
  if (sock.kind === "udp" && chosen === "MSG_MORE" && !dice.once(3)) return "mf=MSG_DONTWAIT";
  return `mf=${dice.once(6) ? `${chosen}|${dice.pick(flags)}` : chosen}`;
}

/** Once in a while a field that the request does not have. */
export function dirtyField(draft: Draft): string {
  if (!draft.dice.once(40)) return "";
  return draft.dice.pick([
    "pad3=1",
    "addr3=1",
    "pad2=1",
    "personality=5",
    "bi=1",
    "off=8",
    "addr_len=3",
    "ioprio=0x4000",
  ]);
}
