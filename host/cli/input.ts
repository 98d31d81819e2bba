// What the commands read: files, and numbers given as options.
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { InvalidArgumentError } from "commander";
import { parseRecordings } from "../conform/recordings.ts";
import { UsageError } from "./errors.ts";

const REASONS: Record<string, string> = {
  ENOENT: "no such file",
  EISDIR: "is a folder",
  EACCES: "permission denied",
};

/** The text of a file; `-` is standard input. */
export function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new UsageError(`${file}: ${REASONS[code] ?? message}`);
  }
}

/** A file that scenarios are going to be added to: asked before the work is done, which may take minutes. */
export function checkScenarioFile(file: string): void {
  if (existsSync(file)) {
    parseRecordings(readText(file), file);
    return;
  }
  checkFolder(file);
}

/** A file that is going to be written: asked before the work is done. */
export function checkOutputFile(file: string): void {
  if (!existsSync(file)) {
    checkFolder(file);
    return;
  }
  if (statSync(file).isDirectory()) throw new UsageError(`${file}: ${REASONS.EISDIR}`);
  try {
    accessSync(file, constants.W_OK);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new UsageError(`${file}: ${REASONS[code] ?? message}`);
  }
}

function checkFolder(file: string): void {
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new UsageError(`${file}: ${code === "ENOENT" ? "no such folder" : (REASONS[code] ?? message)}`);
  }
}

export function seedOption(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 0xffff_ffff)
    throw new InvalidArgumentError("A seed is a number from 0 to 4294967295.");
  return value;
}

export function countOption(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > 1e9) throw new InvalidArgumentError("This is a count, 0 or more.");
  return Number(text);
}

export function buildOption(text: string): "release" | "debug" {
  if (text !== "release" && text !== "debug") throw new InvalidArgumentError("A build is release or debug.");
  return text;
}
