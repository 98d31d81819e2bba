// The smoke programs in a Worker of a page. The library fetches its core from beside itself.
import * as ringzero from "/dist/index.js";
import { smoke } from "/host/tools/smoke/program.mjs";

self.onmessage = async ({ data: { programs, build } }) => {
  try {
    const shared = self.crossOriginIsolated && build !== "plain";
    const runtime = navigator.userAgent.match(/Chrome\/[\d.]+/)?.[0] ?? navigator.userAgent;
    self.postMessage({ ...(await smoke(ringzero, programs, build)), runtime, shared });
  } catch (error) {
    self.postMessage({ error: String(error?.stack ?? error) });
  }
};
