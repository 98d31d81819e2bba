import { ENOMEM } from "../../../assembly/abi/errno";
import { PAGE_SIZE } from "../../../assembly/abi/layout";
import { POOL_SMALL, poolAlloc } from "../../../assembly/lib/pool";
import { FILE_RING, fileNew } from "../../../assembly/fs/file";
import { mapFile, mappingsSweep } from "../../../assembly/fs/mapping";
import { userReadable, vmMap, vmUnmap } from "../../../assembly/mm/vma";
import { reset } from "../support";

/** Pages that nobody has mapped. */
function hiddenPages(): usize {
  const at = vmMap(PAGE_SIZE, 0) as usize;
  vmUnmap(at, PAGE_SIZE);
  return at;
}

describe("mappings of files", () => {
  beforeEach(reset);

  test("a mapping holds its file until its memory is unmapped", () => {
    const f = fileNew(FILE_RING, 0, 0, 0, 0), at = hiddenPages();
    expect(mapFile(f, at, PAGE_SIZE, PAGE_SIZE)).toBe(at as i32);
    expect(mapFile(f, at, PAGE_SIZE, PAGE_SIZE)).toBe(at as i32, "the same again is one mapping");
    expect(f.refs).toBe(2);
    expect(userReadable(at as u64, PAGE_SIZE)).toBe(0);
    vmUnmap(at, PAGE_SIZE);
    mappingsSweep();
    expect(f.refs).toBe(1);
  });

  test("no memory for the mapping: nothing becomes accessible", () => {
    const f = fileNew(FILE_RING, 0, 0, 0, 0), at = hiddenPages();
    while (poolAlloc(POOL_SMALL));
    expect(mapFile(f, at, PAGE_SIZE, PAGE_SIZE)).toBe(-ENOMEM);
    expect(userReadable(at as u64, PAGE_SIZE)).not.toBe(0);
    expect(f.refs).toBe(1);
  });
});
