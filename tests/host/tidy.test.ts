// The shape of the project: imports go one way, no file is forgotten, the library needs no particular runtime.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { test } from "node:test";

declare const RINGZERO_ROOT: string;

// A folder of the core may import itself and the folders before it.
const LAYERS = ["abi", "lib", "mm", "kernel", "fs", "net", "drivers", "io_uring", "sys"];

// Folders of the host whose files may name node's modules.
const NODE_FOLDERS = ["host/cli", "host/kernel", "host/tools", "host/bench"];

const ENTRIES = ["assembly/index.ts", "assembly/app/nops.ts", "host/index.ts", "host/cli/node.ts", "host/cli/main.ts"];

const AMBIENT = ".d.ts";

function filesBelow(folder: string): string[] {
  const top = join(RINGZERO_ROOT, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { recursive: true })
    .map((name) => join(folder, String(name)).split(sep).join("/"))
    .filter((name) => name.endsWith(".ts") && statSync(join(RINGZERO_ROOT, name)).isFile());
}

const IMPORT = /^(?:import|export)\b[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;

function importsOf(file: string): string[] {
  const text = readFileSync(join(RINGZERO_ROOT, file), "utf8");
  return [...text.matchAll(IMPORT)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic);
}

/** The file of the project that an import names; undefined for a package. */
function resolve(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const path = relative(RINGZERO_ROOT, join(RINGZERO_ROOT, dirname(file), specifier))
    .split(sep)
    .join("/");
  return path.endsWith(".ts") ? path : `${path}.ts`;
}

test("imports of the core go one way", () => {
  const wrong: string[] = [];
  for (const file of filesBelow("assembly")) {
    const from = LAYERS.indexOf(file.split("/")[1]);
    if (from < 0) continue;
    for (const target of importsOf(file).map((specifier) => resolve(file, specifier))) {
      const to = LAYERS.indexOf(target?.split("/")[1] ?? "");
      if (to > from || to < 0) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("the library imports nothing that only node has", () => {
  const wrong: string[] = [];
  for (const file of filesBelow("host")) {
    if (NODE_FOLDERS.some((folder) => file.startsWith(`${folder}/`))) continue;
    for (const specifier of importsOf(file)) if (!specifier.startsWith(".")) wrong.push(`${file} imports ${specifier}`);
  }
  assert.deepEqual(wrong, []);
});

test("every file is reached from an entry or a test", () => {
  const reached = new Set<string>();
  // Applications for the machine are modules of their own.
  const pending = [...ENTRIES, ...["assembly/app", "tests", "examples"].flatMap(filesBelow)];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (reached.has(file) || !existsSync(join(RINGZERO_ROOT, file))) continue;
    reached.add(file);
    for (const specifier of importsOf(file)) {
      const target = resolve(file, specifier);
      if (target !== undefined) pending.push(target);
    }
  }
  const forgotten = [...filesBelow("assembly"), ...filesBelow("host")].filter(
    (file) => !file.endsWith(AMBIENT) && !reached.has(file),
  );
  assert.deepEqual(forgotten, []);
});

// What must not stay behind. The patterns are written so that this file does not match them itself.
const LEFTOVERS = [
  /\bdebugger;/,
  /\bconsole[.]trace\(/,
  /@ts-(?:ignore|nocheck)/,
  /\b(?:TO)DO\b/,
  /\bFIX(?:ME)\b/,
  /\bas (?:any)\b\s*[;,.)\]>]/,
];

test("no leftovers of debugging", () => {
  const files = ["assembly", "host", "tests", "examples"].flatMap(filesBelow);
  const found = files.flatMap((file) => {
    const text = readFileSync(join(RINGZERO_ROOT, file), "utf8");
    return LEFTOVERS.filter((pattern) => pattern.test(text)).map((pattern) => `${file}: ${pattern}`);
  });
  assert.deepEqual(found, []);
});
