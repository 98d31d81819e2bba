// The bug that zero copy invites: using the buffer again at the first CQE. What the peer gets then.
//
// The same program three times. It sends "AAAA...", and as soon as the first CQE says that the send is done, it writes
// "BBBB..." into the buffer for its next message. With a NIC that gathers pages, the peer gets the new bytes, with a correct
// checksum: nothing on the way can notice. Without scatter-gather Linux made a copy, so the same bug stays hidden. And
// where the first transmission was right but lost, the retransmission sends what the buffer holds by then.
import { liburing, libc, Machine, parseIp, type NicOptions, Sink, uapi } from "ringzero";

const SIZE = 1000;

async function sendAndReuse(title: string, type: number, nicOptions: NicOptions, losesFirst = false): Promise<void> {
  const machine = await Machine.create();
  const sink = new Sink();
  const nic = machine.addNic({ address: "10.90.0.1", ...nicOptions });
  const wire = machine.connect(nic, sink);
  const { sys, user } = machine;

  const socket = sys.socket(libc.AF_INET, type);
  sys.connect(socket, user.sockaddrIn(parseIp("10.90.0.2")!, 80), libc.SOCKADDR_IN_SIZE);
  machine.exports.run_events(1_000_000n);
  if (losesFirst) wire.configureFaults({ dropNth: [1] }, nic);

  const buffer = user.pages(SIZE);
  user.fill(buffer, SIZE, "A".charCodeAt(0));
  using ring = machine.ring(8, { flags: uapi.IORING_SETUP_DEFER_TASKRUN | uapi.IORING_SETUP_SINGLE_ISSUER });
  const sqe = ring.getSqe();
  liburing.prepSendZc(ring, sqe, socket, buffer, SIZE, 0, 0);
  ring.submitAndWait(1);

  const first = ring.peekCqe();
  const isMore = (ring.cqeFlags(first) & uapi.IORING_CQE_F_MORE) !== 0;
  ring.cqeSeen(first);
  // A lost frame has left before the program gets around to reusing its buffer.
  if (losesFirst) machine.exports.run_events(1_000_000n);
  // The bug. F_MORE says that a notification will follow; only that one gives the buffer back.
  user.fill(buffer, SIZE, "B".charCodeAt(0));
  if (isMore) ring.cqeSeen(ring.waitCqe());

  machine.exports.run_events(1_000_000n);
  const got = type === libc.SOCK_DGRAM ? sink.datagrams[0].payload : sink.connection().received;
  console.log(`${title.padEnd(34)} sent AAAA..., the peer got ${String.fromCharCode(...got.subarray(0, 4))}...`);
}

await sendAndReuse("UDP, the NIC reads the pages:", libc.SOCK_DGRAM, {});
await sendAndReuse("UDP, the kernel made a copy:", libc.SOCK_DGRAM, { scatterGather: false });
await sendAndReuse("TCP, the first segment is lost:", libc.SOCK_STREAM, {}, true);
