// Before `npm test`: makes a fresh clone ready, so that `npm test` needs no `npm ci` before it. Only the tools are put in
// place here; test.mjs builds what it runs.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";

if (!existsSync(join(root, "node_modules/assemblyscript/package.json"))) {
  console.log("node_modules is missing: npm ci --ignore-scripts");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const options = { cwd: root, stdio: "inherit", shell: process.platform === "win32" };
  const { status } = spawnSync(npm, ["ci", "--ignore-scripts"], options);
  if (status !== 0) process.exit(status ?? 1);
}
