// The build with test hooks, and beside it an entrypoint that tells which instances of the wasm there have been.
import { WorkerEntrypoint } from "cloudflare:workers";
import { instances } from "./watch-instances.mjs"; // before the module that makes them
export { default } from "../../build/test_hooks/index.js";

export class Watch extends WorkerEntrypoint {
  /** For each instance so far: how often one of its closures was called, and whether its memory is still there. */
  look() {
    globalThis.gc();
    return instances.map(({ calls, memory }) => ({ calls, bytes: memory.deref()?.buffer.byteLength ?? 0 }));
  }
}
