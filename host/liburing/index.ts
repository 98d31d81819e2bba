// liburing's helpers under liburing's names, in camelCase.
export * from "./prep.ts";
export { type Cqe, Ring } from "./ring.ts";
export * from "./slots.ts";
export type { RingOptions, RingParams } from "./setup.ts";
