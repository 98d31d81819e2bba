// Where things are, and the hash that tells whether an output is still the output of its inputs.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const dist = join(root, "dist");

/** All files below `folder` (relative to the root) with one of the extensions, sorted. */
export function filesBelow(folder, ...extensions) {
  const top = join(root, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true })
    .map((name) => join(top, String(name)))
    .filter((file) => extensions.some((extension) => file.endsWith(extension)) && statSync(file).isFile())
    .sort();
}

export function hashOf(files, ...words) {
  const hash = createHash("sha256");
  for (const word of words) hash.update(`${word}\0`);
  for (const file of files) hash.update(`${relative(root, file)}\0`).update(readFileSync(file));
  return hash.digest("hex");
}

/** Runs `make` unless `outputs` exist and were made from inputs with this hash. Returns whether it ran. */
export async function whenStale(name, hash, outputs, make) {
  const stamp = join(dist, `.stamp-${name}`);
  const fresh = existsSync(stamp) && readFileSync(stamp, "utf8") === hash && outputs.every((file) => existsSync(file));
  if (fresh) return false;
  await make();
  mkdirSync(dist, { recursive: true });
  writeFileSync(stamp, hash);
  return true;
}
