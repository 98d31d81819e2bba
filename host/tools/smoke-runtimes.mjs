// `npm run smoke:runtimes`: the same program in Node, in Deno and in headless Chromium, where the machine lives in a
// Worker of a page. Prints one trace hash per runtime; they must be equal. A runtime that is not there is named and not
// counted as a pass: exit 0 only if all answered alike, 1 if one differed or broke, 3 if one was missing.
//
// Deno and playwright-core (which drives Chromium) are packages of the registry. They are put into .cache/runtimes when
// first needed, so that `npm ci` does not carry them. Chromium itself is the system's (Debian: `apt install chromium`).
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize } from "node:path";
import { root } from "./paths.mjs";

const PROGRAM = join(root, "tests/scenarios/smoke.zc");
const CACHE = join(root, ".cache/runtimes");
const PACKAGES = { deno: "deno@2.9.6", "playwright-core": "playwright-core@1.65.1" };
const BROWSERS = ["chromium", "chromium-browser", "google-chrome"];
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

class Missing extends Error {}

/** The folder of a package, installed into the cache on demand. */
function installed(name) {
  const folder = join(CACHE, "node_modules", name);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const args = ["install", "--no-save", "--no-package-lock", "--prefix", CACHE, ...Object.values(PACKAGES)];
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { status, stderr } = spawnSync(npm, args, { encoding: "utf8", shell: process.platform === "win32" });
  if (status !== 0 || !existsSync(folder))
    throw new Missing(`${PACKAGES[name]} cannot be installed: ${stderr.trim().split("\n")[0]}`);
  return folder;
}

function answerOf(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", cwd: root });
  if (error !== undefined) throw new Missing(error.message);
  if (status !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout);
}

const script = join(root, "host/tools/smoke/node.mjs");

function inNode() {
  return answerOf(process.execPath, [script, PROGRAM]);
}

function inDeno() {
  const require = createRequire(join(installed("deno"), "package.json"));
  const { platform, arch } = process;
  const names = [`@deno/${platform}-${arch}-glibc`, `@deno/${platform}-${arch}`];
  for (const name of names) {
    try {
      const binary = join(require.resolve(`${name}/package.json`), "..", platform === "win32" ? "deno.exe" : "deno");
      return answerOf(binary, ["run", "--quiet", "--allow-read", script, PROGRAM]);
    } catch (error) {
      if (error.code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  throw new Missing(`the deno package has no binary for ${platform} ${arch}`);
}

/** Serves the project's files with the two headers that make a page cross-origin isolated, so that it may share memory. */
function serve() {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    const file = join(root, path);
    if (!file.startsWith(root) || !(extname(file) in TYPES) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      "content-type": TYPES[extname(file)],
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    response.end(readFileSync(file));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

async function inChromium(build) {
  const browser = BROWSERS.find((name) => spawnSync(name, ["--version"]).status === 0);
  if (browser === undefined) throw new Missing(`none of ${BROWSERS.join(", ")} is installed`);
  const path = spawnSync("sh", ["-c", `command -v ${browser}`], { encoding: "utf8" }).stdout.trim();
  const { chromium } = createRequire(join(installed("playwright-core"), "package.json"))("playwright-core");
  const server = await serve();
  const instance = await chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
  try {
    const page = await instance.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/host/tools/smoke/page.html`);
    const answer = await page.evaluate(
      ([text, wanted]) => window.smoke(text, wanted),
      [readFileSync(PROGRAM, "utf8"), build],
    );
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  } finally {
    await instance.close();
    server.close();
  }
}

const RUNTIMES = [
  ["node", inNode],
  ["deno", inDeno],
  ["chromium", inChromium],
  ["chromium, memory not shared", () => inChromium("plain")],
];

const hashes = new Set();
let failed = 0;
let missing = 0;
for (const [name, run] of RUNTIMES) {
  try {
    const { hash, records } = await run();
    hashes.add(hash);
    console.log(`${hash}  ${name} (${records} records)`);
  } catch (error) {
    if (error instanceof Missing) missing++;
    else failed++;
    console.log(`${error instanceof Missing ? "missing" : "failed"}  ${name}: ${error.message}`);
  }
}
const different = hashes.size > 1;
console.log(
  different ? "the hashes differ" : `${RUNTIMES.length - failed - missing} of ${RUNTIMES.length} runtimes agree`,
);
process.exitCode = different || failed > 0 ? 1 : missing > 0 ? 3 : 0;
