// One workload through one design: a fresh machine, the application's loop, the figures.
import { must } from "../core/errno.ts";
import { Machine } from "../machine.ts";
import { Application } from "./application.ts";
import type { Design, Sender } from "./design.ts";
import { Bounce } from "./designs/bounce.ts";
import { PlainSender } from "./designs/plain.ts";
import { FILE_BYTE, ReadSender } from "./designs/read.ts";
import { SpliceSender } from "./designs/splice.ts";
import { Message } from "./message.ts";
import { type Counts, Meter } from "./meter.ts";
import type { Variant, Workload } from "./workloads.ts";

/** Virtual nanoseconds. */
export interface Spread {
  p50: number;
  p99: number;
  worst: number;
}

export interface Run {
  design: Design;
  variant: Variant | undefined;
  counts: Counts;
  /** From the submission of a message until the next one may go. */
  orderSafe: Spread;
  /** Until the application is told that its memory is free; undefined if it is never told. */
  free: Spread | undefined;
  /** From the first message to the last news. */
  duration_ns: number;
  /** Frames that the NIC put on the wire. */
  wireFrames: number;
  /** A hash of all requests and completions. */
  talk: string;
}

/** For the peer to get what is on its way. */
const QUIET_NS = 10_000_000_000n;

export async function runWorkload(workload: Workload, design: Design, variant?: Variant): Promise<Run> {
  return runOn(await Machine.create({ seed: 1, ...design.machine }), workload, design, variant);
}

/** On a machine that was made for the design and has done nothing yet. */
export function runOn(machine: Machine, workload: Workload, design: Design, variant?: Variant): Run {
  const app = new Application(machine, workload);
  const sender = open(design, variant, app);
  app.start();
  const meter = new Meter(machine);
  const nicBefore = app.nic?.stats.txFrames ?? 0;
  const start_ns = machine.now_ns;
  const messages = sendAll(app, sender, variant);
  const duration_ns = Number(machine.now_ns - start_ns);
  // What the network still does on behalf of these messages belongs to them.
  machine.exports.run_events(QUIET_NS);
  const counts = meter.read(app, messages);
  checkDelivery(app, messages);
  return {
    design,
    variant,
    counts,
    orderSafe: spread(messages.map(({ sent_ns, orderSafe_ns }) => Number((orderSafe_ns ?? 0n) - sent_ns))),
    free: messages.some(({ free_ns }) => free_ns === undefined)
      ? undefined
      : spread(messages.map(({ sent_ns, free_ns }) => Number((free_ns ?? 0n) - sent_ns))),
    duration_ns,
    wireFrames: (app.nic?.stats.txFrames ?? 0) - nicBefore,
    talk: app.talk.digest(),
  };
}

function open(design: Design, variant: Variant | undefined, app: Application): Sender {
  switch (variant) {
    case "splice":
      return new SpliceSender(app);
    case "copy":
      return new PlainSender(app);
    case "read":
      return new ReadSender(app);
    case "bounce":
      return new Bounce(app, design.open(app));
    default:
      return design.open(app);
  }
}

/** The application's loop. */
function sendAll(app: Application, sender: Sender, variant: Variant | undefined): Message[] {
  const { machine, workload } = app;
  const { sizes, burst, interval_ns, careless = false, collect = false } = workload;
  const fromFile = variant === "splice" || variant === "read";
  const messages: Message[] = [];
  sizes.forEach((size, index) => {
    if (index > 0 && index % burst === 0 && interval_ns > 0) {
      must("nanosleep", machine.sys.nanosleep(BigInt(interval_ns)));
      sender.poll();
    }
    const buffer = careless ? index % workload.buffers : bufferFor(app, sender);
    const fill = fromFile ? FILE_BYTE : 1 + (index % 250);
    const { address } = app.buffers[buffer];
    if (!fromFile && !careless) machine.user.fill(address, size, fill);
    while (!app.mayGo) sender.wait("order");
    const payload = { address, length: size };
    const header = app.headerOf(buffer);
    const message = new Message(index, buffer, payload, header, app.destinationOf(index), fill, machine.now_ns);
    messages.push(message);
    app.sent(message);
    sender.send(message);
    if ((index + 1) % burst !== 0 && index + 1 < sizes.length) return;
    sender.submit();
    if (collect) while (app.lent > 0) sender.wait("buffer");
  });
  sender.finish();
  if (!careless) while (app.lent > 0) sender.wait("buffer");
  return messages;
}

function bufferFor(app: Application, sender: Sender): number {
  for (;;) {
    const buffer = app.takeBuffer();
    if (buffer !== undefined) return buffer;
    sender.wait("buffer");
  }
}

/** Whatever a design promises about its buffers, it has to deliver the bytes. */
function checkDelivery({ peer, isStream, workload }: Application, messages: readonly Message[]): void {
  if (peer === undefined || workload.careless) return;
  const expect = (message: Message, bytes: Uint8Array): void => {
    const payload = bytes.subarray(bytes.length - message.payload.length);
    if (payload.length !== message.payload.length || !isFilled(payload, message.fill))
      throw new Error(`the peer got other bytes than message ${message.index} had`);
  };
  if (isStream) {
    const stream = peer.connection().received;
    let at = 0;
    for (const message of messages) {
      expect(message, stream.subarray(at, at + message.length));
      at += message.length;
    }
    if (at !== stream.length) throw new Error(`the peer got ${stream.length} bytes, ${at} were sent`);
    return;
  }
  if (peer.datagrams.length !== messages.length)
    throw new Error(`the peer got ${peer.datagrams.length} datagrams, ${messages.length} were sent`);
  for (const [index, { payload }] of peer.datagrams.entries()) expect(messages[index], payload);
}

function isFilled(bytes: Uint8Array, value: number): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== value) return false;
  return true;
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  return { p50: at(0.5), p99: at(0.99), worst: sorted[sorted.length - 1] };
}
