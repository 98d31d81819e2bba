// Where the bytes of the core come from. The library itself only knows fetch() next to its own file; an entry for a
// runtime with other means (host/cli/node.ts) says so through setCoreSource().

/** release: optimised, assertions kept. debug: pools are poisoned. plain: memory that is not shared, no threads. */
export type CoreBuild = "release" | "debug" | "plain";

export const CORE_FILES: Record<CoreBuild, string> = {
  release: "core.wasm",
  debug: "core.debug.wasm",
  plain: "core.plain.wasm",
};

export type CoreSource = (file: string) => Promise<BufferSource>;

let source: CoreSource = async (file) => {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
};

const modules = new Map<CoreBuild, Promise<WebAssembly.Module>>();

/** Replaces the way the core's files are read, for every machine created from then on. */
export function setCoreSource(replacement: CoreSource): void {
  source = replacement;
  modules.clear();
}

/** The bytes of another file that stands beside the core's. */
export function packagedFile(file: string): Promise<BufferSource> {
  return source(file);
}

/** The compiled core. Compiled once per build, shared by all machines. */
export function coreModule(build: CoreBuild): Promise<WebAssembly.Module> {
  let module = modules.get(build);
  if (module === undefined) {
    module = source(CORE_FILES[build]).then((bytes) => WebAssembly.compile(bytes));
    modules.set(build, module);
    // A failure is not remembered: the next machine tries again.
    module.catch(() => modules.delete(build));
  }
  return module;
}

/** What runs here: shared memory needs SharedArrayBuffer, which a page without cross-origin isolation lacks. */
export function defaultBuild(): CoreBuild {
  return typeof SharedArrayBuffer === "undefined" ? "plain" : "release";
}
