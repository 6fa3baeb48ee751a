// One workerd with all Workers of the bench in it, each on a port of its own, without any Worker of the tools in between.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { unstable_splitSqlQuery as splitSql } from "wrangler";
import { checkout } from "../scripts/run.mjs";

process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false"; // workerd's simulation of `request.cf` would look it up on the network

export const compatibilityDate = readFileSync(join(checkout, "wrangler.toml"), "utf8").match(/^compatibility_date = "(.*)"/m)[1];

/** Secrets that are for the bench only. */
export const secrets = {
  ADMIN_TOKEN: "the-operator-token-of-the-bench-only",
  MASTER_KEY: "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
};

/** The default of VALIDATION_CACHE_SECONDS, as wrangler.toml shows it. */
export const validationCacheSeconds = Number(readFileSync(join(checkout, "wrangler.toml"), "utf8").match(/^# VALIDATION_CACHE_SECONDS = "(\d+)"/m)[1]);

/** A built Worker, with D1 and KV under the name `storage` if it has one. */
function built(name, folder, storage, bindings) {
  return {
    name,
    modulesRoot: join(checkout, folder),
    modules: [
      { type: "ESModule", path: join(checkout, folder, "index.js") },
      { type: "CompiledWasm", path: join(checkout, folder, "index_bg.wasm") },
    ],
    ...(storage && { d1Databases: { DB: storage }, kvNamespaces: { TOKENS: storage } }),
    bindings,
  };
}

/** Postern, and the same once more with its calls counted. */
const postern = (name, vars, storage = "postern") => {
  const worker = built(name, "build", storage, { ...secrets, ...vars });
  const counting = { type: "ESModule", path: join(checkout, "bench/counted.mjs") };
  return [worker, { ...worker, name: counted(name), modulesRoot: checkout, modules: [counting, ...worker.modules] }];
};

/** The name of the Postern that counts. */
export function counted(name) {
  return `${name}-counted`;
}

const workersFor = (provider) => [
  { name: "no-op JavaScript", modules: true, script: 'export default { fetch: () => new Response("ok") };' },
  built("no-op Rust", "build/bench_noop"),
  built("floor", "build/bench_floor", "floor"),
  ...postern("postern"),
  ...postern("postern-long-memory", { VALIDATION_CACHE_SECONDS: "3600" }),
  ...postern("postern-no-memory", { VALIDATION_CACHE_SECONDS: "0" }),
  ...postern("postern-marking"),
  ...postern("postern-social", { SOCIAL_AUTH_PROVIDERS: provider.setting }),
  ...postern("postern-few", {}, "few"),
  ...postern("postern-many", {}, "many"),
];

/**
 * Starts workerd, with that identity provider. `port(worker)`: where a Worker listens. `env(worker)`: its bindings. `pid`: workerd's, or null where
 * the system does not tell. `stop()` ends it.
 */
export async function startWorkers(provider) {
  const workers = workersFor(provider);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      handleStructuredLogs: ({ message }) => showUnlessLogged(message),
      workers: workers.map((worker) => ({
        compatibilityDate,
        unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
        ...worker,
      })),
    }),
  );
  await miniflare.ready;
  const ports = new Map();
  for (const { name } of workers) ports.set(name, Number((await miniflare.unsafeGetDirectURL(name)).port));
  const env = (worker) => miniflare.getBindings(worker);
  for (const worker of ["postern", "postern-few", "postern-many", "floor"]) await execute((await env(worker)).DB, "schema.sql");
  const floor = await env("floor");
  await execute(floor.DB, "bench/floor-rows.sql");
  await floor.TOKENS.put(`t:${"d".repeat(43)}`, readFileSync(join(checkout, "bench/worker/src/record.txt"), "utf8"));
  return { port: (worker) => ports.get(worker), env, pid: workerdPid(), stop: () => miniflare.dispose() };
}

/** What a Worker logs is what it does; what workerd says is a fault. */
function showUnlessLogged(line) {
  if (!line.startsWith('{"level":"info"')) console.error(line);
}

async function execute(db, file) {
  const statements = splitSql(readFileSync(join(checkout, file), "utf8"));
  await db.batch(statements.map((statement) => db.prepare(statement)));
}

/** The child of ours that is workerd (Linux only). */
function workerdPid() {
  try {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
    return children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("workerd")) ?? null;
  } catch {
    return null;
  }
}
