// The smoke programs in Node and in Deno: files as arguments, one line of JSON as answer.
import { readFileSync } from "node:fs";
import process from "node:process";
import * as ringzero from "../../../dist/node.js";
import { smoke } from "./program.mjs";

const programs = process.argv.slice(2).map((name) => ({ name, text: readFileSync(name, "utf8") }));
const { deno, v8, node } = process.versions;
const runtime = deno === undefined ? `Node ${node}, V8 ${v8}` : `Deno ${deno}, V8 ${v8}`;
console.log(JSON.stringify({ ...(await smoke(ringzero, programs)), runtime }));
