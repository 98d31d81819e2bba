// `npm run example -- NAME`: runs one of examples/, a TypeScript file against the library or a program (.zc). Without a
// name it lists them with the first line of each.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { dist, filesBelow, root } from "./paths.mjs";

const FILES = filesBelow("examples", ".ts", ".zc").filter((file) => !file.includes(join("examples", "demo")));

const nameOf = (file) => basename(file, extname(file));
const firstLine = (file) =>
  readFileSync(file, "utf8")
    .split("\n")[0]
    .replace(/^(\/\/|#) ?/, "");

async function main([name, ...rest]) {
  if (name === undefined) {
    for (const file of FILES) console.log(`${nameOf(file).padEnd(24)} ${firstLine(file)}`);
    return 0;
  }
  const file = FILES.find((each) => nameOf(each) === name || basename(each) === name);
  if (file === undefined || rest.length > 0) {
    console.error(`example: expected one of ${FILES.map(nameOf).join(", ")}, got '${[name, ...rest].join(" ")}'`);
    return 2;
  }
  if (file.endsWith(".zc")) {
    const { status } = spawnSync(process.execPath, [join(dist, "cli.js"), "run", file], { stdio: "inherit" });
    return status ?? 1;
  }
  const outfile = join(dist, "examples", `${nameOf(file)}.mjs`);
  const options = { bundle: true, platform: "node", format: "esm", target: "es2022", logLevel: "warning" };
  await build({ ...options, absWorkingDir: root, entryPoints: [file], outfile });
  await import(pathToFileURL(outfile).href);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode ||= code;
  },
  (error) => {
    console.error(error.stack ?? error.message);
    process.exitCode = 1;
  },
);
