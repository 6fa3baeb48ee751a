// The built Worker in a workerd without wrangler, which starts in a blink and has no proxy of its own in front.
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

const build = fileURLToPath(new URL("../../build", import.meta.url));

/**
 * Starts it with these settings and secrets, after these statements, over the D1 and KV that a folder holds, or over fresh
 * ones. What it logs goes to `hear`. `url`: where it listens. `env`: its bindings. `stop()` ends it.
 */
export async function startBare({ bindings, schema, folder, hear }) {
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
      unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
      ...(hear && { handleStructuredLogs: ({ message }) => hear(message) }),
      handleRuntimeStdio: (stdout, stderr) => (stdout.resume(), stderr.pipe(process.stderr)),
    }),
  );
  await miniflare.ready;
  const url = await miniflare.unsafeGetDirectURL("postern");
  const env = await miniflare.getBindings();
  for (const statement of schema) await env.DB.prepare(statement).run();
  return { url, env, stop: () => miniflare.dispose() };
}
