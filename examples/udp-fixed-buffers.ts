// Registered buffers over UDP: the pages are pinned once, and each datagram borrows a part of them.
//
// Four datagrams out of one buffer, each with its own completion and its own notification. For UDP a part is free when the
// NIC has sent its frame: there is no ACK to wait for. The NIC gathers two completions before it interrupts, so the
// notifications come in pairs.
import { liburing, libc, Machine, parseIp, Sink, uapi } from "ringzero";

const COUNT = 4;
const SIZE = 1200;
const BUFFER = 0;

const machine = await Machine.create();
const sink = new Sink();
machine.connect(machine.addNic({ address: "10.90.0.1", linkRate: 1e9, moderationFrames: 2 }), sink);
const { sys, user } = machine;

const socket = sys.socket(libc.AF_INET, libc.SOCK_DGRAM);
sys.connect(socket, user.sockaddrIn(parseIp("10.90.0.2")!, 9), libc.SOCKADDR_IN_SIZE);

const buffer = user.pages(COUNT * SIZE);
for (let index = 0; index < COUNT; index++) user.fill(buffer + index * SIZE, SIZE, 0x61 + index);

using ring = machine.ring(8, { flags: uapi.IORING_SETUP_DEFER_TASKRUN | uapi.IORING_SETUP_SINGLE_ISSUER });
const iovec = user.iovec([{ base: buffer, length: COUNT * SIZE }]);
sys.io_uring_register(ring.fd, uapi.IORING_REGISTER_BUFFERS, iovec, 1);

for (let index = 0; index < COUNT; index++) {
  const sqe = ring.getSqe();
  const part = buffer + index * SIZE;
  liburing.prepSendZcFixed(ring, sqe, socket, part, SIZE, 0, uapi.IORING_SEND_ZC_REPORT_USAGE, BUFFER);
  liburing.setData(ring, sqe, index + 1);
}
ring.submit();

let outstanding = COUNT;
while (outstanding > 0) {
  const cqe = ring.waitCqe();
  const isNotif = (ring.cqeFlags(cqe) & uapi.IORING_CQE_F_NOTIF) !== 0;
  const what = isNotif ? "is free again" : `is sent (${ring.cqeRes(cqe)} bytes)`;
  console.log(`${(Number(machine.now_ns) / 1000).toFixed(1).padStart(6)} us  part ${ring.cqeData(cqe)} ${what}`);
  ring.cqeSeen(cqe);
  if (isNotif) outstanding--;
}

const letters = sink.datagrams.map(({ payload }) => String.fromCharCode(payload[0]));
console.log(`the peer got ${sink.datagrams.length} datagrams: ${letters.join(" ")}`);
