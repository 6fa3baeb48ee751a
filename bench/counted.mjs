// Postern with its bindings watched from outside: `/counts` tells what the requests since the last time have asked of D1
// and KV, and how many rows D1 has written.
import { env } from "cloudflare:workers";
import Postern from "../build/index.js";

const none = { d1: 0, rowsRead: 0, rowsWritten: 0, kvReads: 0, kvWrites: 0 };
let counts = { ...none };

const noteD1 = (results) => {
  counts.d1 += 1;
  for (const { meta } of [results].flat()) {
    counts.rowsRead += meta?.rows_read ?? 0;
    counts.rowsWritten += meta?.rows_written ?? 0;
  }
};
watch(Object.getPrototypeOf(env.DB), ["batch"], noteD1);
watch(Object.getPrototypeOf(env.DB.prepare("SELECT 1")), ["run", "all", "first", "raw"], noteD1);
watch(Object.getPrototypeOf(env.TOKENS), ["get", "getWithMetadata", "list"], () => (counts.kvReads += 1));
watch(Object.getPrototypeOf(env.TOKENS), ["put", "delete"], () => (counts.kvWrites += 1));

function watch(prototype, methods, note) {
  for (const method of methods) {
    const original = prototype[method];
    prototype[method] = async function (...args) {
      const result = await original.apply(this, args);
      note(result);
      return result;
    };
  }
}

export default class extends Postern {
  async fetch(request) {
    if (new URL(request.url).pathname !== "/counts") return super.fetch(request);
    const answer = Response.json(counts);
    counts = { ...none };
    return answer;
  }
}
