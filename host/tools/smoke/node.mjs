// The smoke program in node and in Deno: FILE as argument, one line of JSON as answer.
import { readFileSync } from "node:fs";
import process from "node:process";
import * as ringzero from "../../../dist/node.js";
import { smoke } from "./program.mjs";

const { hash, records } = await smoke(ringzero, readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify({ hash, records }));
