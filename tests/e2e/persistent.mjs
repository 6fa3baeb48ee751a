// Runs the built Worker over the D1 and KV that a folder holds, and says where, until it is killed:
// `node persistent.mjs '{"folder": …, "bindings": {…}, "schema": [statement, …]}'`. It loads no wrangler, which takes long.
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

const { folder, bindings, schema } = JSON.parse(process.argv[2]);
const build = fileURLToPath(new URL("../../build", import.meta.url));
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    name: "postern",
    modulesRoot: build,
    modules: [
      { type: "ESModule", path: `${build}/index.js` },
      { type: "CompiledWasm", path: `${build}/index_bg.wasm` },
    ],
    compatibilityDate: "2026-10-01",
    bindings,
    d1Databases: { DB: "DB" },
    kvNamespaces: { TOKENS: "TOKENS" },
    resourcePersistencePath: folder,
  }),
);
const { origin } = await miniflare.ready;
const { DB } = await miniflare.getBindings();
for (const statement of schema) await DB.prepare(statement).run();
console.log(`Ready on ${origin}`);
