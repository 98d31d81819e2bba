// `ringzero`: one file per command. Bad input is one line on stderr and exit 2; the other codes are in errors.ts.
import "./node.ts";
import { Command, CommanderError } from "commander";
import { RecordingsError } from "../conform/recordings.ts";
import { printable } from "../core/printable.ts";
import { ProgramSyntaxError } from "../program/words.ts";
import { benchCommand } from "./bench.ts";
import { compareCommand } from "./compare.ts";
import { conformCommand } from "./conform.ts";
import { demoCommand } from "./demo.ts";
import { diffCommand } from "./diff.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, UsageError } from "./errors.ts";
import { explainCommand } from "./explain.ts";
import { profilesCommand } from "./profiles.ts";
import { recordCommand } from "./record.ts";
import { runCommand } from "./run.ts";

declare const RINGZERO_VERSION: string;

function ringzero(): Command {
  const program = new Command("ringzero")
    .description("Linux's io_uring zero-copy send path, emulated")
    .version(RINGZERO_VERSION)
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ outputError: (text, write) => write(printable(text).replace(/^error: /, "ringzero: ")) });
  // Commands take over these settings only when they are made by the program itself.
  for (const define of [
    runCommand,
    explainCommand,
    conformCommand,
    diffCommand,
    recordCommand,
    profilesCommand,
    benchCommand,
    compareCommand,
    demoCommand,
  ])
    define(program);
  return program;
}

function report(error: unknown): number {
  // commander has already printed its own: help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  const isInput = [UsageError, ProgramSyntaxError, RecordingsError].some((kind) => error instanceof kind);
  if (isInput) {
    console.error(`ringzero: ${printable((error as Error).message)}`);
    return EXIT_USAGE;
  }
  console.error(`ringzero: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  return EXIT_FAILED;
}

// A reader that closes the pipe early (`| head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? EXIT_OK : EXIT_FAILED);
});

ringzero()
  .parseAsync()
  .catch((error: unknown) => {
    process.exitCode = report(error);
  });
