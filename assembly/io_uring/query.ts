// IORING_REGISTER_QUERY: a chain of questions about what the kernel knows, each a struct io_uring_query_hdr; works on any ring
// and without one. 6.18 answers one kind. Observed on 6.18.
import { EFAULT, EINVAL, EOPNOTSUPP, ERANGE } from "../abi/errno";
import {
  IO_URING_QUERY_OPCODES, QUERY_HDR_SIZE, QUERY_OFF_DATA, QUERY_OFF_NEXT, QUERY_OFF_OP, QUERY_OFF_RESULT,
  QUERY_OFF_RESV, QUERY_OFF_SIZE,
} from "../abi/uapi";
import { ROW_ENTER, ROW_FEATURE, ROW_SETUP, ROW_SQE } from "../abi/profile";
import { opLast, registerLast, validFlags } from "../lib/profile";
import { SCRATCH_REGISTER } from "../lib/state";
import { PROT_WRITE, copyFromUser, copyToUser, userSpan } from "../mm/vma";

/** Questions of one call. */
const QUERY_MAX: u32 = 1000;
const ANSWER_SIZE: u32 = 48;
const QUERY_KINDS: u64 = 1;

export function registerQuery(arg: u64, nr: u32): i32 {
  if (nr) return -EINVAL;
  const h = SCRATCH_REGISTER;
  let at = arg;
  for (let n: u32 = 1; at; n++) {
    if (copyFromUser(h, at, QUERY_HDR_SIZE)) return -EFAULT;
    const next = load<u64>(h, QUERY_OFF_NEXT), err = answer(h);
    if (err) return err;
    if (copyToUser(at, h, QUERY_HDR_SIZE)) return -EFAULT;
    at = next;
    if (n >= QUERY_MAX) return -ERANGE;
  }
  return 0;
}

/** Answers the header at `h`; the data area is filled with zeros beyond what there is to say. 0 or -EFAULT. */
function answer(h: usize): i32 {
  const data = load<u64>(h, QUERY_OFF_DATA), room = load<u32>(h, QUERY_OFF_SIZE);
  let result: i32 = 0, size: u32 = 0;
  if (load<u32>(h, QUERY_OFF_OP) != IO_URING_QUERY_OPCODES) result = -EOPNOTSUPP;
  else if (!room || load<u32>(h, QUERY_OFF_RESULT) || load<u32>(h, QUERY_OFF_RESV) || load<u64>(h, QUERY_OFF_RESV + 4)) result = -EINVAL;
  if (room && userSpan(data, room, PROT_WRITE) != room) return -EFAULT;
  if (room) memory.fill(data as usize, 0, room);
  if (!result) {
    size = min<u32>(room, ANSWER_SIZE);
    const a = h + QUERY_HDR_SIZE;
    store<u32>(a, opLast());
    store<u32>(a, registerLast(), 4);
    store<u64>(a, validFlags(ROW_FEATURE) as u64, 8);
    store<u64>(a, validFlags(ROW_SETUP) as u64, 16);
    store<u64>(a, validFlags(ROW_ENTER) as u64, 24);
    store<u64>(a, validFlags(ROW_SQE) as u64, 32);
    store<u64>(a, QUERY_KINDS, 40);
    copyToUser(data, a, size);
  }
  store<i32>(h, result, QUERY_OFF_RESULT);
  store<u32>(h, size, QUERY_OFF_SIZE);
  return 0;
}
