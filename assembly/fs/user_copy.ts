// Copies between kernel memory and one user range that stop at the first page which the program may not touch, as a read
// or write that is cut short by it does.
import { PROT_READ, PROT_WRITE, userSpan } from "../mm/vma";

/** Bytes copied of `n`. */
export function copyPartToUser(to: u64, from: usize, n: u32): u32 {
  const ok = userSpan(to, n, PROT_WRITE);
  if (ok) memory.copy(to as usize, from, ok); // the copy itself traps on an address beyond the end, even of nothing
  return ok;
}

export function copyPartFromUser(to: usize, from: u64, n: u32): u32 {
  const ok = userSpan(from, n, PROT_READ);
  if (ok) memory.copy(to, from as usize, ok);
  return ok;
}

export function zeroPartOfUser(to: u64, n: u32): u32 {
  const ok = userSpan(to, n, PROT_WRITE);
  if (ok) memory.fill(to as usize, 0, ok);
  return ok;
}
