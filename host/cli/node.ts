// The library for Node, Deno and Bun: host/index.ts, with the core read from the files of the package.
import { readFile } from "node:fs/promises";
import { setCoreSource } from "../core/source.ts";

/** Beside this file in the package; above it for the bundles of the tests. */
const FOLDERS = ["./", "../", "../../"].map((path) => new URL(path, import.meta.url));

setCoreSource(async (file) => {
  let failure: unknown;
  for (const folder of FOLDERS) {
    try {
      return await readFile(new URL(file, folder));
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
});

export * from "../index.ts";
