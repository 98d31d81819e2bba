// `npm run smoke:runtimes`: the same programs in Node, in Deno and in headless Chromium, where the machine lives in a
// Worker of a page. Prints one hash per runtime, over the traces of all programs; they must be equal. A runtime that is
// not there is named and not counted as a pass: exit 0 only if all answered alike, 1 if one differed or broke, 3 if one
// was missing. `--install` puts Chromium in place where apt-get can (Debian, as root).
//
// Deno and playwright-core (which drives Chromium) are packages of the registry. They are put into .cache/runtimes when
// first needed, so that `npm ci` does not carry them. Chromium itself is the system's.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { delimiter, extname, join, relative, sep } from "node:path";
import { buildCore, buildHost } from "./build.mjs";
import { filesBelow, root } from "./paths.mjs";

/** The programs of `ringzero demo`, and one with every other device. */
const PROGRAMS = [...filesBelow("examples/demo", ".zc"), join(root, "tests/scenarios/smoke.zc")];
const NODE_SCRIPT = join(root, "host/tools/smoke/node.mjs");
const CACHE = join(root, ".cache/runtimes");
const PACKAGES = { deno: "deno@2.9.6", "playwright-core": "playwright-core@1.65.1" };
const BROWSERS = ["chromium", "chromium-browser", "google-chrome"];
const LIMIT_MS = 60_000;
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

class Missing extends Error {}

// Runtimes from the registry and from the system -----------------------------------------------------------------------

/** The folder of a package, installed into the cache on demand. */
function installed(name) {
  const folder = join(CACHE, "node_modules", name);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  // All at once: npm removes what it was not told about.
  const args = ["install", "--no-save", "--no-package-lock", "--prefix", CACHE, ...Object.values(PACKAGES)];
  const isWindows = process.platform === "win32";
  const { status, stderr, error } = spawnSync(isWindows ? "npm.cmd" : "npm", args, {
    encoding: "utf8",
    shell: isWindows,
  });
  if (status !== 0 || !existsSync(folder)) {
    const why = error?.message ?? stderr.match(/^npm error.*$/m)?.[0] ?? `npm ended with ${status}`;
    throw new Missing(`${PACKAGES[name]} cannot be installed: ${why}`);
  }
  return folder;
}

function denoBinary() {
  const require = createRequire(join(installed("deno"), "package.json"));
  const { platform, arch } = process;
  const binary = platform === "win32" ? "deno.exe" : "deno";
  for (const name of [`@deno/${platform}-${arch}-glibc`, `@deno/${platform}-${arch}`]) {
    try {
      return join(require.resolve(`${name}/package.json`), "..", binary);
    } catch (error) {
      if (error.code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  throw new Missing(`the deno package has no binary for ${platform} ${arch}`);
}

function onPath(names) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file));
}

function chromiumBinary() {
  const found = onPath(BROWSERS);
  if (found !== undefined) return found;
  const canInstall = process.getuid?.() === 0 && onPath(["apt-get"]) !== undefined;
  if (canInstall && process.argv.includes("--install")) {
    spawnSync("apt-get", ["install", "-y", "chromium"], { stdio: ["ignore", "ignore", "inherit"] });
    const now = onPath(BROWSERS);
    if (now !== undefined) return now;
  }
  const advice = canInstall ? "; --install runs apt-get install chromium" : "";
  throw new Missing(`none of ${BROWSERS.join(", ")} is installed${advice}`);
}

// Running --------------------------------------------------------------------------------------------------------------

function answerOf(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    cwd: root,
    timeout: LIMIT_MS,
  });
  if (error?.code === "ENOENT") throw new Missing(error.message);
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout);
}

const inNode = () => answerOf(process.execPath, [NODE_SCRIPT, ...PROGRAMS]);
const inDeno = () => answerOf(denoBinary(), ["run", "--quiet", `--allow-read=${root}`, NODE_SCRIPT, ...PROGRAMS]);

/** Serves the project's files with the two headers that make a page cross-origin isolated, so that it may share memory. */
function serve() {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    const file = join(root, decodeURIComponent(pathname));
    if (!file.startsWith(root + sep) || !(extname(file) in TYPES) || !existsSync(file)) {
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
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

/** `build`: a build of the core other than the page would choose. */
async function inChromium(build) {
  const executablePath = chromiumBinary();
  const { chromium } = createRequire(join(installed("playwright-core"), "package.json"))("playwright-core");
  const server = await serve();
  try {
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"], timeout: LIMIT_MS });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(LIMIT_MS);
      await page.goto(`http://127.0.0.1:${server.address().port}/host/tools/smoke/page.html`);
      const programs = PROGRAMS.map((file) => ({ name: relative(root, file), text: readFileSync(file, "utf8") }));
      const answer = await page.evaluate(([all, wanted]) => window.smoke(all, wanted), [programs, build]);
      if (answer.error !== undefined) throw new Error(answer.error);
      // The page must run what it claims to: shared memory where it is isolated.
      if (build === undefined && !answer.shared) throw new Error("the page is not cross-origin isolated");
      return answer;
    } finally {
      await browser.close();
    }
  } finally {
    server.close();
  }
}

const RUNTIMES = [
  ["node", inNode],
  ["deno", inDeno],
  ["chromium", () => inChromium()],
  ["chromium, memory not shared", () => inChromium("plain")],
];

async function main(args) {
  const unknown = args.find((arg) => arg !== "--install");
  if (unknown !== undefined) {
    console.error(`smoke:runtimes: unknown option ${unknown} (--install)`);
    process.exitCode = 2;
    return;
  }
  await Promise.all([buildCore(), buildHost()]);
  const hashes = new Set();
  let failed = 0;
  let missing = 0;
  for (const [name, run] of RUNTIMES) {
    try {
      const { hash, records, runtime } = await run();
      hashes.add(hash);
      console.log(`${hash}  ${name} (${runtime}, ${records} records)`);
    } catch (error) {
      const isMissing = error instanceof Missing;
      if (isMissing) missing++;
      else failed++;
      console.log(`${isMissing ? "missing" : "failed"}  ${name}: ${error.message}`);
    }
  }
  const ran = RUNTIMES.length - failed - missing;
  const verdict = hashes.size > 1 ? "the hashes differ" : `${ran} of ${RUNTIMES.length} runtimes agree`;
  console.log(missing > 0 ? `${verdict}, ${missing} missing` : verdict);
  if (hashes.size > 1 || failed > 0) process.exitCode = 1;
  else if (missing > 0) process.exitCode = 3;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
