// `npm run example -- NAME`: runs one of examples/, a TypeScript file against the library or a program (.zc). Without a
// name it lists them with the first sentence of each. What a module exports by default is an experiment of examples/thread:
// its text() is what there is to see.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { dist, filesBelow, root } from "./paths.mjs";

/** Below examples/ are parts of the demo, and experiments with what they share: those have a number. */
const isExample = (file) => {
  const folder = basename(dirname(file));
  return folder === "examples" || (folder === "thread" && /^\d/.test(basename(file)));
};
const FILES = filesBelow("examples", ".ts", ".zc").filter(isExample);

const nameOf = (file) => basename(file, extname(file));

/** The first sentence of the head comment. */
function firstSentence(file) {
  const lines = readFileSync(file, "utf8").split("\n");
  const end = lines.findIndex((line) => !/^(\/\/|#) ?\S/.test(line));
  const text = lines.slice(0, end).map((line) => line.replace(/^(\/\/|#) ?/, ""));
  return text.join(" ").replace(/([.?!]) .*/, "$1");
}

const WIDTH = 110;

function wrap(head, text) {
  const lines = [head];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line.length > head.length && line.length + word.length >= WIDTH)
      lines.push(`${" ".repeat(head.length)}${word}`);
    else lines[lines.length - 1] += line.length > head.length ? ` ${word}` : word;
  }
  return lines;
}

async function main([name, ...rest]) {
  if (name === undefined) {
    const room = Math.max(...FILES.map((file) => nameOf(file).length)) + 2;
    for (const file of FILES)
      for (const line of wrap(nameOf(file).padEnd(room), firstSentence(file))) console.log(line);
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
  const { default: experiment } = await import(pathToFileURL(outfile).href);
  if (experiment !== undefined) console.log(await experiment.text());
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
