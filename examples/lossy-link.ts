// How long a buffer is gone when the link loses frames: the same transfer at five rates of loss.
//
// TCP keeps the pages until they are acknowledged, so every loss lengthens the time that the application is without its
// buffer, while the first CQE comes at once in all cases. An application that counts on getting buffers back soon has to
// be ready for this: it is the network that decides. Times are virtual; the losses follow from the seed.
import { liburing, libc, Machine, parseIp, Sink, uapi } from "ringzero";

const SENDS = 16;
const SIZE = 14_600;

async function transfer(loss: number): Promise<{ held_us: number[]; frames: number; lost: number }> {
  const machine = await Machine.create({ seed: 1 });
  const nic = machine.addNic({ address: "10.90.0.1", linkRate: 1e9 });
  const wire = machine.connect(nic, new Sink(), { delay_ns: 100_000 });
  let lost = 0;
  wire.tap(({ fate }) => {
    if (fate === "lost") lost++;
  });
  const { sys, user } = machine;
  const socket = sys.socket(libc.AF_INET, libc.SOCK_STREAM);
  sys.connect(socket, user.sockaddrIn(parseIp("10.90.0.2")!, 80), libc.SOCKADDR_IN_SIZE);
  // The connection is there; from here on the link is bad, in this direction.
  wire.configureFaults({ loss }, nic);

  using ring = machine.ring(8, { flags: uapi.IORING_SETUP_DEFER_TASKRUN | uapi.IORING_SETUP_SINGLE_ISSUER });
  const buffer = user.pages(SIZE);
  const held_us: number[] = [];
  for (let number = 0; number < SENDS; number++) {
    const sqe = ring.getSqe();
    liburing.prepSendZc(ring, sqe, socket, buffer, SIZE, libc.MSG_WAITALL, 0);
    const start = machine.now_ns;
    ring.submitAndWait(2);
    held_us.push(Number(machine.now_ns - start) / 1000);
    ring.cqAdvance(2);
  }
  return { held_us, frames: nic.stats.txFrames, lost };
}

console.log("  loss  frames  lost  buffer gone for: median      longest");
for (const loss of [0, 0.01, 0.03, 0.1, 0.2]) {
  const { held_us, frames, lost } = await transfer(loss);
  const sorted = [...held_us].sort((a, b) => a - b);
  const ms = (us: number) => `${(us / 1000).toFixed(2)} ms`.padStart(12);
  const row = [`${loss * 100}%`.padStart(6), String(frames).padStart(7), String(lost).padStart(5)];
  console.log(`${row.join(" ")} ${" ".repeat(15)}${ms(sorted[SENDS >> 1])} ${ms(sorted[SENDS - 1])}`);
}
