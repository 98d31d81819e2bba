// The helpers against the core: where each field lands, and what a full or a wrapped ring does.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../host/cli/node.ts";
import { EBUSY, ENXIO } from "../../assembly/abi/errno.ts";
import * as slots from "../../assembly/abi/notif_slots.ts";
import { AF_UNIX, SOCK_DGRAM } from "../../assembly/abi/socket.ts";
import * as uapi from "../../assembly/abi/uapi.ts";
import type { CoreBuild } from "../../host/core/source.ts";
import * as uring from "../../host/liburing/index.ts";
import { Machine } from "../../host/machine.ts";

/** The bytes of an SQE as little-endian numbers, by the offsets of the header. */
function sqeView(machine: Machine, sqe: number): DataView {
  const bytes = machine.user.read(sqe, uapi.SQE_SIZE);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

test("a zero-copy send fills the fields that the header names, and clears the rest of the slot", async () => {
  const machine = await Machine.create();
  const ring = machine.ring(4);
  const sqe = ring.getSqe();
  machine.user.fill(sqe, uapi.SQE_SIZE, 0xff);
  const reportUsage = uapi.IORING_SEND_ZC_REPORT_USAGE;
  uring.prepSendZcFixed(ring, sqe, 5, 0x0c001000, 4000, 0x4000, reportUsage, 3);
  uring.prepSendSetAddr(ring, sqe, 0x0c002000, 16);
  uring.sqeSetFlags(ring, sqe, uapi.IOSQE_IO_LINK | uapi.IOSQE_ASYNC);
  uring.setData64(ring, sqe, 0xfedc_ba98_7654_3210n);
  const view = sqeView(machine, sqe);
  assert.equal(view.getUint8(uapi.SQE_OFF_OPCODE), uapi.IORING_OP_SEND_ZC);
  assert.equal(view.getUint8(uapi.SQE_OFF_FLAGS), 20);
  assert.equal(view.getUint16(uapi.SQE_OFF_IOPRIO, true), reportUsage | uapi.IORING_RECVSEND_FIXED_BUF);
  assert.equal(view.getInt32(uapi.SQE_OFF_FD, true), 5);
  assert.equal(view.getBigUint64(uapi.SQE_OFF_ADDR2, true), 0x0c002000n);
  assert.equal(view.getBigUint64(uapi.SQE_OFF_ADDR, true), 0x0c001000n);
  assert.equal(view.getUint32(uapi.SQE_OFF_LEN, true), 4000);
  assert.equal(view.getUint32(uapi.SQE_OFF_MSG_FLAGS, true), 0x4000);
  assert.equal(view.getBigUint64(uapi.SQE_OFF_USER_DATA, true), 0xfedc_ba98_7654_3210n);
  assert.equal(view.getUint16(uapi.SQE_OFF_BUF_INDEX, true), 3);
  assert.equal(view.getUint16(uapi.SQE_OFF_PERSONALITY, true), 0);
  assert.equal(view.getUint16(uapi.SQE_OFF_ADDR_LEN, true), 16);
  assert.equal(view.getUint16(uapi.SQE_OFF_PAD3, true), 0);
  assert.equal(view.getBigUint64(uapi.SQE_OFF_ADDR3, true), 0n);
  assert.equal(view.getBigUint64(uapi.SQE_OFF_PAD2, true), 0n);
});

test("a full ring gives no SQE until the kernel has taken some", async () => {
  const machine = await Machine.create();
  const ring = machine.ring(4);
  for (let index = 0; index < 4; index++) uring.prepNop(ring, ring.getSqe());
  assert.equal(ring.getSqe(), 0);
  assert.equal(ring.sqSpaceLeft(), 0);
  assert.equal(ring.submit(), 4);
  assert.notEqual(ring.getSqe(), 0);
});

test("the helpers of notification slots, in each dialect", async () => {
  for (const [profile, flush] of [
    ["rfc3", slots.IORING_SENDZC_FLUSH],
    ["rc3", slots.IORING_RECVSEND_NOTIF_FLUSH],
  ] as const) {
    const machine = await Machine.create({ profile });
    const ring = machine.ring(4);
    const { sys, user } = machine;
    const buf = user.alloc(4096);
    assert.equal(sys.socketpair(AF_UNIX, SOCK_DGRAM, 0, buf), 0);
    const fd = user.getI32(buf);
    const tags = [10n, 0xffff_ffff_ffff_ffffn];
    assert.equal(uring.registerNotifications(machine, ring, tags), 0);
    assert.equal(uring.registerNotifications(machine, ring, tags), -EBUSY);
    const plain = ring.getSqe();
    uring.prepSendzc(ring, plain, fd, buf, 100, 0, 1, 0);
    uring.setData(ring, plain, 1);
    const update = ring.getSqe();
    uring.prepNotifUpdate(ring, update, 77, 1, 1);
    uring.setData(ring, update, 2);
    const flushing = ring.getSqe();
    uring.prepSendzcNotif(ring, flushing, fd, buf, 10, 0, 1, flush);
    uring.setData(ring, flushing, 3);
    ring.submit();
    const cqes: string[] = [];
    ring.forEachCqe((at) => {
      const { userData, res, flags } = ring.cqe(at);
      cqes.push(`${userData} ${res} ${flags}`);
    });
    assert.deepEqual(cqes.sort(), ["1 100 0", "18446744073709551615 0 0", "2 0 0", "3 10 0", "77 0 1"], profile);
    assert.equal(uring.unregisterNotifications(machine, ring), 0);
    assert.equal(uring.unregisterNotifications(machine, ring), -ENXIO);
  }
});

test("the address of a send lies elsewhere with slots", async () => {
  const machine = await Machine.create({ profile: "rc3" });
  const ring = machine.ring(4);
  const sqe = ring.getSqe();
  uring.prepSendzc(ring, sqe, 5, 0x0c001000, 4000, 0, 7, 0);
  uring.prepSendzcSetAddr(ring, sqe, 0x0c002000, 16);
  const view = sqeView(machine, sqe);
  assert.equal(view.getUint16(slots.SQE_OFF_NOTIFICATION_IDX, true), 7);
  assert.equal(view.getUint16(slots.SQE_OFF_SENDZC_ADDR_LEN, true), 16);
  uring.prepSendZc(ring, sqe, 5, 0x0c001000, 4000, 0, 0);
  uring.prepSendZcSetNotifData(ring, sqe, 0x89ab_cdef, 0x0123_4567);
  assert.equal(sqeView(machine, sqe).getBigUint64(uapi.SQE_OFF_ADDR3, true), 0x0123_4567_89ab_cdefn);
});

const SHAPES: [title: string, flags: number][] = [
  ["a plain ring", 0],
  ["SQEs of 128 bytes", uapi.IORING_SETUP_SQE128],
  ["CQEs of 32 bytes", uapi.IORING_SETUP_CQE32],
  ["no SQ array", uapi.IORING_SETUP_NO_SQARRAY],
  ["deferred task work", uapi.IORING_SETUP_DEFER_TASKRUN | uapi.IORING_SETUP_SINGLE_ISSUER],
];

for (const build of ["release", "debug", "plain"] satisfies CoreBuild[]) {
  for (const [title, flags] of SHAPES) {
    test(`NOPs come back in order while the ring wraps: ${title}, ${build} core`, async () => {
      const machine = await Machine.create({ build });
      const ring = machine.ring(8, { flags });
      const seen: number[] = [];
      for (let round = 0; round < 10; round++) {
        for (let index = 0; index < 5; index++) {
          const sqe = ring.getSqe();
          uring.prepNop(ring, sqe);
          uring.setData(ring, sqe, round * 5 + index, 0x8000_0000);
        }
        assert.equal(ring.submitAndWait(5), 5);
        ring.forEachCqe((cqe) => {
          assert.deepEqual([ring.cqeRes(cqe), ring.cqeFlags(cqe), ring.cqeDataHigh(cqe)], [0, 0, 0x8000_0000]);
          seen.push(ring.cqeData(cqe));
        });
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 50 }, (_, index) => index),
      );
      ring.exit();
    });
  }

  test(`a ring still works after the memory has grown: ${build} core`, async () => {
    const machine = await Machine.create({ build });
    const ring = machine.ring(8);
    const before = machine.core.memory.byteLength;
    const far = machine.user.pages(300 << 20);
    assert.ok(machine.core.memory.byteLength > before);
    const sqe = ring.getSqe();
    uring.prepNop(ring, sqe);
    uring.setData64(ring, sqe, 77n);
    assert.equal(ring.submit(), 1);
    assert.deepEqual(ring.cqe(ring.peekCqe()), { userData: 77n, res: 0, flags: 0 });
    machine.user.fill(far + (300 << 20) - 4, 4, 0xaa);
    assert.equal(machine.user.getU32(far + (300 << 20) - 4), 0xaaaa_aaaa);
  });
}

test("a ring that the kernel refuses is an error with the name of the errno", async () => {
  const machine = await Machine.create();
  assert.throws(() => machine.ring(0), { name: "SyscallError", code: "EINVAL", syscall: "io_uring_setup" });
});

test("a wait for a CQE that cannot come returns at once", async () => {
  const machine = await Machine.create();
  const ring = machine.ring(4);
  assert.equal(ring.waitCqe(), -3000);
  assert.equal(ring.waitCqesTimeout(1, 1_000_000n), -62);
});
