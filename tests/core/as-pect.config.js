// How as-pect runs the tests of the core. The memory is the machine's: shared, with the size of the memory map, so
// that a test can use any region at its real address.
//
// The runner's own data (test names, expectations) lies between memoryBase, address 4096, and the machine's state at
// 0x10000. reset() in support.ts fails when a test has outgrown that room, which would silently overwrite the machine.
const PAGES = { initial: 3136, maximum: 16384 };

export default {
  entries: ["tests/core/all.ts"],
  include: ["tests/core/**/*.spec.ts"],
  disclude: [],
  async instantiate(_memory, createImports, instantiate, binary) {
    const memory = new WebAssembly.Memory({ ...PAGES, shared: true });
    const env = {
      memory,
      nic() {},
      panic(code, arg0, arg1) {
        throw new Error(`panic ${code} (${arg0 >>> 0}, ${arg1 >>> 0})`);
      },
    };
    return instantiate(binary, createImports({ env }));
  },
};
