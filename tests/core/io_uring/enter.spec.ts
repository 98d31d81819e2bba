import { EEXIST } from "../../../assembly/abi/errno";
import { IORING_ENTER_GETEVENTS, IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SINGLE_ISSUER, PARAMS_OFF_FLAGS, PARAMS_SIZE } from "../../../assembly/abi/uapi";
import { S_CURRENT } from "../../../assembly/lib/state";
import { current, taskCreate } from "../../../assembly/kernel/task";
import { fdFile, fdInstall, fget } from "../../../assembly/fs/file";
import { ioUringEnter } from "../../../assembly/io_uring/enter";
import { ioUringSetup } from "../../../assembly/io_uring/setup";
import { reset, userPages } from "../support";

let first: usize = 0;
let other: usize = 0;
let ringFd: i32 = -1;
let otherFd: i32 = -1;

/** A ring of the first task, which another task has a descriptor of, too. */
function shared(flags: u32): void {
  const params = userPages(1);
  memory.fill(params, 0, PARAMS_SIZE);
  store<u32>(params, flags, PARAMS_OFF_FLAGS);
  first = changetype<usize>(current());
  ringFd = ioUringSetup(8, params as u64);
  assert(ringFd >= 0, "the ring is there");
  const task = taskCreate(2);
  other = changetype<usize>(task);
  otherFd = fdInstall(task, fget(fdFile(ringFd)));
}

/** io_uring_enter(2) by that task. */
function enterAs(task: usize, fd: i32, toSubmit: u32, flags: u32): i32 {
  store<u32>(S_CURRENT, task as u32);
  const ret = ioUringEnter(fd, toSubmit, 0, flags, 0, 0);
  store<u32>(S_CURRENT, first as u32);
  return ret;
}

describe("a ring that has one submitter (send-zc.md scenario 96)", () => {
  beforeEach(reset);

  test("DEFER_TASKRUN: another task may not ask for events", () => {
    shared(IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER);
    expect(enterAs(other, otherFd, 0, IORING_ENTER_GETEVENTS)).toBe(-EEXIST);
    expect(enterAs(first, ringFd, 0, IORING_ENTER_GETEVENTS)).toBe(0);
  });

  test("SINGLE_ISSUER: another task may not submit, but ask for events", () => {
    shared(IORING_SETUP_SINGLE_ISSUER);
    expect(enterAs(other, otherFd, 1, 0)).toBe(-EEXIST);
    expect(enterAs(other, otherFd, 0, IORING_ENTER_GETEVENTS)).toBe(0);
    expect(enterAs(first, ringFd, 1, 0)).toBe(0, "there is nothing in the queue");
  });

  test("without either anybody may do anything", () => {
    shared(0);
    expect(enterAs(other, otherFd, 1, IORING_ENTER_GETEVENTS)).toBe(0);
  });
});
