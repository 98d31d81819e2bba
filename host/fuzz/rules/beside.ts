// What happens beside the ring: blocking calls, buffers that change or vanish, sockets that end, options.
import type { Draft } from "../draft.ts";
import type { Rule } from "../rule.ts";

const hasSocks = (draft: Draft) => draft.openSocks().length > 0;

function writeSyssend(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock();
  if (sock === undefined) return;
  draft.flush();
  draft.line(`syssend ${sock.name} ${draft.buf().name} ${dice.pick([1, 50, 1000])} MSG_DONTWAIT|MSG_NOSIGNAL`);
}

function writePoke(draft: Draft): void {
  const { dice } = draft;
  const usable = draft.bufs.filter(({ gone }) => !gone);
  if (usable.length === 0) return;
  draft.flush();
  const { name, size } = dice.pick(usable);
  draft.line(`poke ${name} 0 ${dice.between(1, Math.min(size, 100))} 0x${dice.below(256).toString(16)}`);
}

function takeAway(draft: Draft, step: string): void {
  const usable = draft.bufs.filter(({ gone, name }) => !gone && name !== "r");
  if (usable.length === 0) return;
  draft.flush();
  const buf = draft.dice.pick(usable);
  draft.line(`${step} ${buf.name}`);
  buf.gone = true;
}

function writeClose(draft: Draft): void {
  const sock = draft.sock();
  if (sock === undefined) return;
  if (!draft.dice.once(3)) draft.flush();
  draft.line(`close ${sock.name}`);
  sock.closed = true;
}

function writeShutdown(draft: Draft): void {
  const sock = draft.sock();
  if (sock === undefined) return;
  if (!draft.dice.once(3)) draft.flush();
  draft.line(`shutdown ${sock.name} ${draft.dice.below(3)}`);
}

/** A close that sends a reset: lingering with no time. */
function writeReset(draft: Draft): void {
  const sock = draft.sock(({ kind }) => kind === "tcp");
  if (sock === undefined || sock.closed) return;
  draft.flush();
  draft.line(`sockopt ${sock.name} LINGER 0`);
  draft.line(`close ${sock.name}`);
  sock.closed = true;
}

function writeOption(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock();
  if (sock === undefined) return;
  const [name, values] = dice.pick<[string, number[]]>([
    ["ZEROCOPY", [0, 1]],
    ["SNDBUF", [2048, 16384, 200000]],
    ["RCVBUF", [2048, 16384]],
    ["NODELAY", [0, 1]],
    ["CORK", [0, 1]],
    ["SNDTIMEO", [5]],
  ]);
  draft.line(`sockopt ${sock.name} ${name} ${dice.pick(values)}`);
}

function writeFill(draft: Draft): void {
  const sock = draft.sock(({ near, kind }) => near && kind.startsWith("unix"));
  if (sock === undefined) return;
  draft.flush();
  draft.line(`fill ${sock.name} ${draft.dice.pick([1000, 4096, 65536])}`);
}

function writeCloseRing(draft: Draft): void {
  draft.flush();
  draft.line("closering");
  draft.ring.open = false;
}

/** close and shutdown as requests. */
function writeCloseRequest(draft: Draft): void {
  const { dice } = draft;
  const sock = draft.sock();
  if (sock === undefined) return;
  if (dice.once(2)) draft.sqe("shutdown", [`fd=${sock.name}`, `len=${dice.below(3)}`]);
  else {
    draft.sqe("close", [`fd=${dice.once(6) ? "77" : sock.name}`]);
    sock.closed = true;
  }
}

export const BESIDE_RULES: readonly Rule[] = [
  { name: "syssend", area: "sys", weight: 2, when: hasSocks, write: writeSyssend },
  { name: "poke", area: "sys", weight: 1, write: writePoke },
  { name: "option", area: "sys", weight: 1, when: hasSocks, write: writeOption },
  { name: "fill", area: "sys", weight: 1, when: hasSocks, write: writeFill },
  { name: "unmap", area: "hostile", weight: 1, write: (draft) => takeAway(draft, "unmap") },
  { name: "mprotect_none", area: "hostile", weight: 1, write: (draft) => takeAway(draft, "mprotect_none") },
  { name: "close", area: "end", weight: 2, when: hasSocks, write: writeClose },
  { name: "shutdown", area: "end", weight: 2, when: hasSocks, write: writeShutdown },
  { name: "reset", area: "end", weight: 1, when: hasSocks, write: writeReset },
  { name: "close request", area: "end", weight: 2, when: hasSocks, write: writeCloseRequest },
  { name: "closering", area: "end", weight: 0.3, when: ({ lines }) => lines.length > 10, write: writeCloseRing },
];
