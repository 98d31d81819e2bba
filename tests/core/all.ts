// The entry of the core's tests. All *.spec.ts files are compiled together with it (as-pect.config.js), because compiling
// the core once takes seconds and compiling it for every file would take most of a minute.
