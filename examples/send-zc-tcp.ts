// The smallest complete zero-copy send, step by step: when the first CQE comes, when the second, and what came between.
//
// One machine with a NIC, and at the other end of the wire a sink that acknowledges after 40 us. The buffer is the
// application's again at the second CQE (F_NOTIF), which for TCP means at the ACK: until then TCP may have to send the
// same bytes again, and it has no copy of them.
import { liburing, libc, Machine, parseIp, Sink, uapi } from "ringzero";

const machine = await Machine.create();
const nic = machine.addNic({ address: "10.90.0.1" });
machine.connect(nic, new Sink({ ackDelay_ns: 40_000 }));
const { sys, user } = machine;

const start = machine.now_ns;
const say = (text: string) => {
  const us = Number(machine.now_ns - start) / 1000;
  console.log(`${us.toFixed(1).padStart(6)} us  ${text}`);
};

// A connected socket.
const socket = sys.socket(libc.AF_INET, libc.SOCK_STREAM);
sys.connect(socket, user.sockaddrIn(parseIp("10.90.0.2")!, 80), libc.SOCKADDR_IN_SIZE);
say("connected");

// A buffer: whole pages, as mmap() gives them.
const length = 8000;
const buffer = user.pages(length);
user.fill(buffer, length, 0x5a);

// A ring, one SQE in it, and the system call that submits it.
using ring = machine.ring(8, { flags: uapi.IORING_SETUP_DEFER_TASKRUN | uapi.IORING_SETUP_SINGLE_ISSUER });
const sqe = ring.getSqe();
liburing.prepSendZc(ring, sqe, socket, buffer, length, 0, uapi.IORING_SEND_ZC_REPORT_USAGE);
liburing.setData(ring, sqe, 1);
say(`submitted ${ring.submit()} SQE`);

for (let isFree = false; !isFree; ) {
  const cqe = ring.waitCqe();
  const res = ring.cqeRes(cqe);
  const flags = ring.cqeFlags(cqe);
  ring.cqeSeen(cqe);
  isFree = (flags & uapi.IORING_CQE_F_MORE) === 0;
  if (flags & uapi.IORING_CQE_F_NOTIF) {
    const copied = res === (uapi.IORING_NOTIF_USAGE_ZC_COPIED | 0);
    say(`second CQE: the buffer is free again; its bytes were ${copied ? "copied" : "never copied"}`);
  } else {
    say(`first CQE: ${res} bytes are in TCP's queue; the buffer still belongs to the kernel`);
  }
}
say(`the NIC put ${nic.stats.txFrames} frames on the wire, ${nic.stats.txBytes} bytes`);
