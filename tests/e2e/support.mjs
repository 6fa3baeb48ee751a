// The built Worker in workerd, with a fresh D1 and KV of its own, and if asked for the origin API of examples/ bound to it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createTestHarness, unstable_splitSqlQuery as splitSql } from "wrangler";

process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false"; // workerd's simulation of `request.cf` would look it up on the network

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const schema = splitSql(readFileSync(`${checkout}/schema.sql`, "utf8"));

/** Secrets that are for tests only. */
export const secrets = {
  ADMIN_TOKEN: "the-operator-token-of-the-tests-only",
  MASTER_KEY: "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
};

const rpcCaller = {
  name: "rpc-caller",
  main: `${checkout}/tests/e2e/rpc-caller.mjs`,
  compatibility_date: "2026-10-01",
  services: [{ binding: "AUTH", service: "postern" }],
};

/**
 * Starts Postern. `vars` are settings, `originApi` adds the example.
 *
 * - `url`: where it listens, for clients that make their own requests.
 * - `fetch(path, init)`: a request, redirects not followed; `originApi(path, init)`: one to the example.
 * - `admin(method, path, json)`: one to the operator's API, with the token.
 * - `validate(...args)`: the RPC method, called by another Worker with arguments that JSON can hold; `{ resolved }` or `{ rejected }`.
 * - `scheduled()`: the cron event.
 * - `env`: the bindings, to look at `DB` and `TOKENS` from outside.
 * - `logs()`: what the Workers logged so far.
 * - `stop()`: to be called at the end, else the test file never ends.
 */
export async function startPostern({ vars = {}, originApi = false } = {}) {
  const harness = createTestHarness({
    root: checkout,
    workers: [
      { configPath: "wrangler.toml", secrets, vars },
      { config: rpcCaller },
      ...(originApi ? [{ configPath: "examples/origin-api/wrangler.toml" }] : []),
    ],
  });
  const { url } = await harness.listen();
  const postern = harness.getWorker("postern");
  const env = await postern.getEnv();
  await env.DB.batch(schema.map((statement) => env.DB.prepare(statement)));

  const fetch = (path, init) => postern.fetch(path, { redirect: "manual", ...init });
  return {
    url,
    fetch,
    originApi: (path, init) => harness.getWorker("origin-api").fetch(path, { redirect: "manual", ...init }),
    admin: (method, path, json) =>
      fetch(`/admin/api/${path}`, {
        method,
        headers: { Authorization: `Bearer ${secrets.ADMIN_TOKEN}`, ...(json && { "Content-Type": "application/json" }) },
        body: json && JSON.stringify(json),
      }),
    validate: async (...args) => {
      const response = await harness.getWorker("rpc-caller").fetch("/", { method: "POST", body: JSON.stringify(args) });
      return response.json();
    },
    scheduled: () => postern.scheduled({ cron: "17 * * * *" }),
    env,
    logs: () => harness.getLogs(),
    stop: () => harness.close(),
  };
}
