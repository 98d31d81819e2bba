// What the commands read and write: files, and numbers given as options.
import { accessSync, closeSync, constants, openSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { parseRecordings } from "../conform/recordings.ts";
import { UsageError } from "./errors.ts";

const REASONS: Record<string, string> = {
  ENOENT: "no such file",
  EISDIR: "is a folder",
  EACCES: "permission denied",
  ENOTDIR: "a part of the path is no folder",
  ENAMETOOLONG: "the name is too long",
  ENOSPC: "no space left on the device",
  EROFS: "the file system is read-only",
};

function refuse(file: string, error: unknown, reasons = REASONS): never {
  const { code = "", message } = error as NodeJS.ErrnoException;
  throw new UsageError(`${file}: ${reasons[code] ?? message}`);
}

/** The text of a file; `-` is standard input. */
export function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    refuse(file, error);
  }
}

/** A file that scenarios are going to be added to: asked before the work is done, which may take minutes. */
export function checkScenarioFile(file: string): void {
  if (checkOutputFile(file)) parseRecordings(readText(file), file);
}

/** A file that is going to be written: asked before the work is done. True if it is there already. */
export function checkOutputFile(file: string): boolean {
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    if (found !== undefined) {
      accessSync(file, constants.W_OK);
      return true;
    }
    // A folder's permissions do not tell whether a file can be made in it (/sys): only making it does.
    closeSync(openSync(file, "wx"));
    unlinkSync(file);
  } catch (error) {
    refuse(file, error, { ...REASONS, ENOENT: "no such folder" });
  }
  return false;
}

/** What went wrong is one line, as with the checks before the work: the device may be full by now. */
export function writeText(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    refuse(file, error);
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
