import { PAGE_SIZE, USER_BASE, USER_END } from "../../../assembly/abi/layout";
import { EFAULT, EINVAL, ENOMEM } from "../../../assembly/abi/errno";
import { getPage, putPage } from "../../../assembly/mm/page";
import {
  PROT_READ, PROT_WRITE, accessOk, copyFromUser, copyToUser, userReadable, userSpan, userWritable, vmMap, vmProtect, vmUnmap,
} from "../../../assembly/mm/vma";
import { reset, userPages } from "../support";

const RW: u8 = PROT_READ | PROT_WRITE;
const P: u32 = PAGE_SIZE;
const BASE: u64 = USER_BASE as u64;

function map(pages: u32): usize { return vmMap((pages * P) as usize, RW) as usize; }

describe("mm/vma", () => {
  beforeEach(reset);

  it("mappings are placed at the lowest free run that is long enough, each behind a free page", () => {
    const a = map(1), b = map(2), c = map(1);
    expect(a).toBe(USER_BASE + P);
    expect(b).toBe(USER_BASE + 3 * P);
    expect(c).toBe(USER_BASE + 6 * P);
    vmUnmap(b, 2 * P);
    expect(map(3)).toBe(USER_BASE + 8 * P, "the hole is too small");
    expect(map(2)).toBe(b, "now it fits");
  });

  it("pages that are used again come zeroed", () => {
    const a = userPages(2);
    vmUnmap(a, 2 * P);
    const b = map(2);
    expect(b).toBe(a);
    let sum: u32 = 0;
    for (let i: u32 = 0; i < 2 * P; i++) sum += load<u8>(b + i);
    expect(sum).toBe(0);
  });

  it("part of a page takes a page", () => {
    expect(vmMap(1, RW)).toBe((USER_BASE + P) as isize);
    expect(vmMap(P + 1, RW)).toBe((USER_BASE + 3 * P) as isize);
    expect(vmMap(1, RW)).toBe((USER_BASE + 6 * P) as isize);
  });

  it("a length of zero is EINVAL, one beyond the region ENOMEM", () => {
    expect(vmMap(0, RW)).toBe(-EINVAL as isize);
    expect(vmMap((USER_END - USER_BASE + 1) as usize, RW)).toBe(-ENOMEM as isize);
    expect(vmMap(usize.MAX_VALUE, RW)).toBe(-ENOMEM as isize);
  });

  it("a pinned page is not handed out again before its pin is gone", () => {
    const a = map(1);
    getPage(a);
    vmUnmap(a, P);
    expect(map(1)).toBe(a + 2 * P);
    putPage(a);
    expect(map(1)).toBe(a);
  });

  it("only mapped bytes can be touched, from the first to the last", () => {
    const a = map(2) as u64;
    expect(userSpan(a, 2 * P, RW)).toBe(2 * P);
    expect(userSpan(a, 2 * P + 1, RW)).toBe(2 * P);
    expect(userSpan(a + 2 * P - 1, 1, RW)).toBe(1);
    expect(userSpan(a + 2 * P - 1, 2, RW)).toBe(1);
    expect(userSpan(a + 2 * P, 1, RW)).toBe(0);
    expect(userSpan(a - 1, 1, RW)).toBe(0);
    expect(userSpan(a + 5, P, RW)).toBe(P);
  });

  it("a range ends at the first page without the right", () => {
    const a = map(4);
    vmProtect(a + P, P, PROT_READ);
    vmUnmap(a + 3 * P, P);
    expect(userSpan((a + 100) as u64, 4 * P, PROT_WRITE)).toBe(P - 100);
    expect(userSpan((a + 100) as u64, 4 * P, PROT_READ)).toBe(3 * P - 100);
    expect(userReadable((a + P) as u64, P)).toBe(0);
    expect(userWritable((a + P) as u64, P)).toBe(-EFAULT);
    expect(userSpan((a + 3 * P) as u64, 1, PROT_READ)).toBe(0);
    vmProtect(a, P, 0);
    expect(userSpan(a as u64, 1, PROT_READ)).toBe(0, "PROT_NONE");
  });

  it("the upper half of a pointer counts: 4 GiB more is another address", () => {
    const a = map(1) as u64;
    expect(userSpan(a, 1, RW)).toBe(1);
    expect(userSpan(a + 0x100000000, 1, RW)).toBe(0);
    expect(userSpan(a | 0xffff888000000000, 1, RW)).toBe(0);
  });

  it("hostile pointers are not user memory", () => {
    map(1);
    expect(userSpan(0, 1, RW)).toBe(0);
    expect(userSpan(8, P, RW)).toBe(0);
    expect(userSpan(BASE - 1, 2, RW)).toBe(0);
    expect(userSpan(USER_END as u64, 1, RW)).toBe(0);
    expect(userSpan((USER_END as u64) - 1, u32.MAX_VALUE, RW)).toBe(0);
    expect(userSpan(u64.MAX_VALUE, 1, RW)).toBe(0);
    expect(userSpan(u64.MAX_VALUE, u32.MAX_VALUE, RW)).toBe(0);
  });

  it("a length of 4 GiB stops at the end of the mapping", () => {
    const a = map(3) as u64;
    expect(userSpan(a, u32.MAX_VALUE, RW)).toBe(3 * P);
    expect(userReadable(a, u32.MAX_VALUE)).toBe(-EFAULT);
  });

  it("access_ok() looks at the address space of x86-64, not at mappings", () => {
    expect(accessOk(0, 0)).toBe(true);
    expect(accessOk(0x10, 100)).toBe(true);
    expect(accessOk(0x00007ffffffff000 - 4096, 4096)).toBe(true);
    expect(accessOk(0x00007ffffffff000 - 4096, 4097)).toBe(false);
    expect(accessOk(0xffff888000000000, 1)).toBe(false);
    expect(accessOk(u64.MAX_VALUE, 1)).toBe(false);
    expect(accessOk(1, u64.MAX_VALUE)).toBe(false, "the sum wraps");
  });

  it("mprotect refuses a hole and changes nothing", () => {
    const a = map(3);
    vmUnmap(a + P, P);
    expect(vmProtect(a, 3 * P, PROT_READ)).toBe(-ENOMEM);
    expect(userWritable(a as u64, P)).toBe(0);
    expect(vmProtect(a + 1, P, PROT_READ)).toBe(-EINVAL);
    expect(vmProtect(a, 0, PROT_READ)).toBe(0);
    expect(vmProtect(USER_BASE - P, P, PROT_READ)).toBe(-ENOMEM);
  });

  it("munmap takes holes, but neither odd addresses nor ranges outside of the region", () => {
    const a = map(1);
    expect(vmUnmap(a, 8 * P)).toBe(0);
    expect(vmUnmap(a, 8 * P)).toBe(0);
    expect(vmUnmap(a + 1, P)).toBe(-EINVAL);
    expect(vmUnmap(a, 0)).toBe(-EINVAL);
    expect(vmUnmap(0, P)).toBe(-EINVAL);
    expect(vmUnmap(USER_END - P, 2 * P)).toBe(-EINVAL);
    expect(vmUnmap(a, usize.MAX_VALUE)).toBe(-EINVAL);
  });

  it("a copy that would fault copies nothing", () => {
    const a = map(1), kernel: usize = 0x14000;
    store<u32>(kernel, 0x11223344);
    expect(copyToUser((a + P - 2) as u64, kernel, 4)).toBe(-EFAULT);
    expect(load<u16>(a + P - 2)).toBe(0);
    expect(copyToUser((a + P - 4) as u64, kernel, 4)).toBe(0);
    expect(load<u32>(a + P - 4)).toBe(0x11223344);
    expect(copyFromUser(kernel, (a + P - 2) as u64, 4)).toBe(-EFAULT);
    expect(load<u32>(kernel)).toBe(0x11223344);
    expect(copyFromUser(kernel, 0, 0)).toBe(0, "nothing can be read from anywhere");
  });
});
