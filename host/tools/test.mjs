// `npm test`: builds, then runs every suite that runs anywhere:
//   tests/host/*.test.ts, tests/kernel/*.test.ts, tests/*.test.ts   bundled by esbuild, run by node's test runner
//   tests/core/                                                     compiled and run by as-pect
// Prints one line per file and closes with `N passed, N failed, N skipped`. Words on the command line choose the files
// whose path contains one of them.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { run } from "node:test";
import { build } from "esbuild";
import { buildCore, buildHost } from "./build.mjs";
import { dist, filesBelow, root } from "./paths.mjs";

const totals = { passed: 0, failed: 0, skipped: 0 };

function report(name, counts) {
  totals.passed += counts.passed;
  totals.failed += counts.failed;
  totals.skipped += counts.skipped;
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(
    `${counts.failed > 0 ? "FAIL" : "ok  "} ${name}  ${counts.passed} passed, ${counts.failed} failed${skipped}`,
  );
}

/** Into a folder of its own, so that two runs at once do not take away each other's files. */
async function bundleTests(sources) {
  const outdir = mkdtempSync(join(dist, "tests-"));
  process.once("exit", () => rmSync(outdir, { recursive: true, force: true }));
  await build({
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "es2022",
    sourcemap: "inline",
    logLevel: "warning",
    loader: { ".zc": "text" },
    external: ["esbuild", "typescript", "assemblyscript", "commander"],
    define: { RINGZERO_VERSION: '"test"', RINGZERO_ROOT: JSON.stringify(root) },
    entryPoints: sources.map((file) => relative(root, file)),
    outbase: "tests",
    outdir,
    outExtension: { ".js": ".mjs" },
  });
  return new Map(
    sources.map((file) => {
      const out = join(outdir, relative(join(root, "tests"), file).replace(/\.ts$/, ".mjs"));
      return [out, relative(root, file)];
    }),
  );
}

/** Runs one bundled file in a process of its own and counts its leaves: a test that only groups others is none. */
function runNodeTests(file, name) {
  return new Promise((resolve) => {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const failures = [];
    const groups = new Set();
    let deepest = 0;
    const seen = (event, kind) => {
      const { details, nesting, skip, todo } = event;
      const isGroup = details.type === "suite" || nesting < deepest;
      deepest = nesting;
      if (event.name === file || event.name === basename(file)) {
        // The file itself: of interest only when it broke before its first test.
        if (kind === "failed" && counts.passed + counts.failed === 0) failures.push([event.name, details.error]);
        return;
      }
      if (isGroup) groups.add(event.name);
      else if (skip !== undefined || todo !== undefined) counts.skipped++;
      else counts[kind]++;
      if (kind === "failed" && !(isGroup && counts.failed > 0)) failures.push([event.name, details.error]);
      if (typeof skip === "string" && skip !== "") console.log(`skip ${name}: ${event.name}: ${skip}`);
    };
    const stream = run({ files: [file], timeout: 120_000 });
    stream.on("test:pass", (event) => seen(event, "passed"));
    stream.on("test:fail", (event) => seen(event, "failed"));
    stream.on("test:stderr", (event) => process.stderr.write(event.message));
    stream.on("end", () => {
      for (const [test, error] of failures) {
        const cause = error?.cause ?? error;
        console.log(`\n${name}: ${test}\n${cause?.stack ?? cause?.message ?? cause}\n`);
      }
      if (failures.length > 0 && counts.failed === 0) counts.failed = failures.length;
      report(name, counts);
      resolve();
    });
    stream.resume();
  });
}

/** as-pect compiles and runs tests/core; its summary has one `Pass: N / M` per file. */
function runCoreTests(config) {
  return new Promise((resolve) => {
    const asConfig = join(root, "tests/core/as-pect.asconfig.json");
    // Not bin/asp.js: it exits with its child and loses what the child's pipe still holds.
    const args = [join(root, "node_modules/@as-pect/cli/lib/test.js"), "--no-logo", "--summary", "--config", config];
    if (existsSync(asConfig)) args.push("--as-config", relative(root, asConfig));
    const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, FORCE_COLOR: "0" } });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("close", (code) => {
      const counts = { passed: 0, failed: 0, skipped: 0 };
      for (const [, passed, total] of output.matchAll(/Pass: (\d+) \/ (\d+)/g)) {
        counts.passed += Number(passed);
        counts.failed += Number(total) - Number(passed);
      }
      // It can also end before its first test, or give up a group in its middle.
      if ((code !== 0 || counts.passed === 0) && counts.failed === 0) counts.failed = 1;
      if (counts.failed > 0) console.log(output);
      report("tests/core", counts);
      resolve();
    });
  });
}

async function main(words) {
  const chosen = (name) => words.length === 0 || words.some((word) => name.includes(word));
  const built = await buildCore();
  if (built.length > 0) console.log(`built ${built.join(", ")}`);
  await buildHost();
  const sources = filesBelow("tests", ".test.ts").filter((file) => {
    const name = relative(root, file);
    return !name.startsWith(join("tests", "core")) && chosen(name);
  });
  if (sources.length === 0 && !chosen("tests/core"))
    throw new Error(`no test file's name contains ${words.join(" or ")}`);
  // The core's suite spends its time compiling, so it runs beside the others.
  const config = "tests/core/as-pect.config.js";
  const core = existsSync(join(root, config)) && chosen("tests/core") ? runCoreTests(config) : undefined;
  if (sources.length > 0) {
    for (const [out, name] of await bundleTests(sources)) await runNodeTests(out, name);
  }
  await core;
  console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  if (totals.failed > 0 || totals.passed === 0) process.exitCode = 1;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
