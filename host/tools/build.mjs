// Builds everything in dist/ that is not there yet or is out of date:
//   core.wasm, core.debug.wasm, core.plain.wasm   the core, one per target of asconfig.json
//   index.js   the library, platform neutral      node.js   the same, reading its core from the package's files
//   cli.js     the `ringzero` command, one file   types/    declarations
// Options: --core, --host, --types build only that part.
import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { dist, filesBelow, hashOf, root, whenStale } from "./paths.mjs";

const targets = { release: "core.wasm", debug: "core.debug.wasm", plain: "core.plain.wasm" };

/** Runs a script of node_modules and fails with what it printed. */
function runTool(script, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, "node_modules", script), ...args], { cwd: root });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(output.trimEnd()))));
  });
}

export async function buildCore(wanted = Object.keys(targets)) {
  const config = join(root, "asconfig.json");
  const compiler = readFileSync(join(root, "node_modules/assemblyscript/package.json"), "utf8");
  const hash = hashOf([config, ...filesBelow("assembly", ".ts")], JSON.parse(compiler).version);
  mkdirSync(dist, { recursive: true });
  const builds = wanted.map((target) =>
    whenStale(target, hash, [join(dist, targets[target])], async () => {
      await runTool("assemblyscript/bin/asc.js", ["--config", "asconfig.json", "--target", target]);
    }),
  );
  builds.push(
    whenStale("nops", hash, [join(dist, "nops.wasm")], async () => {
      await runTool("assemblyscript/bin/asc.js", ["--config", "assembly/app/asconfig.json", "--target", "release"]);
    }),
  );
  const ran = await Promise.all(builds);
  return wanted.filter((_, index) => ran[index]).map((target) => targets[target]);
}

const common = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  target: "es2022",
  sourcemap: "linked",
  logLevel: "warning",
  // Programs that a command brings along (host/cli/demo.ts).
  loader: { ".zc": "text" },
};
const version = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;
const define = { RINGZERO_VERSION: JSON.stringify(version) };

export async function buildHost() {
  const node = { ...common, platform: "node", define };
  // commander is CommonJS: inside an ES module its require() of node's own modules needs one to be there.
  const require = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
  await Promise.all([
    build({ ...common, platform: "neutral", define, entryPoints: ["host/index.ts"], outfile: "dist/index.js" }),
    build({ ...node, entryPoints: ["host/cli/node.ts"], outfile: "dist/node.js" }),
    build({
      ...node,
      entryPoints: ["host/cli/main.ts"],
      outfile: "dist/cli.js",
      banner: { js: `#!/usr/bin/env node\n${require}` },
    }),
  ]);
  chmodSync(join(dist, "cli.js"), 0o755);
}

/** Declarations of the library. They name the core's number types, so the file that declares those goes along. */
export async function buildTypes() {
  const inputs = [...filesBelow("host", ".ts"), ...filesBelow("assembly/abi", ".ts"), join(root, "tsconfig.json")];
  const entry = join(dist, "types/host/index.d.ts");
  return whenStale("types", hashOf(inputs), [entry], async () => {
    const config = join(dist, "tsconfig.types.json");
    mkdirSync(dist, { recursive: true });
    const compilerOptions = {
      noEmit: false,
      emitDeclarationOnly: true,
      declaration: true,
      rootDir: "..",
      outDir: "types",
    };
    const files = ["../host/cli/node.ts", "../host/index.ts", "../assembly/abi/ambient.d.ts"];
    writeFileSync(config, JSON.stringify({ extends: "../tsconfig.json", compilerOptions, files, include: [] }));
    await runTool("typescript/bin/tsc", ["-p", config]);
    copyFileSync(join(root, "assembly/abi/ambient.d.ts"), join(dist, "types/ambient.d.ts"));
    writeFileSync(entry, `/// <reference path="../ambient.d.ts" />\n${readFileSync(entry, "utf8")}`);
  });
}

async function main(args) {
  const unknown = args.filter((arg) => !["--core", "--host", "--types"].includes(arg));
  if (unknown.length > 0) throw new Error(`build: unknown option ${unknown[0]} (--core, --host, --types)`);
  const wants = (part) => args.length === 0 || args.includes(part);
  const [core] = await Promise.all([
    wants("--core") ? buildCore() : [],
    wants("--host") ? buildHost() : undefined,
    wants("--types") ? buildTypes() : undefined,
  ]);
  if (core.length > 0) console.log(`built ${core.join(", ")}`);
}

if (process.argv[1] === join(root, "host/tools/build.mjs")) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
