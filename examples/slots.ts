// Notification slots, as August 2022 had them (6.0-rc3): several sends share one notification, and somebody has to flush it.
//
// The application registers two slots, each with a tag of its own. Three messages of a stream go to slot 0 and the third
// says FLUSH: one notification for all of them, when the peer has acknowledged the last byte. Its CQE has the slot's tag as
// user_data and the number of the notification in flags. A fourth message goes to slot 1 without a flush, so nobody is told
// about its buffer until an update flushes the slot and gives it another tag, which the fifth message's notification has.
import { liburing, libc, Machine, notifSlots, parseIp, type Ring, Sink, uapi } from "ringzero";

const SIZE = 2000;
const TAGS = [0xa000_0000_0000_0000n, 0xb000_0000_0000_0000n];
const NEW_TAG = 0xc000_0000_0000_0000n;
const { IORING_RECVSEND_NOTIF_FLUSH: FLUSH } = notifSlots;

const machine = await Machine.create({ profile: "rc3" });
machine.connect(machine.addNic({ address: "10.90.0.1" }), new Sink({ ackDelay_ns: 40_000 }));
const { sys, user } = machine;

const socket = sys.socket(libc.AF_INET, libc.SOCK_STREAM);
sys.connect(socket, user.sockaddrIn(parseIp("10.90.0.2")!, 80), libc.SOCKADDR_IN_SIZE);

using ring = machine.ring(8, { flags: uapi.IORING_SETUP_SINGLE_ISSUER });
const registered = liburing.registerNotifications(machine, ring, TAGS);
console.log(`registered ${TAGS.length} slots: ${registered}`);

send(1, 0);
send(2, 0);
send(3, 0, FLUSH);
submit("three sends to slot 0, the last one flushes it");

send(4, 1);
submit("a send to slot 1, and no flush");
sys.nanosleep(1_000_000n);
tell("1 ms later");

const update = ring.getSqe();
liburing.prepNotifUpdate(ring, update, NEW_TAG, 1, 1);
liburing.setData(ring, update, 99);
submit("an update flushes slot 1 and gives it another tag");

send(5, 1, FLUSH);
submit("a send to slot 1 that flushes it");

/** A message out of pages of its own. */
function send(name: number, slot: number, flags = 0): void {
  const buffer = user.pages(SIZE);
  user.fill(buffer, SIZE, name);
  const sqe = ring.getSqe();
  liburing.prepSendzc(ring, sqe, socket, buffer, SIZE, 0, slot, flags);
  liburing.setData(ring, sqe, name);
}

function submit(what: string): void {
  ring.submit();
  sys.nanosleep(1_000_000n);
  tell(what);
}

function tell(what: string): void {
  console.log(`\n${what}`);
  const before = ring.cqReady();
  ring.forEachCqe((cqe) => console.log(`  ${words(ring, cqe)}`));
  if (before === 0) console.log("  nothing");
}

function words(from: Ring, cqe: number): string {
  const tag = from.cqeData64(cqe);
  if (tag >> 60n === 0n) return `CQE ${tag}: ${from.cqeRes(cqe)}`;
  return `notification ${from.cqeFlags(cqe)} of tag ${(tag >> 60n).toString(16)}: its buffers are free`;
}
