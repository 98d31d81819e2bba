// The smoke program in a Worker of a page. The library fetches its core from beside itself.
import * as ringzero from "/dist/index.js";
import { smoke } from "/host/tools/smoke/program.mjs";

self.onmessage = async ({ data }) => {
  try {
    const shared = typeof SharedArrayBuffer !== "undefined";
    const { hash, records } = await smoke(ringzero, data.text, data.build);
    self.postMessage({ hash, records, shared });
  } catch (error) {
    self.postMessage({ error: String(error?.stack ?? error) });
  }
};
