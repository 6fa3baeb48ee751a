// The built Worker in a workerd without wrangler, which starts in a blink and has no proxy of its own in front.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const build = join(checkout, "build");
const caller = fileURLToPath(new URL("rpc-caller.mjs", import.meta.url));
const compatibilityDate = "2026-10-01";
const unsafeDirectSockets = [{ host: "127.0.0.1", port: 0 }];

/**
 * Starts it with these settings and secrets, after these statements, over the D1 and KV that a folder holds, or over fresh
 * ones. What it logs goes to `hear`. `testHooks` takes the other build. `wrappers`: modules around it, the one that exports it first.
 * `url`: where it listens. `env`: its bindings.
 * `rpc(method, ...args)`: an RPC method, called by another Worker; `{ resolved }` or `{ rejected }`. `stop()` ends it.
 */
export async function startBare({ bindings, schema, folder, hear, testHooks = false, wrappers = [] }) {
  const root = testHooks ? `${build}/test_hooks` : build;
  const postern = {
    name: "postern",
    modulesRoot: checkout,
    modules: [
      ...wrappers.map((path) => ({ type: "ESModule", path: join(checkout, path) })),
      { type: "ESModule", path: `${root}/index.js` },
      { type: "CompiledWasm", path: `${root}/index_bg.wasm` },
    ],
    compatibilityDate,
    bindings,
    d1Databases: { DB: "DB" },
    kvNamespaces: { TOKENS: "TOKENS" },
    unsafeDirectSockets,
  };
  const rpcCaller = { name: "rpc-caller", modules: true, scriptPath: caller, compatibilityDate, serviceBindings: { AUTH: "postern" }, unsafeDirectSockets };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [postern, rpcCaller],
      resourcePersistencePath: folder,
      ...(hear && { handleStructuredLogs: ({ message }) => hear(message) }),
      handleRuntimeStdio: (stdout, stderr) => (stdout.resume(), stderr.pipe(process.stderr)),
    }),
  );
  await miniflare.ready;
  const url = await miniflare.unsafeGetDirectURL("postern");
  const env = await miniflare.getBindings("postern");
  for (const statement of schema) await env.DB.prepare(statement).run();
  const rpc = async (method, ...args) => {
    const call = new URL(`/call?method=${method}`, await miniflare.unsafeGetDirectURL("rpc-caller"));
    return (await fetch(call, { method: "POST", body: JSON.stringify(args) })).json();
  };
  return { url, env, rpc, stop: () => miniflare.dispose() };
}
